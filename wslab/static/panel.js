// The live panel of `wslab.panel`: rows come from the kernel, and the page's own WebSocket goes to the server.
//
// Rules of this file: what a peer sent enters the page as text only; nothing is dialled before somebody asks for it;
// what is shown is bounded; every key works here and none reaches the notebook's shortcuts.

const ROWS = 500;
const LINES = 100;
const LOOPBACK = /^(127\.0\.0\.1|localhost|\[::1\])$/;

/** The address of the server at `port`: direct, or through the proxy of the Jupyter server that this page is from. */
export function address(proxied, port, path, page, base) {
  const rest = path.startsWith("/") ? path : `/${path}`;
  if (!proxied) return `ws://127.0.0.1:${port}${rest}`;
  return `${page.protocol === "https:" ? "wss:" : "ws:"}//${page.host}${base}proxy/${port}${rest}`;
}

/** Where the Jupyter server begins, such as "/user/ann/". */
export function baseUrl(document) {
  try {
    return JSON.parse(document.getElementById("jupyter-config-data").textContent).baseUrl ?? "/";
  } catch {
    return "/";
  }
}

/** The bytes that "48 65 6c" or "48656c" stands for; null if it stands for none. */
export function bytes(text) {
  const digits = text.replace(/\s+/g, "");
  if (!/^([0-9a-f]{2})*$/i.test(digits)) return null;
  return Uint8Array.from(digits.match(/../g) ?? [], (pair) => parseInt(pair, 16));
}

/** An element; children are elements or texts. */
function make(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value !== null) element.setAttribute(name, value);
  }
  element.append(...children);
  return element;
}

class Panel {
  constructor(model) {
    this.model = model;
    this.name = model.get("name");
    this.texts = model.get("texts");
    this.rows = [];
    this.held = [];
    this.paused = false;
    this.socket = null;
    this.seen = new WeakSet();
    this.build();
    this.onMessage = (message) => this.receive(message);
    model.on("msg:custom", this.onMessage);
    this.observer = new MutationObserver(() => this.mount());
    this.observer.observe(document.body, { childList: true, subtree: true });
    this.mount();
    model.send({ op: "ready", origin: location.origin });
  }

  say(key, values = {}) {
    return this.texts[key].replace(/\{(\w+)\}/g, (_, name) => String(values[name]));
  }

  /** Move to the newest place that the notebook has for this panel. */
  mount() {
    for (const place of document.querySelectorAll("[data-wslab-panel]")) {
      if (place.dataset.wslabPanel !== this.name || this.seen.has(place)) continue;
      this.seen.add(place);
      place.append(this.root);
    }
  }

  end() {
    this.observer.disconnect();
    this.model.off("msg:custom", this.onMessage);
    this.socket?.close();
    this.root.remove();
  }

  build() {
    this.root = make("section", { class: "wslab-panel", "aria-label": this.name, "data-lm-suppress-shortcuts": "true" });
    this.root.append(make("h3", {}, this.say("title", { name: this.name })));
    this.root.append(this.filters(), this.table(), this.bytesView(), this.browser());
  }

  // What crosses ---------------------------------------------------------------------------------------------

  filters() {
    const bar = make("div", { class: "bar", role: "group", "aria-label": this.say("filters") });
    this.groups = new Map();
    for (const group of ["message", "control", "http", "end", "beside"]) {
      const box = make("input", { type: "checkbox", name: group });
      box.checked = true;
      this.groups.set(group, box);
      bar.append(make("label", {}, box, this.say(group)));
    }
    this.way = this.select(["both", "up", "down"].map((key) => [key, this.say(key)]));
    this.who = this.select([["", this.say("everybody")]]);
    this.pauseButton = make("button", { type: "button", "aria-pressed": "false" }, this.say("pause"));
    this.pauseButton.addEventListener("click", () => this.pause(!this.paused));
    const clear = make("button", { type: "button" }, this.say("clear"));
    clear.addEventListener("click", () => this.clear());
    this.state = make("span", { class: "state", role: "status" });
    bar.append(this.label("direction", this.way), this.label("connection", this.who));
    bar.append(this.pauseButton, clear, this.state);
    bar.addEventListener("change", () => this.filter());
    return bar;
  }

  select(options) {
    const list = make("select");
    for (const [value, text] of options) list.append(make("option", { value }, text));
    return list;
  }

  /** `field` with its name beside it, which is also the name that a screen reader says. */
  label(key, field) {
    field.setAttribute("aria-label", this.say(key));
    return make("label", { class: field.className || null }, this.say(key), field);
  }

  table() {
    const head = make("tr");
    for (const key of ["time", "connection", "way", "kind", "bits", "bytes", "content"]) {
      head.append(make("th", { scope: "col", class: ["time", "bytes"].includes(key) ? "number" : null }, this.say(key)));
    }
    this.body = make("tbody");
    this.body.addEventListener("keydown", (event) => this.key(event));
    this.body.addEventListener("click", (event) => this.choose(event.target.closest("tr")));
    const table = make("table", { role: "grid", "aria-label": this.say("frames") }, make("thead", {}, head), this.body);
    this.scroller = make("div", { class: "frames" }, table);
    return this.scroller;
  }

  receive(message) {
    if (message.op === "rows") {
      if (message.all) this.clear();
      this.held.push(...message.rows);
      this.held.splice(0, this.held.length - ROWS);
      if (!this.paused) this.show();
      this.report();
    } else if (message.op === "parts" && message.id === this.chosen?.row.id) {
      this.parts(message);
    }
  }

  show() {
    const below = this.scroller.scrollHeight - this.scroller.scrollTop - this.scroller.clientHeight;
    for (const row of this.held) this.add(row);
    this.held = [];
    for (const old of this.rows.splice(0, this.rows.length - ROWS)) old.line.remove();
    if (!this.rows.includes(this.entry)) this.enter(this.rows.find(({ line }) => !line.hidden));
    if (below < 40) this.scroller.scrollTop = this.scroller.scrollHeight;
  }

  add(row) {
    if (![...this.who.options].some((option) => option.value === row.who)) {
      this.who.append(make("option", { value: row.who }, row.who));
    }
    const line = make("tr", { class: row.up ? "up" : "down", tabindex: "-1", "aria-selected": "false" });
    const cells = { number: row.time, who: row.who, way: row.way, kind: row.kind, bits: row.bits };
    for (const [name, text] of Object.entries(cells)) line.append(make("td", { class: name }, text));
    line.append(make("td", { class: "number" }, row.bytes), make("td", { class: "content" }, row.content));
    line.hidden = !this.wanted(row);
    this.rows.push({ row, line });
    this.body.append(line);
  }

  wanted(row) {
    if (!this.groups.get(row.group).checked || (this.who.value && this.who.value !== row.who)) return false;
    return this.way.value === "both" || (this.way.value === "up") === row.up;
  }

  filter() {
    for (const { row, line } of this.rows) line.hidden = !this.wanted(row);
    if (!this.entry || this.entry.line.hidden) this.enter(this.rows.find(({ line }) => !line.hidden));
    this.report();
  }

  report() {
    const shown = this.rows.filter(({ line }) => !line.hidden).length;
    const text = this.say("shown", { shown, all: this.rows.length });
    this.state.textContent = this.paused ? `${text} · ${this.say("held", { count: this.held.length })}` : text;
  }

  pause(paused) {
    this.paused = paused;
    this.pauseButton.setAttribute("aria-pressed", String(paused));
    if (!paused) this.show();
    this.report();
  }

  clear() {
    this.rows = [];
    this.held = [];
    this.entry = this.chosen = undefined;
    this.body.replaceChildren();
    this.details.hidden = true;
    this.report();
  }

  /** Let the Tab key lead to `entry`, and to no other row. */
  enter(entry) {
    this.entry?.line.setAttribute("tabindex", "-1");
    this.entry = entry;
    entry?.line.setAttribute("tabindex", "0");
  }

  key(event) {
    const lines = this.rows.filter(({ line }) => !line.hidden);
    const at = lines.indexOf(this.entry);
    const to = { ArrowDown: at + 1, ArrowUp: at - 1, Home: 0, End: lines.length - 1 }[event.key];
    if (to !== undefined && lines[to]) {
      this.enter(lines[to]);
      lines[to].line.focus();
    } else if (event.key === "Enter" || event.key === " ") {
      this.choose(event.target);
    } else if (to === undefined) {
      return;
    }
    event.preventDefault();
  }

  choose(line) {
    const chosen = this.rows.find((entry) => entry.line === line);
    if (!chosen) return;
    this.chosen?.line.setAttribute("aria-selected", "false");
    this.chosen = chosen;
    line.setAttribute("aria-selected", "true");
    this.enter(chosen);
    this.model.send({ op: "parts", id: chosen.row.id });
  }

  // One frame byte by byte -----------------------------------------------------------------------------------

  bytesView() {
    this.details = make("div", { role: "region", "aria-live": "polite", "aria-label": this.say("details") });
    this.details.hidden = true;
    return this.details;
  }

  parts(message) {
    const body = make("tbody");
    for (const [place, wire, meaning] of message.parts) {
      const cells = [make("td", { class: "number" }, place), make("td", { class: "wire" }, wire), make("td", {}, meaning)];
      body.append(make("tr", {}, ...cells));
    }
    const head = ["place", "wire", "meaning"].map((key) =>
      make("th", { scope: "col", class: key === "place" ? "number" : null }, this.say(key)));
    const table = make("table", {}, make("thead", {}, make("tr", {}, ...head)), body);
    this.details.replaceChildren(make("h4", {}, message.title), ...(message.parts.length ? [table] : []));
    this.details.hidden = false;
  }

  // The browser as a client ----------------------------------------------------------------------------------

  browser() {
    const target = this.select(this.model.get("servers").map(({ name, port }) => [port, name]));
    const route = this.select([["direct", this.say("direct")], ["proxy", this.say("proxy")]]);
    route.value = LOOPBACK.test(location.hostname) ? "direct" : "proxy";
    const path = make("input", { class: "wide", value: "/?name=Browser", spellcheck: "false" });
    const text = make("input", { class: "wide", name: "text" });
    const hex = make("input", { name: "hex", value: "00 ff 10", spellcheck: "false", size: "12" });
    const code = make("input", { name: "code", type: "number", value: "1000", min: "0", max: "65535", style: "width: 6em" });
    const reason = make("input", { class: "wide", name: "reason" });
    const note = make("p", { class: "note" }, this.say("between"));
    this.log = make("ol", { role: "log", "aria-label": this.say("log"), tabindex: "0" });
    this.whileOpen = [];
    this.whileClosed = [];

    const form = (label, submitted, ...parts) => {
      const button = make("button", { type: "submit" }, label);
      const fields = make("form", { class: "fields" }, ...parts, button);
      fields.addEventListener("submit", (event) => {
        event.preventDefault();
        this.attempt(submitted);
      });
      fields.addEventListener("keydown", (event) => {
        if (event.key !== "Enter" || event.target.tagName !== "INPUT" || button.disabled) return;
        event.preventDefault(); // the notebook takes this key for itself and would leave nothing to do by default
        fields.requestSubmit();
      });
      return [fields, button];
    };
    const [connecting, connect] = form(
      this.say("connect"),
      () => this.connect(address(route.value === "proxy", target.value, path.value, location, baseUrl(document))),
      this.label("server", target), this.label("route", route), this.label("path", path),
    );
    const sayText = () => {
      if (this.send(text.value)) text.value = "";
    };
    const [texting, sendText] = form(this.say("send_text"), sayText, this.label("text", text));
    const [packing, sendBytes] = form(this.say("send_bytes"), () => this.send(bytes(hex.value)), this.label("hex", hex));
    const [closing, close] = form(
      this.say("close"),
      () => this.close(code.value, reason.value),
      this.label("code", code), this.label("reason", reason),
    );
    this.whileClosed.push(connect);
    this.whileOpen.push(sendText, sendBytes, close);
    const noted = () => (note.hidden = route.value !== "proxy");
    route.addEventListener("change", noted);
    noted();
    this.enable(false);
    const title = make("legend", {}, this.say("browser"));
    return make("fieldset", {}, title, connecting, note, texting, packing, closing, this.log);
  }

  enable(open) {
    for (const button of this.whileOpen) button.disabled = !open;
    for (const button of this.whileClosed) button.disabled = open;
  }

  attempt(action) {
    try {
      action();
    } catch (error) {
      this.tell(`${error.name}: ${error.message}`); // what the browser says, such as of a code that a page may not send
    }
  }

  connect(url) {
    const socket = new WebSocket(url);
    socket.binaryType = "arraybuffer";
    this.socket?.close();
    this.socket = socket;
    this.enable(true);
    let opened = false;
    this.tell(this.say("connecting", { url }));
    socket.addEventListener("open", () => {
      opened = true;
      this.tell(this.say("opened", { extensions: socket.extensions || this.say("none") }));
    });
    socket.addEventListener("message", ({ data }) => {
      const binary = data instanceof ArrayBuffer;
      const shown = binary ? [...new Uint8Array(data, 0, Math.min(data.byteLength, 64))] : data.slice(0, 200);
      this.tell(this.say("message_came", {
        kind: binary ? "binary" : "text",
        data: binary ? shown.map((byte) => byte.toString(16).padStart(2, "0")).join(" ") : JSON.stringify(shown),
      }));
    });
    socket.addEventListener("close", ({ code, reason, wasClean }) => {
      this.tell(this.say("closed", { code, reason: JSON.stringify(reason), clean: wasClean }));
      if (!opened) this.tell(this.say("refused"));
      if (this.socket === socket) this.enable(false);
    });
  }

  /** Send a text or bytes; says whether that was possible. */
  send(data) {
    if (data === null) this.tell(this.say("no_hex"));
    else if (this.socket.readyState !== WebSocket.OPEN) this.tell(this.say("not_open"));
    else {
      this.socket.send(data);
      return true;
    }
    return false;
  }

  close(code, reason) {
    const given = code === "" ? [] : reason === "" ? [Number(code)] : [Number(code), reason];
    this.socket.close(...given);
  }

  tell(text) {
    this.log.append(make("li", {}, text));
    while (this.log.childElementCount > LINES) this.log.firstElementChild.remove();
    this.log.scrollTop = this.log.scrollHeight;
  }
}

export default {
  initialize({ model }) {
    const panel = new Panel(model);
    return () => panel.end();
  },
};
