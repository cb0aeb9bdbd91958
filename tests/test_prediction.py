"""Predict, then reveal."""

from __future__ import annotations

import json

import pytest
from websockets import connect

from wslab import predict, record, reveal, serve
from wslab.errors import LabError


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state of its own, so that a test never touches a learner's."""
    monkeypatch.setenv("WSLAB_STATE", str(tmp_path))


@pytest.fixture
async def recording():
    """One message and its echo."""

    async def echo(ws):
        async for message in ws:
            await ws.send(message)

    server = await serve(echo)
    with record(server) as recording:
        async with connect(server.url) as ws:
            await ws.send("hello")
            await ws.recv()
        await recording.settled()
    await server.stop()
    return recording


def test_without_a_prediction_the_card_is_covered(recording, capsys):
    """A reveal without a prediction shows the question again and not the picture."""
    predict("p", "Which comes first?", order=...)
    assert capsys.readouterr().out == "p: no prediction yet. Put yours in the place of ... and run this cell again.\n"
    shown = reveal("p", recording, order=[1])
    assert shown.covered
    text = shown._repr_mimebundle_()["text/plain"]
    assert "p is covered" in text and "Which comes first?" in text and "hello" not in text


def test_with_a_prediction_both_stand_side_by_side(recording, capsys):
    """A prediction, right or wrong, is shown beside what was recorded."""
    predict("p", "?", order=[0, 1], name="Client", count=3)
    assert capsys.readouterr().out == "p: noted: order=[0, 1], name='Client', count=3\n"
    text = str(reveal("p", recording, order=[1, 0], name="client", count=3))
    assert "order   you said [0, 1]   recorded [1, 0]   ✗ differs" in text
    assert text.count("✓ agrees") == 2
    assert 'TEXT "hello"' in text


def test_measured_numbers_stay_out_of_the_text(recording):
    """What varies from run to run is compared with room, and shown in the picture only."""
    predict("p", seconds=0.15)
    for measured in (0.151, 0.163):
        shown = reveal("p", recording, seconds=measured)
        assert "a time, see the picture" in str(shown) and "✓ agrees" in str(shown)
        assert shown.png().startswith(b"\x89PNG")
    assert "✗ differs" in str(reveal("p", recording, seconds=0.3))


def test_predicted_arrows_are_matched(recording):
    """Foreseen, unforeseen and imagined arrows are told apart."""
    predict("p", arrows=["Client -> Server: GET", "Client → Server: hello", "Server -> Client: 200 OK"])
    shown = reveal("p", recording)
    rows = {row.number: row.event.kind for row in recording.rows}
    assert [rows[number] for number in sorted(shown.overlay.foreseen)] == ["request", "text"]
    assert shown.overlay.imagined == [("Server", "Client", "200 OK")]
    assert 2 in shown.overlay.unforeseen
    assert "foreseen, but not in the recording" in str(shown)


def test_a_prediction_may_be_written_loosely(recording):
    """A number in quotes, a name in another case or with its parentheses mean the same."""
    predict("p", count="11", seconds="0.3 s", first="Scrub()")
    assert str(reveal("p", recording, count=11, seconds=0.31, first="scrub")).count("✓ agrees") == 3
    predict("p", arrows=["client -> SERVER: get"])
    assert reveal("p", recording).overlay.foreseen == {1}
    assert reveal("p", recording).overlay.imagined == []


def test_changing_back_to_dots_covers_again(recording):
    """A prediction that was taken back is gone."""
    predict("p", order=[1])
    assert not reveal("p", recording, order=[1]).covered
    predict("p", order=...)
    assert reveal("p", recording, order=[1]).covered


def test_bad_predictions_get_a_clear_error():
    """Misuse is told with the remedy, and nothing is kept."""
    with pytest.raises(LabError, match="needs at least one value"):
        predict("p")
    with pytest.raises(LabError, match=r"not an arrow: 'hello'\. Write"):
        predict("p", arrows=["hello"])
    with pytest.raises(LabError, match="arrows is a list of texts"):
        predict("p", arrows="Client -> Server")
    with pytest.raises(LabError, match="a number, a text, or a list"):
        predict("p", value=object())
    assert reveal("p").covered


def test_predictions_are_kept_as_json(tmp_path):
    """The state file is plain JSON that a person can read."""
    predict("p", order=(1, 2))
    assert json.loads((tmp_path / "predictions.json").read_text()) == {"p": {"order": [1, 2]}}
