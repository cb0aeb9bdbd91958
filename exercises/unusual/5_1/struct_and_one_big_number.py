"""Takes the header apart with struct, and the mask off with one long number."""

import struct


def frame_info(data):
    view = memoryview(data)
    try:
        first, second = struct.unpack_from("BB", view)
        form = {126: "!2xH", 127: "!2xQ"}.get(second % 128, "!xB")
        [length] = struct.unpack_from(form, view)
        start, masked = struct.calcsize(form), second >= 128
        if form == "!xB":
            length %= 128
        key = struct.unpack_from("4s", view, start)[0] if masked else bytes(4)
        payload = view[start + 4 * masked :][:length]
    except struct.error as exc:
        raise ValueError("too short") from exc
    if len(payload) < length:
        raise ValueError("too short")
    number = int.from_bytes(payload, "big") ^ int.from_bytes((key * (length // 4 + 1))[:length], "big")
    return {
        "fin": first >= 128,
        "opcode": first % 16,
        "masked": masked,
        "length": length,
        "payload": bytearray(number.to_bytes(length, "big")),
        "header": start + 4 * masked,
    }
