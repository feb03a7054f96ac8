// Elements made in one line, and the icons of the sprite.

/** @typedef {Node | string | null | undefined | false} Child */

/**
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {Record<string, any>} [given] Listeners (`onclick`), properties where the element has them (`disabled`, `value`), attributes otherwise; `class` and `data` too.
 * @param {...Child} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function make(tag, given = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(given)) {
    if (value === undefined || value === null || value === false) continue;
    if (name === "class") element.className = value;
    else if (name === "data") Object.assign(element.dataset, value);
    else if (name.startsWith("on") || name === "value" || name === "checked") /** @type {any} */ (element)[name] = value;
    else element.setAttribute(name, value === true ? "" : String(value));
  }
  add(element, children);
  return element;
}

/** @param {Node} parent @param {Child[]} children */
export function add(parent, children) {
  for (const child of children) {
    if (child === null || child === undefined || child === false) continue;
    parent.appendChild(typeof child === "string" ? document.createTextNode(child) : child);
  }
}

const SVG = "http://www.w3.org/2000/svg";

const SPRITE = new URL("icons.svg", import.meta.url).href;

/** The sprite, read once: copies of its shapes are made far faster than references to them. Until it is there, there are references: no page waits for it. @type {Document | null} */
let sprite = null;
void fetch(SPRITE)
  .then((answer) => answer.text())
  .then((text) => (sprite = new DOMParser().parseFromString(text, "image/svg+xml")))
  .catch(() => {});

/** @type {Map<string, SVGElement>} */
const icons = new Map();

/** @param {string} name Of a symbol in icons.svg. */
export function icon(name) {
  const known = icons.get(name) ?? drawn(name);
  if (sprite) icons.set(name, known);
  return /** @type {SVGElement} */ (known.cloneNode(true));
}

/** @param {string} name */
function drawn(name) {
  const svg = document.createElementNS(SVG, "svg");
  svg.setAttribute("aria-hidden", "true");
  const symbol = sprite?.getElementById(name);
  if (symbol) {
    svg.setAttribute("viewBox", symbol.getAttribute("viewBox") ?? "0 0 24 24");
    for (const shape of symbol.children) svg.append(document.importNode(shape, true));
  } else {
    const use = document.createElementNS(SVG, "use");
    use.setAttribute("href", `${SPRITE}#${name}`);
    svg.append(use);
  }
  return svg;
}

/** A button with an icon, whose name is read out and shown when pointed at. @param {string} name @param {string} label @param {Record<string, any>} [given] */
export function iconButton(name, label, given = {}) {
  return make("button", { type: "button", class: "quiet icon", "aria-label": label, title: label, ...given }, icon(name));
}

/** A button that copies a text, and says so for a moment. @param {() => string} text @param {() => string} [said] */
export function copyButton(text, said = () => "Copied") {
  const button = iconButton("copy", "Copy", { class: "quiet icon copy" });
  button.onclick = async () => {
    await navigator.clipboard.writeText(text());
    button.replaceChildren(icon("check"), make("span", { class: "said" }, said()));
    setTimeout(() => button.replaceChildren(icon("copy")), 1500);
  };
  return button;
}

/** The element of the page with this selector, which must be there. @template {Element} [T=HTMLElement] @param {string} selector @param {ParentNode} [from] @returns {T} */
export function find(selector, from = document) {
  const found = from.querySelector(selector);
  if (!found) throw new Error(`the page has no ${selector}`);
  return /** @type {any} */ (found);
}

/** Changes the text only where it is another, so that nothing is painted or read out twice. @param {Element} element @param {string} text */
export function say(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Makes these the children, moving only what has to be moved: an element that is taken out loses its scroll position, its focus and its open menu. @param {Element} parent @param {Element[]} elements */
export function inOrder(parent, elements) {
  const wanted = new Set(elements);
  for (const child of [...parent.children]) if (!wanted.has(child)) child.remove();
  let next = parent.firstElementChild;
  for (const element of elements) {
    if (element === next) next = next.nextElementSibling;
    else parent.insertBefore(element, next);
  }
}
