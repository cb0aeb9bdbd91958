"""Opens and closes by hand, and iterates instead of calling recv."""

import websockets


async def ask(url, question):
    ws = await websockets.connect(url)
    try:
        await ws.send(question)
        async for answer in ws:
            return answer
    finally:
        await ws.close()
