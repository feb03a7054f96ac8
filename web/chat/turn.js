// A turn of the model on the page: waiting, coming, over. The nodes of its text stay the same through all of it.

import { copyButton, iconButton, make, say } from "../shell/elements.js";
import { AnswerView } from "../stream/answer-view.js";
import { StreamStrip } from "../stream/stream-strip.js";
import { banner, repeating, troubleOf } from "../stream/trouble.js";
import { Meter } from "./meter.js";
import { Pager } from "./pager.js";
import { Waiting } from "./waiting.js";

/**
 * @typedef {object} Around What a turn needs of the conversation.
 * @property {import("../live/live.js").Live} live
 * @property {(action: import("../stream/trouble.js").Action, turn: any) => void} act
 * @property {(turn: any) => any[]} siblings
 * @property {(turn: any) => void} choose
 * @property {(turn: any) => number | null} window
 * @property {(view: AssistantTurn, what: "begun" | "over") => void} told
 * @property {(text: string) => void} heard
 */

export class AssistantTurn {
  /** @type {any} */
  turn;
  answer;
  /** There is one where the stream was read. @type {StreamStrip | null} */
  strip = null;
  state = "running";
  /** By this page, just now. */
  asked = false;
  #replaying = false;
  #stream = "";
  /** Until its end was read, which may be later than the gateway says that it is over. */
  #watching = false;
  #loaded = false;
  /** Milliseconds since 1970. */
  #asked = Date.now();
  /** @type {number | null} */
  #first = null;
  /** @type {number | null} */
  #over = null;
  #heard = Date.now();
  /** @type {any} */
  #usage = null;
  #confirmed = false;
  /** @type {any} */
  #ending = null;
  #status = make("span", { class: "status", role: "presentation" });
  #meter = new Meter();
  #buttons = make("span", { class: "buttons" });
  #cancel = make("button", { type: "button", class: "button small cancel", onclick: () => this.around.act("stop", this.turn) }, "Cancel");
  #pager = new Pager();
  #trouble = make("div", { class: "ending" });
  #timer = 0;
  #waiting = new Waiting();

  /** @param {Around} around @param {any} turn */
  constructor(around, turn) {
    this.around = around;
    this.turn = turn;
    this.answer = new AnswerView(turn.id);
    this.answer.onpiece = (kind, size, time) => this.#piece(kind, size, time);
    // What was there before this page looked is not news, unless it was asked for here.
    this.answer.ontext = (text) => void ((this.asked || !this.#replaying) && around.heard(text));
    this.footer = make("footer", {}, make("div", { class: "line" }, this.#status, this.#cancel, this.#meter.element, make("span", { class: "stretch" }), this.#buttons, this.#pager.element));
    this.element = make("article", { class: "turn assistant", "aria-label": "Claude" }, this.answer.element, this.#trouble, this.footer);
    this.#tools();
    this.#show();
  }

  get running() {
    return this.state === "running" || this.state === "queued";
  }

  /** What is known of it now. @param {any} turn */
  update(turn) {
    const known = this.turn;
    this.turn = turn;
    this.element.dataset.turn = turn.id;
    this.answer.key = turn.id;
    if (turn.stream && turn.stream !== this.#stream && turn.state === "running") this.#watch(turn.stream);
    if (["running", "queued"].includes(turn.state)) {
      // What was read to its end, or stopped here, is over, whatever the gateway said a moment ago.
      if (!this.#loaded && this.state !== "cancelled") this.state = turn.state;
    } else if (!this.#watching) this.#settle(turn);
    this.#show();
    if (known.state !== turn.state && !this.running) this.around.told(this, "over");
  }

  /** Shown no more. */
  dispose() {
    this.#leave();
    this.element.remove();
  }

  /** It is over, and everything of it is known. What was read live stays as it is, unless less of it is kept; what was not is built from that. @param {any} turn */
  #settle(turn) {
    const kept = (turn.content ?? []).reduce((/** @type {number} */ size, /** @type {any} */ { text = "" }) => size + text.length, 0);
    if (!this.#loaded || (turn.state === "cancelled" && kept < this.answer.text.length)) {
      this.answer.clear();
      this.answer.load(turn.content ?? []);
      this.#loaded = true;
    }
    this.state = turn.state;
    // Of an answer that did not come to its end the service said no more than what it began with.
    this.#confirmed ||= turn.usage != null && turn.state === "completed";
    this.#usage = turn.usage ?? this.#usage;
    this.#ending = { state: turn.state, stop_reason: turn.stop_reason ?? this.#ending?.stop_reason, stop_details: turn.stop_details, error: turn.error };
    this.#end();
  }

  /** Results of tools that this turn called. @param {any[]} content */
  results(content) {
    for (const { type, tool_use_id, content: result, is_error } of content) if (type === "tool_result") this.answer.calls.get(tool_use_id)?.result(result, is_error === true);
  }

  /** The gateway was told to stop it; it will say so itself in a moment. */
  stopping() {
    this.state = "cancelled";
    this.#show();
  }

  /** @param {string} stream */
  #watch(stream) {
    this.#leave();
    this.#stream = stream;
    this.state = "running";
    // What was said of one before it, which was never begun.
    this.#ending = null;
    this.#end();
    // The name says when it was made.
    const made = Number.parseInt(stream.slice(5, 17), 16);
    this.#asked = Math.min(made || Date.now(), Date.now());
    this.strip ??= /** @type {StreamStrip} */ (document.createElement("stream-strip"));
    this.footer.prepend(this.strip);
    this.strip.start(Date.now() - this.#asked);
    this.#heard = Date.now();
    this.#watching = true;
    this.around.live.watch(stream, { lines: (lines, replay) => this.#take(lines, replay), trouble: (error) => this.#lost(error) });
    this.#timer = window.setInterval(() => this.#tick(), 200);
    this.around.told(this, "begun");
  }

  #leave() {
    if (this.#watching) this.around.live.unwatch(this.#stream);
    this.#watching = false;
    clearInterval(this.#timer);
  }

  /** @param {import("../live/hub.js").Line[]} lines @param {boolean} replay */
  #take(lines, replay) {
    const { state } = this;
    const begun = this.#first !== null;
    this.#heard = Date.now();
    this.#replaying = replay;
    for (const { event, data, time } of lines) {
      const at = time === undefined ? undefined : time / 1000;
      if (event === "message_start" || event === "message_delta") this.#usage = { ...this.#usage, ...(data.message?.usage ?? data.usage) };
      if (event === "message_delta") this.#confirmed = true;
      this.answer.take({ event, data, time: at }, replay);
      if (event === "perennial.notice" && data.reason === "repeating") this.#say(repeating(data.times));
      if (event === "perennial.terminal") this.#terminal(data, at);
    }
    // The figures are shown five times a second, not with each piece.
    if (state !== this.state || begun !== (this.#first !== null)) this.#show();
  }

  /** @param {any} data @param {number} [at] */
  #terminal({ outcome, stop_reason, usage, error }, at) {
    this.state = outcome;
    this.#over = at ?? Date.now();
    this.#usage = usage ?? this.#usage;
    this.#confirmed ||= usage != null && outcome === "completed";
    this.#loaded = true;
    this.#ending = { state: outcome, stop_reason, error };
    this.#leave();
    this.strip?.finish(outcome, this.#over - this.#asked);
    this.answer.flush();
    if (["running", "queued"].includes(this.turn.state)) this.#end();
    else this.#settle(this.turn);
    this.around.told(this, "over");
  }

  /** The stream cannot be read: what is kept of the turn is shown, now or when it is over. @param {{ message: string }} error */
  #lost({ message }) {
    this.#leave();
    this.strip?.finish("failed");
    if (!["running", "queued"].includes(this.turn.state)) return this.#settle(this.turn);
    this.#ending = { state: "failed", error: { type: "unreadable", message } };
    this.#end();
  }

  #end() {
    const trouble = troubleOf({ ...this.#ending, characters: this.answer.text.length, tokens: this.#confirmed ? this.#usage?.output_tokens : null });
    const known = this.#trouble.dataset.said;
    const says = JSON.stringify(trouble);
    if (known === says) return;
    this.#trouble.dataset.said = says;
    this.#say(trouble);
  }

  /** @param {import("../stream/trouble.js").Trouble | null} trouble */
  #say(trouble) {
    this.#trouble.replaceChildren(...(trouble ? [banner(trouble, (action) => this.around.act(action, this.turn))] : []));
  }

  /** @param {import("../stream/stream-strip.js").Kind} kind @param {number} size @param {number} [time] */
  #piece(kind, size, time) {
    const at = (time ?? Date.now()) - this.#asked;
    if (["text", "thinking", "tool"].includes(kind)) this.#first ??= Math.max(0, at);
    this.strip?.add(kind, size, Math.max(0, at));
  }

  #tools() {
    const copy = copyButton(() => this.answer.text, () => (this.running ? "Copied, partial" : "Copied"));
    this.#buttons.append(copy, iconButton("retry", "Retry", { onclick: () => this.around.act("retry", this.turn), class: "quiet icon retry" }));
  }

  #tick() {
    if (!this.running) return;
    this.#show();
    if (this.#first === null) this.#waiting.look(this.#stream, this.#asked);
  }

  #show() {
    const { running } = this;
    this.element.dataset.state = this.state;
    this.element.classList.toggle("empty", this.answer.text === "");
    this.element.setAttribute("aria-busy", String(running));
    say(this.#status, this.#waiting.words({
      state: this.state,
      begun: this.#first !== null,
      phase: this.answer.phase,
      asked: this.#asked,
      heard: this.#heard,
      away: this.around.live.state === "waiting",
    }));
    const timing = this.turn.timing;
    this.#meter.show({
      first: this.#first ?? timing?.ttft_ms ?? null,
      elapsed: this.#first !== null ? (this.#over ?? Date.now()) - this.#asked : (timing?.elapsed_ms ?? null),
      characters: this.answer.text.length,
      usage: this.#usage,
      confirmed: this.#confirmed && !running,
      // Known once the gateway has closed its books on the turn, a moment after the stream's end.
      cost: this.turn.ended_at && this.#confirmed ? this.turn.cost : undefined,
      window: this.around.window(this.turn),
    });
    this.#pager.show(this.around.siblings(this.turn), this.turn, (turn) => this.around.choose(turn));
    this.#cancel.hidden = this.state !== "queued";
    this.#buttons.hidden = this.state === "queued" || (running && this.answer.text === "");
  }
}
