"""The lessons in real JupyterLab: cold, Run All, and Run All again, in headless Chromium."""

import shutil
from pathlib import Path

import browser
import nbformat
import psutil
import pytest

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"
LESSONS = sorted(path.name for path in NOTEBOOKS.glob("*.ipynb"))
PROBE = "probe é.ipynb"

pytestmark = pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium is installed")


@pytest.fixture(scope="module")
def lab(tmp_path_factory):
    """JupyterLab over a copy of the lessons, with a state of its own."""
    folder = tmp_path_factory.mktemp("lab")
    copy = shutil.copytree(NOTEBOOKS, folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    with browser.Lab(copy, {"WSLAB_STATE": str(folder / "state"), "WSLAB_CONNECTIONS": "1000"}) as running:
        yield running


@pytest.fixture(scope="module")
def screenshots(request, tmp_path_factory):
    return request.config.getoption("--screenshots") or tmp_path_factory.mktemp("screenshots")


def write_probe(folder, *sources):
    """Write a notebook of code cells."""
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(source) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / PROBE)


def numbers(cells):
    return [cell["execution_count"] for cell in cells if cell["cell_type"] == "code"]


def errors(cells):
    outputs = (output for cell in cells for output in cell.get("outputs", ()))
    return [f"{output['ename']}: {output['evalue']}" for output in outputs if output["output_type"] == "error"]


def images(cell):
    """How many of the cell's outputs are shown as images."""
    kinds = [output.get("data", {}) for output in cell.get("outputs", ())]
    return sum("text/html" not in data and any(kind.startswith("image/") for kind in data) for data in kinds)


@pytest.mark.parametrize("name", LESSONS)
def test_lesson_runs(lab, screenshots, name):
    """Every cell is numbered, none fails, every picture is seen, the second time as the first."""
    with lab.open(name) as notebook:
        for run in (0, 1):
            cells = notebook.run_all()
            count = len(numbers(cells))
            assert errors(cells) == []
            assert numbers(cells) == list(range(run * count + 1, (run + 1) * count + 1))
            widths = [notebook.image_widths(index) for index in range(len(cells))]
            assert [len(found) for found in widths] == [images(cell) for cell in cells]
            assert all(width > 0 for found in widths for width in found)
            notebook.screenshots(screenshots / f"run-{run + 1}")


def test_failures_are_seen(lab):
    """The harness shows a cell that fails, cells that were not reached, and a picture that is no picture."""
    broken = "from IPython.display import Image\nImage(b'no picture', format='png')"
    write_probe(lab.folder, "await __import__('asyncio').sleep(0)", broken, "1/0", "2")
    with lab.open(PROBE) as notebook:
        cells = notebook.run_all()
        assert numbers(cells) == [1, 2, 3, None]
        assert errors(cells) == ["ZeroDivisionError: division by zero"]
        assert [images(cell) for cell in cells] == [0, 1, 0, 0]
        assert notebook.image_widths(1) == [0]


def test_hang_ends(lab, monkeypatch):
    """A cell that never ends becomes an error that names the notebook, and its kernel ends with it."""
    monkeypatch.setattr(browser, "RUN_S", 0.1)
    write_probe(lab.folder, "await __import__('asyncio').Event().wait()")
    late = "probe é.ipynb: the end of Run All has not come after 0.1 s"
    with pytest.raises(browser.Error, match=late), lab.open(PROBE) as notebook:
        notebook.run_all()
    assert [child for child in psutil.Process(lab.pid).children() if child.status() != psutil.STATUS_ZOMBIE] == []


@pytest.mark.slow
def test_cold_starts(lab):
    """Ten cold notebooks in a row all run to their end."""
    write_probe(lab.folder, "await __import__('asyncio').sleep(0)", "2")
    for _ in range(10):
        with lab.open(PROBE) as notebook:
            assert numbers(notebook.run_all()) == [1, 2]
