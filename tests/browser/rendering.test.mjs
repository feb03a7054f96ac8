// How text comes onto the page: token by token, linear, without taking anything back, with nodes that stay.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { startGateway } from "../faces/gateway.mjs";
import { DESK, LIVE, PLAIN, ask, done, folder, grown, open, over, rig, saying, settled, shown, tap } from "./rig.mjs";

const stage = rig();

const MARKDOWN = `## A list and a table

Some **bold words**, some *others*, and \`code\` in [a link](https://example.com/a "b").

1. First
2. Second, with **strong** text
   - nested
   - nested again

| Name | Size |
| --- | ---: |
| one | 1 |
| two | 22 |

\`\`\`rust
fn main() {
    println!("{}", 1 < 2);
}
\`\`\`

> A quote, and the *end*.
`;

test("C1: text comes token by token, and the first of it is painted in the frame after it came: far within 100 ms", async (context) => {
  const page = await open(stage, { path: "/healthz", orders: "ttft=200ms,tps=30,jitter=0; tokens=60", settings: PLAIN });
  await tap(page);
  await page.goto(stage.gateway.url);
  await page.evaluate(() => {
    /** By answer: the number of the frame, and when. */
    Object.assign(window, { frame: 0, came: [], shown: [], lengths: new Set() });
    const streams = new Set();
    window.tapped = ({ op, stream, lines }) => {
      // A delta that is two marks of a heading shows nothing by itself.
      const first = op === "lines" && !streams.has(stream) && lines.find(({ data }) => data?.tape?.ops?.some(({ op }) => op === "text"));
      if (!first) return;
      streams.add(stream);
      window.came.push([window.frame, Date.now(), first.time / 1000]);
    };
    const look = () => {
      window.frame += 1;
      const views = document.querySelectorAll("tape-view");
      const length = views[views.length - 1]?.textContent.length ?? 0;
      if (length > 0) {
        window.shown[views.length - 1] ??= [window.frame, Date.now()];
        window.lengths.add(length);
      }
      requestAnimationFrame(look);
    };
    look();
  });
  for (const number of [1, 2, 3]) {
    await ask(page, "Tell me about rivers");
    await page.waitForFunction((number) => document.querySelectorAll(".turn.assistant[data-state=completed]").length === number, number);
  }
  const { came, shown, lengths } = await page.evaluate(() => ({ came: window.came, shown: window.shown, lengths: window.lengths.size }));
  assert.ok(lengths >= 10, `${lengths} lengths were seen`);
  assert.equal(came.length, 3);
  for (const [at, [frame, time, made]] of came.entries()) {
    const frames = shown[at][0] - frame;
    context.diagnostic(`from the first words in the gateway to the page ${(time - made).toFixed(0)} ms, to the first glyph ${(shown[at][1] - made).toFixed(0)} ms; ${frames} frames`);
    // It is painted in the next, and seen in the one after. Frames, since the clock is another one when the machine has other things to do.
    assert.ok(frames <= 2, `${frames} frames`);
  }
  await done(page);
});

test("C2: 100 KB of answer are linear work: nothing is made twice, the first block is the same node at the end", async (context) => {
  const scenario = join(folder(context), "scenario.toml");
  const section = (number) => `## Part ${number}\n\n${"Rivers carry **water** from the hills to the sea, and \`stones\` with it. ".repeat(6)}\n\n- one\n- two\n- three\n\n`;
  writeFileSync(scenario, `[[rule]]\ntext = ${JSON.stringify(Array.from({ length: 200 }, (_, number) => section(number)).join(""))}\n`);
  const gateway = await startGateway("--scenario", scenario);
  context.after(() => gateway.stop());
  const page = await open(stage, { url: gateway.url, path: "/healthz", orders: "ttft=0s,tps=9000,jitter=0", settings: PLAIN });
  await tap(page);
  await page.goto(gateway.url);
  await page.evaluate(() => {
    window.seen = { added: 0, removed: 0, touched: 0, longest: 0, first: null, work: [] };
    window.tapped = ({ op }) => op === "lines" && window.seen.work.push([document.querySelector("tape-view")?.textContent.length ?? 0, window.seen.touched]);
    const count = (nodes) => [...nodes].reduce((sum, node) => sum + 1 + (node.querySelectorAll?.("*").length ?? 0), 0);
    new MutationObserver((records) => {
      for (const { target, addedNodes, removedNodes } of records) {
        if (!(target instanceof Element ? target : target.parentElement)?.closest("tape-view")) continue;
        window.seen.touched += 1;
        window.seen.added += count(addedNodes);
        window.seen.removed += count(removedNodes);
      }
      window.seen.first ??= document.querySelector("tape-view > *");
    }).observe(document.querySelector("#thread"), { childList: true, subtree: true, characterData: true });
    const begun = performance.now();
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) if (startTime - begun > 1000) window.seen.longest = Math.max(window.seen.longest, duration);
    }).observe({ type: "longtask" });
  });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  await stage.browser.startTracing(page, { categories: ["devtools.timeline"] });
  await ask(page, "Tell me about rivers, in very many words");
  await page.waitForFunction(() => document.querySelector(".turn.assistant")?.dataset.state === "completed", null, { timeout: 120_000, polling: 50 });
  const { traceEvents } = JSON.parse(String(await stage.browser.stopTracing()));
  const spent = Object.fromEntries((await devtools.send("Performance.getMetrics")).metrics.map(({ name, value }) => [name, value]));
  const { added, removed, longest, work, same, length, nodes } = await page.evaluate(() => ({
    ...window.seen,
    same: window.seen.first === document.querySelector("tape-view > *"),
    length: document.querySelector("tape-view").textContent.length,
    nodes: document.querySelectorAll("tape-view *").length,
    first: null,
  }));
  // What the browser itself did for it: how many elements it styled, and how many boxes it found to be laid out.
  const styles = traceEvents.filter(({ name, args }) => name === "UpdateLayoutTree" && args?.elementCount !== undefined).map(({ args }) => args.elementCount);
  const layouts = traceEvents.filter(({ name, args }) => name === "Layout" && args?.beginData).map(({ args }) => args.beginData);
  const sum = (numbers) => numbers.reduce((all, number) => all + number, 0);
  const styled = sum(styles);
  const dirty = sum(layouts.map(({ dirtyObjects }) => dirtyObjects));
  const largest = Math.max(...layouts.map(({ totalObjects }) => totalObjects));
  const touched = [work[Math.floor(work.length / 2)], work.at(-1)].map(([characters, touched]) => touched / characters);
  context.diagnostic(`${length} characters, ${nodes} elements at the end, ${added} nodes added, ${removed} removed; ${styled} elements styled in ${styles.length} frames, ${dirty} boxes laid out in ${layouts.length}, of ${largest}`);
  context.diagnostic(`nodes touched for one character: ${touched.map((nodes) => nodes.toFixed(3)).join(" in the first half, in all ")}; ${work.length} messages`);
  context.diagnostic(`seconds of the processor: scripts ${spent.ScriptDuration.toFixed(2)}, styles ${spent.RecalcStyleDuration.toFixed(2)}, layout ${spent.LayoutDuration.toFixed(2)}, all tasks ${spent.TaskDuration.toFixed(2)}; longest task ${longest.toFixed(0)} ms of the clock`);
  // Counted, never timed: clocks, of the processor too, are others where the machine has other things to do.
  assert.ok(length > 80_000, `${length} characters`);
  assert.ok(same, "the first block is the same node at the end");
  assert.ok(removed <= added / 20, `${removed} nodes of ${added} were taken back`);
  assert.ok(touched[1] < 1, `${touched[1]} nodes were touched for each character`);
  assert.ok(styles.length > 0 && layouts.length > 0, "the browser's trace says nothing");
  // Each element a time or two, and a handful in each frame; all of them in each frame would be hundreds of times as many.
  assert.ok(styled < 3 * nodes + 50 * styles.length, `${styled} elements were styled`);
  assert.ok(dirty < 3 * largest + 50 * layouts.length, `${dirty} boxes were laid out`);
  await done(page);
});

test("C3: nothing that was shown is taken back", async () => {
  for (const [name, orders] of [["markdown", saying(MARKDOWN, "ttft=10ms,tps=90,jitter=0")], ["an answer", LIVE]]) {
    const page = await open(stage, { orders, settings: PLAIN });
    await page.evaluate(() => {
      window.before = "";
      window.taken = [];
      new MutationObserver(() => {
        const now = (document.querySelector("tape-view")?.textContent ?? "").replace(/\s+/g, "");
        if (!now.startsWith(window.before)) window.taken.push([window.before.slice(-40), now.slice(-40)]);
        window.before = now;
      }).observe(document.querySelector("#thread"), { childList: true, subtree: true, characterData: true });
    });
    await ask(page, name);
    assert.equal(await over(page), "completed");
    assert.deepEqual(await page.evaluate(() => window.taken), []);
    await done(page);
  }
});

test("C9: a selection lives through the rest of the answer, and copies are exact", async () => {
  const code = 'fn main() {\n    println!("{}", 1 < 2);\n}\n';
  const page = await open(stage, { orders: saying(`${MARKDOWN}\n${"And some more words to come after it. ".repeat(12)}`), settings: PLAIN });
  await ask(page, "Markdown, please");
  await grown(page, 60);
  const selected = await page.evaluate(() => {
    const text = document.querySelector("tape-view p").firstChild;
    const walker = document.createTreeWalker(document.querySelector("tape-view"), NodeFilter.SHOW_TEXT);
    const [first, ...others] = (() => {
      const nodes = [];
      while (walker.nextNode()) nodes.push(walker.currentNode);
      return nodes;
    })();
    const range = document.createRange();
    range.setStart(first, 0);
    const last = others.filter(({ length }) => length > 2)[1] ?? text;
    range.setEnd(last, 2);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    return String(getSelection());
  });
  assert.ok(selected.length > 20, JSON.stringify(selected));
  assert.equal(await over(page), "completed");
  assert.equal(await page.evaluate(() => String(getSelection())), selected);
  await page.click(".copy-code");
  await page.waitForFunction(() => document.querySelector(".copy-code").textContent === "Copied");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), code);
  const { turns } = await settled(stage, page);
  await page.click(".turn.assistant .copy");
  await page.waitForSelector(".turn.assistant .copy .said");
  assert.equal(await page.evaluate(() => navigator.clipboard.readText()), turns.at(-1).content.map(({ text }) => text ?? "").join(""));
  await done(page);
});

test("C20: a tab in the background has the whole text, without a frame", async () => {
  const page = await open(stage, { orders: "ttft=50ms,tps=500,jitter=0; tokens=900", settings: PLAIN });
  await page.evaluate(() => {
    Object.defineProperty(document, "hidden", { get: () => true });
    Object.defineProperty(document, "visibilityState", { get: () => "hidden" });
    window.requestAnimationFrame = () => 0;
  });
  await ask(page, "Tell me about rivers");
  await page.waitForFunction(() => document.querySelector(".turn.assistant")?.dataset.state === "completed", null, { polling: 100 });
  const text = await shown(page);
  await page.reload();
  assert.equal(await over(page), "completed");
  assert.equal(text, await shown(page));
  await done(page);
});

test("what is read live and what is loaded later are the same nodes in the same order", async () => {
  const page = await open(stage, { orders: saying(MARKDOWN, "ttft=0s,tps=400"), settings: PLAIN, view: DESK });
  await ask(page, "Markdown, please");
  assert.equal(await over(page), "completed");
  const html = () => page.evaluate(() => document.querySelector("tape-view").innerHTML);
  const live = await html();
  await page.reload();
  assert.equal(await over(page), "completed");
  assert.equal(await html(), live);
  await done(page);
});
