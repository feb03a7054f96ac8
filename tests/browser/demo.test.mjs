// The demo: real streams at any pace, beside their buffered selves, broken in every way.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { done, open, rig } from "./rig.mjs";

const stage = rig();

const status = (page) => page.locator("#status").getAttribute("data-state");

async function ended(page) {
  await page.waitForFunction(() => ["done", "failed", "interrupted", "cancelled"].includes(document.querySelector("#status").dataset.state));
  return status(page);
}

/** Opens a scene, with all states that its status has from now on. */
async function scene(id) {
  const page = await open(stage, { path: `/demo#${id}`, shared: true });
  await page.waitForSelector(`[data-scene=${id}][aria-current]`);
  await page.evaluate(() => {
    const place = document.querySelector("#status");
    window.states = [place.textContent];
    new MutationObserver(() => place.textContent !== window.states.at(-1) && window.states.push(place.textContent)).observe(place, { childList: true, characterData: true, subtree: true });
  });
  return page;
}

const set = (page, id, value) =>
  page.locator(`#${id}`).evaluate((slider, value) => {
    slider.value = value;
    slider.dispatchEvent(new Event("input", { bubbles: true }));
  }, String(value));

const seconds = async (page, id) => Number.parseFloat(await page.textContent(`#${id}`));

describe("D7: sliders and counters", { concurrency: 3 }, () => {
  test("the pace that is chosen is the pace that comes", async (context) => {
    const page = await scene("events");
    await set(page, "jitter", 0);
    await set(page, "ttft", 200);
    const took = {};
    for (const gap of [5, 20]) {
      await set(page, "gap", gap);
      await page.click("#go");
      assert.equal(await ended(page), "done");
      took[gap] = (await seconds(page, "elapsed")) - (await seconds(page, "first"));
    }
    const factor = took[20] / took[5];
    context.diagnostic(`5 ms: ${took[5].toFixed(2)} s, 20 ms: ${took[20].toFixed(2)} s, factor ${factor.toFixed(2)}`);
    assert.ok(Math.abs(factor / 4 - 1) <= 0.15, `factor ${factor.toFixed(2)} and not 4`);
    await done(page);
  });

  test("status, characters, tokens estimated and then confirmed", async () => {
    const page = await scene("events");
    assert.equal(await page.textContent("#status"), "Ready");
    await page.click("#go");
    await page.waitForSelector("#tokens.estimated");
    assert.match(await page.textContent("#tokens"), /^~/);
    assert.equal(await ended(page), "done");
    assert.deepEqual(await page.evaluate(() => window.states), ["Ready", "Connecting", "Streaming", "Done"]);
    assert.equal(await page.locator("#tokens.estimated").count(), 0);
    const rows = await page.locator("#events li").allTextContents();
    const confirmed = /out (\d+)/.exec(rows.find((row) => row.includes("message_delta")))[1];
    assert.equal(await page.textContent("#tokens"), confirmed);
    assert.ok(rows.some((row) => row.includes("message_start")) && rows.some((row) => row.includes("block_delta")));
    assert.ok(Number((await page.textContent("#characters")).replace(/\D/g, "")) > 300);
    await done(page);
  });

  test("it can be stopped", async () => {
    const page = await scene("resume");
    await page.click("#go");
    await page.waitForFunction(() => document.querySelector("#live").textContent.length > 30);
    await page.click("#go");
    assert.equal(await ended(page), "cancelled");
    assert.match(await page.textContent("#live"), /Stopped by you/);
    await done(page);
  });
});

test("D8: streamed and buffered begin together, one can be read long before the other, and both say the same", async () => {
  const page = await scene("wait");
  await page.click("#go");
  await page.waitForFunction(() => document.querySelector("#live tape-view")?.textContent.length > 50);
  assert.equal(await page.textContent("#buffered"), "");
  assert.equal(await ended(page), "done");
  await page.waitForSelector("#buffered .raw");
  const words = (text) => text.replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  assert.equal(words(await page.textContent("#live tape-view")).replaceAll(" ", ""), words(await page.textContent("#buffered .raw")).replaceAll(" ", ""));
  const first = (text) => Number.parseFloat(/after ([\d.]+) s/.exec(text)[1]);
  const [streamed, buffered] = [first(await page.textContent("#live-first")), first(await page.textContent("#second-note"))];
  assert.ok(streamed * 2 < buffered, `${streamed} s and ${buffered} s`);
  await done(page);
});

describe("D9: every button breaks it, and what is done about it is told", { concurrency: 3 }, () => {
  for (const [fault, words] of [
    ["429", /429 rate_limit_error\) and is asked again/],
    ["529", /529 overloaded_error\) and is asked again/],
    ["cut", /Joined at a proven seam/],
    ["stall", /It ended: completed/],
    ["garbage", /It ended: completed/],
    ["slow", /It ended: completed/],
  ])
    test(fault, async () => {
      const page = await scene("failure");
      await set(page, "gap", 8);
      await page.click(`[data-fault="${fault}"]`);
      if (fault === "stall") await page.waitForFunction(() => /^Silent for [23]/.test(document.querySelector("#status").textContent));
      assert.equal(await ended(page), "done");
      await page.waitForFunction((source) => new RegExp(source).test(document.querySelector("#story").textContent), words.source);
      if (fault === "529") assert.equal((await page.textContent("#story")).match(/is asked again/g).length, 2);
      if (fault === "slow") assert.ok((await seconds(page, "first")) > 4);
      if (fault === "stall") assert.match(await page.getAttribute("#strip", "aria-label"), /silent for [34]\.\d s/);
      assert.ok((await page.textContent("#live tape-view")).length > 300);
      await done(page);
    });
});

describe("the scenes", { concurrency: 3 }, () => {
  test("thinking and tools show as what they are", async () => {
    const page = await scene("thinking");
    await page.click("#go");
    await page.waitForFunction(() => document.querySelector("#live .ticker")?.textContent.length > 10);
    await page.click("[data-scene=tools]");
    await page.click("#go");
    assert.equal(await ended(page), "done");
    assert.match(await page.textContent("#live .tool .result"), /°C/);
    assert.ok((await page.textContent("#live tape-view")).length > 20);
    await done(page);
  });

  test("a connection that is cut, and a page that is reloaded, lose nothing", async () => {
    const page = await scene("resume");
    await set(page, "gap", 12);
    await page.click("#go");
    await page.waitForFunction(() => document.querySelector("#live tape-view")?.textContent.length > 60);
    await page.click("#cut-reader");
    await page.waitForFunction(() => document.querySelector("#story").textContent.includes("back, and nothing is missing"));
    const before = await page.textContent("#live tape-view");
    await page.click("#reload");
    await page.waitForFunction((before) => document.querySelector("#live tape-view")?.textContent.startsWith(before), before);
    assert.equal(await ended(page), "done");
    await done(page);
  });
});
