// How text comes onto the page: token by token, linear, without taking anything back, with nodes that stay.

import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { startGateway } from "../faces/gateway.mjs";
import { DESK, LIVE, LONG, PLAIN, ask, done, folder, grown, open, over, rig, saying, settled, shown } from "./rig.mjs";

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

test("C1: text comes token by token, and the first of it is painted within 100 ms", async (context) => {
  const page = await open(stage, { orders: "ttft=200ms,tps=20,jitter=0; tokens=60", settings: PLAIN });
  await page.evaluate(() => {
    window.firsts = [];
    window.lengths = new Set();
    const look = () => {
      const views = document.querySelectorAll("tape-view");
      const length = views[views.length - 1]?.textContent.length ?? 0;
      if (length > 0) {
        window.firsts[views.length - 1] ??= Date.now();
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
  const { firsts, lengths } = await page.evaluate(() => ({ firsts: window.firsts, lengths: window.lengths.size }));
  assert.ok(lengths >= 20, `${lengths} lengths were seen`);
  const { turns } = await settled(stage, page);
  const took = [];
  for (const { stream } of turns.filter(({ role }) => role === "assistant")) {
    const lines = (await (await fetch(`${stage.gateway.url}/v1/streams/${stream}/events?format=ndjson`)).text()).trim().split("\n").map((line) => JSON.parse(line));
    took.push(firsts[took.length] - lines.find(({ data }) => data?.delta?.type === "text_delta").time / 1000);
  }
  context.diagnostic(`from the first delta in the gateway to the first glyph: ${took.map((ms) => `${ms.toFixed(0)} ms`).join(", ")}`);
  // The best of three: the machine may have other things to do.
  assert.ok(Math.min(...took) < 100);
  await done(page);
});

test("C2: 100 KB of answer are linear work: nothing is made twice, the first block is the same node at the end", async (context) => {
  const scenario = join(folder(context), "scenario.toml");
  const section = (number) => `## Part ${number}\n\n${"Rivers carry **water** from the hills to the sea, and \`stones\` with it. ".repeat(6)}\n\n- one\n- two\n- three\n\n`;
  writeFileSync(scenario, `[[rule]]\ntext = ${JSON.stringify(Array.from({ length: 200 }, (_, number) => section(number)).join(""))}\n`);
  const gateway = await startGateway("--scenario", scenario);
  context.after(() => gateway.stop());
  const page = await open(stage, { url: gateway.url, orders: "ttft=0s,tps=9000,jitter=0", settings: PLAIN });
  await page.evaluate(() => {
    window.seen = { added: 0, removed: 0, longest: 0, first: null };
    const count = (nodes) => [...nodes].reduce((sum, node) => sum + 1 + (node.querySelectorAll?.("*").length ?? 0), 0);
    new MutationObserver((records) => {
      for (const { target, addedNodes, removedNodes } of records) {
        if (!(target instanceof Element) || !target.closest("tape-view")) continue;
        window.seen.added += count(addedNodes);
        window.seen.removed += count(removedNodes);
      }
      window.seen.first ??= document.querySelector("tape-view > *");
    }).observe(document.querySelector("#thread"), { childList: true, subtree: true });
    const begun = performance.now();
    new PerformanceObserver((list) => {
      for (const { startTime, duration } of list.getEntries()) if (startTime - begun > 1000) window.seen.longest = Math.max(window.seen.longest, duration);
    }).observe({ type: "longtask" });
  });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  await ask(page, "Tell me about rivers, in very many words");
  await page.waitForFunction(() => document.querySelector(".turn.assistant")?.dataset.state === "completed", null, { timeout: 120_000 });
  const { metrics } = await devtools.send("Performance.getMetrics");
  const spent = (name) => metrics.find((metric) => metric.name === name).value;
  const script = spent("ScriptDuration");
  const { added, removed, longest, same, length, nodes } = await page.evaluate(() => ({
    ...window.seen,
    same: window.seen.first === document.querySelector("tape-view > *"),
    length: document.querySelector("tape-view").textContent.length,
    nodes: document.querySelectorAll("tape-view *").length,
    first: null,
  }));
  context.diagnostic(`${length} characters, ${nodes} elements at the end, ${added} nodes added, ${removed} removed; seconds of the processor: scripts ${script.toFixed(2)}, styles ${spent("RecalcStyleDuration").toFixed(2)}, layout ${spent("LayoutDuration").toFixed(2)} in ${spent("LayoutCount")}, all tasks ${spent("TaskDuration").toFixed(2)}; longest task ${longest.toFixed(0)} ms of the clock`);
  assert.ok(length > 80_000, `${length} characters`);
  assert.ok(same, "the first block is the same node at the end");
  assert.ok(removed <= added / 20, `${removed} nodes of ${added} were taken back`);
  assert.ok(script < 3, `${script.toFixed(2)} s of scripts`);
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
  const page = await open(stage, { orders: LONG, settings: PLAIN });
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
