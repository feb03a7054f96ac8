// Stop means stop, in any state and from anywhere; and what is written meanwhile waits its turn.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { INSTANT, PLAIN, answers, ask, done, enter, gated, grown, open, order, over, settled } from "./rig.mjs";

const stage = gated();

/** An answer that comes to no end, after so many events. */
const endless = (events) => `${INSTANT}; stall@event=${events}`;

/** Presses Esc and says how many frames were painted before the button was Send again. */
async function escape(page) {
  await page.evaluate(() => {
    window.back = new Promise((resolve) => {
      const button = document.querySelector("#send");
      addEventListener("keydown", ({ key }) => {
        if (key !== "Escape") return;
        let frames = 0;
        const count = () => {
          frames += 1;
          requestAnimationFrame(count);
        };
        requestAnimationFrame(count);
        new MutationObserver(() => button.getAttribute("aria-label") === "Send" && resolve(frames)).observe(button, { attributeFilter: ["aria-label"] });
      }, { capture: true });
    });
  });
  await page.keyboard.press("Escape");
  return page.evaluate(() => window.back);
}

/** The upstream was left: the stream has ended as the gateway has it. */
async function stopped(page) {
  assert.equal(await over(page), "cancelled");
  const { turns } = await settled(stage, page);
  const last = turns.at(-1);
  assert.equal(last.state, "cancelled");
  const stream = await (await fetch(`${stage.gateway.url}/v1/streams/${last.stream}`)).json();
  assert.equal(stream.state, "cancelled");
  return last;
}

describe("C5: stop", { concurrency: 3 }, () => {
  for (const [when, orders, settings, ready] of [
    ["before the first token", "stall@headers", PLAIN, (page) => page.waitForFunction(() => document.querySelector(".turn.assistant .status")?.textContent.startsWith("Waiting"))],
    ["in mid-text", endless(20), PLAIN, (page) => grown(page, 30)],
    ["in mid-thinking", "pace=instant; stall@event=8", { model: "claude-sonnet-5-5", settings: { thinking: true } }, (page) => page.waitForFunction(() => document.querySelector(".thinking .ticker")?.textContent.length > 5)],
    ["in mid-tool", "tools=all; pace=instant; stall@event=5", { ...PLAIN, settings: { tools: ["calculator"] } }, (page) => page.waitForSelector(".tool[data-state=writing]")],
  ])
    test(when, async () => {
      const page = await open(stage, { orders, settings });
      await ask(page, "What is 12 * 34, and why?");
      await ready(page);
      assert.equal(await escape(page), 0, "the button is Send in the frame that shows the key");
      await stopped(page);
      await page.reload();
      assert.equal(await over(page), "cancelled");
      assert.match(await page.textContent(".trouble"), /Stopped by you/);
      await order(page, INSTANT);
      await enter(page, "Another question");
      await page.waitForFunction(() => document.querySelectorAll(".turn.assistant").length >= 2);
      assert.equal(await over(page), "completed");
      await done(page);
    });

  test("from another tab", async () => {
    const page = await open(stage, { orders: endless(20), settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    await grown(page, 20);
    const other = await open(stage, { context: page.context(), path: new URL(page.url()).pathname });
    await other.waitForSelector("#send[aria-label=Stop]");
    await other.click("#send");
    await stopped(page);
    assert.equal(await over(other), "cancelled");
    await other.close();
    await done(page);
  });

  test("what was there is kept, and Continue goes on", async () => {
    const page = await open(stage, { orders: endless(20), settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    await grown(page, 40);
    await page.keyboard.press("Escape");
    const { content } = await stopped(page);
    assert.ok(content.map(({ text }) => text ?? "").join("").length >= 30);
    // The service said only what it began with: that is no figure of what came.
    await page.waitForFunction(() => /\d+ characters are kept/.test(document.querySelector(".trouble").textContent));
    assert.match(await page.textContent(".meter .estimated"), /^~\d/);
    await order(page, "pace=instant");
    await page.click(".trouble [data-action=continue]");
    await page.waitForFunction(() => [...document.querySelectorAll(".turn.assistant")].at(-1)?.dataset.state === "completed");
    await done(page);
  });
});

describe("C22: queue while an answer comes", { concurrency: 3 }, () => {
  test("a message waits, and is sent at the end", async () => {
    const page = await open(stage, { orders: INSTANT, hold: 20, settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    await grown(page, 20);
    await enter(page, "And about lakes");
    await page.waitForSelector(".turn.assistant[data-state=queued]");
    assert.match(await answers(page).last().textContent(), /Queued/);
    page.gate.open();
    await page.waitForFunction(() => [...document.querySelectorAll(".turn.assistant")].map(({ dataset }) => dataset.state).join() === "completed,completed");
    await done(page);
  });

  test("two that are sent in one breath are one conversation, in their order", async () => {
    const page = await open(stage, { orders: INSTANT, hold: 20, settings: PLAIN, shared: true });
    await enter(page, "First");
    await enter(page, "Second");
    page.gate.open();
    await page.waitForFunction(() => [...document.querySelectorAll(".turn.assistant")].map(({ dataset }) => dataset.state).join() === "completed,completed");
    assert.deepEqual(await page.locator(".bubble").allTextContents(), ["First", "Second"]);
    const { turns } = await settled(stage, page);
    assert.equal(turns.length, 4);
    await done(page);
  });

  test("and can be taken back", async () => {
    const page = await open(stage, { orders: endless(20), settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    await grown(page, 20);
    await enter(page, "And about lakes");
    await page.click(".turn.assistant[data-state=queued] .cancel");
    await page.waitForFunction(() => document.querySelectorAll(".turn.assistant")[1]?.dataset.state === "cancelled");
    assert.equal(await answers(page).first().getAttribute("data-state"), "running");
    await done(page);
  });
});
