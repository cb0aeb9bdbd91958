"""5.3 no common format: expected 400 Bad Request, saw 101. A list of subprotocols in serve_kwargs() is enough, the library refuses by itself."""

import json
from xml.etree import ElementTree

import defusedxml.ElementTree


def to_xml(message):
    root = ElementTree.Element("message")
    for key, text in message.items():
        ElementTree.SubElement(root, key).text = text
    return ElementTree.tostring(root, encoding="unicode")


def from_xml(raw):
    return {child.tag: child.text or "" for child in defusedxml.ElementTree.fromstring(raw)}


CODECS = {"kit.json.v1": (json.dumps, json.loads), "kit.xml.v1": (to_xml, from_xml)}


async def format_handler(ws):
    write, read = CODECS[ws.subprotocol or "kit.json.v1"]
    async for raw in ws:
        message = read(raw)
        await ws.send(write(message))


def health(connection, request):
    if request.path == "/healthz":
        return connection.respond(200, "ok\n")


def choose(connection, offered):
    return next((name for name in CODECS if name in offered), None)


def serve_kwargs():
    return {"subprotocols": list(CODECS), "process_request": health, "select_subprotocol": choose}
