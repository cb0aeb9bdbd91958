def to_xml(message):
    root = ElementTree.Element("message")
    for key, text in message.items():
        ElementTree.SubElement(root, key).text = text
    return ElementTree.tostring(root, encoding="unicode")


def from_xml(raw):
    return {child.tag: child.text or "" for child in defusedxml.ElementTree.fromstring(raw)}


CODECS = {"kit.json.v1": (json.dumps, json.loads), "kit.xml.v1": (to_xml, from_xml)}


async def format_handler(ws):
    write, read = ...  # 1 accept: which entry of CODECS belongs to this connection?
    async for raw in ws:  # 2 read
        message = read(raw)  # 3 decide
        await ws.send(write(message))  # 4 answer


def health(connection, request):
    if request.path == "/healthz":
        return connection.respond(200, "ok\n")


def serve_kwargs():
    return {"subprotocols": ..., "process_request": health}
