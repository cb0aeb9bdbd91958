"""Questions 16 and 17: the bytes of a frame, and the bytes on the wire."""

from wslab.trace import DATA, Kind

from .forms import OneOf, Whole, Word
from .model import LESSONS, Evidence, Question, Why, dial, fenced, played

WORDS = tuple(
    "anchor basket candle dragon ember falcon garden harbor island jigsaw "
    "kettle lantern meadow needle orchard pepper quiver ribbon saddle timber".split()
)
BEGINNINGS = tuple(f"{first:02x} {second:02x}" for first in (0, 1, 2, 0x80, 0x81, 0x82) for second in range(256))
PLAUSIBLE_BYTES = 15  # what a frame may cost beside its payload: 0 to 14 bytes


class Frame(Question):
    number, title, group = 16, "A frame, byte by byte", 5
    lesson = f"{LESSONS}05_data_format.ipynb#2-A-frame,-bit-by-bit"
    about = ("5.1", "p5.2", "e5.2", "m5")
    shown = True

    def draw(self, dice):
        first, second = (dice.choice(WORDS) + dice.choice(("", "-", " ")) + dice.choice(WORDS) for _ in range(2))
        return {"first": first, "second": second, "up": dice.random() < 0.5}

    def ask(self, drawn, evidence):
        frame = next(event for event in evidence.events if event.kind is Kind.TEXT)
        whose = "client" if drawn["up"] else "server"
        return (
            f"A {whose} sent one text message in two fragments. The first frame, as it crossed the wire:\n\n"
            f"{fenced(frame.raw.hex(' '))}\n\nRead it: `fin` (0 or 1), `opcode`, `masked` (0 or 1), `length` and `payload` (the "
            f"text). The second fragment holds {len(drawn['second'].encode())} bytes of text, and with it the message is complete. "
            'With which two bytes does that frame begin? Write `next` as hexadecimal digits, such as `"a1 0f"`.'
        )

    def forms(self, drawn):
        bit = OneOf((0, 1))
        return {
            "fin": bit,
            "opcode": Whole(0, 15),
            "masked": bit,
            "length": Whole(0, 127),
            "payload": Word(WORDS),
            "next": OneOf(BEGINNINGS),
        }

    async def record(self, drawn):
        async def send(ws):
            async with ws.send_context():  # send([...]) would end the message with a third, empty fragment
                ws.protocol.send_text(drawn["first"].encode(), fin=False)
                ws.protocol.send_continuation(drawn["second"].encode(), fin=True)

        async def speaker(ws):
            if not drawn["up"]:
                await send(ws)
            async for _ in ws:
                pass

        async with played(("Speaker", speaker, {})) as (server, recording):
            async with dial(server, "client") as ws:
                if drawn["up"]:
                    await send(ws)
                else:
                    await ws.recv()
                await recording.settled()
            await recording.settled()
        return Evidence(recording)

    def key(self, drawn, evidence):
        first, second = (event for event in evidence.events if event.kind in DATA)
        return {
            "fin": first.raw[0] >> 7,
            "opcode": first.raw[0] & 0x0F,
            "masked": first.raw[1] >> 7,
            "length": first.raw[1] & 0x7F,
            "payload": first.text,
            "next": second.raw[:2].hex(" "),
        }

    def why(self, part, said, drawn, evidence):
        lines = {
            "fin": "the highest bit of the first byte says whether the message ends with this frame",
            "opcode": "the four lowest bits of the first byte; the highest one is FIN",
            "masked": "the highest bit of the second byte; one direction always has it",
            "length": "the seven lowest bits of the second byte",
            "payload": "after the header: two bytes, and four more of key where the frame is masked; then XOR with the key",
            "next": "a later fragment does not say again what kind of message it is; its FIN tells that the message ends, and "
            "its second byte holds MASK and its own length",
        }
        return Why(lines[part], lambda event: event.kind is (Kind.CONTINUATION if part == "next" else Kind.TEXT))


class Wire(Question):
    number, title, group = 17, "Bytes on the wire", 5
    lesson = f"{LESSONS}05_data_format.ipynb#3-What-a-frame-costs"
    about = ("5.1", "p5.1", "r6", "e5.2", "r5")
    PARTS = ("up_1", "down_1", "up_2", "down_2", "up_3", "down_3")

    def draw(self, dice):
        short = dice.choice((dice.randint(1, 124), 125))
        middle = dice.choice((126, dice.randint(127, 65_534), 65_535))
        long = dice.choice((65_536, dice.randint(65_537, 90_000)))
        lengths = [short, middle, long]
        dice.shuffle(lengths)
        return {"lengths": lengths}

    def ask(self, drawn, evidence):
        one, two, three = drawn["lengths"]
        return (
            f"A client sends three binary messages, of {one}, {two} and {three} bytes, and the server sends each of them back. "
            "No compression, each message in one frame. How many bytes cross the wire for each message, up and down?"
        )

    def forms(self, drawn):
        return {
            part: Whole(length, length + PLAUSIBLE_BYTES - 1)
            for part, length in zip(self.PARTS, [n for n in drawn["lengths"] for _ in "ud"], strict=True)
        }

    async def record(self, drawn):
        async def echo(ws):
            async for data in ws:
                await ws.send(data)

        async with played(("Echo", echo, {})) as (server, recording):
            async with dial(server, "client") as ws:
                for length in drawn["lengths"]:
                    await ws.send(bytes(length))
                    await ws.recv()
                    await recording.settled()
            await recording.settled()
        return Evidence(recording)

    def key(self, drawn, evidence):
        sizes = [event.wire_bytes for event in evidence.events if event.kind is Kind.BINARY]
        return dict(zip(self.PARTS, sizes, strict=True))

    def why(self, part, said, drawn, evidence):
        length = drawn["lengths"][int(part[-1]) - 1]
        line = (
            "a header has two bytes at least; a length that does not fit into seven bits needs a longer field, and one of "
            "the two directions carries a key"
        )
        up = part.startswith("up")
        return Why(line, lambda event: event.kind is Kind.BINARY and event.up == up and event.length == length)


QUESTIONS = (Frame(), Wire())
