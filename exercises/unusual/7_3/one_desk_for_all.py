"""A queue and one task that tells, for each connection; a fixed window of half a second; the traceback in an extra."""

import asyncio
import json
import secrets
import traceback
from collections import Counter

from websockets import ConnectionClosed


async def tell_all(incidents, log, notify):
    while True:
        counts = Counter([await incidents.get()])
        try:
            async with asyncio.timeout(0.5):
                while True:
                    counts[await incidents.get()] += 1
        except TimeoutError:
            pass
        told = [notify({"error": kind, "count": count}) for kind, count in counts.items()]
        for result in await asyncio.gather(*told, return_exceptions=True):
            if isinstance(result, Exception):
                log.warning("nobody was notified: %r", result)


async def guarded(ws, process, log, notify):
    incidents = asyncio.Queue()
    teller = asyncio.create_task(tell_all(incidents, log, notify))
    try:
        while True:
            message = json.loads(await ws.recv())
            number, kind = message["id"], message["type"]
            try:
                reply = {"id": number, "ok": True, "body": await process(message)}
            except ValueError as exc:
                log.info(f"{ws.user} made a mistake with {kind}: {exc}")
                reply = {"id": number, "ok": False, "error": {"code": "bad_request", "message": str(exc)}}
            except Exception as exc:
                error_id = "E-" + secrets.token_urlsafe(6)
                details = {"error_id": error_id, "user": ws.user, "request": kind, "trace": traceback.format_exc()}
                log.critical("incident", extra=details)
                incidents.put_nowait(type(exc).__name__)
                error = {"code": "internal", "message": "Please call us.", "error_id": error_id}
                reply = {"id": number, "ok": False, "error": error}
            await ws.send(json.dumps(reply))
    except ConnectionClosed:
        pass
    finally:
        teller.cancel()
