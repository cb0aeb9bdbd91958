"""Milestone 4, the client alone, against a server of the judge's: T12, T13. Its clock runs quicker than ours."""

import asyncio
import itertools
import time
from collections import Counter

from wslab.feedback import NoAnswer
from wslab.recording import record
from wslab.trace import Kind

from .rival import Rival
from .stage import Stage
from .trial import trial

LOOK_S = 0.02
CAP_S, BUSY_S = 5.0, 0.8  # the longest wait on the clients' clock, and what a busy machine may add on ours
SPEED = 5  # how much quicker it runs


def quick(learner):
    """A stage on which the clients' clock runs quicker than ours."""
    return Stage(learner, speed=SPEED)


@trial("T12", "thirty clients come back, but not together", milestone=4, needs="client", place=quick, alone=True)
async def t12(scene):
    rival = await Rival().open()
    try:
        with record(rival.server) as scene.recording:
            clients = [await scene.rivals_client(rival) for _ in range(30)]
            back, longest = await outage(rival, clients)
            if len(back) == len(clients) and together(back):  # chance may have had it once
                back, longest = await outage(rival, clients)
    finally:
        await rival.close()
    if late := len(clients) - len(back):
        raise scene.wrong(f"{late} of 30 clients did not come back within 10 s.")
    if count := together(back):
        raise scene.wrong(f"{count} of 30 came back in the same tenth.")
    if longest > CAP_S + BUSY_S * SPEED:
        raise scene.wrong(f"a client waited {longest:.0f} s, expected 5 s at most.")


def together(back):
    """How many came back in the fullest tenth of 5 s, if these, or those in two tenths side by side, are too many."""
    tenths = Counter(int(seconds / 0.5) for seconds in back)
    most, pair = max(tenths.values()), max(tenths[tenth] + tenths[tenth + 1] for tenth in range(-1, max(tenths) + 1))
    return most if most > 0.4 * len(back) or pair > 0.7 * len(back) else 0


async def outage(rival, clients):
    """Be gone for 15 s of the clients' clock; returns after which time each came back, and the longest wait."""
    rival.state = "closed"
    rival.server.tap.cut()
    began = time.monotonic()
    await asyncio.sleep(15 / SPEED)
    rival.state, opened = "open", time.monotonic()
    back = {}
    while len(back) < len(clients) and time.monotonic() < opened + 10 / SPEED:
        await asyncio.sleep(LOOK_S)
        for client, at, welcome in rival.attempts:
            if welcome and at >= opened:
                back.setdefault(client, (at - opened) * SPEED)
    waits = [0.0]
    for client in clients:
        times = [at for who, at, _ in rival.attempts if who == client and at >= began]
        waits += [(late - early) * SPEED for early, late in itertools.pairwise(times)]
    return list(back.values()), max(waits)


@trial("T13", "a server that accepts and closes is left in peace", milestone=4, needs="client", place=quick, alone=True)
async def t13(scene):
    rival = await Rival().open()
    rival.state = "rude"
    try:
        with record(rival.server) as scene.recording:
            count = await attempts(scene, rival)
            if 12 < count <= 20:  # chance may have had it once
                count = min(count, await attempts(scene, rival))
    finally:
        await rival.close()
    if count > 12:
        raise scene.wrong(f"{count} connections in 10 s: backoff was reset by each handshake.", where=request)
    if count < 3:
        raise scene.wrong(f"{count} connections in 10 s: a client tries again until it is welcome.", where=request)


async def attempts(scene, rival):
    """How often a new client tries within 10 s of its clock."""
    before = len(rival.attempts)
    coming = scene.spawn(scene.rivals_client(rival, within=10 / SPEED))
    await asyncio.wait([coming])
    if not isinstance(coming.exception(), NoAnswer | None):
        raise coming.exception()
    count = len(rival.attempts) - before
    await scene.house.clients.ask("calm")
    return count


def request(event):
    """Is an event a handshake's request?"""
    return event.kind is Kind.REQUEST
