"""2.2 id: sent id {i}, got {j}. Send back the client's id unchanged."""

import json


async def rpc_handler(ws, process):
    number = 0
    async for message in ws:
        request = json.loads(message)
        number += 1
        await ws.send(json.dumps({"id": number, "body": await process(request["body"])}))
