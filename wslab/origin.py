"""Which line sends: the place in the learner's code from which a frame, a statement or a log record goes out.

A server's connections ask `caller` as they send. The library's own clients are listened to while a recording is open
(`listen`): what one sends is known again at the tap by its header, which holds four random bytes, or by its handshake's
key.

Rules of this file: what is listened to behaves as it would otherwise; memory is bounded; secrets in a line are masked.
"""

from __future__ import annotations

import asyncio
import linecache
import re
import sys
import sysconfig
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from types import FrameType

from websockets.client import ClientProtocol
from websockets.frames import Frame
from websockets.http11 import Request
from websockets.protocol import Protocol

from .errors import say
from .masking import mask_secrets, payload_start

MOST = 20_000  # of what clients have sent and no tap has seen yet
LIBRARIES = (*map(sysconfig.get_path, ("stdlib", "purelib", "platlib")), str(Path(__file__).parent), "<frozen")
_TURN = asyncio.Handle._run.__code__  # below it stands the event loop, and whoever runs that


@dataclass(frozen=True, slots=True)
class Origin:
    """A line of the learner's code: its number in `file` (empty: a cell), the function and task that ran it."""

    line: int
    file: str
    function: str
    source: str
    task: str = ""

    @property
    def place(self) -> str:
        """Such as "line 3 of its cell, in echo()"."""
        file = self.file or say("its cell")
        if self.function == "<module>":
            return say("line {line} of {file}", line=self.line, file=file)
        return say("line {line} of {file}, in {function}()", line=self.line, file=file, function=self.function)


def caller() -> Origin | None:
    """The innermost line that runs now and is no library's; `None` where a library works by itself."""
    return running(sys._getframe(1))


def running(frame: FrameType, loop: asyncio.AbstractEventLoop | None = None) -> Origin | None:
    """What `caller` tells, of a thread whose innermost frame is `frame`; `loop` is the one that it runs."""
    while frame.f_code.co_filename.startswith(LIBRARIES):
        if frame.f_code is _TURN or frame.f_back is None:
            return None
        frame = frame.f_back
    file, source = _read(frame.f_code.co_filename, frame.f_lineno)
    return Origin(frame.f_lineno, file, frame.f_code.co_name, mask_secrets(source).decode(), _task(loop))


@lru_cache(maxsize=1024)
def _read(path: str, line: int) -> tuple[str, bytes]:
    """What a file is called, empty for a cell, and what stands in a line of it."""
    file = "" if Path(path).parent.name.startswith("ipykernel_") else Path(path).name
    return file, linecache.getline(path, line).strip().encode()


def _task(loop: asyncio.AbstractEventLoop | None) -> str:
    """What the running task is called, else the function that it runs; empty for a library's and for a cell."""
    try:
        task = asyncio.current_task(loop)
    except RuntimeError:  # a thread without a loop
        return ""
    code = getattr(task.get_coro(), "cr_code", None) if task is not None else None
    if task is None or code is None or code.co_filename.startswith(LIBRARIES) or code.co_name == "<module>":
        return ""
    name = task.get_name()
    return str(code.co_name) if re.fullmatch(r"Task-\d+", name) else name


# Clients ------------------------------------------------------------------------------------------------

_sent: dict[bytes, Origin] = {}
_listeners = 0


def listen() -> None:
    """From now on note what the library's clients send, until `ignore` was called as often."""
    global _listeners
    _listeners += 1
    if _listeners == 1:
        ClientProtocol.send_frame = _send_frame  # type: ignore[method-assign]
        ClientProtocol.send_request = _send_request  # type: ignore[method-assign]


def ignore() -> None:
    """Undo one `listen`."""
    global _listeners
    _listeners -= 1
    if _listeners == 0:
        del ClientProtocol.send_frame  # inherited
        ClientProtocol.send_request = _original  # type: ignore[method-assign]
        _sent.clear()


def sender(raw: bytes, headers: Iterable[tuple[str, str]]) -> Origin | None:
    """The line that sent the frame `raw`, or a handshake with these headers, if a client did; asked once for each."""
    keys = (value.encode() for name, value in headers if name.lower() == "sec-websocket-key")
    return _sent.pop(next(keys, raw[: payload_start(raw)]), None)


_original = ClientProtocol.send_request


def _send_request(self: ClientProtocol, request: Request) -> None:
    _original(self, request)
    _note(request.headers["Sec-WebSocket-Key"].encode())


def _send_frame(self: Protocol, frame: Frame) -> None:
    Protocol.send_frame(self, frame)
    sent = self.writes[-1]
    _note(sent[: payload_start(sent)])


def _note(key: bytes) -> None:
    origin = caller()
    if origin is not None:
        _sent[key] = origin
        if len(_sent) > MOST:
            del _sent[next(iter(_sent))]
