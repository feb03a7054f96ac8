// The controls of the demo: sliders, tabs, the legend.

import { find, make, say } from "../shell/elements.js";
import { SLIDERS } from "./scenes.js";

/** @param {string} id @param {number} value */
export function slide(id, value) {
  const slider = /** @type {HTMLInputElement} */ (find(`#${id}`));
  slider.value = String(value);
  slider.dispatchEvent(new Event("input"));
}

export function sliders() {
  for (const { id, name, min, max, step, shown } of SLIDERS) {
    const output = make("output", { class: "figures", for: id });
    const slider = make("input", { type: "range", id, min, max, step, oninput: () => (say(output, shown(Number(slider.value))), slider.setAttribute("aria-valuetext", shown(Number(slider.value)))) });
    find(".sliders").append(make("div", { class: "slider" }, make("label", { for: id }, name), output, slider));
  }
}

/** The three tabs beside the answer. @param {string} which */
export function show(which) {
  for (const name of ["buffered", "events", "story"]) {
    const tab = find(`#tab-${name}`);
    tab.setAttribute("aria-selected", String(name === which));
    tab.tabIndex = name === which ? 0 : -1;
    find(`#${name}-pane`).hidden = name !== which;
  }
  find("#second-note").hidden = which !== "buffered";
}

export function tabs() {
  const names = ["buffered", "events", "story"];
  for (const name of names) find(`#tab-${name}`).onclick = () => show(name);
  find("[role=tablist]").onkeydown = (event) => {
    const step = event.key === "ArrowRight" ? 1 : event.key === "ArrowLeft" ? -1 : 0;
    if (!step) return;
    const next = names[(names.findIndex((name) => find(`#tab-${name}`).tabIndex === 0) + step + 3) % 3] ?? "events";
    show(next);
    find(`#tab-${next}`).focus();
  };
}

export function legend() {
  const kinds = [["text", "text"], ["thinking", "thinking"], ["tool", "tool"], ["ping", "ping"], ["stall", "silence"], ["error", "error"], ["usage", "end"]];
  find(".legend").append(...kinds.map(([kind = "", words = ""]) => make("span", { class: "key", data: { kind } }, words)));
}

/** What a slider says. @param {string} id */
export function value(id) {
  return Number(/** @type {HTMLInputElement} */ (find(`#${id}`)).value);
}
