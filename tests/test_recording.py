"""A recording: what it shows, keeps, and says when it is asked wrongly."""

import pytest
from websockets import connect

from wslab import load, record, serve
from wslab.errors import RecordingError


@pytest.fixture
async def recording():
    """Ada and Bob say a word each and hear it back."""

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    server = await serve(echo)
    with record(server) as recording:
        for name in ("Ada", "Bob"):
            async with connect(f"{server.url}/?name={name}") as ws:
                await ws.send(f"I am {name}")
                await ws.recv()
            await recording.settled()
    await server.stop()
    return recording


def test_saved_and_loaded_it_is_the_same(recording, tmp_path):
    """Text, sentences and picture of a loaded recording are those of the one that was saved."""
    recording.save(tmp_path / "one.jsonl")
    again = load(tmp_path / "one.jsonl")
    assert (str(again), again.narrate(), again.png()) == (str(recording), recording.narrate(), recording.png())


def test_one_connection_of_several(recording):
    """`only` keeps what belongs to one connection, with what its handler took."""
    ada = recording.only("Ada")
    assert "I am Ada" in str(ada) and "Bob" not in str(ada)
    assert {key[0] for key in ada.trace.takes} == {"Ada"}


def test_arrows_have_the_numbers_of_the_picture(recording):
    """`arrow` and `bytes` count as the diagram does, and say which numbers there are."""
    assert recording.arrow(3).text == "I am Ada"
    assert "opcode 1 TEXT" in str(recording.bytes(3))
    for number in (0, len(recording.rows) + 1):
        with pytest.raises(RecordingError, match=f"has arrows 1 to {len(recording.rows)}, not {number}"):
            recording.arrow(number)


def test_sentences_where_they_are_asked_for(recording, monkeypatch):
    """`WSLAB_NARRATE=1` makes sentences the only form; without it there is a picture with its text."""
    assert set(recording._repr_mimebundle_()) == {"text/plain", "image/png"}
    monkeypatch.setenv("WSLAB_NARRATE", "1")
    assert recording._repr_mimebundle_() == {"text/plain": recording.narrate()}


def test_true_order_has_no_text_that_varies(recording):
    """What was observed in this run is a picture; its text is the same for every run."""
    assert str(recording.observed()) == "the true order of this run, with times: see the picture"
