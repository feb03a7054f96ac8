// What keys do on the chat page.

import { find } from "../shell/elements.js";
import { shell } from "../shell/shell.js";

/** @param {{ stop: () => void, fresh: () => void, sidebar: import("./sidebar.js").Sidebar, field: HTMLElement }} on */
export function keys(on) {
  shell("chat", [
    ["Enter", "Send, or queue while an answer comes"],
    ["Shift Enter", "A new line"],
    ["Esc", "Stop the answer"],
    ["End", "To the end, and follow it"],
    ["/", "Write"],
    ["N", "New chat"],
    ["F", "Search conversations"],
  ]);
  addEventListener("keydown", (event) => {
    if (event.isComposing || document.querySelector("dialog[open], :popover-open")) return;
    if (event.key === "Escape") return document.body.classList.contains("drawer-open") ? on.sidebar.close() : on.stop();
    const typing = event.target instanceof Element && event.target.closest("input, textarea, select");
    if (typing || event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "/") (event.preventDefault(), on.field.focus());
    if (event.key === "n") (event.preventDefault(), on.fresh());
    if (event.key === "f") (event.preventDefault(), find("#search").focus());
  });
}
