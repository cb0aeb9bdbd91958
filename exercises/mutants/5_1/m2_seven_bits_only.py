"""5.1 length {length}: you said {n}. 126 and 127 announce a longer length field."""


def frame_info(data):
    if len(data) < 2:
        raise ValueError("the frame is not complete")
    masked, length = bool(data[1] & 0x80), data[1] & 0x7F
    start = 6 if masked else 2
    payload = data[start : start + length]
    if len(payload) < length:
        raise ValueError("the frame is not complete")
    if masked:
        payload = bytes(byte ^ data[2 + number % 4] for number, byte in enumerate(payload))
    return {
        "fin": bool(data[0] & 0x80),
        "opcode": data[0] & 0x0F,
        "masked": masked,
        "length": length,
        "payload": payload,
    }
