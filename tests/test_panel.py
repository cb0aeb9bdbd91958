"""The live panel: what it sends to the page, and the page itself, in real JupyterLab with a real browser."""

import asyncio
import json
import re
import tomllib

import browser
import comm
import nbformat
import pytest
from comm.base_comm import BaseComm
from kit import ROOT
from playwright.sync_api import expect
from websockets import connect

from wslab import serve
from wslab.errors import LabError, RecordingError
from wslab.masking import register_secret
from wslab.panel import BUNCH_S, KEPT, STATIC, TEXTS, open_panel
from wslab.panelrows import details, row
from wslab.sources import watch_log
from wslab.trace import Event, Kind, is_recording

MARKUP = "</svg><script>alert(1)</script><img src=x onload=alert(2) onerror=alert(3)>"
needs_chromium = pytest.mark.skipif(browser.CHROMIUM is None, reason="no Chromium is installed")


async def echo(ws):
    async for message in ws:
        await ws.send(message)


@pytest.fixture
async def server():
    running = await serve(echo)
    yield running
    await running.stop()


@pytest.fixture
def sent(monkeypatch):
    """The custom messages that panels send to their pages."""
    messages = []

    class Wire(BaseComm):
        def publish_msg(self, msg_type, data=None, **_):
            if (data or {}).get("method") == "custom":
                messages.append(data["content"])

    monkeypatch.setattr(comm, "create_comm", Wire)
    return messages


@pytest.fixture
async def panel(sent, server):
    opened = open_panel(server)
    yield opened
    opened.close()


async def shown(sent, count):
    """The rows that were sent, once there are `count` of them."""
    async with asyncio.timeout(5):
        while sum(len(message["rows"]) for message in sent) < count:
            await asyncio.sleep(0.005)
    return [row for message in sent for row in message["rows"]]


# What the page is sent ----------------------------------------------------------------------------------------


async def test_rows_as_frames_cross(panel, sent, server):
    """Handshake, fragments, ping, close and the end of TCP come as rows, with bits, bytes and content."""
    async with connect(f"{server.url}/?name=Ada") as ws:
        await ws.send(["a ", "b"])
        await ws.recv()
        await (await ws.ping(b"ping!"))
    rows = await shown(sent, 11)
    assert [(row["kind"], row["bits"], row["bytes"], row["content"]) for row in rows[2:]] == [
        ("TEXT", "MASK", "2", '"a " fin=0'),
        ("CONTINUATION", "MASK", "1", '"b" fin=0'),
        ("CONTINUATION", "FIN MASK", "0", '""'),
        ("TEXT", "FIN", "3", '"a b"'),
        ("PING", "FIN MASK", "5", '"ping!"'),
        ("PONG", "FIN", "5", '"ping!"'),
        ("CLOSE", "FIN MASK", "2", "1000"),
        ("CLOSE", "FIN", "2", "1000"),
        ("END", "", "", "TCP FIN"),
    ]
    assert [row["content"] for row in rows[:2]] == ["GET /?name=Ada  Upgrade", "101 Switching Protocols"]
    assert {(row["who"], row["way"], row["up"]) for row in rows} == {
        ("Ada", "Ada → Server", True),
        ("Ada", "Server → Ada", False),
    }
    assert [row["id"] for row in rows] == list(range(11))
    assert all(re.fullmatch(r"\d+\.\d{3}", row["time"]) for row in rows)


async def test_beside_the_wire_and_from_a_thread(panel, sent):
    """A log record comes as a row, whichever thread it is written on."""
    import logging

    log = logging.Logger("test")
    watch_log(log)
    await asyncio.to_thread(log.warning, "so many")
    [only] = await shown(sent, 1)
    assert (only["group"], only["kind"], only["content"]) == ("beside", "LOG", "WARNING so many")


async def test_memory_is_bounded(panel, sent, server):
    """Of thousands of frames the newest are kept and sent in bunches; a page that comes late gets those."""
    async with connect(server.url) as ws:
        for _ in range(2 * KEPT):
            await ws.send("hello")
        for _ in range(2 * KEPT):
            await ws.recv()
    await asyncio.sleep(2 * BUNCH_S)
    assert len(panel._kept) == KEPT
    assert max(len(message["rows"]) for message in sent) <= KEPT
    sent.clear()
    panel._asked(panel, {"op": "ready", "origin": "http://127.0.0.1:8888"}, [])
    assert [(message["op"], message["all"], len(message["rows"])) for message in sent] == [("rows", True, KEPT)]


async def test_bytes_of_a_row(panel, sent, server):
    """A row that is chosen comes byte by byte: this run's mask and masked bytes, and what they mean."""
    async with connect(server.url) as ws:
        await ws.send("hello")
        await ws.recv()
    await shown(sent, 7)
    raw = panel._kept[2][2].raw
    panel._asked(panel, {"op": "parts", "id": 2}, [])
    assert sent[-1] == {
        "op": "parts",
        "id": 2,
        "title": "Client → Server: TEXT frame, 11 bytes: header 6, payload 5",
        "parts": [
            ("0", "81", "FIN 1 · RSV 000 · opcode 1 TEXT"),
            ("1", "85", "MASK 1 · length 5"),
            ("2–5", raw[2:6].hex(" "), "masking key: 4 random bytes, new for every frame"),
            ("6–10", raw[6:].hex(" "), 'payload: 5 bytes: "hello"'),
        ],
    }
    for nonsense in (None, [], {"op": "parts", "id": "2"}, {"op": "parts"}, {"op": "drop"}):
        before = len(sent)
        panel._asked(panel, nonsense, [])
        assert len(sent) == before


async def test_secrets_are_masked(panel, sent, server):
    """A registered secret and a cookie reach neither a row nor its bytes."""
    register_secret("open sesame")
    async with connect(server.url, additional_headers={"Cookie": "_xsrf=2|crumbs"}) as ws:
        await ws.send("say open sesame")
    await shown(sent, 6)
    for number in range(6):
        panel._asked(panel, {"op": "parts", "id": number}, [])
    told = json.dumps(sent)
    assert "say ***********" in told
    assert "sesame" not in told and "crumbs" not in told


@pytest.mark.parametrize(
    ("event", "content", "parts"),
    [
        (Event(kind=Kind.PING, keepalive=True, payload=b"\x01\x02\x03\x04", length=4), "", []),
        (Event(kind=Kind.CLOSE, code=1005), "(no code)", []),
        (Event(kind=Kind.BINARY, payload=b"\x00\xff", length=2, lost=True), "00 ff (lost)", []),
        (Event(kind=Kind.INVALID, note="invalid opcode", raw=b"\x83\x00"), "not valid: invalid opcode",
         [("", "83 00", "invalid opcode")]),
        (Event(kind=Kind.TEXT, payload=b"\x1b[2J\xe2\x80\xae", length=7), '"\\x1b[2J\\u202e"', []),
        (Event(kind=Kind.END, note="RST"), "TCP RST", []),
    ],
)  # fmt: skip
def test_odd_events(event, content, parts):
    """Keepalive, no code, lost, not valid, control characters, a reset: each has its words."""
    assert row(0, event, 0.0)["content"] == content
    assert details(event)["parts"] == parts


@pytest.mark.parametrize("kind", Kind)
def test_every_kind_has_its_group(kind):
    """Whatever happens has a box that shows and hides it."""
    assert row(0, Event(kind=kind), 0.0)["group"] in TEXTS
    assert details(Event(kind=kind))["title"]


# Its place, its life ------------------------------------------------------------------------------------------


async def test_what_a_notebook_stores_is_no_address(sent, server):
    """Text and place of a panel are the same in every run: no address, no model."""
    bundles = []
    for _ in range(2):
        opened = open_panel(server)
        bundles.append(opened._repr_mimebundle_())
        opened.close()
    assert bundles[0] == bundles[1]
    assert set(bundles[0][0]) == {"text/plain", "text/html"}
    assert not re.search(r"\d|ws:|http", json.dumps(bundles[0]))


async def test_a_name_is_escaped(sent):
    """A server may be called anything."""
    server = await serve(echo, name=f'"{MARKUP}')
    opened = open_panel(server)
    place = opened._repr_mimebundle_()[0]["text/html"]
    opened.close()
    await server.stop()
    assert place.count("<") == 4 and MARKUP not in place


async def test_opened_again_the_former_ends(sent, server):
    """A cell that is run again replaces its panel; closed, nothing is watched any more."""
    first, second = open_panel(server), open_panel(server)
    assert (first.comm, second.comm is None) == (None, False)
    second.close()
    assert not is_recording()


def test_without_a_running_loop():
    """In plain code there is nobody to show it to."""

    async def start():
        return await serve(echo, background=True)

    server = asyncio.run(start())
    with pytest.raises(LabError, match=r"the live panel needs a running notebook"):
        open_panel(server)
    asyncio.run(server.stop())


async def test_nothing_to_watch(server):
    """No server, one that is stopped, one without a tap: one line says what to do."""
    with pytest.raises(RecordingError, match="no server"):
        open_panel()
    bare = await serve(echo, name="Bare", hook=True)
    with pytest.raises(LabError, match=r"Bare has no tap, so nothing can be shown live: serve it without hook=True"):
        open_panel(bare)
    await bare.stop()
    await server.stop()
    with pytest.raises(RecordingError, match="Server is not running"):
        open_panel(server)


def test_nothing_becomes_markup():
    """The page's code has no way to turn a text into elements or code, and dials in one place only."""
    code = (STATIC / "panel.js").read_text("utf-8")
    assert not re.search(r"innerHTML|outerHTML|insertAdjacent|document\.write|\beval\b|Function\(|DOMParser", code)
    assert code.count("new WebSocket(") == 1
    assert "http" not in re.sub(r'"https?:"|//.*', "", code).replace('"http"', "")


def test_every_text_is_used():
    """The page asks for each of its texts, and for no other."""
    code = (STATIC / "panel.js").read_text("utf-8")
    assert {key for key in TEXTS if f'"{key}"' not in code} == set()
    asked = set(re.findall(r'(?:say|label)\("(\w+)"', code))
    assert asked <= set(TEXTS)


def test_what_binder_installs():
    """Binder gets the course and the proxy that the extra names, on a Python that the kit takes."""
    installed = (ROOT / "binder" / "requirements.txt").read_text("utf-8").splitlines()
    assert installed[1:] == ["-r ../requirements.txt", "jupyter-server-proxy~=4.6.0"]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    assert project["optional-dependencies"]["remote"] == ["jupyter-server-proxy>=4.6"]
    python = (ROOT / "binder" / "runtime.txt").read_text("utf-8").strip().removeprefix("python-")
    assert f">={python}" == project["requires-python"]


# Who may connect ----------------------------------------------------------------------------------------------

HUB = "https://hub.example.org"


async def status(server, host, origin):
    """What the server answers to a handshake with these headers."""
    reader, writer = await asyncio.open_connection("127.0.0.1", server.tap.port)
    head = f"GET / HTTP/1.1\r\nHost: {host}\r\nOrigin: {origin}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
    writer.write(f"{head}Sec-WebSocket-Key: {'A' * 22}==\r\nSec-WebSocket-Version: 13\r\n\r\n".encode())
    line = await reader.readline()
    writer.close()
    return int(line.split()[1])


async def test_the_page_of_the_panel_is_let_in(panel, server):
    """The page in which the panel stands may connect, under its host; no other page may."""
    assert await status(server, "127.0.0.1:1", "http://127.0.0.1:8888") == 101
    assert await status(server, "hub.example.org", HUB) == 403
    panel._asked(panel, {"op": "ready", "origin": HUB}, [])
    assert await status(server, "hub.example.org", HUB) == 101
    for host, origin in [
        ("hub.example.org", "https://evil.example"),
        ("evil.example", HUB),
        ("hub.example.org", "http://hub.example.org"),
        ("hub.example.org.evil.example", HUB),
        ("hub.example.org", "null"),
    ]:
        assert await status(server, host, origin) == 403, (host, origin)


@pytest.mark.parametrize("origin", ["null", "None", "", "file://", "https://", "hub.example.org", "*"])
async def test_what_is_no_page_is_not_let_in(panel, server, origin):
    """An origin that names no host admits nobody."""
    panel._asked(panel, {"op": "ready", "origin": origin}, [])
    assert await status(server, "hub.example.org", HUB) == 403
    assert await status(server, "127.0.0.1", origin or "null") == 403


async def test_a_lessons_own_origins_decide(sent):
    """A server that is given its origins lets no other page in, panel or not."""
    server = await serve(echo, origins=["https://shop.example"])
    opened = open_panel(server)
    opened._asked(opened, {"op": "ready", "origin": HUB}, [])
    assert await status(server, "hub.example.org", HUB) == 403
    opened.close()
    await server.stop()


async def test_other_servers_stay_closed(panel, server):
    """What one server was told holds for that one."""
    panel._asked(panel, {"op": "ready", "origin": HUB}, [])
    other = await serve(echo, name="Other")
    assert await status(other, "hub.example.org", HUB) == 403
    await other.stop()


# In a browser -------------------------------------------------------------------------------------------------

SERVER = """
from wslab import record, running_servers, serve
from wslab.panel import open_panel

async def handler(ws):
    async for message in ws:
        if message == "leave":
            await ws.close(4001, "as you wish")
        elif message == "ping":
            await (await ws.ping(b"are you there?"))
            await ws.send("pong came")
        else:
            await ws.send(message)

server = await serve(handler)
panel = open_panel(server)
panel
"""
RECORD = "recording = record(server).__enter__()"
ADA = f"""
from websockets import connect
async with connect(f"{{server.url}}/?name=Ada") as ws:
    await ws.send({MARKUP!r})
    await ws.recv()
"""
REFUSE = "server = await serve(handler, origins=['https://shop.example'])\nopen_panel(server)"

RUN = """async code => {
    const future = panel.sessionContext.session.kernel.requestExecute({code});
    let text = '';
    future.onIOPub = ({content}) => { text += content.text ?? content.evalue ?? ''; };
    await future.done;
    return text;
}"""
COMMAND = "([command, args]) => jupyterapp.commands.execute(command, args)"


class Page:
    """A notebook with a live panel in it."""

    def __init__(self, notebook):
        self.notebook, self.page = notebook, notebook.page
        self.panel = self.page.get_by_role("region", name="Server", exact=True)
        self.log = self.panel.get_by_role("log")
        self.rows = self.panel.get_by_role("grid").locator("tbody tr")
        self._sockets = []
        self.page.on("websocket", lambda socket: self._sockets.append(socket.url))

    def dialled(self):
        """The WebSocket addresses that the page has opened, but for Jupyter's own."""
        return [url for url in self._sockets if "/api/" not in url]

    def run(self, code):
        """What the kernel prints when it runs `code`."""
        return self.notebook.evaluate(RUN, code)

    def connect(self, way=None):
        if way:
            self.panel.get_by_label("way").select_option(label=way)
        self.panel.get_by_role("button", name="Connect").click()

    def type(self, text):
        self.panel.get_by_role("textbox", name="text", exact=True).click()
        self.page.keyboard.type(text)
        self.page.keyboard.press("Enter")

    def close(self, code, reason=""):
        self.panel.get_by_label("code").fill(str(code))
        self.panel.get_by_label("reason").fill(reason)
        self.panel.get_by_role("button", name="Close", exact=True).click()

    def visible(self):
        """The kinds of the rows that are shown."""
        return [line.split("\t")[3] for line in self.rows.filter(visible=True).all_inner_texts()]

    def recorded(self):
        """The server's recording, as text."""
        return self.run("await recording.settled()\nprint(recording)")


def write(folder, *sources):
    kernel = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    cells = [nbformat.v4.new_code_cell(source.strip()) for source in sources]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=kernel), folder / "live.ipynb")


@pytest.fixture(scope="module")
def screenshots(request, tmp_path_factory):
    folder = request.config.getoption("--screenshots") or tmp_path_factory.mktemp("screenshots")
    folder.mkdir(parents=True, exist_ok=True)
    return folder


@pytest.fixture(scope="module")
def lab(request, tmp_path_factory):
    """JupyterLab at this base URL, open to pages of another host, as on a hub."""
    options = [f"--ServerApp.base_url={request.param}", "--ServerApp.allow_remote_access=True"]
    with browser.Lab(tmp_path_factory.mktemp("lab"), options=options) as running:
        yield running


def under(base):
    """Run in JupyterLab at `base`, in a browser."""

    def marked(test):
        return needs_chromium(pytest.mark.parametrize("lab", [base], indirect=True)(test))

    return marked


@under("/")
def test_typed_in_the_page_seen_in_the_recording(lab, screenshots):
    """Text, bytes and a close with its code go straight to the server; no key reaches the notebook."""
    write(lab.folder, SERVER, RECORD, "2")
    with lab.open("live.ipynb") as notebook:
        page = Page(notebook)
        notebook.run_all()
        cells = len(notebook.cells())
        assert page.dialled() == []
        page.connect()
        expect(page.log).to_contain_text("open; extensions: none")
        page.type(f"xx aa bb dd {MARKUP}")
        expect(page.log).to_contain_text("message: text")
        page.panel.get_by_role("button", name="Send bytes").click()
        expect(page.log).to_contain_text("message: binary 00 ff 10")
        page.close(1001)
        expect(page.log).to_contain_text("InvalidAccessError")
        page.close(4001, "bye")
        expect(page.log).to_contain_text('close: code 4001, reason "bye", clean true')
        seen = page.recorded()
        crossed = r'Browser +Server.*── TEXT "xx aa bb dd .*── BINARY 00 ff 10 .*── CLOSE 4001 "bye" '
        assert re.search(crossed, seen, re.DOTALL), seen
        assert page.run("print(recording.arrow(3).text)").strip() == f"xx aa bb dd {MARKUP}"
        assert len(notebook.cells()) == cells
        assert page.panel.locator("img, script, svg").count() == 0
        expect(page.rows.nth(2)).to_contain_text(MARKUP)
        page.page.screenshot(path=screenshots / "panel-direct.png")


@under("/")
def test_filters_pause_and_keys(lab, screenshots):
    """By kind, direction and connection; held back and shown; row by row with the keyboard; legible in the dark."""
    write(lab.folder, SERVER, ADA, ADA.replace("Ada", "Bob"))
    with lab.open("live.ipynb") as notebook:
        page = Page(notebook)
        notebook.run_all()
        expect(page.rows).to_have_count(14)
        for hidden in ("control frames", "HTTP", "ends and errors"):
            page.panel.get_by_label(hidden).uncheck()
        assert page.visible() == ["TEXT"] * 4
        page.panel.get_by_label("direction").select_option(label="from the server")
        page.panel.get_by_label("connection").select_option(label="Bob")
        assert page.visible() == ["TEXT"]
        expect(page.panel.get_by_role("status")).to_have_text("1 of 14 rows")
        page.panel.get_by_label("direction").select_option(label="both")
        page.panel.get_by_label("connection").select_option(label="all")

        page.panel.get_by_role("button", name="Pause").click()
        page.run(ADA)
        expect(page.panel.get_by_role("status")).to_have_text("4 of 14 rows · paused, 7 more")
        page.panel.get_by_role("button", name="Pause").click()
        expect(page.rows).to_have_count(21)

        page.rows.filter(visible=True).first.focus()
        for key in ("ArrowDown", "End", "ArrowUp", "Enter"):
            page.page.keyboard.press(key)
        parts = page.panel.get_by_role("region", name="The chosen row byte by byte")
        expect(parts).to_contain_text("MASK 1 · length 75")
        expect(parts).to_contain_text("masking key: 4 random bytes")
        assert page.rows.filter(visible=True).nth(4).get_attribute("aria-selected") == "true"
        page.connect()
        expect(page.log).to_contain_text("open; extensions")
        for theme in ("Dark", "Light"):
            notebook.evaluate(COMMAND, ["apputils:change-theme", {"theme": f"JupyterLab {theme}"}])
            expect(page.page.locator("body")).to_have_attribute("data-jp-theme-light", str(theme == "Light").lower())
            assert page.page.evaluate(CONTRAST) >= 4.5  # what WCAG 2.2 asks for (1.4.3)
            page.page.screenshot(path=screenshots / f"panel-{theme.lower()}.png")
        page.panel.get_by_role("button", name="Clear").click()
        expect(page.rows).to_have_count(0)


# The smallest contrast of a text in the panel with what it stands on.
CONTRAST = """() => {
    const channels = color => {
        const numbers = color.match(/[\\d.]+/g).map(Number);
        return color.startsWith('color(') ? numbers.map((value, i) => i < 3 ? 255 * value : value) : numbers;
    };
    const over = ([r, g, b, a = 1], below) => [r, g, b].map((value, i) => value * a + below[i] * (1 - a));
    const paper = element => {
        const color = channels(getComputedStyle(element).backgroundColor);
        return color[3] === 0 ? paper(element.parentElement) : color;
    };
    const light = color => {
        const [r, g, b] = color.map(v => v / 255).map(v => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ratio = element => {
        const below = paper(element);
        const [dark, bright] = [light(over(channels(getComputedStyle(element).color), below)), light(below)].sort();
        return (bright + 0.05) / (dark + 0.05);
    };
    const texts = document.querySelectorAll('.wslab-panel :is(td, th, h3, h4, legend, label, li, .state, .note)');
    return Math.min(...[...texts].map(ratio));
}"""


@under("/user/ann/")
def test_loaded_again_run_again_opened_again(lab):
    """With its kernel the panel comes back, its connection does not; without, nothing is dialled and no error shown."""
    write(lab.folder, SERVER, ADA)
    with lab.open("live.ipynb") as notebook:
        page = Page(notebook)
        notebook.run_all()
        page.connect()
        expect(page.log).to_contain_text("open; extensions")
        notebook.evaluate(COMMAND, ["docmanager:save", {}])
        notebook.page.reload()
        notebook.evaluate(browser.READY, notebook.name)
        expect(page.rows.first).to_contain_text("GET /?name=Ada")
        assert page.panel.count() == 1
        assert page.run("print(len(server.connections))").strip() == "0"
        page.connect()
        expect(page.log).to_contain_text("open; extensions")
        notebook.run_all()
        expect(page.panel).to_have_count(1)
        expect(page.log).to_have_text("")
        notebook.evaluate(COMMAND, ["docmanager:save", {}])
    saved = (lab.folder / "live.ipynb").read_text("utf-8")
    assert "127.0.0.1" not in saved and "widget" not in saved and "Browser" not in saved
    with lab.open("live.ipynb") as notebook:
        page, wrong = Page(notebook), []
        notebook.page.on("pageerror", lambda error: wrong.append(error))
        expect(notebook.page.get_by_text("The live panel of Server shows here while its kernel runs")).to_be_visible()
        notebook.page.wait_for_load_state("networkidle")
        assert page.panel.count() == 0
        assert (page.dialled(), wrong) == ([], [])
        assert "Error" not in notebook.page.locator(".jp-OutputArea").first.inner_text()


# The way, who closes, what the browser reports, what crosses to or from the server.
REPORTS = [
    ("direct", "browser", 'close: code 4001, reason "bye", clean true', '── CLOSE 4001 "bye" ─'),
    ("direct", "server", 'close: code 4001, reason "as you wish", clean true', 'CLOSE 4001 "as you wish" ─'),
    ("through Jupyter's proxy", "browser", 'close: code 4001, reason "", clean true', "── CLOSE (no code) ─"),
    ("through Jupyter's proxy", "server", 'close: code 1005, reason "", clean true', 'CLOSE 4001 "as you wish" ─'),
]


@under("/user/ann/")
def test_what_each_way_reports(lab, screenshots):
    """Both ways lead to the server; a close code passes only the direct one, and so does a refusal."""
    write(lab.folder, SERVER)
    with lab.open("live.ipynb") as notebook:
        page = Page(notebook)
        notebook.run_all()
        last = page.log.locator("li").last
        for way, who, told, crossed in REPORTS:
            page.run(RECORD)
            page.connect(way)
            expect(page.panel.get_by_text("A proxy stands between")).to_be_visible(visible=way != "direct")
            expect(last).to_contain_text("open; extensions")
            page.type("a word")
            expect(last).to_contain_text('text "a word"')
            if who == "browser":
                page.close(4001, "bye")
            else:
                page.type("leave")
            expect(last).to_have_text(told)
            assert ("/user/ann/proxy/" in page.dialled()[-1]) == (way != "direct")
            seen = page.recorded()
            assert crossed in seen and 'TEXT "a word"' in seen, (way, who, seen)
        page.page.screenshot(path=screenshots / "panel-proxy.png")

        page.run(REFUSE)
        page.connect("direct")
        expect(last).to_contain_text("The connection never opened")
        told = [re.sub(r"\(.*", "", line) for line in page.log.locator("li").all_inner_texts()]
        assert told[:2] == ["new WebSocket", 'close: code 1006, reason "", clean false']
        page.connect("through Jupyter's proxy")
        expect(last).to_have_text('close: code 1006, reason "", clean false')
        assert page.log.locator("li").nth(-2).inner_text() == "open; extensions: none"


@under("/user/ann/")
def test_from_a_hub(lab):
    """On a page of another host the panel chooses the proxy by itself, and the server lets this page in."""
    write(lab.folder, SERVER, RECORD)
    with lab.open("live.ipynb", host=browser.HUB) as notebook:
        page = Page(notebook)
        notebook.run_all()
        page.connect()
        expect(page.log).to_contain_text("open; extensions")
        page.type("from afar")
        expect(page.log).to_contain_text('message: text "from afar"')
        assert f"ws://{browser.HUB}:" in page.dialled()[-1] and "/user/ann/proxy/" in page.dialled()[-1]
        assert 'TEXT "from afar"' in page.recorded()
        cookies = page.run("print([v for n, v in recording.arrow(1).headers if n.lower() == 'cookie'])")
        assert re.fullmatch(r"\['[^']*\*+[^']*'\]\n", cookies), cookies
        page.type("ping")  # of the server's: the proxy answers
        expect(page.log).to_contain_text("pong came")
