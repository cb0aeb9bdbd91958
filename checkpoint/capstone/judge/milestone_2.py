"""Milestone 2, what can go wrong with a message: T6, T7, T21, T22."""

import asyncio
import json
import time
from collections import Counter

import websockets

from wslab.feedback import NoAnswer

from .bidder import Bidder
from .house import ORIGIN
from .milestone_1 import SLACK_S, to
from .story import STEPS, drawn, stories
from .trial import shown, trial

CODES = {
    "no JSON": "bad_json",
    "null": "not_object",
    "a list": "not_object",
    "bytes": "not_text",
    "50,000 brackets": "bad_json",
    "a number of 5,000 digits": "bad_json",
    "an unknown type": "unknown_type",
    "a type that is no text": "bad_type",
    "no version": "bad_version",
    "a bid without a lot": "bad_request",
    "a body that is a text": "bad_request",
    "NaN as the amount": "bad_json",
}
AMOUNTS = {
    "a negative amount": -5,
    "nothing": 0,
    "an amount of 40 digits": 10**39,
    "a text": "12",
    "no amount": None,
    "true": True,
}


@trial("T6", "a bad message is answered, and nothing else happens", milestone=2)
async def t6(scene):
    lot = await scene.lot()
    bidder = await scene.bidder()
    await scene.join(bidder, lot)
    bad = {**{what: raw(what, lot) for what in CODES}, **{what: amount(lot, value) for what, value in AMOUNTS.items()}}
    for what in scene.random.sample(list(bad), len(bad)):
        before = errors(bidder)
        await bidder.say(bad[what])
        if not await bidder.hears(lambda before=before: len(errors(bidder)) > len(before) or bidder.ended_at):
            raise NoAnswer(f"{what} got no error reply within 2 s.")
        if len(errors(bidder)) > len(before):
            code = (errors(bidder)[-1].get("body") or {}).get("code")
            if code != CODES.get(what, "bad_amount"):
                raise scene.wrong(
                    f"{what} was answered with the error {code}, expected {CODES.get(what, 'bad_amount')}."
                )
        try:
            await bidder.ask("beat", None)
        except NoAnswer:
            if await bidder.closed(0.5) is None:
                raise
            text = f"after the error reply the connection closed with {bidder.code}."
            raise scene.wrong(text, where=to(bidder, "error")) from None
        if (count := len(errors(bidder)) - len(before)) != 1:
            raise scene.wrong(f"{what} was answered with {count} errors, expected one.")
    await scene.bid(bidder, lot, scene.random.randrange(10, 100))
    low = await bidder.ask("bid", {"lot": lot, "amount": 1})
    if shown(low) != "error too_low" or not low["body"].get("price"):
        raise scene.wrong(
            f"a bid that is too low was answered {shown(low)}, expected the error too_low, with the price."
        )
    for name, code in ((await scene.lot(opened=False), "closed_lot"), (await scene.lot(), "not_joined")):
        if code == "closed_lot":
            await scene.join(bidder, name)
        reply = await bidder.ask("bid", {"lot": name, "amount": 50})
        if shown(reply) != f"error {code}":
            raise scene.wrong(f"expected the error {code}, saw {shown(reply)}.")


def raw(what, lot):
    """What to send."""
    return {
        "no JSON": '{"v": 1, "type": "beat"',
        "null": "null",
        "a list": "[1, 2]",
        "bytes": b'{"v": 1, "type": "beat"}',
        "50,000 brackets": "[" * 50_000,
        "a number of 5,000 digits": f'{{"v": 1, "type": "bid", "body": {{"lot": "{lot}", "amount": {"9" * 5000}}}}}',
        "an unknown type": '{"v": 1, "type": "steal", "id": "x"}',
        "a type that is no text": '{"v": 1, "type": 7, "id": "x"}',
        "no version": '{"type": "beat", "id": "x"}',
        "a bid without a lot": '{"v": 1, "type": "bid", "id": "x", "body": {"amount": 5}}',
        "a body that is a text": '{"v": 1, "type": "bid", "id": "x", "body": "5"}',
        "NaN as the amount": amount(lot, float("nan")),
    }[what]


def amount(lot, value):
    """A bid of `value`."""
    return json.dumps({"type": "bid", "v": 1, "id": "x", "meta": None, "body": {"lot": lot, "amount": value}})


def errors(bidder):
    """The errors that came so far."""
    return [message for message in bidder.messages if message.get("type") == "error"]


@trial("T7", "an error of the house is answered, logged and told to the administrator", milestone=2)
async def t7(scene):
    house, lot = scene.house, await scene.lot()
    bidder = await scene.bidder()
    await scene.join(bidder, lot)
    server = house.server_of(bidder.name)
    mail_s = scene.random.uniform(1.2, 1.5)
    notices = len(house.notices())
    await server.ask("vex", mail_s=mail_s)
    await server.ask(
        "vex", kind="fail", operation=scene.random.choice(["get", "put"]), key="lot:", text="disk I/O error"
    )
    began = time.monotonic()
    reply = await bidder.ask("bid", {"lot": lot, "amount": scene.random.randrange(1, 50)}, within=4.0)
    took = time.monotonic() - began
    body = reply.get("body") or {}
    if shown(reply) != "error internal" or not isinstance(body.get("error_id"), str):
        text = f"when the store fails a bid is answered {shown(reply)}, expected the error internal, with an error_id."
        raise scene.wrong(text)
    if took > 0.5 + SLACK_S:
        raise scene.wrong(f"reply took {took:.1f} s while the notifier slept.", where=to(bidder, "error"))
    await scene.bid(bidder, lot, scene.random.randrange(50, 100))
    logged = [record for record in house.records(server) if record.get("error_id") == body["error_id"]]
    if len(logged) != 1 or logged[0].get("event") != "error":
        raise scene.wrong(
            f"{len(logged)} log records hold the error_id of the reply, expected one, of the event error."
        )
    deadline = time.monotonic() + mail_s + 1.0
    while len(house.notices()) == notices and time.monotonic() < deadline:
        await asyncio.sleep(0.02)
    await asyncio.sleep(0.1)
    if (told := len(house.notices()) - notices) != 1:
        raise scene.wrong(f"the administrator was told {told} times of one error, expected once.")


@trial("T21", "foreign pages, long messages, bad ones in a row and too many are refused", milestone=2)
async def t21(scene):
    number = scene.random.randrange(100, 999)
    foreign = [
        f"https://evil{number}.example",
        f"{ORIGIN}.evil{number}.example",
        "null",
        ORIGIN.replace("https", "http"),
    ]
    for origin in foreign:
        try:
            await scene.stranger(origin=origin)
            status = 101
        except websockets.InvalidStatus as exc:
            status = exc.response.status_code
        if status != 403:
            raise scene.wrong(f"a page of {origin} was answered {status}, expected 403.")
    await scene.stranger(origin=ORIGIN)
    long, hasty, busy = await scene.bidder(), await scene.bidder(), await scene.bidder()
    await long.say("x" * 65_537)
    if (code := await long.closed()) != 1009:
        raise scene.wrong(
            f"a message of 65,537 bytes was answered with {code or 'nothing'}, expected a close with 1009."
        )
    for _ in range(4):
        await hasty.say("no JSON")
    await hasty.ask("beat")
    for _ in range(5):
        await hasty.say("no JSON")
    if (code := await hasty.closed()) != 1008:
        text = f"five bad messages in a row were answered with {code or 'no close'}, expected a close with 1008."
        raise scene.wrong(text)
    for number in range(200):
        await busy.send("beat", id=f"beat {number}")
    await busy.reply("beat 199", "200 messages in a second")
    codes = Counter((message.get("body") or {}).get("code") for message in errors(busy))
    if not codes["slow_down"]:
        raise scene.wrong("200 messages in one second were all answered, expected the error slow_down for some.")
    await asyncio.sleep(1.1)
    if shown(await busy.ask("beat")) != "beat_ack":
        raise scene.wrong("a second later a single beat was not answered with beat_ack.")


@trial("T22", "the log tells the story of every connection", milestone=2)
async def t22(scene):
    house, lot = scene.house, await scene.lot()
    began = time.time()
    good, rude, stranger = await scene.bidder(), await scene.bidder(), await scene.stranger()
    await scene.join(good, lot)
    await good.say("no JSON")
    await good.hears(lambda: errors(good))
    await stranger.send("auth", {"token": house.token()})
    await stranger.closed()
    await good.leave()
    rude.abort()
    records, counts = [], Counter()
    for _ in range(100):
        records = since(began, house.records())
        counts = Counter(record.get("event") for record in records)
        if counts["disconnect"] >= 3:
            break
        await asyncio.sleep(0.02)
    scene.recording = drawn(records)
    for event in STEPS:
        if not counts[event]:
            raise scene.wrong(f'no record with event "{event}".')
    expected = [
        "connect, auth ok, disconnect 1006",
        "connect, auth ok, error bad_json, disconnect 1000",
        "connect, auth refused, disconnect 4401",
    ]
    told = stories(records)
    if told != expected:
        odd = [story for story in told if story not in expected] or told
        lacking = [story for story in expected if story not in told] or expected
        raise scene.wrong(f"the log tells of a connection {odd[0]!r}, expected {lacking[0]!r}.")
    for record in records:
        if record["event"] == "disconnect" and not {"reason", "seconds"} <= record.keys():
            raise scene.wrong('a record with event "disconnect" lacks its reason or its seconds.')


def since(began, records):
    """The records of the connections that were made since `began`."""
    late = [record for record in records if record["at"] >= began]
    made = {(record["server"], record.get("connection")) for record in late if record.get("event") == "connect"}
    return [record for record in late if (record["server"], record.get("connection")) in made]
