"""The code keeps its form: ruff over everything, notebooks included, and strict types in the kit."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.mark.parametrize("command", ["ruff format --check --diff .", "ruff check .", "mypy --strict wslab"])
def test_tool_is_content(command):
    """Each tool ends with status 0; what it says otherwise is the test's message."""
    done = subprocess.run(
        [sys.executable, "-m", *command.split()], cwd=ROOT, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stdout + done.stderr
