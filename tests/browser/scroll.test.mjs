// The scroll machine: nothing fights the reader.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { PLAIN, ask, done, enter, frames, gated, grown, open, order, over, settled } from "./rig.mjs";

const stage = gated();

/** Several screens, in about three hundred events. */
const LONG = "pace=instant; tokens=900";

const top = (page) => page.evaluate(() => document.querySelector("#scroller").scrollTop);

/** From now on, all places where the view was. */
const watch = (page) =>
  page.evaluate(() => {
    window.tops = new Set();
    const look = () => {
      window.tops.add(document.querySelector("#scroller").scrollTop);
      requestAnimationFrame(look);
    };
    look();
  });

/** How far the last question is below the upper edge. */
const distance = (page) =>
  page.evaluate(() => [...document.querySelectorAll(".turn.user")].at(-1).getBoundingClientRect().top - document.querySelector("#scroller").getBoundingClientRect().top);

describe("C4: the scroll machine", { concurrency: 3 }, () => {
  test("a question that is sent goes to the top and stays there until and after the end", async () => {
    const page = await open(stage, { orders: LONG, settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    assert.equal(await over(page), "completed");
    const gate = stage.gate.hold(40);
    await order(page, LONG, gate);
    await ask(page, "And about lakes");
    await grown(page, 40);
    assert.ok(Math.abs((await distance(page)) - 12) <= 4, `${await distance(page)} px`);
    await watch(page);
    gate.open();
    assert.equal(await over(page), "completed");
    await settled(stage, page);
    await frames(page);
    assert.equal(await page.evaluate(() => window.tops.size), 1);
    assert.ok(Math.abs((await distance(page)) - 12) <= 4);
    await done(page);
  });

  test("wheel up in mid-answer: the view never moves again; End follows", async () => {
    const page = await open(stage, { orders: LONG, hold: 200, settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    await page.waitForFunction(() => {
      const box = document.querySelector("#scroller");
      return box.scrollHeight > box.clientHeight + 300;
    });
    await page.focus("#scroller");
    await page.keyboard.press("End");
    const before = await top(page);
    page.gate.open(250);
    await page.waitForFunction((before) => document.querySelector("#scroller").scrollTop > before + 30, before);
    await page.hover("#scroller");
    await page.mouse.wheel(0, -40);
    await page.waitForFunction(() => {
      const { scrollTop } = document.querySelector("#scroller");
      const still = window.last === scrollTop ? (window.still ?? 0) + 1 : 0;
      Object.assign(window, { last: scrollTop, still });
      return still > 10;
    });
    await watch(page);
    page.gate.open();
    assert.equal(await over(page), "completed");
    await settled(stage, page);
    await frames(page);
    assert.equal(await page.evaluate(() => window.tops.size), 1, "it moved though the reader had it");
    await page.keyboard.press("End");
    const bottom = await page.evaluate(() => {
      const { scrollHeight, clientHeight } = document.querySelector("#scroller");
      return scrollHeight - clientHeight;
    });
    assert.ok(Math.abs((await top(page)) - bottom) <= 1);
    await done(page);
  });

  test("a pill says how much is below, and leads there", async () => {
    const page = await open(stage, { orders: LONG, hold: 200, settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    await page.waitForSelector("#pill:not([hidden])");
    assert.match(await page.textContent("#pill"), /^\d+ new lines?$/);
    await page.click("#pill");
    await page.waitForFunction(() => {
      const { scrollHeight, scrollTop, clientHeight } = document.querySelector("#scroller");
      return scrollHeight - scrollTop - clientHeight < 4 && document.querySelector("#pill").hidden;
    });
    page.gate.open();
    assert.equal(await over(page), "completed");
    await done(page);
  });

  test("a follow-up in mid-answer leaves the view where it is", async () => {
    const page = await open(stage, { orders: LONG, hold: 40, settings: PLAIN, shared: true });
    await ask(page, "Tell me about rivers");
    await grown(page, 40);
    const before = await top(page);
    await enter(page, "And about lakes");
    await page.waitForSelector(".turn.assistant[data-state=queued]");
    assert.equal(await top(page), before);
    await done(page);
  });
});
