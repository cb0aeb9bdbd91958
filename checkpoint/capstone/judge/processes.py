"""The processes of the learner's code, as the judge sees them: started as the kit's own servers are, and ordered."""

import asyncio
import itertools
import json
import time
from http.client import HTTPException
from urllib.error import HTTPError
from urllib.request import ProxyHandler, build_opener

from wslab.engines.control import HEALTH, HOST
from wslab.engines.processes import ServerProcess
from wslab.engines.work import Work
from wslab.errors import LabError
from wslab.feedback import NoAnswer
from wslab.grading.verdict import Outcome as Verdict

ANSWER_S, START_S, LOOK_S = 2.0, 8.0, 0.1
OPENER = build_opener(ProxyHandler({}))


class HostWork(Work):
    """Servers of the learner: each is ready when it answers the balancer's question for its health."""

    PROGRAM = "checkpoint.capstone.judge.host"

    async def probe(self, port):
        await asyncio.to_thread(_healthy, port)


class DriveWork(Work):
    """Clients of the learner: nobody dials them."""

    PROGRAM = "checkpoint.capstone.judge.drive"

    async def probe(self, port):
        pass


class NotServing(Exception):
    """A process of the learner's code does not do what it was started for; `verdict` says which of the five it is."""

    def __init__(self, verdict, text):
        super().__init__(text)
        self.verdict = verdict


class Refused(Exception):
    """What was ordered raised an exception in the learner's code; its text is that."""


class Process(ServerProcess):
    """A process that is ordered about. `complaints` are the exceptions that its log tells of."""

    def __init__(self, name, work, tap, environment=()):
        super().__init__(name, work, tap, dict(environment))
        self.complaints = []
        self.expected_end = False
        self._numbers = itertools.count(1)
        self._answers = {}
        self.told = lambda fact: None

    async def start(self):
        """Start it.

        Raises:
            NotServing: If it does not come to serve within some seconds.
        """
        self.expected_end = False
        try:
            async with asyncio.timeout(START_S):
                await super().start()
        except TimeoutError:
            text = f"{self.name} did not begin to serve within {START_S:g} s: import, build() or start() does not end"
            raise NotServing(Verdict.TIMED_OUT, text) from None
        except LabError as exc:
            if isinstance(exc.__context__, OSError):  # its line to us has ended
                text = f"{self.name} ended before it served. {self.last_words()}".strip()
                raise NotServing(Verdict.CRASHED, text) from None
            raise NotServing(Verdict.NOT_RUNNABLE, str(exc)) from None

    async def ask(self, do, within=ANSWER_S, **arguments):
        """Have `do` done, and return what comes of it.

        Raises:
            Refused: If it raised an exception.
            NoAnswer: If nothing came of it in time.
        """
        number, answer = next(self._numbers), asyncio.get_running_loop().create_future()
        self._answers[number] = answer
        self.tell(json.dumps({"n": number, "do": do, **arguments}))
        try:
            deadline = time.monotonic() + within
            while not answer.done() and self.running and time.monotonic() < deadline:
                await asyncio.wait([answer], timeout=min(LOOK_S, within))
            if not answer.done():
                raise NoAnswer(f"{do}() did not return within {within:g} s.")
            fact = answer.result()
        finally:
            del self._answers[number]
        if "raised" in fact:
            raise Refused(fact["raised"])
        return fact["value"]

    def heard(self, line):
        """Take a fact that the process sent."""
        fact = json.loads(line)
        if "n" in fact:
            if (answer := self._answers.get(fact["n"])) is not None and not answer.done():
                answer.set_result(fact)
        elif "complaint" in fact:
            self.complaints.append(fact["complaint"])
        else:
            self.told(fact)

    def end_now(self):
        """Kill it: the judge wants it gone."""
        self.expected_end = True
        self.kill()

    def ended_by_itself(self):
        """Has it ended although nobody wanted it to?"""
        return not self.expected_end and not self.running

    async def ended(self, within):
        """Wait until it has ended."""
        if self._child is not None:
            await self._child.ended(within)

    def last_words(self):
        """The last line that it printed."""
        return self._child.last_line() if self._child is not None else ""

    async def stands_still(self):
        """Does its loop not turn any more?"""
        try:
            await self.ask("ping", within=1.0)
        except NoAnswer:
            return self.running
        return False


def _healthy(port):
    try:
        with OPENER.open(f"http://{HOST}:{port}{HEALTH}", timeout=2) as answer:
            status = answer.status
    except HTTPError as exc:
        status = exc.code
    except (OSError, HTTPException) as exc:
        raise ConnectionError from exc
    if status in (502, 503):
        raise ConnectionError
    if status != 200:
        raise LabError(
            f"GET {HEALTH} was answered {status}, expected 200: the balancer asks it before it sends anybody"
        )
