// An answer on the page: its blocks as they come, and as they stay. A turn that was reloaded is built by the same code from the same events.

import { icon, make } from "../shell/elements.js";
import { Citations } from "./citations.js";
import { Pace } from "./pace.js";
import { TapeView } from "./tape-view.js";
import { ThinkingPanel } from "./thinking-panel.js";
import { ToolCard } from "./tool-card.js";

/**
 * @typedef {{ event: string, data: any, time?: number }} Happening An event, with when the gateway saw it, in milliseconds.
 * @typedef {{ kind: string, element: HTMLElement, stop?: (at?: number) => void, panel?: ThinkingPanel, card?: ToolCard, view?: TapeView, pace?: Pace, text?: string, citations?: any[] }} Part
 */

const CALLS = new Set(["tool_use", "server_tool_use", "mcp_tool_use"]);

export class AnswerView {
  element = make("div", { class: "answer" });
  /** The raw text so far. */
  text = "";
  /** By the index of the block. @type {Map<number, Part>} */
  parts = new Map();
  /** By the id of the call. @type {Map<string, ToolCard>} */
  calls = new Map();
  citations = new Citations();
  /** What the strip and the meter want to know: kind and size of each piece of content. @type {(kind: import("./stream-strip.js").Kind, size: number, time?: number) => void} */
  onpiece = () => {};
  /** After something was painted. @type {() => void} */
  onpaint = () => {};
  /** Raw text that came. @type {(text: string) => void} */
  ontext = () => {};
  /** @type {Part | null} */
  #last = null;

  /** @param {string} key Under which open panels are remembered. */
  constructor(key) {
    this.key = key;
  }

  /** What comes now: thinking, text, a tool's arguments; empty before the first and after the last. */
  get phase() {
    return this.#last?.kind ?? "";
  }

  /** @param {Happening} happening @param {boolean} [atOnce] Without pacing: a replay. */
  take({ event, data, time }, atOnce = false) {
    if (event === "content_block_start") this.#start(data.index, data.content_block, time);
    else if (event === "content_block_delta") this.#grow(this.parts.get(data.index), data.delta, data.tape, time, atOnce);
    else if (event === "content_block_stop") this.#stop(data.index, data.tape, time, atOnce);
    else if (event === "message_delta") this.onpiece("usage", 0, time);
    else if (event === "ping") this.onpiece("ping", 0, time);
    else if (event === "perennial.seam") this.#seam(data, time);
    else if (event === "perennial.terminal") this.#end(data, time, atOnce);
    if (event === "content_block_start" && data.tape) this.parts.get(data.index)?.pace?.push(data.tape.ops, atOnce);
  }

  /** Begins anew. */
  clear() {
    this.element.replaceChildren();
    this.parts.clear();
    this.calls.clear();
    this.text = "";
  }

  /** What is known already, of a turn that is over. @param {any[]} content */
  load(content) {
    content.forEach((block, index) => {
      const part = this.#start(index, { ...block, input: {}, text: "", thinking: "" });
      if (part.panel) part.panel.load(block.thinking ?? "");
      else if (part.card) part.card.load(block.input);
      else if (part.view) {
        this.text += block.text ?? "";
        part.text = block.text ?? "";
        this.#join(part);
        if (block.tape) part.view.apply(block.tape.ops);
        else part.view.text(block.text ?? "");
        part.citations = block.citations ?? [];
      }
      this.#stop(index, undefined, undefined, true);
    });
    this.#last = null;
  }

  /** Shows everything that waits to be painted. */
  flush() {
    for (const { pace } of this.parts.values()) pace?.flush();
  }

  /** @param {number} index @param {any} block @param {number} [time] @returns {Part} */
  #start(index, block, time) {
    const known = this.parts.get(index);
    if (known) return known;
    // What goes on behind it must not move when the rest of it comes.
    this.flush();
    const part = this.#made(block, index, time);
    this.parts.set(index, part);
    if (part.element.parentNode === null) this.element.append(part.element);
    this.#last = part;
    if (part.text) this.text += part.text;
    return part;
  }

  /** @param {any} block @param {number} index @param {number} [time] @returns {Part} */
  #made(block, index, time) {
    const { type } = block;
    if (type === "text") {
      const view = /** @type {TapeView} */ (document.createElement("tape-view"));
      const pace = new Pace(view, () => this.onpaint());
      return { kind: "text", element: view, view, pace, text: block.text ?? "", citations: [...(block.citations ?? [])] };
    }
    if (type === "thinking" || type === "redacted_thinking") {
      const panel = new ThinkingPanel(`${this.key}/${index}`, type === "redacted_thinking", time);
      return { kind: "thinking", element: panel.element, panel };
    }
    if (CALLS.has(type)) {
      const card = new ToolCard(block);
      this.calls.set(block.id, card);
      return { kind: "tool", element: card.element, card };
    }
    const call = this.calls.get(block.tool_use_id);
    if (call) {
      call.result(block.content, block.is_error === true || block.content?.type?.endsWith("_error"));
      return { kind: "tool", element: call.element };
    }
    // A block of a kind that is not known yet: shown as it is, never fatal.
    const raw = make("pre", { tabindex: 0 }, JSON.stringify(block, null, 2));
    return { kind: "other", element: make("details", { class: "unknown" }, make("summary", {}, `A block of type ${String(type)}`), raw) };
  }

  /** @param {Part | undefined} part @param {any} delta @param {any} tape @param {number | undefined} time @param {boolean} atOnce */
  #grow(part, delta, tape, time, atOnce) {
    if (!part || !delta) return;
    if (delta.type === "text_delta" && part.view) {
      const first = part.text === "";
      part.text += delta.text;
      this.text += delta.text;
      if (first) this.#join(part);
      if (tape) part.pace?.push(tape.ops, atOnce);
      else {
        part.view.classList.add("raw-text");
        part.view.text(delta.text);
        this.onpaint();
      }
      this.onpiece("text", delta.text.length, time);
      this.ontext(delta.text);
    } else if (delta.type === "thinking_delta" && part.panel) {
      part.panel.grow(delta.thinking);
      this.onpiece("thinking", delta.thinking.length, time);
      this.onpaint();
    } else if (delta.type === "input_json_delta" && part.card) {
      part.card.grow(delta.partial_json);
      this.onpiece("tool", delta.partial_json.length, time);
      this.onpaint();
    } else if (delta.type === "citations_delta") {
      part.citations?.push(delta.citation);
      this.onpiece("source", 1, time);
    }
  }

  /** @param {number} index @param {any} tape @param {number | undefined} time @param {boolean} atOnce */
  #stop(index, tape, time, atOnce) {
    const part = this.parts.get(index);
    if (!part) return;
    part.panel?.stop(time);
    part.card?.stop();
    if (part.pace && tape) part.pace.push(tape.ops, atOnce);
    if (part.view && part.citations?.length) {
      part.pace?.flush();
      this.citations.attach(part.view, part.citations);
    }
    if (this.#last === part) this.#last = null;
  }

  /** Two blocks of text of which the second goes on in mid-paragraph: so answers with sources come. @param {Part} part */
  #join(part) {
    const before = [...this.parts.values()].at(-2);
    if (!before?.view || !part.view || !before.text || /\n$/.test(before.text) || /^\n/.test(part.text ?? "")) return;
    before.view.classList.add("leads");
    part.view.classList.add("joined");
    // A blank at an edge is none of the paragraph's own.
    if (/\s$/.test(before.text) || /^\s/.test(part.text ?? "")) part.element.before(" ");
  }

  /** @param {any} data @param {number} [time] */
  #seam(data, time) {
    this.onpiece("seam", 0, time);
    if (data.mode === "restart") this.clear();
    if (data.mode === "restart" || data.mode === "finish") return;
    const words = `The model was lost after ${data.cut ?? 0} bytes (${data.reason ?? "cut"}), and the answer went on from there: ${data.overlap ?? 0} bytes came twice, which proves the seam.`;
    this.element.append(make("p", { class: "seam" }, icon("seam"), words));
  }

  /** @param {any} data @param {number | undefined} time @param {boolean} atOnce */
  #end(data, time, atOnce) {
    for (const [index, tape] of Object.entries(data.tapes ?? {})) this.parts.get(Number(index))?.pace?.push(/** @type {any} */ (tape).ops, atOnce);
    this.flush();
    for (const { panel, card } of this.parts.values()) {
      panel?.stop(time);
      card?.end(data.outcome, data.stop_reason);
    }
    this.#last = null;
  }
}
