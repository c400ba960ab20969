// The wall: takes documents and alerts from the stream, and shows them.
//
// Everything on the page is worked out here from instants, so that ages run on between messages. Text gets into the page
// as text alone (`textContent`): an id is whatever somebody once typed. What is to be shown stands behind the `#`
// of the address (key, shop, agent, customer, lang, theme), so that a link is a whole screen.

import { say } from "./words.js";

const LATE_MS = 30_000;
const STALE_MS = 10_000; // of data; the board shows its clock every 2 s
const RANK = { ok: -1, info: 0, warning: 1, critical: 2, breach: 3, lost: 4 };
const RETRY_MS = [500, 1_000, 2_000, 4_000];

const documents = new Map(); // key as JSON -> {kind, of, doc}
const alerts = new Map();
const seen = new Map();
let time = null; // {now_ms, speed, at}: what time it was when the last message came
let line = "lost"; // live, lost, refused
let mayAct = false;
let told = "";

const $ = (selector) => document.querySelector(selector);

// ---- what stands behind the # ---------------------------------------------------------------------------

let asked = new URLSearchParams(location.hash.slice(1));
let language = "en";

function link(change) {
  const params = new URLSearchParams();
  for (const name of ["key", "lang", "theme"]) {
    if (asked.has(name)) params.set(name, asked.get(name));
  }
  for (const [name, value] of Object.entries(change)) params.set(name, value);
  return `#${params}`;
}

function readAddress() {
  const key = asked.get("key");
  asked = new URLSearchParams(location.hash.slice(1));
  const wished = asked.get("lang") ?? navigator.language;
  language = wished.startsWith("zh") ? "zh" : "en";
  document.documentElement.lang = language === "zh" ? "zh-CN" : "en";
  document.documentElement.dataset.theme = asked.get("theme") === "light" ? "light" : "dark";
  for (const node of document.querySelectorAll("[data-say]")) text(node, word(node.dataset.say));
  if (key !== asked.get("key") || line === "refused") connect();
  render();
}

const word = (name, values) => say(language, name, values);

// ---- the stream -----------------------------------------------------------------------------------------

let connection = null;

/** Stay connected; the whole picture comes first each time, so nothing is missed. */
async function connect() {
  connection?.abort();
  const own = (connection = new AbortController());
  for (let tries = 0; !own.signal.aborted; tries += 1) {
    try {
      const answer = await fetch("wall/stream", { headers: bearer(), signal: own.signal, cache: "no-store" });
      if ([401, 403, 421, 429].includes(answer.status)) {
        line = "refused";
        told = word("bad_key");
        render();
        if (answer.status !== 429) return;
      } else if (answer.ok) {
        mayAct = answer.headers.get("Csstream-May") === "act";
        told = "";
        tries = 0;
        await read(answer.body, own.signal);
      }
    } catch (error) {
      if (own.signal.aborted) return;
    }
    if (line === "live") line = "lost";
    render();
    await new Promise((done) => setTimeout(done, RETRY_MS[Math.min(tries, RETRY_MS.length - 1)]));
  }
}

function bearer() {
  return asked.has("key") ? { Authorization: `Bearer ${asked.get("key")}` } : {};
}

async function read(body, signal) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "";
  // A line that says nothing for so long is dead, whatever the network thinks.
  let timer = null;
  const alive = () => {
    clearTimeout(timer);
    timer = setTimeout(() => reader.cancel(), 10_000);
  };
  alive();
  for (;;) {
    const { done, value } = await reader.read();
    if (done || signal.aborted) break;
    alive();
    const parts = (rest + value).split("\n\n");
    rest = parts.pop();
    for (const part of parts) if (part.startsWith("data: ")) take(JSON.parse(part.slice(6)));
  }
  clearTimeout(timer);
}

function take(message) {
  line = "live";
  time = { ...message.time, at: performance.now() };
  if (message.whole) {
    documents.clear();
    alerts.clear();
    seen.clear();
  }
  for (const [key, doc] of message.documents ?? []) {
    const name = JSON.stringify(key);
    if (doc === null) documents.delete(name);
    else documents.set(name, { kind: key[0], doc });
  }
  for (const [id, alert] of message.alerts ?? []) {
    if (alert === null) alerts.delete(id);
    else alerts.set(id, alert);
    if (alert?.state !== "firing") seen.delete(id);
  }
  for (const [id, at] of Object.entries(message.seen ?? {})) seen.set(id, at);
  if (message.whole || message.documents || message.alerts || message.seen) render();
}

async function acknowledge(alert) {
  if (!mayAct) return tell(word("look_only"));
  const answer = await fetch("wall/seen", {
    method: "POST",
    headers: { ...bearer(), "Content-Type": "application/json" },
    body: JSON.stringify({ alert }),
  }).catch(() => null);
  if (answer === null || (!answer.ok && answer.status !== 404)) tell(word("lost"));
}

function tell(said) {
  told = said;
  render();
  setTimeout(() => {
    if (told === said) told = "";
  }, 4_000);
}

// ---- words and numbers ----------------------------------------------------------------------------------

/** An id as it may be shown: what has no shape of its own, or turns text around, is made visible. */
function plain(id) {
  return id.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, "·");
}

/** A customer's id that tells two apart in a room, and no more. */
function masked(customer) {
  const letters = [...plain(customer)];
  return letters.length <= 4 ? letters.join("") : `*${letters.slice(-4).join("")}`;
}

const holderOf = (agent) => (agent === null ? word("queue") : plain(agent));

const two = (number) => String(number).padStart(2, "0");

function span(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  const [h, m] = [Math.floor(s / 3600), Math.floor(s / 60) % 60];
  return h ? `${h}:${two(m)}:${two(s % 60)}` : `${m}:${two(s % 60)}`;
}

/** The same where five characters have room. */
function shortSpan(ms) {
  const minutes = Math.floor(ms / 60_000);
  const hours = Math.floor(minutes / 60);
  return hours >= 10 ? word("hours", { n: hours }) : hours ? `${hours}h${two(minutes % 60)}` : span(ms);
}

function briefly(ms) {
  const s = Math.max(0, Math.round(ms / 1000));
  return s < 120 || (s < 600 && s % 60) ? word("seconds", { n: s }) : word("minutes", { n: Math.round(s / 60) });
}

function bound(ms) {
  const s = ms / 1000;
  return s < 120 || s % 60 ? String(s) : word("m", { n: s / 60 });
}

const share = (part, whole) => (whole ? `${((100 * part) / whole).toFixed(1)} %` : "–");
const percent = (part, whole) => (whole ? `${Math.floor((100 * part) / whole)} %` : "–"); // 100 only where it is all
const fixed = (value) => (value === null ? "–" : value.toFixed(value < 99.95 ? 1 : 0)); // four characters have room

function clockOf(ms, zone, options = {}) {
  const wanted = { hour: "2-digit", minute: "2-digit", second: "2-digit", hourCycle: "h23", timeZone: zone };
  return new Intl.DateTimeFormat(document.documentElement.lang, { ...wanted, ...options }).format(ms);
}

// ---- what is known --------------------------------------------------------------------------------------

function now() {
  return time === null ? Date.now() : time.now_ms + (performance.now() - time.at) * time.speed;
}

function of(kind) {
  const shop = asked.get("shop");
  const found = [];
  for (const entry of documents.values()) {
    if (entry.kind === kind && (shop === null || kind === "clock" || entry.doc.shop === shop)) found.push(entry.doc);
  }
  return found;
}

/** The severity of a wait of this age, by the policy's levels; `ok` below the first. */
function severityAt(age, levels) {
  let found = "ok";
  for (const [over, severity] of levels) if (age > over) found = severity;
  return found;
}

/** All that a page shows, at one instant. */
function look() {
  const at = now();
  const shops = of("shop").sort((a, b) => (a.shop < b.shop ? -1 : 1));
  const levels = shops[0]?.levels ?? [];
  const clocks = new Map(shops.map((shop) => [shop.shop, shop.stopped_ms ?? at]));
  const ageOf = (shop, since) => (clocks.get(shop) ?? at) - since;
  const waits = of("wait").map((doc) => {
    const age = ageOf(doc.shop, doc.since_ms);
    return { ...doc, age, severity: severityAt(age, levels) };
  });
  waits.sort((a, b) => b.age - a.age || (a.customer < b.customer ? -1 : 1));
  const agents = of("agent").map((doc) => {
    const own = waits.filter((wait) => wait.agent === doc.agent && wait.shop === doc.shop);
    const oldest = doc.figures.oldest_since_ms === null ? null : ageOf(doc.shop, doc.figures.oldest_since_ms);
    const severity = oldest === null ? "ok" : severityAt(oldest, levels);
    return { ...doc, waits: own, oldest, severity, late: own.filter((wait) => wait.age > LATE_MS).length };
  });
  agents.sort(worse);
  return { at, shops, levels, waits, agents, total: sum(shops, ageOf), zone: shops[0]?.timezone ?? "UTC" };
}

/** Worst first: by the level that the oldest wait has passed, then by how many wait too long, then by the day so far. */
function worse(a, b) {
  const rate = ({ figures: f }) => (f.waits ? f.within_30 / f.waits : 2);
  return (
    RANK[b.severity] - RANK[a.severity] ||
    b.late - a.late ||
    (b.oldest ?? -1) - (a.oldest ?? -1) ||
    rate(a) - rate(b) ||
    (a.agent < b.agent ? -1 : 1)
  );
}

/** Several shops as one; a percentile of several is not known. */
function sum(shops, ageOf) {
  const names = ["open_waits", "consulted", "replied_any", "replied_strict", "waits", "within_30", "responses"];
  const total = Object.fromEntries(names.map((name) => [name, 0]));
  let meanTimes = 0;
  let oldest = null;
  for (const { shop, figures: f } of shops) {
    for (const name of names) total[name] += f[name];
    meanTimes += (f.mean_s ?? 0) * f.responses;
    if (f.oldest_since_ms !== null) oldest = Math.max(oldest ?? 0, ageOf(shop, f.oldest_since_ms));
  }
  const one = shops.length === 1 ? shops[0].figures : null;
  const mean = one ? one.mean_s : total.responses ? meanTimes / total.responses : null;
  return { ...total, mean_s: mean, p90_s: one ? one.p90_s : null, oldest };
}

/** Alerts to be shown: of several levels of one wait the highest; what stands first, and of that the worst. */
function toShow(filter) {
  const highest = new Map();
  for (const alert of alerts.values()) {
    if ((asked.has("shop") && alert.shop !== asked.get("shop")) || !filter(alert)) continue;
    const wait = alert.rule === "wait" ? alert.alert.slice(0, alert.alert.lastIndexOf("|")) : alert.alert;
    const other = highest.get(wait);
    if (other === undefined || RANK[alert.severity] > RANK[other.severity]) highest.set(wait, alert);
  }
  const stands = (alert) => (alert.state === "firing" ? (seen.has(alert.alert) ? 1 : 2) : 0);
  const order = (a, b) =>
    stands(b) - stands(a) ||
    (stands(a) ? RANK[b.severity] - RANK[a.severity] : 0) ||
    (b.end ?? b.ts) - (a.end ?? a.ts) ||
    (a.alert < b.alert ? -1 : 1);
  return [...highest.values()].sort(order);
}

// ---- the page -------------------------------------------------------------------------------------------

function text(node, value) {
  if (node.textContent !== value) node.textContent = value;
}

function put(node, name, value) {
  if (node.dataset[name] !== value) node.dataset[name] = value;
}

function make(tag, className = "", ...children) {
  const node = document.createElement(tag);
  node.className = className;
  node.append(...children);
  return node;
}

/** Children of `parent` as `items` say: those that are there already are kept, so that nothing flickers. */
function fill(parent, items, keyOf, create, update) {
  const left = new Map([...parent.children].map((node) => [node.dataset.key, node]));
  let place = parent.firstElementChild;
  for (const item of items) {
    const key = keyOf(item);
    const known = left.get(key);
    left.delete(key);
    const node = known ?? create(item);
    node.dataset.key = key;
    update(node, item);
    if (node === place) place = place.nextElementSibling;
    else parent.insertBefore(node, place);
  }
  for (const node of left.values()) node.remove();
}

/** How many rows of an element's `--row` height fit into it. */
function room(parent) {
  const height = parseFloat(getComputedStyle(parent).getPropertyValue("--row")) * rem();
  return Math.max(1, Math.floor((parent.clientHeight + 1) / height));
}

const rem = () => parseFloat(getComputedStyle(document.documentElement).fontSize);

let waiting = 0;

function render() {
  if (waiting) return;
  waiting = requestAnimationFrame(() => {
    waiting = 0;
    draw();
  });
}

function draw() {
  const view = look();
  const page = asked.has("customer") ? "wait" : asked.has("agent") ? "agent" : "room";
  document.documentElement.dataset.page = page;
  $("#room").hidden = page !== "room";
  $("#one").hidden = page === "room";
  drawHeader(view);
  if (page === "room") drawRoom(view);
  else if (page === "agent") drawAgent(view);
  else drawWait(view);
  text($("#message"), told);
  $("#message").hidden = told === "";
}

function drawHeader(view) {
  const names = view.shops.map((shop) => plain(shop.shop));
  text($("#shop"), names.length > 3 ? word("shops", { n: names.length }) : names.join(" · ") || "csstream");
  $("#home").href = link(asked.has("shop") && page_is_room() ? { shop: asked.get("shop") } : {});
  document.title = view.total.oldest === null ? "csstream" : `${span(view.total.oldest)} · csstream`;
  const known = view.shops.length > 0;
  text($("#date"), known ? clockOf(view.at, view.zone, { hour: undefined, minute: undefined, second: undefined, weekday: "short", month: "short", day: "numeric" }) : "");
  text($("#clock"), known ? clockOf(view.at, view.zone) : "");
  const clocks = of("clock");
  const speed = time?.speed || 1;
  const age = clocks.length ? (view.at - Math.min(...clocks.map((clock) => clock.clock_ms))) / speed : null;
  const newest = Math.max(-1, ...clocks.map((clock) => clock.newest_ms ?? -1));
  const state = line !== "live" ? "lost" : age === null ? "waiting_for_data" : age > STALE_MS ? "stale" : time.speed ? "live" : "paused";
  const box = $("#age");
  put(box, "severity", { live: "ok", paused: "info", waiting_for_data: "info", stale: "critical", lost: "breach" }[state]);
  put(document.documentElement, "data", state);
  const fast = state === "live" && time.speed !== 1 ? ` ${word("speed", { n: time.speed })}` : "";
  text(box.querySelector("b"), word(state) + fast);
  const parts = [];
  if (age !== null && state !== "paused") parts.push(word("data_age", { s: briefly(age) }));
  if (newest >= 0 && state === "live") parts.push(word("last_event", { s: briefly((view.at - newest) / speed) }));
  text(box.querySelector("span"), parts.join(" · "));
  text($("#language"), word("other_language"));
  text($("#theme"), word(document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
}

const page_is_room = () => !asked.has("agent") && !asked.has("customer");

function drawRoom(view) {
  const worst = view.waits[0];
  const longest = $("#longest");
  const calm = view.shops.length ? "ok" : "info"; // nothing known is not all well
  put(longest, "severity", worst?.severity ?? calm);
  const longestShown = view.total.oldest === null ? (view.shops.length ? "0:00" : "–") : span(view.total.oldest);
  text(longest.querySelector("b"), longestShown);
  longest.classList.toggle("long", longestShown.length > 5);
  longest.classList.toggle("longer", longestShown.length > 7);
  const told = worst
    ? `${word("holder", { customer: masked(worst.customer), agent: holderOf(worst.agent) })} · ${count(worst.messages)}`
    : word(view.shops.length ? "nobody" : "nothing_yet");
  text(longest.querySelector(".note"), told);

  const late = view.waits.filter((wait) => wait.age > LATE_MS).length;
  const unlisted = view.total.open_waits - view.waits.length;
  put($("#late"), "severity", late ? severityAt(LATE_MS + 1, view.levels) : calm);
  const lateShown = view.shops.length ? `${late}${unlisted > 0 ? "+" : ""}` : "–";
  text($("#late b"), lateShown);
  $("#late").classList.toggle("long", lateShown.length > 2);
  text($("#late .note"), view.shops.length ? word("of_waiting", { n: view.total.open_waits }) : "");

  drawAges(view);
  const f = view.total;
  figure("#within", share(f.within_30, f.waits), f.waits ? word("of", { n: f.within_30, m: f.waits }) : "");
  figure("#replied", share(f.replied_any, f.consulted), f.consulted ? word("of", { n: f.replied_any, m: f.consulted }) : "");
  figure("#mean", f.mean_s === null ? "–" : word("seconds", { n: fixed(f.mean_s) }), f.p90_s === null ? "" : word("p90_note", { n: fixed(f.p90_s) }));
  drawAgents(view);
  drawAlerts($("#alerts"), toShow(() => true));
  drawUnpaid(view);
}

const count = (messages) => (messages === 1 ? word("one_message") : word("message_count", { n: messages }));

function figure(where, number, note) {
  text($(`${where} dd`), number);
  text($(`${where} small`), note);
}

function drawAges(view) {
  const bounds = view.levels.map(([over]) => over);
  const bins = [-1, ...bounds].map((from, place) => {
    const to = bounds[place] ?? Infinity;
    const number = view.waits.filter((wait) => wait.age > from && wait.age <= to).length;
    const label = place === 0 ? `≤${bound(to)}` : `>${bound(from)}`;
    return { key: String(place), number, label, severity: place ? view.levels[place - 1][1] : "ok" };
  });
  const most = Math.max(4, ...bins.map((bin) => bin.number));
  const create = () => make("div", "bar", make("b"), make("i"), make("span"));
  fill($("#ages .bars"), view.levels.length ? bins : [], (bin) => bin.key, create, (node, bin) => {
    put(node, "severity", bin.severity);
    node.classList.toggle("none", bin.number === 0);
    node.classList.toggle("long", bin.number > 99);
    text(node.children[0], String(bin.number));
    node.style.setProperty("--share", String(bin.number / most));
    text(node.children[2], bin.label);
  });
}

function drawAgents(view) {
  const rows = $("#agents .rows");
  const least = 2.15;
  const high = Math.min(4.2, Math.max(least, rows.clientHeight / rem() / Math.max(1, view.agents.length)));
  rows.style.setProperty("--row", String(high));
  const shown = view.agents.slice(0, room(rows));
  const create = () => {
    const row = make("a", "row", make("span", "name", make("i", "mark"), make("b")), make("span", "state"));
    for (const name of ["open", "oldest", "over", "mean", "p90", "within", "replied"]) row.append(make("span", name));
    row.children[7].append(make("b"), make("small"));
    row.children[8].append(make("b"), make("small"));
    return row;
  };
  fill(rows, shown, (agent) => JSON.stringify([agent.shop, agent.agent]), create, (row, agent) => {
    const f = agent.figures;
    put(row, "severity", agent.severity);
    put(row, "state", agent.state);
    row.classList.toggle("idle", f.open_waits === 0);
    row.href = link({ shop: agent.shop, agent: agent.agent });
    const [name, state, open, oldest, over, mean, p90, within, replied] = row.children;
    name.firstChild.title = severityWord(agent.severity);
    text(name.lastChild, plain(agent.agent));
    text(state, agent.state ? word(agent.state) : "");
    text(open, f.open_waits ? String(f.open_waits) : "·");
    text(oldest, agent.oldest === null ? "" : shortSpan(agent.oldest));
    text(over, agent.late ? String(agent.late) : "");
    text(mean, fixed(f.mean_s));
    text(p90, fixed(f.p90_s));
    text(within.firstChild, percent(f.within_30, f.waits));
    text(within.lastChild, f.waits ? `${f.within_30}/${f.waits}` : "");
    text(replied.firstChild, percent(f.replied_any, f.consulted));
    text(replied.lastChild, f.consulted ? `${f.replied_any}/${f.consulted}` : "");
  });
  const rest = view.agents.slice(shown.length);
  const left = rest.reduce((total, agent) => total + agent.figures.open_waits, 0);
  text($("#agents .more"), rest.length ? word("more_agents", { n: rest.length, m: left }) : "");
}

const severityWord = (severity) => word(severity === "lost" ? "lost_wait" : severity);

/** What happened, short enough to be read from afar, and what to do next: the end of the summary. */
function wording(alert) {
  const [head, ...rest] = plain(alert.summary[language] ?? alert.rule).split(language === "zh" ? "：" : ": ");
  const rule = `rule_${alert.rule}`;
  const short = word(rule, { ...alert.value, over: briefly((alert.value.over_s ?? 0) * 1_000) });
  const happened = short === rule ? head : alert.agent === null ? short : `${short} · ${plain(alert.agent)}`;
  return [happened, rest.at(-1) ?? (short === rule ? "" : head)];
}

function drawAlerts(tile, list) {
  const rows = tile.querySelector(".rows");
  const shown = list.slice(0, room(rows));
  const create = (alert) => {
    const button = make("button", "seen", "✓");
    button.type = "button";
    button.addEventListener("click", () => acknowledge(alert.alert));
    const when = make("span", "when", make("b"), make("small"));
    return make("div", "alert", make("i", "mark"), make("a", "what", make("b"), make("span")), when, button);
  };
  fill(rows, shown, (alert) => alert.alert, create, (row, alert) => {
    const stands = alert.state === "firing";
    put(row, "severity", alert.severity);
    put(row, "stands", stands ? (seen.has(alert.alert) ? "seen" : "yes") : "no");
    const [mark, what, when, button] = row.children;
    mark.title = severityWord(alert.severity);
    const [happened, next] = wording(alert);
    text(what.firstChild, happened);
    text(what.lastChild, next);
    what.title = plain(alert.summary[language] ?? "");
    const whose = alert.customer === null ? (alert.agent === null ? {} : { agent: alert.agent }) : { customer: alert.customer };
    what.href = link({ shop: alert.shop, ...whose });
    text(when.firstChild, stands ? shortSpan(now() - alert.since) : word(alert.outcome ?? "cleared"));
    text(when.lastChild, alert.customer === null ? "" : masked(alert.customer));
    const can = stands && !seen.has(alert.alert);
    button.hidden = !mayAct && (!stands || can);
    button.disabled = !can;
    button.title = word(can ? "acknowledge" : "seen");
    button.ariaLabel = button.title;
  });
  if (tile.id === "alerts") {
    const standing = list.filter((alert) => alert.state === "firing").length;
    text(tile.querySelector("h2 b"), standing ? String(standing) : "");
  }
  const hidden = list.slice(shown.length);
  const over = hidden.filter((alert) => alert.state !== "firing").length;
  const more = hidden.length > over ? [word("more", { n: hidden.length - over })] : [];
  if (over) more.push(word("more_over", { n: over }));
  text(tile.querySelector(".more"), list.length === 0 ? word("quiet") : more.join(" · "));
}

function drawUnpaid(view) {
  const stages = new Map();
  for (const shop of view.shops) {
    for (const [stage, number] of shop.unpaid ?? []) stages.set(stage, (stages.get(stage) ?? 0) + number);
  }
  $("#unpaid").hidden = stages.size === 0;
  const create = () => make("div", "stage", make("b"), make("span"));
  fill($("#unpaid .stages"), [...stages], ([stage]) => stage, create, (node, [stage, number]) => {
    text(node.firstChild, String(number));
    text(node.lastChild, word(stage));
  });
}

// ---- one agent, one wait --------------------------------------------------------------------------------

function drawFigures(items) {
  const create = () => make("div", "figure", make("b"), make("span"), make("span"));
  fill($("#one .figures"), items, ([name]) => name, create, (node, [name, number, note]) => {
    text(node.firstChild, number);
    text(node.children[1], word(name));
    text(node.children[2], note ?? "");
  });
}

function drawAgent(view) {
  const agent = view.agents.find((one) => one.agent === asked.get("agent"));
  $("#one .back").href = link({});
  text($("#one h2"), plain(asked.get("agent")));
  if (agent === undefined) {
    text($("#one .note"), word("unknown_agent"));
    drawFigures([]);
  } else {
    const f = agent.figures;
    put($("#one .who"), "severity", agent.severity);
    text($("#one .note"), [agent.state && word(agent.state), agent.group && plain(agent.group), plain(agent.shop)].filter(Boolean).join(" · "));
    drawFigures([
      ["open", String(f.open_waits)],
      ["oldest", agent.oldest === null ? "–" : span(agent.oldest)],
      ["over", String(agent.late)],
      ["mean_column", fixed(f.mean_s)],
      ["p90", fixed(f.p90_s)],
      ["within_column", share(f.within_30, f.waits), f.waits ? `${f.within_30}/${f.waits}` : ""],
      ["replied_column", share(f.replied_any, f.consulted), f.consulted ? `${f.replied_any}/${f.consulted}` : ""],
      ["replied_strict", share(f.replied_strict, f.consulted), f.consulted ? `${f.replied_strict}/${f.consulted}` : ""],
    ]);
  }
  drawWaits(agent?.waits ?? [], view);
  drawAlerts($("#one .alerts"), toShow((alert) => alert.agent === asked.get("agent")));
}

function drawWait(view) {
  const customer = asked.get("customer");
  const wait = view.waits.find((one) => one.customer === customer);
  $("#one .back").href = link(wait?.agent != null ? { shop: wait.shop, agent: wait.agent } : {});
  text($("#one h2"), `${word("customer")} ${plain(customer)}`);
  text($("#one .note"), wait ? word("with", { agent: holderOf(wait.agent) }) : word("gone"));
  put($("#one .who"), "severity", wait?.severity ?? "ok");
  drawFigures(wait ? [["longest", span(wait.age)], ["messages", String(wait.messages)]] : []);
  drawWaits(wait ? [wait] : [], view);
  drawAlerts($("#one .alerts"), toShow((alert) => alert.customer === customer));
}

function drawWaits(waits, view) {
  const create = () =>
    make("div", "wait", make("a", "what", make("i", "mark"), make("b"), make("span")), make("p", "legs"), make("ol"));
  const rows = $("#one .waits .rows");
  fill(rows, waits, (wait) => JSON.stringify([wait.shop, wait.customer]), create, (node, wait) => {
    put(node, "severity", wait.severity);
    const [what, legs, list] = node.children;
    what.href = link({ shop: wait.shop, customer: wait.customer });
    text(what.children[1], span(wait.age));
    text(what.children[2], `${plain(wait.customer)} · ${word("since", { t: clockOf(wait.since_ms, view.zone) })} · ${count(wait.messages)}`);
    const hands = wait.legs.map((leg) => `${holderOf(leg.agent)} ${span((leg.until_ms ?? view.at) - leg.from_ms)}`);
    text(legs, wait.legs.length > 1 ? `${word("hands")}: ${hands.join(" → ")}` : "");
    const line = () => make("li", "", make("span"), make("code"), make("em"));
    fill(list, wait.said, ([id]) => id, line, (item, [id, at, sender]) => {
      text(item.children[0], clockOf(at, view.zone));
      text(item.children[1], plain(id));
      text(item.children[2], word(sender === "customer" ? "customer_said" : sender));
    });
  });
  text($("#one .waits .more"), waits.length ? "" : word("nobody"));
}

// ---- begin ----------------------------------------------------------------------------------------------

function change(name, value) {
  const params = new URLSearchParams(location.hash.slice(1));
  params.set(name, value);
  location.replace(`#${params}`);
}

$("#language").addEventListener("click", () => change("lang", language === "zh" ? "en" : "zh"));
$("#theme").addEventListener("click", () => change("theme", document.documentElement.dataset.theme === "dark" ? "light" : "dark"));
addEventListener("hashchange", readAddress);
addEventListener("resize", render);
setInterval(render, 500);
line = "refused"; // so that the first look at the address connects
readAddress();
