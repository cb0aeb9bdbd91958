"""Takes a place before it makes a task, so that it reads no further than it can work; a group ends what is left."""

import asyncio
import json


class Left(Exception):
    pass


async def rpc_handler(ws, process):
    places = asyncio.BoundedSemaphore(8)

    async def answer(id, body):
        try:
            body = await process(body)
        finally:
            places.release()
        await ws.send(json.dumps({"body": body, "id": id}))

    async def read(group):
        async for message in ws:
            request = json.loads(message)
            waiting = asyncio.ensure_future(places.acquire())
            gone = asyncio.ensure_future(ws.wait_closed())
            await asyncio.wait([waiting, gone], return_when=asyncio.FIRST_COMPLETED)
            gone.cancel()
            if not waiting.done():
                waiting.cancel()
                break
            group.create_task(answer(**request))
        raise Left

    try:
        async with asyncio.TaskGroup() as group:
            await read(group)
    except* Left:
        pass
