// Keyboards, input methods, screen readers: everything without a mouse and without eyes.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { serious } from "./axe.mjs";
import { INSTANT, PHONE, PLAIN, answers, ask, done, gated, open, over, saying } from "./rig.mjs";

const stage = gated();

describe("C13: the keyboard", { concurrency: 3 }, () => {
  test("a whole conversation without a mouse", async () => {
    const page = await open(stage, { orders: saying("All of it.", "pace=instant"), settings: PLAIN });
    await page.locator("#thread").waitFor({ state: "attached" });
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("/");
    await page.keyboard.type("Tell me");
    await page.keyboard.press("Shift+Enter");
    await page.keyboard.type("about rivers");
    await page.keyboard.press("Enter");
    assert.equal(await over(page), "completed");
    assert.equal(await page.textContent(".bubble"), "Tell me\nabout rivers");
    for (const label of ["Retry", "Copy"]) {
      for (let steps = 0; (await page.evaluate(() => document.activeElement.getAttribute("aria-label"))) !== label; steps += 1) {
        assert.ok(steps < 40, `${label} cannot be reached`);
        await page.keyboard.press("Shift+Tab");
      }
    }
    await page.keyboard.press("n");
    await page.waitForFunction(() => location.pathname === "/" && document.body.classList.contains("fresh"));
    await page.evaluate(() => document.activeElement.blur());
    await page.keyboard.press("?");
    await page.waitForSelector("dialog[open]");
    await page.keyboard.press("Escape");
    await page.waitForSelector("dialog", { state: "detached" });
    await done(page);
  });

  test("the Enter of an input method sends nothing; the next one does", async () => {
    const page = await open(stage, { orders: saying("Yes.", "pace=instant"), settings: PLAIN });
    await page.focus("#message");
    const devtools = await page.context().newCDPSession(page);
    await devtools.send("Input.imeSetComposition", { text: "かわ", selectionStart: 2, selectionEnd: 2 });
    // As Chromium sends it while a candidate is confirmed: the code of the input method.
    await devtools.send("Input.dispatchKeyEvent", { type: "rawKeyDown", windowsVirtualKeyCode: 229, key: "Enter", code: "Enter" });
    await devtools.send("Input.insertText", { text: "川" });
    assert.equal(await answers(page).count(), 0);
    assert.equal(await page.inputValue("#message"), "川");
    await page.keyboard.press("Enter");
    assert.equal(await over(page), "completed");
    assert.equal(await page.textContent(".bubble"), "川");
    await done(page);
  });
});

describe("C14: without eyes", { concurrency: 3 }, () => {
  for (const [name, view] of [["desk", undefined], ["phone", PHONE]])
    test(`axe finds nothing serious, ${name}`, async () => {
      const orders = `${saying("## A heading\n\n- one\n- two\n\n```rust\nfn main() {}\n```\n\n| a | b |\n| - | - |\n| 1 | 2 |\n", "ttft=0s,tps=40,jitter=0")}`;
      const page = await open(stage, { orders, settings: { model: "claude-sonnet-5-5", settings: { thinking: true } }, view });
      await page.waitForSelector("#suggestions button");
      assert.deepEqual(await serious(page), []);
      await ask(page, "Everything, please");
      await page.waitForSelector(".turn.assistant");
      assert.deepEqual(await serious(page), []);
      assert.equal(await over(page), "completed");
      assert.deepEqual(await serious(page), []);
      await page.click("#settings");
      assert.deepEqual(await serious(page), []);
      await done(page);
    });

  test("the log is silent while it grows; the announcer speaks at the boundaries", async () => {
    const page = await open(stage, { orders: INSTANT, hold: 20, settings: PLAIN });
    await page.evaluate(() => {
      window.heard = [];
      const place = document.querySelector("#announcer");
      new MutationObserver(() => window.heard.push(place.textContent)).observe(place, { childList: true, characterData: true, subtree: true });
    });
    await ask(page, "Tell me about rivers");
    // In the moment in which there is some of it.
    const log = await page.waitForFunction(() => {
      const box = document.querySelector("#scroller");
      return document.querySelector("tape-view")?.textContent.length > 10 && ["role", "aria-live", "aria-busy"].map((name) => box.getAttribute(name));
    });
    assert.deepEqual(await log.jsonValue(), ["log", "off", "true"]);
    page.gate.open();
    assert.equal(await over(page), "completed");
    assert.deepEqual(await page.evaluate(() => window.heard), ["Claude is answering", "The answer is complete"]);
    await done(page);
  });

  test("C29: by the sentence, where that was chosen, one in 800 ms at most", async () => {
    const text = "Rivers run to the sea. They carry stones. Some are long. Others are short.";
    const page = await open(stage, { orders: saying(text, "ttft=0s,tps=200,jitter=0"), settings: PLAIN, keys: { speech: "sentences" } });
    await page.evaluate(() => {
      window.heard = [];
      const place = document.querySelector("#announcer");
      new MutationObserver(() => window.heard.push([place.textContent, performance.now()])).observe(place, { childList: true, characterData: true, subtree: true });
    });
    await ask(page, "Tell me about rivers");
    await page.waitForFunction(() => window.heard.at(-1)?.[0] === "The answer is complete");
    const heard = (await page.evaluate(() => window.heard)).filter(([words]) => words !== "Claude is answering");
    assert.deepEqual(heard.map(([words]) => words), ["Rivers run to the sea.", "They carry stones.", "Some are long.", "Others are short.", "The answer is complete"]);
    // Less than the pause, since it is looked at later than it was said; without one there would be hardly any.
    for (let at = 1; at < heard.length; at += 1) assert.ok(heard[at][1] - heard[at - 1][1] > 600, `${heard[at][1] - heard[at - 1][1]} ms`);
    await done(page);
  });
});
