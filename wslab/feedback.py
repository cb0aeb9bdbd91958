"""What a behaviour raises when it is not content: the line that the learner reads, and the facts beside it.

Rules of this file: words only; nothing is run and nothing is waited for.
"""

from __future__ import annotations

from collections.abc import Callable

from .errors import later, say
from .trace import Event


class Wrong(Exception):
    """A behaviour is not content.

    `line` is the feedback: what it means. `did`, `expected`, `saw` are what happened. `where` picks the arrow to look
    at: the first event of the recording for which it is true.
    """

    def __init__(
        self,
        line: str,
        *,
        did: str = "",
        expected: str = "",
        saw: str = "",
        where: Callable[[Event], bool] | None = None,
    ) -> None:
        super().__init__(line)
        self.line, self.did, self.expected, self.saw, self.where = line, did, expected, saw, where


class NoAnswer(Wrong):
    """Something that should have come did not come; a common mistake seen meanwhile explains it better."""


# What frequent exceptions mean, for somebody who meets them for the first time: a part of their text, and the advice.
MEANINGS = {
    "coroutine is not JSON serializable": later("An await is missing before the call that made it."),
    "coroutine' object is not": later("An await is missing before the call that made it."),
    "data is a dict-like object": later("A message is text: send json.dumps(...)."),
    "string indices must be integers": later("A message is text: json.loads(message) makes a dictionary of it."),
    "object is not iterable": later("A connection is read with 'async for message in ws', or with await ws.recv()."),
    "cannot call recv while another": later("One connection wants one reader, which hands out the messages."),
}


def advice(error: str) -> str:
    """What to do about an exception with this text, with a space before it, or an empty string."""
    return next((f" {say(meaning)}" for part, meaning in MEANINGS.items() if part in error), "")
