"""What a question is: values drawn from a seed, what is asked, a recording from real servers, and the key in it.

Rules of this file: the key is computed from the evidence; what a question asks never holds it.
"""

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass, field

from websockets import connect

from wslab import serve
from wslab.recording import Recording, record

LESSONS = "../notebooks/"
LOOK_S, LATE_S = 0.004, 0.012  # how often the loop is looked at; one that turned later was no place to measure times
PACES = (1, 1, 2, 2, 4, 4, 8)  # a run that was disturbed is repeated, ever more slowly; its times are divided by this


class Unable(Exception):
    """The question cannot be run on this machine now; nothing that the learner could help."""


class Unsteady(Exception):
    """The machine was busy with something else while times were measured."""


@dataclass
class Evidence:
    """What really happened: the recording, and what was measured beside it."""

    recording: Recording
    facts: dict = field(default_factory=dict)
    pace: int = 1  # by how much everything took longer than it was asked for

    def seconds(self, begin, end):
        """The time between two events, as it is asked for."""
        return (end.at - begin.at) / self.pace

    @property
    def events(self):
        """What was recorded, in the order in which it was seen; keepalive left out."""
        return [event for event in self.recording.trace if not event.keepalive]

    def row(self, where):
        """The number of the first arrow for which `where` is true, or `None`."""
        return next((row.number for row in self.recording.rows if where(row.event)), None)


@dataclass(frozen=True)
class Why:
    """What a wrong part means: a line that names no answer, and which arrow decides."""

    line: str
    where: Callable = lambda event: False


class Question:
    """One of the twenty. A subclass says what is drawn, asked, recorded, and read from the recording.

    `lesson` is the section that answers it; `about` are the predictions and exercises that it comes back to. `shown`:
    the learner sees the recording with the question. `timed`: times are measured, so the machine must be at rest, or
    `record` is asked for a slower pace.
    `spare` parts may be wrong.
    """

    number = 0
    title = ""
    group = 0
    lesson = ""
    about = ()
    shown = False
    timed = False
    spare = 0

    @property
    def section(self):
        """The section that answers it, as a link in Markdown that says its name, too."""
        file, _, heading = self.lesson.removeprefix(LESSONS).partition(".ipynb#")
        return f"[*{heading.replace('-', ' ')}* in lesson {int(file[:2])}]({self.lesson})"

    def draw(self, dice):
        """The values of this try."""
        raise NotImplementedError

    def ask(self, drawn, evidence):
        """What the learner reads, in Markdown; `evidence` only where the recording is shown."""
        raise NotImplementedError

    def forms(self, drawn):
        """The parts of the answer and their forms; of a part that is a list, a dictionary of its cells."""
        raise NotImplementedError

    async def record(self, drawn, pace=1):
        """Make the recording: real servers, real clients. A timed one takes `pace` times as long."""
        raise NotImplementedError

    def key(self, drawn, evidence):
        """The answer, read from the evidence, in the shape of `forms`."""
        raise NotImplementedError

    def why(self, part, said, drawn, evidence):
        """Why what was said about `part` cannot be right."""
        raise NotImplementedError

    def cells(self, drawn):
        """Every single value that is asked for: its name, how to find it in an answer, its form."""
        for part, form in self.forms(drawn).items():
            if isinstance(form, dict):
                for place, (column, cell) in enumerate(form.items()):
                    yield f"{part}, {column}", lambda answer, part=part, place=place: answer[part][place], cell
            else:
                yield part, lambda answer, part=part: answer[part], form

    def drawn(self, seed):
        """The values that belong to `seed`."""
        return self.draw(random.Random(seed))

    def chance(self, drawn):
        """How likely somebody who guesses each value is to be right."""
        exactly = [1.0]  # how likely it is that 0, 1, 2, ... values are wrong
        for _, _, form in self.cells(drawn):
            wrong = 1 - form.chance
            exactly = [
                stay * form.chance + more * wrong for stay, more in zip([*exactly, 0.0], [0.0, *exactly], strict=True)
            ]
        return sum(exactly[: self.spare + 1])

    def guess(self, drawn, dice):
        """An answer by somebody who knows its shape and nothing else."""
        return {
            part: [cell.guess(dice) for cell in form.values()] if isinstance(form, dict) else form.guess(dice)
            for part, form in self.forms(drawn).items()
        }

    def right(self, drawn, said, key):
        """The names of the values in `said` that do not agree with `key`; none if the answer is right."""
        wrong = [name for name, pick, form in self.cells(drawn) if not form.agrees(pick(said), pick(key))]
        return [] if len(wrong) <= self.spare else wrong


async def evidence_for(question, drawn):
    """Record `question`; where times count, again until the machine was at rest.

    Raises:
        Unable: If it never was.
    """
    if not question.timed:
        return await question.record(drawn)
    for pace in PACES:
        with contextlib.suppress(Unsteady):
            async with _steady(pace):
                return await question.record(drawn, pace)
    raise Unable("this machine is too busy to measure times: close what keeps it busy, then run this cell again")


@contextlib.asynccontextmanager
async def _steady(pace):
    """Watch the loop; raises `Unsteady` at the end if it turned late."""
    loop = asyncio.get_running_loop()
    latest = 0.0

    async def watch():
        nonlocal latest
        while True:
            due = loop.time() + LOOK_S
            await asyncio.sleep(LOOK_S)
            latest = max(latest, loop.time() - due)

    watching = asyncio.create_task(watch())
    try:
        yield
    finally:
        watching.cancel()
    if latest > LATE_S * pace:
        raise Unsteady


@contextlib.asynccontextmanager
async def played(*servers, reveal=()):
    """Serve each (name, handler, options), record them all, and stop them; yields the servers and the recording."""
    running = []
    try:
        for name, handler, options in servers:
            running.append(await serve(handler, name=name, **options))
        with record(*running, reveal=reveal) as recording:
            yield *running, recording
    finally:
        for server in running:
            await server.stop()


def dial(server, name, path="/", **options):
    """Connect to `server`; the lane of the recording is called `name`."""
    return connect(f"{server.url}{path}?name={name}", compression=None, proxy=None, **options)


def listed(recording):
    """The arrows of a recording, one in a line, without the caption that counts them."""
    from wslab.pictures.labels import label  # it draws: only where something is shown

    said = [(row.number, f"{row.event.source} → {row.event.target}", label(row.event)) for row in recording.rows]
    widest = max(len(between) for _, between, _ in said)
    return fenced(*(f"{number:>3}  {between:<{widest}}  {text.fit(60)}" for number, between, text in said))


def fenced(*lines, language="text"):
    """Lines of text as a block in Markdown."""
    return "\n".join([f"```{language}", *lines, "```"])


def table(head, rows):
    """A table in Markdown."""
    lines = ["| " + " | ".join(map(str, row)) + " |" for row in (head, ["---"] * len(head), *rows)]
    return "\n".join(lines)
