"""Codecs are objects, XML is written with minidom, the health check is a coroutine, and the choice the server's own."""

import http
import json
from xml.dom import minidom

from defusedxml.minidom import parseString


class Json:
    def read(self, raw):
        return json.loads(raw)

    def write(self, content):
        return json.dumps(content, indent=2, ensure_ascii=False).encode()


class Xml:
    def read(self, raw):
        root = parseString(raw.strip()).documentElement
        elements = [node for node in root.childNodes if node.nodeType == node.ELEMENT_NODE]
        return {each.tagName: "".join(text.data for text in each.childNodes) for each in elements}

    def write(self, content):
        document = minidom.Document()
        root = document.appendChild(document.createElement("message"))
        for key, text in content.items():
            root.appendChild(document.createElement(key)).appendChild(document.createTextNode(text))
        return document.toxml()


CODECS = {"kit.xml.v1": Xml(), "kit.json.v1": Json()}


class Handler:
    async def __call__(self, ws):
        async for raw in ws:
            codec = CODECS[ws.subprotocol]
            await ws.send(codec.write(codec.read(raw)))


format_handler = Handler()


async def monitor(connection, request):
    if request.path.startswith("/healthz"):
        return connection.respond(http.HTTPStatus.OK, "")


def choose(connection, offered):
    from websockets.exceptions import NegotiationError

    for name in sorted(CODECS):
        if name in offered:
            return name
    raise NegotiationError("none of yours is known here")


def serve_kwargs():
    return dict(select_subprotocol=choose, process_request=monitor, compression=None, max_size=10_000)
