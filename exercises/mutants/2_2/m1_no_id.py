"""2.2 id: the answer {a} has no "id": the client cannot know which request it answers."""

import json


async def rpc_handler(ws, process):
    async for message in ws:
        request = json.loads(message)
        await ws.send(json.dumps({"body": await process(request["body"])}))
