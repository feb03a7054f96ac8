// Thinking, tools, sources: blocks beside the text, which never mix with it.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { INSTANT, PLAIN, ask, done, frames, gated, open, order, over, shown } from "./rig.mjs";

const stage = gated();

const THINKS = { model: "claude-sonnet-5-5", settings: { thinking: true } };

describe("C10: thinking", { concurrency: 3 }, () => {
  test("a line ticks while it thinks, and the text does not move it", async () => {
    const page = await open(stage, { orders: INSTANT, hold: 8, settings: THINKS });
    await ask(page, "Why is the sky blue?");
    await page.waitForFunction(() => document.querySelector(".thinking .ticker")?.textContent.length > 10);
    assert.equal(await page.getAttribute(".thinking .head", "aria-expanded"), "false");
    const height = () => page.evaluate(() => document.querySelector(".thinking").offsetHeight);
    const before = await height();
    page.gate.open();
    assert.equal(await over(page), "completed");
    assert.equal(await height(), before);
    assert.equal(await page.isVisible(".thinking .ticker"), false);
    assert.match(await page.textContent(".thinking .head"), /^Thought/);
    await done(page);
  });

  test("what the reader chose wins, for 200 deltas and a reload", async () => {
    const page = await open(stage, { orders: "pace=instant; tokens=600", hold: 8, settings: THINKS });
    await ask(page, "Why is the sky blue?");
    await page.click(".thinking .head:not(:disabled)");
    await page.evaluate(() => {
      window.toggled = 0;
      new MutationObserver(() => (window.toggled += 1)).observe(document.querySelector(".thinking .head"), { attributeFilter: ["aria-expanded"] });
    });
    const expanded = () => page.getAttribute(".thinking .head", "aria-expanded");
    page.gate.open();
    assert.equal(await over(page), "completed");
    assert.equal(await expanded(), "true");
    await page.reload();
    assert.equal(await over(page), "completed");
    assert.equal(await expanded(), "true");
    await page.click(".thinking .head");
    await page.reload();
    await over(page);
    assert.equal(await expanded(), "false");
    await done(page);
  });

  test("hidden thinking says so and is no empty box", async () => {
    const page = await open(stage, { orders: INSTANT, settings: { ...THINKS, settings: { thinking: "omitted" } } });
    await ask(page, "Why is the sky blue?");
    assert.equal(await over(page), "completed");
    assert.match(await page.textContent(".thinking .head"), /hidden/);
    assert.equal(await page.isVisible(".thinking .body"), false);
    assert.ok(await page.isDisabled(".thinking .head"));
    await done(page);
  });
});

describe("C11: tools", { concurrency: 3 }, () => {
  test("a card from the first moment, arguments as they come, the result, and the text after it", async () => {
    const page = await open(stage, { orders: "pace=instant", hold: 2, settings: { ...PLAIN, settings: { tools: ["calculator"] } } });
    await page.evaluate(() => {
      window.lengths = new Set();
      new MutationObserver(() => {
        const card = document.querySelector(".tool");
        if (card) window.lengths.add(`${card.dataset.state} ${card.querySelector(".arguments").textContent.length}`);
      }).observe(document.querySelector("#thread"), { childList: true, characterData: true, subtree: true });
    });
    await ask(page, "What is 12 * 34? Use the calculator.");
    await page.waitForSelector(".tool[data-state=writing]");
    // Event by event, and each piece of the arguments is seen before the next one comes.
    for (let events = 3; events <= 40; events += 1) {
      page.gate.open(events);
      await frames(page, 3);
    }
    page.gate.open();
    await page.waitForSelector(".tool[data-state=done]");
    const seen = await page.evaluate(() => [...window.lengths]);
    const writing = seen.filter((look) => /^writing [1-9]/.test(look)).length;
    assert.ok(writing >= 1 && new Set(seen.map((look) => look.split(" ")[1])).size >= 3, `lengths of the arguments: ${seen}`);
    assert.match(await page.textContent(".tool .result"), /408/);
    await page.waitForFunction(() => [...document.querySelectorAll(".turn.assistant")].at(-1)?.dataset.state === "completed" && document.querySelector("tape-view")?.textContent.length > 0);
    assert.doesNotMatch(await shown(page), /\{"/);
    const before = await page.evaluate(() => document.querySelector("#thread").innerText);
    await page.reload();
    await page.waitForSelector(".tool[data-state=done]");
    assert.match(await page.textContent(".tool .result"), /408/);
    assert.ok(before.includes("408"));
    await done(page);
  });

  test("two calls at once stay two", async () => {
    const page = await open(stage, { orders: "pace=instant; tools=all", settings: { ...PLAIN, settings: { tools: ["calculator", "clock"] } } });
    await ask(page, "What is 12 * 34, and what time is it?");
    await page.waitForFunction(() => document.querySelectorAll(".tool").length >= 2);
    const names = await page.locator(".tool .name").allTextContents();
    assert.deepEqual(names.slice(0, 2).sort(), ["calculator", "clock"]);
    await order(page, "pace=instant");
    await page.keyboard.press("Escape");
    await done(page);
  });

  test("one that was stopped says so", async () => {
    const page = await open(stage, { orders: "tools=all; pace=instant; stall@event=5", settings: { ...PLAIN, settings: { tools: ["calculator"] } } });
    await ask(page, "What is 12 * 34?");
    await page.waitForSelector(".tool[data-state=writing]");
    await page.keyboard.press("Escape");
    await page.waitForSelector(".tool[data-state=cut]");
    assert.equal(await page.textContent(".tool .state"), "stopped");
    await done(page);
  });
});
