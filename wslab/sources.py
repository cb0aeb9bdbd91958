"""Events beside the wire: SQL statements as SQLite ran them, and log records.

Rules of this file: secrets are masked before an event exists, and what is watched runs as it would unwatched.
"""

from __future__ import annotations

import logging
import re
import sqlite3

from .cause import current_cause
from .masking import mask_secrets
from .origin import caller
from .trace import KEEP_BYTES, Event, Kind, publish

_SPACE = re.compile(r"('(?:[^']|'')*'|\"(?:[^\"]|\"\")*\")|\s+")


def watch_sql(connection: sqlite3.Connection, *, server: str = "Server", lane: str = "Database") -> sqlite3.Connection:
    """Record every statement that `connection` runs as an arrow from `server` to `lane`; returns `connection`.

    SQLite reports statements with their bound values written out: register a secret before it becomes a parameter.
    Threads that use one connection at the same time must take turns with a lock: SQLite calls back into Python while it
    holds the connection, and two such threads would wait for each other for ever.
    """

    def ran(statement: str) -> None:
        # One line, but what stands in quotes is data and stays.
        _publish(Kind.SQL, _SPACE.sub(lambda match: match[1] or " ", statement).strip(), server, lane)

    connection.set_trace_callback(ran)
    return connection


class LogRecorder(logging.Handler):
    """A logging handler that records each record as an arrow from `server` to `lane`."""

    def __init__(self, level: int = logging.INFO, *, server: str = "Server", lane: str = "Log") -> None:
        super().__init__(level)
        self.server, self.lane = server, lane

    def emit(self, record: logging.LogRecord) -> None:
        """Record `LEVEL message`; of an exception its type and text, no traceback."""
        try:
            text = f"{record.levelname} {record.getMessage()}"
            if record.exc_info and record.exc_info[1] is not None:
                text += f": {type(record.exc_info[1]).__name__}: {record.exc_info[1]}"
        except Exception:  # arguments that do not fit: logging never raises into the program that logs
            self.handleError(record)
            return
        _publish(Kind.LOG, text, self.server, self.lane)


def watch_log(logger: logging.Logger, *, server: str = "Server", lane: str = "Log") -> LogRecorder:
    """Record what `logger` logs from now on; calling again for the same lane replaces the former recorder."""
    for handler in list(logger.handlers):
        if isinstance(handler, LogRecorder) and handler.lane == lane:
            logger.removeHandler(handler)
    recorder = LogRecorder(server=server, lane=lane)
    logger.addHandler(recorder)
    if logger.getEffectiveLevel() > logging.INFO:
        logger.setLevel(logging.INFO)
    return recorder


def logger(name: str) -> logging.Logger:
    """The logger of the library that runs server `name`: its errors are recorded."""
    log = logging.Logger(f"wslab.server.{name}", logging.ERROR)
    log.addHandler(LogRecorder(logging.ERROR, server=name, lane="Log"))
    return log


def _publish(kind: Kind, text: str, server: str, lane: str) -> None:
    cause = current_cause()
    data = mask_secrets(text.encode("utf-8", "backslashreplace"))
    publish(
        Event(
            kind=kind,
            source=server,
            target=lane,
            connection=cause.connection if cause else "",
            life=cause.life if cause else 0,
            payload=data[:KEEP_BYTES],
            length=len(data),
            note=data[:KEEP_BYTES].decode("utf-8", "replace"),
            cause=cause,
            origin=caller(),
        )
    )
