"""The process between a kernel and the programs it starts: when the kernel ends, however it ends, so do they.

Run as a script: `python -I supervisor.py FOLDER KERNEL_PID`. In comes a line of JSON on standard input for each program
to start, out goes a line with its process id, or with what went wrong. At the end of the input, or of the kernel, every
program is killed and FOLDER, which holds their files and `pids`, is removed.

Rules of this file: the standard library only, so that it starts in a few hundredths of a second; programs are started
by the main thread only, because PR_SET_PDEATHSIG fires when the *thread* that started them ends.
"""

from __future__ import annotations

import ctypes
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from pathlib import Path
from typing import Any

LOOK_S = 0.05  # how often ended programs are taken note of, and the kernel is looked for
END_S = 0.5
PR_SET_PDEATHSIG = 1

Program = subprocess.Popen[bytes]


def main(folder: Path, kernel: int) -> None:
    """Start what is ordered until the input or the kernel ends, then end it all."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupted cell keeps its servers
    signal.signal(signal.SIGTERM, lambda *_: sys.exit())
    orders: queue.SimpleQueue[str] = queue.SimpleQueue()
    threading.Thread(target=_read, args=(orders,), daemon=True).start()
    programs: list[Program] = []
    try:
        _note(folder, os.getpid())
        while os.name != "posix" or os.getppid() == kernel:
            for program in [program for program in programs if program.poll() is not None]:
                programs.remove(program)
                _kill(program)  # what it started itself
            try:
                order = orders.get(timeout=LOOK_S)
            except queue.Empty:
                continue
            if not order:
                break
            try:
                program = _start(**json.loads(order))
                programs.append(program)
                _note(folder, program.pid)
                answer: dict[str, Any] = {"pid": program.pid}
            except (OSError, subprocess.SubprocessError) as exc:
                answer = {"error": str(exc)}
            print(json.dumps(answer), flush=True)
    finally:
        for program in programs:
            _kill(program)
        for program in programs:
            with suppress(subprocess.TimeoutExpired):
                program.wait(END_S)
        shutil.rmtree(folder, ignore_errors=True)


def _read(orders: queue.SimpleQueue[str]) -> None:
    for line in sys.stdin:
        orders.put(line)
    orders.put("")  # the pipe broke: nobody holds its other end any more


def _note(folder: Path, pid: int) -> None:
    with (folder / "pids").open("a") as pids:
        pids.write(f"{pid}\n")


def _start(args: list[str], env: dict[str, str], cwd: str, log: str) -> Program:
    with open(log, "ab") as output:
        if sys.platform == "win32":
            flags = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
            return subprocess.Popen(
                args, env=env, cwd=cwd, stdin=subprocess.DEVNULL, stdout=output, stderr=output, creationflags=flags
            )
        return subprocess.Popen(
            args,
            env=env,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            start_new_session=True,
            preexec_fn=_die_with_me if _libc is not None else None,
        )


def _kill(program: Program) -> None:
    with suppress(OSError):
        if sys.platform == "win32":
            program.terminate()
        else:
            os.killpg(program.pid, signal.SIGKILL)  # it leads a group of its own: what it started ends, too


_libc = ctypes.CDLL(None) if sys.platform == "linux" else None


def _die_with_me() -> None:
    """In the new process: let the system kill it when the supervisor itself is killed."""
    assert _libc is not None
    _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
