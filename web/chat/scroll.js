// The scroll machine: the question just asked stays where it was put (anchored), or the end is kept in view (follow), or nothing moves (free).
//
// The view moves by itself in two cases only: a question that was sent, and the end that the reader chose to follow. That an answer ends, fails, gets a tool's
// result or has a panel toggled is no reason.

import { find, icon } from "../shell/elements.js";

/** Who is this near the end by an act of their own wants to follow. */
const NEAR = 70;
/** Between a question and the upper edge. */
export const MARGIN = 12;

export class Scroll {
  /** @type {"anchored" | "follow" | "free"} */
  state = "free";
  #set = -1;
  #last = 0;
  #lines = 0;
  /** While the reader's hand is on it. */
  #touchedAt = -1e9;
  #touch = 0;
  /** @type {HTMLElement | null} The exchange that leaves room below. */
  #roomy = null;
  /** The state or what is below the fold is another one. @type {() => void} */
  onchange = () => {};

  /** @param {HTMLElement} box What scrolls. @param {HTMLElement} content What grows in it. */
  constructor(box, content) {
    this.box = box;
    this.content = content;
    new ResizeObserver(() => this.grown()).observe(content);
    new ResizeObserver(() => (this.#room(), this.grown())).observe(box);
    const acted = () => (this.#touchedAt = performance.now());
    box.addEventListener("wheel", (event) => (acted(), event.deltaY < 0 && this.#free()), { passive: true });
    box.addEventListener("touchstart", (event) => (this.#touch = event.touches[0]?.clientY ?? 0), { passive: true });
    box.addEventListener("touchmove", (event) => (acted(), (event.touches[0]?.clientY ?? 0) > this.#touch + 3 && this.#free()), { passive: true });
    box.addEventListener("pointerdown", (event) => event.target === box && event.offsetX > box.clientWidth && (acted(), this.#free()));
    document.addEventListener("selectionchange", () => this.#selected());
    addEventListener("keydown", (event) => this.#key(event));
    box.addEventListener("scroll", () => this.#scrolled());
  }

  get atEnd() {
    return this.box.scrollHeight - this.box.scrollTop - this.box.clientHeight < NEAR;
  }

  /** How much text is below the fold, in lines. */
  get below() {
    return this.state === "follow" ? 0 : this.#lines;
  }

  /** A question was sent: it goes to the top and stays there. @param {HTMLElement} exchange */
  anchor(exchange) {
    this.#to("anchored");
    this.room(exchange);
    this.#place(exchange.offsetTop - MARGIN);
  }

  /** Leaves room for an answer below this exchange, so that its question can be at the top. @param {HTMLElement} exchange */
  room(exchange) {
    if (this.#roomy && this.#roomy !== exchange) this.#roomy.style.minHeight = "";
    this.#roomy = exchange;
    this.#room();
  }

  /** To the end, and there. */
  follow() {
    this.#to("follow");
    this.#place(this.box.scrollHeight);
  }

  /** For when this conversation is shown again. @param {string} id */
  remember(id) {
    sessionStorage.setItem(`scroll:${id}`, JSON.stringify({ state: this.state, top: this.box.scrollTop }));
  }

  /** Where the reader was, or the end. @param {string} id @param {HTMLElement | null} last The exchange at the end. @param {boolean} running */
  recall(id, last, running) {
    const end = this.box.scrollHeight;
    const { state, top = end } = JSON.parse(sessionStorage.getItem(`scroll:${id}`) ?? "{}");
    if (last && (running || state === "anchored")) this.room(last);
    this.#to(state ?? (running ? "follow" : "free"));
    this.#place(this.state === "follow" ? this.box.scrollHeight : top);
  }

  /** What is inside has another height. */
  grown() {
    if (this.state === "follow") this.#place(this.box.scrollHeight);
    const last = this.#roomy?.querySelector(".turn.assistant:last-of-type .answer");
    const bottom = (last ?? this.content).getBoundingClientRect().bottom - this.box.getBoundingClientRect().bottom;
    const lines = Math.max(0, Math.floor(bottom / 26));
    if (lines === this.#lines) return;
    this.#lines = lines;
    this.onchange();
  }

  #room() {
    if (this.#roomy) this.#roomy.style.minHeight = `${Math.max(0, this.box.clientHeight - MARGIN - parseFloat(getComputedStyle(this.content).paddingBottom))}px`;
  }

  /** @param {number} top */
  #place(top) {
    this.box.scrollTop = top;
    this.#set = this.#last = this.box.scrollTop;
  }

  #free() {
    this.#to("free");
  }

  /** @param {"anchored" | "follow" | "free"} state */
  #to(state) {
    if (state === this.state) return;
    this.state = state;
    this.onchange();
  }

  #selected() {
    const selection = getSelection();
    if (selection && !selection.isCollapsed && this.content.contains(selection.anchorNode)) this.#free();
  }

  /** @param {KeyboardEvent} event */
  #key(event) {
    const field = event.target instanceof Element ? event.target.closest("input, textarea, select, dialog") : null;
    const empty = field instanceof HTMLTextAreaElement && field.value === "";
    if (field && !(empty && ["PageUp", "PageDown", "End", "Home"].includes(event.key))) return;
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    this.#touchedAt = performance.now();
    if (["PageUp", "ArrowUp", "Home"].includes(event.key)) this.#free();
    if (event.key === "End") {
      event.preventDefault();
      this.follow();
    }
    if (field && event.key.startsWith("Page")) {
      event.preventDefault();
      this.box.scrollTop += (event.key === "PageUp" ? -0.9 : 0.9) * this.box.clientHeight;
    }
  }

  #scrolled() {
    const { scrollTop } = this.box;
    const own = Math.abs(scrollTop - this.#set) < 2;
    const up = scrollTop < this.#last - 1;
    this.#last = scrollTop;
    if (!own) {
      const acted = performance.now() - this.#touchedAt < 1000;
      if (up && this.state === "follow") this.#free();
      else if (!up && acted && this.atEnd && this.state === "free") this.follow();
      else if (!up && acted && this.atEnd && this.state === "anchored" && this.#lines === 0 && scrollTop > this.#set + 2) this.follow();
    }
    this.grown();
  }
}

/** Says how much is below, and leads there. @param {Scroll} scroll @param {() => boolean} running */
export function pill(scroll, running) {
  const button = find("#pill");
  button.onclick = () => scroll.follow();
  scroll.onchange = () => {
    const { below } = scroll;
    button.hidden = below < 1;
    const words = `${below} ${running() ? "new " : ""}${below === 1 ? "line" : "lines"}`;
    if (button.textContent !== words) button.replaceChildren(icon("down"), words);
  };
}
