# %% [markdown]
# # Exercises 4: one server, or several behind a load balancer
#
# Five exercises: 4.2 takes about 25 minutes; 4.1, 4.3, 4.4 and 4.5, marked *Going further*, about two hours more. You need lesson 4,
# [One server, or several](../notebooks/04_architectures.ipynb).
#
# Change the cell that holds the function or the class, run it, then run the check below it. Work cell by cell: *Run All* stops at the
# first exercise that is not solved yet. `hint("4.1")` gives a hint; there are three for each exercise.

# %%
import asyncio
import contextlib
import json
import random

from websockets import ConnectionClosed, InvalidStatus, connect

from wslab import check, hint

# %% [markdown]
# ## 4.1 Where does it land?

# %% [markdown]
# ## 4.2 The silent two thirds

# %% [markdown]
# ## 4.3 The slow reader

# %% [markdown]
# ## 4.4 Coming back

# %% [markdown]
# ## 4.5 Catch the silent two thirds

# %% [markdown]
# ## Stuck?
#
# `hint()` looks at your last failure. To begin again with a fresh notebook, run `wslab reset 4` in a terminal: your work is kept
# as a backup beside it.
