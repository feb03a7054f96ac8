// What all pages share at run time: the mode badge, the connection's dot and words, the theme, the key menu.

import { find, icon, make, say } from "./elements.js";

/** @typedef {{ mode: string, version: string, models: any[], tools: any[], keys: boolean }} Session */

/** @type {Promise<Session | null> | undefined} */
let asked;

/** What the gateway says about itself; `null` where it cannot be asked. */
export function session() {
  asked ??= fetch("/v1/session").then((answer) => (answer.ok ? answer.json() : null)).catch(() => null);
  return asked;
}

const MODES = /** @type {Record<string, [string, string, string]>} */ ({
  sim: ["SIM", "flask", "A simulator answers: nothing here costs money, and none of it is by Claude"],
  live: ["LIVE", "source", "Claude answers, and it costs money"],
  replay: ["REPLAY", "history", "A recording is shown"],
});

/** Says where answers come from, by word, colour and shape. */
export class ModeBadge extends HTMLElement {
  connectedCallback() {
    if (!this.hasAttribute("mode")) void session().then((known) => known && this.show(known.mode));
  }

  /** @param {string} mode */
  show(mode) {
    const [word, symbol, about] = MODES[mode] ?? [mode.toUpperCase(), "source", ""];
    this.setAttribute("mode", mode);
    this.setAttribute("role", "img");
    this.setAttribute("aria-label", `${word}: ${about}`);
    this.title = about;
    this.replaceChildren(icon(symbol), word);
  }
}
customElements.define("mode-badge", ModeBadge);

/** @param {"connected" | "connecting" | "waiting" | "offline" | "idle"} state @param {string} words */
export function showConnection(state, words) {
  const element = find(".connection");
  element.dataset.state = state;
  element.title = words;
  say(find(".words", element), words);
}

const THEMES = ["auto", "light", "dark"];
const ICONS = /** @type {Record<string, string>} */ ({ auto: "auto", light: "sun", dark: "moon" });

function theme() {
  const button = find("#theme");
  const show = (/** @type {string} */ theme) => {
    if (theme === "auto") delete document.documentElement.dataset.theme;
    else document.documentElement.dataset.theme = theme;
    button.replaceChildren(icon(ICONS[theme] ?? "auto"));
    button.setAttribute("aria-label", `Theme: ${theme}`);
    button.title = `Theme: ${theme}`;
    dispatchEvent(new Event("themechange"));
  };
  const known = () => localStorage.getItem("theme") ?? "auto";
  show(known());
  button.onclick = () => {
    localStorage.setItem("theme", THEMES[(THEMES.indexOf(known()) + 1) % THEMES.length] ?? "auto");
    show(known());
  };
  addEventListener("storage", ({ key }) => key === "theme" && show(known()));
}

/** A window over the page with a heading and a way out. @param {string} title @param {...Node} content */
export function dialog(title, ...content) {
  const close = make("button", { type: "button", class: "quiet icon", "aria-label": "Close", onclick: () => element.close() }, icon("close"));
  const element = make("dialog", { "aria-label": title, onclose: () => element.remove() }, make("header", {}, make("h2", {}, title), close), ...content);
  element.addEventListener("click", (event) => event.target === element && element.close());
  document.body.append(element);
  element.showModal();
  return element;
}

/**
 * Sets the shell up; a page calls it once.
 * @param {string} tab
 * @param {[string, string][]} keys What keys do here: the key, and the words.
 */
export function shell(tab, keys) {
  find(`.tabs [data-tab="${tab}"]`).setAttribute("aria-current", "page");
  theme();
  const menu = () => {
    const entries = [...keys, ["?", "These keys"]].flatMap(([key = "", words = ""]) => [
      make("dt", {}, ...key.split(" ").map((part) => make("kbd", {}, part))),
      make("dd", {}, words),
    ]);
    dialog("Keys", make("dl", { class: "keylist" }, ...entries));
  };
  find("#keys").onclick = menu;
  addEventListener("keydown", (event) => {
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select, [contenteditable]");
    if (event.key === "?" && !typing && !document.querySelector("dialog[open]")) menu();
  });
}
