"""`observe_loop(recording)`: the arrows of a recording above what the event loop did meanwhile, on one time axis.

Only the PNG holds times; the text names the lines that held the loop, and is the same in every run.
"""

from __future__ import annotations

from types import TracebackType
from typing import Any

from ..arrows import Arrows
from ..errors import later, say
from ..looplane import LaneWatch, Stretch
from ..origin import Origin
from .shown import Shown, Text
from .theme import CLIENT, INK, REST, SERVER, escape, figure, fit, font, milliseconds, png, within

LETTERS = 92  # of the small font, across the axis
ROOM_IN = 6.8
LEGEND = later("solid: the loop runs code    hatched: it waits for news    numbers: arrows of the recording")


class LoopLane(Shown):
    """What `observe_loop` saw of the loop, beside the arrows of `recording`; to be entered with `with`."""

    def __init__(self, recording: Arrows) -> None:
        self.recording = recording
        self._watch = LaneWatch()

    def __enter__(self) -> LoopLane:
        self._watch.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, exc: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._watch.__exit__(kind, exc, trace)

    @property
    def blocked(self) -> list[Stretch]:
        """The stretches in which one line of the learner's held the loop, in the order in which they came."""
        return [stretch for stretch in self._watch.stretches if stretch.line is not None]

    def __str__(self) -> str:
        lines = dict.fromkeys(stretch.line for stretch in self.blocked if stretch.line is not None)
        if not lines:
            return say("Nothing held the event loop.")
        return "\n".join(say("The event loop was blocked by {line}", line=_told(line)) for line in lines)

    def narrate(self) -> Text:
        """The same in sentences; no times."""
        return Text(str(self))

    def finding(self) -> str:
        """What this run shows, in one sentence with its times."""
        if held := self.blocked:
            seconds = sum(stretch.end - stretch.start for stretch in held)
            return say("The loop was blocked for {time}: nobody else was served", time=milliseconds(seconds))
        longest = max((stretch.end - stretch.start for stretch in self._watch.stretches), default=0.0)
        return say("Nothing held the loop: it never ran longer than {time} at a stretch", time=milliseconds(longest))

    def png(self) -> bytes:
        """The arrows' numbers and the loop's lane on a real time axis in milliseconds."""
        watch, held = self._watch, self.blocked
        span = max(watch.ended - watch.began, 1e-4) * 1000
        height = 1.9 + 0.22 * max(len(held) - 1, 0)
        drawn = figure(height)
        axes = drawn.add_axes((0.022, 0.62 / height, 0.956, 0.62 / height))
        axes.set(xlim=(-0.005 * span, 1.005 * span), ylim=(1, -0.75))
        axes.broken_barh([(0, span)], (0.3, 0.2), fc="white", ec=REST, lw=0.5, hatch="////")
        for stretch in watch.stretches:
            start, length = (stretch.start - watch.began) * 1000, (stretch.end - stretch.start) * 1000
            colour = CLIENT if stretch.line is None else SERVER
            axes.broken_barh([(start, max(length, span / 400))], (0, 0.8), fc=colour)
            if stretch.line is not None and length / span * LETTERS > 16:
                label: dict[str, Any] = {"ha": "center", "va": "center", "font": font("bold", 8.5), "color": "white"}
                axes.text(start + length / 2, 0.42, say("blocked {time:.0f} ms", time=length), **label)
        self._number(axes, span)
        axes.set_yticks([])
        axes.tick_params(axis="x", colors=REST, labelsize=8)
        axes.spines[["left", "right", "top"]].set_visible(False)
        axes.set_xlabel("ms", font=font("sans", 8), color=REST, loc="right", labelpad=0)
        title = within(self.finding(), ROOM_IN, "bold", 12.5)
        drawn.text(0.022, 1 - 0.27 / height, title, font=font("bold", 12.5), va="center", color=INK)
        for place, stretch in enumerate(held):
            line = within(_told(stretch.line), ROOM_IN, "mono", 8.5) if stretch.line is not None else ""
            drawn.text(
                0.022, 1 - (0.53 + 0.22 * place) / height, line, font=font("mono", 8.5), va="center", color=SERVER
            )
        drawn.text(0.022, 0.14 / height, say(LEGEND), font=font("italic", 8.5), va="center", color=REST)
        return png(drawn)

    def _number(self, axes: Any, span: float) -> None:
        """Write the arrows' numbers where they were seen; those that are too close together share a place."""
        began = self.recording.trace.began - self._watch.began
        places: list[tuple[float, list[int]]] = []
        for row in sorted(self.recording.rows, key=lambda row: row.event.at):
            at = (began + row.event.at) * 1000
            if places and at - places[-1][0] < 5 * span / LETTERS:
                places[-1][1].append(row.number)
            else:
                places.append((at, [row.number]))
        for at, numbers in places:
            told = f"{min(numbers)}–{max(numbers)}" if len(numbers) > 1 else f"{numbers[0]}"
            axes.plot([at, at], [-0.3, 0], color=INK, lw=0.8)
            axes.text(at, -0.36, told, ha="center", va="bottom", font=font("bold", 7.5), color=INK)


def observe_loop(recording: Arrows) -> LoopLane:
    """Return the lane of the running loop: `with record(server) as recording, observe_loop(recording) as lane:`.

    Raises:
        LabError: On entering, if the loop is none of Python's own.
    """
    return LoopLane(recording)


def _told(line: Origin) -> str:
    return f"{line.place}: {escape(fit(line.source, LETTERS))}"
