"""Instruments for a course on WebSockets: serve, record, predict, check."""

from .exercise import check, hint
from .recording import record
from .server import serve

__all__ = ["check", "hint", "record", "serve"]
