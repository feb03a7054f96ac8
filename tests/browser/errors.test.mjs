// Errors are told apart, each with the one thing that helps, and none leaves something that turns for ever.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { PLAIN, answers, ask, done, grown, open, order, over, rig, shown } from "./rig.mjs";

const stage = rig();

/** What the simulator does, how it ends, what the page says, and the buttons that it gives. */
const FAULTS = [
  ["400", "status=400", "failed", /not accepted/, ["edit", "settings"]],
  ["401", "status=401", "failed", /key is not accepted/, []],
  ["403", "status=403", "failed", /Not allowed/, ["settings"]],
  ["404", "status=404", "failed", /model is not there/, ["settings"]],
  ["413", "status=413", "failed", /Too large/, ["edit"]],
  ["429", "status=429,should-retry=false", "failed", /Too many requests/, ["retry"]],
  ["500", "status=500,should-retry=false", "failed", /service failed/, ["retry"]],
  ["529", "status=529,should-retry=false", "failed", /overloaded/, ["retry"]],
  ["an error event in mid-text", "pace=real,ttft=0s,tps=60; error=overloaded_error@event=14", null, /broke off/, ["continue", "retry"]],
  ["a cut in mid-text", "pace=real,ttft=0s,tps=60; rst@event=14", null, /broke off/, ["continue", "retry"]],
  ["the limit of tokens", "pace=instant", "completed", /Cut at the limit/, ["continue", "settings"], { settings: { max_tokens: 12 } }],
  ["a refusal", "pace=instant; refuse=start", "completed", /declined/, ["edit"]],
  ["a pause", "pace=instant; pause_turn", "completed", /Paused/, ["continue"]],
];

describe("C8: errors", { concurrency: 3 }, () => {
  for (const [name, orders, state, words, actions, settings] of FAULTS)
    test(name, async () => {
      const page = await open(stage, { orders, settings: { ...PLAIN, ...settings }, shared: !settings });
      if (state === null) await page.setExtraHTTPHeaders({ "perennial-sim": orders, "perennial-recovery": "off" });
      await ask(page, "Tell me about rivers");
      const ended = await over(page);
      if (state) assert.equal(ended, state);
      else assert.ok(["failed", "interrupted"].includes(ended), ended);
      await page.waitForSelector(".trouble");
      assert.match(await page.textContent(".trouble"), words);
      assert.deepEqual(await page.locator(".trouble [data-action]").evaluateAll((buttons) => buttons.map(({ dataset }) => dataset.action)), actions);
      assert.equal(await page.getAttribute("#send", "aria-label"), "Send");
      assert.equal(await page.getAttribute("#scroller", "aria-busy"), "false");
      await done(page);
    });

  test("a stall: who is silent is said, and it can be stopped", async () => {
    const page = await open(stage, { orders: "pace=real,ttft=0s,tps=60; stall@event=14", settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    await page.waitForFunction(() => /model is silent for \d+ s/.test(document.querySelector(".turn.assistant .status").textContent));
    await page.keyboard.press("Escape");
    assert.equal(await over(page), "cancelled");
    await done(page);
  });

  test("garbage in between is left out, and the answer is whole", async () => {
    const page = await open(stage, { orders: "pace=instant; garbage@event=8", settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    assert.equal(await over(page), "completed");
    assert.ok((await shown(page)).length > 100);
    assert.equal(await page.locator(".trouble").count(), 0);
    await done(page);
  });

  test("a rate limit is waited out in sight", async () => {
    const page = await open(stage, { orders: "pace=instant; status=429,retry-after=4,times=1", settings: PLAIN, shared: true });
    await page.evaluate(() => {
      window.said = [];
      new MutationObserver(() => window.said.push(document.querySelector(".turn.assistant .status")?.textContent)).observe(document.querySelector("#thread"), { childList: true, characterData: true, subtree: true });
    });
    await ask(page, "Tell me about rivers");
    assert.equal(await over(page), "completed");
    const said = await page.evaluate(() => window.said);
    assert.ok(said.some((words) => /429.*asking again/.test(words)), [...new Set(said)].join(" | "));
    await done(page);
  });

  test("a cut that is mended is marked where it was, and Retry after one that is not works", async () => {
    const page = await open(stage, { orders: "pace=real,ttft=0s,tps=80; rst@event=30,times=1", settings: PLAIN, shared: true });
    await ask(page, "How do I learn to cook?");
    assert.equal(await over(page), "completed");
    assert.match(await page.textContent(".seam"), /went on from there/);
    await page.setExtraHTTPHeaders({ "perennial-sim": "pace=real,ttft=0s,tps=60; rst@event=14", "perennial-recovery": "off" });
    await ask(page, "And how to bake?");
    await grown(page, 5);
    await page.waitForFunction(() => document.querySelectorAll(".trouble").length === 1);
    await order(page, "pace=instant");
    await page.click(".trouble [data-action=retry]");
    await page.waitForFunction(() => [...document.querySelectorAll(".turn.assistant")].at(-1)?.dataset.state === "completed");
    assert.equal(await answers(page).count(), 2);
    await done(page);
  });
});
