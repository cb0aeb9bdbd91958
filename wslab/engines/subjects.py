"""Why a server process publishes, and what it does about a message that the backplane delivered.

`watch_nats()` lets nats-py say so: `publish` and `subscribe` report the turn in which they are called, and the first
look at the data of a message, which nats-py itself takes where it hands the message over, begins a turn.

Rules of this file: nothing changes for the program.
"""

from __future__ import annotations

from functools import wraps
from typing import Any
from weakref import WeakKeyDictionary

from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.aio.subscription import _SubscriptionMessageIterator

from ..backplane import headline
from ..cause import Link, current_cause
from ..quiet import park
from ..trace import Why, publish

# Of each client: its connection, which one it is, and how many messages came on those before.
_counted: WeakKeyDictionary[Client, tuple[Link, int, int]] = WeakKeyDictionary()


class LinkedMessage(Msg):
    """The library's message, which begins a turn when it is handed over."""

    _turn: tuple[Link, int] | None = None

    @property
    def data(self) -> bytes:
        if (turn := self._turn) is not None:
            self._turn = None
            turn[0].begin(turn[1])
        return self._data

    @data.setter
    def data(self, data: bytes) -> None:
        self._data = data
        self._turn = _place(self._client)


def watch_nats() -> None:
    """From now on report what programs in this process publish, subscribe to, and take; calling it again is no harm."""
    if Client.msg_class is LinkedMessage:
        return
    Client.msg_class = LinkedMessage
    Client.publish = _telling("PUB", Client.publish)  # type: ignore[method-assign]
    Client.subscribe = _telling("SUB", Client.subscribe)  # type: ignore[method-assign]
    # Waiting for the next message, for the next ping, for a broker that is gone.
    waits: Any = (_SubscriptionMessageIterator.__anext__, Client._ping_interval, Client._attempt_reconnect)
    park(*waits)


def _telling(operation: str, method: Any) -> Any:
    """`method` of the client, which also reports the turn in which it was called."""

    @wraps(method)
    async def told(self: Client, subject: str, second: Any = None, *args: Any, **options: Any) -> Any:
        cause = current_cause()
        given = () if second is None else (second,)
        result = await method(self, subject, *given, *args, **options)
        if cause is not None:
            payload = (second if second is not None else options.get("payload", b"")) if operation == "PUB" else b""
            queue = (second if second is not None else options.get("queue", "")) if operation == "SUB" else ""
            publish(Why(("", headline(operation, f"{subject} {queue}"), len(payload)), cause))
        return result

    return told


def _place(client: Client) -> tuple[Link, int]:
    """The connection of a message that has just come, and how many came on it before."""
    count, reconnects = client.stats["in_msgs"], client.stats["reconnects"]
    known = _counted.get(client)
    if known is None or known[1] != reconnects:
        known = Link(name=str(client.client_id)), reconnects, count - 1 if known or reconnects else 0
        _counted[client] = known
    link, _, before = known
    return link, count - 1 - before
