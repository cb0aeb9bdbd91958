"""Milestone 5, a house that is never closed: T11, T14, T15, T16, T20."""

import asyncio
import itertools
import socket
import time

import psutil

from wslab.engines.control import HOST
from wslab.feedback import NoAnswer
from wslab.trace import Kind

from .house import BALANCER, House
from .milestone_1 import SLACK_S, to
from .milestone_4 import BACK_S, on, replay
from .milestone_4_order import seqs
from .processes import Refused
from .trial import shown, trial

DRAIN_S, STOP_S = 0.5, 1.5
IDLE_S, NOTICED_S = 0.5, 5.0
LONG, MOST_MB, EVICTED_S, ENOUGH, USUAL = 60_000, 16, 6.0, 80, 18  # 98 bids are 160 MB in the store
MEGABYTE = 1 << 20


@trial("T11", "a rolling restart loses nothing", milestone=5, needs="both", limit_s=40.0)
async def t11(scene):
    house, lot = scene.house, await scene.lot()
    clients = [await scene.client(lot) for _ in range(3)]
    witnesses = await scene.bidders_everywhere(lot)
    results = []
    bidding = scene.spawn(keep_bidding(scene, clients, lot, results))
    for server, witness in witnesses.items():
        await stopped(scene, server, DRAIN_S)
        await server.end()
        await house.revive(server)
        if (code := await witness.closed(1.0)) not in (1001, 1012):
            text = f"clients saw {code}, expected 1001 or 1012 with a close frame."
            raise scene.wrong(
                text, where=lambda event, who=witness: event.kind is Kind.END and event.connection == who.name
            )
    await bidding
    statuses = {event.code for event in scene.recording.trace if event.kind is Kind.RESPONSE and not event.keepalive}
    truth = {event["seq"]: event["amount"] for event in await replay(scene, lot)}
    for amount, result in results:
        if not isinstance(result, dict) or result.get("type") != "accepted":
            raise scene.wrong(f"bid() of {amount} returned {result}, expected the answer, type accepted.")
        if truth.get(result["seq"]) != amount:
            raise scene.wrong(f"the accepted bid {result['seq']} of {amount} is lost.")
    if odd := statuses - {101, 503, None}:
        raise scene.wrong(f"handshakes were refused with {min(odd)}, expected 503.")


async def keep_bidding(scene, clients, lot, results):
    """100 bids, one after the other, spread over the time of the restarts."""
    price = 0
    for number in range(100):
        price += scene.random.randrange(1, 9)
        client = clients[number % 3]
        results.append((price, await scene.order("bid", BACK_S, client=client, lot=lot, amount=price)))
        await asyncio.sleep(0.03)


async def stopped(scene, server, drain_s):
    """Have a server stop; returns how it went."""
    server.expected_end = True
    try:
        return await server.ask("stop", within=drain_s + 4.0, drain=drain_s)
    except Refused as exc:
        raise scene.wrong(f"stop() raised {exc}.") from None
    except NoAnswer:
        raise scene.wrong("stop() did not return; a handler ignores the closed socket.") from None


def patient(learner):
    """A house in which keepalive waits long, so that only what a server does about one who does not read is seen."""
    return House(learner, servers=2, silence_s=60.0, max_bytes=MEGABYTE)


@trial("T14", "one who does not read harms nobody", milestone=5, limit_s=60.0, place=patient, alone=True)
async def t14(scene):
    server = scene.random.choice(scene.house.servers)
    lot = await scene.lot(name=str(scene.random.randrange(10**8, 10**9)) * LONG)  # its name makes every event long
    # Straight to the server, with a small window: no buffer in between hides what piles up.
    slow = await scene.bidder(url=f"ws://{HOST}:{server.port}", sock=narrow(server.port))
    port = slow.ws.local_address[1]
    near, far = await on(scene, server), await scene.bidder()
    for bidder in (slow, near, far):
        await scene.join(bidder, lot)
    usual, held, price = 0.0, [], USUAL
    for amount in range(1, USUAL + 1):
        usual = max(usual, await heard_within(scene, lot, near, far, amount))
        held.append(server.memory_bytes)
    third = USUAL // 3  # a server may keep what it has said: so much it grows with each bid while everybody reads
    before, each = held[-1], max(0, min(held[-third:]) - min(held[-2 * third : -third])) / third
    slow.ws.transport.pause_reading()
    began = time.monotonic()
    for number in itertools.count():
        if not connected(server, port):
            break
        price += scene.random.randrange(1, 9)
        took = await heard_within(scene, lot, near, far, price)
        waiting = (server.memory_bytes - before - each * (number + 1)) / MEGABYTE
        if waiting > MOST_MB:
            raise scene.wrong(f"{waiting:.0f} MB wait for one client.")
        if took > 0.3 + SLACK_S + 2 * usual:
            raise scene.wrong(f"the others waited {took:.1f} s for a bid while one client did not read.")
        if number >= ENOUGH and time.monotonic() > began + EVICTED_S:
            raise scene.wrong("a client that does not read is still connected, expected 1013, or a cut.")
        await asyncio.sleep(began + EVICTED_S * number / ENOUGH - time.monotonic())


async def heard_within(scene, lot, near, far, price):
    """Have one of two bidders bid; returns how long it took until both heard of it."""
    began = time.monotonic()
    seq = await scene.bid(scene.random.choice([near, far]), lot, price)
    for bidder in (near, far):
        await bidder.hears(lambda bidder=bidder: seq in bidder.seqs(lot)[-3:])
    return time.monotonic() - began


def narrow(port):
    """A connection to `port` that takes little at a time."""
    narrow = socket.socket()
    narrow.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    narrow.connect((HOST, port))
    narrow.setblocking(False)
    return narrow


def connected(server, port):
    """Does the process of `server` hold a connection from `port`?"""
    found = psutil.Process(server.pid).net_connections("tcp4")
    return any(each.raddr and each.raddr.port == port and each.status == psutil.CONN_ESTABLISHED for each in found)


@trial("T15", "silence is noticed, and kept from falling", milestone=5, needs="both")
async def t15(scene):
    house, lot = scene.house, await scene.lot()
    house.front.idle(IDLE_S)
    idle, began = await scene.bidder(), time.monotonic()
    client = await scene.client(lot)
    await idle.closed(IDLE_S * 3)
    if idle.ended_at is not None:
        after = time.monotonic() - began
        raise scene.wrong(f"idle connections died with {idle.code} at {after:.1f} s.", where=ended(idle.name))
    if lives(scene, client) != 1:
        raise scene.wrong("the idle AuctionClient lost its connection.", where=ended(client))
    house.front.idle(None)
    lost = await scene.bidder()
    home = house.server_of(lost.name)
    house.front.blackhole(lost.name)
    house.front.blackhole(client)
    deadline = time.monotonic() + NOTICED_S
    while time.monotonic() < deadline and (house.server_of(lost.name) or lives(scene, client) < 2):
        await asyncio.sleep(0.02)
    if house.server_of(lost.name) is not None:
        text = f"{home.name} did not notice within {NOTICED_S:g} s that nothing comes from a client any more."
        raise scene.wrong(text)
    if lives(scene, client) < 2:
        raise scene.wrong(f"the AuctionClient did not notice within {NOTICED_S:g} s that nothing comes any more.")
    await scene.join(idle, lot)
    seq = await scene.bid(idle, lot, scene.random.randrange(1, 99))
    deadline = time.monotonic() + BACK_S
    while seq not in seqs(scene, client, lot):
        if time.monotonic() > deadline:
            raise scene.wrong(f"the AuctionClient came back, and did not hear bid {seq}.")
        await asyncio.sleep(0.02)


def lives(scene, client):
    """How many connections a client has made."""
    mine = [event for event in list(scene.recording.trace) if event.connection == client and event.tap == BALANCER]
    return sum(event.kind is Kind.REQUEST for event in mine)


def ended(name):
    """Is an event the end of this client's connection?"""
    return lambda event: event.kind is Kind.END and event.connection == name


@trial("T16", "a server stops in time, whatever its handlers do", milestone=5)
async def t16(scene):
    lot = await scene.lot()
    server = scene.random.choice(scene.house.servers)
    stuck, idle = await on(scene, server), await on(scene, server)
    for bidder in (stuck, idle):
        await scene.join(bidder, lot)
    await server.ask("vex", kind="hang", operation="get", key="lot:")
    await stuck.send("bid", {"lot": lot, "amount": scene.random.randrange(1, 99)})
    await asyncio.sleep(0.1)  # it hangs in the store by now
    left = await stopped(scene, server, DRAIN_S)
    if left["seconds"] > STOP_S + SLACK_S:
        raise scene.wrong(f"stop(drain={DRAIN_S}) took {left['seconds']:.1f} s, expected {STOP_S} s at most.")
    if left["tasks"]:
        raise scene.wrong(f"stop() left a task that runs {left['tasks'][0]}.")
    if left["sockets"] > 0:
        raise scene.wrong(f"stop() left {left['sockets']} sockets open.")
    if (code := await idle.closed(0.5)) not in (1001, 1012):
        raise scene.wrong(f"at the stop a client saw {code}, expected 1001 or 1012.", where=ended(idle.name))
    await server.end()


@trial("T20", "a new server takes part at once", milestone=5, alone=True, limit_s=30.0)
async def t20(scene):
    house, lot = scene.house, await scene.lot()
    old = list((await scene.bidders_everywhere(lot)).values())
    talking = scene.spawn(talk(scene, old, lot))
    new = await house.add()
    fresh = None
    for _ in range(12):
        fresh = await scene.bidder()
        if house.server_of(fresh.name) is new:
            break
    else:
        raise scene.wrong("none of 12 new connections came to the new server.")
    await scene.join(fresh, lot)
    talking.cancel()
    await asyncio.wait([talking])
    if not talking.cancelled() and talking.exception() is not None:
        raise talking.exception()
    seq = None
    for _ in range(20):
        price = (await scene.join(fresh, lot))["price"] + scene.random.randrange(1, 9)
        reply = await fresh.ask("bid", {"lot": lot, "amount": price})
        if shown(reply) == "accepted":
            seq = reply["body"]["seq"]
            break
    if seq is None:
        raise scene.wrong("no bid was accepted on the new server.")
    for bidder in [*old, fresh]:
        if bidder.ended_at is not None:
            raise scene.wrong(
                f"when a server was added a client was closed with {bidder.code}.", where=ended(bidder.name)
            )
        if not await bidder.hears(lambda bidder=bidder: seq in bidder.seqs(lot), 0.5 + SLACK_S):
            raise scene.wrong(
                f"{bidder.user} did not hear bid {seq}, made on the new server.", where=to(fresh, "accepted")
            )


async def talk(scene, bidders, lot):
    """Bid on and on."""
    price = 0
    while True:
        for bidder in bidders:
            price += scene.random.randrange(1, 9)
            await scene.bid(bidder, lot, price)
            await asyncio.sleep(0.005)
