"""What the checks of lesson 0 look at, in the order in which a learner reads it."""

import asyncio
import secrets

from wslab import serve
from wslab.judge import Described, NoAnswer, Raised, Wrong, behaviour
from wslab.recording import record
from wslab.trace import DATA

# 0.1 A client that forgets to wait -----------------------------------------------------------------------------


@behaviour("0.1", "the question reaches the server, and the server's answer is returned")
async def question_and_answer(answer):
    question, reply = f"question {secrets.token_hex(2)}", f"answer {secrets.token_hex(2)}"

    async def oracle(ws):
        async for _ in ws:
            await asyncio.sleep(0.05)  # a client that does not wait inside its connection is too late each time
            await ws.send(reply)

    server = await serve(oracle, name="Judge's server")
    did = f"called ask(url, {question!r})"
    try:
        with record(server) as recording:
            answer.recording = recording
            try:
                returned = await answer.call(server.url, question, within=1.0)
            except NoAnswer:
                returned = NoAnswer
            except Raised as exc:
                if not exc.isa("ConnectionClosed"):
                    raise
                raise Wrong(
                    "0.1 too late: you called recv() on a connection that was closed already. The end of the "
                    "'async with' block closes it: move the line into the block.",
                    did=did,
                    expected=repr(reply),
                    saw="ConnectionClosed",
                    where=lambda event: event.up and event.kind == "close",
                ) from None
            sent = [event.text for event in recording.trace if event.up and event.kind in DATA]
            if not sent:
                await _nothing_sent(answer, did, question, returned)
            if returned is NoAnswer:
                raise Wrong(
                    f"0.1 answer: the server has answered {reply!r}, but your function has not returned.",
                    did=did,
                    expected=repr(reply),
                    saw="nothing",
                    where=lambda event: not event.up and event.kind in DATA,
                )
            if sent[0] != question:
                raise Wrong(
                    f"0.1 question: your client sent {sent[0]!r} instead of the question that it was given.",
                    did=did,
                    expected=repr(question),
                    saw=repr(sent[0]),
                    where=lambda event: event.up and event.kind in DATA,
                )
            if _is_coroutine(returned):
                raise Wrong(
                    "0.1 answer: your function returned a coroutine, not the answer: ws.recv() has to be awaited too.",
                    did=did,
                    expected=repr(reply),
                    saw="a coroutine",
                )
            if returned == question:
                raise Wrong(
                    "0.1 answer: your function returned the question itself. Wait for the answer inside the "
                    "'async with' block, and return what ws.recv() gives.",
                    did=did,
                    expected=repr(reply),
                    saw=repr(returned),
                )
            if returned != reply:
                raise Wrong(
                    f"0.1 answer: your function returned {returned!r}, the server had answered {reply!r}: return what "
                    "ws.recv() gives.",
                    did=did,
                    expected=repr(reply),
                    saw=repr(returned),
                    where=lambda event: not event.up and event.kind in DATA,
                )
    finally:
        await server.stop()


async def _nothing_sent(answer, did, question, returned):
    facts = {"did": did, "expected": f"a message {question!r} in the recording", "saw": "no message from your client"}
    if returned is not NoAnswer and not _is_coroutine(returned):
        raise Wrong(
            f"0.1 answer: your function returned {returned!r}, but the server never got a message. The answer has "
            "to come "
            "from the server: send the question, then return what ws.recv() gives.",
            **facts,
        )
    if "sleep" in await answer.waited_in():
        raise Wrong(
            "0.1 sleep: your client waited, but it sent nothing. Waiting does not run a coroutine that nobody awaits.",
            **facts,
        )
    raise Wrong(
        "0.1 send: the recording has no message from your client. ws.send(...) alone only makes a coroutine; "
        "await runs it.",
        **facts,
    )


def _is_coroutine(returned):
    return isinstance(returned, Described) and returned.type == "coroutine"


# 0.2 Echo ----------------------------------------------------------------------------------------------------


@behaviour("0.2", "a message comes back")
async def comes_back(answer):
    async with answer.served() as server:
        client = await server.connect()
        await _echo(server, client, f"hello {secrets.token_hex(2)}")


@behaviour("0.2", "the handler ends when its client has left, politely or not")
async def ends(answer):
    for leave in (lambda client: client.close(), _abort):
        async with answer.served() as server:
            client = await server.connect()
            await _echo(server, client, "goodbye")
            await leave(client)
            if not await server.ended(within=0.5):
                raise Wrong(
                    "0.2 after close: your handler still runs 0.5 s after the client left. Use 'async for "
                    "message in ws': "
                    "that loop ends by itself; or leave the loop on ConnectionClosed.",
                    did="closed the connection",
                    expected="the handler returns",
                    saw="it still runs",
                    where=lambda event: event.kind in ("close", "end"),
                )


@behaviour("0.2", "a second and a third message come back on the same connection")
async def comes_back_again(answer):
    async with answer.served() as server:
        client = await server.connect()
        await _echo(server, client, f"first {secrets.token_hex(2)}")
        for _ in range(2):
            await _echo(server, client, f"next {secrets.token_hex(2)}", first=False)


@behaviour("0.2", "empty, binary and fragmented messages come back unchanged")
async def any_message(answer):
    async with answer.served() as server:
        client = await server.connect()
        for message in ("", secrets.token_bytes(3), "naïve ☕\n"):
            await _echo(server, client, message)
        await server.send(client, ["in ", "two ", "pieces"])
        await _compare(server, client, "in two pieces", "sent 'in two pieces' as three fragments")


@behaviour("0.2", "two clients are served side by side")
async def two_clients(answer):
    async with answer.served() as server:
        ada, bob = await server.connect("ada"), await server.connect("bob")
        await _echo(server, bob, "from bob")
        await _echo(server, ada, "from ada")


async def _abort(client):
    client.transport.abort()


async def _echo(server, client, message, first=True):
    await server.send(client, message)
    await _compare(server, client, message, f"sent {message!r}", first)


async def _compare(server, client, message, did, first=True):
    try:
        reply = await server.receive(client, did, expected=f"{message!r} back")
    except NoAnswer as exc:
        if client.close_code == 1000 and not first:
            raise Wrong(
                f"0.2 second message: {did}, expected it back, saw the connection closed with 1000. A handler "
                "serves one "
                "connection, not one message: put recv and send into a loop.",
                did=did,
                expected=f"{message!r} back",
                saw="the connection closed with 1000",
                where=exc.where,
            ) from None
        raise
    if reply != message:
        raise Wrong(
            f"0.2 echo: {did}, got {reply!r}. Send back what came, unchanged, not a text of your own.",
            did=did,
            expected=f"{message!r} back",
            saw=repr(reply),
            where=lambda event: not event.up and event.kind in DATA and event.text == reply,
        )
