// What goes with a message, and where an answer has what it says.

import assert from "node:assert/strict";
import { test } from "node:test";

import { PLAIN, ask, conversation, done, open, over, rig } from "./rig.mjs";

const stage = rig();

const ELBE = "The river Elbe is 1094 km long. It begins in the Giant Mountains. It ends in the North Sea.";

/** A PNG of one red point. */
const POINT = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg==";

test("C18: a source comes with its number, nothing moves, and the keyboard opens it", async () => {
  const page = await open(stage, { orders: "ttft=0s,tps=150,jitter=0", settings: PLAIN });
  await page.setInputFiles("#files", { name: "elbe.txt", mimeType: "text/plain", buffer: Buffer.from(ELBE) });
  await page.waitForSelector(".attachment");
  await page.evaluate(() => {
    window.moved = [];
    /** @type {Map<Text, [number, number]>} */
    const known = new Map();
    const look = () => {
      const walker = document.createTreeWalker(document.querySelector(".answer") ?? document.body, NodeFilter.SHOW_TEXT);
      while (document.querySelector(".answer") && walker.nextNode()) {
        const node = walker.currentNode;
        if (node.length < 1 || !node.parentElement.closest("tape-view")) continue;
        const range = document.createRange();
        range.setStart(node, 0);
        range.setEnd(node, 1);
        const { left, top } = range.getBoundingClientRect();
        const before = known.get(node);
        if (before && (Math.abs(before[0] - left) > 0.5 || Math.abs(before[1] - top) > 0.5)) window.moved.push([node.data, before, [left, top]]);
        known.set(node, [left, top]);
      }
      requestAnimationFrame(look);
    };
    look();
  });
  await ask(page, "How long is the Elbe, and where does it end?");
  assert.equal(await over(page), "completed");
  assert.ok((await page.locator(".cite").count()) >= 2);
  assert.deepEqual(await page.evaluate(() => window.moved), []);
  const text = await page.evaluate(() => document.querySelector(".answer").innerText.replace(/\s+/g, " "));
  assert.match(text, /sources you sent, The river Elbe is 1094 km long/);
  await page.locator(".cite").first().focus();
  await page.keyboard.press("Enter");
  await page.waitForSelector(".source:popover-open");
  assert.match(await page.textContent(".source:popover-open"), /elbe\.txt.*1094 km/);
  await page.keyboard.press("Escape");
  await page.waitForFunction(() => !document.querySelector(".source:popover-open"));
  await page.reload();
  await over(page);
  assert.ok((await page.locator(".cite").count()) >= 2);
  await done(page);
});

test("files by button, paste and drop are Claude's blocks, and are shown without loading anything", async () => {
  const page = await open(stage, { orders: "pace=instant", settings: PLAIN });
  const requests = [];
  page.on("request", (request) => requests.push(request.url()));
  await page.setInputFiles("#files", { name: "point.png", mimeType: "image/png", buffer: Buffer.from(POINT, "base64") });
  await page.waitForSelector(".attachment canvas");
  for (const kind of ["paste", "drop"])
    await page.evaluate(
      ({ kind, point }) => {
        const bytes = Uint8Array.from(atob(point), (letter) => letter.charCodeAt(0));
        const data = new DataTransfer();
        data.items.add(new File([bytes], `${kind}.png`, { type: "image/png" }));
        const event = kind === "paste" ? new ClipboardEvent("paste", { clipboardData: data, bubbles: true, cancelable: true }) : new DragEvent("drop", { dataTransfer: data, bubbles: true, cancelable: true });
        document.querySelector("#message").dispatchEvent(event);
      },
      { kind, point: POINT },
    );
  await page.waitForFunction(() => document.querySelectorAll(".attachment").length === 3);
  await page.locator(".attachment button").last().click();
  await page.waitForFunction(() => document.querySelectorAll(".attachment").length === 2);
  await page.setInputFiles("#files", { name: "song.mp3", mimeType: "audio/mpeg", buffer: Buffer.from("x") });
  assert.match(await page.textContent("#complaint"), /only images/);
  await ask(page, "What is this?");
  assert.equal(await over(page), "completed");
  const { turns } = await conversation(stage, page);
  assert.deepEqual(turns[0].content.map(({ type }) => type), ["image", "image", "text"]);
  assert.equal(turns[0].content[0].source.data, POINT);
  await page.waitForFunction(() => document.querySelector(".bubble") && document.querySelectorAll(".turn.user canvas").length === 2);
  assert.deepEqual(requests.filter((url) => !url.startsWith(stage.gateway.url)), []);
  await done(page);
});
