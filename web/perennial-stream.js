// One stream: read where it is, or made first.

import { ask, read, urlOf } from "./perennial-connection.js";
import { StreamEvent } from "./perennial-events.js";
import { Reading, troubleOf } from "./perennial-reading.js";

/** @typedef {import("./perennial-connection.js").Settings} Settings */
/** @typedef {import("./perennial-reading.js").Place} Place */

/** What the gateway's own documentation says; a header of the same name goes first. */
const VERSION = "2026-10-21";

/**
 * A stream as an async iterable of its events. It is read while somebody iterates; a loop that was left may be followed by another, which goes on where the first
 * one stopped. One loop at a time: two readers are two `attach`es.
 * @implements {AsyncIterable<StreamEvent>}
 */
export class Stream extends Reading {
  /** Ends with the loop that reads now. @type {Promise<void> | null} */
  #loop = null;
  #added = "";

  /** @returns {AsyncGenerator<StreamEvent, void>} */
  async *[Symbol.asyncIterator]() {
    if (this.#loop) throw new Error("this stream is being read already: attach once more for a second reader");
    let left = () => {};
    this.#loop = new Promise((resolve) => (left = resolve));
    try {
      yield* read(this.#source(), this.settings);
      if (!this.outcome) await this.learn();
    } catch (error) {
      throw this.blame(error);
    } finally {
      this.#loop = null;
      left();
    }
  }

  /** The text of the answer as it comes. Ends only where the answer is whole, and throws otherwise. @returns {AsyncGenerator<string, void>} */
  async *textStream() {
    for await (const _ of this) if (this.#added) yield this.#added;
    if (this.outcome?.type !== "completed") throw this.ending();
  }

  /** The message when it is whole. Reads to the end, unless a loop does. @returns {Promise<import("./perennial-fold.js").Message>} */
  async finalMessage() {
    while (!this.outcome) {
      if (this.#loop) await this.#loop;
      else for await (const _ of this);
    }
    return this.whole();
  }

  /** @returns {import("./perennial-connection.js").Source<StreamEvent>} */
  #source() {
    return {
      url: () => this.urlTo("/events", { format: this.settings.format, after: this.position === "0" ? undefined : this.position }),
      ended: () => this.outcome !== null,
      take: ({ id, event, data }) => {
        const happening = new StreamEvent(id ?? this.position, event, data ?? "");
        const trouble = troubleOf(happening);
        if (trouble) throw trouble;
        // Without data it is no event, though it moves the position; without a position it is none of the log's.
        const added = id === undefined ? null : this.accept(happening);
        this.#added = added ?? "";
        return added === null || data === null ? undefined : happening;
      },
    };
  }
}

/**
 * Reads a stream that there is.
 * @param {string} id
 * @param {Settings & Place} [settings]
 */
export function attach(id, { after, cap, ...settings } = {}) {
  return new Stream(id, { after, cap }, settings);
}

/**
 * Makes a stream, once, however often the request has to be repeated, and reads it.
 * @param {object} body That of `POST /v1/messages`.
 * @param {Settings & { idempotencyKey?: string }} [settings] A key of your own lets a page that was reloaded find the stream of the same request.
 */
export async function create(body, { idempotencyKey = freshKey(), ...settings } = {}) {
  const headers = { "content-type": "application/json", "idempotency-key": idempotencyKey };
  const init = { method: "POST", headers, body: JSON.stringify(body) };
  const made = await ask(urlOf(settings, "/v1/streams"), { ...settings, headers: versioned(settings.headers) }, init);
  const { id } = await made.json();
  return attach(id, settings);
}

/** @param {Settings["headers"]} given */
function versioned(given) {
  return async () => {
    const headers = new Headers(typeof given === "function" ? await given() : given);
    if (!headers.has("anthropic-version")) headers.set("anthropic-version", VERSION);
    return headers;
  };
}

/** Not `randomUUID`, which pages without TLS do not have. */
function freshKey() {
  const bytes = crypto.getRandomValues(new Uint8Array(16));
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}
