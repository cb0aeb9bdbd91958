"""5.3 escaping: the text "a<b&c" came back as {x}."""

import json

import defusedxml.ElementTree


def to_xml(message):
    inside = "".join(f"<{key}>{text}</{key}>" for key, text in message.items())
    return f"<message>{inside}</message>"


def from_xml(raw):
    return {child.tag: child.text or "" for child in defusedxml.ElementTree.fromstring(raw)}


CODECS = {"kit.json.v1": (json.dumps, json.loads), "kit.xml.v1": (to_xml, from_xml)}


async def format_handler(ws):
    write, read = CODECS[ws.subprotocol]
    async for raw in ws:
        message = read(raw)
        await ws.send(write(message))


def health(connection, request):
    if request.path == "/healthz":
        return connection.respond(200, "ok\n")


def serve_kwargs():
    return {"subprotocols": list(CODECS), "process_request": health}
