// A tape as a page: operations onto nodes that stay the same for good.
//
// Nothing is rendered twice: text is appended to the text node that is there, so that a selection, a scroll position and a screen reader's place survive to
// the end and beyond it. All policy was applied before the tape; here texts become text nodes and attributes, and nothing becomes markup.

import { icon, make } from "../shell/elements.js";

/**
 * @typedef {{ op: string, id?: number, node?: any, text?: string, ops?: number, change?: any }} Op
 * @typedef {{ undo: () => void, text?: Text }} Done How the last thing that was done is taken back.
 */

const SIMPLE = /** @type {Record<string, keyof HTMLElementTagNameMap>} */ ({
  ...{ paragraph: "p", quote: "blockquote", item: "li", rule: "hr", emphasis: "em", strong: "strong", strike: "del", code: "code", hard_break: "br" },
});

export class TapeView extends HTMLElement {
  /** Where text goes: the innermost open node is last. @type {Node[]} */
  #open = [this];
  /** What is not frozen. @type {Done[]} */
  #log = [];
  /** @type {Map<number, Node>} */
  #nodes = new Map();

  connectedCallback() {
    this.onclick ??= copyCode;
  }

  /** The text as it is shown. */
  get shown() {
    return this.textContent ?? "";
  }

  /** Begins anew. */
  clear() {
    this.replaceChildren();
    this.#open = [this];
    this.#log = [];
    this.#nodes.clear();
  }

  /** @param {Op[]} ops */
  apply(ops) {
    for (const op of ops) this.take(op);
  }

  /** @param {Op} op */
  take(op) {
    if (op.op === "text") this.text(op.text ?? "");
    else if (op.op === "open") this.#enter(op.id ?? 0, op.node);
    else if (op.op === "close") this.#leave();
    else if (op.op === "rollback") for (let left = op.ops ?? 0; left > 0; left -= 1) this.#log.pop()?.undo();
    else if (op.op === "freeze") this.#log.splice(0, op.ops);
    else if (op.op === "patch") this.#patch(op.id ?? 0, op.change);
  }

  /** Adds text. One operation may come in several pieces: all but the first are `more` of it. @param {string} text @param {boolean} [more] */
  text(text, more = false) {
    const parent = this.#inside();
    const last = parent.lastChild;
    const before = last instanceof Text ? last.length : 0;
    const node = last instanceof Text ? last : parent.appendChild(document.createTextNode(""));
    node.appendData(text);
    if (more) return;
    this.#log.push({ undo: () => (before === 0 ? node.remove() : node.deleteData(before, node.length - before)) });
  }

  /** @param {number} id @param {any} node */
  #enter(id, node) {
    const parent = this.#inside();
    const [outer, inner] = built(node, parent);
    if (outer.parentNode === null) parent.appendChild(outer);
    this.#nodes.set(id, inner);
    this.#open.push(inner);
    const undo = () => {
      this.#open.pop();
      this.#nodes.delete(id);
      outer.parentNode?.removeChild(outer);
    };
    this.#log.push({ undo });
  }

  #leave() {
    const left = this.#open.pop();
    if (!left) return;
    this.#log.push({ undo: () => void this.#open.push(left) });
  }

  /** @param {number} id @param {any} change */
  #patch(id, change) {
    const node = this.#nodes.get(id);
    if (!(node instanceof Element)) return;
    if ("loose" in change) node.classList.toggle("loose", change.loose);
    else if (change.content) {
      const [open, log] = [this.#open, this.#log];
      node.replaceChildren();
      [this.#open, this.#log] = [[node], []];
      this.apply(change.content);
      [this.#open, this.#log] = [open, log];
    }
  }

  #inside() {
    return this.#open.at(-1) ?? this;
  }
}
customElements.define("tape-view", TapeView);

/**
 * The element of a node, and the one inside of it that its content goes to.
 * @param {any} node
 * @param {Node} parent
 * @returns {[Node, Node]}
 */
function built(node, parent) {
  const simple = SIMPLE[node.kind];
  if (simple) return both(make(simple));
  switch (node.kind) {
    case "heading":
      return both(make(/** @type {"h1"} */ (`h${Math.min(6, Math.max(1, node.level))}`)));
    case "code_block":
      return code(node.lang);
    case "list":
      return both(node.start === null || node.start === undefined ? make("ul") : make("ol", { start: node.start === 1 ? null : node.start }));
    case "table": {
      const table = make("table", { data: { align: node.align.join(" ") } });
      return [make("div", { class: "table", tabindex: 0, role: "region", "aria-label": "Table" }, table), table];
    }
    case "table_head": {
      const row = make("tr");
      return [make("thead", {}, row), row];
    }
    case "table_row": {
      const row = make("tr");
      const body = parent.lastChild instanceof HTMLTableSectionElement && parent.lastChild.tagName === "TBODY" ? parent.lastChild : null;
      if (!body) return [make("tbody", {}, row), row];
      body.append(row);
      return both(row);
    }
    case "table_cell": {
      const row = /** @type {HTMLTableRowElement} */ (parent);
      const align = row.closest("table")?.dataset.align?.split(" ")[row.cells.length] ?? "none";
      const head = row.parentElement?.tagName === "THEAD";
      return both(make(head ? "th" : "td", { class: align === "none" || align === "left" ? null : align, scope: head ? "col" : null }));
    }
    case "html_block":
      return both(make("div", { class: "html" }));
    case "footnote": {
      const inner = make("div");
      return [make("div", { class: "footnote" }, make("sup", {}, node.label), inner), inner];
    }
    case "token":
      return both(make("span", { class: `hl-${node.token}` }));
    case "math":
      return both(make("span", { class: "math" }));
    case "link":
      return both(make("a", { href: node.href, title: node.title || null, target: node.href ? "_blank" : null, rel: "noopener noreferrer nofollow" }));
    case "image":
      return both(make("span", { class: "image", role: "img", title: node.title || node.src || null }));
    case "footnote_ref":
      return both(make("sup", {}, node.label));
    case "task":
      return both(make("input", { type: "checkbox", class: "task", disabled: true, checked: node.done, "aria-label": node.done ? "done" : "open" }));
    case "soft_break":
      return both(document.createTextNode("\n"));
    default:
      // A kind of a later version: what is inside is text in any case.
      return both(make("span"));
  }
}

/** @param {Node} node @returns {[Node, Node]} */
const both = (node) => [node, node];

/** @param {string} lang @returns {[Node, Node]} */
function code(lang) {
  const inner = make("code");
  const copy = make("button", { type: "button", class: "quiet copy-code" }, icon("copy"), make("span", {}, "Copy"));
  const head = make("div", { class: "head" }, make("span", {}, lang || "text"), copy);
  return [make("div", { class: "code" }, head, make("pre", { tabindex: 0 }, inner)), inner];
}

/** @param {MouseEvent} event */
async function copyCode(event) {
  const button = event.target instanceof Element ? event.target.closest(".copy-code") : null;
  const code = button?.closest(".code")?.querySelector("code");
  if (!button || !code) return;
  await navigator.clipboard.writeText(code.textContent ?? "");
  flash(button, "Copied");
}

/** Says for a moment what was done, in the button's own place. @param {Element} button @param {string} words */
export function flash(button, words) {
  const label = button.querySelector("span") ?? button;
  const before = label.textContent;
  if (before === words) return;
  label.textContent = words;
  setTimeout(() => (label.textContent = before), 1500);
}
