"""Asks twice with one token, in a coroutine function."""


async def auth_flow():
    login = ["open", "send credentials", "receive session", "store token"]
    return login + 2 * ["send token+request", "receive response"]
