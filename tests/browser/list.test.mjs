// The list of conversations, long ones, and taking them along.

import assert from "node:assert/strict";
import { readFile } from "node:fs/promises";
import { test } from "node:test";

import { PLAIN, ask, conversation, done, open, over, rig, saying, shown } from "./rig.mjs";

const stage = rig();

/** The name of a turn: a UUIDv7, as the gateway makes them. */
let number = 0;
const name = () => `turn_${(Date.now() + (number += 1)).toString(16).padStart(12, "0")}7000800000000${number.toString(16).padStart(7, "0")}`;

test("C23: 500 turns are there with one request, and finding finds the first", async (context) => {
  const made = await open(stage, { orders: saying("Some **words** about rivers.\n\n- one\n- two\n", "pace=instant"), settings: PLAIN });
  await ask(made, "The needle in the first turn");
  assert.equal(await over(made), "completed");
  const id = new URL(made.url()).pathname.split("/").at(-1);
  const exported = await (await fetch(`${stage.gateway.url}/v1/conversations/${id}/export`)).json();
  const [whole] = exported.conversations;
  const [question, answer] = whole.turns;
  const turns = [];
  for (let at = 0; at < 250; at += 1) {
    const asked = { ...question, id: name(), parent: turns.at(-1)?.id ?? null, content: at === 0 ? question.content : [{ type: "text", text: `Question ${at}` }] };
    turns.push(asked, { ...answer, id: name(), parent: asked.id });
  }
  const long = { ...exported, conversations: [{ conversation: { ...whole.conversation, head: turns.at(-1).id, title: "A long one" }, turns }] };
  const imported = await fetch(`${stage.gateway.url}/v1/conversations/import`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify(long) });
  assert.ok(imported.ok, await imported.clone().text());
  const target = await imported.json();
  const page = await open(stage, { context: made.context(), path: "/demo" });
  const devtools = await page.context().newCDPSession(page);
  await devtools.send("Performance.enable", { timeDomain: "threadTicks" });
  const busy = async () => (await devtools.send("Performance.getMetrics")).metrics.find(({ name }) => name === "TaskDuration").value;
  const requests = [];
  page.on("request", (request) => /\/v1\/(streams|conversations\/conv_)/.test(request.url()) && requests.push(request.url()));
  const before = await busy();
  await page.goto(`${stage.gateway.url}/c/${target.data[0].id}`, { waitUntil: "commit" });
  await page.waitForFunction(() => document.querySelectorAll(".turn").length === 500);
  const took = await page.evaluate(
    () =>
      new Promise((resolve) => {
        setTimeout(() => requestAnimationFrame(() => resolve(performance.now())));
      }),
  );
  const spent = (await busy()) - before;
  context.diagnostic(`from navigation to 500 turns and a frame: ${spent.toFixed(2)} s of the processor, ${(took / 1000).toFixed(2)} s of the clock`);
  // How long that takes is a figure of this machine in this minute. What would take long everywhere is a request for each turn.
  assert.ok(requests.length >= 1 && requests.length <= 2, requests.join(" "));
  const found = await page.evaluate(() => {
    // The list has these words too.
    getSelection().collapse(document.querySelector("#thread"), 0);
    return window.find("needle in the first turn") && document.querySelector("#thread").contains(getSelection().anchorNode);
  });
  assert.ok(found);
  await done(made);
});

test("C24: search, rename, export, import, delete", async () => {
  const page = await open(stage, { orders: saying("An **answer** about otters.", "pace=instant"), settings: PLAIN });
  await ask(page, "What swims here?");
  assert.equal(await over(page), "completed");
  await page.waitForSelector("#conversations a[aria-current]");
  assert.equal(await page.textContent("#conversations a[aria-current] .title"), "What swims here?");
  await page.fill("#search", "otters");
  await page.waitForFunction(() => document.querySelectorAll("#conversations a").length === 1);
  await page.fill("#search", "nothing of the kind");
  await page.waitForSelector("#conversations .none");
  await page.fill("#search", "");
  await page.waitForSelector("#conversations a[aria-current]");

  const more = () => page.locator("#conversations li:has(a[aria-current]) .icon.more").click();
  await page.hover("#conversations li:has(a[aria-current])");
  await more();
  await page.click(".menu:popover-open >> text=Rename");
  await page.fill("dialog input", "Otters");
  await page.keyboard.press("Enter");
  await page.waitForFunction(() => document.querySelector("#conversations a[aria-current] .title")?.textContent === "Otters");

  await more();
  const [download] = await Promise.all([page.waitForEvent("download"), page.click(".menu:popover-open >> text=Export")]);
  assert.equal(download.suggestedFilename(), "Otters.json");
  const file = await readFile(await download.path());
  const before = await page.evaluate(() => document.querySelector("tape-view").innerHTML);
  const first = page.url();
  await page.setInputFiles("#import-file", { name: "Otters.json", mimeType: "application/json", buffer: file });
  await page.waitForFunction((first) => location.href !== first, first);
  await over(page);
  assert.equal(await page.evaluate(() => document.querySelector("tape-view").innerHTML), before);
  assert.equal((await conversation(stage, page)).title, "Otters");

  await more();
  await page.click(".menu:popover-open >> text=Delete");
  await page.click("dialog .danger");
  await page.waitForFunction(() => location.pathname === "/");
  await page.waitForFunction(() => [...document.querySelectorAll("#conversations .title")].filter(({ textContent }) => textContent === "Otters").length === 1);
  assert.equal(await shown(page), "");
  await done(page);
});
