// The list of conversations: search, rename, delete, export, import. On phones it is a drawer.

import { find, icon, iconButton, inOrder, make } from "../shell/elements.js";
import { dialog } from "../shell/shell.js";
import { conversations } from "./api.js";

const DAY = 86_400_000;

export class Sidebar {
  #list = find("#conversations");
  #search = /** @type {HTMLInputElement} */ (find("#search"));
  /** What is shown, and what it was made of: what has not changed is left alone, with the menu that may be open in it. @type {Map<string, { element: HTMLElement, made: string }>} */
  #items = new Map();
  #asked = 0;
  #timer = 0;
  #current = "";
  #more = make("button", { type: "button", class: "quiet more", hidden: true }, "Earlier ones");
  /** @type {any[]} */
  #known = [];

  /** @param {{ open: (id: string) => void, fresh: () => void, complain: (words: string) => void }} on */
  constructor(on) {
    this.on = on;
    this.#search.oninput = () => this.soon();
    find("#new").onclick = (event) => (event.preventDefault(), this.close(), on.fresh());
    find("#drawer").onclick = () => this.toggle();
    find("#scrim").onclick = () => this.close();
    find("#import").onclick = () => /** @type {HTMLInputElement} */ (find("#import-file")).click();
    find("#import-file").onchange = (event) => void this.#import(/** @type {HTMLInputElement} */ (event.target));
    this.#more.onclick = () => void this.refresh(true);
    this.#list.after(this.#more);
  }

  /** Something changed: asks again, but not for each of many changes. */
  soon() {
    clearTimeout(this.#timer);
    this.#timer = window.setTimeout(() => void this.refresh(), 120);
  }

  /** @param {boolean} [more] */
  async refresh(more = false) {
    const number = (this.#asked += 1);
    const text = this.#search.value.trim();
    const found = await conversations.list(text, more ? this.#known.at(-1)?.id : undefined).catch(() => null);
    if (!found || number !== this.#asked) return;
    this.#known = more ? [...this.#known, ...found.data] : found.data;
    for (const { conversation, snippet } of found.hits ?? []) for (const known of this.#known) if (known.id === conversation) known.snippet ??= snippet;
    this.#more.hidden = !found.has_more;
    this.#show(text);
  }

  /** @param {string} id */
  current(id) {
    this.#current = id;
    for (const [key, { element }] of this.#items) element.querySelector("a")?.toggleAttribute("aria-current", key === id);
  }

  toggle() {
    const open = document.body.classList.toggle("drawer-open");
    find("#drawer").setAttribute("aria-expanded", String(open));
    if (open) this.#search.focus();
  }

  close() {
    document.body.classList.remove("drawer-open");
    find("#drawer").setAttribute("aria-expanded", "false");
  }

  /** @param {string} text */
  #show(text) {
    /** @type {HTMLElement[]} */
    const items = [];
    /** @type {Set<string>} */
    const keys = new Set();
    const put = (/** @type {string} */ key, /** @type {string} */ made, /** @type {() => HTMLElement} */ make) => {
      const known = this.#items.get(key);
      const item = known?.made === made ? known : { element: make(), made };
      this.#items.set(key, item);
      items.push(item.element);
      keys.add(key);
    };
    let group = "";
    for (const conversation of this.#known) {
      const { id, title, live, updated_at } = conversation;
      const age = groupOf(updated_at);
      if (age !== group && !text) put(`group ${age}`, age, () => make("li", { class: "group" }, age));
      group = age;
      put(id, JSON.stringify([title, live !== null, conversation.snippet]), () => this.#item(conversation));
    }
    if (this.#known.length === 0) put("none", text, () => make("li", { class: "none" }, text ? `Nothing says “${text}”` : "Conversations will be here"));
    for (const key of [...this.#items.keys()]) if (!keys.has(key)) this.#items.delete(key);
    inOrder(this.#list, items);
    this.current(this.#current);
  }

  /** @param {any} conversation */
  #item(conversation) {
    const { id, title, live, updated_at, snippet } = conversation;
    const words = make("span", { class: "words" }, make("span", { class: "title" }, title || "New conversation"), snippet && make("span", { class: "snippet" }, snippet));
    const link = make("a", { href: `/c/${id}`, title: new Date(updated_at).toLocaleString() }, words, live && make("span", { class: "live", title: "An answer is being made" }, "live"));
    link.onclick = (event) => {
      if (event.ctrlKey || event.metaKey || event.shiftKey) return;
      event.preventDefault();
      this.close();
      this.on.open(id);
    };
    const menu = make("div", { class: "menu", popover: "auto", id: `menu-${id}`, role: "menu" });
    const entry = (/** @type {string} */ symbol, /** @type {string} */ words, /** @type {() => void} */ act, danger = false) =>
      menu.append(make("button", { type: "button", role: "menuitem", class: danger ? "danger" : null, onclick: () => (menu.hidePopover(), act()) }, icon(symbol), words));
    entry("edit", "Rename", () => this.#rename(conversation));
    entry("export", "Export", () => void exported(conversation).catch((error) => this.on.complain(error.message)));
    entry("trash", "Delete", () => this.#remove(conversation), true);
    const button = iconButton("more", `More about ${title || "this conversation"}`, { popovertarget: menu.id, class: "quiet icon more" });
    menu.addEventListener("beforetoggle", () => {
      const { right, bottom } = button.getBoundingClientRect();
      menu.style.left = `${Math.max(8, Math.min(right - 30, innerWidth - 200))}px`;
      menu.style.top = `${Math.min(bottom + 4, innerHeight - 140)}px`;
    });
    return make("li", {}, link, button, menu);
  }

  /** @param {any} conversation */
  #rename({ id, title }) {
    const field = make("input", { type: "text", value: title ?? "", "aria-label": "Title", maxlength: 200 });
    const form = make("form", { class: "rename" }, field, make("button", { type: "submit", class: "button main" }, "Rename"));
    const window = dialog("Rename", form);
    form.onsubmit = (event) => {
      event.preventDefault();
      window.close();
      if (field.value.trim()) void this.#done(conversations.change(id, { title: field.value.trim() }));
    };
    field.select();
  }

  /** @param {any} conversation */
  #remove({ id, title }) {
    const sure = make("button", { type: "button", class: "button danger" }, "Delete");
    const window = dialog("Delete this conversation?", make("p", {}, `“${title || "New conversation"}” and its answers are gone for good.`), make("div", { class: "dialog-actions" }, make("button", { type: "button", class: "button", onclick: () => window.close() }, "Keep"), sure));
    sure.onclick = () => {
      window.close();
      void this.#done(conversations.remove(id));
      if (id === this.#current) this.on.fresh();
    };
  }

  /** @param {HTMLInputElement} input */
  async #import(input) {
    const file = input.files?.[0];
    input.value = "";
    if (!file) return;
    try {
      const made = await conversations.import(JSON.parse(await file.text()));
      await this.refresh();
      this.on.open(made.data[0].id);
    } catch (error) {
      this.on.complain(`${file.name} cannot be imported: ${error instanceof Error ? error.message : error}`);
    }
  }

  /** @param {Promise<any>} change */
  async #done(change) {
    await change.catch((error) => this.on.complain(error.message));
    await this.refresh();
  }
}

/** @param {any} conversation */
async function exported({ id, title }) {
  const whole = await conversations.export(id);
  const name = (title || "conversation").replace(/[^\p{L}\p{N} _-]/gu, "").slice(0, 60).trim() || "conversation";
  const href = URL.createObjectURL(new Blob([JSON.stringify(whole, null, 1)], { type: "application/json" }));
  make("a", { href, download: `${name}.json` }).click();
  setTimeout(() => URL.revokeObjectURL(href), 60_000);
}

/** @param {string} at */
function groupOf(at) {
  const midnight = new Date().setHours(0, 0, 0, 0);
  const time = Date.parse(at);
  if (time >= midnight) return "Today";
  if (time >= midnight - DAY) return "Yesterday";
  if (time >= midnight - 6 * DAY) return "This week";
  return "Earlier";
}

