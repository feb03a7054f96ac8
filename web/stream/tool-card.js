// A call of a tool: its arguments as they are written, then what came of it. Nothing of it is ever part of the answer's text.

import { icon, make, say } from "../shell/elements.js";

/** More of a result than this is folded away. */
const LONG = 600;

export class ToolCard {
  #raw = "";
  #arguments = document.createTextNode("");
  #state = make("span", { class: "state" });
  #over = false;
  #result = make("div", { class: "result", hidden: true });

  /** @param {any} block */
  constructor({ name, type, server_name: server }) {
    const where = type === "server_tool_use" ? "by the service" : server ? `by ${server}` : "";
    const head = make("div", { class: "head" }, icon("tool"), make("code", { class: "name" }, String(name)), where && make("span", { class: "where" }, where), this.#state);
    this.pre = make("pre", { class: "arguments", tabindex: 0, hidden: true }, this.#arguments);
    this.element = make("div", { class: "tool", role: "group", "aria-label": `Tool ${name}` }, head, this.pre, this.#result);
    this.#tell("writing", "writing the call");
  }

  /** @param {string} piece */
  grow(piece) {
    if (piece === "") return;
    this.#raw += piece;
    this.pre.hidden = false;
    this.#arguments.appendData(piece);
    this.pre.scrollTop = this.pre.scrollHeight;
  }

  /** The call is written. */
  stop() {
    if (this.#over) return;
    const { words, text } = readable(this.#raw);
    if (text !== this.#raw) this.#arguments.data = text;
    this.#tell(words ? "error" : "running", words || "called");
  }

  /** @param {unknown} input */
  load(input) {
    const empty = input === null || typeof input !== "object" || Object.keys(input).length === 0;
    this.#raw = empty ? "" : JSON.stringify(input);
    this.pre.hidden = empty;
    this.stop();
  }

  /** @param {any} content @param {boolean} failed */
  result(content, failed) {
    const text = textOf(content);
    this.#over = true;
    this.#tell(failed ? "error" : "done", failed ? "failed" : "done");
    const shown = make("pre", { tabindex: 0 }, text || "nothing");
    const label = make("span", { class: "label" }, failed ? "Error" : "Result");
    this.#result.replaceChildren(text.length > LONG ? make("details", {}, make("summary", {}, `${failed ? "Error" : "Result"}, ${text.length.toLocaleString("en")} characters`), shown) : label);
    if (text.length <= LONG) this.#result.append(shown);
    this.#result.hidden = false;
  }

  /** The stream is over. @param {string} outcome @param {string | null} reason */
  end(outcome, reason) {
    if (this.#over) return;
    if (outcome !== "completed" || reason === "max_tokens") {
      if (this.element.dataset.state === "writing" || reason === "max_tokens") this.#tell("cut", outcome === "cancelled" ? "stopped" : "cut off");
    } else if (reason === "tool_use") this.#tell("running", "running");
  }

  /** @param {string} state @param {string} words */
  #tell(state, words) {
    this.element.dataset.state = state;
    say(this.#state, words);
  }
}

/** @param {string} raw */
function readable(raw) {
  if (raw.trim() === "") return { words: "", text: raw };
  try {
    const value = JSON.parse(raw);
    return { words: "", text: JSON.stringify(value, null, 2) };
  } catch {
    return { words: "the arguments are no JSON", text: raw };
  }
}

/** @param {any} content @returns {string} */
function textOf(content) {
  if (content === undefined || content === null) return "";
  if (typeof content === "string") return content;
  if (Array.isArray(content)) return content.map(textOf).join("\n");
  if (content.type === "text") return content.text;
  if (typeof content.title === "string" && typeof content.url === "string") return `${content.title}\n${content.url}`;
  if (content.type === "image") return "[an image]";
  return JSON.stringify(content, null, 2);
}
