# %% [markdown]
# # The checkpoint: twenty questions
#
# About 75 minutes, not in one go. You need the lessons 1 to 7; the capstone, the other half of the checkpoint, lies in `capstone/`.
#
# Each question has values of your own. The recording behind it is made when you ask, from real servers, and your answer is compared with what
# crossed the wire. Answers are values: numbers, orders, sets, places in bytes.
#
# For each question there are three cells. Run the first: it shows the question. Put your answer in the place of `...` in the second and run it. The
# third judges. You may use anything: paper, Python, the lessons, the cheat sheet.
#
# - **Write values out**: numbers, texts, lists, sets. `wslab checkpoint` reads your answers without running anything, so `65 + 6` or `len(...)` in an
#   answer cell is no answer; work it out in a cell of your own.
# - A wrong answer costs nothing. You are told which row is wrong and which arrow of the recording decides. Then run the first cell again: the question comes back
#   with new values. After a second miss it shows you the section to read.
# - `...` that is left counts as *not answered yet*, not as wrong.
#
# **Passed** is: 17 of 20, and at least one for each of the seven diagrams.

# %%
from questions import agenda, answer, question

# %% [markdown]
# What to take first: what you missed here, then what comes back to a prediction that differed or an exercise that failed, then the rest.

# %%
agenda()

# %% [markdown]
# ## Diagram 1: Client, server, database

# %% [markdown]
# ### Question 1

# %%
question(1)

# %% answer="q1"
answer_1 = {  # whole numbers
    "connections": ...,
    "handshakes": ...,
    "up": ...,
    "down": ...,
    "pushes": ...,
}

# %% check="q1"
answer(1, answer_1)

# %% [markdown]
# ### Question 2

# %%
question(2)

# %% answer="q2"
answer_2 = {  # numbers of arrows
    "arrow": ...,
    "because_of": ...,
}

# %% check="q2"
answer(2, answer_2)

# %% [markdown]
# ## Diagram 2: Request, process, response

# %% [markdown]
# ### Question 3

# %%
question(3)

# %% answer="q3"
answer_3 = {  # an order is a list such as [0, 1, 2, 3]; times in seconds, 0.03 s more or less are right, too
    "in_turns": ...,
    "in_turns_s": ...,
    "tasks": ...,
    "tasks_s": ...,
}

# %% check="q3"
answer(3, answer_3)

# %% [markdown]
# ### Question 4

# %%
question(4)

# %% answer="q4"
answer_4 = {  # a number, or "TimeoutError"
    "a": ...,
    "b": ...,
    "c": ...,
    "d": ...,
    "events": ...,
}

# %% check="q4"
answer(4, answer_4)

# %% [markdown]
# ### Question 5

# %%
question(5)

# %% answer="q5"
answer_5 = {  # seconds, such as 0.15
    "first": ...,
    "second": ...,
    "third": ...,
    "fourth": ...,
}

# %% check="q5"
answer(5, answer_5)

# %% [markdown]
# ## Diagram 3: Patterns

# %% [markdown]
# ### Question 6

# %%
question(6)

# %% answer="q6"
answer_6 = {  # a status each
    "a": ...,
    "b": ...,
    "c": ...,
    "d": ...,
    "e": ...,
    "f": ...,
}

# %% check="q6"
answer(6, answer_6)

# %% [markdown]
# ### Question 7

# %%
question(7)

# %% answer="q7"
answer_7 = {  # such as ("http", 404), ("message", "bad_json") or ("close", 1000)
    "a": ...,
    "b": ...,
    "c": ...,
    "d": ...,
    "e": ...,
}

# %% check="q7"
answer(7, answer_7)

# %% [markdown]
# ### Question 8

# %%
question(8)

# %% answer="q8"
answer_8 = {  # lists of places, such as [5, 71]; [] for none
    "up": ...,
    "down": ...,
    "in_log": ...,
}

# %% check="q8"
answer(8, answer_8)

# %% [markdown]
# ### Question 9

# %%
question(9)

# %% answer="q9"
answer_9 = {  # seconds, or "open"
    "v1": ...,
    "v2": ...,
    "v3": ...,
}

# %% check="q9"
answer(9, answer_9)

# %% [markdown]
# ## Diagram 4: One server or three

# %% [markdown]
# ### Question 10

# %%
question(10)

# %% answer="q10"
answer_10 = {  # whole numbers
    "server_1": ...,
    "server_2": ...,
    "server_3": ...,
}

# %% check="q10"
answer(10, answer_10)

# %% [markdown]
# ### Question 11

# %%
question(11)

# %% answer="q11"
answer_11 = {  # sets, such as {1, 2}
    "without": ...,
    "with": ...,
}

# %% check="q11"
answer(11, answer_11)

# %% [markdown]
# ### Question 12

# %%
question(12)

# %% answer="q12"
answer_12 = {  # messages, and kB
    "loop_fast": ...,
    "loop_waiting_kB": ...,
    "broadcast_fast": ...,
    "broadcast_waiting_kB": ...,
    "queue_fast": ...,
    "queue_waiting_kB": ...,
}

# %% check="q12"
answer(12, answer_12)

# %% [markdown]
# ### Question 13

# %%
question(13)

# %% answer="q13"
answer_13 = {  # a set, such as {"a", "b"}
    "possible": ...,
}

# %% check="q13"
answer(13, answer_13)

# %% [markdown]
# ### Question 14

# %%
question(14)

# %% answer="q14"
answer_14 = {  # lists of numbers; [] for none
    "replay": ...,
    "lost": ...,
}

# %% check="q14"
answer(14, answer_14)

# %% [markdown]
# ### Question 15

# %%
question(15)

# %% answer="q15"
answer_15 = {  # seconds; and the number of a connection
    "waits": [..., ..., ..., ..., ..., ...],
    "reset": ...,
}

# %% check="q15"
answer(15, answer_15)

# %% [markdown]
# ## Diagram 5: Data format

# %% [markdown]
# ### Question 16

# %%
question(16)

# %% answer="q16"
answer_16 = {  # payload: a text; next: two bytes, such as "a1 0f"
    "fin": ...,
    "opcode": ...,
    "masked": ...,
    "length": ...,
    "payload": ...,
    "next": ...,
}

# %% check="q16"
answer(16, answer_16)

# %% [markdown]
# ### Question 17

# %%
question(17)

# %% answer="q17"
answer_17 = {  # whole numbers
    "up_1": ...,
    "down_1": ...,
    "up_2": ...,
    "down_2": ...,
    "up_3": ...,
    "down_3": ...,
}

# %% check="q17"
answer(17, answer_17)

# %% [markdown]
# ### Question 18

# %%
question(18)

# %% answer="q18"
answer_18 = {  # "ok", or the code
    "a": ...,
    "b": ...,
    "c": ...,
    "d": ...,
    "e": ...,
    "f": ...,
}

# %% check="q18"
answer(18, answer_18)

# %% [markdown]
# ## Diagram 6: State

# %% [markdown]
# ### Question 19

# %%
question(19)

# %% answer="q19"
answer_19 = {  # sets of "socket", "process", "both"; set() for none
    "a": ...,
    "b": ...,
    "c": ...,
    "d": ...,
    "e": ...,
    "f": ...,
}

# %% check="q19"
answer(19, answer_19)

# %% [markdown]
# ## Diagram 7: Error flow

# %% [markdown]
# ### Question 20

# %%
question(20)

# %% answer="q20"
answer_20 = {  # exception, rcvd, sent, close_code, loop, next
    "a": [..., ..., ..., ..., ..., ...],
    "b": [..., ..., ..., ..., ..., ...],
    "c": [..., ..., ..., ..., ..., ...],
    "d": [..., ..., ..., ..., ..., ...],
    "e": [..., ..., ..., ..., ..., ...],
    "f": [..., ..., ..., ..., ..., ...],
}

# %% check="q20"
answer(20, answer_20)

# %% [markdown]
# ## Where you are
#
# `wslab checkpoint --questions` judges all answers again, as they are saved in this notebook, and writes a report.

# %%
agenda()
