"""5.1 cut frame: {n} {bytes} missing, expected ValueError: TCP may deliver half a frame."""


def frame_info(data):
    if len(data) < 2:
        raise ValueError("the frame is not complete")
    fin, opcode = bool(data[0] & 0x80), data[0] & 0x0F
    masked, length = bool(data[1] & 0x80), data[1] & 0x7F
    longer = {126: 2, 127: 8}.get(length, 0)
    start = 2 + longer + (4 if masked else 0)
    if longer:
        length = int.from_bytes(data[2 : 2 + longer], "big")
    if len(data[start:]) < length:
        raise ValueError("the frame is not complete")
    payload = data[start : start + length]
    if masked:
        key = data[start - 4 : start]
        payload = bytes(byte ^ key[number % 4] for number, byte in enumerate(payload))
    return {"fin": fin, "opcode": opcode, "masked": masked, "length": length, "payload": payload}
