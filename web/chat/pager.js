// The pager of versions: 1/2, by mouse and by keys. It is made only where there is more than one.

import { iconButton, make, say } from "../shell/elements.js";

export class Pager {
  element = make("span", { class: "pager", role: "group", hidden: true });
  #before = /** @type {HTMLButtonElement | null} */ (null);
  #after = /** @type {HTMLButtonElement | null} */ (null);
  #place = make("span", { class: "figures place" });

  /** @param {any[]} versions @param {any} shown @param {(turn: any) => void} choose */
  show(versions, shown, choose) {
    const at = versions.findIndex(({ id }) => id === shown.id);
    this.element.hidden = versions.length < 2 || at < 0;
    if (this.element.hidden) return;
    const [before, after] = this.#made();
    say(this.#place, `${at + 1}/${versions.length}`);
    this.element.setAttribute("aria-label", `Version ${at + 1} of ${versions.length}`);
    [before.disabled, after.disabled] = [at <= 0, at >= versions.length - 1];
    before.onclick = () => choose(versions[at - 1]);
    after.onclick = () => choose(versions[at + 1]);
  }

  /** @returns {[HTMLButtonElement, HTMLButtonElement]} */
  #made() {
    if (this.#before && this.#after) return [this.#before, this.#after];
    const [before, after] = [iconButton("left", "The version before"), iconButton("right", "The next version")];
    [this.#before, this.#after] = [before, after];
    this.element.append(before, this.#place, after);
    this.element.addEventListener("keydown", ({ key }) => {
      if (key === "ArrowLeft") before.click();
      if (key === "ArrowRight") after.click();
    });
    return [before, after];
  }
}
