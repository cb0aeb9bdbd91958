"""A callable object with `recv` in a loop, `partition` and `match`."""

from contextlib import suppress

from websockets import ConnectionClosedOK


class Notes:
    async def __call__(self, ws, db):
        with suppress(ConnectionClosedOK):
            while True:
                message = await ws.recv()
                await ws.send("ERR" if isinstance(message, bytes) else await self.answer(db, message))

    async def answer(self, db, message):
        command, _, rest = message.partition(" ")
        key, space, value = rest.partition(" ")
        match command, key, space:
            case "SET", str(), " ":
                await db.save(key, value)
                return "OK"
            case "GET", str(), "" if key:
                return "NONE" if (found := await db.load(key)) is None else found
        return "ERR"


notes_handler = Notes()
