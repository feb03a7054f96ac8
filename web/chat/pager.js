// The pager of versions: 1/2, by mouse and by keys. It is there only where there is more than one.

import { iconButton, make, say } from "../shell/elements.js";

export function pager() {
  const [before, after] = [iconButton("left", "The version before"), iconButton("right", "The next version")];
  const place = make("span", { class: "figures place" });
  const element = make("span", { class: "pager", role: "group", "aria-label": "Versions", hidden: true }, before, place, after);
  element.addEventListener("keydown", ({ key }) => {
    if (key === "ArrowLeft") before.click();
    if (key === "ArrowRight") after.click();
  });
  return {
    element,
    /** @param {any[]} versions @param {any} shown @param {(turn: any) => void} choose */
    show(versions, shown, choose) {
      const at = versions.findIndex(({ id }) => id === shown.id);
      element.hidden = versions.length < 2 || at < 0;
      say(place, `${at + 1}/${versions.length}`);
      element.setAttribute("aria-label", `Version ${at + 1} of ${versions.length}`);
      [before.disabled, after.disabled] = [at <= 0, at >= versions.length - 1];
      before.onclick = () => choose(versions[at - 1]);
      after.onclick = () => choose(versions[at + 1]);
    },
  };
}
