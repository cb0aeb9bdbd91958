"""The unprompted message comes between the message and its answer; a coroutine function."""


async def life_of_connection():
    life = ["TCP end", "close frame back", "close frame", "server message", "client message"]
    life += ["101 Switching Protocols", "GET with Upgrade", "TCP connect"]
    life.insert(4, "unprompted server message")
    return life[::-1]
