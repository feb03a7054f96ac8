// Pacing: what came in a burst is painted at word ends within 150 ms. Only painting waits; data never does.

/** @typedef {import("./tape-view.js").TapeView} TapeView */
/** @typedef {import("./tape-view.js").Op} Op */

/** After so many milliseconds everything that came is on the page. */
const LONGEST = 150;
/** Who is further behind is brought up to date at once. */
const MOST_BEHIND = 400;
/** Where no frame comes (a window that is covered), a timer does it. */
const NO_FRAME = 250;

const calm = globalThis.matchMedia?.("(prefers-reduced-motion: reduce)");

/** Hands the operations of a tape to its view. */
export class Pace {
  /** @type {{ op: Op, rest: string, begun: boolean, at: number }[]} */
  #queue = [];
  /** Characters that wait. */
  #behind = 0;
  #frame = 0;
  #timer = 0;
  #last = 0;

  /** @param {TapeView} view @param {() => void} [painted] Called after something was put onto the page. */
  constructor(view, painted = () => {}) {
    this.view = view;
    this.painted = painted;
  }

  /** @param {Op[]} ops @param {boolean} [atOnce] */
  push(ops, atOnce = false) {
    const at = performance.now();
    for (const op of ops) {
      const rest = op.op === "text" ? (op.text ?? "") : "";
      this.#queue.push({ op, rest, begun: false, at });
      this.#behind += rest.length;
    }
    if (atOnce || document.hidden || calm?.matches || this.#behind > MOST_BEHIND) this.flush();
    else if (!this.#frame && this.#queue.length > 0) this.#ask();
  }

  /** Everything, now. */
  flush() {
    this.#spend(Infinity);
    cancelAnimationFrame(this.#frame);
    clearTimeout(this.#timer);
    this.#frame = 0;
  }

  #ask() {
    this.#last = performance.now();
    this.#frame = requestAnimationFrame((now) => this.#paint(now));
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => this.flush(), NO_FRAME);
  }

  /** @param {number} now */
  #paint(now) {
    clearTimeout(this.#timer);
    this.#frame = 0;
    const passed = Math.min(50, Math.max(4, now - this.#last));
    let due = Math.ceil((this.#behind * passed) / LONGEST);
    let old = 0;
    for (const { rest, at } of this.#queue) {
      if (now - at < LONGEST - 2 * passed) break;
      old += rest.length;
    }
    this.#spend(Math.max(due, old));
    if (this.#queue.length > 0) this.#ask();
  }

  /** @param {number} characters */
  #spend(characters) {
    const before = this.#queue.length;
    let done = 0;
    for (const item of this.#queue) {
      if (item.op.op !== "text") this.view.take(item.op);
      else if (characters <= 0) break;
      else {
        const part = upToWord(item.rest, characters);
        this.view.text(part, item.begun);
        item.begun = true;
        item.rest = item.rest.slice(part.length);
        characters -= part.length;
        this.#behind -= part.length;
        if (item.rest !== "") break;
      }
      done += 1;
    }
    this.#queue.splice(0, done);
    if (before > 0) this.painted();
  }
}

/** At least so many characters, up to where a word ends. @param {string} text @param {number} least */
function upToWord(text, least) {
  if (least >= text.length) return text;
  const end = text.slice(least).search(/\s|[\u2e80-\u9fff\uac00-\ud7af\uff00-\uffef]/);
  return end < 0 || end > 40 ? text : text.slice(0, least + end);
}
