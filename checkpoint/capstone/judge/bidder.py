"""A bidder of the judge's own: a raw `websockets` client that keeps everything it receives.

Rules of this file: it speaks the message contract and nothing else, so any server that keeps it will do.
"""

import asyncio
import itertools
import json
import time

import websockets

from wslab.feedback import NoAnswer

WITHIN_S = 2.0
OPTIONS = {"proxy": None, "compression": None, "max_size": None, "ping_interval": None, "close_timeout": 0.3}


class Bidder:
    """One connection. `received` are the messages, each with the time of its arrival (`time.time()`)."""

    def __init__(self, ws, name):
        self.ws, self.name = ws, name
        self.received = []
        self.ended_at = None
        self._numbers = itertools.count(1)
        self._news = asyncio.Condition()
        self._reader = asyncio.create_task(self._read())

    @property
    def messages(self):
        """The messages, without their times."""
        return [message for _, message in self.received]

    def events(self, lot):
        """The bodies of what was pushed about bids for `lot`."""
        return [body for kind, body in self._bodies() if kind == "bid_placed" and body.get("lot") == lot]

    def seqs(self, lot):
        """The sequence numbers of what was pushed about bids for `lot`."""
        return [event.get("seq") for event in self.events(lot)]

    def present(self, lot):
        """How many bidders are there, as it was told last."""
        counts = [body.get("count") for kind, body in self._bodies() if kind == "presence" and body.get("lot") == lot]
        return counts[-1] if counts else None

    @property
    def code(self):
        """The close code, 1006 without a close frame, `None` while the connection is open."""
        return None if self.ended_at is None else int(self.ws.close_code)

    async def send(self, type, body=None, id=None):
        """Send one message of the contract; returns its id."""
        id = id or f"{self.name}-{next(self._numbers)}"
        await self.say(json.dumps({"type": type, "v": 1, "id": id, "meta": None, "body": body}), repr(type))
        return id

    async def say(self, data, what="a message"):
        """Send `data` as it is."""
        try:
            await self.ws.send(data)
        except websockets.ConnectionClosed:
            end = f"{int(self.ws.close_code)} {self.ws.close_reason or ''}".strip()
            raise NoAnswer(f"the connection of {self.name} was closed with {end} before {what} was sent.") from None

    async def ask(self, type, body=None, id=None, within=WITHIN_S):
        """Send one message, and return the reply to it.

        Raises:
            NoAnswer: If none comes.
        """
        id = await self.send(type, body, id)
        return await self.reply(id, f"{type!r}", within)

    async def reply(self, id, what, within=WITHIN_S):
        """Wait for the message with this `id`."""

        def found():
            return next((message for message in self.messages if message.get("id") == id), None)

        if not await self.hears(found, within):
            end = f" The connection ended with {self.code}." if self.ended_at else ""
            raise NoAnswer(f"nothing came in reply to {what} within {within:g} s.{end}")
        return found()

    async def hears(self, condition, within=WITHIN_S):
        """Wait until `condition()` is true after some message, or the end; returns what it is at last."""
        try:
            async with asyncio.timeout(within), self._news:
                await self._news.wait_for(lambda: condition() or self.ended_at)
        except TimeoutError:
            pass
        return condition()

    async def closed(self, within=WITHIN_S):
        """Wait for the end of the connection; returns its code, or `None` if it is still open then."""
        await self.hears(lambda: self.ended_at, within)
        return self.code

    async def leave(self):
        """Close the connection, quickly."""
        try:
            async with asyncio.timeout(0.3):
                await self.ws.close()
        except TimeoutError:
            self.ws.transport.abort()

    def abort(self):
        """Drop the connection without a word."""
        self.ws.transport.abort()

    def _bodies(self):
        return [(m.get("type"), m["body"]) for m in self.messages if isinstance(m.get("body"), dict)]

    async def _read(self):
        try:
            async for raw in self.ws:
                self.received.append((time.time(), _parsed(raw)))
                await self._tell()
        except websockets.ConnectionClosed:
            pass
        finally:
            self.ended_at = time.time()
            await self._tell()

    async def _tell(self):
        async with self._news:
            self._news.notify_all()


async def dial(url, name, **options):
    """Open a connection that pictures call `name`."""
    return await websockets.connect(f"{url}/?name={name.replace(' ', '+')}", **(OPTIONS | options))


def _parsed(raw):
    try:
        message = json.loads(raw)
    except (ValueError, RecursionError):
        message = None
    return message if isinstance(message, dict) else {"type": "?", "raw": raw}
