// How it looks: phones, dark rooms, big letters, little motion, paper; and what it weighs.
//
// With PERENNIAL_IMAGES=1 the pictures are written to docs/images/.

import assert from "node:assert/strict";
import { mkdirSync, readdirSync, writeFileSync } from "node:fs";
import { get } from "node:http";
import { join } from "node:path";
import { describe, test } from "node:test";

import { make, wholeEvents } from "../faces/gateway.mjs";
import { ROOT } from "../typescript/recordings.mjs";
import { serious } from "./axe.mjs";
import { DESK, LONG, PHONE, ask, done, grown, open, over, rig } from "./rig.mjs";

const stage = rig();
const THINKS = { model: "claude-sonnet-5-5", settings: { thinking: true } };
const LOOKS = [
  ["light", { ...DESK, viewport: { width: 1280, height: 900 }, colorScheme: "light" }],
  ["dark", { ...DESK, viewport: { width: 1280, height: 900 }, colorScheme: "dark" }],
  ["phone", { ...PHONE, colorScheme: "light" }],
];

/** The largest picture that the repository takes, in bytes. */
const LARGEST = 150_000;

async function picture(page, name) {
  const image = await page.screenshot();
  assert.ok(image.length < LARGEST, `${name}: ${image.length} bytes`);
  if (!process.env.PERENNIAL_IMAGES) return;
  const folder = join(ROOT, "docs/images");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, `${name}.png`), image);
}

/** The first block of code in a gateway's life waits for the grammars of all languages, which would stand in the pictures as silence. */
let warm;
async function warmed() {
  const body = { model: "claude-haiku-5-5", max_tokens: 500, messages: [{ role: "user", content: "Write some Rust code" }] };
  warm ??= make(stage.gateway, { body }).then(({ id }) => wholeEvents(stage.gateway, id, { accept: "application/vnd.perennial.tape+json" }));
  await warm;
}

const sideways = (page) => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);

describe("C21: every size and light", { concurrency: 3 }, () => {
  for (const [look, view] of LOOKS) {
    test(`the chat, ${look}`, async () => {
      await warmed();
      const page = await open(stage, { orders: "ttft=50ms,tps=200,jitter=0", settings: THINKS, view });
      await ask(page, "Compare Rust and Go");
      assert.equal(await over(page), "completed");
      await ask(page, "Write some Rust code");
      await page.waitForFunction(() => [...document.querySelectorAll(".turn.assistant")].map(({ dataset }) => dataset.state).join() === "completed,completed");
      assert.ok((await sideways(page)) <= 0);
      const composer = await page.locator("#composer").boundingBox();
      const height = await page.evaluate(() => visualViewport.height);
      assert.ok(composer.y + composer.height <= height, `the composer ends at ${composer.y + composer.height} of ${height}`);
      assert.ok(Number.parseFloat(await page.evaluate(() => getComputedStyle(document.querySelector("#message")).fontSize)) >= 16, "smaller letters make phones zoom");
      assert.deepEqual(await serious(page), []);
      await page.mouse.move(2, 2);
      await picture(page, `chat-${look}`);
      await done(page);
    });

    test(`the demo, ${look}`, async () => {
      await warmed();
      const page = await open(stage, { path: "/demo#failure", view: look === "phone" ? view : { ...view, viewport: { width: 1100, height: 690 } } });
      await page.click("#go");
      await page.waitForFunction(() => document.querySelector("#status").dataset.state === "done");
      await page.waitForFunction(() => /It ended/.test(document.querySelector("#story").textContent));
      assert.ok((await sideways(page)) <= 0);
      assert.deepEqual(await serious(page), []);
      await page.evaluate(() => scrollTo(0, 0));
      await picture(page, `demo-${look}`);
      await done(page);
    });
  }

  test("on phones the list is a drawer, and settings are a sheet", async () => {
    const page = await open(stage, { settings: THINKS, view: PHONE });
    assert.equal(await page.isVisible("#sidebar"), false);
    await page.click("#drawer");
    await page.waitForSelector("#sidebar", { state: "visible" });
    await page.keyboard.press("Escape");
    await page.waitForSelector("#sidebar", { state: "hidden" });
    await page.click("#settings");
    const { y, height, width } = await page.locator("dialog").boundingBox();
    assert.ok(Math.abs(y + height - 844) < 2 && width === 390, `${y} ${height} ${width}`);
    await done(page);
  });

  test("a long question fits a phone", async () => {
    const page = await open(stage, { orders: "pace=instant", settings: THINKS, view: PHONE });
    await ask(page, "What is it that rivers carry from the mountains to the sea, and for how long have they been doing that?");
    assert.equal(await over(page), "completed");
    const { left, right } = await page.evaluate(() => document.querySelector(".bubble").getBoundingClientRect().toJSON());
    assert.ok(left >= 0 && right <= 390, `from ${left} to ${right} of 390`);
    await done(page);
  });

  test("dark is dark, and the choice outlives a reload without a flash", async () => {
    const page = await open(stage, { view: { ...DESK, colorScheme: "light" } });
    const ground = () => page.evaluate(() => getComputedStyle(document.documentElement).backgroundColor);
    const light = await ground();
    for (let presses = 0; (await page.getAttribute("#theme", "aria-label")) !== "Theme: dark"; presses += 1) {
      assert.ok(presses < 4);
      await page.click("#theme");
    }
    const dark = await ground();
    assert.notEqual(dark, light);
    await page.reload({ waitUntil: "commit" });
    await page.waitForSelector(".bar");
    assert.equal(await ground(), dark);
    await done(page);
  });

  test("twice the size scrolls in one direction only; little motion is none; paper has the text", async () => {
    const page = await open(stage, { orders: LONG, settings: THINKS, view: { viewport: { width: 600, height: 400 }, reducedMotion: "reduce" } });
    await ask(page, "Tell me about rivers");
    await grown(page, 200);
    assert.ok((await sideways(page)) <= 0);
    assert.equal(await page.evaluate(() => document.getAnimations().length), 0);
    await page.emulateMedia({ media: "print" });
    assert.equal(await page.isVisible("#composer"), false);
    assert.equal(await page.isVisible(".bar"), false);
    assert.ok(await page.isVisible("tape-view"));
    await done(page);
  });
});

test("all scripts weigh less than 60 KB and all styles less than 20 KB, compressed", async (context) => {
  const files = readdirSync(join(ROOT, "web"), { recursive: true, withFileTypes: true }).filter((file) => file.isFile());
  const sizes = { js: 0, css: 0 };
  for (const { name, parentPath, path } of files) {
    const kind = name.split(".").pop();
    if (!(kind in sizes)) continue;
    const url = `${stage.gateway.url}/${join(parentPath ?? path, name).slice(join(ROOT, "web").length + 1)}`;
    sizes[kind] += await new Promise((resolve, reject) => {
      get(url, { headers: { "accept-encoding": "gzip" } }, (answer) => {
        let size = 0;
        answer.on("data", (piece) => (size += piece.length)).on("end", () => (answer.statusCode === 200 ? resolve(size) : reject(new Error(`${answer.statusCode} for ${url}`))));
      }).on("error", reject);
    });
  }
  context.diagnostic(`${sizes.js} bytes of scripts, ${sizes.css} bytes of styles`);
  assert.ok(sizes.js < 60 * 1024 && sizes.css < 20 * 1024, JSON.stringify(sizes));
});
