"""What is to be told is gathered for all connections together, and told after the connection has gone, if need be."""

import asyncio
import json
import uuid

from websockets import ConnectionClosed

counted = {}
telling = set()


async def guarded(ws, process, log, notify):
    async def tell(kind):
        while True:
            before = counted[kind]
            await asyncio.sleep(0.15)
            if counted[kind] == before:
                break
        try:
            await notify({"error": kind, "count": counted.pop(kind)})
        except Exception as exc:
            log.info("admin not notified: %s", exc)

    try:
        async for text in ws:
            message = json.loads(text)
            reply = {"id": message["id"], "ok": False}
            try:
                reply |= {"ok": True, "body": await process(message)}
            except ValueError:
                log.info("a mistake in %s", message["type"])
                reply["error"] = {"code": "bad_request", "message": "look at your request again"}
            except Exception as exc:
                kind, number = type(exc).__name__, str(uuid.uuid4())
                log.error("%s %s %s", number, ws.user, message["type"], exc_info=exc)
                counted[kind] = counted.get(kind, 0) + 1
                if counted[kind] == 1:
                    task = asyncio.get_running_loop().create_task(tell(kind))
                    telling.add(task)
                    task.add_done_callback(telling.discard)
                reply["error"] = {"code": "internal", "message": "sorry", "error_id": number}
            await ws.send(json.dumps(reply))
    except ConnectionClosed:
        log.debug("%s has left", ws.user)
