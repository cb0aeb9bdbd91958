"""The learner's code as a check sees it, wherever it runs: in this process or at the other end of a socket.

`Answer` is what the learner handed in: a function to call, a handler to serve (`Served`), a class or a function that
takes live objects, reached through a `Driver` (`Driven`). Only plain data crosses, and collaborators by number.

Rules of this file: every wait is bounded, and what the learner's code does wrong is told as `Wrong`, never as a
traceback.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections import Counter
from collections.abc import AsyncIterator, Iterable
from typing import Any

from .collaborators import Collaborators, Held
from .driven import Driven
from .driver import Driver
from .errors import say
from .feedback import NoAnswer, Wrong
from .peer import Peer
from .recording import Recording
from .served import WAIT_S, Served
from .trace import Trace


class Case:
    """What the views of one answer share: the way to the bench, and the recording that a failure shows."""

    def __init__(self, exercise: str) -> None:
        self.exercise = exercise
        self.collaborators = Collaborators()
        self.peer = self.collaborators.peer = Peer(self.collaborators.operations)
        self.recording: Recording | None = None
        self.started: set[asyncio.Task[Any]] = set()

    async def settle(self) -> None:
        """End the calls that a behaviour has begun and not awaited."""
        started, self.started = self.started, set()
        for task in started:
            task.cancel()
        await asyncio.gather(*started, return_exceptions=True)


class Answer:
    """The learner's object as behaviours see it; `named` is the view of another object of the same answer.

    `given` are the arguments of the last call as it left them.
    """

    def __init__(self, case: Case, name: str = "") -> None:
        self.exercise = case.exercise
        self.given: list[Any] = []
        self._case, self._name = case, name

    def named(self, name: str) -> Answer:
        """The object that the exercise calls `name`, where a check is given several."""
        return Answer(self._case, name)

    @property
    def recording(self) -> Recording | None:
        """What the learner sees when this behaviour fails."""
        return self._case.recording

    @recording.setter
    def recording(self, recording: Recording | None) -> None:
        self._case.recording = recording

    async def call(self, *args: Any, within: float = WAIT_S, attributes: Iterable[str] = (), **named: Any) -> Any:
        """Call the learner's function on its own thread; returns what it returns.

        Args:
            args: Plain data, or collaborators: functions, objects, iterators, loggers, which stay here.
            within: The time that it may take, in seconds.
            attributes: What an exception should bring along, besides what it holds anyway.
            named: Passed on to the function.

        Raises:
            NoAnswer: If it has not returned in time.
            Raised: If it raised.
        """
        pack = self._case.collaborators.pack
        packed = [*map(pack, args)], {name: pack(item) for name, item in named.items()}
        asking = self._case.peer.ask("call", self._name, *packed, list(attributes))
        try:
            reply = await asyncio.wait_for(asking, within)
        except TimeoutError:
            raise NoAnswer(
                say(
                    "{exercise} time-out: your function has not returned after {timeout:g} s. Does it wait for "
                    "something that never comes?",
                    exercise=self.exercise,
                    timeout=within,
                )
            ) from None
        value = self._case.collaborators.unpack(reply)
        self.given = [self._case.collaborators.unpack({"value": item}) for item in reply["given"]]
        return value

    def start(self, *args: Any, within: float, **named: Any) -> asyncio.Task[Any]:
        """Begin a call; it is cancelled, here and there, at the end of the behaviour."""
        task = asyncio.create_task(self.call(*args, within=within, **named))
        self._case.started.add(task)
        return task

    async def event(self) -> Event:
        """An `asyncio.Event` on the learner's loop, to be handed over; `await event.set()` sets it."""
        return Event(self, await self.ask("event"))

    @contextlib.asynccontextmanager
    async def served(self, *collaborators: Any, name: str = "Your server", **options: Any) -> AsyncIterator[Served]:
        """Serve the learner's handler, called with a connection and `collaborators`, and record it.

        Args:
            name: The server's lane.
            options: Those of `websockets.serve`, as far as they are plain data.
        """
        await self._must_be_awaited()
        pack = self._case.collaborators.pack
        packed = [*map(pack, collaborators)], {key: pack(value) for key, value in options.items()}
        served = Served(self.exercise, self.ask, **await self.ask("serve", self._name, name, *packed))
        await served.tap.start()
        with Recording(Trace(taps=[name])) as self.recording:
            try:
                yield served
            finally:
                await served.close()

    @contextlib.asynccontextmanager
    async def driven(self, driver: type[Driver], *args: Any, **named: Any) -> AsyncIterator[Driven]:
        """Begin `driver` beside the learner's code, with `open(*args, **named)`; what it serves is recorded."""
        driven = Driven(self.exercise, self.ask, self._case.collaborators, await self.ask("drive", driver.key()))
        with driven.recording:
            try:
                await driven.do("open", *args, **named)
                if driven.servers:
                    self.recording = driven.recording
                yield driven
            finally:
                await driven.close()

    async def must_be_class(self) -> None:
        """Refuse what cannot be called."""
        about = await self.ask("about", self._name)
        if not about["callable"]:
            raise Wrong(
                say("{exercise} not a class: hand over the class itself, not an object of it.", exercise=self.exercise),
                expected=say("a class"),
                saw=say("an object of {type}", type=about["type"]),
            )

    async def _must_be_awaited(self) -> None:
        about = await self.ask("about", self._name)
        if not about["awaited"]:
            raise Wrong(
                say(
                    "{exercise} not a coroutine function: write async def, so that your code can wait without stopping "
                    "everybody else.",
                    exercise=self.exercise,
                ),
                expected='"async def"',
                saw=say("a plain function") if about["callable"] else about["type"],
            )

    # Probes: what only the learner's own process can see, and could forge ----------------------------------------

    async def tasks(self, after: float = 0.0) -> frozenset[int]:
        """All tasks on the learner's loop when it has turned for `after` seconds, as numbers of their own."""
        return frozenset(await self.ask("tasks", after, within=WAIT_S + after))

    async def waiting_objects(self) -> Counter[str]:
        """How many futures, events and queues there are in the learner's process, by kind.

        What a piece of work leaves behind may lie anywhere, under any name, so it is counted and not looked up. Take
        what two counts differ by; one or two more may be anybody's.
        """
        return Counter(await self.ask("waiting"))

    async def waited_in(self) -> frozenset[str]:
        """The names of the coroutines in which calls of the learner's function have been seen waiting."""
        return frozenset(await self.ask("waits"))

    async def mistakes(self) -> dict[str, Any]:
        """What the guard saw: `starved`, `starved_s`, `blocked_s`, `place`, and coroutines `forgotten`."""
        return dict(await self.ask("mistakes"))

    async def ask(self, op: str, *args: Any, within: float = WAIT_S) -> Any:
        """Ask the bench.

        Raises:
            NoAnswer: If the learner's loop does not turn.
        """
        try:
            return await asyncio.wait_for(self._case.peer.ask(op, *args), within)
        except TimeoutError:
            raise NoAnswer(
                say("{exercise} time-out: your code does not let the event loop turn.", exercise=self.exercise)
            ) from None


class Event(Held):
    """An `asyncio.Event` of the learner's loop."""

    def __init__(self, answer: Answer, number: int) -> None:
        super().__init__(number)
        self._answer = answer

    async def set(self) -> None:
        """Let whoever waits for it go on."""
        await self._answer.ask("set", self.number)
