// The demo: six scenes over one stage.

import { find, icon, make, say } from "../shell/elements.js";
import { session, shell, showConnection } from "../shell/shell.js";
import { STALL } from "../stream/stream-strip.js";
import { EventList, Story, buffered } from "./beside.js";
import { legend, show, slide, sliders, tabs, value } from "./controls.js";
import { Run } from "./run.js";
import { FAULTS, SCENES, SLIDERS, weather } from "./scenes.js";

/** @typedef {import("../stream/stream-strip.js").StreamStrip} StreamStrip */

const strip = /** @type {StreamStrip} */ (find("#strip"));
const bufferedStrip = /** @type {StreamStrip} */ (find("#buffered-strip"));
const question = /** @type {HTMLInputElement} */ (find("#question"));
const [events, story] = [new EventList(), new Story()];
let scene = SCENES[0];
/** @type {Run | null} */
let run = null;
let together = new AbortController();
/** When something last came, to say who is silent. */
let heard = 0;

const running = () => run !== null && run.ended === null;
const KEPT = "demo";

function scenes() {
  const nav = find(".scenes");
  SCENES.forEach((each, at) => nav.append(make("button", { type: "button", data: { scene: each.id }, onclick: () => choose(each) }, make("span", { class: "number" }, String(at + 1)), each.name)));
}

/** @param {typeof scene} next @param {boolean} [keep] Whether what runs goes on. */
function choose(next, keep = false) {
  if (!next) return;
  scene = next;
  if (!keep) reset();
  history.replaceState(null, "", `#${next.id}`);
  say(find("#lesson"), next.lesson);
  question.value = next.question;
  for (const button of document.querySelectorAll(".scenes button")) button.toggleAttribute("aria-current", /** @type {HTMLElement} */ (button).dataset.scene === next.id);
  for (const { id, initial } of SLIDERS) slide(id, next.pace?.[id] ?? initial);
  for (const button of document.querySelectorAll(".faults [data-fault]")) button.setAttribute("aria-pressed", "false");
  show(next.beside);
}

function faults() {
  for (const { id, name, orders, about } of FAULTS)
    find(".faults").append(make("button", { type: "button", class: "fault", title: about, data: { fault: id }, "aria-pressed": "false", onclick: () => void start(orders, id, about) }, name));
  find("#cut-reader").onclick = () => {
    if (!running()) return;
    story.add("you", "cut this page's connection; the answer goes on in the gateway", "wait");
    show("story");
    run?.cut();
  };
  find("#reload").onclick = () => location.reload();
}

function reset() {
  run?.leave();
  if (running()) void run?.stop();
  together.abort();
  run = null;
  sessionStorage.removeItem(KEPT);
  for (const id of ["live", "buffered"]) find(`#${id}`).replaceChildren();
  events.clear();
  story.clear();
  for (const each of [strip, bufferedStrip]) each.start(), each.finish("");
  status("ready", "Ready");
  for (const id of ["live-first", "second-note"]) say(find(`#${id}`), "");
  count();
}

/** @param {string} state @param {string} words */
function status(state, words) {
  const element = find("#status");
  element.dataset.state = state;
  say(element, words);
  const go = find("#go");
  const stops = ["connecting", "streaming", "resuming"].includes(state);
  if (go.dataset.stops !== String(stops)) {
    go.dataset.stops = String(stops);
    go.replaceChildren(icon(stops ? "stop" : "play"), make("span", {}, stops ? "Stop" : "Start"));
  }
  showConnection(state === "resuming" ? "waiting" : "connected", state === "resuming" ? "reconnecting" : "connected");
}

function count() {
  const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(2)} s`;
  say(find("#first"), run?.first == null ? "–" : seconds(run.first));
  say(find("#elapsed"), run ? seconds(run.elapsed) : "–");
  say(find("#characters"), (run?.characters ?? 0).toLocaleString("en"));
  const tokens = find("#tokens");
  const confirmed = run?.tokens ?? null;
  say(tokens, run ? (confirmed ?? `~${run.estimate}`).toLocaleString("en") : "0");
  tokens.classList.toggle("estimated", run !== null && confirmed === null);
  tokens.title = run === null ? "" : confirmed === null ? "Estimated: about four characters a token" : "Confirmed by the service's own usage";
  const time = run?.first == null ? 0 : run.elapsed - run.first;
  say(find("#rate"), run && time > 200 ? ((confirmed ?? run.estimate) / (time / 1000)).toFixed(0) : "–");
  find("#rate").classList.toggle("estimated", run !== null && confirmed === null && time > 200);
  if (run?.first != null) say(find("#live-first"), `text after ${seconds(run.first)}`);
  strip.span = bufferedStrip.span = scene?.beside === "buffered" ? (run?.elapsed ?? 0) : 0;
  if (running() && run?.state === "streaming" && performance.now() - heard > STALL) say(find("#status"), `Silent for ${((performance.now() - heard) / 1000).toFixed(1)} s`);
}

function tick() {
  if (run && running()) count();
  setTimeout(tick, 100);
}

/** The line for the simulator. @param {string} fault */
function orders(fault) {
  const parts = ["pace=real", `ttft=${value("ttft")}ms`, `tps=${(1000 / value("gap")).toFixed(2)}`, `jitter=${(value("jitter") / 100).toFixed(2)}`, `burst=${value("burst")}`, scene?.orders, fault];
  return parts.filter(Boolean).join("; ");
}

/** @type {import("./run.js").Shown} */
const shown = {
  status,
  event: (event) => ((heard = performance.now()), events.add(event)),
  piece: (kind, size) => strip.add(kind, size),
};

/** @param {string} fault @param {string} name @param {string} about */
async function start(fault, name, about) {
  reset();
  if (!scene) return;
  for (const button of document.querySelectorAll(".faults [data-fault]")) button.setAttribute("aria-pressed", String(/** @type {HTMLElement} */ (button).dataset.fault === name));
  if (name) show(scene.beside === "buffered" ? "buffered" : "story");
  if (about) story.add("you", about, "plain", 0);
  const body = { model: "claude-sonnet-5-5", max_tokens: 2000, ...scene.request, messages: [{ role: "user", content: question.value || scene.question }] };
  // A name of its own: what the simulator does to the first attempt of a request, it does to each run's.
  const headers = { "perennial-sim": orders(fault), "perennial-sim-key": crypto.getRandomValues(new Uint32Array(2)).join("-") };
  together = new AbortController();
  const mine = (run = new Run(find("#live"), shown));
  heard = performance.now();
  strip.start();
  if (scene.beside === "buffered") void buffered(body, { ...headers, "perennial-sim-key": `${headers["perennial-sim-key"]}-whole` }, together.signal);
  await finished(mine, async () => turns(mine, body, headers));
}

/** The stream, and where it called tools those after it. @param {Run} mine @param {any} body @param {Record<string, string>} headers */
async function turns(mine, body, headers) {
  mine.onmade = (id) => {
    if (mine !== run) return;
    remember(mine, id);
    story.follow(id);
  };
  let stream = await mine.ask(body, headers);
  for (let step = 0; step < 3 && stream.outcome?.stop_reason === "tool_use" && mine === run; step += 1) {
    const { content } = stream.message;
    const results = content.filter(({ type }) => type === "tool_use").map(({ id, input }) => ({ type: "tool_result", tool_use_id: id, content: weather(input) }));
    for (const { tool_use_id, content } of results) mine.answer?.calls.get(tool_use_id)?.result(content, false);
    story.add("this page", `answered ${results.length} calls, and asked for the rest`, "good");
    mine.before += stream.usage?.output_tokens ?? 0;
    body = { ...body, messages: [...body.messages, { role: "assistant", content }, { role: "user", content: results }] };
    stream = await mine.ask(body, { ...headers, "perennial-sim": headers["perennial-sim"]?.replace("tools=all", "tools=never") ?? "" });
  }
  return stream;
}

/** @param {Run} mine @param {() => Promise<import("../perennial.js").Stream>} reading */
async function finished(mine, reading) {
  try {
    mine.finish(await reading());
  } catch (error) {
    mine.fail(error);
  }
  if (mine !== run) return;
  strip.finish(mine.state === "done" ? "completed" : mine.state);
  sessionStorage.removeItem(KEPT);
  count();
  void story.look();
}

/** @param {Run} mine @param {string} id */
function remember({ began }, id) {
  sessionStorage.setItem(KEPT, JSON.stringify({ id, scene: scene?.id, at: Date.now() - (performance.now() - began) }));
}

/** After a reload: the stream that ran is read again, from its beginning. */
async function resume() {
  const kept = JSON.parse(sessionStorage.getItem(KEPT) ?? "null");
  const hash = location.hash.slice(1);
  const first = SCENES.find(({ id }) => id === (kept?.scene ?? hash)) ?? SCENES[0];
  if (first) choose(first, Boolean(kept));
  if (!kept) return reset();
  events.clear();
  story.clear();
  const mine = (run = new Run(find("#live"), shown));
  const ago = Date.now() - kept.at;
  strip.start(ago);
  story.add("you", "reloaded the page; it reads the stream again", "wait", ago);
  show("story");
  status("connecting", "Connecting");
  story.follow(kept.id);
  await finished(mine, () => mine.read(kept.id, ago));
}

shell("demo", [
  ["S", "Start, or stop"],
  ["1 – 6", "A scene"],
  ["Esc", "Stop"],
]);
scenes();
sliders();
faults();
tabs();
legend();
/** @type {HTMLFormElement} */ (find(".controls")).onsubmit = (event) => {
  event.preventDefault();
  if (running()) return void run?.stop();
  const fault = FAULTS.find(({ id }) => id === scene?.fault);
  void start(fault?.orders ?? "", fault?.id ?? "", fault?.about ?? "");
};
/** @type {HTMLButtonElement} */ (find("#go")).disabled = false;
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || (event.target instanceof Element && event.target.closest("input[type=text], dialog"))) return;
  const at = Number(event.key) - 1;
  if (SCENES[at]) choose(SCENES[at]);
  else if (event.key === "Escape" && running()) void run?.stop();
  else if (event.key === "s") /** @type {HTMLFormElement} */ (find(".controls")).requestSubmit();
});
void session().then((known) => known && known.mode !== "sim" && find(".breaks").classList.add("unavailable"));
void resume();
tick();
