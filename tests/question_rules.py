"""The keys of the twenty questions a second time, from rules instead of recordings: nothing is run here.

`KEYS[7](drawn)` is what question 7 must have as its answer for the values `drawn`. The rules are those of RFC 6455, of
the library, and of the lessons; the code that draws, asks and records is not used.
"""

from __future__ import annotations

from itertools import count, cycle

ROWS = "abcdefg"


def counts(drawn):
    """1: what crosses while notes are posted and one client leaves and comes back."""
    names, posts, greets = len(drawn["names"]), len(drawn["posts"]), drawn["greets"]
    connections = names + 1
    pushes = posts * (names - 1) + (connections if greets else 0)
    return {
        "connections": connections,
        "handshakes": connections,
        "up": posts,
        "down": posts + pushes,
        "pushes": pushes,
    }


def first_push(drawn):
    """2: the number of the first push and of its cause, counted along the program."""
    arrow, watcher = 2 * len(drawn["names"]), None
    for verb, name, _ in drawn["actions"]:
        asked = arrow + 1
        if verb == "save" and watcher not in (None, name):
            # After the question and the INSERT come the answer and the push, which nothing orders but their names.
            return {"arrow": asked + (2 if watcher < name else 3), "because_of": asked}
        watcher = name if verb == "watch" else watcher
        arrow += 2 if verb == "watch" else 3
    raise AssertionError("no push")


def timeline(drawn):
    """3: in turns the order is kept and times add up; side by side the shortest is first."""
    delays = drawn["delays"]
    return {
        "in_turns": [0, 1, 2, 3],
        "in_turns_s": sum(delays),
        "tasks": [number for _, number in sorted((delay, number) for number, delay in enumerate(delays))],
        "tasks_s": max(delays),
    }


def calls(drawn):
    """4: an answer belongs to its id, and comes in time or not at all."""
    ends = [drawn["values"][name] if drawn["times"][name] < 0.15 else "TimeoutError" for name in drawn["ids"]]
    return {"a": ends[0], "b": ends[1], "c": ends[2], "d": ends[3], "events": drawn["push"]}


def blocked(drawn):
    """5: who comes while the loop stands still waits until it goes on."""
    first, second, third, fourth = (max(at, drawn["sleep"]) for at in drawn["asked"])
    return {"first": first, "second": second, "third": third, "fourth": fourth}


STATUS = {
    426: ("plain", "hop"),
    400: ("no key", "version", "format"),
    405: ("post",),
    505: ("old http",),
    403: ("evil origin", "no origin"),
    401: ("no token",),
    500: ("raises",),
    503: ("closing",),
    101: ("origin", "formats", "token"),
}


def handshakes(drawn):
    """6: section 7 of the facts, by kind of request."""
    known = {case: status for status, cases in STATUS.items() for case in cases}
    return {row: known[case] for row, case in zip(ROWS, drawn["cases"], strict=False)}


def three_places(drawn):
    """7: what each of the nine clients meets."""
    met = [
        ("http", 401),
        ("http", 404),
        ("message", "bad_json"),
        ("message", "not_object"),
        ("message", "bad_item"),
        ("close", 1011),
        ("close", drawn["many"]),
        ("close", 1009),
        ("close", drawn["quit"]),
    ]
    return {row: met[number] for row, number in zip(ROWS, drawn["clients"], strict=False)}


def leaks(drawn):
    """8: where the token stands, counted over the request's lines and the frames."""
    token, places, name = drawn["token"], drawn["places"], drawn["name"]
    found, at = [], 0

    def line(text, place="", before=""):
        nonlocal at
        if place in places:
            found.append(at + len(before))
        at += len(text) + 2

    path = f"GET /live?name={name}"
    line(path + (f"&token={token}" if "path" in places else "") + " HTTP/1.1", "path", path + "&token=")
    line("Host: 127.0.0.1")
    line("Upgrade: websocket")
    line("Connection: Upgrade")
    if "cookie" in places:
        line(f"Cookie: session={token}", "cookie", "Cookie: session=")
    line("Sec-WebSocket-Key: " + 24 * "k")
    if "authorization" in places:
        line(f"Authorization: Bearer {token}", "authorization", "Authorization: Bearer ")
    line("Sec-WebSocket-Version: 13")
    offered = "Sec-WebSocket-Protocol: kit.json.v1"
    line(offered + (f", {token}" if "protocol" in places else ""), "protocol", offered + ", ")
    line("")
    if "message" in places:
        found.append(at + 6 + len(f'{{"hello": "{name}", "token": "'))  # two bytes of header, four of key
    return {"up": sorted(found), "in_log": found[:1] if "path" in places else []}


def answer_to(drawn, head):
    """8, down: after the head of the 101 comes one frame, whose header has two bytes."""
    return [head + 2 + len(f'{{"welcome": "{drawn["name"]}", "token": "')] if "reply" in drawn["places"] else []


def expiry(drawn):
    """9: only who looks at the clock by itself ends the connection."""
    lives, every = drawn["lives"], drawn["every"]
    looks = next(turn * every for turn in count(1) if turn * every >= lives)
    when = {"asked": "open", "timer": lives, "sweep": looks, "leeway": lives + 0.1}
    return {f"v{number}": when[variant] for number, variant in enumerate(drawn["variants"], 1)}


def balanced(drawn):
    """10: a connection is given to the next server that is up, and stays there."""
    turn, got, at = cycle((1, 2, 3)), {1: 0, 2: 0, 3: 0}, {}
    for client, messages in enumerate(drawn["before"]):
        at[client] = next(turn)
        got[at[client]] += messages
    for client, messages in enumerate(drawn["after"]):
        if at[client] == drawn["stopped"]:
            at[client] = next(server for server in turn if server != drawn["stopped"])
        got[at[client]] += messages
    return {f"server_{number}": messages for number, messages in got.items()}


def room(drawn):
    """11: without a backplane those who came as many steps before or after, with one everybody."""
    clients, servers, speaker = drawn["clients"], drawn["servers"], drawn["speaker"]
    everybody = range(1, clients + 1)
    return {
        "without": {client for client in everybody if (client - speaker) % servers == 0},
        "with": set(everybody),
    }


def slow_reader(drawn):
    """12: how much goes into the buffer before a send waits, and into buffer and queue before they are full."""
    size, messages, buffer = drawn["size"], drawn["count"], drawn["buffer"]
    before = buffer // size  # the next one makes it too much, and waits there
    runs_over = messages > before + 1 + drawn["queue"]
    return {
        "loop_fast": before,
        "loop_waiting_kB": (before + 1) * size,
        "broadcast_fast": messages,
        "broadcast_waiting_kB": messages * size,
        "queue_fast": messages,
        "queue_waiting_kB": 0 if runs_over else messages * size,
    }


def orders(drawn):
    """13: possible is what keeps the order of each sender."""
    possible = set()
    for row, order in zip(ROWS, drawn["orders"], strict=True):
        places = {name: place for place, name in enumerate(order)}
        kept = all(
            places[f"{who}{number}"] < places[f"{who}{number + 1}"]
            for who, sent in zip("AB", drawn["counts"], strict=True)
            for number in range(1, sent)
        )
        if kept:
            possible.add(row)
    return {"possible": possible}


def replay(drawn):
    """14: what comes after the last one seen, as far as it is still there, up to the limit."""
    after = [seq for seq in range(drawn["first"], drawn["last"] + 1) if seq > drawn["seen"]]
    return {"replay": after[: drawn["limit"]], "lost": [seq for seq in after if seq < drawn["later"]]}


def backoff(drawn):
    """15: doubled with each wait, capped, then made smaller by chance; an event sets it back."""
    waits, ceiling = [], drawn["base"]
    for number, factor in enumerate(drawn["random"], 1):
        if number == drawn["useful"]:
            ceiling = drawn["base"]
        waits.append(factor * min(drawn["cap"], ceiling))
        ceiling *= 2
    return {"waits": waits, "reset": drawn["useful"]}


def frame(drawn):
    """16: RFC 6455 5.2 and 5.4."""
    mask = 0x80 if drawn["up"] else 0
    return {
        "fin": 0,
        "opcode": 1,
        "masked": int(drawn["up"]),
        "length": len(drawn["first"]),
        "payload": drawn["first"],
        "next": f"80 {mask + len(drawn['second']):02x}",
    }


def wire(drawn):
    """17: two bytes, two or eight more for a long length, four for the key upwards."""
    key = {}
    for number, length in enumerate(drawn["lengths"], 1):
        header = 2 if length < 126 else 4 if length < 65_536 else 10
        key |= {f"up_{number}": header + 4 + length, f"down_{number}": header + length}
    return key


def envelope(drawn):
    """18: the codes of exercise 5.2, in the order of its checks."""
    said = "ok ok too_big ok too_big not_text bad_json bad_json bad_json not_object not_object not_object".split()
    said += "bad_type bad_type bad_version bad_version bad_version".split()
    return {row: said[case] for row, case in zip(ROWS, drawn["cases"], strict=False)}


def survives(drawn):
    """19: what belongs to the connection, to the process, and to neither."""
    of_process, of_neither = {"module", "memory_table"}, {"file_table", "token", "sequence"}
    return {
        row: {"socket", "process", "both"} if place in of_neither else {"socket"} if place in of_process else set()
        for row, place in zip(ROWS, drawn["places"], strict=False)
    }


def ends(drawn):
    """20: what the client sees, by kind of end."""
    codes = {"returns": 1000, "goes": 1001, "bare": 1005, "raises": 1011, "restarts": 1012, "full": 1013}
    codes |= {"expired": 4401, "large": 1009}
    steps = {1000: "done", 1005: "done", 1001: "retry", 1011: "retry", 1012: "retry", 1013: "retry_later"}
    key = {}
    for row, (kind, own) in zip(ROWS, drawn["ends"], strict=False):
        if kind in ("cut", "silent", "unheard"):  # no close frame came
            sent = {"cut": None, "silent": 1011, "unheard": own}[kind]
            key[row] = ["ConnectionClosedError", None, sent, 1006, "raises", "retry"]
            continue
        code = codes.get(kind, own)
        normal = code in (1000, 1001, 1005)
        step = steps.get(code, "refresh_token" if code == 4401 else "fix_code")
        name = "ConnectionClosedOK" if normal else "ConnectionClosedError"
        key[row] = [name, code, code, code, "quiet" if normal else "raises", step]
    return key


KEYS = {
    number: rule
    for number, rule in enumerate(
        [
            counts, first_push, timeline, calls, blocked, handshakes, three_places, leaks, expiry, balanced, room,
            slow_reader, orders, replay, backoff, frame, wire, envelope, survives, ends,
        ],
        1,
    )
}  # fmt: skip
