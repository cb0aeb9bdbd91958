"""The library's server connection, which also says what its handler takes and sends.

Rules of this file: nothing changes for the handler.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any, ClassVar

from websockets.asyncio.server import ServerConnection
from websockets.exceptions import ConnectionClosed
from websockets.frames import Frame
from websockets.server import ServerProtocol
from websockets.typing import Data

from .cause import Link, current_turn, links, unlinked


class LinkedConnection(ServerConnection):
    """The library's connection, which also tells its `Link` what the handler takes and sends."""

    link: Link
    alive: ClassVar[set[LinkedConnection]] = set()  # also those in a handshake, which the library does not list

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.link = Link()
        self.protocol.send_frame = self.sends  # type: ignore[method-assign]

    def sends(self, frame: Frame) -> None:
        """Every frame passes here in the context of whoever sends it, so also broadcasts and automatic replies."""
        self.link.sends()
        ServerProtocol.send_frame(self.protocol, frame)

    def asked(self) -> None:
        """The opening request is here, so the tap has passed it on and knows this connection."""
        self.link = links.get((self.remote_address[1], self.local_address[1]), self.link)
        self.link.asked()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.alive.add(self)
        super().connection_made(transport)

    def connection_lost(self, exc: Exception | None) -> None:
        self.alive.discard(self)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if current_turn() is None:
            super().data_received(data)
        else:  # who made room for more was a handler, so this runs in its context
            unlinked(super().data_received, data)

    async def recv(self, decode: bool | None = None) -> Data:  # type: ignore[override]
        try:
            message = await super().recv(decode)
        except ConnectionClosed:
            self.link.ended()
            raise
        self.link.took()
        return message

    async def recv_streaming(self, decode: bool | None = None) -> AsyncIterator[Data]:  # type: ignore[override]
        taken = False
        try:
            async for part in super().recv_streaming(decode):
                if not taken:
                    self.link.took()
                taken = True
                yield part
        except ConnectionClosed:
            self.link.ended()
            raise
