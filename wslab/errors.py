"""What can go wrong in the kit, as exceptions; a message says what happened, then what to do."""

from __future__ import annotations


class LabError(Exception):
    """A misuse of the kit, or something the kit cannot do here. Shown in a notebook as its message alone."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for this instead of printing a traceback
        return [f"{type(self).__name__}: {self}"]


class RecordingError(LabError):
    """A recording cannot be made, read, or brought to rest."""
