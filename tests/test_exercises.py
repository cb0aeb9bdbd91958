"""Every check, proved both ways: stubs and wrong solutions fail with their own line, right ones pass."""

from __future__ import annotations

import tomllib

import pytest
from kit import EXERCISES, build, cases, define, matches, module, number, picked, references

from wslab import check
from wslab.catalogue import index
from wslab.report import NotSolved

REFERENCES = references()


def name(path):
    return f"{number(path)} {path.stem}"


@pytest.fixture(autouse=True)
def state(tmp_path, monkeypatch):
    """A state of its own, so that a test never touches a learner's."""
    monkeypatch.setenv("WSLAB_STATE", str(tmp_path))


@pytest.mark.parametrize("exercise", REFERENCES)
def test_reference_passes(exercise):
    """The reference solution passes its own check."""
    assert check(exercise, *define(exercise, REFERENCES[exercise])).verdict.passed


@pytest.mark.slow
@pytest.mark.parametrize("exercise", REFERENCES)
def test_reference_passes_twenty_times(exercise):
    """The reference solution passes 20 times in a row."""
    for _ in range(20):
        assert check(exercise, *define(exercise, REFERENCES[exercise])).verdict.passed


@pytest.mark.parametrize("path", cases("unusual"), ids=name)
def test_unusual_solution_passes(path):
    """A right solution of unusual form passes."""
    exercise = number(path)
    assert check(exercise, *picked(module(path), exercise)).verdict.passed


@pytest.mark.parametrize("path", cases("mutants"), ids=name)
def test_wrong_solution_meets_its_own_line(path, capsys):
    """A wrong solution fails, and the feedback names its misconception."""
    exercise, loaded = number(path), module(path)
    with pytest.raises(NotSolved) as caught:
        check(exercise, *picked(loaded, exercise))
    line = caught.value.report.verdict.wrong.line
    assert matches(line, loaded.__doc__), line
    others = [module(other).__doc__ for other in cases("mutants") if number(other) == exercise and other != path]
    assert not any(matches(line, other) for other in others if other != loaded.__doc__)


@pytest.mark.parametrize("exercise", REFERENCES)
def test_stub_fails(exercise, capsys):
    """The exercise as it ships fails and says so in a line."""
    source = next((EXERCISES / "solutions").glob(f"{int(exercise.split('.')[0]):02d}_*.py"))
    cell = next(c for c in build.exercise(source).cells if c.id == f"answer-{exercise.replace('.', '-')}")
    with pytest.raises(NotSolved) as caught:
        check(exercise, *define(exercise, cell.source))
    assert f"{exercise}  FAIL" in caught.value.report.text


@pytest.mark.parametrize("exercise", REFERENCES)
def test_faded_version_fails_until_completed(exercise, capsys):
    """The version that the last hint offers runs, and is not a solution yet."""
    source = (EXERCISES / "faded" / f"{exercise.replace('.', '_')}.py").read_text(encoding="utf-8")
    with pytest.raises(NotSolved):
        check(exercise, *define(exercise, source))


def test_every_exercise_has_all_its_parts():
    """The index and the folders agree, and no exercise lacks a part."""
    assert set(index()) == set(REFERENCES)
    for exercise, entry in index().items():
        folder = exercise.replace(".", "_")
        assert len(entry["hints"]) == 3
        assert entry["minutes"] > 0 and entry["needs"] and entry["title"] and entry["limit_s"] > 0
        assert (EXERCISES / f"{entry['lesson']}.ipynb").is_file()
        assert list((EXERCISES / "mutants" / folder).glob("m*.py")), exercise
        assert list((EXERCISES / "unusual" / folder).glob("*.py")), exercise
        assert (EXERCISES / "faded" / f"{folder}.py").is_file(), exercise


def test_index_is_plain_toml():
    """The index can be read without the kit."""
    assert tomllib.loads((EXERCISES / "exercises.toml").read_text(encoding="utf-8")) == index()
