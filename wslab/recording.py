"""`record(server)`: a window on what crosses the wire, which settles, draws, prints and narrates itself."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .errors import RecordingError
from .order import Row, canonical
from .pictures.shown import Picture, Shown, Text
from .quiet import LOOKS, PAUSE_S, TIMEOUT_S, current_tasks, pending
from .server import Server
from .trace import Event, Trace, begin, finish

if TYPE_CHECKING:
    from .pictures.scene import Overlay


class Recording(Shown):
    """Everything that the servers' taps see between entering and leaving the `with` block.

    Entered by `with record(server) as recording:`; end each step in it with `await recording.settled()`.
    """

    def __init__(self, trace: Trace, servers: Collection[Server] = (), *, title: str = "") -> None:
        self.trace = trace
        self.servers = tuple(servers)
        self.title = title
        self._marked: int | None = None
        self._known: set[asyncio.Task[Any]] = set()

    def __enter__(self) -> Recording:
        try:
            self._known = current_tasks()
        except RuntimeError:  # no running loop: a server on a thread, recorded from plain code
            self._known = set()
        begin(self.trace)
        return self

    def __exit__(self, *exc: object) -> None:
        finish(self.trace)

    async def settled(self, *, resident: Collection[asyncio.Task[Any]] = ()) -> None:
        """Wait until everything is at rest, then end the step: what comes later stands below a line.

        Args:
            resident: Tasks of yours that go on working for ever.

        Raises:
            RecordingError: If something still works after five seconds; the message says what.
        """
        loop = asyncio.get_running_loop()
        deadline = loop.time() + TIMEOUT_S
        calm, seen, reason = 0, -1, ""
        while calm < LOOKS:
            await asyncio.sleep(PAUSE_S)
            count = sum(not event.keepalive for event in self.trace.events)
            reason = pending(self.servers, self._known, resident)
            calm = calm + 1 if not reason and count == seen else 0
            seen = count
            if calm < LOOKS and loop.time() > deadline:
                raise RecordingError(
                    f"not settled after {TIMEOUT_S:.0f} s: {reason or 'messages keep coming'}. "
                    "Await what it does, or name a task that never ends in settled(resident=[task])."
                )
        if any(event.step == self.trace.step for event in self.trace.events):
            self.trace.step += 1

    @property
    def rows(self) -> list[Row]:
        """The events in canonical order, numbered from 1 as in every picture."""
        return canonical(self.trace)

    def arrow(self, number: int) -> Event:
        """The event that all pictures show as arrow `number`.

        Raises:
            RecordingError: If the recording has no such arrow.
        """
        rows = self.rows
        if not 1 <= number <= len(rows):
            raise RecordingError(f"this recording has arrows 1 to {len(rows)}, not {number}")
        return rows[number - 1].event

    def only(self, connection: str) -> Recording:
        """A recording of one connection of this one."""
        trace = Trace(event for event in self.trace if event.connection == connection)
        trace.takes = {key: sent for key, sent in self.trace.takes.items() if key[0] == connection}
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
            "the true order of this run, with times: see the picture",
        )

    def bytes(self, number: int) -> Picture:
        """Arrow `number` byte by byte: a frame or one half of the handshake."""
        from .pictures import bytesview

        event = self.arrow(number)
        return Picture(bytesview.png(event), bytesview.text(event), bytesview.narrate(event))

    def save(self, path: str | Path) -> None:
        """Write the recording to `path` as JSON Lines."""
        self.trace.save(path)


def record(*servers: Server, title: str = "") -> Recording:
    """Return a recording of `servers`, to be entered with `with`.

    Raises:
        RecordingError: If no server is given, one is stopped, or one has no tap.
    """
    if not servers:
        raise RecordingError("no server to record: write record(server), with what serve() returned")
    for server in servers:
        if not isinstance(server, Server):
            raise RecordingError(
                f"record() takes what 'await serve(...)' returned, not {type(server).__name__}: is an await missing?"
            )
        if not server.running:
            raise RecordingError(f"{server.name} is not running: run the cell that calls serve() first")
        if server.tap is None:
            raise RecordingError(f"{server.name} was started with tap=False, so nothing can be recorded")
    return Recording(Trace(taps=[server.name for server in servers]), servers, title=title)


def load(path: str | Path) -> Recording:
    """Read a recording that `save` wrote."""
    return Recording(Trace.load(path))
