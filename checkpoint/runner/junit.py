"""The verdicts as JUnit XML, for what reads test reports.

Rules of this file: only a verdict "failed" is a failure; a time-out, a crash or what could not be run is an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from xml.etree import ElementTree

from wslab.grading.verdict import Outcome
from wslab.pictures.theme import escape

from .items import Judged


def junit(judged: Sequence[Judged]) -> str:
    """A suite for each part, a case for each item."""
    root = ElementTree.Element("testsuites", {"name": "checkpoint", **_counts(judged)})
    for part, group in groupby(judged, lambda one: one.item.part):
        ones = list(group)
        suite = ElementTree.SubElement(root, "testsuite", {"name": f"checkpoint.{part}", **_counts(ones)})
        for one in ones:
            name = escape(f"{one.name} {one.item.title}")
            seconds = f"{one.seconds:.3f}"
            case = ElementTree.SubElement(suite, "testcase", classname=suite.get("name", ""), name=name, time=seconds)
            if not one.passed:
                kind = "failure" if one.verdict is Outcome.FAILED else "error"
                wrong = ElementTree.SubElement(case, kind, type=one.verdict.value, message=escape(one.line))
                if one.recording is not None:
                    wrong.text = one.recording.text()
    ElementTree.indent(root)
    return ElementTree.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _counts(judged: Sequence[Judged]) -> dict[str, str]:
    failures = sum(one.verdict is Outcome.FAILED for one in judged)
    errors = sum(not one.passed for one in judged) - failures
    seconds = sum(one.seconds for one in judged)
    return {"tests": str(len(judged)), "failures": str(failures), "errors": str(errors), "time": f"{seconds:.3f}"}
