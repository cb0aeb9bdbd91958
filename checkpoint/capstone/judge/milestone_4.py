"""Milestone 4, coming back: T9, T10, T18; T12 and T13 are in `milestone_4_alone`, T19 in `milestone_4_order`."""

import asyncio
import itertools
import json
import time
from collections import Counter
from operator import itemgetter

from wslab.feedback import NoAnswer
from wslab.trace import Kind

from .milestone_1 import to
from .milestone_3 import FIELDS
from .milestone_4_order import seqs
from .trial import shown, trial

BACK_S, LOOK_S = 6.0, 0.02


@trial("T9", "a server dies, and nobody misses a bid", milestone=4, needs="both", rounds=3, limit_s=60.0)
async def t9(scene):
    await resumed_everywhere(scene)
    lot = await scene.lot()
    clients = [await scene.client(lot) for _ in range(3)]
    witness = await scene.bidder()
    victim = scene.house.server_of(scene.random.choice(clients))
    while scene.house.server_of(witness.name) is victim:
        witness = await scene.bidder()
    await scene.join(witness, lot)
    price, bids = 0, []
    for turn in range(scene.random.randrange(4, 7)):
        price += scene.random.randrange(1, 20)
        await scene.order("bid", client=clients[turn % 3], lot=lot, amount=price)
    killed = {client for client in clients if scene.house.server_of(client) is victim}
    for client in clients:  # in the middle of it
        price += scene.random.randrange(1, 20)
        bids.append(scene.spawn(scene.order("bid", BACK_S, client=client, lot=lot, amount=price)))
    await asyncio.sleep(scene.random.uniform(0, 0.02))
    victim.end_now()
    await victim.ended(1.0)
    for _ in range(3):
        price += scene.random.randrange(1, 20)
        await scene.bid(witness, lot, price)
    results = await asyncio.gather(*bids, return_exceptions=True)
    for error in filter(lambda result: isinstance(result, BaseException), results):
        raise error
    last = await all_are_back(scene, clients, witness, lot, price)
    truth = await replay(scene, lot)
    for client in clients:
        numbers = seqs(scene, client, lot)
        if twice := [number for number, count in Counter(numbers).items() if count > 1]:
            raise scene.wrong(f"seq {twice[0]} delivered twice.", where=again(client))
        missing = sorted(set(range(1, last + 1)) - set(numbers))
        if missing:
            raise scene.wrong(f"events {missing[0]}..{missing[-1]} missing after the reconnect.", where=again(client))
        for mine, theirs in zip(sorted(scene.heard[client], key=itemgetter("seq")), truth, strict=True):
            if any(mine.get(field) != theirs.get(field) for field in FIELDS):
                text = f"client {client} has another event {theirs['seq']} than who joins now."
                raise scene.wrong(text, where=again(client))
    if not killed:
        raise NoAnswer("no client was on the server that was to die.")


async def resumed_everywhere(scene):
    """Who was on one server, and comes back to any, gets what came meanwhile."""
    lot = await scene.lot()
    everywhere = await scene.bidders_everywhere()
    home, speaker = scene.random.choice(list(everywhere.items()))
    await scene.join(speaker, lot)
    count, price = scene.random.randrange(4, 8), 0
    for _ in range(count):
        price += scene.random.randrange(1, 20)
        await scene.bid(speaker, lot, price)
    after = scene.random.randrange(1, count - 1)
    expected, lost = list(range(after + 1, count + 1)), {}
    for server, bidder in {**everywhere, home: await on(scene, home)}.items():
        await scene.join(bidder, lot, after)
        if not await bidder.hears(lambda bidder=bidder: len(bidder.seqs(lot)) >= len(expected), 1.5):
            lost[server] = bidder
        elif bidder.seqs(lot) != expected:
            raise scene.wrong(f"join after {after} was followed by {bidder.seqs(lot)}, expected {expected}.")
    if lost and home not in lost:
        where = to(next(iter(lost.values())), "joined")
        raise scene.wrong(f"resume worked only on server {home.name.removeprefix('Server ')}.", where=where)
    if lost:
        bidder = next(iter(lost.values()))
        text = f"join after {after} was followed by {bidder.seqs(lot)}, expected {expected}."
        raise scene.wrong(text, where=to(bidder, "joined"))


async def on(scene, server):
    """A bidder on this server."""
    for _ in range(12):
        bidder = await scene.bidder()
        if scene.house.server_of(bidder.name) is server:
            return bidder
        await bidder.leave()
    raise NoAnswer(f"the balancer found no way to {server.name}.")


async def all_are_back(scene, clients, witness, lot, price):
    """Bid until every client sees it at once, which shows that it is there; returns the number of the last bid."""
    deadline = time.monotonic() + BACK_S
    late = clients
    while late and time.monotonic() < deadline:
        price += scene.random.randrange(1, 20)
        last = await scene.bid(witness, lot, price)
        late = await without(scene, clients, lot, last, 1.0)
    if late:
        raise scene.wrong(f"{', '.join(late)} did not come back: bid {last} was not seen within {BACK_S:g} s.")
    await asyncio.sleep(0.2)  # for what is still missing
    return last


async def without(scene, clients, lot, seq, within):
    """Wait until all these clients have seen event `seq`; returns those that have not."""
    deadline = time.monotonic() + within
    while late := [client for client in clients if seq not in seqs(scene, client, lot)]:
        if time.monotonic() > deadline:
            break
        await asyncio.sleep(LOOK_S)
    return late


async def replay(scene, lot):
    """All events of a lot, as the servers tell who joins now."""
    reader = await scene.bidder()
    joined = await scene.join(reader, lot, 0)
    await reader.hears(lambda: joined["seq"] in reader.seqs(lot))
    return reader.events(lot)


def again(client):
    """Is an event the second handshake of this client?"""
    return lambda event: event.kind is Kind.REQUEST and event.connection == client and event.life > 0


@trial("T10", "a bid that is sent again counts once", milestone=4, needs="both")
async def t10(scene):
    lot = await scene.lot()
    await the_same_answer(scene, lot)
    client = await scene.client(lot)
    server = scene.house.server_of(client)
    committed = asyncio.get_running_loop().create_future()
    server.told = lambda fact: committed.done() or fact.get("met") != "hang after" or committed.set_result(True)
    await server.ask("vex", kind="hang after", operation="put", key="lot:")
    amount = scene.random.randrange(1000, 2000)
    bid = scene.spawn(scene.order("bid", BACK_S, client=client, lot=lot, amount=amount))
    try:
        async with asyncio.timeout(2.0):
            await committed
    except TimeoutError:
        raise NoAnswer("the bid of the client did not come to the store within 2 s.") from None
    server.end_now()  # the bid is in the store, and nobody was told
    result = await bid
    ids = {number for number, sent in sent_bids(scene, client) if sent == amount}
    if len(ids) > 1:
        raise scene.wrong("one bid, two entries: the repeated request must carry the same id.", where=again(client))
    if not isinstance(result, dict) or result.get("type") != "accepted":
        raise scene.wrong(f"bid() returned {result}, expected the answer, type accepted: the bid was in the store.")
    entries = [event for event in await replay(scene, lot) if event["amount"] == amount]
    if len(entries) != 1 or entries[0]["seq"] != result.get("seq"):
        raise scene.wrong(f"one bid, {len(entries)} entries.")


async def the_same_answer(scene, lot):
    """The same request on two servers has the same answer."""
    first, second, _ = (await scene.bidders_everywhere()).values()
    await scene.join(first, lot)
    copy = await scene.bidder(first.user, token=first.token, name=f"{first.user} again")
    for bidder in (second, copy):
        await scene.join(bidder, lot)
    bid = {"lot": lot, "amount": scene.random.randrange(1, 500)}
    request = f"request-{scene.random.randrange(10**6)}"
    one = await first.ask("bid", bid, id=request)
    two = await copy.ask("bid", bid, id=request)
    if shown(two) != "accepted" or one["body"].get("seq") != two["body"].get("seq"):
        text = f"a bid was {shown(one)}; sent again with the same id it was answered {shown(two)}, expected the same."
        raise scene.wrong(text, where=to(copy, "accepted"))
    if shown(other := await second.ask("bid", bid, id=request)) != "error too_low":
        raise scene.wrong(f"the same id from another bidder was answered {shown(other)}: an id is its sender's own.")


def sent_bids(scene, client):
    """The bids that a client sent, in front of the balancer, as (id, amount)."""
    for event in scene.recording.trace:
        if event.up and event.kind is Kind.TEXT and event.connection == client and event.tap == "Load balancer":
            message = json.loads(event.payload)
            if message.get("type") == "bid":
                yield message["id"], message["body"]["amount"]


@trial("T18", "what the bus has lost is in the log", milestone=4, needs="both")
async def t18(scene):
    house, lot = scene.house, await scene.lot()
    client = await scene.client(lot)
    deaf = house.server_of(client)
    speaker = await scene.bidder()
    while house.server_of(speaker.name) is deaf:
        speaker = await scene.bidder()
    await scene.join(speaker, lot)
    price = scene.random.randrange(1, 9)
    first = await scene.bid(speaker, lot, price)
    await without(scene, [client], lot, first, 2.0)
    await deaf.ask("vex", deaf=True)
    for _ in range(2):
        price += scene.random.randrange(1, 9)
        await scene.bid(speaker, lot, price)
    await asyncio.sleep(0.05)  # the bus has delivered them by now
    await deaf.ask("vex", deaf=False)
    last = await scene.bid(speaker, lot, price + 1)
    deadline = time.monotonic() + 2.0
    while len(seqs(scene, client, lot)) < last and time.monotonic() < deadline:
        await asyncio.sleep(LOOK_S)
    numbers = seqs(scene, client, lot)
    for number, following in itertools.pairwise([*numbers, last + 1]):
        if following > number + 1:
            text = f"seq {number} then {following}: {number + 1} was never asked for."
            raise scene.wrong(text, where=again(client))
    if numbers != list(range(1, last + 1)):
        raise scene.wrong(f"after a gap of the bus the client saw {numbers}, expected 1 to {last}.")
