"""Let `asyncio.run` work inside a notebook, on request only."""

from __future__ import annotations


def enable_nested() -> None:
    """Allow `asyncio.run(...)` in cells from now on, for code that was written for a script.

    Applies nest_asyncio2, which JupyterLab's kernel depends on. nest_asyncio 1.6 hangs under *Run All* of current
    JupyterLab; whichever of the two is applied first wins, so call this before importing what applies the other.
    """
    import nest_asyncio2

    nest_asyncio2.apply()
