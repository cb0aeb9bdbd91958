def delays(rng, base=0.1, cap=5.0):
    longest = min(base, cap)
    while True:
        yield rng() * longest
        longest = min(2 * longest, cap)


async def follow(url, topics, on_event, *, stop, sleep=asyncio.sleep, rng=random.random):
    coming_back = asyncio.create_task(come_back(url, topics, on_event, sleep, rng))
    stopping = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait([coming_back, stopping], return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in (coming_back, stopping):  # 5 clean up: whichever still waits
            task.cancel()
        await asyncio.wait([coming_back, stopping])
    if not coming_back.cancelled():
        coming_back.result()  # so that its exception is seen, if it had one


async def come_back(url, topics, on_event, sleep, rng):
    last, waits = 0, delays(rng)
    while True:
        ws = None
        try:
            async with connect(url, close_timeout=0.5) as ws:  # 1 accept
                ...  # subscribe: to topics, and to what came after  last
                async for text in ws:  # 2 read
                    message = json.loads(text)
                    if message["type"] in ("event", "subscribed"):
                        waits = delays(rng)  # it works: the next wait is a short one
                    ...  # 3 decide: an event that is new? remember its number as  last, and hand it to on_event
        except InvalidStatus as exc:
            if exc.response.status_code in (401, 403):
                return
        except (OSError, InvalidHandshake, ConnectionClosed):
            pass
        if ws is not None and ws.close_code in (4401, 4403):
            return
        await sleep(next(waits))
