"""Logs in on one connection and asks on another, as the lesson's desk does; a generator expression over one text."""


def auth_flow():
    login, work = "open, send credentials, receive session, store token", "open, send token+request, receive response"
    return tuple(block for part in (login, work) for block in part.split(", "))
