"""Secrets never reach a recording: bytes in, the same number of bytes out, with asterisks where a secret stood.

Rules of this file: lengths are kept, so a masked picture shows the sizes that crossed the wire.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

from websockets.frames import apply_mask  # type: ignore[attr-defined]  # it picks the compiled one

_HEADER = re.compile(
    rb"(?im)^((?:authorization|cookie|set-cookie|proxy-[\w-]+|x-xsrftoken)[ \t]*:[ \t]*)"
    rb"([^\r\n]*(?:\r?\n[ \t][^\r\n]*)*)"
)
_QUERY = re.compile(rb"(?i)([?&;](?:access_token|token|ticket|_xsrf|password)=)([^&;\s]+)")
_HEAD = (_HEADER, _QUERY)
_BODY = (  # a value that is cut off at the end of what is kept counts, too
    re.compile(rb'(?i)("(?:password|token)"\s*:\s*")((?:[^"\\]|\\.?)+)', re.DOTALL),
    re.compile(rb'(?i)("(?:password|token)"\s*:\s*)([^\s",}\]\[{]+)'),
    re.compile(rb"(?i)((?:^|&)(?:password|token)=)([^&\r\n]+)"),
)
_PIECE = re.compile(rb"(?i)(?:(?:basic|bearer)[ ]+|[^\s;,=]+=)?([^\s;,]+)|[\s;,]+")
_STARRED = re.compile(rb"[^\r\n]")
_secrets: tuple[bytes, ...] = ()  # the longest first
_shown: Counter[bytes] = Counter()


def register_secret(value: str | bytes) -> None:
    """From now on mask `value` wherever it would enter a recording; empty values are ignored.

    Masked are its bytes, and the forms that it takes in JSON, in a URL and in an SQL literal. Not found is a secret
    that was encoded in any other way, or spread over several messages.
    """
    global _secrets
    _secrets = tuple(sorted(_forms(value).union(_secrets), key=lambda form: (-len(form), form)))


def _forms(value: str | bytes) -> set[bytes]:
    """The bytes of `value`, and what JSON, a URL and an SQL literal make of them; none of an empty value."""
    data = value.encode() if isinstance(value, str) else bytes(value)
    if not data:
        return set()
    forms = {data, b"x'%s'" % data.hex().encode(), data.replace(b"'", b"''")}
    text = data.decode("utf-8", "replace")
    if text.encode() == data:
        forms |= {form.encode() for form in (json.dumps(text)[1:-1], quote(text, safe=""), quote_plus(text))}
    return forms


def longest_secret() -> int:
    """The length in bytes of the longest registered secret, 0 without one."""
    return len(_secrets[0]) if _secrets else 0


def show(values: Iterable[str | bytes]) -> None:
    """From now on do not mask these demo credentials for the place where they stand; registered secrets stay masked."""
    _shown.update(form for value in values for form in _forms(value))


def hide(values: Iterable[str | bytes]) -> None:
    """Undo one `show` of the same values."""
    _shown.subtract(form for value in values for form in _forms(value))


def mask_secrets(
    data: bytes, *, head: bool = False, body: bool = False, before: bytes = b"", more: bool = False
) -> bytes:
    """Replace every secret in `data` by as many asterisks.

    Args:
        data: What would be recorded.
        head: It is an HTTP head: mask its credentials too, but for those that `show` was asked to show.
        body: It is the body of an HTTP message: mask its fields `password` and `token`, in JSON or in a form.
        before: What came before it in the same message.
        more: The message goes on: mask what may be the beginning of a secret too.
    """
    for pattern in (*(_HEAD if head else ()), *(_BODY if body else ())):
        data = pattern.sub(lambda match: match[1] + _starred(match[2]), data)
    whole = before + data
    masked = whole
    for secret in _secrets:
        masked = masked.replace(secret, b"*" * len(secret))
    if more and (begun := max((_begun(whole, secret) for secret in _secrets), default=0)):
        masked = masked[:-begun] + b"*" * begun
    return masked[len(before) :]


def _starred(value: bytes) -> bytes:
    """`value` as asterisks, but for line ends and for what `show` was asked to show, with its scheme or name before."""

    def star(match: re.Match[bytes]) -> bytes:
        return match[0] if _shown[match[0]] > 0 or _shown[match[1]] > 0 else _STARRED.sub(b"*", match[0])

    return value if _shown[value] > 0 else _PIECE.sub(star, value)


def _begun(data: bytes, secret: bytes) -> int:
    """How many bytes at the end of `data` may be the beginning of `secret`."""
    sizes = range(min(len(secret) - 1, len(data)), 0, -1)
    return next((size for size in sizes if data.endswith(secret[:size])), 0)


# Frames (RFC 6455 5.2) ----------------------------------------------------------------------------------


def payload_start(raw: bytes) -> int:
    """Where the payload of a frame begins, or the length of `raw` if its header is not complete."""
    if len(raw) < 2:
        return len(raw)
    start = 2 + {126: 2, 127: 8}.get(raw[1] & 0x7F, 0) + (4 if raw[1] & 0x80 else 0)
    return min(start, len(raw))


def unmask(raw: bytes, start: int, content: bytes) -> bytes:
    """`content` with the masking key of the frame `raw` applied, if it has one."""
    return bytes(apply_mask(content, raw[start - 4 : start])) if raw[1] & 0x80 else content


def remask(raw: bytes, payload: bytes, *, compressed: bool) -> bytes:
    """The bytes of a frame with its secrets gone: the header stays, so does the length."""
    start = payload_start(raw)
    if compressed:  # nothing of it may stay
        return raw[:start] + b"*" * (len(raw) - start)
    return raw[:start] + unmask(raw, start, payload)
