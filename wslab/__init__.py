"""Instruments for a course on WebSockets: serve, record, predict, check."""

from .exercise import check, hint
from .nested import enable_nested
from .pictures import charts
from .pictures.laneview import observe_loop
from .pictures.loopview import watch_loop
from .prediction import predict, reveal
from .recording import load, record
from .server import running_servers, serve
from .state import seed
from .webapp import serve_app

__all__ = [
    "charts",
    "check",
    "enable_nested",
    "hint",
    "load",
    "observe_loop",
    "predict",
    "record",
    "reveal",
    "running_servers",
    "seed",
    "serve",
    "serve_app",
    "watch_loop",
]
