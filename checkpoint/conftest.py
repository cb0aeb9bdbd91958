"""`pytest checkpoint`: the judge of `wslab checkpoint`, an item a test, in the order in which they are asked."""

import asyncio

import pytest

from checkpoint.runner import command, items, lines
from checkpoint.runner.run import judge


def pytest_addoption(parser):
    group = parser.getgroup("checkpoint")
    group.addoption("--capstone-seed", type=int, metavar="N", help="of the capstone's scenarios; a new one without")
    group.addoption("--report", default="", metavar="FILE", help="write an HTML report with the recordings here")


def pytest_configure(config):
    config.option.verbose += config.option.verbose == 0  # a line for each item
    for milestone in sorted({item.group for item in items.items() if item.part == items.CAPSTONE}):
        config.addinivalue_line("markers", f"milestone{milestone}: the capstone's tests of milestone {milestone}")
    if getattr(config.option, "numprocesses", None):
        raise pytest.UsageError("the checkpoint measures times: run it without -n")
    config.stash[COURSE] = Course(config)


@pytest.hookimpl(tryfirst=True)  # the terminal's own hook tells how long it will take
def pytest_collection_finish(session):
    session.config.stash[COURSE].plan(
        [item.callspec.params["item"] for item in session.items if hasattr(item, "callspec")]
    )


def pytest_report_collectionfinish(config):
    return config.stash[COURSE].opening()


def pytest_terminal_summary(terminalreporter, config):
    for line in config.stash[COURSE].ending():
        terminalreporter.write_line(line)


@pytest.fixture(scope="session")
def verdict(pytestconfig):
    """Call it with an item: what became of it."""
    course = pytestconfig.stash[COURSE]
    with asyncio.Runner() as runner:
        yield lambda item: course.verdict(item, runner)
        course.close(runner)


class Course:
    """One run of what was collected."""

    def __init__(self, config):
        self.asked, self.judged = [], {}
        seed = config.getoption("--capstone-seed", default=None)
        self.seed = command.fresh_seed() if seed is None else seed
        self.report = config.getoption("--report", default="")
        self.left = None

    def plan(self, asked):
        """Take down what is going to be asked, before the first is."""
        self.asked = [item for item in items.items() if item in asked]
        self.left = judge(self.asked, self.seed)

    def opening(self):
        """What is going to be judged, and how long it may take."""
        return lines.opening(self.asked, self.seed) if self.asked else ""

    def verdict(self, item, runner):
        """What became of `item`; what stands before it is judged first."""
        while item.name not in self.judged:
            one = runner.run(anext(self.left))
            self.judged[one.name] = one
        return self.judged[item.name]

    def close(self, runner):
        """End what runs."""
        runner.run(self.left.aclose())

    def ending(self):
        """What all verdicts come to."""
        if not self.judged:
            return []
        ones = list(self.judged.values())
        told, _ = command.finish(ones, len(self.asked), self.seed, html_file=self.report)
        return command.ending(ones, told, self.seed)


COURSE = pytest.StashKey[Course]()
