"""Milestone 4, the order in which a client hears: T19."""

import asyncio
import itertools
from collections import Counter

from wslab.feedback import NoAnswer

from .trial import trial

BACK_S = 5.0


@trial("T19", "nobody sees a number twice, or go down", milestone=4, needs="both")
async def t19(scene):
    house, lot = scene.house, await scene.lot()
    clients = [await scene.client(lot) for _ in range(3)]
    bidders = list((await scene.bidders_everywhere(lot)).values())
    price = 0
    for turn in range(4):
        for bidder in bidders:
            price += scene.random.randrange(1, 9)
            await bidder.send("bid", {"lot": lot, "amount": price})
        if turn == 1:
            house.front.cut(scene.random.choice(clients))
    price += 10
    last = await scene.bid(scene.random.choice(bidders), lot, price)
    for bidder in bidders:
        await bidder.hears(lambda bidder=bidder: last in bidder.seqs(lot))
    for _ in range(round(BACK_S / 0.02)):
        if all(last in seqs(scene, client, lot) for client in clients):
            break
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    seen = {bidder.user: bidder.seqs(lot) for bidder in bidders}
    seen |= {client: seqs(scene, client, lot) for client in clients}
    for name, numbers in seen.items():
        if repeated := [number for number, count in Counter(numbers).items() if count > 1]:
            raise scene.wrong(f"client {name} saw seq {repeated[0]} twice.")
        for number, following in itertools.pairwise(numbers):
            if following < number:
                raise scene.wrong(f"client {name} saw seq {following} after {number}.")
        if last not in numbers:
            raise NoAnswer(f"client {name} did not see bid {last} within {BACK_S:g} s.")


def seqs(scene, client, lot):
    """The numbers of the events that came into the `events` of a client of the learner's."""
    return [event["seq"] for event in scene.heard[client] if event.get("lot") == lot]
