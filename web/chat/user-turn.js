// A turn of the reader on the page: text, attachments, and editing, which makes another version and keeps this one.

import { copyButton, iconButton, make } from "../shell/elements.js";
import { preview } from "./attachments.js";
import { Pager } from "./pager.js";

/**
 * @typedef {object} AroundUser
 * @property {(turn: any) => any[]} siblings
 * @property {(turn: any) => void} choose
 * @property {(turn: any, content: any) => void} edited
 */

export class UserTurn {
  #pager = new Pager();
  #body = make("div", { class: "said" });
  #line;

  /** @param {AroundUser} around @param {any} turn */
  constructor(around, turn) {
    this.around = around;
    this.turn = turn;
    const edit = iconButton("edit", "Edit", { onclick: () => this.edit(), class: "quiet icon edit" });
    this.#line = make("div", { class: "line" }, make("span", { class: "buttons" }, copyButton(() => this.text), edit), this.#pager.element);
    this.element = make("article", { class: "turn user", "aria-label": "You" }, this.#body, this.#line);
    this.#write();
    this.update(turn);
  }

  get text() {
    const { content } = this.turn;
    if (typeof content === "string") return content;
    return content.filter((/** @type {any} */ { type }) => type === "text").map((/** @type {any} */ { text }) => text).join("\n\n");
  }

  /** @param {any} turn */
  update(turn) {
    this.turn = turn;
    this.element.dataset.turn = turn.id;
    this.#pager.show(this.around.siblings(turn), turn, (chosen) => this.around.choose(chosen));
  }

  #write() {
    const { content } = this.turn;
    const others = typeof content === "string" ? [] : content.filter((/** @type {any} */ { type }) => type === "image" || type === "document");
    this.#body.replaceChildren(...(others.length > 0 ? [make("div", { class: "attached" }, ...others.map(preview))] : []), ...(this.text ? [make("div", { class: "bubble" }, this.text)] : []));
  }

  /** Text in place of the text, and back. */
  edit() {
    const field = make("textarea", { "aria-label": "Edit the message", rows: 3, value: this.text });
    const leave = () => {
      this.#write();
      this.#line.hidden = false;
    };
    const save = () => {
      const text = field.value.trim();
      if (!text) return;
      leave();
      const kept = typeof this.turn.content === "string" ? [] : this.turn.content.filter((/** @type {any} */ { type }) => type !== "text");
      this.around.edited(this.turn, kept.length > 0 ? [...kept, { type: "text", text }] : text);
    };
    field.onkeydown = (event) => {
      if (event.isComposing || event.keyCode === 229) return;
      if (event.key === "Escape") {
        event.stopPropagation();
        leave();
      } else if (event.key === "Enter" && !event.shiftKey) {
        event.preventDefault();
        save();
      }
    };
    const buttons = make("div", { class: "actions" }, make("button", { type: "button", class: "button small", onclick: leave }, "Cancel"), make("button", { type: "button", class: "button main small", onclick: save }, "Send"));
    this.#body.replaceChildren(make("div", { class: "editing" }, field, buttons));
    this.#line.hidden = true;
    field.focus();
    field.setSelectionRange(field.value.length, field.value.length);
  }
}
