"""The story that a log tells: records in, one line for each connection out, or the diagram that can be drawn from them.

Rules of this file: nothing but the records is known here; what crossed the wire is not looked at.
"""

from wslab.recording import Recording
from wslab.trace import Event, Kind, Trace

STEPS = ("connect", "auth", "error", "disconnect")


def stories(records):
    """What happened on each connection, such as "connect, auth ok, error bad_json, disconnect 1000"."""
    told = {}
    for record in records:
        if record.get("event") in STEPS:
            told.setdefault((record["server"], record.get("connection")), []).append(_step(record))
    return sorted(", ".join(steps) for steps in told.values())


def drawn(records):
    """The sequence diagram that the log alone gives."""
    trace = Trace(event for record in records for event in _arrows(record))
    return Recording(trace, title="drawn from the log, from nothing else")


def _step(record):
    event = record["event"]
    if event == "auth":
        return "auth ok" if record.get("ok") else "auth refused"
    return f"{event} {record.get('code')}" if event in ("error", "disconnect") else event


def _arrows(record):
    server = record["server"]
    name = f"{record.get('connection')} at {server}"
    event, code = record.get("event"), record.get("code")

    def arrow(kind, up, text="", **fields):
        source, target = (name, server) if up else (server, name)
        payload = text.encode()
        return Event(
            kind=kind,
            up=up,
            source=source,
            target=target,
            connection=name,
            tap=server,
            payload=payload,
            length=len(payload),
            at=record["at"],
            **fields,
        )

    if event == "connect":
        yield arrow(Kind.REQUEST, True, headline="GET /")
        yield arrow(Kind.RESPONSE, False, headline="101 Switching Protocols", code=101)
    elif event == "auth":
        yield arrow(Kind.TEXT, True, "auth")
        if record.get("ok"):
            yield arrow(Kind.TEXT, False, f"welcome {record.get('user')}")
    elif event == "error":
        yield arrow(Kind.TEXT, False, f"error {code}")
    elif event == "disconnect":
        yield arrow(Kind.CLOSE, False, code=code) if code != 1006 else arrow(Kind.END, True, note="RST")
