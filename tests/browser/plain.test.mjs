// The chat without scripts: a form, and an answer that comes formatted in the one response.

import assert from "node:assert/strict";
import { test } from "node:test";

import { DESK, PATIENCE, gated, saying } from "./rig.mjs";

const stage = gated();

test("C27: a form is answered with a page that grows, and the conversation goes on from there", async () => {
  const context = await stage.browser.newContext({ ...DESK, javaScriptEnabled: false });
  const page = await context.newPage();
  page.setDefaultTimeout(PATIENCE);
  const gate = stage.gate.hold(14);
  await page.setExtraHTTPHeaders({ "perennial-sim": saying("## Rivers\n\nThey **run** to the sea.\n\n- one\n- two\n\nAnd that is all.\n", "pace=instant"), ...gate.headers });
  await page.goto(`${stage.gateway.url}/`);
  assert.equal(await page.isVisible(".chat"), false);
  await page.fill("form.plain textarea", "Tell me about rivers");
  const sent = page.click("form.plain button", { noWaitAfter: true });
  await page.waitForSelector(".answer h2");
  // The heading is there, formatted, and the end is not yet.
  assert.doesNotMatch(await page.textContent(".answer"), /that is all/);
  gate.open();
  await sent;
  await page.waitForLoadState("load");
  assert.match(await page.textContent(".answer"), /that is all/);
  assert.equal(await page.textContent(".answer strong"), "run");
  assert.equal(await page.locator(".answer li").count(), 2);
  await page.click('a[href^="/c/conv_"]');
  assert.match(await page.textContent(".question"), /Tell me about rivers/);
  assert.equal(await page.locator("form.plain:visible").count(), 1);
  await context.close();
});
