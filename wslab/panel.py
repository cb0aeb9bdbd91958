"""`open_panel(server)`: what crosses the wire as it crosses it, and the browser's own `WebSocket` as a client.

Events in, custom messages to the page out (`static/panel.js`): rows in bunches, one frame's bytes when they are asked
for. The page finds the place that the cell shows for it, so that no model of a kernel that has ended stays in a saved
notebook, and nothing that crossed the wire either.

Rules of this file: bounded memory, whatever crosses; secrets were masked before an event exists; events may come from
any thread, messages are sent on the notebook's loop.
"""

from __future__ import annotations

import asyncio
import html
import re
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import anywidget
import traitlets

from .errors import LabError, later, say
from .panelrows import details, row
from .quiet import Recorded
from .recording import record
from .server import Server
from .trace import Event, Take, Trace, Why, begin, finish

STATIC = Path(__file__).parent / "static"
KEPT = 500  # events, here and in the page
BUNCH_S = 0.05

TEXTS = {
    "title": later("Live: {name}"),
    "filters": later("What is shown"),
    "message": later("messages"),
    "control": later("control frames"),
    "http": later("HTTP"),
    "end": later("ends and errors"),
    "beside": later("database, log, backplane"),
    "direction": later("direction"),
    "both": later("both"),
    "up": later("to the server"),
    "down": later("from the server"),
    "connection": later("connection"),
    "everybody": later("all"),
    "pause": later("Pause"),
    "clear": later("Clear"),
    "shown": later("{shown} of {all} rows"),
    "held": later("paused, {count} more"),
    "frames": later("What crossed the wire; arrow keys choose a row, Enter shows its bytes"),
    "time": later("seconds"),
    "way": later("from → to"),
    "kind": later("kind"),
    "bits": later("bits"),
    "bytes": later("bytes"),
    "content": later("content"),
    "details": later("The chosen row byte by byte"),
    "place": later("byte"),
    "wire": later("on the wire"),
    "meaning": later("meaning"),
    "browser": later("This browser as a client"),
    "server": later("server"),
    "route": later("way"),
    "direct": later("direct"),
    "proxy": later("through Jupyter's proxy"),
    "path": later("path"),
    "connect": later("Connect"),
    "text": later("text"),
    "send_text": later("Send text"),
    "hex": later("bytes, in hexadecimal"),
    "send_bytes": later("Send bytes"),
    "code": later("code"),
    "reason": later("reason"),
    "close": later("Close"),
    "between": later(
        "A proxy stands between: it ends this browser's connection and opens one of its own to the server, so the rows "
        "show the proxy's frames. A close code does not pass it (the other side sees 1005), nor does a reason. It "
        "answers the server's pings itself, and agrees on compression with each side apart. A handshake that the "
        "server refuses looks like an open connection that breaks with 1006."
    ),
    "log": later("What this browser's WebSocket says"),
    "connecting": later("new WebSocket({url})"),
    "opened": later("open; extensions: {extensions}"),
    "none": later("none"),
    "message_came": later("message: {kind} {data}"),
    "closed": later("close: code {code}, reason {reason}, clean {clean}"),
    "refused": later(
        "The connection never opened. A page is not told why: the server may be stopped or have refused the handshake, "
        "or there is no proxy (jupyter-server-proxy) on this way."
    ),
    "no_hex": later("not sent: write bytes as pairs of hexadecimal digits, such as 48 65 6c"),
    "not_open": later("not sent: the connection is not open"),
}


class _Feed(Trace):
    """An open trace that keeps nothing and hands on what belongs to its taps."""

    def __init__(self, taps: Any, saw: Callable[[Event], None]) -> None:
        super().__init__(taps=taps)
        self._saw = saw

    def offer(self, event: Event) -> None:
        if self.taps is None or not event.tap or event.tap in self.taps:
            self._saw(event)

    def take(self, take: Take) -> None:
        pass

    def because(self, why: Why) -> None:
        pass


class Panel(anywidget.AnyWidget):
    """The kernel's side of a live panel; `close()` ends it."""

    _esm = STATIC / "panel.js"
    _css = STATIC / "panel.css"
    name = traitlets.Unicode().tag(sync=True)
    servers: traitlets.List[Any] = traitlets.List().tag(sync=True)
    texts = traitlets.Dict().tag(sync=True)

    def __init__(self, servers: tuple[Recorded, ...], feed: Trace) -> None:
        self._loop = asyncio.get_running_loop()
        self._lock = threading.Lock()
        self._began = time.perf_counter()
        self._numbers = count()
        self._kept: deque[tuple[int, float, Event]] = deque(maxlen=KEPT)
        self._sent = -1
        self._due = False
        self._recorded = servers
        self._feed = _Feed(feed.taps, self._saw)
        ports = [{"name": server.name, "port": urlsplit(_url(server)).port} for server in servers]
        super().__init__(name=_name(servers), servers=ports, texts=_texts())
        self.on_msg(self._asked)
        begin(self._feed)

    def close(self) -> None:
        """Show nothing more; the page closes its connection."""
        finish(self._feed)
        super().close()

    def _repr_mimebundle_(self, **options: object) -> tuple[dict[str, str], dict[str, str]]:
        text = say("The live panel of {name} shows here while its kernel runs: run this cell.", name=self.name)
        place = f'<div data-wslab-panel="{html.escape(self.name)}"><p>{html.escape(text)}</p></div>'
        return {"text/plain": text, "text/html": place}, {}

    def _saw(self, event: Event) -> None:
        with self._lock:
            self._kept.append((next(self._numbers), time.perf_counter() - self._began, event))
            due, self._due = self._due, True
        if not due:
            with suppress(RuntimeError):  # the loop has ended, and with it the notebook
                self._loop.call_soon_threadsafe(self._loop.call_later, BUNCH_S, self._flush)

    def _flush(self) -> None:
        with self._lock:
            self._due = False
            new = [seen for seen in self._kept if seen[0] > self._sent]
            self._sent = new[-1][0] if new else self._sent
        self.send({"op": "rows", "all": False, "rows": [_row(seen) for seen in new]})

    def _asked(self, widget: object, content: object, buffers: object) -> None:
        """The page asks: it is new, or it wants the bytes of a row."""
        asked = content if isinstance(content, dict) else {}
        if asked.get("op") == "ready":
            for server in self._recorded:
                if isinstance(server, Server):
                    server.admit(str(asked.get("origin")))
            with self._lock:
                kept = list(self._kept)
                self._sent = kept[-1][0] if kept else self._sent
            self.send({"op": "rows", "all": True, "rows": [_row(seen) for seen in kept]})
        elif asked.get("op") == "parts":
            for number, _, event in list(self._kept):
                if number == asked.get("id"):
                    self.send({"op": "parts", "id": number, **details(event)})


def _row(seen: tuple[int, float, Event]) -> dict[str, object]:
    number, seconds, event = seen
    return row(number, event, seconds)


def _texts() -> dict[str, str]:
    """The page's texts in the learner's language; the page fills in their `{names}`."""
    return {
        key: say(text, **{name: f"{{{name}}}" for name in re.findall(r"{(\w+)}", text)}) for key, text in TEXTS.items()
    }


def _name(servers: tuple[Recorded, ...]) -> str:
    return ", ".join(server.name for server in servers)


def _url(server: Recorded) -> str:
    return str(getattr(server, "url", ""))


_open: dict[str, Panel] = {}


def open_panel(*servers: Recorded) -> Panel:
    """Return a live panel of `servers`, for a cell of its own; a former panel of the same servers is closed.

    Args:
        servers: What `serve`, `serve_app` or `start_cluster` returned, each behind its tap.

    Raises:
        RecordingError: If no server is given, one is stopped, or one has no tap.
        LabError: If no notebook is there to show it.
    """
    feed = record(*servers).trace
    for server in servers:
        if not server.taps:
            raise LabError(
                say("{server} has no tap, so nothing can be shown live: serve it without hook=True", server=server.name)
            )
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        raise LabError(say("the live panel needs a running notebook: call open_panel() in a cell of its own")) from None
    if (former := _open.pop(_name(servers), None)) is not None:
        former.close()
    _open[_name(servers)] = panel = Panel(servers, feed)
    return panel
