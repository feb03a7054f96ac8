// Reloads, dead networks, restarts of the gateway, many tabs: the page is as if nothing had been.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { neverMade, startGateway } from "../faces/gateway.mjs";
import { startProxy } from "../faces/proxy.mjs";
import { PLAIN, ask, done, folder, gated, grown, open, over, settled, shown } from "./rig.mjs";

const stage = gated();

/** About 140 events, nine letters in each of most. */
const ANSWER = "pace=instant; tokens=400";
const EVENTS = 140;

/** For where it does not matter whether it has ended, as when it is not held. */
const SLOWLY = "ttft=100ms,tps=70,jitter=0; tokens=400";

/** What the whole answer is, as the gateway has it. */
async function reference(page, url = stage.gateway.url) {
  const { turns } = await settled(stage, page, url);
  return turns.at(-1).content.map(({ text }) => text ?? "").join("");
}

/** The source that the page has, by way of its own Copy. What it wrote and not what can be read: the clipboard is one for all tests that run beside each other. */
async function copied(page) {
  await page.evaluate(() => {
    const { clipboard } = navigator;
    const write = clipboard.writeText.bind(clipboard);
    clipboard.writeText = (text) => write((window.written = text));
  });
  await page.locator(".turn.assistant .copy").last().click();
  // Not for what the button says: it says it for a moment only.
  return (await page.waitForFunction(() => window.written)).jsonValue();
}

describe("C6: a reload is not seen", { concurrency: 3 }, () => {
  for (const share of [0.3, 0.7])
    test(`at ${100 * share} %`, async () => {
      const page = await open(stage, { orders: ANSWER, hold: share * EVENTS, settings: PLAIN });
      await ask(page, "Tell me about rivers");
      await grown(page, share * EVENTS * 7);
      const before = await shown(page);
      await page.reload();
      await grown(page, before.length);
      assert.ok((await shown(page)).startsWith(before));
      assert.equal(await page.getAttribute("#send", "aria-label"), "Stop");
      page.gate.open();
      assert.equal(await over(page), "completed");
      assert.equal(await copied(page), await reference(page));
      await done(page);
    });

  test("thinking that was opened stays open, and its time goes on", async () => {
    // It thinks until it is let go on.
    const page = await open(stage, { orders: "pace=instant", hold: 8, settings: { model: "claude-sonnet-5-5", settings: { thinking: true } } });
    await ask(page, "Why is the sky blue?");
    await page.click(".thinking .head:not(:disabled)");
    const before = await page.textContent(".thinking .body");
    await page.waitForFunction(() => Number.parseFloat(document.querySelector(".thinking .time").textContent) >= 2);
    const seconds = Number.parseFloat(await page.textContent(".thinking .time"));
    await page.reload();
    await page.waitForSelector(".thinking .body:not([hidden])");
    assert.ok((await page.textContent(".thinking .body")).startsWith(before));
    await page.waitForFunction((seconds) => Number.parseFloat(document.querySelector(".thinking .time").textContent) >= seconds, seconds);
    await done(page);
  });
});

describe("C7: without a network", { concurrency: 3 }, () => {
  test("three seconds of it: said, nothing lost, nothing twice, gone when it is back", async (context) => {
    const proxy = await startProxy(stage.gateway.url, () => null, /^$/);
    context.after(() => proxy.stop());
    const page = await open(stage, { url: proxy.url, orders: ANSWER, hold: 40, settings: PLAIN });
    await ask(page, "Tell me about rivers");
    await grown(page, 60);
    // The browser's own switch lets open connections live on, and those of workers; a network that is gone does not.
    proxy.refuse = true;
    await page.context().setOffline(true);
    proxy.drop();
    await page.waitForSelector("#banner:not([hidden])");
    assert.match(await page.textContent("#banner"), /nothing is lost/);
    await new Promise((resolve) => setTimeout(resolve, 3000));
    proxy.refuse = false;
    await page.evaluate(() => addEventListener("online", () => (window.online = performance.now())));
    await page.context().setOffline(false);
    // That this ends the pause is a test of its own, without clocks: see tests/faces/client.test.mjs.
    const took = await (await page.waitForFunction(() => document.querySelector("#banner").hidden && performance.now() - window.online)).jsonValue();
    context.diagnostic(`${took.toFixed(0)} ms from network to connection`);
    page.gate.open();
    assert.equal(await over(page), "completed");
    assert.equal(await copied(page), await reference(page));
    await done(page);
  });

  test("a gateway that is killed and started again finishes the sentence on the same page", async (context) => {
    const data = folder(context);
    const proxyTo = async (url) => startProxy(url, () => null, /^$/);
    let gateway = await startGateway("--data", data);
    const proxy = await proxyTo(gateway.url);
    context.after(async () => {
      await proxy.stop();
      await gateway.stop();
    });
    const page = await open(stage, { url: proxy.url, orders: SLOWLY, settings: PLAIN });
    await ask(page, "Tell me about rivers");
    await grown(page, 60);
    const before = await shown(page);
    await gateway.kill();
    await page.waitForSelector("#banner:not([hidden])");
    gateway = await startGateway("--data", data);
    proxy.to(gateway.url);
    await page.waitForSelector("#banner", { state: "hidden" });
    await over(page);
    assert.ok((await shown(page)).startsWith(before.slice(0, -1)));
    assert.equal(await copied(page), await reference(page, gateway.url));
    await done(page);
  });
});

describe("whoever asks gets an answer", { concurrency: 3 }, () => {
  for (const [path, field, button] of [["/", "#message", "#send"], ["/demo", "#question", "#go"]])
    test(`what is written before the scripts are there is kept, and goes nowhere by itself (${path})`, async () => {
      const page = await open(stage, { path: "/healthz", orders: ANSWER, settings: PLAIN });
      let let_go;
      const gate = new Promise((resolve) => (let_go = resolve));
      await page.route(/\/(chat|demo)\.js$/, async (route) => {
        await gate;
        await route.continue();
      });
      await page.goto(`${stage.gateway.url}${path}`, { waitUntil: "commit" });
      await page.fill(field, "Tell me about rivers");
      await page.evaluate((button) => document.querySelector(button).click(), button);
      assert.ok(await page.isDisabled(button));
      let_go();
      await page.waitForSelector(`${button}:enabled`);
      assert.equal(new URL(page.url()).pathname + new URL(page.url()).search, path);
      if (path === "/") assert.equal(await page.inputValue(field), "Tell me about rivers");
      await page.click(button);
      await page.waitForFunction(() => document.querySelector("tape-view")?.textContent.length > 20);
      await done(page);
    });

  test("nothing waits for the icons", async () => {
    const page = await open(stage, { path: "/healthz", orders: ANSWER, settings: PLAIN });
    await page.addInitScript(() => {
      const { fetch } = window;
      window.fetch = (url, init) => (/icons/.test(url) ? new Promise(() => {}) : fetch(url, init));
    });
    await page.goto(stage.gateway.url);
    await ask(page, "Tell me about rivers");
    await grown(page, 20);
    assert.ok((await page.locator(".turn .copy use").count()) > 0);
    await done(page);
  });

  test("a worker that dies in mid-answer is replaced, and nothing comes twice", async (context) => {
    // An origin of its own, by which its worker is known among those of other tests.
    const proxy = await startProxy(stage.gateway.url, () => null, /^$/);
    context.after(() => proxy.stop());
    const page = await open(stage, { url: proxy.url, orders: ANSWER, hold: 40, settings: PLAIN });
    const devtools = await stage.browser.newBrowserCDPSession();
    await ask(page, "Tell me about rivers");
    await grown(page, 60);
    const { targetInfos } = await devtools.send("Target.getTargets");
    const workers = targetInfos.filter(({ type, url }) => type === "shared_worker" && url.startsWith(proxy.url));
    assert.equal(workers.length, 1);
    await devtools.send("Target.closeTarget", { targetId: workers[0].targetId });
    page.gate.open();
    assert.equal(await over(page), "completed");
    assert.equal(await copied(page), await reference(page));
    await done(page);
  });

  test("an answer that is begun anew is shown, and nothing more is said of the first time", async () => {
    const page = await open(stage, { orders: ANSWER, hold: 40, settings: PLAIN });
    // As a page has it whose gateway was killed before the stream was written.
    const other = neverMade();
    const told = /\/v1\/conversations\/conv_[0-9a-f]+(\/turns)?(\?.*)?$/;
    await page.route(told, async (route) => {
      const said = await route.fetch();
      await route.fulfill({ response: said, body: (await said.text()).replaceAll(/strm_[0-9a-f]+/g, other) });
    });
    await ask(page, "Tell me about rivers");
    await page.waitForSelector(".turn.assistant .trouble");
    await page.unrouteAll({ behavior: "wait" });
    const id = new URL(page.url()).pathname.split("/").at(-1);
    await page.evaluate((id) => fetch(`/v1/conversations/${id}`, { method: "PATCH", body: JSON.stringify({ title: "Rivers" }) }), id);
    await grown(page, 20);
    assert.equal(await page.locator(".turn.assistant .trouble").count(), 0);
    page.gate.open();
    assert.equal(await over(page), "completed");
    assert.equal(await copied(page), await reference(page));
    await done(page);
  });

  test("a worker that never begins is done without", async () => {
    const page = await open(stage, { path: "/healthz", orders: ANSWER, settings: PLAIN });
    await page.addInitScript(() => {
      window.SharedWorker = class {
        port = new MessageChannel().port1;
      };
    });
    await page.goto(stage.gateway.url);
    await ask(page, "Tell me about rivers");
    assert.equal(await over(page), "completed");
    assert.equal(await copied(page), await reference(page));
    await done(page);
  });
});

test("C15: twelve tabs over HTTP/1.1 show the same live answer over two connections", async (context) => {
  const live = /^GET \/v1\/(events|conversations\/events|streams\/[^/ ]+\/events)/;
  const proxy = await startProxy(stage.gateway.url, () => null, live);
  context.after(() => proxy.stop());
  const first = await open(stage, { url: proxy.url, orders: ANSWER, hold: 40, settings: PLAIN });
  await ask(first, "Tell me about rivers");
  await grown(first, 20);
  const path = new URL(first.url()).pathname;
  const tabs = [];
  const times = [];
  for (let number = 1; number < 12; number += 1) {
    const tab = await open(stage, { url: proxy.url, context: first.context(), path });
    await grown(tab, 20);
    // Since its navigation began, as the tab itself counts.
    times.push(await tab.evaluate(() => performance.now()));
    tabs.push(tab);
  }
  const connections = proxy.streaming();
  // A clock gates nothing on a machine that has other things to do; a tab that got no connection would never have come this far.
  context.diagnostic(`tabs took ${times.map((ms) => ms.toFixed(0)).join(", ")} ms; ${connections} live connections`);
  assert.ok(connections >= 1 && connections <= 2, `${connections} live connections`);
  first.gate.open();
  for (const tab of [first, ...tabs]) assert.equal(await over(tab), "completed");
  const texts = new Set(await Promise.all([first, ...tabs].map(shown)));
  assert.equal(texts.size, 1);
  await done(first);
});
