"""5.3 preference: the client offered {offered} and got kit.xml.v1; the order of the server decides, so kit.json.v1."""

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
    write, read = CODECS[ws.subprotocol]
    async for raw in ws:
        message = read(raw)
        await ws.send(write(message))


def health(connection, request):
    if request.path == "/healthz":
        return connection.respond(200, "ok\n")


def serve_kwargs():
    return {"subprotocols": ["kit.xml.v1", "kit.json.v1"], "process_request": health}
