"""The kernel of a graded notebook, and how nbval talks to it, as jupyter_client offers: a provisioner and a client.

The provisioner starts the kernel in an environment and folder of the run's own, with output streams that keep nothing
(`silent`). The client reads the kernel's outputs while it waits for a reply, drops what nobody compares, notices a dead
kernel at once, and ends one that takes too long.

Rules of this file: the interfaces of nbval and jupyter_client are used, never patched.
"""

from __future__ import annotations

import subprocess
import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from queue import Empty
from typing import Any

import zmq
from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.connect import KernelConnectionInfo
from jupyter_client.manager import KernelManager
from jupyter_client.provisioning.local_provisioner import LocalProvisioner
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, NbvalKernelspecManager

NAME = "wslab-grading"
SILENT = "wslab.grading.silent.Silent"
FIRST = (
    "__import__('wslab')"  # what every notebook of the kit imports: a kernel that waits has it loaded; defines no name
)
NOT_STARTED = "not started"
LOOK_MS = 50
LOOK_MESSAGES = 20
READY_S = 20.0
MAX_BYTES = 1 << 20  # of results that a cell may show
FLOOD_BYTES = 50 << 20  # of anything else that it sends: then it is ended, as if its time were over
MAX_STATUS = 1000  # messages about its state that one cell may cause

Message = dict[str, Any]


@dataclass
class Run:
    """What is known about the notebook that is being run; one at a time in a process."""

    folder: str = "."
    environment: Mapping[str, str] = field(default_factory=dict)
    deadline: float = 0.0  # of the cell that runs now, or is about to
    ended: str = ""  # "timed out", "crashed" or "not started", as soon as the kernel has ended before its time
    status: str = ""  # what the kernel itself says about the cell that ran last
    ahead: bool = False  # was its kernel started before?


current = Run()
_waiting: dict[str, KernelManager] = {}  # kernels that were started ahead of time, by folder; each is taken once


def start_ahead(folder: str, environment: Mapping[str, str]) -> None:
    """Start the kernel for the run in `folder`, which will come."""
    global current
    current = Run(folder, environment)
    manager = KernelManager(kernel_name=CURRENT_ENV_KERNEL_NAME, kernel_spec_manager=NbvalKernelspecManager())
    manager.start_kernel(stderr=subprocess.DEVNULL)
    _waiting[folder] = manager


class Provisioner(LocalProvisioner):
    """Starts a kernel for the current run, or takes the one that waits for it."""

    _taken: KernelManager | None = None

    async def pre_launch(self, **options: Any) -> dict[str, Any]:
        """Set folder and environment, and have nbval's manager make our `Client`."""
        assert self.parent is not None
        self.parent.client_factory = Client
        taken = _waiting.pop(current.folder, None)
        if taken is not None and taken.provisioner is not None and await taken.provisioner.poll() is None:
            self._taken, current.ahead = taken, True
            return {"cmd": []}
        options["extra_arguments"] = [f"--IPKernelApp.outstream_class={SILENT}", f"--IPKernelApp.code_to_run={FIRST}"]
        options |= {"cwd": current.folder, "env": dict(current.environment)}
        options |= {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        return dict(await super().pre_launch(**options))

    async def launch_kernel(self, cmd: list[str], **options: Any) -> KernelConnectionInfo:
        """Hand over the process; the manager asked takes the connection of the one that started it."""
        if self._taken is None:
            return await super().launch_kernel(cmd, **options)
        started = self._taken.provisioner
        assert isinstance(started, LocalProvisioner)
        self.process, self.pid, self.pgid, self.cwd = started.process, started.pid, started.pgid, started.cwd
        self.connection_info = started.connection_info
        return self.connection_info


class Client(BlockingKernelClient):
    """A client that waits for what comes first: a reply, the kernel's death, the end of the time."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._outputs: deque[Message] = deque()
        self._bytes = self._states = self._dropped = 0

    def wait_for_ready(self, timeout: float | None = None) -> None:
        """Wait until replies and outputs come; what is shown meanwhile is nobody's."""
        current.deadline = time.monotonic() + (timeout or READY_S)
        while True:
            self.kernel_info()
            self.get_shell_msg()
            if self.iopub_channel.socket.poll(LOOK_MS):  # a subscription may reach a running kernel after a question
                return

    def execute(self, *args: Any, **options: Any) -> str:
        """Send a cell; what the former one still shows counts no more."""
        self._outputs.clear()
        self._bytes = self._states = self._dropped = 0
        current.status = ""
        return str(super().execute(*args, **options))

    def get_shell_msg(self, timeout: float | None = None) -> Message:
        """The next reply.

        Raises:
            Empty: If the kernel has died or was ended.
        """
        poller = zmq.Poller()
        poller.register(self.shell_channel.socket, zmq.POLLIN)
        poller.register(self.iopub_channel.socket, zmq.POLLIN)
        while not current.ended:
            ready = dict(poller.poll(LOOK_MS))
            if self.iopub_channel.socket in ready:
                self._read_outputs()
            if self.shell_channel.socket in ready:
                message: Message = self.shell_channel.get_msg(timeout=0)
                current.status = str(message["content"].get("status", ""))
                return message
            self._look(alive=bool(ready))
        raise Empty

    def get_iopub_msg(self, timeout: float | None = None) -> Message:
        """The next thing that the kernel showed, as far as anybody compares it.

        Raises:
            Empty: If nothing came for `timeout` seconds, or the kernel has died or was ended.
        """
        deadline = time.monotonic() + (READY_S if timeout is None else timeout)
        while not self._outputs:
            if current.ended or time.monotonic() > deadline:
                raise Empty
            if self.iopub_channel.socket.poll(LOOK_MS):
                self._read_outputs()
            else:
                self._look(alive=False)
        return self._outputs.popleft()

    def _look(self, *, alive: bool) -> None:
        assert self.parent is not None
        process = self.parent.provisioner.process
        if not alive and (process is None or process.poll() is not None):
            current.ended = "crashed"
        elif time.monotonic() > current.deadline or self._dropped > FLOOD_BYTES:
            current.ended = "timed out"
            if process is not None:
                process.kill()

    def _read_outputs(self) -> None:
        """Take what is there; what is printed or displayed is dropped unread, however much it is."""
        for _ in range(LOOK_MESSAGES):
            if not self.iopub_channel.socket.poll(0):
                break
            frames = self.iopub_channel.socket.recv_multipart(copy=False)
            _, parts = self.session.feed_identities(frames, copy=False)
            kind = self.session.unpack(parts[1].bytes).get("msg_type")
            if kind == "status":
                self._states += 1
            elif kind in ("execute_result", "error"):
                self._bytes += sum(map(len, parts))
            else:
                self._dropped += sum(map(len, parts))
                continue
            if self._bytes <= MAX_BYTES and self._states <= MAX_STATUS:
                self._outputs.append(self.session.deserialize([part.bytes for part in parts]))
