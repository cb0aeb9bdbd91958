"""What was handed in: the exercise notebooks below a folder, each with the learner that it belongs to.

    FOLDER/ada/02_request_response.ipynb                      one folder for each learner, at any depth below it
    FOLDER/ada_02_request_response.ipynb                      all in one folder
    FOLDER/submitted/ada/ASSIGNMENT/02_request_response.ipynb nbgrader's
    FOLDER/wslab-ada.zip, FOLDER/ada/NAME.zip                 what `wslab export` packs

Rules of this file: nothing is run, changed or unpacked to disk; who a notebook belongs to is said by the names of
files and folders that the teacher sees, never by what is inside.
"""

from __future__ import annotations

import re
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path, PurePosixPath

from .. import catalogue
from ..errors import LabError, say
from ..grading.grade import PRISTINE

MAX_BYTES = 50_000_000  # of one notebook
BROKEN_ZIP = (zipfile.BadZipFile, zlib.error, RuntimeError, NotImplementedError, EOFError, KeyError)


@dataclass(frozen=True)
class Submission:
    """One learner's notebook of one lesson, in a file or as a `member` of a zip; `problem` says why it is none."""

    learner: str
    lesson: str
    path: Path
    member: str = ""
    problem: str = ""

    def content(self) -> bytes:
        """The notebook as it was handed in.

        Raises:
            LabError: If it cannot be read.
        """
        if self.problem:
            raise LabError(self.problem)
        try:
            if self.member:
                with zipfile.ZipFile(self.path) as packed:
                    _bounded(packed.getinfo(self.member).file_size)
                    return packed.read(self.member)
            _bounded(self.path.stat().st_size)
            return self.path.read_bytes()
        except (OSError, *BROKEN_ZIP) as exc:
            raise LabError(say("it cannot be read: {error}", error=_reason(exc))) from None

    @property
    def exercises(self) -> list[str]:
        """The exercises of its lesson; one empty name where it belongs to none."""
        return [number for number, entry in catalogue.index().items() if entry["lesson"] == self.lesson] or [""]


@dataclass
class Found:
    """What lies in a folder: submissions, and the notebooks that were passed over because of their names."""

    submissions: list[Submission] = field(default_factory=list)
    passed_over: list[str] = field(default_factory=list)


def find(place: Path) -> Found:
    """Everything handed in below `place`, a folder or a zip.

    Raises:
        LabError: If there is no such place, or nothing in it.
    """
    if not place.exists():
        raise LabError(say("there is no folder {folder}", folder=place))
    root = place / "submitted" if (place / "submitted").is_dir() else place
    files = sorted(root.rglob("*")) if root.is_dir() else [root]
    found = Found()
    for path in files:
        inside = path.relative_to(root) if root.is_dir() else Path(path.name)
        if path.suffix in (".ipynb", ".zip") and path.is_file() and not _put_aside(inside.as_posix()):
            owner = inside.parts[0] if len(inside.parts) > 1 else ""
            for submission in _members(path, owner) if path.suffix == ".zip" else [_notebook(path, owner)]:
                if submission is None:
                    found.passed_over.append(inside.as_posix())
                else:
                    found.submissions.append(submission)
    if not found.submissions:
        raise LabError(
            say(
                "there is no exercise notebook in {folder}: put LEARNER/02_request_response.ipynb or "
                "LEARNER_02_request_response.ipynb there, or what 'wslab export' packed",
                folder=place,
            )
        )
    found.submissions = _told_apart(found.submissions)
    return found


def _notebook(path: Path, owner: str) -> Submission | None:
    lesson, before = _lesson(path.stem)
    learner = owner or before
    return Submission(learner, lesson, path) if lesson and learner else None


def _members(path: Path, owner: str) -> Iterator[Submission | None]:
    """The notebooks in a zip; one submission with a problem where it is none, or has none."""
    learner = owner or path.stem.removeprefix("wslab-")
    try:
        with zipfile.ZipFile(path) as packed:
            names = [name for name in packed.namelist() if name.endswith(".ipynb") and not _put_aside(name)]
    except (OSError, *BROKEN_ZIP) as exc:
        yield Submission(learner, "", path, problem=say("it cannot be read: {error}", error=_reason(exc)))
        return
    for name in names:
        lesson, _ = _lesson(PurePosixPath(name).stem)
        yield Submission(learner, lesson, path, name) if lesson else None
    if not names:
        yield Submission(learner, "", path, problem=say("{file} holds no notebook", file=path.name))


def _lesson(stem: str) -> tuple[str, str]:
    """The lesson that a notebook's name ends with, and what stands before it; two empty texts without one."""
    for pristine in PRISTINE.glob("*.ipynb"):
        if match := re.fullmatch(rf"(?:(.+)_)?{re.escape(pristine.stem)}", stem):
            return pristine.stem, match[1] or ""
    return "", ""


def _told_apart(submissions: list[Submission]) -> list[Submission]:
    """Two notebooks of one learner for one lesson become one problem: nobody guesses which of them counts."""
    alike: dict[tuple[str, str], list[Submission]] = {}
    for submission in submissions:
        alike.setdefault((submission.learner, submission.lesson), []).append(submission)
    out = []
    for first, *others in alike.values():
        if others:
            text = say(
                "{count} notebooks were handed in for this lesson: leave one of {files}",
                count=1 + len(others),
                files=", ".join(f"{one.path.parent.name}/{one.path.name}" for one in (first, *others)),
            )
            first = replace(first, problem=text)
        out.append(first)
    return out


def _put_aside(name: str) -> bool:
    """Is it a copy that Jupyter or `wslab reset` keeps, or hidden?"""
    parts = PurePosixPath(name).parts
    return ".backup-" in parts[-1] or any(part.startswith((".", "__MACOSX")) for part in parts)


def _bounded(size: int) -> None:
    if size > MAX_BYTES:
        raise LabError(say("it is larger than {megabytes} MB", megabytes=MAX_BYTES // 1_000_000))


def _reason(exc: Exception) -> str:
    return f"{type(exc).__name__}: {getattr(exc, 'strerror', None) or exc}"
