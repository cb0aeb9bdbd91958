"""A server of the judge's own that keeps the contract, for trials of the learner's client alone.

Rules of this file: real sockets; every lot exists, and nobody ever bids.
"""

import time
from urllib.parse import parse_qs, urlsplit

from websockets import ConnectionClosed

from wslab.server import serve

from ..kit import BadMessage, decode, encode


class Rival:
    """Its `state` is "open"; "closed", and each handshake is refused with 503; "rude", and each connection is closed.

    `attempts` are the handshakes, as (name of the client, time, whether it was welcome).
    """

    def __init__(self):
        self.state = "open"
        self.attempts = []
        self.server = None

    async def open(self):
        """Begin to serve."""
        self.server = await serve(self._handler, name="Server", process_request=self._door)
        return self

    async def close(self):
        """End."""
        await self.server.stop()

    def url(self, client):
        """The address for this client."""
        return f"{self.server.url}/?name={client}"

    def _door(self, connection, request):
        connection.client = parse_qs(urlsplit(request.path).query).get("name", ["?"])[0]
        self.attempts.append((connection.client, time.monotonic(), self.state == "open"))
        if self.state == "closed":
            return connection.respond(503, "come back later\n")
        return None

    async def _handler(self, ws):
        if self.state == "rude":
            await ws.close(1013, "no room")
            return
        try:
            async for raw in ws:
                await self._answer(ws, decode(raw))
        except (ConnectionClosed, BadMessage):
            pass

    async def _answer(self, ws, message):
        if message.type == "auth":
            await ws.send(encode("welcome", {"user": ws.client, "exp": time.time() + 600}, message.id))
        elif message.type == "join":
            joined = {"lot": message.body["lot"], "price": 0, "leader": None, "seq": 0}
            await ws.send(encode("joined", joined, message.id))
        elif message.type == "beat":
            await ws.send(encode("beat_ack", None, message.id))
