"""What every test shares: the options of the test command, and a learner's state that is nobody's."""

import signal
import threading
from pathlib import Path

import pytest
from hypothesis import settings

if threading.current_thread() is threading.main_thread():
    # Started in the background, a shell's job ignores Ctrl+C and so would all that it starts; some tests send it.
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_addoption(parser):
    parser.addoption("--slow", action="store_true", help="run the repeated and long tests too")
    parser.addoption("--screenshots", type=Path, metavar="DIR", help="keep the browser's screenshots here")


def pytest_configure(config):
    if config.getoption("--slow"):
        settings.register_profile("slow", max_examples=5_000)
        settings.load_profile("slow")


def pytest_collection_modifyitems(config, items):
    if config.getoption("--slow"):
        return
    for item in items:
        if "slow" in item.keywords:
            item.add_marker(pytest.mark.skip(reason="repeated or long: runs with --slow"))


@pytest.fixture(autouse=True)
def own_state(tmp_path, monkeypatch):
    """Give each test predictions, progress, a seed, a language and secrets of its own."""
    monkeypatch.setattr("wslab.masking._secrets", ())
    monkeypatch.setenv("WSLAB_STATE", str(tmp_path / "state"))
    monkeypatch.setenv("LANGUAGE", "en")
    monkeypatch.setenv("WSLAB_CONNECTIONS", "1000")  # idle ones in lesson 4: ten times as many prove nothing more
