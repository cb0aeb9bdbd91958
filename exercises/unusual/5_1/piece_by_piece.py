"""Takes one piece after the other from the front, and notices by itself when there is not enough."""


class Incomplete(ValueError):
    pass


def frame_info(data):
    place = 0

    def take(count):
        nonlocal place
        taken = data[place : place + count]
        if len(taken) < count:
            raise Incomplete("wait for more")
        place += count
        return taken

    first, second = take(2)
    masked, length = second > 127, second & 127
    if length > 125:
        length = int(take(2 if length == 126 else 8).hex(), 16)
    if not masked:
        return dict(fin=first > 127, opcode=first & 15, masked=False, length=length, payload=take(length))
    key, payload = take(4), b""
    for number, byte in enumerate(take(length)):
        payload += bytes([byte ^ key[number % 4]])
    return dict(fin=first > 127, opcode=first & 15, masked=masked, length=length, payload=payload)
