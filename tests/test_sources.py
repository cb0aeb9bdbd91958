"""SQL statements and log records become events, and what is watched runs as it would unwatched."""

import asyncio
import logging
import sqlite3

import pytest
from websockets import connect

from wslab import masking
from wslab.masking import register_secret
from wslab.recording import record
from wslab.server import serve
from wslab.sources import watch_log, watch_sql
from wslab.trace import KEEP_BYTES, Kind, Trace, begin, finish


@pytest.fixture
def trace():
    """A trace that is open during the test; registered secrets are forgotten."""
    trace = Trace()
    begin(trace)
    yield trace
    finish(trace)
    masking._secrets = ()


@pytest.fixture
def database():
    """A database in memory, watched."""
    connection = watch_sql(sqlite3.connect(":memory:", isolation_level=None))
    yield connection
    connection.close()


@pytest.fixture
def log():
    """A logger of its own, watched."""
    logger = logging.Logger("test", logging.INFO)
    watch_log(logger)
    return logger


# SQL


def test_statement(trace, database):
    """A statement is an arrow from the server to the database, with its bound values."""
    database.execute("CREATE TABLE t (a, b)")
    database.execute("INSERT INTO t VALUES (?, ?)", (1, "it's"))
    create, insert = trace
    assert (create.kind, create.source, create.target) == (Kind.SQL, "Server", "Database")
    assert insert.text == insert.note == "INSERT INTO t VALUES (1, 'it''s')" and insert.length == len(insert.text)
    assert insert.cause is None and insert.connection == "" and insert.tap == ""


def test_statement_over_several_lines(trace, database):
    """A statement is shown on one line; what stands in quotes is data and stays as it is."""
    database.execute("""
        SELECT  'two  spaces',
                'a
b'  AS "odd  name" """)
    assert [event.text for event in trace] == ["SELECT 'two  spaces', 'a\nb' AS \"odd  name\""]


def test_secret_in_a_statement(trace, database):
    """A registered secret is masked in a bound value, as text and as bytes, quotes and blanks included."""
    for secret in ("it's  a secret", "key"):
        register_secret(secret)
    database.execute("SELECT ?, ?, ?", ("it's  a secret", b"key", "ok"))
    (event,) = trace
    assert event.text == "SELECT '***************', *********, 'ok'"


def test_lanes(trace):
    """The lanes are those that were asked for; `watch_sql` returns the connection."""
    raw = sqlite3.connect(":memory:")
    assert watch_sql(raw, server="s1", lane="Users") is raw
    raw.execute("SELECT 1")
    raw.close()
    assert [(event.source, event.target) for event in trace] == [("s1", "Users")]


# Log


def test_record(trace, log):
    """A record is an arrow from the server to the log, with its level."""
    log.warning("%s is %d", "one", 1)
    log.debug("not shown")
    (event,) = trace
    assert (event.kind, event.source, event.target, event.text) == (Kind.LOG, "Server", "Log", "WARNING one is 1")


def test_exception(trace, log):
    """Of an exception its type and text are recorded, no traceback."""
    try:
        raise ValueError("no <b>")
    except ValueError:
        log.exception("failed")
    assert [event.text for event in trace] == ["ERROR failed: ValueError: no <b>"]


def test_arguments_that_do_not_fit(trace, log, capsys):
    """A wrong logging call does not raise into the program; it is reported where logging reports it."""
    log.error("%d apples", "three")
    assert list(trace) == [] and "Logging error" in capsys.readouterr().err


def test_any_characters(trace, log):
    """Control characters, surrogates and long texts are recorded as data."""
    log.error("a\x1b[31m\r\nERROR forged \ud800 %s", "x" * KEEP_BYTES)
    (event,) = trace
    assert event.text.startswith("ERROR a\x1b[31m\r\nERROR forged \\ud800 xxx") and event.length > KEEP_BYTES
    assert len(event.payload) == KEEP_BYTES


def test_secret_in_a_record(trace, log):
    """A registered secret is masked in the message and in an exception."""
    register_secret("hunter2")
    try:
        raise KeyError("hunter2")
    except KeyError:
        log.exception("no hunter2")
    assert [event.text for event in trace] == ["ERROR no *******: KeyError: '*******'"]


def test_watching_again(trace, log):
    """Watching a logger twice records once; another lane is another recorder."""
    watch_log(log)
    watch_log(log, lane="Alarm")
    log.info("x")
    assert sorted(event.target for event in trace) == ["Alarm", "Log"]


def test_level():
    """A logger that would drop INFO lets it through once it is watched; a lower level is left alone."""
    for before, after in ((logging.WARNING, logging.INFO), (logging.DEBUG, logging.DEBUG)):
        logger = logging.Logger("test", before)
        watch_log(logger)
        assert logger.level == after


# Within a handler


async def test_cause(database, log):
    """Statements and records of a handler stand on its connection, between request and answer, from threads too."""
    pool = watch_sql(sqlite3.connect(":memory:", check_same_thread=False))

    async def handler(ws):
        async for message in ws:
            database.execute("SELECT ?", (message,))
            await asyncio.to_thread(pool.execute, "SELECT 'thread'")
            log.info("done")
            await ws.send("ok")

    server = await serve(handler)
    with record(server) as recording:
        async with connect(f"{server.url}/?name=ada") as ws:
            await recording.settled()
            await ws.send("one")
            await ws.recv()
            await recording.settled()
            rows = [(row.event.connection, row.event.text) for row in recording.rows if row.event.step == 1]
    await server.stop()
    pool.close()
    assert rows == [("ada", text) for text in ("one", "SELECT 'one'", "SELECT 'thread'", "INFO done", "ok")]
