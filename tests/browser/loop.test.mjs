// An answer that goes round in circles: the page says so, and what is kept of it can be one copy.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PLAIN, ask, conversation, done, gated, grown, open, order, over, saying, settled, shown } from "./rig.mjs";

const stage = gated();

const UNIT = `The rain fell in torrents${", and the wind blew".repeat(14)}. `;
const ONCE = `It was night. ${UNIT}`.trim();
const LOOP = saying(`It was night. ${UNIT.repeat(60)}`, "pace=instant");
/** How many events there are with four copies and less than six, as is looked at. */
const FIVE = 160;

const count = (text) => text.split("The rain").length - 1;
const words = (text) => text.replace(/\s+/g, " ").trim();

test("C28: a chip within three repeats; Stop and trim leaves one copy, here, in another tab, after a reload, and in what goes up", async () => {
  // The chip comes although nothing else does.
  const page = await open(stage, { orders: LOOP, hold: FIVE, settings: PLAIN });
  await ask(page, "Tell me about the night");
  await page.waitForSelector(".trouble [data-action=trim]");
  const said = await shown(page);
  assert.ok(count(said) <= 5, `${count(said)} copies were begun when the chip came`);
  assert.match(await page.textContent(".trouble"), /It repeats itself.*4 times/);
  // Where it is to be pressed it is seen, and stands still while the text goes on.
  const place = () => page.evaluate(() => [document.querySelector(".trouble").getBoundingClientRect().bottom, document.querySelector("#scroller").getBoundingClientRect().bottom, document.querySelector("tape-view").textContent.length]);
  const [bottom, edge, before] = await place();
  assert.ok(bottom <= edge, `it ends at ${bottom}, the view at ${edge}`);
  page.gate.open(2 * FIVE);
  await grown(page, before + 400);
  assert.equal((await place())[0], bottom);
  const other = await open(stage, { context: page.context(), path: new URL(page.url()).pathname });
  await other.waitForSelector(".trouble [data-action=trim]");

  await page.click(".trouble [data-action=trim]");
  for (const tab of [page, other]) {
    assert.equal(await over(tab), "cancelled");
    await tab.waitForFunction((once) => document.querySelector("tape-view").textContent.trim() === once, ONCE);
    assert.match(await tab.textContent(".trouble"), /Stopped by you/);
  }
  const { turns } = await settled(stage, page);
  assert.equal(turns.at(-1).content.map(({ text }) => text ?? "").join("").trim(), ONCE);
  await page.reload();
  assert.equal(await over(page), "cancelled");
  assert.equal(words(await shown(page)), ONCE);

  await order(page, saying("It was over.", "pace=instant"));
  await ask(page, "And then?");
  await page.waitForFunction(() => document.querySelectorAll(".turn.assistant[data-state=completed]").length === 1);
  const { turns: all } = await conversation(stage, page);
  const request = await (await fetch(`${stage.gateway.url}/v1/streams/${all.at(-1).stream}`)).json();
  // What went up, counted by the upstream: two short questions and one copy, and not sixty.
  assert.ok(request.usage.input_tokens < 300, JSON.stringify(request.usage));
  await done(page);
});

test("C28: Stop alone keeps everything", async () => {
  const page = await open(stage, { orders: LOOP, hold: FIVE, settings: PLAIN });
  await ask(page, "Tell me about the night");
  await page.click(".trouble [data-action=stop]");
  assert.equal(await over(page), "cancelled");
  const { turns } = await settled(stage, page);
  assert.ok(count(turns.at(-1).content[0].text) >= 4);
  await page.waitForFunction(() => /kept/.test(document.querySelector(".trouble")?.textContent));
  assert.ok(count(await shown(page)) >= 4);
  await done(page);
});
