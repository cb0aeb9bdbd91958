"""5.1 length: you said {n}, expected {length}: the highest bit of byte 1 is MASK; take it off with 0x7F."""


def frame_info(data):
    if len(data) < 2:
        raise ValueError("the frame is not complete")
    length = data[1]
    masked = length >= 128
    start = 6 if masked else 2
    if length == 126:
        length, start = int.from_bytes(data[2:4], "big"), start + 2
    elif length == 127:
        length, start = int.from_bytes(data[2:10], "big"), start + 8
    payload = data[start : start + length]
    if masked:
        payload = bytes(byte ^ data[start - 4 + number % 4] for number, byte in enumerate(payload))
    elif len(payload) < length:
        raise ValueError("the frame is not complete")
    return {
        "fin": bool(data[0] & 0x80),
        "opcode": data[0] & 0x0F,
        "masked": masked,
        "length": length,
        "payload": payload,
    }
