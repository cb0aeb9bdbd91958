"""The bus between the servers: publish and subscribe on subjects, over NATS. Nobody keeps what was published."""

import json
from hashlib import sha256
from urllib.parse import quote

import nats

from .trouble import trouble

LONGEST = 200  # letters; NATS takes no subject of more than some thousand


class Bus:
    """This server's connection to NATS. A subject is any text, a message any dictionary that JSON can hold."""

    def __init__(self, settings):
        self.settings = settings
        self.connection = None

    async def open(self):
        """Connect; a connection that is lost comes back by itself."""
        self.connection = await nats.connect(
            self.settings.bus,
            name=self.settings.server,
            max_reconnect_attempts=-1,
            reconnect_time_wait=0.2,
            max_outstanding_pings=5,
        )

    async def publish(self, subject, message):
        """Send `message` to every server that has subscribed to `subject`, this one included if it has."""
        await self.connection.publish(_safe(subject), json.dumps(message).encode())

    async def subscribe(self, subject, callback):
        """From now on `await callback(message)` for what is published on `subject`, one message after the other."""

        async def deliver(delivered):
            if not trouble.deaf:
                await callback(json.loads(delivered.data))

        await self.connection.subscribe(_safe(subject), cb=deliver)
        await self.connection.flush()  # the bus knows it now: nothing that comes later is missed

    async def close(self):
        """Disconnect."""
        if self.connection is not None:
            await self.connection.close()


def _safe(subject):
    """Whatever stands in `subject`, it is one subject for NATS, without wildcards."""
    safe = quote(subject, safe="") or "_"
    return safe if len(safe) < LONGEST else sha256(safe.encode()).hexdigest()
