"""What can go wrong in the kit, as exceptions, and the catalogue of every text of the kit that a learner meets.

English texts stand where they are used, as `say("what happened: what to do", name=value)`; what a message says is what
happened, then what to do. `locale/wslab.pot` lists them; a translation is `locale/LANGUAGE/LC_MESSAGES/wslab.mo` beside
it. What is recorded (names of lanes, words on arrows, why bytes are not valid) and the `ok`, `FAIL`, `skip` of a report
are terms, the same in every language. Feedback of the exercises' checks and the prose of notebooks are content: they
are translated as files.

Rules of this file: no text of a catalogue can break the kit, whatever is wrong with it: English then stands in.
"""

from __future__ import annotations

import contextlib
import functools
import gettext
import itertools
import os
from pathlib import Path

LOCALE = Path(__file__).parent / "locale"
VARIABLES = ("LANGUAGE", "LC_ALL", "LC_MESSAGES", "LANG")  # the first one that is set decides
SOURCE = ("en", "C", "POSIX")  # languages that need no catalogue


class LabError(Exception):
    """A misuse of the kit, or something the kit cannot do here. Shown in a notebook as its message alone."""

    def _render_traceback_(self) -> list[str]:  # IPython asks for this instead of printing a traceback
        return [f"{type(self).__name__}: {self}"]


class RecordingError(LabError):
    """A recording cannot be made, read, or brought to rest."""


def say(text: str, /, **values: object) -> str:
    """Return `text` in the learner's language, its `{names}` filled in with `values` as `str.format` does.

    `text` is a literal, so that the catalogue can be made from the code; a text in a table is marked by `later`.
    """
    return _filled(_catalogue(_languages(), LOCALE).gettext(text), text, values)


def say_many(one: str, many: str, count: int, /, **values: object) -> str:
    """Return what `say` returns of `one` or `many`, as the learner's language counts; `{count}` is filled in, too."""
    english = one if count == 1 else many
    try:
        translated = _catalogue(_languages(), LOCALE).ngettext(one, many, count)
    except Exception:  # a formula for plurals that divides by zero
        translated = english
    return _filled(translated, english, {"count": count} | values)


def later(text: str, /) -> str:
    """Mark a text for the catalogue that `say` will say, where it is used."""
    return text


def _filled(translated: str, english: str, values: dict[str, object]) -> str:
    if translated not in ("", english):
        # Names that the English text does not have, a lone brace, a format that does not fit: anything may be raised.
        with contextlib.suppress(Exception):
            return translated.format(**values)
    return english.format(**values)


def _languages() -> tuple[str, ...]:
    """The languages that the environment asks for, best first, up to the one that the texts are written in."""
    asked = next(filter(None, map(os.environ.get, VARIABLES)), "")
    return tuple(itertools.takewhile(lambda name: not name.startswith(SOURCE), filter(None, asked.split(":"))))


@functools.cache
def _catalogue(languages: tuple[str, ...], folder: Path) -> gettext.NullTranslations:
    try:
        return gettext.translation("wslab", folder, languages, fallback=True)
    except Exception:  # a broken file: it may hold any bytes
        return gettext.NullTranslations()
