"""The front desk: who has logged in there gets a token, and all servers can ask whose it is."""

import hmac
import secrets
import time


class Sessions:
    """The sessions of everybody, in the store. A token is a number and what proves it: "5b0c.d81f..."."""

    def __init__(self, store):
        self.store = store

    async def find(self, token):
        """Return the session of `token`, `{"user": "ada", "exp": 1795421451.9}`; `None` if unknown or revoked.

        `exp` is when it ends, on the clock of `time.time()`: whether that is over is for the caller to see.
        """
        if not isinstance(token, str) or not token.isascii():
            return None
        number, _, proof = token.partition(".")
        session, _ = await self.store.get(f"session:{number}")
        # Not ==, which is the quicker the sooner two texts differ: a thief could time it.
        if session is None or not hmac.compare_digest(proof.encode(), session.pop("proof").encode()):
            return None
        return session

    async def admit(self, user, lasts_s, secret=""):
        """Begin a session; returns its token, in which `secret` stands."""
        number, proof = secrets.token_hex(4), secrets.token_hex(8) + secret
        await self.store.put(f"session:{number}", {"user": user, "exp": time.time() + lasts_s, "proof": proof}, 0)
        return f"{number}.{proof}"

    async def revoke(self, token):
        """End a session before its time."""
        key = f"session:{token.partition('.')[0]}"
        _, version = await self.store.get(key)
        await self.store.put(key, None, version)
