"""2.3 overtaking: a 10 ms request waited {ms} ms behind a 200 ms one on the same connection."""

import json


async def rpc_handler(ws, process):
    async for message in ws:
        request = json.loads(message)
        result = await process(request["body"])
        await ws.send(json.dumps({"id": request["id"], "body": result}))
