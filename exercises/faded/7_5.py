async def leak_test(url):
    secret = uuid.uuid4().hex  # 1 something that nobody says by chance
    heard = []
    async with connect(url) as ws:
        ...  # 2 make it fail: send a request of the type crash, with the secret as its body
        try:
            while True:  # 3 listen until nothing comes for a second
                heard.append(await asyncio.wait_for(ws.recv(), 1))
        except (TimeoutError, ConnectionClosed):
            pass
    assert ..., "the server tells what happened inside"  # 4 judge: is the secret in any message?
