"""5.3 two clients: the JSON client received XML; the format belongs to the connection (ws.subprotocol)."""

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


current = None


async def format_handler(ws):
    global current
    current = ws.subprotocol
    async for raw in ws:
        message = CODECS[ws.subprotocol][1](raw)
        await ws.send(CODECS[current][0](message))


def health(connection, request):
    if request.path == "/healthz":
        return connection.respond(200, "ok\n")


def serve_kwargs():
    return {"subprotocols": list(CODECS), "process_request": health}
