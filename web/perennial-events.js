// Bytes to events: a parser of `text/event-stream`, linear for pieces of any size.
//
// A line that is still growing is kept as the pieces it came in and put together once, when it ends; nothing is looked at twice. An event exists
// only with its blank line: one that the connection cut is dropped with the parser, since each connection gets a parser of its own.

import { PerennialError } from "./perennial-error.js";

/** The longest event, in UTF-16 units. One that is longer is a mistake of something in between. */
export const MAX_EVENT = 64 * 1024 * 1024;

/**
 * One block of the stream. `data` is `null` in a block that has no `data:` line.
 * @typedef {{ id: string | undefined, event: string, data: string | null }} Block
 */

/** An event as the application gets it. */
export class StreamEvent {
  /** @type {unknown} */
  #data;
  #parsed = false;

  /**
   * @param {string} id
   * @param {string} event
   * @param {string} text
   */
  constructor(id, event, text) {
    /** Its position: `SEQ.EPOCH`. */
    this.id = id;
    /** Its name. */
    this.event = event;
    /** Its data as it came. */
    this.text = text;
  }

  /** Its data, parsed when first asked for; `undefined` where it is not JSON. @returns {any} */
  get data() {
    if (!this.#parsed) {
      this.#parsed = true;
      try {
        this.#data = JSON.parse(this.text);
      } catch {
        this.#data = undefined;
      }
    }
    return this.#data;
  }

  toJSON() {
    return { id: this.id, event: this.event, data: this.data ?? this.text };
  }
}

export class EventParser {
  /** How long the server wants clients to wait before they come back, in milliseconds. @type {number | undefined} */
  retry = undefined;

  // Takes the byte order mark off, keeps a character that two pieces share, and never fails.
  #decoder = new TextDecoder("utf-8");
  /** The pieces of the line that is not finished. @type {string[]} */
  #line = [];
  /** The last piece ended with CR, so an LF that comes next is no line of its own. */
  #afterCr = false;
  /** @type {string | undefined} */
  #id = undefined;
  #event = "";
  /** @type {string[] | null} */
  #data = null;
  /** Of the line that is not finished, and of the data before it. */
  #lineSize = 0;
  #dataSize = 0;

  /**
   * The blocks that this piece completes.
   * @param {Uint8Array} bytes
   * @returns {Generator<Block, void>}
   */
  *push(bytes) {
    const text = this.#decoder.decode(bytes, { stream: true });
    if (text === "") return;
    let at = this.#afterCr && text[0] === "\n" ? 1 : 0;
    this.#afterCr = text.endsWith("\r");
    // Each is searched for from the line that it ended, not from every line: most texts have no CR at all.
    let lf = text.indexOf("\n", at);
    let cr = text.indexOf("\r", at);
    while (lf >= 0 || cr >= 0) {
      const end = cr < 0 || (lf >= 0 && lf < cr) ? lf : cr;
      this.#line.push(text.slice(at, end));
      at = end === cr && lf === cr + 1 ? end + 2 : end + 1;
      if (lf >= 0 && lf < at) lf = text.indexOf("\n", at);
      if (cr >= 0 && cr < at) cr = text.indexOf("\r", at);
      const line = this.#line.length === 1 ? this.#line[0] : this.#line.join("");
      this.#line = [];
      this.#lineSize = 0;
      const block = this.#take(line);
      if (block) yield block;
    }
    if (at < text.length) {
      this.#line.push(text.slice(at));
      this.#lineSize += text.length - at;
      this.#check();
    }
  }

  /** @param {string} line */
  #take(line) {
    if (line === "") return this.#dispatch();
    const colon = line.indexOf(":");
    if (colon === 0) return null;
    const field = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(line[colon + 1] === " " ? colon + 2 : colon + 1);
    if (field === "data") {
      (this.#data ??= []).push(value);
      this.#dataSize += value.length;
      this.#check();
    } else if (field === "event") this.#event = value;
    else if (field === "id" && !value.includes("\0")) this.#id = value;
    else if (field === "retry" && /^\d+$/.test(value)) this.retry = Number(value);
    return null;
  }

  /** @returns {Block | null} */
  #dispatch() {
    const [id, data] = [this.#id, this.#data];
    const block = data === null && id === undefined ? null : { id, event: this.#event || "message", data: data?.join("\n") ?? null };
    this.#id = undefined;
    this.#event = "";
    this.#data = null;
    this.#dataSize = 0;
    return block;
  }

  #check() {
    if (this.#lineSize + this.#dataSize <= MAX_EVENT) return;
    throw new PerennialError(`an event is larger than ${MAX_EVENT} characters`, { type: "event_too_large" });
  }
}
