"""Question 12: one client does not read, and what that does to the others and to the server."""

import asyncio
import contextlib
import logging
import socket

from websockets import ConnectionClosed, broadcast

from wslab.sources import watch_log
from wslab.trace import DATA, Kind

from .forms import Whole
from .model import LESSONS, Evidence, Question, Why, dial, played, table

HANDSHAKE = b"\r\n".join(
    [
        b"GET /?name=slow HTTP/1.1",
        b"Host: 127.0.0.1",
        b"Upgrade: websocket",
        b"Connection: Upgrade",
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        b"Sec-WebSocket-Version: 13",
        b"",
        b"",
    ]
)
SMALL = 4096  # bytes of the system's own buffers, which would otherwise take as much as they like


class SlowReader(Question):
    number, title, group = 12, "One client does not read", 4
    lesson = f"{LESSONS}07_error_handling.ipynb#A-slow-reader"
    about = ("4.3", "e4.8", "e7.6", "p7.3")
    MODES = ("loop", "broadcast", "queue")

    def draw(self, dice):
        size, count = dice.choice((10, 15, 20)), dice.choice((40, 50, 60))
        in_buffer = dice.choice((8, 11, 14))  # messages that the buffer takes
        queue = dice.choice((6, 10, count, count + 10))  # the first two run over in this time
        return {"size": size, "count": count, "buffer": in_buffer * size + size // 2, "queue": queue}

    def ask(self, drawn, evidence):
        rate, count, size = 200, drawn["count"], drawn["size"]
        rows = [
            ("`loop`", "`for ws in (slow, fast): await ws.send(message)`"),
            ("`broadcast`", "`broadcast({slow, fast}, message)`"),
            (
                "`queue`",
                f"each client has a queue of at most {drawn['queue']} messages and a task that sends from it; whoever's "
                "queue is full is cut off at once, and what waits for it is thrown away",
            ),
        ]
        return (
            f"Two clients: `fast` reads all the time, `slow` never reads. A server publishes {rate} messages of {size} kB a second, "
            f"{count} in all, in three ways:\n\n{table(('', 'how'), rows)}\n\nFor each client the server has a write buffer: "
            f"`await ws.send(...)` puts the message into it, and then waits as long as more than {drawn['buffer']} kB are in it. "
            "(What the system itself takes is so little here that you may leave it out.)\n\nWhen the last message should have been "
            "published: how many messages did `fast` get, and how many kB wait on the server for `slow`? (A few messages more or "
            "less are right, too.)"
        )

    def forms(self, drawn):
        messages = Whole(0, drawn["count"], within=2)
        waiting = Whole(0, drawn["count"] * drawn["size"], within=2 * drawn["size"] + drawn["size"] // 2)
        return {
            f"{mode}_{part}": form
            for mode in self.MODES
            for part, form in (("fast", messages), ("waiting_kB", waiting))
        }

    async def record(self, drawn):
        log = logging.Logger("questions.waiting", logging.INFO)
        async with contextlib.AsyncExitStack() as stack:
            servers = [
                (mode, _Publisher(mode, drawn).handler, {"write_limit": drawn["buffer"] * 1000}) for mode in self.MODES
            ]
            *running, recording = await stack.enter_async_context(played(*servers))
            for server, (_, handler, _) in zip(running, servers, strict=True):
                publisher = handler.__self__
                watch_log(log, server=server.name)
                await publisher.run(server, recording, log)
        return Evidence(recording)

    def key(self, drawn, evidence):
        found = {}
        for mode in self.MODES:
            events = [event for event in evidence.events if mode in (event.source, event.target)]
            found[f"{mode}_fast"] = sum(event.kind in DATA and event.target == "fast" for event in events)
            found[f"{mode}_waiting_kB"] = next(int(event.text.split()[2]) for event in events if event.kind is Kind.LOG)
        return found

    def why(self, part, said, drawn, evidence):
        mode, _, what = part.partition("_")
        lines = {
            "loop": "the loop waits at the slow one as soon as its buffer is full, and nobody gets anything any more",
            "broadcast": "broadcast() waits for nobody and throws nothing away: work out what was not read",
            "queue": "the queue and the buffer together have an end; does this end come before the last message, and what is "
            "left afterwards?",
        }
        return Why(
            lines[mode],
            lambda event: (
                event.source == mode
                and (event.kind is Kind.LOG) == (what != "fast")
                and (what != "fast" or event.kind in DATA)
            ),
        )


class _Publisher:
    """Publishes to a fast and a slow client in one of three ways."""

    RATE = 200

    def __init__(self, mode, drawn):
        self.mode, self.drawn = mode, drawn
        self.clients, self.queues = {}, {}

    async def handler(self, ws):
        name = ws.request.path.rpartition("=")[2]
        if name == "slow":
            ws.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SMALL)
        self.clients[name] = ws
        self.queues[name] = queue = asyncio.Queue(self.drawn["queue"])
        if self.mode != "queue":
            await ws.wait_closed()
            return
        sending = asyncio.create_task(self.send_from(queue, ws))
        await ws.wait_closed()
        sending.cancel()

    async def send_from(self, queue, ws):
        with contextlib.suppress(ConnectionClosed):
            while True:
                await ws.send(await queue.get())

    async def run(self, server, recording, log):
        loop = asyncio.get_running_loop()
        with socket.socket() as slow:
            slow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SMALL)
            slow.setblocking(False)
            await loop.sock_connect(slow, server.library.sockets[0].getsockname())  # not through the tap: it would read
            await loop.sock_sendall(slow, HANDSHAKE)
            async with dial(server, "fast", max_queue=None) as fast:
                while len(self.clients) < 2:
                    await asyncio.sleep(0.001)
                reading = asyncio.create_task(_read(fast))
                began = loop.time()
                publishing = asyncio.create_task(self.publish(began))
                # A machine that is late publishes late; only the loop never comes to its end.
                limit_s = self.drawn["count"] / self.RATE if self.mode == "loop" else None
                await asyncio.wait([publishing], timeout=limit_s)
                publishing.cancel()
                waiting = self.waiting()
                self.clients["slow"].transport.abort()
                await recording.settled()
                log.info("%s: %d kB waited for slow", self.mode, waiting // 1000)
                await recording.settled()
            await reading
            await recording.settled()

    async def publish(self, began):
        loop = asyncio.get_running_loop()
        message = bytes(self.drawn["size"] * 1000)
        order = [self.clients["slow"], self.clients["fast"]]
        for number in range(self.drawn["count"]):
            await asyncio.sleep(began + number / self.RATE - loop.time())
            if self.mode == "loop":
                for ws in order:
                    await ws.send(message)
            elif self.mode == "broadcast":
                broadcast(order, message)
            else:
                self.put(message)

    def put(self, message):
        for name in list(self.queues):
            try:
                self.queues[name].put_nowait(message)
            except asyncio.QueueFull:
                self.clients[name].transport.abort()
                del self.queues[name]

    def waiting(self):
        queued = self.queues["slow"].qsize() * self.drawn["size"] * 1000 if "slow" in self.queues else 0
        return queued + self.clients["slow"].transport.get_write_buffer_size()


async def _read(ws):
    async for _ in ws:
        pass


QUESTIONS = (SlowReader(),)
