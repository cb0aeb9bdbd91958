"""What the auction house supplies: the envelope, settings, a store, sessions, a bus, a log and an administrator."""

from .bus import Bus
from .envelope import BadMessage, Message, decode, encode
from .sessions import Sessions
from .settings import Settings
from .sinks import Admin, Log
from .store import Store

__all__ = ["Admin", "BadMessage", "Bus", "Log", "Message", "Sessions", "Settings", "Store", "decode", "encode"]
