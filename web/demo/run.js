// One run: a stream is made, read, counted and shown; after a reload it is read again from the beginning, which takes a moment.

import { attach } from "../perennial.js";
import { AnswerView } from "../stream/answer-view.js";
import { banner, troubleOf } from "../stream/trouble.js";

/**
 * @typedef {object} Shown What a run tells the page.
 * @property {(state: string, words: string) => void} status
 * @property {(event: import("../perennial-events.js").StreamEvent) => void} event
 * @property {(kind: import("../stream/stream-strip.js").Kind, size: number) => void} piece
 */

const VERSION = "2026-10-21";

export class Run {
  began = performance.now();
  /** Milliseconds to the first content. @type {number | null} */
  first = null;
  /** @type {number | null} */
  ended = null;
  characters = 0;
  /** As the stream ended: confirmed. @type {number | null} */
  tokens = null;
  /** Of a turn of tools before this one. */
  before = 0;
  state = "connecting";
  /** As soon as the stream has a name. @type {(id: string) => void} */
  onmade = () => {};
  #abort = new AbortController();
  /** @type {AbortController | null} */
  #connection = null;
  /** @type {import("../perennial.js").Stream | null} */
  #stream = null;

  /** @param {HTMLElement} place @param {Shown} shown */
  constructor(place, shown) {
    this.shown = shown;
    this.place = place;
    place.replaceChildren();
  }

  /** The estimate, until the service says. */
  get estimate() {
    return this.before + Math.round(this.characters / 4);
  }

  get elapsed() {
    return (this.ended ?? performance.now()) - this.began;
  }

  /** Makes a stream of this request and reads it to its end. @param {any} body @param {Record<string, string>} headers */
  async ask(body, headers) {
    this.#tell("connecting", "Connecting");
    const answer = await fetch("/v1/streams", {
      method: "POST",
      headers: { "content-type": "application/json", "anthropic-version": VERSION, ...headers },
      body: JSON.stringify(body),
      signal: this.#abort.signal,
    });
    const made = await answer.json();
    if (!answer.ok) throw new Error(made.error?.message ?? `the gateway answered ${answer.status}`);
    this.onmade(made.id);
    return this.read(made.id);
  }

  /** Reads a stream that there is. @param {string} id @param {number} [ago] How long ago it began. */
  async read(id, ago = 0) {
    if (ago) this.began = performance.now() - ago;
    const answer = new AnswerView(`demo/${id}`);
    this.answer = answer;
    this.place.append(answer.element);
    answer.onpiece = (kind, size) => this.#piece(kind, size);
    answer.onpaint = () => this.#follow();
    this.#stream = attach(id, { format: "tape", fetch: (url, init) => this.#fetch(url, init), signal: this.#abort.signal, onConnection: (now) => this.#connected(now) });
    for await (const event of this.#stream) {
      this.shown.event(event);
      answer.take({ event: event.event, data: event.data }, this.#catchingUp(ago));
      if (this.state !== "streaming" && this.first !== null && !this.#stream.outcome) this.#tell("streaming", "Streaming");
    }
    answer.flush();
    this.characters = Math.max(this.characters, answer.text.length);
    return this.#stream;
  }

  /** @param {import("../perennial.js").Stream} stream */
  finish({ state, outcome, usage }) {
    this.ended = performance.now();
    this.tokens = usage?.output_tokens === undefined ? null : this.before + usage.output_tokens;
    const words = /** @type {Record<string, string>} */ ({ completed: "Done", cancelled: "Stopped", failed: "Failed", interrupted: "Interrupted" })[state] ?? state;
    const trouble = troubleOf({ state, ...outcome, characters: this.answer?.text.length ?? 0 });
    if (trouble) this.place.append(banner(trouble));
    this.#tell(state === "completed" ? "done" : state, words, outcome?.error?.message);
  }

  /** @param {unknown} error */
  fail(error) {
    if (this.#abort.signal.aborted) return;
    this.ended = performance.now();
    const message = error instanceof Error ? error.message : String(error);
    this.place.append(banner({ kind: "error", title: "It could not be read", words: message, actions: [] }));
    this.#tell("failed", "Failed", message);
  }

  /** Stops the answer for everybody. */
  async stop() {
    await this.#stream?.cancel();
  }

  /** Leaves the page's reading; the answer goes on. */
  leave() {
    this.#abort.abort();
  }

  /** As a network does that goes away without a word. */
  cut() {
    this.#connection?.abort(new TypeError("the network was cut"));
  }

  /** @param {RequestInfo | URL} url @param {RequestInit} [init] */
  #fetch(url, init) {
    this.#connection = new AbortController();
    return fetch(url, { ...init, signal: AbortSignal.any([this.#connection.signal, ...(init?.signal ? [init.signal] : [])]) });
  }

  /** @param {import("../perennial-connection.js").Connection} connection */
  #connected({ state, delay, error }) {
    if (this.#stream?.outcome) return;
    if (state === "waiting") this.#tell("resuming", "Reconnecting", `${error?.message ?? "the connection ended"}: again in at most ${((delay ?? 0) / 1000).toFixed(1)} s`);
    else if (state === "open" && this.state === "resuming") this.#tell(this.first === null ? "connecting" : "streaming", this.first === null ? "Connecting" : "Streaming", "back, and nothing is missing");
  }

  /** @param {import("../stream/stream-strip.js").Kind} kind @param {number} size */
  #piece(kind, size) {
    if (["text", "thinking", "tool"].includes(kind)) {
      this.first ??= performance.now() - this.began;
      this.characters += size;
    }
    this.shown.piece(kind, size);
  }

  /** @param {number} ago */
  #catchingUp(ago) {
    return ago > 0 && performance.now() - this.began - ago < 400;
  }

  #follow() {
    const { scrollHeight, scrollTop, clientHeight } = this.place;
    if (scrollHeight - scrollTop - clientHeight < 80) this.place.scrollTop = scrollHeight;
  }

  /** @param {string} state @param {string} words @param {string} [why] */
  #tell(state, words, why) {
    this.state = state;
    this.shown.status(state, words);
    if (why) dispatchEvent(new CustomEvent("story", { detail: { words: why, kind: state } }));
  }
}
