// Sources: a chip at the end of what they support, put there together with what it opens. Nothing that was there moves.

import { make } from "../shell/elements.js";

let number = 0;

export class Citations {
  /** What a source is known by, and its number. @type {Map<string, number>} */
  #known = new Map();

  /** @param {Element} view The text. @param {any[]} citations */
  attach(view, citations) {
    const leaf = [...view.children].findLast((child) => !child.matches(".cites"));
    const place = leaf?.matches("p, h1, h2, h3, h4, h5, h6") ? leaf : leaf?.matches("ul, ol") ? (leaf.lastElementChild?.querySelector("p:last-of-type") ?? view) : view;
    const chips = make("span", { class: "cites" });
    const shown = new Set();
    for (const citation of citations) {
      const key = citation.url ?? `${citation.document_title ?? citation.document_index ?? citation.title ?? ""}`;
      const known = this.#known.get(key) ?? this.#known.size + 1;
      this.#known.set(key, known);
      // One number for one source, once in one place.
      if (shown.has(known)) continue;
      shown.add(known);
      chips.append(...chip(citation, known));
    }
    place.append(chips);
  }
}

/** @param {any} citation @param {number} shown */
function chip(citation, shown) {
  const id = `source-${(number += 1)}`;
  const title = citation.title ?? citation.document_title ?? citation.url ?? "Source";
  const card = make("span", { class: "source", id, popover: "auto", role: "note" },
    make("strong", {}, title),
    citation.cited_text ? make("q", {}, citation.cited_text.trim()) : null,
    /^https?:/.test(citation.url ?? "") ? make("a", { href: citation.url, target: "_blank", rel: "noopener noreferrer nofollow" }, citation.url) : null,
  );
  const button = make("button", { type: "button", class: "cite", popovertarget: id, "aria-label": `Source ${shown}: ${title}` }, String(shown));
  card.addEventListener("beforetoggle", () => {
    const { left, bottom, top } = button.getBoundingClientRect();
    card.style.left = `${Math.max(8, Math.min(left, innerWidth - 348))}px`;
    if (bottom > innerHeight - 200) Object.assign(card.style, { top: "auto", bottom: `${innerHeight - top + 6}px` });
    else Object.assign(card.style, { bottom: "auto", top: `${bottom + 6}px` });
  });
  return [button, card];
}
