// Whether the gateway is there, and lets this page in: the banner, the dot, the key.

import { find, make, say } from "../shell/elements.js";
import { dialog, showConnection } from "../shell/shell.js";

/** A gateway with keys asks for one; it stays in this tab. */
export function askKey() {
  if (document.querySelector("dialog[open]")) return;
  const field = make("input", { type: "text", "aria-label": "Key", autocomplete: "off" });
  const form = make("form", { class: "rename" }, field, make("button", { type: "submit", class: "button main" }, "Go on"));
  form.onsubmit = (event) => {
    event.preventDefault();
    sessionStorage.setItem("key", field.value.trim());
    location.reload();
  };
  dialog("This gateway asks for a key", make("p", {}, "It stays in this tab, and is gone with it."), form);
}

/** Says how the connection is, from now on. @param {import("../live/live.js").Live} live @param {() => boolean} keys Whether the gateway has keys. */
export function follow(live, keys) {
  let asked = false;
  live.onconnection = (/** @type {string} */ state) => {
    const away = state === "waiting" || !navigator.onLine;
    const banner = find("#banner");
    banner.hidden = !away;
    say(banner, away ? `${navigator.onLine ? "Reconnecting" : "No network"}. Answers go on meanwhile, and nothing is lost.` : "");
    if (away) showConnection("waiting", "reconnecting");
    else if (state === "open") showConnection("connected", "connected");
    else if (state !== "refused") showConnection("connecting", "connecting");
    else {
      showConnection("offline", "not allowed");
      if (!asked && keys()) askKey();
      asked = true;
    }
  };
  for (const event of ["online", "offline"]) addEventListener(event, () => live.onconnection(live.state));
}
