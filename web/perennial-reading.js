// What is known of one stream by reading it: how far, what it says so far, how it ended; and what can be asked about it.

import { ask, urlOf } from "./perennial-connection.js";
import { PerennialError, isPassing } from "./perennial-error.js";
import { Fold } from "./perennial-fold.js";

/** @typedef {import("./perennial-connection.js").Settings} Settings */
/** @typedef {{ id?: string, event: string, data: any }} Happening */
/** @typedef {{ type: string, stop_reason: string | null, error: { type: string, message: string } | null }} Outcome */

/**
 * @typedef {object} Place
 * @property {string} [after] The position up to which the reader has everything; the beginning if not given.
 * @property {string} [cap] A capability, where the reader has no key.
 */

export class Reading {
  /** The position of the last event that was handed out. Kept somewhere, it is what `after` goes on from. */
  position;
  /** As the gateway has it: `running`, then `completed`, `cancelled`, `failed` or `interrupted`. */
  state = "running";
  /** How it ended; `null` before. @type {Outcome | null} */
  outcome = null;
  /** The events handed out so far, folded. */
  fold = new Fold();
  /** Whether all events from the first on are in the fold. */
  #whole;
  /** @type {Record<string, any> | null} */
  #usage = null;

  /** @param {string} id @param {Place} place @param {Settings} settings */
  constructor(id, { after, cap }, settings) {
    this.id = id;
    this.cap = cap;
    this.settings = settings;
    this.position = after || "0";
    this.#whole = sequence(this.position) === 0;
  }

  /** The text that was handed out so far. */
  get text() {
    return this.fold.text;
  }

  /** As last said; placeholders for the output until the end. `null` before anything was said. */
  get usage() {
    return this.#usage ?? this.fold.usage;
  }

  /** The message as far as it was handed out; whole only where reading began at the beginning. */
  get message() {
    return this.fold.message();
  }

  /** Stops the stream, for everybody. To stop only reading, leave the loop or abort the signal. @returns {Promise<Record<string, any>>} The stream object. */
  async cancel() {
    // Whoever stops a stream has often aborted the reading by then.
    const settings = { ...this.settings, signal: undefined };
    return (await ask(this.urlTo("/cancel"), settings, { method: "POST" })).json();
  }

  /** The message, whole. @returns {Promise<import("./perennial-fold.js").Message>} */
  async whole() {
    if (this.outcome?.type !== "completed") throw this.ending();
    if (this.#whole) return this.fold.message();
    return (await ask(this.urlTo("/message"), this.settings)).json();
  }

  /** Asks how the stream ended, where its last events were read by somebody else before. */
  async learn() {
    const { state, outcome, usage } = await (await ask(this.urlTo(""), this.settings)).json();
    if (!outcome) throw new PerennialError("the gateway has nothing more of a stream that runs", { type: "api_error" });
    this.state = state;
    this.outcome = outcome;
    this.#usage = usage ?? this.#usage;
  }

  /**
   * Takes an event in.
   * @param {Happening} happening
   * @returns {string | null} The text that it added; `null` for an event that was there before.
   */
  accept({ id, event, data }) {
    if (id !== undefined) {
      if (sequence(id) <= sequence(this.position)) return null;
      this.position = id;
    }
    if (event === "perennial.terminal") {
      const { outcome, stop_reason = null, usage, error = null } = data;
      this.state = outcome;
      this.outcome = { type: outcome, stop_reason, error };
      this.#usage = usage ?? this.#usage;
    }
    return this.fold.apply(data);
  }

  /** The error that an end is, for who wanted the whole answer. */
  ending() {
    const error = this.outcome?.error;
    const message = error?.message ?? `the answer is not whole: the stream was ${this.state}`;
    // Whoever stopped it is told so, and not that the service failed.
    const type = this.state === "failed" ? (error?.type ?? this.state) : this.state;
    return this.blame(new PerennialError(message, { type }));
  }

  /** @template T @param {T} error @returns {T} */
  blame(error) {
    if (error instanceof PerennialError) {
      error.position = this.position;
      if (this.#whole) error.partial = this.fold.message();
    }
    return error;
  }

  /** @param {string} what @param {Record<string, string | undefined>} [query] */
  urlTo(what, query = {}) {
    return urlOf(this.settings, `/v1/streams/${encodeURIComponent(this.id)}${what}`, { ...query, cap: this.cap });
  }
}

/** The error that an event of the log is: the reader is elsewhere, or the log cannot be read now. @param {Happening} happening */
export function troubleOf({ event, data }) {
  const { type = "api_error", message = event, request_id: requestId } = data?.error ?? {};
  if (event === "perennial.diverged") {
    const lastCommon = data?.last_common;
    return new PerennialError(`what came after ${lastCommon} is not part of this stream`, { type: "diverged", lastCommon });
  }
  if (event === "perennial.broken") return new PerennialError(message, { type, requestId, passing: true });
  if (event !== "perennial.error") return null;
  const status = data?.status;
  return new PerennialError(message, { type, status, requestId, passing: isPassing(status) });
}

/** @param {string} position */
function sequence(position) {
  return Number.parseInt(position, 10);
}
