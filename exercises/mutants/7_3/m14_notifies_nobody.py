"""7.3 notification: nobody was told of {kind}."""

import asyncio
import json
import uuid

from websockets import ConnectionClosed


async def guarded(ws, process, log, notify):
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
                error = {"code": "internal", "message": "internal error", "error_id": error_id}
                reply = {"ok": False, "error": error}
            await ws.send(json.dumps({"id": message["id"]} | reply))
    except ConnectionClosed:
        pass
