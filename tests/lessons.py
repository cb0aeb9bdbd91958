"""The lessons as files: which there are, a copy of the checkout to run them in, and strict nbval."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

from kit import ROOT, build

LESSONS = sorted((ROOT / "notebooks" / "source").glob("*.py"))


def stem(path):
    return path.stem


def copy(folder, *names):
    """Copy what the checkout holds under `names` into `folder`, so that the checkout stays as it is."""
    for name in names:
        ignored = shutil.ignore_patterns("__pycache__", ".ipynb_checkpoints")
        shutil.copytree(ROOT / name, folder / name, ignore=ignored)
    return folder


def nbval(folder, *notebooks, prefix=(), **env):
    """Run strict nbval over `notebooks`, with nothing of pytest's configuration but nbval itself."""
    options = ["--nbval", "-q", "-p", "no:cacheprovider", "-c", os.devnull]
    for _ in range(build.STARTS):
        done = subprocess.run(
            [*prefix, sys.executable, "-m", "pytest", *options, *map(str, notebooks)],
            cwd=folder,
            env=os.environ | {"WSLAB_SEED": build.SEED, "PYTHONPATH": str(ROOT)} | env,
            capture_output=True,
            text=True,
            encoding="utf-8",
            timeout=300,
        )
        if "Kernel died before replying" not in done.stdout:  # its ports were taken
            break
    return done
