"""The Autobahn cases: through the tap, and with the hook, a server gets the same verdict case by case as without them.

`python tests/test_autobahn.py` runs all cases and prints how many have which verdict. The cases about speed and size
(group 9) run with `--slow`, in a process whose library allows so many fragments.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib.util
import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import websockets

from wslab import record, serve

# Its runner is never imported beside other tests: it replaces `pkg_resources` for the whole process.
if importlib.util.find_spec("kosoku") is None:
    pytest.skip("the runner of the Autobahn cases is not installed: pip install kosoku", allow_module_level=True)

CONFORMANCE = ["1.*", "2.*", "3.*", "4.*", "5.*", "6.*", "7.*", "10.*"], 247
LIMITS = ["9.*"], 54
KNOWN = {"7.1.5"}  # what the library itself does not pass: a text that goes on after a close frame
AT_ONCE = 8
ROUNDS = 5  # of cases whose verdict hangs on what the runner reads first, an answer or the close
OPTIONS = {"max_size": None, "ping_interval": None, "compression": None}
FRAGMENTS = {"WEBSOCKETS_MAX_FRAGMENTS": "131072"}


async def echo(ws):
    with contextlib.suppress(websockets.ConnectionClosed):
        async for message in ws:
            await ws.send(message)


@contextlib.asynccontextmanager
async def bare():
    async with websockets.serve(echo, "127.0.0.1", 0, **OPTIONS) as server:
        yield server.sockets[0].getsockname()[1]


@contextlib.asynccontextmanager
async def recorded(**options):
    # On a thread: nobody watches there how long the biggest messages keep a loop from turning.
    server = await serve(echo, name="Autobahn", background=True, **OPTIONS, **options)
    with record(server):
        yield int(server.url.rpartition(":")[2])
    await server.stop()


WAYS = {"bare": bare, "tap": recorded, "hook": lambda: recorded(hook=True)}


async def verdicts(way, cases):
    """What each case says of the exchange and of the close, on a server of that kind."""
    import kosoku

    async with WAYS[way]() as port:
        try:
            results = await kosoku.run_fuzzingclient(f"127.0.0.1:{port}", cases, None, concurrency=AT_ONCE)
        except kosoku.FailureError as failure:
            results = failure.results
    return {result.case_id: [result.behavior.value, result.behavior_close.value] for result in results}


def failures(found):
    return {case for case, verdict in found.items() if not {*verdict} <= {"OK", "NON-STRICT", "INFORMATIONAL"}}


def different(found):
    """The cases that have not the same verdict everywhere."""
    return [case for case, verdict in found["bare"].items() if any(found[way].get(case) != verdict for way in WAYS)]


async def everything(cases):
    """All verdicts by way; of those that differ the ones of another round, where they are the same then."""
    found = {way: await verdicts(way, cases) for way in WAYS}
    for _ in range(ROUNDS):
        if not (unlike := different(found)):
            break
        for way in WAYS:
            found[way] |= await verdicts(way, unlike)
    return found


def judged(cases):
    """What `everything` finds in a process of its own."""
    command = [sys.executable, __file__, "--json", *cases]
    done = subprocess.run(command, env=os.environ | FRAGMENTS, capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def test_same_verdicts():
    """The 247 cases about frames, fragments, UTF-8 and closes: one known failure, and no difference."""
    cases, count = CONFORMANCE
    found = judged(cases)
    assert len(found["bare"]) == count and failures(found["bare"]) <= KNOWN
    assert different(found) == []


@pytest.mark.slow
def test_same_verdicts_at_the_limits():
    """The 54 cases about big messages and many fragments: all pass, through tap and hook too."""
    cases, count = LIMITS
    found = judged(cases)
    assert len(found["bare"]) == count and not failures(found["bare"])
    assert different(found) == []


def main():
    if "WEBSOCKETS_MAX_FRAGMENTS" not in os.environ:
        os.environ.update(FRAGMENTS)
        os.execv(sys.executable, [sys.executable, *sys.argv])
    arguments = [argument for argument in sys.argv[1:] if argument != "--json"]
    found = asyncio.run(everything(arguments or CONFORMANCE[0] + LIMITS[0]))
    if "--json" in sys.argv:
        print(json.dumps(found))
        return
    for way, results in found.items():
        counts = Counter(" / ".join(verdict) for verdict in results.values())
        told = ", ".join(f"{count} {verdict}" for verdict, count in counts.most_common())
        print(f"{way:<5}{len(results):>4} cases: {told}; failed: {', '.join(sorted(failures(results))) or 'none'}")
    print(f"different verdicts: {', '.join(different(found)) or 'none'}")


if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    main()
