"""What a check hands to a learner's code and keeps itself: functions, objects, iterators, loggers.

They stay on the loop of the check, which therefore sees, counts and times every use; what crosses is a number by which
`proxies` stand for them on the other end.

Rules of this file: only what is public, and callable or plain data, can be reached from the other end.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Mapping
from typing import Any

from .peer import Operation, Peer
from .values import TAG, Json, Unpack, describe, pack, unpack_exception


class Held:
    """Something that the other end holds, known here by its number."""

    def __init__(self, number: int) -> None:
        self.number = number


class Collaborators:
    """Packs what a check hands over, and does what the other end then asks of it."""

    peer: Peer  # set as soon as there is one

    def __init__(self) -> None:
        self._kept: dict[int, Any] = {}
        self._unpack = Unpack({"callback": self._callback})

    @property
    def operations(self) -> Mapping[str, Operation]:
        """What the other end may ask for."""
        return {"use": self._use, "next": self._next, "log": self._log}

    def pack(self, value: Any) -> Json:
        """`value` as JSON, with a number in the place of everything that stays here."""
        return pack(value, self._export)

    def _export(self, value: Any) -> Json:
        if isinstance(value, Held):
            return {TAG: "held", "number": value.number}
        if isinstance(value, type):
            return describe(value)
        number = len(self._kept) + 1
        self._kept[number] = value
        if isinstance(value, logging.Logger):
            return {TAG: "logger", "number": number, "name": value.name, "level": value.getEffectiveLevel()}
        if hasattr(type(value), "__anext__"):
            return {TAG: "iterator", "number": number}
        if callable(value):
            name = getattr(value, "__name__", type(value).__name__)
            return {TAG: "function", "number": number, "name": name, "awaited": is_coroutine_function(value)}
        names = [name for name in dir(type(value)) if not name.startswith("_")]
        methods = {name: getattr(value, name) for name in names if callable(getattr(type(value), name))}
        own = {name: self.pack(item) for name, item in vars(value).items() if not name.startswith("_")}
        return {
            TAG: "object",
            "number": number,
            "name": type(value).__name__,
            "methods": {name: is_coroutine_function(method) for name, method in methods.items()},
            "iterated": hasattr(type(value), "__aiter__"),
            "attributes": own,
        }

    def _callback(self, value: dict[str, Any]) -> Callback:
        return Callback(self, int(value["number"]), str(value["text"]))

    def unpack(self, reply: Json) -> Any:
        """What a call of the learner's code returned.

        Raises:
            Raised: If it raised.
        """
        if "raised" in reply:
            raise unpack_exception(reply["raised"])
        return self._unpack(reply["value"])

    async def _use(self, number: int, method: str, args: list[Json], named: dict[str, Json]) -> Json:
        value = self._kept[number]
        if method == "__aiter__":
            return self.pack(aiter(value))
        if method.startswith("_"):
            raise AttributeError(method)
        function = getattr(value, method) if method else value
        result = function(*map(self._unpack, args), **{name: self._unpack(item) for name, item in named.items()})
        return self.pack(await result if inspect.isawaitable(result) else result)

    async def _next(self, number: int) -> Json:
        try:
            return [self.pack(await anext(self._kept[number]))]
        except StopAsyncIteration:
            return []

    async def _log(self, number: int, record: dict[str, Json]) -> None:
        fields = {name: self._unpack(value) for name, value in record.items()}
        self._kept[number].handle(logging.makeLogRecord(fields))


class Callback:
    """A function of the learner's that the check got hold of: a coroutine function here, whatever it is there."""

    def __init__(self, collaborators: Collaborators, number: int, text: str) -> None:
        self._collaborators, self._number, self._text = collaborators, number, text

    def __repr__(self) -> str:
        return self._text

    async def __call__(self, *args: Any, **named: Any) -> Any:
        pack = self._collaborators.pack
        packed = [*map(pack, args)], {name: pack(item) for name, item in named.items()}
        return self._collaborators.unpack(await self._collaborators.peer.ask("callback", self._number, *packed))


def is_coroutine_function(value: Any) -> bool:
    """Is `value` written with `async def`, or does its `__call__`? Partials are fine."""
    called = getattr(type(value), "__call__", None)  # noqa: B004 (asked of the class, whose method it is)
    return inspect.iscoroutinefunction(value) or inspect.iscoroutinefunction(called)
