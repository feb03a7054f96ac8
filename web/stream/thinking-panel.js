// Thinking: a line that ticks while it comes, the whole of it when asked for.
//
// Whether it is open is derived, never set by an effect: what the reader chose for this one, else the setting. In the setting `auto` it stays one line,
// live while the model thinks, so that nothing moves when the text begins.

import { icon, make, say } from "../shell/elements.js";

let number = 0;

export class ThinkingPanel {
  #began;
  #text = document.createTextNode("");
  #tail = "";
  #live = true;
  #frame = 0;
  #words = make("span", { class: "words" });
  #ticker = make("span", { class: "ticker", "aria-hidden": "true" });
  #time = make("span", { class: "figures time" });
  #timer;

  /** @param {string} key @param {boolean} encrypted @param {number} [began] When, in milliseconds since 1970. */
  constructor(key, encrypted, began) {
    this.key = `open:${key}`;
    this.encrypted = encrypted;
    this.#began = began ?? Date.now();
    const id = `thinking-${(number += 1)}`;
    this.body = make("div", { class: "body", id, tabindex: 0 }, this.#text);
    this.button = make("button", { type: "button", class: "head", "aria-controls": id, onclick: () => this.#toggle() }, icon("thinking"), this.#words, this.#ticker, this.#time);
    this.element = make("div", { class: "thinking" }, this.button, this.body);
    this.#timer = window.setInterval(() => this.#show(), 1000);
    this.element.addEventListener("thinkingchange", () => this.#show());
    this.#show();
  }

  get isOpen() {
    const chosen = sessionStorage.getItem(this.key);
    if (chosen) return chosen === "open";
    return localStorage.getItem("thinking") === "open";
  }

  /** @param {string} piece */
  grow(piece) {
    this.#text.appendData(piece);
    this.#tail = (this.#tail + piece).slice(-240);
    if (document.hidden) this.#tick();
    else this.#frame ||= requestAnimationFrame(() => this.#tick());
  }

  /** @param {number} [at] */
  stop(at = Date.now()) {
    if (!this.#live) return;
    this.#live = false;
    clearInterval(this.#timer);
    this.seconds = Math.max(0, at - this.#began) / 1000;
    this.#show();
  }

  /** What was thought some time ago; how long it took is not known. @param {string} text */
  load(text) {
    this.#text.appendData(text);
    this.#live = false;
    clearInterval(this.#timer);
    this.#show();
  }

  #toggle() {
    sessionStorage.setItem(this.key, this.isOpen ? "closed" : "open");
    this.#show();
  }

  #tick() {
    this.#frame = 0;
    const line = this.#tail.split("\n").findLast((line) => line.trim() !== "") ?? "";
    say(this.#ticker, line.length > 120 ? `…${line.slice(-120)}` : line);
    if (this.button.disabled) this.#show();
    if (this.isOpen && this.body.scrollHeight - this.body.scrollTop - this.body.clientHeight < 60) this.body.scrollTop = this.body.scrollHeight;
  }

  #show() {
    const hidden = this.#text.length === 0;
    const open = this.isOpen && !hidden;
    const live = this.#live ? (Date.now() - this.#began) / 1000 : this.seconds;
    say(this.#words, this.#live ? "Thinking" : this.encrypted ? "Thinking, encrypted" : hidden ? "Thinking, hidden" : "Thought");
    say(this.#time, live === undefined || live < 1 ? "" : `${live < 10 ? live.toFixed(live < 3 && !this.#live ? 1 : 0) : Math.round(live)} s`);
    this.element.dataset.state = this.#live ? "live" : "over";
    this.button.disabled = hidden;
    this.button.setAttribute("aria-expanded", String(open));
    this.body.hidden = !open;
    this.#ticker.hidden = open || !this.#live;
  }
}
