// The one voice for screen readers: it speaks at boundaries, or in whole sentences where that was chosen; never letter by letter.

import { find, say } from "../shell/elements.js";

const ENDS = /** @type {Record<string, string>} */ ({ completed: "The answer is complete", cancelled: "Stopped", failed: "The answer failed", interrupted: "The answer broke off" });

/** Between two sentences. */
const PAUSE = 800;

export class Announcer {
  #place = find("#announcer");
  #rest = "";
  /** @type {string[]} */
  #sentences = [];
  #timer = 0;

  get sentences() {
    return localStorage.getItem("speech") === "sentences";
  }

  /** @param {string} words */
  say(words) {
    say(this.#place, words);
  }

  /** The raw text of an answer as it grows. @param {string} text */
  hear(text) {
    if (!this.sentences) return;
    this.#rest += text;
    const parts = [...new Intl.Segmenter(undefined, { granularity: "sentence" }).segment(this.#rest)].map(({ segment }) => segment);
    this.#rest = parts.pop() ?? "";
    this.#sentences.push(...parts.map((part) => part.replace(/[#*_`>|]/g, "").trim()).filter(Boolean));
    this.#speak();
  }

  /** The answer is over: what is left is spoken, then how it ended. @param {string} state */
  over(state) {
    const words = ENDS[state] ?? state;
    if (this.sentences && this.#rest.trim()) this.#sentences.push(this.#rest.trim());
    this.#rest = "";
    if (this.#sentences.length > 0) {
      this.#sentences.push(words);
      this.#speak();
    } else this.say(words);
  }

  /** Says nothing more of this answer. */
  hush() {
    this.#sentences = [];
    this.#rest = "";
  }

  #speak() {
    if (this.#timer || this.#sentences.length === 0) return;
    this.say(this.#sentences.shift() ?? "");
    this.#timer = window.setTimeout(() => {
      this.#timer = 0;
      this.#speak();
    }, PAUSE);
  }
}
