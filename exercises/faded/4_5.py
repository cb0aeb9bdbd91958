async def broadcast_test(urls):
    clients = []
    try:
        for url in urls:
            clients.append(await connect(url))  # 1 a listener at each server
        for speaker in clients:  # 2 speak at each
            word = uuid.uuid4().hex  # 3 something that nobody says by chance
            ...  # say it
            for client in clients:
                await hears(client, word)
    finally:
        for client in clients:  # 5 clean up
            await client.close()


async def hears(client, word):
    try:
        ...  # 4 read, for a second each time, until a message holds the word: greetings and news go by
    except TimeoutError:
        raise AssertionError(f"{word} was not heard by everybody") from None
