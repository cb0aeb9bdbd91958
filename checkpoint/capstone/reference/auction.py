"""The auction room: bidders on several servers hear every accepted bid at once, each one once, in one order.

All that counts is in the store: a lot is a value with a version, and its log holds the accepted bids. The bus only says
that there is something new. So a server that dies takes nothing with it, and a bus that loses a message delays it.
"""

import asyncio
import itertools
import random
import time
import uuid

from kit import Admin, BadMessage, Bus, Log, Sessions, Store, decode, encode
from websockets import ConnectionClosed, InvalidHandshake, InvalidStatus, connect, serve

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
CLOSE_S, SLOW_S = 0.5, 1.0  # how long a close frame may wait for an answer, and a message for being read
BEAT_S, SILENCE_S = 0.3, 2.0  # how often a client beats; a server that says nothing for so long is gone
HUGE = 10**12  # no bid is that high


class Refused(Exception):
    """The answer to a request is an error: `Refused("too_low", price=120)`."""

    def __init__(self, code, **facts):
        self.code, self.facts = code, facts


class Room:
    """One lot, as this server knows it."""

    def __init__(self, lot):
        self.lot = lot
        self.seq = 0  # of the latest bid that this server has heard of
        self.bidders = set()  # on this server
        self.servers = {}  # of each server: when it was heard of, and who is there
        self.count = 0  # of all bidders
        self.changed = asyncio.Condition()


class Bidder:
    """One connection."""

    def __init__(self, ws, number):
        self.ws, self.number, self.user = ws, number, None
        self.tasks = {}  # what is done beside the reading: the feed of each lot, and the guard
        self.bad_in_a_row = self.second = self.messages = 0


class AuctionServer:
    def __init__(self, settings):
        self.settings = settings
        self.store, self.bus, self.log, self.admin = Store(settings), Bus(settings), Log(settings), Admin(settings)
        self.sessions = Sessions(self.store)
        self.rooms, self.tasks, self.numbers = {}, set(), itertools.count(1)
        self.draining = False

    async def start(self):
        await self.bus.open()
        options = {"compression": None, "open_timeout": 2, "close_timeout": CLOSE_S}
        options |= {"max_size": self.settings.max_bytes, "origins": [None, *self.settings.origins]}
        options |= {"ping_interval": self.settings.heartbeat_s, "ping_timeout": self.settings.silence_s}
        self.server = await serve(self.handler, "127.0.0.1", 0, process_request=self.door, **options)
        self.spawn(self.beat())
        return self.server.sockets[0].getsockname()[1]

    async def stop(self, drain):
        self.draining = True  # the balancer learns of it, and sends nobody any more
        await asyncio.sleep(drain)
        self.server.close(code=1012, reason="restart")
        await asyncio.wait([self.spawn(self.server.wait_closed())], timeout=CLOSE_S)
        for task in self.tasks:  # also a handler that does not look at its socket
            task.cancel()
        await asyncio.wait(self.tasks, timeout=CLOSE_S)
        await self.bus.close()
        self.store.close()

    def door(self, connection, request):
        hosts = request.headers.get_all("Host")
        if len(hosts) != 1 or hosts[0].rpartition(":")[0] not in LOOPBACK:
            return connection.respond(403, "not under this name\n")
        if self.draining:
            return connection.respond(503, "draining\n")
        if request.path == "/healthz":
            return connection.respond(200, "ok\n")

    def spawn(self, work, bidder=None):
        """Do some work beside the reading. If it fails, the connection is worth nothing: its client comes back."""

        async def guarded():
            try:
                await work
            except ConnectionClosed:
                pass
            except Exception as exc:
                self.fail(exc, bidder)
                if bidder is not None:
                    await self.end(bidder, 1011, "")

        task = asyncio.create_task(guarded())
        self.tasks.add(task)
        task.add_done_callback(self.tasks.discard)
        return task

    # One connection

    async def handler(self, ws):
        bidder, began, task = Bidder(ws, next(self.numbers)), time.monotonic(), asyncio.current_task()
        self.tasks.add(task)
        self.log("connect", bidder.number)
        try:
            if await self.authenticate(bidder):  # 1 accept
                async for raw in ws:  # 2 read
                    await self.answer(bidder, raw)
        except ConnectionClosed:
            pass
        except Exception as exc:
            self.fail(exc, bidder)
            await self.end(bidder, 1011, "")
        finally:  # 5 clean up
            self.tasks.discard(task)
            for beside in bidder.tasks.values():
                beside.cancel()
            for room in self.rooms.values():
                if bidder in room.bidders:
                    room.bidders.discard(bidder)
                    self.spawn(self.tell(room))
            seconds = round(time.monotonic() - began, 3)
            self.log("disconnect", bidder.number, code=ws.close_code, reason=ws.close_reason, seconds=seconds)

    async def authenticate(self, bidder):
        code, reason = 4401, "who are you?"
        try:
            message = decode(await asyncio.wait_for(bidder.ws.recv(), self.settings.auth_s))
            token = message.body.get("token") if message.type == "auth" and isinstance(message.body, dict) else None
            session = await self.sessions.find(token)
            if session is not None and time.time() < session["exp"]:
                bidder.user = session["user"]
                self.log("auth", bidder.number, ok=True, user=bidder.user)
                await self.send(bidder, "welcome", session, message.id)
                bidder.tasks["guard"] = self.spawn(self.guard(bidder, token, session["exp"]), bidder)
                return True
        except BadMessage:
            pass
        except TimeoutError:
            code, reason = 4408, "too late"
        self.log("auth", bidder.number, ok=False, code=code)
        await self.end(bidder, code, reason)

    async def guard(self, bidder, token, exp):
        """Close the connection when its session ends, whether a message comes or not."""
        while (left := exp - time.time()) > 0:
            await asyncio.sleep(min(left, 0.3))
            if await self.sessions.find(token) is None and time.time() < exp:
                return await self.end(bidder, 4403, "session revoked")
        await self.end(bidder, 4401, "session expired")

    async def send(self, bidder, type, body, id=None):
        """Send, and part with one who does not read: keepalive does not notice, because its pings wait as well."""
        try:
            async with asyncio.timeout(SLOW_S):
                await bidder.ws.send(encode(type, body, id))
        except TimeoutError:
            await self.end(bidder, 1013, "too slow")

    async def end(self, bidder, code, reason):
        try:
            async with asyncio.timeout(CLOSE_S):
                await bidder.ws.close(code, reason)
        except TimeoutError:
            bidder.ws.transport.abort()  # the close frame waits behind what the client does not read

    async def answer(self, bidder, raw):
        id, bad = None, False
        try:
            message = decode(raw)
            id = message.id
            type, body = await self.process(bidder, message)  # 3 decide
        except (BadMessage, Refused) as exc:
            type, body = "error", {"code": exc.code} | getattr(exc, "facts", {})
            bad = exc.code not in ("too_low", "closed_lot", "not_joined", "slow_down")
            self.log("error", bidder.number, code=exc.code)
        except Exception as exc:  # ours, not the client's: nothing of it leaves the house
            type, body = "error", {"code": "internal", "error_id": self.fail(exc, bidder)}
        await self.send(bidder, type, body, id)  # 4 answer
        if type == "joined":
            self.follow(bidder, message.body.get("after"), body)
        bidder.bad_in_a_row = bidder.bad_in_a_row + 1 if bad else 0
        if bidder.bad_in_a_row == self.settings.bad_in_a_row:
            await self.end(bidder, 1008, "too many bad messages")

    def fail(self, exc, bidder):
        """Log what went wrong, and have the administrator told; returns the id under which both know it."""
        error_id, kind = uuid.uuid4().hex, type(exc).__name__
        self.log("error", bidder and bidder.number, code="internal", error_id=error_id, kind=kind)
        self.spawn(self.admin.notify({"error_id": error_id, "kind": kind, "server": self.settings.server}))
        return error_id

    # What can be asked for

    async def process(self, bidder, message):
        second = int(time.monotonic())
        bidder.messages = bidder.messages + 1 if second == bidder.second else 1
        bidder.second = second
        if bidder.messages > self.settings.per_second:
            raise Refused("slow_down")
        if message.type == "beat":
            return "beat_ack", None
        if message.type not in ("join", "bid"):
            raise Refused("unknown_type")
        if not isinstance(message.body, dict) or not isinstance(message.body.get("lot"), str):
            raise Refused("bad_request")
        if message.type == "join":
            return "joined", await self.join(message.body["lot"], message.body.get("after"))
        return "accepted", await self.bid(bidder, message.body["lot"], message.body.get("amount"), message.id)

    async def join(self, name, after):
        if not (after is None or (type(after) is int and after >= 0)):
            raise Refused("bad_request")
        if name not in self.rooms and (await self.store.get(f"lot:{name}"))[0] is not None:
            room = self.rooms.setdefault(name, Room(name))
            await self.bus.subscribe(name, lambda message: self.hear(room, message))
        lot, _ = await self.store.get(f"lot:{name}")  # only now: nothing is missed between the two
        if lot is None:
            raise Refused("closed_lot")
        return {"lot": name, "price": lot["price"], "leader": lot["leader"], "seq": lot["seq"]}

    def follow(self, bidder, after, joined):
        room = self.rooms[joined["lot"]]
        if room.lot in bidder.tasks:
            bidder.tasks[room.lot].cancel()
        seq = joined["seq"] if after is None else after
        bidder.tasks[room.lot] = self.spawn(self.feed(bidder, room, seq), bidder)
        room.bidders.add(bidder)
        self.spawn(self.tell(room, joined["seq"]))

    async def bid(self, bidder, name, amount, id):
        if type(amount) not in (int, float) or not 0 < amount < HUGE:
            raise Refused("bad_amount")
        if not isinstance(id, str):
            raise Refused("bad_request")
        if name not in bidder.tasks:
            raise Refused("not_joined")
        request = f"{bidder.user} {id}"
        while True:
            lot, version = await self.store.get(f"lot:{name}")
            accepted = lot.setdefault("accepted", {})
            if request in accepted:  # asked again: the answer is the same
                break
            if not lot["open"]:
                raise Refused("closed_lot")
            if amount <= lot["price"]:
                raise Refused("too_low", price=lot["price"])
            seq = accepted[request] = lot["seq"] + 1
            lot |= {"price": amount, "leader": bidder.user, "seq": seq}
            event = {"lot": name, "seq": seq, "user": bidder.user, "amount": amount}
            if await self.store.put(f"lot:{name}", lot, version, event):
                break
            await asyncio.sleep(random.uniform(0, 0.02))  # another server was quicker: look again
        await self.tell(self.rooms[name], lot["seq"])
        return {"seq": accepted[request]}

    # Between the servers, and to the bidders

    async def tell(self, room, seq=0):
        """Tell all servers how many bids a lot has, and who is here."""
        users = sorted({bidder.user for bidder in room.bidders})
        message = {"server": self.settings.server, "seq": max(seq, room.seq), "users": users}
        await self.bus.publish(room.lot, message)

    async def hear(self, room, message):
        room.servers[message["server"]] = time.monotonic(), message["users"]
        await self.update(room, message["seq"])

    async def update(self, room, seq=0):
        late = time.monotonic() - self.settings.silence_s  # a server that is silent for so long has died
        users = {user for heard, users in room.servers.values() if heard > late for user in users}
        async with room.changed:
            room.seq, room.count = max(seq, room.seq), len(users)
            room.changed.notify_all()

    async def beat(self):
        """Tell the others again and again, and notice who has fallen silent."""
        while True:
            await asyncio.sleep(self.settings.heartbeat_s)
            for room in [room for room in self.rooms.values() if room.bidders]:
                try:
                    await self.tell(room)
                    await self.update(room)
                except Exception as exc:
                    self.fail(exc, None)

    async def feed(self, bidder, room, seq):
        """Tell one bidder what comes after `seq`, at this bidder's pace: nothing piles up for who does not read."""
        count = 0
        while True:
            async with room.changed:
                while room.seq <= seq and room.count == count:
                    await room.changed.wait()
            if room.seq > seq:
                for event in await self.store.log(f"lot:{room.lot}", seq):  # whatever the bus has lost is here
                    await self.send(bidder, "bid_placed", event)
                    seq = event["seq"]
            if room.count != count:
                count = room.count
                await self.send(bidder, "presence", {"lot": room.lot, "count": count})


def build(settings):
    return AuctionServer(settings)


def delays(base=0.1, cap=5.0):
    """Waits that double, with chance in them: clients that were cut off together do not come back together."""
    longest = base
    while True:
        yield random.uniform(0, longest)
        longest = min(2 * longest, cap)


class AuctionClient:
    def __init__(self):
        self.events = asyncio.Queue()
        self.seen = {}  # of each lot, the seq of the last event
        self.asked = {}  # what has no answer yet: the text that was sent, and who waits
        self.ws = None

    async def connect(self, url, token):
        self.url, self.token = url, token
        self.welcome = asyncio.get_running_loop().create_future()
        self.running = asyncio.create_task(self.run())
        return await self.welcome

    async def join(self, lot):
        return await self.ask("join", {"lot": lot, "after": self.seen.get(lot)})

    async def bid(self, lot, amount):
        return await self.ask("bid", {"lot": lot, "amount": amount})

    async def close(self):
        if self.ws is not None:
            await self.ws.close()
        self.running.cancel()

    async def ask(self, type, body):
        """Ask, and on every new connection ask again with the same id, until there is an answer."""
        id, answer = uuid.uuid4().hex, asyncio.get_running_loop().create_future()
        self.asked[id] = encode(type, body, id), answer
        try:
            if self.ws is not None:
                await self.ws.send(self.asked[id][0])
        except ConnectionClosed:
            pass  # it is sent on the next one
        return await answer

    async def run(self):
        waits = delays()
        while True:
            code = None
            try:
                async with connect(self.url, compression=None, open_timeout=2, close_timeout=CLOSE_S) as ws:
                    await self.enter(ws)
                    waits = delays()  # a welcome, not a handshake, is the proof that it works
                    await self.listen(ws)
            except InvalidStatus as exc:
                code = exc.response.status_code
            except ConnectionClosed as exc:
                code = exc.rcvd.code if exc.rcvd else None
            except (OSError, InvalidHandshake, BadMessage):
                pass
            self.ws = None
            if code in (401, 403, 4401, 4403):  # this token opens no door any more
                return self.give_up(PermissionError(f"refused with {code}"))
            await asyncio.sleep(next(waits))

    def give_up(self, exc):
        for answer in [self.welcome, *(answer for _, answer in self.asked.values())]:
            if not answer.done():
                answer.set_exception(exc)

    async def enter(self, ws):
        await ws.send(encode("auth", {"token": self.token}))
        welcome = decode(await asyncio.wait_for(ws.recv(), SILENCE_S))
        if welcome.type == "welcome" and not self.welcome.done():
            self.welcome.set_result(welcome.body)
        for lot, seq in self.seen.items():
            await ws.send(encode("join", {"lot": lot, "after": seq}))
        self.ws = ws
        for text, _ in list(self.asked.values()):
            await ws.send(text)

    async def listen(self, ws):
        beating = asyncio.create_task(self.beat(ws))
        try:
            while True:
                self.take(decode(await asyncio.wait_for(ws.recv(), SILENCE_S)))
        finally:
            beating.cancel()

    async def beat(self, ws):
        while True:
            await ws.send(encode("beat"))
            await asyncio.sleep(BEAT_S)

    def take(self, message):
        if message.type == "bid_placed":
            if message.body["seq"] > self.seen[message.body["lot"]]:  # what comes again after a break is no news
                self.seen[message.body["lot"]] = message.body["seq"]
                self.events.put_nowait(message.body)
        elif message.id in self.asked:
            _, answer = self.asked.pop(message.id)
            if message.type == "joined":
                self.seen.setdefault(message.body["lot"], message.body["seq"])
            if not answer.done():
                answer.set_result({"type": message.type} | message.body)
        elif message.type == "error":
            raise ConnectionError(f"not let in again: {message.body}")  # on the next connection, then
