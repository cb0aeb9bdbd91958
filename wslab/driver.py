"""Pristine code of a check that runs beside a learner's, for answers that are given live objects.

A class whose methods take a connection, a bus, a clock or a real exception cannot be called from the check's end: a
`Driver` in the checks' file calls it where it lives, and the check says by name which of the driver's methods to run.

Rules of this file: what a driver returns can be forged by a determined learner; a check judges by what crosses its own
sockets wherever it can.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, ClassVar

Serve = Callable[..., Awaitable[str]]


class Driver:
    """Base of the drivers; `answers` are what the learner handed in, by name, `answer` the first of them.

    Every public method of a driver is an operation for `Driven.do`, plain or a coroutine; arguments and results are
    plain data, and arguments may be collaborators. All of it runs on the learner's loop.
    """

    known: ClassVar[dict[str, type[Driver]]] = {}

    def __init__(self, answers: Mapping[str, Any], serve: Serve) -> None:
        self.answers = answers
        self.answer = next(iter(answers.values()))
        self._serve = serve

    def __init_subclass__(cls) -> None:
        cls.known[cls.key()] = cls

    @classmethod
    def key(cls) -> str:
        """The name by which both ends know this driver."""
        return f"{cls.__module__}.{cls.__qualname__}"

    async def open(self, *args: Any, **named: Any) -> None:
        """Begin: make the learner's object, connect it, serve its handler."""

    async def close(self) -> None:
        """End what `open` began; served handlers end by themselves."""

    async def serve(self, handler: Callable[..., Any], *, name: str = "Your server", **options: Any) -> str:
        """Serve `handler` under a name of its own, behind a tap of the check's; returns the address without the tap."""
        return await self._serve(handler, name=name, **options)
