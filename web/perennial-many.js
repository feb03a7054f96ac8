// Many streams over one connection: browsers have six for a host, over all tabs.

import { read, urlOf } from "./perennial-connection.js";
import { PerennialError, objectOf } from "./perennial-error.js";
import { Bell } from "./perennial-patience.js";
import { Reading, troubleOf } from "./perennial-reading.js";

/** @typedef {import("./perennial-connection.js").Settings} Settings */
/** @typedef {import("./perennial-reading.js").Place} Place */

/**
 * An event of one of the streams. `data` is `undefined` where it is not JSON; `text` has it then.
 * @typedef {{ stream: string, id?: string, time?: number, event: string, data: any, text?: string }} ManyEvent
 */

/** What the gateway takes on one connection. */
const MOST_STREAMS = 64;

/** @implements {AsyncIterable<ManyEvent>} */
export class Many {
  /** All streams, those that ended included. @type {Map<string, Reading>} */
  streams = new Map();
  /** Those that cannot be read, and why: not there, not allowed, diverged. @type {Map<string, import("./perennial-error.js").PerennialError>} */
  errors = new Map();
  #bell = new Bell();
  /** Those that the connection was opened for. @type {Reading[]} */
  #asked = [];
  #reading = false;
  #closed = false;

  /** @param {Settings & { keepOpen?: boolean }} settings */
  constructor({ keepOpen = false, ...settings }) {
    this.settings = settings;
    this.keepOpen = keepOpen;
  }

  /**
   * Reads this stream too, from now on. Interrupts the connection, which costs nobody an event.
   * @param {string} id
   * @param {Place} [place]
   */
  add(id, place = {}) {
    if (this.#live().filter((stream) => stream.id !== id).length >= MOST_STREAMS) throw new RangeError(`at most ${MOST_STREAMS} streams on one connection`);
    const reading = new Reading(id, place, this.settings);
    this.streams.set(id, reading);
    this.errors.delete(id);
    this.#bell.ring();
    return reading;
  }

  /** Reads this stream no more. @param {string} id */
  remove(id) {
    const known = this.streams.delete(id);
    this.errors.delete(id);
    if (known) this.#bell.ring();
  }

  /** Reads none any more: the loop ends. */
  close() {
    this.#closed = true;
    this.#bell.ring();
  }

  /** @returns {AsyncGenerator<ManyEvent, void>} Ends when all streams have; with `keepOpen`, only by `close()`. */
  async *[Symbol.asyncIterator]() {
    if (this.#reading) throw new Error("these streams are being read already");
    this.#reading = true;
    try {
      while (!this.#closed) {
        if (this.#live().length > 0) {
          yield* read(this.#source(), this.settings, this.#bell);
          // If there are any left, the gateway has nothing more of them: they had ended where we are.
          for (const stream of this.#asked) if (!this.#closed && this.#isLive(stream)) await this.#learn(stream);
        } else if (this.keepOpen) await this.#change();
        else return;
      }
    } finally {
      this.#reading = false;
    }
  }

  /** @returns {import("./perennial-connection.js").Source<ManyEvent>} */
  #source() {
    return {
      url: () => {
        this.#asked = this.#live();
        const parts = this.#asked.map(({ id, position, cap }) => [id, position, ...(cap ? [cap] : [])].join(":"));
        return urlOf(this.settings, "/v1/events", { streams: parts.join(","), format: this.settings.format });
      },
      ended: () => this.#closed || this.#live().length === 0,
      take: ({ data }) => this.#take(/** @type {ManyEvent} */ (objectOf(data ?? ""))),
    };
  }

  /** @param {ManyEvent} happening */
  #take(happening) {
    const reading = this.streams.get(happening.stream);
    // Removed meanwhile, or ended.
    if (!reading || !this.#isLive(reading)) return undefined;
    const trouble = troubleOf(happening);
    if (trouble?.passing) throw trouble;
    if (trouble) this.errors.set(reading.id, reading.blame(trouble));
    else if (happening.id === undefined || reading.accept(happening) === null) return undefined;
    return happening;
  }

  /** @param {Reading} stream */
  async #learn(stream) {
    try {
      await stream.learn();
    } catch (error) {
      if (!(error instanceof PerennialError)) throw error;
      this.errors.set(stream.id, stream.blame(error));
    }
  }

  #live() {
    return [...this.streams.values()].filter((stream) => this.#isLive(stream));
  }

  /** @param {Reading} stream */
  #isLive(stream) {
    return this.streams.get(stream.id) === stream && !stream.outcome && !this.errors.has(stream.id);
  }

  /** @returns {Promise<void>} */
  #change() {
    const { signal } = this.settings;
    return new Promise((resolve, reject) => {
      const end = () => {
        silence();
        signal?.removeEventListener("abort", end);
        if (signal?.aborted) reject(signal.reason);
        else resolve();
      };
      const silence = this.#bell.listen(end);
      signal?.addEventListener("abort", end);
      if (signal?.aborted) end();
    });
  }
}

/**
 * @param {Iterable<string | ({ id: string } & Place)>} streams
 * @param {Settings & { keepOpen?: boolean }} [settings]
 */
export function many(streams, settings = {}) {
  const all = new Many(settings);
  for (const stream of streams) {
    if (typeof stream === "string") all.add(stream);
    else all.add(stream.id, stream);
  }
  return all;
}
