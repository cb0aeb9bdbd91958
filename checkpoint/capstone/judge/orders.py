"""In a process that runs the learner's code: do what the judge orders, one answer for each order.

An order is `{"n": 1, "do": "join", …}` and calls the method `join` of what is ordered about; the answer is a fact
`{"n": 1, "value": …}` or `{"n": 1, "raised": "KeyError: 'lot' (auction.py, line 12)"}`.

Rules of this file: whatever the learner's code raises, the judge gets an answer.
"""

import asyncio
import importlib
import json
import logging
import os
import sys
import traceback
from pathlib import Path

from wslab.engines.control import dial

MEGABYTE = 1 << 20
MACHINERY = {"_obey", "_do"}  # the tasks of this file, by their names
LIMITS = {"RLIMIT_FSIZE": 256 * MEGABYTE, "RLIMIT_AS": 4096 * MEGABYTE, "RLIMIT_NOFILE": 1024, "RLIMIT_CORE": 0}
KIT = Path(__file__).parent.parent  # where the learner's `import kit` looks


class Obeying:
    """What is ordered about; a subclass has the methods that can be ordered."""

    def __init__(self, channel, options):
        self.channel, self.options = channel, options
        self.folder = options["folder"]

    def tell(self, **fact):
        """Tell the judge something unasked."""
        self.channel.send({"fact": json.dumps(fact, default=str)})

    async def begin(self):
        """Make ready; returns the port, if there is one."""
        return 0

    async def ping(self):
        """Answer: so the loop is turning."""

    def place(self, exc):
        """The last line of a traceback, and where in the learner's file it was raised."""
        line = traceback.format_exception_only(exc)[-1].strip()
        frames = traceback.extract_tb(exc.__traceback__)
        frames = [frame for frame in frames if Path(frame.filename).parent == Path(self.folder)]
        return f"{line} ({Path(frames[-1].filename).name}, line {frames[-1].lineno})" if frames else line


class Complaints(logging.Handler):
    """Tells the judge of exceptions that were logged: of a handler that failed, of a task that nobody awaited."""

    def __init__(self, obeying):
        super().__init__(logging.ERROR)
        self.obeying = obeying

    def emit(self, record):
        exc = record.exc_info[1] if record.exc_info else None
        if exc is not None:
            self.obeying.tell(complaint=self.obeying.place(exc))


def main(kind):
    """Run the program of a process whose settings stand in the file that `sys.argv` names."""
    settings = json.loads(Path(sys.argv[1]).read_text("utf-8"))
    _limit()
    sys.path[:0] = [settings["options"]["folder"], str(KIT)]
    with asyncio.Runner(loop_factory=lambda: kind.loop(settings["options"])) as runner:
        runner.run(_obey(kind, settings))
        os._exit(0)  # whatever threads and tasks the learner's code has started


async def _obey(kind, settings):
    channel = await dial(settings["port"], settings["token"])
    obeying = kind(channel, settings["options"])
    logging.getLogger().addHandler(Complaints(obeying))
    try:
        port = await obeying.begin()
    except BaseException as exc:
        traceback.print_exc()
        channel.send({"failed": obeying.place(exc)})
        await channel.flush()
        return
    channel.send({"ready": port})
    tasks = set()
    while (line := await channel.receive()) is not None and "stop" not in line:
        if "tell" in line:
            task = asyncio.create_task(_do(obeying, **json.loads(line["tell"])))
            tasks.add(task)
            task.add_done_callback(tasks.discard)


async def _do(obeying, n, do, **arguments):
    try:
        obeying.tell(n=n, value=await getattr(obeying, do)(**arguments))
    except BaseException as exc:
        obeying.tell(n=n, raised=obeying.place(exc))


def learners(name):
    """The object `name`, "module:object", of the learner's module."""
    module, _, attribute = name.partition(":")
    found = getattr(importlib.import_module(module), attribute, None)
    if found is None:
        raise AttributeError(f"{module}.py has no {attribute!r}")
    return found


def _limit():
    try:
        import resource
    except ImportError:  # Windows
        return
    for name, most in LIMITS.items():
        limit = getattr(resource, name)
        hard = resource.getrlimit(limit)[1]
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(limit, (most, most))
