"""What a connection is called: by its client's wish, and behind a balancer as in front of it.

Rules of this file: no I/O; a name belongs to at most one open connection of a tap.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Collection
from urllib.parse import SplitResult, parse_qs, urlsplit

from .backplane import NatsDecoder
from .cause import Link
from .trace import Event, Kind

HEALTH = "/healthz"  # the path that a balancer asks for again and again
CHECK = "health check"
CLIENT = "Client"  # that wished for no name
KEYS = 10_000  # handshakes that are remembered until they show up behind a balancer

# By the key of its handshake, which a balancer passes on unchanged: name and life of a connection, as seen first.
_first_hops: dict[str, tuple[str, int]] = {}


class Names:
    """The names that a tap has given: `server` is its server's lane, `near` that of a balancer before it, if any."""

    def __init__(self, server: str, near: str | None) -> None:
        self.server, self.near = server, near
        self._lives: Counter[str] = Counter()

    def give(self, link: Link, event: Event, decoder: object, open_names: Collection[str]) -> bool:
        """Name `link` by the first `event` on it; is it a connection at all, rather than a balancer's health check?"""
        if isinstance(decoder, NatsDecoder):
            self.call(link, self.near or _lane(decoder.name), open_names)
            return True
        asked = split(event.headline.partition(" ")[2]) if event.kind is Kind.REQUEST else None
        key = next((value for name, value in event.headers if name.lower() == "sec-websocket-key"), "")
        if self.near is None:
            self.call(link, wish(asked), open_names)
            if key:
                _first_hops[key] = link.name, link.life
                if len(_first_hops) > KEYS:
                    del _first_hops[next(iter(_first_hops))]
        elif event.kind is Kind.END or (asked is not None and asked.path == HEALTH):
            link.name = CHECK  # a server that is down ends it before anything was asked
            return False
        elif key in _first_hops:
            link.name, link.life = _first_hops[key]
        else:
            self.call(link, wish(asked), open_names)
        return True

    def call(self, link: Link, name: str, open_names: Collection[str]) -> None:
        """Call `link` `name`, or the first of "name 2", "name 3", … that no open connection has."""
        names = (name if i == 1 else f"{name} {i}" for i in itertools.count(1))
        link.name = next(name for name in names if name not in open_names and name != self.server)
        link.life = self._lives[link.name]
        self._lives[link.name] += 1


def split(target: str) -> SplitResult:
    """The parts of what a request asks for; none where it is no address."""
    try:
        return urlsplit(target)
    except ValueError:
        return urlsplit("")


def wish(asked: SplitResult | None) -> str:
    """The lane that a client asks for with `?name=` in its request."""
    return _lane(parse_qs(asked.query).get("name", [""])[0] if asked else "")


def _lane(name: str) -> str:
    return "".join(c for c in name if c.isprintable())[:24] or CLIENT
