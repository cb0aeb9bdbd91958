"""Strictly one after the other, with recv in a loop and answers as bytes-free compact JSON."""

import json

from websockets import ConnectionClosed


async def rpc_handler(ws, process):
    try:
        while True:
            request = json.loads(await ws.recv())
            result = await process(request["body"])
            await ws.send(json.dumps(dict(request, body=result), separators=(",", ":")))
    except ConnectionClosed:
        return
