"""Run notebooks as a person does: in JupyterLab, in a real browser, with Run All.

A folder goes in; the cells as the browser shows them come out, with screenshots. nbclient and nbval run one cell at a
time and miss what only Run All meets (a notebook that hangs because its loop was patched, an image that is not drawn).

    with Lab(folder) as lab, lab.open("lesson.ipynb") as notebook:
        cells = notebook.run_all()

This file's rules: nothing is asserted here; every wait has an end; every process that was started is ended by its id.
"""

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.request
from contextlib import contextmanager, suppress
from pathlib import Path
from urllib.parse import quote

import psutil
from playwright.sync_api import Error, sync_playwright

__all__ = ["CHROMIUM", "Error", "Lab", "Notebook"]

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()
HUB = "hub.example.org"
TOKEN = "only-on-this-machine"
VIEWPORT = {"width": 1280, "height": 1400}
START_S, READY_S, RUN_S = 60, 60, 180

# The question whether news may be fetched would lie over the page.
SETTINGS = {"@jupyterlab/apputils-extension": {"notification": {"fetchNews": "false", "checkForUpdates": False}}}

# Showing the idle dot is not being ready: the kernel's answer to a request is.
READY = """async path => {
    while (!window.jupyterapp) await new Promise(next => setTimeout(next, 20));
    await jupyterapp.restored;
    let panel;
    while ((panel = jupyterapp.shell.currentWidget)?.context?.path !== path)
        await new Promise(next => setTimeout(next, 20));
    await panel.context.ready;
    await panel.revealed;
    await panel.sessionContext.ready;
    const kernel = panel.sessionContext.session.kernel;
    await kernel.info;
    while (kernel.status !== 'idle') await new Promise(next => kernel.statusChanged.connect(next));
    await kernel.requestExecute({code: '', silent: true}).done;
    window.panel = panel;
}"""

# The command's promise is kept once the last cell has answered, or the first one has failed.
RUN_ALL = """async () => {
    await jupyterapp.commands.execute('notebook:run-all-cells');
    const kernel = panel.sessionContext.session.kernel;
    while (kernel.status !== 'idle') await new Promise(next => kernel.statusChanged.connect(next));
}"""

CELLS = "() => panel.content.model.toJSON().cells"

# Cells that are out of sight are not in the page: each is scrolled to before it is looked at.
IMAGES = """async index => {
    const cell = panel.content.widgets[index];
    await panel.content.scrollToItem(index, 'start');
    await cell.ready;
    const images = [...cell.node.querySelectorAll('.jp-OutputArea-output img')];
    await Promise.all(images.map(image => image.decode().catch(() => null)));
    return images.filter(image => image.getClientRects().length).map(image => image.naturalWidth);
}"""

SCROLL = """async top => {
    const outer = panel.content.node.querySelector('.jp-WindowedPanel-outer');
    outer.scrollTop = top;
    await new Promise(next => requestAnimationFrame(() => requestAnimationFrame(next)));
    await Promise.all([...outer.querySelectorAll('img')].map(image => image.decode().catch(() => null)));
    const last = panel.content.widgets.at(-1).node;
    const ended = last.isConnected && last.getBoundingClientRect().bottom <= outer.getBoundingClientRect().bottom;
    return [outer.scrollTop + outer.clientHeight, ended];
}"""


class Lab:
    """JupyterLab serving `folder`, and a browser; both end with the `with` block, kernels included.

    `options` are more of JupyterLab's. The browser finds this machine under the name `HUB`, too.
    """

    def __init__(self, folder, variables=(), options=()):
        self.folder, self._variables, self._options = Path(folder), dict(variables), list(options)

    def __enter__(self):
        self._home = tempfile.TemporaryDirectory(prefix="lab-", ignore_cleanup_errors=True)
        self._log = Path(self._home.name, "jupyter.log")
        self._process = self._playwright = self._browser = None
        try:
            self._start()
            self._playwright = sync_playwright().start()
            self._browser = self._playwright.chromium.launch(
                executable_path=CHROMIUM, args=[*ARGUMENTS, f"--host-resolver-rules=MAP {HUB} 127.0.0.1"]
            )
            self._context = self._browser.new_context(viewport=VIEWPORT)  # its cache saves compiling JupyterLab again
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        try:
            if self._browser is not None:
                self._browser.close()
            if self._playwright is not None:
                self._playwright.stop()
        finally:
            if self._process is not None:
                end(self._process)
            self._home.cleanup()

    @property
    def pid(self):
        """The server's process id; its children are the kernels."""
        return self._process.pid

    def _start(self):
        """Start the server; returns once it answers. What it writes outside the folder goes to one of its own."""
        home = Path(self._home.name)
        variables = {f"JUPYTER_{name}": str(home / name) for name in ("CONFIG_DIR", "DATA_DIR", "RUNTIME_DIR")}
        variables |= {f"JUPYTERLAB_{name}": str(home / name) for name in ("SETTINGS_DIR", "WORKSPACES_DIR")}
        variables |= {"IPYTHONDIR": str(home / "ipython"), "NO_PROXY": "127.0.0.1", "no_proxy": "127.0.0.1"}
        for extension, plugins in SETTINGS.items():
            for plugin, settings in plugins.items():
                file = home / "SETTINGS_DIR" / extension / f"{plugin}.jupyterlab-settings"
                file.parent.mkdir(parents=True, exist_ok=True)
                file.write_text(json.dumps(settings), "utf-8")
        command = [sys.executable, "-m", "jupyterlab", "--no-browser", "--ip=127.0.0.1", "--port=0"]
        command += [f"--IdentityProvider.token={TOKEN}", "--LabApp.expose_app_in_browser=True"]
        command += [f"--ServerApp.root_dir={self.folder}"]
        command += self._options
        if hasattr(os, "geteuid") and os.geteuid() == 0:
            command.append("--allow-root")
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **variables, **self._variables},
            )
        self._url = self._answered(home / "RUNTIME_DIR")

    def _answered(self, runtime):
        """Wait until the server has written down its address and answers there."""
        deadline = time.monotonic() + START_S
        while time.monotonic() < deadline and self._process.poll() is None:
            for file in runtime.glob("jpserver-*.json"):
                try:
                    self._url = json.loads(file.read_text("utf-8"))["url"].replace("localhost", "127.0.0.1")
                    self._request("api/status")
                except (ValueError, OSError):  # half written, or not listening yet
                    continue
                return self._url
            time.sleep(0.05)
        raise RuntimeError(f"JupyterLab did not start:\n{self._log.read_text('utf-8', 'replace')[-3000:]}")

    def _request(self, path, method="GET"):
        request = urllib.request.Request(self._url + path, method=method, headers={"Authorization": f"token {TOKEN}"})
        with urllib.request.build_opener(urllib.request.ProxyHandler({})).open(request, timeout=20) as answer:
            return answer.read()

    @contextmanager
    def open(self, name, host="127.0.0.1"):
        """Show the notebook `name` in a new page with a new kernel, and end both after the `with` block."""
        page = self._context.new_page()
        try:
            page.goto(f"{self._url.replace('127.0.0.1', host)}lab/tree/{quote(name)}?token={TOKEN}&reset")
            notebook = Notebook(page, name)
            notebook.evaluate(READY, name, what="a kernel that answers")
            yield notebook
        finally:
            page.close()
            for session in json.loads(self._request("api/sessions")):
                self._request(f"api/sessions/{session['id']}", "DELETE")


class Notebook:
    """One open notebook, its kernel idle."""

    def __init__(self, page, name):
        self.page, self.name = page, name

    def evaluate(self, script, argument=None, *, what="the page's answer", limit_s=READY_S):
        """Run an asynchronous function in the page; raises where `what` has not come after `limit_s`."""
        bounded = f"""({{argument, what, limit_s}}) => Promise.race([
            ({script})(argument),
            new Promise((_, refuse) => setTimeout(
                () => refuse(new Error(`${{what}} has not come after ${{limit_s}} s`)), limit_s * 1000)),
        ])"""
        return self.page.evaluate(bounded, {"argument": argument, "what": f"{self.name}: {what}", "limit_s": limit_s})

    def run_all(self):
        """Choose Run All Cells; the cells (nbformat) once the last has answered, or the first has failed."""
        self.evaluate(RUN_ALL, what="the end of Run All", limit_s=RUN_S)
        return self.cells()

    def cells(self):
        """The cells of the model, with their outputs."""
        return self.evaluate(CELLS)

    def image_widths(self, index):
        """The natural widths, in pixels, of the images that are shown below the cell at `index`; 0 means broken."""
        return self.evaluate(IMAGES, index)

    def screenshots(self, folder):
        """Photograph the notebook from top to bottom; returns the files."""
        folder.mkdir(parents=True, exist_ok=True)
        files, top, ended = [], 0, False
        while not ended:
            top, ended = self.evaluate(SCROLL, top)
            files.append(folder / f"{Path(self.name).stem}-{len(files) + 1:02}.png")
            self.page.screenshot(path=files[-1])
        return files


def end(process, limit_s=10):
    """End `process`, gently first, and everything that it started."""
    family = psutil.Process(process.pid).children(recursive=True) if process.poll() is None else []
    process.terminate()
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    for child in family:  # psutil compares start times: an id that was given to another process is left alone
        with suppress(psutil.NoSuchProcess):
            child.kill()
    psutil.wait_procs(family, timeout=limit_s)
