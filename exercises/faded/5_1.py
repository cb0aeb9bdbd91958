def frame_info(data):
    if len(data) < 2:
        raise ValueError("the frame is not complete")
    # 1 byte 0
    fin, opcode = bool(data[0] & 0x80), data[0] & 0x0F
    # 2 byte 1
    masked, length = bool(data[1] & 0x80), data[1] & 0x7F
    # 3 the longer forms: how many bytes of length follow, and where does the payload start?
    longer = {126: 2, 127: 8}.get(length, 0)
    start = 2 + longer + (4 if masked else 0)
    if longer:
        length = ...  # int.from_bytes(some bytes of data, "big")
    # 4 is all of it there?
    if len(data) < start or len(data) < start + length:
        raise ValueError("the frame is not complete")
    # 5 take the mask off
    payload = data[start : start + length]
    if masked:
        key = data[start - 4 : start]
        payload = ...  # section 2 of the lesson does it in one line
    return {"fin": fin, "opcode": opcode, "masked": masked, "length": length, "payload": payload}
