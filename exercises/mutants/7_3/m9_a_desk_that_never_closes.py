"""7.3 clean-up: 2 s after the client has left, tasks of yours still run. At the end, await or cancel what is pending."""

import asyncio
import json
import uuid

from websockets import ConnectionClosed


async def guarded(ws, process, log, notify):
    incidents = asyncio.Queue()

    async def desk():
        while True:
            kind, gathered = await incidents.get(), {}
            gathered[kind] = 1
            await asyncio.sleep(0.3)
            while not incidents.empty():
                kind = incidents.get_nowait()
                gathered[kind] = gathered.get(kind, 0) + 1
            for kind, count in gathered.items():
                try:
                    await notify({"error": kind, "count": count})
                except Exception:
                    log.exception("admin not notified")

    task = asyncio.create_task(desk())
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
                log.exception("%s: %s of %s", error_id, message["type"], ws.user)
                incidents.put_nowait(type(exc).__name__)
                error = {"code": "internal", "message": "internal error", "error_id": error_id}
                reply = {"ok": False, "error": error}
            await ws.send(json.dumps({"id": message["id"]} | reply))
    except ConnectionClosed:
        pass
    finally:
        await task
