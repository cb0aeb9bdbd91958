"""Wrong capstones by wrong: each is the reference with one place changed, and must meet its own line.

`python tests/capstone_matrix.py [W3 …]` prints who fails what; `--all` plays all trials on each, not only its own.
"""

import argparse
import ast
import asyncio
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT), str(Path(__file__).parent)]

from kit import matches  # noqa: E402

from checkpoint.capstone import trials  # noqa: E402

MUTANTS = trials.HERE / "mutants"


class Mutant:
    """The reference with one place changed: `line` is the pattern of the feedback that a wrong one must meet."""

    def __init__(self, path):
        tree = ast.parse(path.read_text("utf-8"))
        self.path, self.name = path, path.stem.partition("_")[0].upper().replace("W0", "W")
        self.line = ast.get_docstring(tree).split("\n")[0]
        self.trial = self.line.partition(":")[0]
        parts = {node.targets[0].id: node.value.value for node in tree.body if isinstance(node, ast.Assign)}
        self.old, self.new = parts["OLD"], parts["NEW"]

    def build(self, folder):
        """Write the wrong `auction.py` into `folder`.

        Raises:
            ValueError: If the place is not found exactly once in the reference.
        """
        reference = (trials.REFERENCE / trials.MODULE).read_text("utf-8")
        if (count := reference.count(self.old)) != 1:
            raise ValueError(f"{self.path.name}: its OLD stands {count} times in the reference")
        source = reference.replace(self.old, self.new)
        compile(source, str(self.path), "exec")
        (folder / trials.MODULE).write_text(source, "utf-8")
        return folder

    def caught_by(self, outcome):
        """Did it fail with its own line?"""
        return outcome.verdict == "failed" and matches(outcome.line, self.line)


def mutants():
    """All wrong capstones that differ from the reference in one place, W1 to W25."""
    return [Mutant(path) for path in sorted(MUTANTS.glob("w*.py"))]


async def play(names, folder, seed):
    """The outcomes of these trials."""
    return [outcome async for outcome in trials.run_all(names, folder, seed)]


async def main(wanted, seed, every):
    missed = 0
    for mutant in mutants():
        if wanted and mutant.name not in wanted:
            continue
        with tempfile.TemporaryDirectory() as folder:
            began = time.monotonic()
            names = list(trials.TRIALS) if every else [mutant.trial]
            outcomes = await play(names, mutant.build(Path(folder)), seed)
        caught = any(mutant.caught_by(outcome) for outcome in outcomes)
        missed += not caught
        failed = {outcome.name: outcome for outcome in outcomes if not outcome.passed}
        seconds = time.monotonic() - began
        print(f"{mutant.name:4} {'caught' if caught else 'MISSED':7} {seconds:5.1f} s  {' '.join(failed)}")
        print(f"     {failed[mutant.trial].line if mutant.trial in failed else f'{mutant.trial} passed'}", flush=True)
        if mutant.trial in failed and not caught:
            print(f"     {failed[mutant.trial].verdict}; {failed[mutant.trial].note}")
    return missed


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*", help="such as W3; all without")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--all", action="store_true", help="play all trials, not only the one that must fail")
    arguments = parser.parse_args()
    sys.exit(asyncio.run(main(arguments.names, arguments.seed, arguments.all)))
