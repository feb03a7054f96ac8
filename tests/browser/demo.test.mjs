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
  test("the pace that is chosen is the pace that is asked for, and nothing comes sooner", async (context) => {
    const page = await scene("events");
    await set(page, "jitter", 0);
    await set(page, "ttft", 200);
    for (const gap of [5, 20]) {
      await set(page, "gap", gap);
      const asked = page.waitForRequest((request) => request.method() === "POST" && "perennial-sim" in request.headers());
      await page.click("#go");
      assert.match((await asked).headers()["perennial-sim"], new RegExp(`ttft=200ms; tps=${(1000 / gap).toFixed(2)}; jitter=0`));
      assert.equal(await ended(page), "done");
      const tokens = Number(await page.textContent("#tokens"));
      // From the first one that was there to the end, with room for what the page rounds and for what comes together.
      const least = (0.8 * (tokens - 20) * gap) / 1000;
      const took = (await seconds(page, "elapsed")) - (await seconds(page, "first"));
      context.diagnostic(`${gap} ms: ${took.toFixed(2)} s for ${tokens} tokens`);
      // What the page saw first may have been late, but not what it counts from.
      assert.ok((await seconds(page, "elapsed")) > least, `${took} s of ${least}`);
    }
    await done(page);
  });

  test("status, characters, tokens estimated and then confirmed", async () => {
    const page = await scene("events");
    assert.equal(await page.textContent("#status"), "Ready");
    await page.click("#go");
    await page.waitForSelector("#tokens.estimated");
    assert.match(await page.textContent("#tokens"), /^~/);
    assert.equal(await ended(page), "done");
    // Where the machine is silent, so is the answer.
    const states = (await page.evaluate(() => window.states)).filter((state, at, all) => !/^Silent/.test(state) && state !== all[at - 1]);
    assert.deepEqual([...new Set(states)], ["Ready", "Connecting", "Streaming", "Done"]);
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
    await set(page, "gap", 200);
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
  // What stood in the one when the other could be read.
  await page.evaluate(() => {
    new MutationObserver(() => {
      if (document.querySelector("#live tape-view")?.textContent.length > 50) window.beside ??= document.querySelector("#buffered").textContent;
    }).observe(document.querySelector("#live"), { childList: true, characterData: true, subtree: true });
  });
  await page.click("#go");
  assert.equal(await ended(page), "done");
  assert.equal(await page.evaluate(() => window.beside), "");
  await page.waitForSelector("#buffered .raw");
  const words = (text) => text.replace(/[^\p{L}\p{N}]+/gu, " ").trim();
  assert.equal(words(await page.textContent("#live tape-view")).replaceAll(" ", ""), words(await page.textContent("#buffered .raw")).replaceAll(" ", ""));
  const first = (text) => Number.parseFloat(/after ([\d.]+) s/.exec(text)[1]);
  const [streamed, buffered] = [first(await page.textContent("#live-first")), first(await page.textContent("#second-note"))];
  assert.ok(streamed < buffered, `${streamed} s and ${buffered} s`);
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
      assert.equal(await ended(page), "done");
      if (fault === "stall") assert.ok((await page.evaluate(() => window.states)).some((state) => /^Silent for \d/.test(state)));
      await page.waitForFunction((source) => new RegExp(source).test(document.querySelector("#story").textContent), words.source);
      if (fault === "529") assert.equal((await page.textContent("#story")).match(/is asked again/g).length, 2);
      if (fault === "slow") assert.ok((await seconds(page, "first")) > 4);
      if (fault === "stall") assert.match(await page.getAttribute("#strip", "aria-label"), /silent for (?:[3-9]|\d\d+)\.\d s/);
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
    await set(page, "gap", 60);
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
