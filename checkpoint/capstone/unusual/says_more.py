"""Every body holds a field more than the contract names."""

OLD = """\
                await bidder.ws.send(encode(type, body, id))
"""

NEW = """\
                await bidder.ws.send(encode(type, {"sent": time.time()} | (body or {}), id))
"""
