// The chat and the demo as a person has them: the real binary with its simulator, a real browser, and what is done on the page.

import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before } from "node:test";

import { startGate } from "../faces/gate.mjs";
import { startGateway } from "../faces/gateway.mjs";
import { startChromium } from "./chromium.mjs";

/** A gateway and a browser for the tests of a file. */
export function rig(...options) {
  return started(() => startGateway(...options));
}

/** The same with a gate before the simulator, for answers that stand still where a test wants them to: see `hold`. */
export function gated(...options) {
  return started(async (rig) => {
    rig.gate = await startGate();
    return startGateway("--upstream", rig.gate.url, "--upstream-key", "nobody-looks-at-it", ...options);
  });
}

function started(start) {
  const rig = { gateway: null, gate: null, browser: null, shared: null };
  before(async () => {
    // One after the other: a browser whose gateway could not begin would never end.
    rig.gateway = await start(rig);
    rig.browser = await startChromium();
  });
  after(async () => {
    await rig.browser?.close();
    await rig.gateway?.stop();
    await rig.gate?.stop();
  });
  return rig;
}

/** Nothing takes longer, unless it never comes: not even on a machine that stands still for a while. */
export const PATIENCE = 120_000;

/** Without waits: for answers that are held. */
export const INSTANT = "pace=instant; tokens=220";

/** An answer that is written while one looks. */
export const LIVE = "ttft=150ms,tps=60,jitter=0; tokens=220";

/** One that is long enough to be scrolled in. */
export const LONG = "ttft=50ms,tps=200,jitter=0; tokens=900";

/** These words and no others, at this pace. */
export const saying = (text, pace = "ttft=20ms,tps=120,jitter=0") => `${pace}; answer="${encodeURIComponent(text).replace(/[!'()*]/g, (letter) => `%${letter.charCodeAt(0).toString(16)}`)}"`;

export const DESK = { viewport: { width: 1200, height: 800 } };
export const PHONE = { viewport: { width: 390, height: 844 }, deviceScaleFactor: 1, isMobile: true, hasTouch: true };

/**
 * Opens a page in a browser profile of its own (or in `context`), and sees to it that nothing goes wrong unseen.
 * A profile of its own is most of what a page costs: tests that leave nothing behind in it say `shared`.
 * @param {{ shared?: boolean, path?: string, orders?: string, hold?: number, context?: object, settings?: object, url?: string, view?: object, keys?: Record<string, string> }} given
 *   `orders` is what the simulator is told; after `hold` events its answers stand still until `page.gate.open()`.
 */
export async function open(rig, { path = "/", orders, hold, context, settings, url = rig.gateway.url, view = DESK, keys = {}, shared = false } = {}) {
  const profile = () => rig.browser.newContext({ ...view, permissions: ["clipboard-read", "clipboard-write"] });
  if (shared) context = await (rig.shared ??= profile());
  context ??= await profile();
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  // Of the page and not of its profile: there a page of another test that closes just then would be a failure of this one.
  if (settings || Object.keys(keys).length > 0)
    await page.addInitScript(
      ({ settings, keys }) => {
        if (settings && !localStorage.getItem("defaults")) localStorage.setItem("defaults", JSON.stringify({ model: "claude-haiku-5-5", system: null, ...settings, settings: { thinking: false, max_tokens: 60000, tools: [], ...settings.settings } }));
        for (const [key, value] of Object.entries(keys)) if (!localStorage.getItem(key)) localStorage.setItem(key, value);
      },
      { settings, keys },
    );
  const problems = [];
  page.on("pageerror", (error) => problems.push(error));
  page.on("console", (message) => /Content Security Policy|Refused to/.test(message.text()) && problems.push(message.text()));
  Object.assign(page, { problems, shared });
  if (hold !== undefined) page.gate = rig.gate.hold(hold);
  if (orders !== undefined) await order(page, orders, page.gate);
  await page.goto(`${url}${path}`);
  return page;
}

/** What the simulator is told from now on. Each question is another one for it, so that `times=1` counts from anew. */
export async function order(page, orders, gate) {
  await page.setExtraHTTPHeaders(orders ? { "perennial-sim": orders, "perennial-sim-key": `${Math.random()}`, ...gate?.headers } : {});
}

/** A plain model without thinking, unless a test wants more. */
export const PLAIN = { model: "claude-haiku-5-5" };

export async function ask(page, text) {
  await page.fill("#message", text);
  await page.click("#send");
}

/** Asks on, while an answer comes: the button is another one then. */
export async function enter(page, text) {
  await page.fill("#message", text);
  await page.press("#message", "Enter");
}

export const answers = (page) => page.locator(".turn.assistant");

/** How often it is looked whether an answer is so far: with every frame would cost the page more than the answer does. */
const LOOK = { polling: 50 };

/** Text as it stands in the last answer. */
export const shown = (page) => page.evaluate(() => [...document.querySelectorAll(".turn.assistant tape-view")].map((view) => view.textContent).join("\n"));

/** Waits until the last answer has so many characters. */
export async function grown(page, characters) {
  await page.waitForFunction((characters) => ([...document.querySelectorAll(".turn.assistant")].at(-1)?.querySelector("tape-view")?.textContent.length ?? 0) >= characters, characters, LOOK);
}

/** Waits until the last answer is over, and says how. */
export async function over(page) {
  const handle = await page.waitForFunction(() => {
    const state = [...document.querySelectorAll(".turn.assistant")].at(-1)?.dataset.state;
    return state && !["running", "queued"].includes(state) ? state : null;
  }, null, LOOK);
  return handle.jsonValue();
}

/** What the gateway says of the conversation that is shown. */
export async function conversation(rig, page, url = rig.gateway.url) {
  const id = new URL(page.url()).pathname.split("/").at(-1);
  const answer = await fetch(`${url}/v1/conversations/${id}`);
  assert.equal(answer.status, 200);
  return answer.json();
}

/** The same, as soon as no answer is being made in it any more. */
export async function settled(rig, page, url = rig.gateway.url) {
  for (;;) {
    const known = await conversation(rig, page, url);
    if (known.turns.every(({ state }) => state !== "running" && state !== "queued")) return known;
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

/** Calls `window.tapped` with every message of the hub before the page has it. */
export const tap = (page) =>
  page.addInitScript(() => {
    const Real = window.SharedWorker;
    window.SharedWorker = class extends Real {
      constructor(...given) {
        super(...given);
        this.port.addEventListener("message", ({ data }) => window.tapped?.(data));
      }
    };
  });

/** Until so many frames were painted, in which whatever was to move had its chance. */
export const frames = (page, count = 5) =>
  page.evaluate(async (count) => {
    for (; count > 0; count -= 1) await new Promise(requestAnimationFrame);
  }, count);

export async function done(page) {
  assert.deepEqual(page.problems, []);
  await (page.shared ? page : page.context()).close();
}

/** A folder that goes with the test. */
export function folder(context) {
  const path = mkdtempSync(join(tmpdir(), "perennial-pages-"));
  context.after(() => rmSync(path, { recursive: true, force: true }));
  return path;
}
