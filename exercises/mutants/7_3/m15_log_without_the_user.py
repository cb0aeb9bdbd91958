"""7.3 log: the record does not hold the user."""

import asyncio
import json
import uuid

from websockets import ConnectionClosed


async def guarded(ws, process, log, notify):
    gathered = {}
    pending = set()

    def incident(kind):
        if kind in gathered:
            gathered[kind] += 1
            return
        gathered[kind] = 1
        task = asyncio.create_task(tell(kind))
        pending.add(task)
        task.add_done_callback(pending.discard)

    async def tell(kind):
        await asyncio.sleep(0.5)
        try:
            await notify({"error": kind, "count": gathered.pop(kind)})
        except Exception:
            log.exception("admin not notified")

    try:
        async for text in ws:
            message = json.loads(text)
            try:
                reply = {"ok": True, "body": await process(message)}
            except ValueError:
                log.info("%s of %s is refused", message["type"], ws.user)
                reply = {"ok": False, "error": {"code": "bad_request", "message": "this cannot be done"}}
            except Exception as exc:
                error_id = uuid.uuid4().hex
                log.exception("%s: %s failed", error_id, message["type"])
                incident(type(exc).__name__)
                error = {"code": "internal", "message": "internal error", "error_id": error_id}
                reply = {"ok": False, "error": error}
            await ws.send(json.dumps({"id": message["id"]} | reply))
    except ConnectionClosed:
        pass
    finally:
        await asyncio.gather(*pending)
