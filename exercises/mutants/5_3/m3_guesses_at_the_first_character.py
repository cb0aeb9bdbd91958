"""5.3 JSON: your handler raised {error} for {raw}, which is JSON, as agreed."""

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
    async for raw in ws:
        format = "kit.json.v1" if raw[0] == "{" else "kit.xml.v1"
        write, read = CODECS[format]
        await ws.send(write(read(raw)))


def health(connection, request):
    if request.path == "/healthz":
        return connection.respond(200, "ok\n")


def serve_kwargs():
    return {"subprotocols": list(CODECS), "process_request": health}
