"""The store: values with a version, and a log for each key, in one SQLite file that all servers share."""

import asyncio
import json
import sqlite3
from concurrent.futures import ThreadPoolExecutor

from .trouble import trouble

BUSY_S = 5.0
TABLES = """
    PRAGMA journal_mode = WAL;
    PRAGMA synchronous = OFF;
    CREATE TABLE IF NOT EXISTS record (key TEXT PRIMARY KEY, value TEXT, version INTEGER);
    CREATE TABLE IF NOT EXISTS log (key TEXT, seq INTEGER, event TEXT);
    CREATE INDEX IF NOT EXISTS by_seq ON log (key, seq);
"""


class Store:
    """The shared store. A value is anything that JSON can hold; a key is a text such as "lot:violin"."""

    def __init__(self, settings):
        self.path = settings.store
        self.connection = None
        self.thread = ThreadPoolExecutor(1, "store")  # SQLite blocks: never on the thread of the event loop

    async def get(self, key):
        """Return the value of `key` and its version; `(None, 0)` if there is none."""
        return await self._do("get", key)

    async def put(self, key, value, version, event=None):
        """Write `value` if `key` still has this `version`; return whether it was written.

        `event`, a dictionary with a number "seq", goes into the log of `key` in the same transaction: either both
        are written or neither. A value of `None` deletes.
        """
        return await self._do("put", key, value, version, event)

    async def log(self, key, after=0):
        """Return the events in the log of `key` whose "seq" is greater than `after`, in order."""
        return await self._do("log", key, after)

    def close(self):
        """Close the file."""
        self.thread.submit(self._close)
        self.thread.shutdown(wait=True, cancel_futures=True)

    async def _do(self, operation, key, *arguments):
        if await trouble.before(operation, key):
            return False  # somebody else was quicker
        work = getattr(self, f"_{operation}")
        result = await asyncio.get_running_loop().run_in_executor(self.thread, self._open, work, key, *arguments)
        await trouble.after(operation, key)
        return result

    def _open(self, work, *arguments):
        if self.connection is None:
            self.connection = sqlite3.connect(self.path, timeout=BUSY_S, isolation_level=None)
            self.connection.executescript(TABLES)
        return work(*arguments)

    def _get(self, key):
        found = self.connection.execute("SELECT value, version FROM record WHERE key = ?", [key]).fetchone()
        value, version = found or ("null", 0)
        return json.loads(value), version

    def _put(self, key, value, version, event):
        text = json.dumps(value)
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            written = self._get(key)[1] == version
            if written:
                self.connection.execute("REPLACE INTO record VALUES (?, ?, ?)", [key, text, version + 1])
            if written and event is not None:
                row = [key, event["seq"], json.dumps(event)]
                self.connection.execute("INSERT INTO log VALUES (?, ?, ?)", row)
            self.connection.execute("COMMIT")
        except BaseException:
            self.connection.execute("ROLLBACK")
            raise
        return written

    def _log(self, key, after):
        question = "SELECT event FROM log WHERE key = ? AND seq > ? ORDER BY seq, rowid"
        return [json.loads(event) for (event,) in self.connection.execute(question, [key, after])]

    def _close(self):
        if self.connection is not None:
            self.connection.close()
