// Versions: nothing is ever overwritten.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PLAIN, answers, ask, done, open, order, over, rig, saying, shown } from "./rig.mjs";

const stage = rig();

const place = (page) => page.locator(".turn.assistant .pager .place").last().textContent();

test("C12: retry keeps both versions, with a pager for the keyboard; a reload keeps the one that was chosen", async () => {
  const page = await open(stage, { orders: saying("The first version.", "pace=instant"), settings: PLAIN });
  await ask(page, "Tell me about rivers");
  assert.equal(await over(page), "completed");
  assert.equal(await page.locator(".pager:visible").count(), 0);
  await order(page, saying("The second version.", "pace=instant"));
  await page.click(".turn.assistant .retry");
  await page.waitForFunction(() => document.querySelector("tape-view")?.textContent === "The second version.");
  assert.equal(await over(page), "completed");
  assert.equal(await place(page), "2/2");
  await page.locator(".turn.assistant .pager button").first().focus();
  const told = page.waitForResponse((response) => response.request().method() === "PATCH");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("tape-view")?.textContent === "The first version.");
  assert.equal(await place(page), "1/2");
  await told;
  await page.reload();
  await over(page);
  assert.equal(await shown(page), "The first version.");
  await page.locator(".turn.assistant .pager button").last().focus();
  await page.keyboard.press("ArrowRight");
  await page.waitForFunction(() => document.querySelector("tape-view")?.textContent === "The second version.");
  await done(page);
});

test("C12: an edit is another branch, and the way back leads to all of the first", async () => {
  const page = await open(stage, { orders: saying("About rivers.", "pace=instant"), settings: PLAIN });
  await ask(page, "Tell me about rivers");
  assert.equal(await over(page), "completed");
  await order(page, saying("More about rivers.", "pace=instant"));
  await ask(page, "More, please");
  await page.waitForFunction(() => document.querySelectorAll(".turn.assistant[data-state=completed]").length === 2);
  await order(page, saying("About lakes.", "pace=instant"));
  await page.locator(".turn.user .edit").first().click();
  await page.fill(".editing textarea", "Tell me about lakes");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("tape-view")?.textContent === "About lakes." && document.querySelectorAll(".turn.assistant").length === 1);
  assert.equal(await page.locator(".turn.user .pager .place").textContent(), "2/2");
  assert.equal(await page.locator(".bubble").textContent(), "Tell me about lakes");
  await page.locator(".turn.user .pager button").first().click();
  await page.waitForFunction(() => document.querySelectorAll(".turn.assistant").length === 2);
  assert.deepEqual(await page.locator(".bubble").allTextContents(), ["Tell me about rivers", "More, please"]);
  assert.deepEqual((await shown(page)).split("\n"), ["About rivers.", "More about rivers."]);
  assert.equal(await answers(page).count(), 2);
  await done(page);
});
