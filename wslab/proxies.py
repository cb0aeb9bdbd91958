"""What stands, beside a learner's code, for the collaborators that a check keeps on its own end.

A coroutine function is awaited, a plain function answers at once, an object has its methods, an async iterator its
elements, a logger passes its records on. Functions that a learner hands to a collaborator are kept here by number.

Rules of this file: a proxy looks like what it stands for, and a question withdrawn by the learner's code is withdrawn
on the other end.
"""

from __future__ import annotations

import asyncio
import builtins
import functools
import logging
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

from .guard import Guard
from .peer import Peer, Refused
from .values import TAG, Json, Unpack, describe, pack

PLAIN_S = 2.0  # how long a plain function may keep a learner's loop waiting
STANDARD = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime", "taskName"}


class Proxies:
    """Packs what a learner's code hands over, and makes proxies of what it gets; `held` are objects by number."""

    def __init__(self, guard: Guard, peer: Peer) -> None:
        self.held: dict[int, Any] = {}
        self._guard, self._peer = guard, peer
        self._loop = asyncio.get_running_loop()
        tags = {"function": self._function, "object": self._object, "iterator": self._iterator, "logger": self._logger}
        self.unpack = Unpack({**tags, "held": lambda value: self.held[value["number"]]})

    def pack(self, value: Any) -> Json:
        """`value` as JSON; a function is kept, so that the other end can call it, all else is described."""
        return pack(value, self._export)

    def hold(self, value: Any) -> int:
        """Keep `value`; returns its number."""
        number = len(self.held) + 1
        self.held[number] = value
        return number

    def _export(self, value: Any) -> Json:
        if callable(value) and not isinstance(value, type):
            return {TAG: "callback", "number": self.hold(value), "text": describe(value)["text"]}
        return describe(value)

    async def ask(self, op: str, *args: Json) -> Any:
        """Ask the other end from the learner's loop; its exceptions are raised as what they were."""
        asking = self._asking(op, args)
        try:
            return self.unpack(await asyncio.wrap_future(asking))
        except Refused as exc:
            raise _exception(exc.error, self.unpack) from None

    def ask_at_once(self, op: str, *args: Json) -> Any:
        """The same without an await, for plain functions; the learner's loop is not to blame for the pause."""
        asking = self._asking(op, args)
        try:
            with self._guard.excused():
                return self.unpack(asking.result(PLAIN_S))
        except Refused as exc:
            raise _exception(exc.error, self.unpack) from None

    def _asking(self, op: str, args: tuple[Json, ...]) -> Future[Json]:
        question = self._peer.ask(op, *args)
        try:
            return asyncio.run_coroutine_threadsafe(question, self._loop)
        except RuntimeError:  # the check has ended, the learner's code has not: nothing is left that nobody awaits
            question.close()
            raise

    def _used(self, number: int, method: str, name: str, awaited: bool) -> Callable[..., Any]:
        def packed(args: tuple[Any, ...], named: dict[str, Any]) -> tuple[Json, ...]:
            return [self.pack(item) for item in args], {key: self.pack(item) for key, item in named.items()}

        async def call(*args: Any, **named: Any) -> Any:
            return await self.ask("use", number, method, *packed(args, named))

        def call_at_once(*args: Any, **named: Any) -> Any:
            return self.ask_at_once("use", number, method, *packed(args, named))

        function: Callable[..., Any] = call if awaited else call_at_once
        function.__name__ = function.__qualname__ = name  # as a warning about a missing await names it
        return function

    def _function(self, value: dict[str, Any]) -> Callable[..., Any]:
        return self._used(value["number"], "", value["name"], value["awaited"])

    def _object(self, value: dict[str, Any]) -> Any:
        number, name = value["number"], value["name"]
        kind = type(name, (SimpleNamespace,), {"__aiter__": self._iterated(number)} if value["iterated"] else {})
        found = {key: self.unpack(item) for key, item in value["attributes"].items()}
        for key, awaited in value["methods"].items():
            found[key] = self._used(number, key, f"{name}.{key}", awaited)
        return kind(**found)

    def _iterated(self, number: int) -> Callable[[Any], Any]:
        return lambda proxy: self.ask_at_once("use", number, "__aiter__", [], {})

    def _iterator(self, value: dict[str, Any]) -> AsyncIterator[Any]:
        return _Iterator(functools.partial(self.ask, "next", value["number"]))

    def _logger(self, value: dict[str, Any]) -> logging.Logger:
        logger = logging.Logger(value["name"], value["level"])

        def send(fields: dict[str, Any]) -> None:
            record = {name: pack(item) for name, item in fields.items()}
            self._loop.call_soon_threadsafe(self._peer.tell, "log", value["number"], record)

        logger.addHandler(_Forward(send))
        return logger


class _Iterator:
    """An async iterator whose elements come from the other end."""

    def __init__(self, ask: Callable[[], Awaitable[list[Any]]]) -> None:
        self._ask = ask

    def __aiter__(self) -> _Iterator:
        return self

    async def __anext__(self) -> Any:
        for item in await self._ask():
            return item
        raise StopAsyncIteration


class _Forward(logging.Handler):
    """Sends what a record says, as plain data."""

    def __init__(self, send: Callable[[dict[str, Any]], None]) -> None:
        super().__init__()
        self._send = send

    def emit(self, record: logging.LogRecord) -> None:
        try:
            message = record.getMessage()
        except Exception as exc:  # a format that does not fit its arguments
            message = f"{record.msg!r} cannot be formatted ({type(exc).__name__})"
        kind, error = (record.exc_info or (None, None))[:2]
        fields = {name: item for name, item in vars(record).items() if name not in STANDARD}
        fields |= {"name": record.name, "levelno": record.levelno, "levelname": record.levelname, "msg": message}
        if error is not None:
            fields |= {
                "exc_text": "".join(traceback.format_exception(error)),
                "exc_type": kind.__name__ if kind else "",
            }
        self._send(fields)


_own: dict[str, type[Exception]] = {}


def _exception(error: dict[str, Any], unpack: Unpack) -> BaseException:
    """An exception of the other end: of the same class where that is built in, else of one of the same name."""
    name = error["type"]
    kind = getattr(builtins, name, None)
    if name == "CancelledError":
        kind = asyncio.CancelledError
    if not (isinstance(kind, type) and issubclass(kind, BaseException)):
        kind = _own.setdefault(name, type(name, (Exception,), {}))
    made: BaseException = kind(*map(unpack, error["args"]))
    return made
