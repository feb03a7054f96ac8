// Chromium as the tests drive it: headless, a fresh profile, no network of its own.

import { chromium } from "playwright-core";

const PATH = process.env.CHROMIUM_BIN || "/usr/bin/chromium";

const FLAGS = [
  ..."--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking".split(" "),
  ..."--disable-component-update --disable-sync".split(" "),
];

/** Starts it with an empty profile, which goes with it. */
export function startChromium() {
  return chromium.launch({ executablePath: PATH, args: FLAGS });
}
