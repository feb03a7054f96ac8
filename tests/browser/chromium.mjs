// Chromium as the tests drive it: headless, a fresh profile, no network of its own.

import { existsSync } from "node:fs";

import { chromium } from "playwright-core";

const PATH = process.env.CHROMIUM_BIN || ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"].find(existsSync);

const FLAGS = [
  ..."--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(" "),
  ..."--disable-component-update --disable-sync".split(" "),
];

/** Starts it with an empty profile, which goes with it. */
export function startChromium() {
  if (!PATH) throw new Error("there is no Chromium: install the package chromium, or set CHROMIUM_BIN");
  return chromium.launch({ executablePath: PATH, args: FLAGS });
}
