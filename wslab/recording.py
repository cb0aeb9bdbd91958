"""`record(server)`: a window on what crosses the wire, which settles, draws, prints and narrates itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .arrows import Arrows
from .errors import RecordingError, say
from .hops import without
from .masking import hide, show
from .pictures.shown import Picture, Text
from .quiet import Recorded, current_tasks, settle
from .replay import Journals
from .server import Server
from .trace import Trace, begin, finish

if TYPE_CHECKING:
    from .pictures.scene import Overlay


class Recording(Arrows):
    """Everything that the servers' taps see between entering and leaving the `with` block.

    Entered by `with record(server) as recording:`; end each step in it with `await recording.settled()`.
    """

    def __init__(
        self, trace: Trace, servers: Collection[Recorded] = (), *, title: str = "", reveal: Collection[str] = ()
    ) -> None:
        self._trace = trace
        self._journals = Journals(server.hook for server in servers if isinstance(server, Server) and server.hook)
        self.servers = tuple(servers)
        self.title = title
        self._revealed = tuple(reveal)
        self._marked: int | None = None
        self._known: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Recording:
        try:
            self._known = current_tasks()
        except RuntimeError:  # no running loop: a server on a thread, recorded from plain code
            self._known = set()
        show(self._revealed)
        begin(self._trace)
        self._journals.begin()
        return self

    def __exit__(self, *exc: object) -> None:
        finish(self._trace)
        self._journals.finish()
        hide(self._revealed)

    async def settled(self, *, resident: Collection[asyncio.Task[Any]] = ()) -> None:
        """Wait until everything is at rest, then end the step: what comes later stands below a line.

        Args:
            resident: Tasks of yours that go on working for ever.

        Raises:
            RecordingError: If something still works after five seconds; the message says what.
        """

        def seen() -> int:
            return sum(not event.keepalive for event in self._trace.events) + self._journals.count

        await settle(self.servers, seen, self._known, resident)
        self._journals.end_step(self._trace)

    @property
    def trace(self) -> Trace:
        """What was recorded; of what hooks saw, the newest 20,000 events."""
        return self._journals.merged(self._trace)

    def only(self, connection: str) -> Recording:
        """A recording of one connection of this one."""
        whole = self._journals.merged(self._trace, connection)
        trace = Trace(event for event in whole if event.connection == connection)
        trace.takes = {key: sent for key, sent in whole.takes.items() if key[0] == connection}
        return Recording(trace, self.servers, title=self.title)

    def without(self, *lanes: str) -> Recording:
        """A recording of this one without these lanes: what a balancer passed on goes straight to the server."""
        trace = Trace(without(self.trace, lanes))
        trace.takes = dict(self.trace.takes)
        return Recording(trace, self.servers, title=self.title)

    def mark(self, number: int | None) -> None:
        """Mark arrow `number` in every picture as the one to look at; `None` takes the mark away."""
        self._marked = number

    def display(self) -> None:
        """Show the recording in the notebook, beside what the cell returns; print it where there is no notebook."""
        shell = sys.modules.get("IPython")
        if shell is not None and shell.get_ipython() is not None:
            from IPython.display import display

            display(self)
        else:
            print(self)

    def __str__(self) -> str:
        return self.text()

    # The modules that draw are imported by the first picture, so that `import wslab` stays quick.

    def text(self, overlay: Overlay | None = None) -> str:
        """The whole diagram as Unicode text: the same in every run."""
        from .pictures import sequence

        return sequence.text(self.trace, title=self.title, overlay=overlay or sequence.Overlay(marked=self._marked))

    def png(self, overlay: Overlay | None = None) -> bytes:
        """The diagram as a PNG, with this run's measured times."""
        from .pictures import sequence

        title = self.title or sequence.finding(self.trace)
        return sequence.png(self.trace, title=title, overlay=overlay or sequence.Overlay(marked=self._marked))

    def narrate(self) -> Text:
        """One sentence for each arrow, for reading aloud."""
        from .pictures import sequence

        return Text(sequence.narrate(self.trace))

    def observed(self) -> Picture:
        """The true order of this run on a time axis; a picture only, because it differs from run to run."""
        from .pictures import sequence

        return Picture(
            sequence.observed_png(self.trace, title=self.title),
            say("the true order of this run, with times: see the picture"),
        )

    def bytes(self, number: int) -> Picture:
        """Arrow `number` byte by byte: a frame or one half of the handshake."""
        from .pictures import bytesview

        event = self.arrow(number)
        return Picture(bytesview.png(event), bytesview.text(event), bytesview.narrate(event))

    def map(self, *, title: str = "") -> Picture:
        """Who is connected to whom, as boxes and lines with counts; clients stand left."""
        from .pictures import boxes

        title = title or self.title
        return Picture(
            boxes.png(self.trace, title=title), boxes.text(self.trace, title=title), boxes.narrate(self.trace)
        )

    def parts(self, number: int, *, envelope: bool = False) -> Picture:
        """Arrow `number` as a box of header and body: HTTP, a frame, or with `envelope` the JSON object in it.

        Raises:
            RecordingError: If the arrow has no header and body, or holds no envelope.
        """
        from .pictures import storeys

        event = self.arrow(number)
        told = storeys.storeys(event, number, envelope=envelope)
        return Picture(storeys.png(told, up=event.up), storeys.text(told), storeys.narrate(told))

    def flow(self, *, failed: Callable[[str], bool] | None = None, title: str = "") -> Picture:
        """The path of each request to success or error, with what was logged and who was notified.

        Args:
            failed: Tells of a reply's text whether it reports an error; without it, a JSON object does that has
                `"ok": false`, an `"error"` or `"type": "error"`. HTTP statuses from 400 on and close codes that
                report an error count in any case.
            title: Stands above instead of what is computed from the recording.
        """
        from .pictures import paths, paths_png

        told = paths.paths(self.trace, failed or paths.is_error)
        title = title or self.title
        return Picture(paths_png.png(told, title=title), paths.text(told, title=title), paths.narrate(told))

    def save(self, path: str | Path) -> None:
        """Write the recording to `path` as JSON Lines."""
        self.trace.save(path)


def record(*servers: Recorded, title: str = "", reveal: Collection[str] = ()) -> Recording:
    """Return a recording of `servers`, to be entered with `with`.

    Args:
        servers: What `serve`, `serve_app` or `start_cluster` returned.
        title: Of every picture, instead of what the recording itself finds.
        reveal: Demo credentials to show in HTTP heads and bodies, where a credential is masked for its place.

    Raises:
        RecordingError: If no server is given, one is stopped, or one has no tap.
    """
    if not servers:
        raise RecordingError(say("no server to record: write record(server), with what serve() returned"))
    for server in servers:
        if not hasattr(server, "taps"):
            raise RecordingError(
                say(
                    "record() takes what 'await serve(...)' returned, not {type}: is an await missing?",
                    type=type(server).__name__,
                )
            )
        if not server.running:
            call = "serve()" if isinstance(server, Server) else "start_cluster()"
            raise RecordingError(
                say("{server} is not running: run the cell that calls {call} first", server=server.name, call=call)
            )
        if not server.taps and not getattr(server, "hook", None):
            raise RecordingError(
                say("{server} was started with tap=False, so nothing can be recorded", server=server.name)
            )
    trace = Trace(taps=_TapNames(servers), listens=any(server.taps for server in servers))
    return Recording(trace, servers, title=title, reveal=reveal)


class _TapNames:
    """The names of all taps of these servers, also of those that come later."""

    def __init__(self, servers: Collection[Recorded]) -> None:
        self._servers = servers

    def __contains__(self, name: object) -> bool:
        return any(tap.server == name for server in self._servers for tap in server.taps)


def load(path: str | Path) -> Recording:
    """Read a recording that `save` wrote."""
    return Recording(Trace.load(path))
