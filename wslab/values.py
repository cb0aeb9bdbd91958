"""Values on their way between a check and a learner's code: plain data in, JSON with tags out, and back.

`bytes`, sets, tuples, NaN and dictionaries with any keys arrive as what they were. Whatever is not exactly of a
built-in type arrives as a `Described`: its type and text, never the thing itself, whose methods could say anything.

Rules of this file: nothing that comes from a learner's code is trusted, and nothing here waits.
"""

from __future__ import annotations

import base64
import inspect
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

TAG = "$"
DEPTH = 60
TEXT = 300  # characters of a description
DIGITS = 4000  # of an integer that JSON may carry: Python refuses to read 4,301

Json = Any
Describe = Callable[[Any], Json]
Import = Callable[[dict[str, Any]], Any]


@dataclass(frozen=True)
class Described:
    """A value that is no plain data: the name of its type, and how it would print."""

    type: str
    text: str

    def __repr__(self) -> str:
        return self.text


class Raised(Exception):
    """An exception of the learner's code, as a check sees it.

    `type` is the name of its class, `types` the names of all its classes, `text` what it says; `attributes` holds what
    it carries as plain data, and what was asked for by name.
    """

    def __init__(self, type: str, text: str, types: tuple[str, ...], attributes: dict[str, Any]) -> None:
        super().__init__(f"{type}: {text}")
        self.type, self.text, self.types, self.attributes = type, text, types, attributes

    def isa(self, *names: str) -> bool:
        """Is it of one of these classes, by name, or of one derived from them?"""
        return not set(names).isdisjoint(self.types)


def describe(value: Any) -> Json:
    """The name of the type of `value`, and its text; a coroutine is closed, so that nobody misses its await."""
    if inspect.iscoroutine(value):
        value.close()
        text = "a coroutine"
    else:
        try:
            text = str(repr(value))[:TEXT]
        except BaseException as exc:  # whatever a learner's __repr__ does
            text = f"an object whose repr() raised {type(exc).__name__}"
    return {TAG: "described", "type": type(value).__name__, "text": text}


def pack(value: Any, other: Describe = describe, depth: int = 0) -> Json:
    """`value` as JSON; what is no plain data becomes what `other` makes of it."""
    kind = type(value)
    if value is None or kind in (bool, float, str):
        return value
    if kind is int:
        return value if value.bit_length() < 3 * DIGITS else {TAG: "int", "hex": hex(value)}
    if depth > DEPTH:
        return {TAG: "described", "type": kind.__name__, "text": f"a {kind.__name__}, nested more than {DEPTH} deep"}
    if kind is list:
        return [pack(item, other, depth + 1) for item in value]
    if kind in (tuple, set, frozenset):
        return {TAG: kind.__name__, "items": [pack(item, other, depth + 1) for item in value]}
    if kind is dict:
        pairs = [[pack(key, other, depth + 1), pack(item, other, depth + 1)] for key, item in value.items()]
        return {TAG: "dict", "items": pairs}
    if kind in (bytes, bytearray):
        return {TAG: kind.__name__, "base64": base64.b64encode(value).decode()}
    return other(value)


@dataclass(frozen=True)
class Unpack:
    """Reads what `pack` wrote; `imports` says by tag what becomes of what is no plain data."""

    imports: dict[str, Import] = field(default_factory=dict)

    def __call__(self, value: Json) -> Any:
        if type(value) is list:
            return [self(item) for item in value]
        if type(value) is not dict:
            return value
        tag = value[TAG]
        if tag in self.imports:
            return self.imports[tag](value)
        match tag:
            case "int":
                return int(value["hex"], 16)
            case "tuple" | "set" | "frozenset":
                return {"tuple": tuple, "set": set, "frozenset": frozenset}[tag](map(self, value["items"]))
            case "dict":
                return {self(key): self(item) for key, item in value["items"]}
            case "bytes" | "bytearray":
                return {"bytes": bytes, "bytearray": bytearray}[tag](base64.b64decode(value["base64"]))
            case "described":
                return Described(str(value["type"]), str(value["text"]))
        raise ValueError(f"no value has the tag {tag!r}")


def pack_exception(exc: BaseException, names: tuple[str, ...] = ()) -> Json:
    """An exception as JSON, with its plain attributes and those called `names`."""
    try:
        text = str(exc)
    except Exception as problem:  # whatever a learner's __str__ does
        text = f"an exception whose str() raised {type(problem).__name__}"
    found: dict[str, Any] = {}
    for name in (*names, *getattr(exc, "__dict__", {})):
        try:
            found[str(name)] = getattr(exc, name)
        except Exception:  # not there, or a property that raises: then there is nothing to tell
            continue
    return {
        "type": type(exc).__name__,
        "text": text,
        "types": [kind.__name__ for kind in type(exc).__mro__],
        "args": [pack(item) for item in exc.args],
        "attributes": {name: pack(item) for name, item in found.items()},
    }


def unpack_exception(value: dict[str, Any]) -> Raised:
    """Read what `pack_exception` wrote."""
    attributes = {str(name): Unpack()(item) for name, item in value["attributes"].items()}
    return Raised(str(value["type"]), str(value["text"]), tuple(map(str, value["types"])), attributes)
