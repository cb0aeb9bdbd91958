"""What the check of 1.1, one life in order, looks at, in the order in which a learner reads it.

The check records such a life itself, with the unprompted message where the learner put it, and compares.
"""

import contextlib
import secrets
import sqlite3

from websockets import connect

from wslab import serve
from wslab.judge import Wrong, behaviour
from wslab.recording import record
from wslab.sources import watch_sql
from wslab.trace import DATA, Kind

TCP, GET, SWITCHED = "TCP connect", "GET with Upgrade", "101 Switching Protocols"
ASKED, ANSWERED, PUSHED = "client message", "server message", "unprompted server message"
CLOSED, CLOSED_BACK, ENDED = "close frame", "close frame back", "TCP end"
BLOCKS = (TCP, GET, SWITCHED, ASKED, ANSWERED, PUSHED, CLOSED, CLOSED_BACK, ENDED)
MESSAGES = (ASKED, ANSWERED, PUSHED)

OK, NEW_HANDSHAKE, FROM_DATABASE = "200 OK per message", "new handshake per message", "database sends to the client"
DISTRACTORS = (OK, NEW_HANDSHAKE, FROM_DATABASE)

DID = "life_of_connection()"
NO_ARROW = " The TCP connection has no arrow of its own, but before it nothing can cross."


@behaviour("1.1", "your list holds nothing but blocks, each of them once")
async def only_blocks(answer):
    blocks = await _blocks(answer)
    for block in blocks:
        if block not in (*BLOCKS, *DISTRACTORS):
            raise Wrong(
                f"1.1 blocks: {block!r} is none of the blocks: copy their texts exactly.",
                did=DID,
                expected="texts of blocks",
                saw=repr(block),
            )
        if blocks.count(block) > 1:
            raise Wrong(
                f'1.1 blocks: "{block}" is in your list {blocks.count(block)} times; each block belongs there once or '
                "not at all.",
                did=DID,
                expected="each block once at most",
                saw=f'"{block}" {blocks.count(block)} times',
            )


@behaviour("1.1", "nothing in it that never happens")
async def no_distractor(answer):
    blocks = await _blocks(answer)
    life = await _life(answer, blocks)
    trace = answer.recording.trace
    kinds = [event.kind for event in trace]
    messages = [event for event in trace if event.kind in DATA]
    to_client = [event for event in trace if event.target == "Client"]
    for block, line, where in (
        (
            OK,
            '1.1 distractor: "200 OK" never occurs in the recording. After 101 there are no more HTTP responses.',
            life[SWITCHED],
        ),
        (
            NEW_HANDSHAKE,
            f"1.1 distractor: the recording has {kinds.count(Kind.REQUEST)} handshake and {len(messages)} messages.",
            life[GET],
        ),
        (
            FROM_DATABASE,
            f"1.1 distractor: {len(to_client)} arrows of the recording end at the client, and all of them come from "
            "the server. The database answers the server only.",
            life[PUSHED],
        ),
    ):
        if block in blocks:
            raise Wrong(line, did=DID, expected=f'no "{block}"', saw=f'"{block}"', where=_at(where))


@behaviour("1.1", "everything in it that happens")
async def complete(answer):
    blocks = await _blocks(answer)
    life = await _life(answer, blocks)
    for block in BLOCKS:
        if block not in blocks:
            raise Wrong(
                "1.1 missing: the recording has two close frames, one in each direction."
                if block in (CLOSED, CLOSED_BACK)
                else f'1.1 missing: "{block}" is not in your list.{NO_ARROW if block == TCP else ""}',
                did=DID,
                expected=f'"{block}"',
                saw=f"{len(blocks)} of {len(BLOCKS)} blocks",
                where=_at(life[block]),
            )


@behaviour("1.1", "in the order of the recording")
async def order(answer):
    blocks = await _blocks(answer)
    life = await _life(answer, blocks)
    for place, (mine, recorded) in enumerate(zip(blocks, life, strict=True), 1):
        if mine != recorded:
            raise Wrong(
                _disorder(answer.recording, blocks, mine, recorded),
                did=DID,
                expected=f'"{recorded}" in place {place}',
                saw=f'"{mine}"',
                where=_at(life[recorded]),
            )


def _disorder(recording, blocks, mine, recorded):
    """What is wrong about `mine` standing where the recording has `recorded`."""
    if recorded == TCP:
        return f'1.1 order: you put "{mine}" before "{TCP}".{NO_ARROW}'
    if mine in MESSAGES and blocks.index(mine) < blocks.index(SWITCHED):
        sizes = {event.kind: event.wire_bytes for event in recording.trace if event.kind in ("request", "response")}
        end = sum(sizes.values())
        return (
            f'1.1 order: you put "{mine}" before "{SWITCHED}". In the recording byte {end + 1} is the first message '
            f"byte, {end} the end of the 101: nothing may be sent before."
        )
    if mine == ENDED and recorded in (CLOSED, CLOSED_BACK):
        return "1.1 order: TCP ends after the close frames; only an aborted connection has no close frames."
    if mine in (CLOSED, CLOSED_BACK) and recorded in MESSAGES:
        return (
            f'1.1 order: you put "{mine}" before "{recorded}". A close frame is the last frame that a side sends: all '
            "messages come before it."
        )
    return f'1.1 order: you put "{mine}" before "{recorded}"; in the recording "{recorded}" comes first.'


async def _blocks(answer):
    value = await answer.call()
    if not isinstance(value, list | tuple) or not all(isinstance(block, str) for block in value):
        raise Wrong(
            f"1.1 result: your function returned {value!r}; it has to return a list of blocks, which are texts.",
            did=DID,
            expected="a list of texts",
            saw=repr(value),
        )
    return list(value)


async def _life(answer, blocks):
    """Record a connection from its beginning to its end; returns its events by block, in the order of the recording.

    The server may push at any time: here it does when `blocks` say so, as far as there is a connection then.
    """
    before_push = blocks[: blocks.index(PUSHED)] if PUSHED in blocks else blocks
    place = len({ASKED, ANSWERED}.intersection(before_push))
    note, news = f"note {secrets.token_hex(2)}", f"news {secrets.token_hex(2)}"

    async def notes(ws):
        if place == 0:
            await ws.send(news)
        message = await ws.recv()
        with contextlib.closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
            database.execute("CREATE TABLE notes (value TEXT)")
            watch_sql(database).execute("INSERT INTO notes VALUES (?)", (message,))
        if place == 1:
            await ws.send(news)
        await ws.send(f"saved {message}")
        if place == 2:
            await ws.send(news)
        await ws.wait_closed()

    async def client(url):
        async with connect(url, compression=None, proxy=None) as ws:
            if place == 0:
                await ws.recv()
            await ws.send(note)
            for _ in range(1 if place == 0 else 2):
                await ws.recv()

    server = await serve(notes, name="Server")
    try:
        with record(server) as answer.recording:
            await client(server.url)
            await answer.recording.settled()
    finally:
        await server.stop()
    life = {TCP: None}  # it leaves no bytes; whatever crosses afterwards proves it
    for event in answer.recording.trace:
        life[_block(event, news)] = event
    life.pop(None)
    return life


def _block(event, news):
    """The block that stands for `event`; `None` for what is none, such as the statement of the database."""
    if event.kind in DATA:
        return ASKED if event.up else PUSHED if event.text == news else ANSWERED
    if event.kind is Kind.CLOSE:
        return CLOSED if event.up else CLOSED_BACK
    return {Kind.REQUEST: GET, Kind.RESPONSE: SWITCHED, Kind.END: ENDED}.get(event.kind)


def _at(event):
    """The arrow of `event`; for the TCP connection, which has none, the first."""
    return lambda other: event is None or other is event
