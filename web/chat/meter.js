// The figures of an answer, in three honest states: estimated (dotted, with a tilde), live, confirmed by the service. What is not known is a dash.

import { make } from "../shell/elements.js";

/**
 * @typedef {object} Figures
 * @property {number | null} first Milliseconds to the first content.
 * @property {number | null} elapsed
 * @property {number} characters
 * @property {any} usage As the service said it; output is confirmed only where `confirmed`.
 * @property {boolean} confirmed
 * @property {string | null | undefined} cost In dollars; `null` where it is not known, `undefined` before the end.
 * @property {number | null} window Tokens that the model can hold.
 */

/** The figures on the page, changed only where they are others. */
export class Meter {
  element = make("span", { class: "figures meter" });
  #shown = "";

  /** @param {Figures} figures */
  show(figures) {
    const items = itemsOf(figures);
    const shown = items.map(({ outerHTML }) => outerHTML).join("");
    if (this.#shown !== shown) this.element.replaceChildren(...items);
    this.#shown = shown;
  }
}

const seconds = (/** @type {number} */ ms) => `${(ms / 1000).toFixed(ms < 9950 ? 1 : 0)} s`;

/** @param {Figures} figures */
function itemsOf({ first, elapsed, characters, usage, confirmed, cost, window }) {
  const tokens = confirmed && usage?.output_tokens !== undefined ? usage.output_tokens : null;
  const shown = tokens ?? Math.round(characters / 4);
  const writing = first !== null && elapsed !== null ? elapsed - first : 0;
  const about = tokens === null ? "Estimated: about four characters a token" : "Confirmed by the service";
  const items = [];
  if (first !== null) items.push(figure(seconds(first), "until the first content"));
  if (shown > 0) items.push(figure(`${tokens === null ? "~" : ""}${shown.toLocaleString("en")} tokens`, about, tokens === null));
  if (writing > 400 && shown > 0) items.push(figure(`${Math.round(shown / (writing / 1000))}/s`, "Tokens a second", tokens === null));
  if (cost !== undefined) items.push(figure(cost === null ? "–" : dollars(cost), cost === null ? "The price of this model is not known" : "What it cost, from the service's own usage"));
  const read = usage?.cache_read_input_tokens ?? 0;
  const input = (usage?.input_tokens ?? 0) + read + (usage?.cache_creation_input_tokens ?? 0);
  if (confirmed && read > 0) items.push(figure(`${Math.round((100 * read) / input)} % cached`, `${read.toLocaleString("en")} of ${input.toLocaleString("en")} tokens of input were read from the cache`));
  if (confirmed && window && input > 0) {
    const share = (100 * (input + shown)) / window;
    if (share >= 1) items.push(figure(`${share.toFixed(0)} % of window`, `${(input + shown).toLocaleString("en")} of ${window.toLocaleString("en")} tokens`));
  }
  return items;
}

/** @param {string} cost */
function dollars(cost) {
  const value = Number(cost);
  return `$${value === 0 ? "0" : value < 0.01 ? value.toPrecision(2) : value.toFixed(value < 1 ? 3 : 2)}`;
}

/** @param {string} words @param {string} about @param {boolean} [estimated] */
function figure(words, about, estimated = false) {
  return make("span", { title: about, class: estimated ? "estimated" : null }, words);
}
