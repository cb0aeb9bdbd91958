"""Milestone 3, three servers and one order: T1, T2, T17."""

import asyncio
import itertools
import time

from .milestone_1 import SLACK_S, to
from .trial import shown, trial

FIELDS = {"lot", "seq", "user", "amount"}
HEARD_S = 0.5 + SLACK_S
SETTLED_S, PRESENT_S = 3.0, 4.0
HIDDEN = 10  # rounds of equal bids at one server, before a race is said to need two servers


@trial("T1", "one bid is heard on three servers", milestone=3)
async def t1(scene):
    lot = await scene.lot()
    bidders = await scene.bidders_everywhere(lot)
    price = 0
    for server in scene.random.sample(list(bidders), len(bidders)):
        price += scene.random.randrange(1, 50)
        seq = await scene.bid(bidders[server], lot, price)
        deaf = await all_heard(bidders, lot, seq)
        if deaf:
            text = (
                f"bidders on servers {', '.join(deaf)} did not hear bid {seq}; a server only knows its own connections."
            )
            raise scene.wrong(text, where=to(bidders[server], "accepted"))
    for bidder in bidders.values():
        for event in bidder.events(lot):
            if lacking := FIELDS - event.keys():
                raise scene.wrong(f"bid_placed lacks {', '.join(sorted(lacking))}.", where=to(bidder, "bid_placed"))


async def all_heard(bidders, lot, seq):
    """Wait until all have heard of bid `seq`; returns the numbers of the servers where it did not come in time."""
    deadline = time.monotonic() + HEARD_S
    deaf = []
    for server, bidder in bidders.items():
        within = max(0.01, deadline - time.monotonic())
        if not await bidder.hears(lambda bidder=bidder: seq in bidder.seqs(lot), within):
            deaf.append(server.name.removeprefix("Server "))
    return deaf


@trial("T2", "many bids at once: only rising ones, in one order, without a gap", milestone=3, rounds=3, limit_s=40.0)
async def t2(scene):
    await one_after_the_other(scene)
    await slowed(scene, 0.05)  # long enough for others to come between reading and writing
    await equal_ones(scene)
    await slowed(scene, 0.01)
    for server in scene.house.servers:
        await server.ask("vex", kind="conflict", operation="put", key="lot:", times=scene.random.randrange(1, 4))
    await sixty(scene)


async def slowed(scene, latency_s):
    """Let every use of the store wait for up to `latency_s`."""
    for server in scene.house.servers:
        await server.ask("vex", latency_s=latency_s)


async def one_after_the_other(scene):
    """Without any haste: a bid is known on all servers, and numbers go on where the last one ended."""
    lot = await scene.lot()
    bidders = await scene.bidders_everywhere(lot)
    price, given = 0, {}
    for server in scene.random.sample(list(bidders), 3):
        price += scene.random.randrange(20, 50)
        seq = await scene.bid(bidders[server], lot, price)
        if seq in given:
            servers = " and ".join(sorted(each.name.removeprefix("Server ") for each in (given[seq], server)))
            raise scene.wrong(
                f"seq {seq} was given to two bids, on servers {servers}.", where=to(bidders[server], "accepted")
            )
        given[seq] = server
        for other in bidders.values():
            low = await other.ask("bid", {"lot": lot, "amount": price - scene.random.randrange(0, 19)})
            if shown(low) == "accepted":
                text = "passes in one process, fails in three: something lives in a module global."
                raise scene.wrong(text, where=to(other, "accepted"))


async def equal_ones(scene):
    """Several bids of the same amount at the same time, at one server and at three: one of them is accepted."""
    lot = await scene.lot()
    here, everywhere = await together(scene, lot), list((await scene.bidders_everywhere(lot)).values())
    price = 0
    for group in [here] * 3 + [everywhere] * 3:
        price += scene.random.randrange(5, 20)
        winners = await same_amount(scene, group, lot, price)
        if len(winners) > 1:
            raise await twice(scene, winners, price)


async def together(scene, lot):
    """Three bidders at one server, who have joined."""
    here = [await scene.bidder()]
    while len(here) < 3:
        bidder = await scene.bidder()
        if scene.house.server_of(bidder.name) is scene.house.server_of(here[0].name):
            here.append(bidder)
    for bidder in here:
        await scene.join(bidder, lot)
    return here


async def same_amount(scene, group, lot, price):
    """All of the group bid `price` at the same time; returns those who were accepted."""
    replies = await asyncio.gather(*(bidder.ask("bid", {"lot": lot, "amount": price}) for bidder in group))
    winners = [bidder for bidder, reply in zip(group, replies, strict=True) if shown(reply) == "accepted"]
    if not winners:
        raise scene.wrong(f"of {len(group)} equal bids of {price} none was accepted: {', '.join(map(shown, replies))}.")
    return winners


async def twice(scene, winners, price):
    """What it means that several were accepted: where it was seen across servers, it may happen within one too."""
    servers = {scene.house.server_of(bidder.name).name.removeprefix("Server ") for bidder in winners}
    if across := len(servers) == len(winners):
        lot = await scene.lot()
        here = await together(scene, lot)
        for amount in range(1, HIDDEN + 1):
            again = await same_amount(scene, here, lot, amount)
            if len(again) > 1:
                winners, price, across = again, amount, False
                break
    first, second = winners[:2]
    text = f"{first.user} and {second.user} were both accepted at price {price}: get and put need the version."
    if across:
        text = f"fails only across servers ({', '.join(sorted(servers)[:2])}); a lock does not reach another process."
    return scene.wrong(text, where=to(second, "accepted"))


async def sixty(scene):
    """60 bids from 6 clients on 3 servers, all at the same time."""
    lot = await scene.lot()
    bidders = [*(await scene.bidders_everywhere(lot)).values(), *(await scene.bidders_everywhere(lot)).values()]
    offers = [(bidder, scene.random.randrange(1, 1000)) for bidder in bidders for _ in range(10)]
    replies = await asyncio.gather(
        *(bidder.ask("bid", {"lot": lot, "amount": amount}, within=15.0) for bidder, amount in offers)
    )
    other = sorted({shown(reply) for reply in replies} - {"accepted", "error too_low"})
    if other:
        raise scene.wrong(f"bids were answered {', '.join(other)}, expected accepted or the error too_low.")
    pairs = [(offer, reply["body"]) for offer, reply in zip(offers, replies, strict=True) if shown(reply) == "accepted"]
    users = {bidder.user: bidder for bidder in bidders}
    truth = sorted((body["seq"], amount, bidder.user) for (bidder, amount), body in pairs)
    for (seq, amount, user), (next_seq, higher, next_user) in itertools.pairwise(truth):
        if next_seq == seq:
            raise await twice(scene, [users[user], users[next_user]], amount)
        if higher <= amount:
            raise scene.wrong(f"bid {next_seq} of {higher} was accepted after bid {seq} of {amount}.")
    highest = max(amount for _, amount in offers)
    if truth[-1][1] != highest:
        raise scene.wrong(f"the highest bid was {highest}, and the last one that was accepted {truth[-1][1]}.")
    if [seq for seq, _, _ in truth] != list(range(1, len(truth) + 1)):
        text = f"the accepted bids have the numbers {[seq for seq, _, _ in truth]}, expected 1 to {len(truth)}."
        raise scene.wrong(text)
    for bidder in bidders:
        await bidder.hears(lambda bidder=bidder: len(bidder.events(lot)) >= len(truth), SETTLED_S)
        heard = [(event["seq"], event["amount"], event["user"]) for event in bidder.events(lot)]
        if heard != truth:
            seqs = [seq for seq, _, _ in heard]
            raise scene.wrong(f"{bidder.user} saw the bids {seqs}, expected 1 to {len(truth)}, each once.")


@trial("T17", "who is here is known, however somebody left", milestone=3)
async def t17(scene):
    house, lot = scene.house, await scene.lot()
    witnesses = await scene.bidders_everywhere(lot)
    doomed = scene.random.choice(list(witnesses))
    witness = next(bidder for server, bidder in witnesses.items() if server is not doomed)
    guests = [await scene.bidder() for _ in range(6)]
    for guest in guests:
        await scene.join(guest, lot)
    await present(scene, witness, lot, 9, "everybody has joined")
    staying = [guest for guest in guests if house.server_of(guest.name) is not doomed]
    polite, rude = scene.random.sample(staying, 2)
    await polite.leave()
    await present(scene, witness, lot, 8, "a normal close")
    rude.abort()
    await present(scene, witness, lot, 7, "an abort")
    gone = sum(house.server_of(guest.name) is doomed for guest in guests if guest.ended_at is None)
    doomed.end_now()
    await present(scene, witness, lot, 7 - gone - 1, "the crash of a server")


async def present(scene, witness, lot, count, what):
    """Wait until `witness` is told that `count` bidders are here."""
    if await witness.hears(lambda: witness.present(lot) == count, PRESENT_S):
        return
    saw = witness.present(lot)
    if saw is None:
        raise scene.wrong("nobody was told how many bidders are here: no presence came.")
    if saw > count and what != "everybody has joined":
        raise scene.wrong(f"{saw - count} ghosts after {what}.", where=to(witness, "presence"))
    raise scene.wrong(
        f"after {what} {saw} bidders are told to be here, expected {count}.", where=to(witness, "presence")
    )
