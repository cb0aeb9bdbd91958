"""What server processes report to recordings in the kernel: takes, causes, SQL statements, log records, rest.

In a process `install(send)` sends each fact as a line of JSON; in the kernel `receive(server, line)` publishes it.
A process knows a connection only by its ports; the kernel knows whose it is, because its taps dialled it.

Rules of this file: secrets are masked before anything is sent, and again by what is registered in the kernel; a fact
that makes no sense is dropped.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import time
from collections.abc import AsyncIterator, Callable, Collection, Iterable
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict, replace
from typing import Any, Protocol

from ..cause import Link, links
from ..errors import say
from ..event import pack, unpack
from ..linked import LinkedConnection
from ..masking import mask_secrets
from ..quiet import LOOKS, PAUSE_S, current_tasks, pending
from ..server import running_servers
from ..trace import KEEP_BYTES, Cause, Event, Key, Take, Trace, Why, begin, is_recording, publish

Line = dict[str, Any]

ANSWER_S, LOOK_S = 1.0, 0.05
KNOWN = 10_000  # connections of a process whose names are remembered


# In the process -----------------------------------------------------------------------------------------


class Outbox(Trace):
    """A trace that keeps nothing: it sends what it is offered, with the clock's time."""

    def __init__(self, send: Callable[[str], None]) -> None:
        super().__init__()
        self.muted = False
        self._send = send

    def send(self, **fields: object) -> None:
        """Send one fact; a muted outbox sends only what was asked for."""
        if not self.muted or "rest" in fields:
            self._send(json.dumps(fields))

    def offer(self, event: Event) -> None:
        self.send(event=pack(replace(event, at=time.perf_counter())))

    def take(self, take: Take) -> None:
        self.send(take=[take.connection, take.life, take.message, take.sent])

    def because(self, why: Why) -> None:
        self.send(why=why.key, cause=asdict(why.cause))


class ReportedLink(Link):
    """A link whose causes go to the kernel, where the tap is."""

    def explain(self, cause: Cause) -> None:
        publish(Why((self.name, self.life, self.sent), cause))

    def locate(self) -> None:
        """The kernel is told the cause alone."""


class ReportingConnection(LinkedConnection):
    """The library's server connection in a process: pass it to `serve` as `create_connection=`."""

    def asked(self) -> None:
        remote, local = self.remote_address[1], self.local_address[1]
        self.link = ReportedLink(name=f"{remote}:{local}", tapped=True)
        if _reporter is not None:
            _reporter.asked(self.link.name)
        self.link.asked()


class Reporter:
    """The reporting end in a process."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._known: set[asyncio.Task[Any]] | None = None
        self._answers: set[asyncio.Task[None]] = set()

    def asked(self, connection: str) -> None:
        """A handshake has begun; what ran before the first one is no handler's doing."""
        if self._known is None:
            self._known = current_tasks()
        self._outbox.send(asked=connection)

    def hear(self, line: str) -> None:
        """Answer the kernel's question whether this process is at rest; to be called on the server's loop."""
        question = json.loads(line)
        self._outbox.muted = question.get("mute", self._outbox.muted)
        task = asyncio.get_running_loop().create_task(self._answer(question["ask"]))
        self._answers.add(task)
        task.add_done_callback(self._answers.discard)

    async def _answer(self, number: int) -> None:
        for _ in range(LOOKS):  # what was sent to this process before the question is read meanwhile
            await asyncio.sleep(PAUSE_S)
            if reason := pending(running_servers(), self._known or (), ()):
                break
        self._outbox.send(rest=number, reason=reason)


_reporter: Reporter | None = None


def install(send: Callable[[str], None]) -> Callable[[str], None]:
    """Report what happens in this process by `send`; returns what must hear each line of `ServerProcess.tell`."""
    global _reporter
    outbox = Outbox(send)
    begin(outbox)
    _reporter = Reporter(outbox)
    if "WSLAB_BACKPLANE" in os.environ:
        with suppress(ImportError):
            from .subjects import watch_nats

            watch_nats()
    return _reporter.hear


# In the kernel ------------------------------------------------------------------------------------------


class Process(Protocol):
    """What `at_rest` has to know of a server process."""

    name: str
    frozen: bool

    @property
    def running(self) -> bool: ...

    def tell(self, line: str) -> None: ...


_named: dict[tuple[str, str], Link] = {}  # by process and what it calls the connection
_questions: dict[int, asyncio.Future[str]] = {}
_numbers = itertools.count()


def receive(server: str, line: str) -> None:
    """Publish one fact that the process of `server` sent."""
    with suppress(ValueError, TypeError, KeyError, IndexError):
        fact = json.loads(line)
        if "asked" in fact:
            _link(server, fact["asked"])
        elif "take" in fact:
            connection, _, message, sent = fact["take"]
            link = _link(server, connection)
            publish(Take(link.name, link.life, message, sent))
        elif "why" in fact:
            publish(Why(_key(server, *fact["why"]), _cause(server, Cause(**fact["cause"]))))
        elif "event" in fact:
            publish(_event(server, unpack(fact["event"])))
        elif not (question := _questions[fact["rest"]]).done():
            question.set_result(
                say("{server}: {reason}", server=server, reason=fact["reason"]) if fact["reason"] else ""
            )


async def at_rest(servers: Iterable[Process]) -> str:
    """Why one of these processes is not at rest, or an empty string; all that it reported before is then here."""
    reasons = await asyncio.gather(*(_ask(server) for server in servers if server.running and not server.frozen))
    return next(filter(None, reasons), "")


@asynccontextmanager
async def unheard(servers: Collection[Process]) -> AsyncIterator[None]:
    """Within, these processes report nothing, unless a recording is open: what is measured is then their work alone."""
    if is_recording():
        yield
        return
    await asyncio.gather(*(_ask(server, mute=True) for server in servers))
    try:
        yield
    finally:
        await asyncio.gather(*(_ask(server, mute=False) for server in servers))


async def _ask(server: Process, **orders: bool) -> str:
    number, answer = next(_numbers), asyncio.get_running_loop().create_future()
    _questions[number] = answer
    server.tell(json.dumps({"ask": number, **orders}))
    try:
        for _ in range(round(ANSWER_S / LOOK_S)):
            await asyncio.wait([answer], timeout=LOOK_S)
            if answer.done():
                return str(answer.result())
            if not server.running:
                return ""
    finally:
        del _questions[number]
    return say("{server} does not answer", server=server.name)


def _link(server: str, name: str) -> Link:
    """The connection that a process calls by its ports, or by its number at the backplane."""
    first, _, second = name.partition(":")
    link = links.get((int(first), int(second)) if second else (server, int(first)))
    if link is not None:
        _named[server, name] = link
        if len(_named) > KNOWN:
            del _named[next(iter(_named))]
    return _named[server, name]


def _key(server: str, place: str, what: str | int, number: int) -> Key:
    if isinstance(what, str):  # a command to the backplane
        return server, what, number
    link = _link(server, place)
    return link.name, link.life, number


def _cause(server: str, cause: Cause) -> Cause:
    link = _link(server, cause.connection)
    return replace(cause, connection=link.name, life=link.life)


def _event(server: str, event: Event) -> Event:
    cause = _cause(server, event.cause) if event.cause is not None else None
    data = mask_secrets(event.payload)[:KEEP_BYTES]
    return replace(
        event,
        source=server,
        connection=cause.connection if cause else "",
        life=cause.life if cause else 0,
        payload=data,
        note=data.decode("utf-8", "replace"),
        cause=cause,
    )
