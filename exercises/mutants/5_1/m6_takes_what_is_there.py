"""5.1 cut frame: {n} {bytes} missing, expected ValueError: TCP may deliver half a frame."""


def frame_info(data):
    masked, length = bool(data[1] & 0x80), data[1] & 0x7F
    start = 2
    if length == 126:
        length, start = int.from_bytes(data[2:4], "big"), 4
    elif length == 127:
        length, start = int.from_bytes(data[2:10], "big"), 10
    if masked:
        key, start = data[start : start + 4], start + 4
        payload = bytes(byte ^ key[number % 4] for number, byte in enumerate(data[start:]))
    else:
        payload = data[start:]
    return {
        "fin": bool(data[0] & 0x80),
        "opcode": data[0] & 0x0F,
        "masked": masked,
        "length": length,
        "payload": payload,
    }
