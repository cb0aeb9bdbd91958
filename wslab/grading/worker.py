"""The process in which nbval runs a rebuilt notebook: requests on stdin, what became of each cell on stdout.

A request is a line of JSON: folder and environment for a kernel, the notebook's file and its planned cells. Without a
notebook the kernel is started ahead, for the request with the same folder. The process stays for the next request.

Rules of this file: no plugin but nbval and this one, no configuration, no conftest; nothing of a learner's runs here.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import shutil
import sys
import threading
import time
import types
from contextlib import redirect_stderr, redirect_stdout, suppress
from importlib.metadata import EntryPoint
from pathlib import Path
from typing import Any, TextIO

import psutil

FILE_BYTES = 50_000_000
OPEN_FILES = 2048
SUBREAPER = 36  # PR_SET_CHILD_SUBREAPER of prctl(2)


def main() -> None:
    """Work off requests until stdin ends: then the judge has gone, and this process clears up for it and ends."""
    limit()
    replies = os.fdopen(os.dup(sys.stdout.fileno()), "w", encoding="utf-8")
    requests: queue.Queue[str] = queue.Queue()
    threading.Thread(target=_listen, args=[requests], daemon=True).start()
    # Two imports that nobody here needs and that take two seconds: jsonschema's optional grammar, nbval's coverage.
    sys.modules["rfc3987_syntax"] = None  # type: ignore[assignment]
    cover = types.ModuleType("nbval.cover")
    cover.setup_coverage = cover.teardown_coverage = None  # type: ignore[attr-defined]
    sys.modules["nbval.cover"] = cover

    from jupyter_client.provisioning.factory import KernelProvisionerFactory

    from . import kernel

    place = EntryPoint(kernel.NAME, f"{kernel.__name__}:Provisioner", KernelProvisionerFactory.GROUP_NAME)
    factory = KernelProvisionerFactory.instance(default_provisioner_name=kernel.NAME)
    factory.provisioners[kernel.NAME] = place
    while True:
        request = json.loads(requests.get())
        if "notebook" in request:
            _run(request, replies)
        else:
            kernel.start_ahead(request["folder"], request["environment"])
            import nbval.plugin  # noqa: F401  # so that the request to come need not wait for it


def _listen(requests: queue.Queue[str]) -> None:
    for line in sys.stdin:
        requests.put(line)
    clear_up()


def clear_up() -> None:
    """End everything that was started here, and this process: whoever asked has gone, and nobody else would."""
    started = psutil.Process().children(recursive=True)
    for process in started:
        with suppress(psutil.Error):
            process.kill()
    psutil.wait_procs(started, timeout=1.0)
    shutil.rmtree(os.getcwd(), ignore_errors=True)
    os._exit(0)


def _run(request: dict[str, Any], replies: TextIO) -> None:
    import pytest

    from . import kernel

    notebook = Path(request["notebook"])
    kernel.current = kernel.Run(request["folder"], request["environment"])
    empty = notebook.with_name("pytest.ini")
    empty.write_text("[pytest]\n", encoding="utf-8")
    arguments = [str(notebook), "-c", str(empty), "--rootdir", str(notebook.parent), "--noconftest", "--color=no"]
    arguments += ["-p", "no:cacheprovider", "-p", "nbval.plugin", "--nbval", "--nbval-current-env"]
    arguments += [f"--nbval-kernel-startup-timeout={kernel.READY_S}"]
    with open(os.devnull, "w", encoding="utf-8") as nowhere, redirect_stdout(nowhere), redirect_stderr(nowhere):
        status = pytest.main(arguments, plugins=[Referee(notebook, request["plan"], replies)])
    _tell(replies, {"done": int(status)})


class Referee:
    """The kit's guard inside pytest: takes the notebook away once it is read, sets limits, and reports each cell."""

    def __init__(self, notebook: Path, plan: list[dict[str, Any]], replies: TextIO) -> None:
        self._notebook, self._plan, self._replies = notebook, plan, replies

    def pytest_collection_finish(self, session: Any) -> None:
        """The learner's code could read the nonce in the file."""
        self._notebook.unlink()
        if [item.cell.id for item in session.items] != [planned["cell"] for planned in self._plan]:
            session.items.clear()

    def pytest_runtest_setup(self, item: Any) -> None:
        _tell(self._replies, {"begins": item.cell.id})

    def pytest_runtest_call(self, item: Any) -> None:
        from . import kernel

        kernel.current.deadline = time.monotonic() + self._plan[item.cell_num]["limit_s"]

    def pytest_runtest_makereport(self, item: Any, call: Any) -> None:
        """One line for each cell that was run, or could not be."""
        from . import kernel

        if call.when == "teardown" or (call.when == "setup" and call.excinfo is None):
            return
        run = kernel.current
        if call.when == "setup":
            run.ended = kernel.NOT_STARTED
        passed = call.when == "call" and call.excinfo is None and run.status == "ok" and not run.ended
        error = next((o for o in getattr(item, "test_outputs", None) or () if o.get("output_type") == "error"), None)
        said = f"{error['ename']}: {error['evalue']}"[:1000] if error else ""
        _tell(
            self._replies,
            {"cell": item.cell.id, "passed": passed, "ended": run.ended, "error": said, "ahead": run.ahead},
        )


def _tell(replies: TextIO, message: dict[str, Any]) -> None:
    replies.write(json.dumps(message) + "\n")
    replies.flush()


def limit(file_bytes: int = FILE_BYTES) -> None:
    """What is started here cannot write huge files, and stays a descendant of this process, whatever it does."""
    if sys.platform == "linux":
        with suppress(OSError, AttributeError):
            ctypes.CDLL(None).prctl(SUBREAPER, 1, 0, 0, 0)
    if sys.platform != "win32":
        import resource

        for kind, limit in ((resource.RLIMIT_FSIZE, file_bytes), (resource.RLIMIT_NOFILE, OPEN_FILES)):
            _, hard = resource.getrlimit(kind)
            bound = limit if hard == resource.RLIM_INFINITY else min(limit, hard)
            resource.setrlimit(kind, (bound, bound))
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
