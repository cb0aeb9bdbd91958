"""The lessons where a computer is not as ours is: every stored text still comes out."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import nbformat
import pytest
from kit import ROOT
from lessons import LESSONS, copy, nbval

FOLDERS = "notebooks", "exercises", "wslab"
LONG = "päth with späces 你好 " * 12
PROXIES = {name: "http://127.0.0.1:9" for name in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY")}
WRITE = "import pathlib; pathlib.Path('file').touch()"


@pytest.fixture
def read_only():
    """Take the right to write from a folder; returns the command before a command under which that binds root too."""
    closed = []

    def close(folder):
        for path in [folder, *folder.rglob("*")]:
            closed.append((path, path.stat().st_mode))
            path.chmod(path.stat().st_mode & ~0o222)
        drop = ["setpriv", "--bounding-set=-dac_override", "--inh-caps=-dac_override"]
        prefix = drop if shutil.which("setpriv") and os.geteuid() == 0 else []
        if subprocess.run([*prefix, sys.executable, "-c", WRITE], cwd=folder, capture_output=True).returncode == 0:
            pytest.skip("no folder can be closed to this user")
        return prefix

    yield close
    for path, mode in closed:
        path.chmod(mode)


@pytest.mark.parametrize(
    ("conditions", "at_once"),
    [
        ("long path, proxy, read-only", 3),
        pytest.param("long path", 3, marks=pytest.mark.slow),
        pytest.param("proxy", 3, marks=pytest.mark.slow),
        pytest.param("read-only", 3, marks=pytest.mark.slow),
        pytest.param("", 8, marks=pytest.mark.slow),
    ],
)
def test_stored_outputs(conditions, at_once, tmp_path, monkeypatch, read_only):
    """Several real kernels at once, in a checkout at such a place: each lesson's verdict is as alone."""
    place = tmp_path / "checkout"
    if "long path" in conditions:
        place = tmp_path / LONG[:100].strip() / LONG[:120].strip()
        assert len(str(place)) > 200
    checkout = copy(place, *FOLDERS)
    monkeypatch.delenv("WSLAB_STATE")  # the kit finds a place by itself, in a home that is nobody's
    (tmp_path / "home").mkdir()
    env = {"HOME": str(tmp_path / "home"), "PYTHONPATH": str(checkout), "WSLAB_CONNECTIONS": "1000"}
    if "proxy" in conditions:
        env |= PROXIES | {"no_proxy": "", "NO_PROXY": ""}
    prefix = read_only(checkout) if "read-only" in conditions else []

    def wrong(lesson):
        notebook = checkout / "notebooks" / f"{lesson.stem}.ipynb"
        count = sum(cell.cell_type == "code" for cell in nbformat.read(notebook, as_version=4).cells)
        done = nbval(checkout, notebook, prefix=prefix, **env)
        alright = done.returncode == 0 and re.search(rf"^{count} passed", done.stdout, re.MULTILINE)
        return "" if alright else f"{lesson.stem}: {done.stdout[-2000:]}{done.stderr[-500:]}"

    with ThreadPoolExecutor(at_once) as workers:
        assert list(filter(None, workers.map(wrong, LESSONS))) == []


def anchors(text):
    """The anchors of a page's headings, as JupyterLab and GitHub agree on them."""
    headings = re.findall(r"^#+ +(.+?) *$", re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def pages():
    """The text of every page that a person reads, by path: Markdown files, and the Markdown cells of notebooks."""
    for folder in map(ROOT.joinpath, ("", "notebooks", "exercises", "checkpoint", "checkpoint/capstone")):
        for path in sorted(folder.glob("*.md")):
            yield path, path.read_text("utf-8")
        for path in sorted(folder.glob("*.ipynb")):
            cells = nbformat.read(path, as_version=4).cells
            yield path, "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def test_links():
    """Every relative link leads to a file that exists, and its anchor to a heading there."""
    texts, broken, found = dict(pages()), [], 0
    for path, text in texts.items():
        prose = re.sub(r"^```.*?^```|`[^`\n]+`", "", text, flags=re.MULTILINE | re.DOTALL)
        for link in re.findall(r"\]\(([^()\s]+)\)", prose):
            if re.match(r"[a-z]+:", link):
                continue
            found += 1
            name, _, anchor = link.partition("#")
            target = (path.parent / name).resolve() if name else path
            if not target.exists() or (anchor and anchor.lower() not in anchors(texts.get(target, ""))):
                broken.append(f"{path.relative_to(ROOT)}: {link}")
    assert broken == [] and found > 50
