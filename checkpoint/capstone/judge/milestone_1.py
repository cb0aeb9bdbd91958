"""Milestone 1, who may come in: T3, T4, T5, T8."""

import asyncio
import json
import time

from wslab.feedback import NoAnswer

from .trial import shown, trial

AUTH_S = 1.0  # what the settings say
TRACEBACK = ("Traceback", 'File \\"')  # as they stand in JSON
SLACK_S = 0.3  # of a busy machine, on top of every limit


@trial("T3", "nobody comes in without a good token", milestone=1)
async def t3(scene):
    lot = await scene.lot(price=scene.random.randrange(10, 90))
    members = await scene.bidders_everywhere(lot)
    speaker = next(iter(members.values()))
    old = await scene.house.admit(scene.user(), lasts_s=-scene.random.randrange(1, 60))
    wrong = f"{(await scene.house.admit(scene.user())).partition('.')[0]}.{scene.house.token().partition('.')[2]}"
    envelope = {"type": "auth", "v": 1, "id": "1", "meta": None}
    firsts = {
        "no token": json.dumps(envelope | {"body": {}}),
        "an unknown token": json.dumps(envelope | {"body": {"token": scene.house.token()}}),
        "a token with a wrong secret": json.dumps(envelope | {"body": {"token": wrong}}),
        "a token that has expired": json.dumps(envelope | {"body": {"token": old}}),
        "a token that is no text": json.dumps(envelope | {"body": {"token": [old]}}),
        "a token that is not ASCII": json.dumps(envelope | {"body": {"token": "\ud800тёкен.тайна"}}),
        "a bid as the first message": json.dumps(envelope | {"type": "bid", "body": {"lot": lot, "amount": 500}}),
        "a list as the first message": "[]",
        "no JSON as the first message": "hello",
        "bytes as the first message": b"\x00\xff",
        "silence": None,
    }
    began = time.monotonic()
    order = scene.random.sample(list(firsts), len(firsts))
    names = [what.replace("the first message", "first") for what in order]
    strangers = dict(zip(order, await asyncio.gather(*map(scene.stranger, names)), strict=True))
    first = await scene.bid(speaker, lot, scene.random.randrange(100, 200))
    for bidder in members.values():
        await bidder.hears(lambda bidder=bidder: first in bidder.seqs(lot))
    for what, stranger in strangers.items():
        if firsts[what] is not None:
            await asyncio.gather(stranger.say(firsts[what]), return_exceptions=True)
    late = time.monotonic() > began + 0.7 * AUTH_S  # on a very busy machine they came too late
    await scene.bid(speaker, lot, scene.random.randrange(200, 300))
    codes = {what: await stranger.closed(within=3.0) for what, stranger in strangers.items()}
    for kind in ("bid_placed", "joined", "presence"):
        for stranger in strangers.values():
            if any(message.get("type") == kind for message in stranger.messages):
                raise scene.wrong(f"an unauthenticated socket received {kind}.", where=to(stranger, kind))
    for what, stranger in strangers.items():
        expected = 4408 if firsts[what] is None else 4401
        if any(message.get("type") == "welcome" for message in stranger.messages):
            raise scene.wrong(f"{what} was answered with a welcome, expected a close with {expected}.")
        if codes[what] != expected and not (late and codes[what] == 4408):
            saw = "stayed open" if codes[what] is None else f"was closed with {codes[what]}"
            raise scene.wrong(f"after {what} the connection {saw}, expected {expected}.")


@trial("T4", "a session that ends takes its connection with it", milestone=1)
async def t4(scene):
    lot = await scene.lot()
    speaker = await scene.bidder()
    await scene.join(speaker, lot)
    lasts_s = scene.random.uniform(0.7, 1.0)
    idle = await scene.bidder(lasts_s=lasts_s)
    expires = (await scene.house.sessions.find(idle.token))["exp"]
    revoked = await scene.bidder()
    for bidder in (idle, revoked):
        await scene.join(bidder, lot)
    await scene.house.revoke(revoked.token)
    revoked_at, amount = time.time(), 0
    until = max(expires + 0.2, revoked_at + 1.0) + 2 * SLACK_S
    while time.time() < until and not (idle.ended_at and revoked.ended_at and time.time() > expires + 0.2):
        amount += scene.random.randrange(1, 5)
        await scene.bid(speaker, lot, amount)
        await asyncio.sleep(0.05)
    if idle.ended_at is None or idle.ended_at > expires + 0.2 + SLACK_S:
        late = [at for at, message in idle.received if at > expires + 0.1 and message.get("type") == "bid_placed"]
        after = (idle.ended_at or time.time()) - expires
        text = f"{after:.1f} s after expiry the idle client still received {len(late)} events."
        raise scene.wrong(text, where=to(idle, "bid_placed"))
    if idle.code != 4401:
        raise scene.wrong(f"at expiry the connection was closed with {idle.code}, expected 4401.")
    if revoked.ended_at is None or revoked.ended_at > revoked_at + 1.0 + SLACK_S:
        after = (revoked.ended_at or time.time()) - revoked_at
        raise scene.wrong(f"{after:.1f} s after its session was revoked a client was still connected, expected 1 s.")
    if revoked.code != 4403:
        raise scene.wrong(f"after the revocation the connection was closed with {revoked.code}, expected 4403.")


@trial("T5", "whose bid it is, the session says", milestone=1)
async def t5(scene):
    lot = await scene.lot()
    victim, user = await scene.bidder(), await scene.bidder()
    for bidder in (victim, user):
        await scene.join(bidder, lot)
    amount = scene.random.randrange(10, 1000)
    seq = await scene.bid(user, lot, amount, user=victim.user, leader=victim.user)
    await victim.hears(lambda: seq in victim.seqs(lot))
    event = next((event for event in victim.events(lot) if event.get("seq") == seq), None)
    if event is None:
        raise NoAnswer(f"the other bidder did not hear bid {seq} within 2 s.")
    leader = (await scene.join(await scene.bidder(), lot)).get("leader")
    for name in (event.get("user"), leader):
        if name != user.user:
            text = f"bid recorded for {name}, the session belongs to {user.user}."
            raise scene.wrong(text, where=to(victim, "bid_placed"))


@trial("T8", "no secret leaves the house", milestone=1)
async def t8(scene):
    lot = await scene.lot()
    house, marker = scene.house, f"table bids_{scene.random.randrange(1000, 10000)} is locked"
    text = f"postgres://auction:{house.secret}@db/auction: {marker}"
    bidders = await scene.bidders_everywhere(lot)
    for server, operation in zip(bidders, ("get", "put", "get"), strict=True):
        await server.ask("vex", kind="fail", operation=operation, key="lot:", text=text)
        await bidders[server].ask("bid", {"lot": lot, "amount": scene.random.randrange(1, 100)})
    curious = await scene.stranger()
    await curious.send("auth", {"token": f"{house.token()}!"})
    await curious.closed()
    everybody = [*bidders.values(), curious]
    await asyncio.sleep(0.1)  # the administrator is told beside the reply
    said = [(message, bidder) for bidder in everybody for message in bidder.messages if message["type"] != "welcome"]
    for message, bidder in said:
        if leak := leaked(json.dumps(message), house.secret, marker, *TRACEBACK):
            raise scene.wrong(f"reply contains {leak}.", where=to(bidder, message["type"]))
    reasons = [bidder.ws.close_reason or "" for bidder in everybody if bidder.ended_at]
    for reason in reasons:
        if leak := leaked(json.dumps(reason), house.secret, *TRACEBACK):
            raise scene.wrong(f"close reason contains {leak}.")
    for place, found in {"log record": house.records(), "notification": house.notices()}.items():
        for field, value in (pair for entry in found for pair in entry.items()):
            if leak := leaked(f"{json.dumps(field)}: {json.dumps(value)}", house.secret, *TRACEBACK):
                raise scene.wrong(f"{field!r} of a {place} contains {leak}.")


def leaked(text, secret, *fragments):
    """What stands in `text` and must not, shown without telling a secret; or an empty string."""
    for fragment in fragments:
        if fragment in text:
            return repr(fragment)
    return "a secret" if secret in text else ""


def to(bidder, kind):
    """Is an event the first message of that type to this bidder, in front of the balancer?"""

    def where(event):
        text = event.payload.decode("utf-8", "replace")
        return not event.up and event.connection == bidder.name and f'"{kind}"' in text

    return where
