// The stream strip: what a stream looked like in time. Wait, cadence, thinking, tools, pings, stalls, the end; the same wherever a stream is met.

/** @typedef {"text" | "thinking" | "tool" | "source" | "usage" | "ping" | "error" | "seam"} Kind */

/** Silence from so many milliseconds on is a stall, once there is content. */
export const STALL = 1500;
const HEIGHT = 26;
/** Events that are as close as this are one mark. */
const CLOSE = 24;
const MOST_MARKS = 4000;

const COLOURS = ["text", "thinking", "tool", "source", "usage", "ping", "error", "stall", "line", "faint"];

export class StreamStrip extends HTMLElement {
  /** @type {{ at: number, kind: Kind, size: number }[]} */
  #marks = [];
  #close = CLOSE;
  #end = 0;
  #state = "";
  #began = 0;
  /** @type {HTMLCanvasElement | null} */
  #canvas = null;
  /** @type {Record<string, string>} */
  #colours = {};
  #drawn = 0;
  #listening = new AbortController();
  #timer = 0;
  /** The time that is shown at least, so that two strips can be compared. */
  span = 0;

  connectedCallback() {
    this.setAttribute("role", "img");
    if (!this.#canvas) {
      this.#canvas = document.createElement("canvas");
      this.append(this.#canvas);
      new ResizeObserver(() => this.draw()).observe(this);
    }
    this.#listening = new AbortController();
    const { signal } = this.#listening;
    const recolour = () => ((this.#colours = {}), this.draw());
    addEventListener("themechange", recolour, { signal });
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", recolour, { signal });
    this.describe();
  }

  disconnectedCallback() {
    this.#listening.abort();
    clearInterval(this.#timer);
  }

  /** Begins, `ago` milliseconds before now. @param {number} [ago] */
  start(ago = 0) {
    this.#marks = [];
    this.#close = CLOSE;
    this.#end = 0;
    this.#state = "running";
    this.#began = performance.now() - ago;
    clearInterval(this.#timer);
    this.#timer = window.setInterval(() => this.draw(), 100);
    this.describe();
  }

  /** @param {Kind} kind @param {number} size In characters. @param {number} [at] Milliseconds since the beginning. */
  add(kind, size, at = performance.now() - this.#began) {
    const last = this.#marks.at(-1);
    if (last && last.kind === kind && at - last.at < this.#close) last.size += size;
    else this.#marks.push({ at, kind, size });
    if (this.#marks.length > MOST_MARKS) this.#thin();
    if (performance.now() - this.#drawn > 90) this.draw();
  }

  /** @param {string} state @param {number} [at] */
  finish(state, at = performance.now() - this.#began) {
    clearInterval(this.#timer);
    this.#state = state;
    this.#end = Math.max(at, this.#marks.at(-1)?.at ?? 0);
    this.draw();
    this.describe();
  }

  /** Silences that lasted, as `[from, to]`. */
  get stalls() {
    /** @type {[number, number][]} */
    const found = [];
    let before = -1;
    const now = this.#end || performance.now() - this.#began;
    for (const { at, kind } of [...this.#marks, { at: now, kind: "text" }]) {
      if (kind === "ping") continue;
      if (before >= 0 && at - before > STALL) found.push([before, at]);
      before = at;
    }
    return found;
  }

  get first() {
    return this.#marks.find(({ kind }) => kind !== "ping" && kind !== "seam")?.at;
  }

  /** The same in words, for who does not see it. */
  describe() {
    const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(1)} s`;
    const parts = [`Stream ${this.#state || "not begun"}`];
    if (this.first !== undefined) parts.push(`first content after ${seconds(this.first)}`);
    for (const [from, to] of this.#state === "running" ? [] : this.stalls) parts.push(`silent for ${seconds(to - from)}`);
    if (this.#end) parts.push(`over after ${seconds(this.#end)}`);
    this.setAttribute("aria-label", parts.join(", "));
  }

  draw() {
    const canvas = this.#canvas;
    const width = this.clientWidth;
    if (!canvas || width === 0) return;
    this.#drawn = performance.now();
    const scale = devicePixelRatio || 1;
    if (canvas.width !== Math.round(width * scale)) {
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(HEIGHT * scale);
    }
    const context = canvas.getContext("2d");
    if (!context) return;
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, HEIGHT);
    const colours = this.#palette();
    const now = this.#end || (this.#state ? performance.now() - this.#began : 0);
    const whole = Math.max(now, this.span, 1000);
    const x = (/** @type {number} */ at) => (at / whole) * (width - 4) + 1;
    this.#base(context, colours, x, now);
    const step = 4;
    /** @type {Map<number, { kind: Kind, size: number }>} */
    const bins = new Map();
    for (const { at, kind, size } of this.#marks) {
      const bin = Math.floor(x(at) / step);
      const there = bins.get(bin);
      if (!there || rank(kind) > rank(there.kind)) bins.set(bin, { kind, size: size + (there && there.kind !== "ping" ? there.size : 0) });
      else there.size += kind === "ping" ? 0 : size;
    }
    for (const [bin, { kind, size }] of bins) mark(context, kind, bin * step, size, colours[kind] ?? "");
    if (this.#end) {
      const good = this.#state === "completed";
      context.fillStyle = (good ? colours.usage : this.#state === "cancelled" ? colours.faint : colours.error) ?? "";
      context.fillRect(x(this.#end), 3, 2.5, HEIGHT - 6);
    }
  }

  /** The waiting: a line, and hatching where it was too long. @param {CanvasRenderingContext2D} context @param {Record<string, string>} colours @param {(at: number) => number} x @param {number} now */
  #base(context, colours, x, now) {
    context.fillStyle = colours.line ?? "";
    context.fillRect(0, HEIGHT / 2 - 0.5, x(now), 1);
    for (const [from, to] of this.stalls) {
      const [left, right] = [x(from) + 4, x(to)];
      context.save();
      context.beginPath();
      context.rect(left, 5, right - left, HEIGHT - 10);
      context.clip();
      context.strokeStyle = colours.stall ?? "";
      context.lineWidth = 1.25;
      context.beginPath();
      for (let at = left - HEIGHT; at < right; at += 6) {
        context.moveTo(at, HEIGHT - 5);
        context.lineTo(at + HEIGHT - 10, 5);
      }
      context.stroke();
      context.restore();
      const label = `${((to - from) / 1000).toFixed(1)} s`;
      context.font = "600 10px system-ui, sans-serif";
      const size = context.measureText(label).width;
      if (right - left < size + 12) continue;
      const middle = (left + right) / 2;
      context.clearRect(middle - size / 2 - 4, 6, size + 8, HEIGHT - 12);
      context.fillStyle = colours.faint ?? "";
      context.fillText(label, middle - size / 2, HEIGHT / 2 + 3.5);
    }
  }

  #thin() {
    this.#close *= 2;
    const marks = this.#marks;
    this.#marks = [];
    for (const mark of marks) {
      const last = this.#marks.at(-1);
      if (last && last.kind === mark.kind && mark.at - last.at < this.#close) last.size += mark.size;
      else this.#marks.push(mark);
    }
  }

  /** The colours of the page as it is, which a canvas cannot name by itself. */
  #palette() {
    if (!this.#colours.text) {
      const before = this.style.color;
      for (const name of COLOURS) {
        this.style.color = `var(--${name})`;
        this.#colours[name] = getComputedStyle(this).color;
      }
      this.#colours.seam = this.#colours.error ?? "";
      this.style.color = before;
    }
    return this.#colours;
  }
}
customElements.define("stream-strip", StreamStrip);

/** @param {Kind} kind */
function rank(kind) {
  return ["ping", "text", "source", "thinking", "tool", "usage", "seam", "error"].indexOf(kind);
}

/** Each kind has a shape of its own. @param {CanvasRenderingContext2D} context @param {Kind} kind @param {number} left @param {number} size @param {string} colour */
function mark(context, kind, left, size, colour) {
  const middle = HEIGHT / 2;
  const height = Math.min(HEIGHT - 6, 4 + 3.2 * Math.log2(1 + size / 2));
  context.fillStyle = context.strokeStyle = colour;
  if (kind === "text") context.fillRect(left, middle - height / 2, 2.5, height);
  else if (kind === "thinking") for (let y = middle - height / 2; y < middle + height / 2; y += 4) context.fillRect(left, y, 2.5, 2);
  else if (kind === "tool") context.fillRect(left - 0.5, middle - 4, 4, 8);
  else if (kind === "ping") dot(context, left + 1, middle, 1.6);
  else if (kind === "source") ring(context, left + 1, middle);
  else if (kind === "seam") for (const at of [left, left + 4]) context.fillRect(at, 3, 1.5, HEIGHT - 6);
  else {
    context.lineWidth = 2;
    context.beginPath();
    if (kind === "usage") {
      context.moveTo(left - 3, middle);
      context.lineTo(left, middle + 4);
      context.lineTo(left + 5, middle - 5);
    } else {
      context.moveTo(left - 3, middle - 5);
      context.lineTo(left + 5, middle + 5);
      context.moveTo(left + 5, middle - 5);
      context.lineTo(left - 3, middle + 5);
    }
    context.stroke();
  }
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y @param {number} radius */
function dot(context, x, y, radius) {
  context.beginPath();
  context.arc(x, y, radius, 0, 2 * Math.PI);
  context.fill();
}

/** @param {CanvasRenderingContext2D} context @param {number} x @param {number} y */
function ring(context, x, y) {
  context.lineWidth = 1.5;
  context.beginPath();
  context.arc(x, y, 3, 0, 2 * Math.PI);
  context.stroke();
}
