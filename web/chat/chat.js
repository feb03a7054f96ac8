// The chat page: which conversation is shown, what was sent, what is stopped, and who is told.

import { find, make, say } from "../shell/elements.js";
import { session } from "../shell/shell.js";
import { Live } from "../live/live.js";
import { Announcer } from "./announcer.js";
import { conversations, key, turns } from "./api.js";
import { Composer } from "./composer.js";
import { keys } from "./keys.js";
import { askKey, follow } from "./presence.js";
import { Scroll, pill } from "./scroll.js";
import { defaults, modelsOf, openSettings, summary } from "./settings.js";
import { Sidebar } from "./sidebar.js";
import { Thread, after } from "./thread.js";

const SUGGESTIONS = ["Why is the sky blue?", "Compare Rust and Go", "How do I learn to cook?", "Write a haiku about rivers"];

/** @type {any} */
let known = null;
/** The conversation that is shown; empty for one that is not made yet. */
let current = "";
/** @type {import("./settings.js").Choice} */
let choice = defaults(null);
/** Requests on their way, during which what is asked again would show things twice. */
let pending = 0;
/** A stop that came before there was anything with a name to stop. */
let stopWanted = false;
/** Until the message before is there. @type {Promise<void>} */
let sending = Promise.resolve();

const live = new Live(key());
const announcer = new Announcer();
const scroll = new Scroll(find("#scroller"), find("#transcript"));
const thread = new Thread(find("#thread"), {
  live,
  act: (action, turn) => void act(action, turn),
  choose: (turn) => void choose(turn),
  edited: (turn, content) => void send(content, turn.parent ?? null),
  window: ({ model }) => modelsOf(known).find(({ id }) => id === model || model?.startsWith(id))?.window ?? null,
  told: (view, what) => told(view, what),
  heard: (text) => announcer.hear(text),
});
const composer = new Composer({ send: (content) => void send(content), stop: () => void stop() });
const sidebar = new Sidebar({ open: (id) => void open(id), fresh: () => fresh(), complain: (words) => composer.complain(words) });

/** A conversation that is not made yet. @param {boolean} [silent] Without another entry in the history. */
function fresh(silent = false) {
  leave();
  if (!silent && location.pathname !== "/") history.pushState(null, "", "/");
  document.body.classList.add("fresh");
  choice = defaults(known);
  shown("New chat");
  composer.open("new");
  composer.field.focus();
}

/** @param {string} id @param {boolean} [silent] */
async function open(id, silent = false) {
  leave();
  current = id;
  if (!silent) history.pushState(null, "", `/c/${id}`);
  document.body.classList.remove("fresh");
  composer.open(id);
  sidebar.current(id);
  await load(true);
}

function leave() {
  remember();
  current = "";
  thread.clear();
  announcer.hush();
  composer.running = false;
  sidebar.current("");
}

/** Asks for what is shown. @param {boolean} [first] */
async function load(first = false) {
  const id = current;
  if (!id || pending > 0) return;
  try {
    const conversation = await conversations.get(id);
    if (id !== current || pending > 0) return;
    if (!first && thread.conversation && conversation.version < thread.conversation.version) return;
    show(conversation);
    if (first) scroll.recall(id, thread.last, thread.running !== null);
  } catch (error) {
    if (id !== current) return;
    const { status, message } = /** @type {any} */ (error);
    if (status === 401 || status === 403) return askKey();
    if (status === 404 || status === 410) {
      fresh();
      composer.complain("This conversation is not there any more");
    } else composer.complain(`The conversation cannot be read: ${message}`);
  }
}

/** @param {any} conversation */
function show(conversation) {
  choice = { model: conversation.model ?? choice.model, system: conversation.system ?? null, settings: { ...choice.settings, ...conversation.settings } };
  thread.update(conversation);
  shown(conversation.title || "New chat");
  running();
}

/** @param {string} title */
function shown(title) {
  document.title = `${title} · Perennial`;
  say(find("#title"), title);
  summary(known, choice);
}

function remember() {
  if (current) scroll.remember(current);
}

function running() {
  composer.running = thread.running !== null;
  find("#scroller").setAttribute("aria-busy", String(thread.running !== null));
}

/** @param {import("./turn.js").AssistantTurn} view @param {"begun" | "over"} what */
function told(view, what) {
  if (what === "begun") announcer.say("Claude is answering");
  if (what !== "over") return;
  announcer.over(view.state);
  running();
}

/** @param {any} content @param {string | null} [parent] Of a message that is another version of one; else it goes to the end. */
async function send(content, parent) {
  const edited = parent !== undefined;
  const queue = !edited && thread.running !== null;
  const begun = current;
  document.body.classList.remove("fresh");
  const expected = thread.expect(content, queue);
  // A follow-up while an answer comes leaves the view alone.
  if (!queue && localStorage.getItem("scroll") === "follow") scroll.follow();
  else if (!queue) scroll.anchor(expected.element);
  running();
  pending += 1;
  const before = sending;
  let release = () => {};
  sending = new Promise((resolve) => (release = resolve));
  try {
    // One after the other: what is sent second goes behind the first, and into its conversation.
    await before;
    const here = expected.element.isConnected;
    let target = here ? current : begun;
    if (!target) {
      const made = await conversations.create(choice);
      target = made.id;
      // Unless the reader is elsewhere by now.
      if (current === "" && expected.element.isConnected) {
        current = target;
        thread.conversation = { ...made, turns: [] };
        history.pushState(null, "", `/c/${target}`);
        sidebar.current(target);
      }
    }
    const turn = { parent: edited ? parent : here ? (thread.path.at(-1)?.id ?? null) : undefined, content, queue };
    // Between two steps of tools an answer runs that this page has not heard of yet.
    const sent = await turns.send(target, turn).catch((error) => {
      if (error.status !== 409 || edited || queue) throw error;
      return turns.send(target, { ...turn, queue: true });
    });
    if (current === target) {
      composer.moveTo(target);
      expected.adopt(sent.user, sent.assistant);
      thread.path = edited ? thread.path : [...thread.path, sent.user, sent.assistant];
    }
    if (stopWanted) void turns.stop(target, sent.assistant.id);
  } catch (error) {
    expected.withdraw();
    composer.giveBack(content);
    composer.complain(`It was not sent: ${/** @type {any} */ (error).message}`);
    if (/** @type {any} */ (error).status === 401) askKey();
  } finally {
    release();
    pending -= 1;
    stopWanted = false;
    running();
    sidebar.soon();
    await load();
  }
}

/** Stops what is being made: at once here, and everywhere as soon as the gateway has it. */
async function stop() {
  const view = thread.running;
  if (!view) return;
  view.stopping();
  running();
  if (String(view.turn.id).startsWith("new-")) stopWanted = true;
  else await stopTurn(view.turn.id);
}

/** @param {string} id @param {boolean} [trim] */
async function stopTurn(id, trim) {
  await turns.stop(current, id, trim).catch((error) => composer.complain(`It could not be stopped: ${error.message}`));
  void load();
}

/** @param {string} action @param {any} turn */
async function act(action, turn) {
  if (action === "settings") return settings();
  if (action === "stop" || action === "trim") return stopTurn(turn.id, action === "trim");
  if (action === "edit") return thread.question(turn)?.edit();
  pending += 1;
  try {
    const { assistant } = await (action === "continue" ? turns.goOn : turns.retry)(current, turn.id);
    if (thread.conversation) thread.conversation.head = assistant.id;
  } catch (error) {
    composer.complain(/** @type {any} */ (error).message);
  } finally {
    pending -= 1;
  }
  await load();
  const exchange = thread.assistants.at(-1)?.element.closest(".exchange");
  if (action === "retry" && exchange instanceof HTMLElement) scroll.anchor(exchange);
}

/** Another version, and what came after it. @param {any} turn */
async function choose(turn) {
  const head = after(thread.conversation.turns, turn.id).at(-1)?.id ?? turn.id;
  thread.update({ ...thread.conversation, head });
  running();
  await conversations.change(current, { head }).catch((error) => composer.complain(error.message));
}

function settings() {
  openSettings(known, choice, (chosen) => {
    choice = chosen;
    summary(known, choice);
    if (current) void conversations.change(current, chosen).catch((error) => composer.complain(error.message));
  });
}

live.onchange = (/** @type {import("../live/live.js").Change} */ { id, hello, deleted }) => {
  sidebar.soon();
  if (id === current && deleted) return fresh();
  if (current && (hello || id === current)) void load();
};
follow(live, () => known?.keys === true);

pill(scroll, () => thread.running !== null);
find("#settings").onclick = () => settings();
find("#suggestions").append(...SUGGESTIONS.map((words) => make("button", { type: "button", onclick: () => void send(words) }, words)));

keys({ stop: () => void stop(), fresh: () => fresh(), sidebar, field: composer.field });
addEventListener("pagehide", remember);
addEventListener("popstate", () => route());

function route() {
  const id = /^\/c\/([\w-]+)$/.exec(location.pathname)?.[1];
  if (id) void open(id, true);
  else fresh(true);
}

route();
void sidebar.refresh();
void session().then((said) => {
  known = said;
  if (known?.conversations === false) composer.complain("This gateway keeps no conversations; the demo works all the same");
  if (!current) choice = defaults(known);
  summary(known, choice);
});
