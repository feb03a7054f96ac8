// What pages do with streams in a real browser: EventSource, perennial.js and WebSocket, through a network that cuts.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { curl } from "../faces/curl.mjs";
import { BODY, LIVE, STUCK, framesOf, make, startGateway, textOf, wholeEvents } from "../faces/gateway.mjs";
import { cutting, startProxy } from "../faces/proxy.mjs";
import { seeded } from "../faces/seeds.mjs";
import { ELSEWHERE, startChromium } from "./chromium.mjs";
import { startPages } from "./pages.mjs";
import { PATIENCE } from "./rig.mjs";

const CUTS = 20;

/** It lasts while a person does things, however long that takes: it comes to no end by itself. */
const ENDLESS = "ttft=0s,tps=60; tokens=400; stall@event=60";

let pages, gateway, browser;
before(async () => {
  [pages, browser] = await Promise.all([startPages(), startChromium()]);
  gateway = await startGateway("--allow-origin", pages.url);
});
after(async () => {
  await browser?.close();
  await Promise.all([gateway?.stop(), pages?.stop()]);
});

/** A page of the application, in a browser profile of its own unless one is given. */
async function openPage(context, origin = pages.url, path = "/") {
  const page = await (context ?? (await browser.newContext())).newPage();
  page.setDefaultTimeout(PATIENCE);
  const problems = [];
  page.on("pageerror", (error) => problems.push(error));
  await page.goto(`${origin}${path}`);
  return Object.assign(page, { problems });
}

async function done(page) {
  assert.deepEqual(page.problems, []);
  await page.context().close();
}

const referenceOf = async (id) => framesOf(await wholeEvents(gateway, id));
const plain = (frames) => frames.map(({ id, event, data }) => ({ id, event, data }));
const bytesOf = (events) => events.map(({ id, event, data }) => `id: ${id}\nevent: ${event}\ndata: ${data}\n\n`).join("");

/** In the page: all events by EventSource, until the browser itself stops coming back. */
function byEventSource({ url, names }) {
  return new Promise((resolve) => {
    const source = new EventSource(url);
    const seen = { events: [], drops: 0 };
    for (const name of names) source.addEventListener(name, ({ lastEventId, type, data }) => seen.events.push({ id: lastEventId, event: type, data }));
    source.onerror = () => {
      if (source.readyState === EventSource.CLOSED) resolve(seen);
      else seen.drops += 1;
    };
  });
}

/** In the page: all events by perennial.js. The network is back as soon as there is a pause, since nothing is learned by twenty of them. */
async function byAttach({ id, options }) {
  const { attach } = await import("/perennial.js");
  const seen = { events: [], connections: [] };
  const onConnection = ({ state }) => {
    seen.connections.push(state);
    if (state === "waiting") setTimeout(() => dispatchEvent(new Event("online")));
  };
  const stream = attach(id, { ...options, onConnection });
  for await (const { id, event, text } of stream) seen.events.push({ id, event, data: text });
  return { ...seen, state: stream.state, text: stream.text, message: await stream.finalMessage() };
}

const NAMES = [
  ...["message_start", "content_block_start", "content_block_delta", "content_block_stop", "message_delta", "message_stop", "ping"],
  ...["perennial.terminal", "perennial.cancel", "perennial.seam", "perennial.takeover", "perennial.diverged", "perennial.broken", "message"],
];

describe(`an answer that is cut ${CUTS} times is rebuilt byte for byte`, { concurrency: true }, () => {
  test("EventSource, which 204 stops", async (context) => {
    const { id } = await make(gateway, { orders: LIVE });
    const random = seeded(context);
    // It waits three seconds before it comes back, each time: so five share the cuts. In a head that was cut the browser believes what is there: an answer
    // without a content type, at which it stops for good. Hence bodies only.
    const share = CUTS / 5;
    const page = await openPage();
    const read = async () => {
      const proxy = await startProxy(gateway.url, cutting(random, { cuts: share, size: 30_000, from: "body" }));
      const statuses = [];
      page.on("response", (response) => response.url().startsWith(proxy.url) && statuses.push(response.status()));
      const seen = await page.evaluate(byEventSource, { url: `${proxy.url}/v1/streams/${id}/events`, names: NAMES });
      await proxy.stop();
      return { ...seen, statuses, cuts: proxy.cuts.length };
    };
    const readers = await Promise.all(Array.from({ length: 5 }, read));
    const reference = (await referenceOf(id)).map(({ frame }) => frame).join("");
    for (const { events, drops, statuses, cuts } of readers) {
      assert.equal(bytesOf(events), reference);
      assert.equal(cuts, share);
      // The last drop is the clean end after the terminal event.
      assert.equal(drops, share + 1);
      assert.equal(statuses.at(-1), 204);
    }
    await done(page);
  });

  test("attach", async (context) => {
    const { id } = await make(gateway, { orders: LIVE });
    const proxy = await startProxy(gateway.url, cutting(seeded(context), { cuts: CUTS, size: 60_000 }));
    const page = await openPage();
    const { events, state, text, message } = await page.evaluate(byAttach, { id, options: { base: proxy.url } });
    const reference = await referenceOf(id);
    assert.equal(bytesOf(events), reference.map(({ frame }) => frame).join(""));
    assert.equal(proxy.cuts.length, CUTS);
    assert.equal(state, "completed");
    assert.equal(text, textOf(reference));
    assert.deepEqual(message, JSON.parse((await curl(`${gateway.url}/v1/streams/${id}/message`)).body));
    await done(page);
    await proxy.stop();
  });

  test("many, nine streams where a browser has six connections", async (context) => {
    const ids = await Promise.all(Array.from({ length: 9 }, async () => (await make(gateway, { orders: "ttft=0s,tps=50; tokens=100" })).id));
    const proxy = await startProxy(gateway.url, cutting(seeded(context), { cuts: CUTS, size: 100_000 }));
    const page = await openPage();
    const seen = await page.evaluate(
      async ({ ids, base }) => {
        const { many } = await import("/perennial.js");
        const seen = Object.fromEntries(ids.map((id) => [id, []]));
        const onConnection = ({ state }) => state === "waiting" && setTimeout(() => dispatchEvent(new Event("online")));
        for await (const { stream, id, event, data } of many(ids, { base, onConnection })) seen[stream].push({ id, event, data });
        return seen;
      },
      { ids, base: proxy.url },
    );
    for (const id of ids) assert.deepEqual(seen[id], (await referenceOf(id)).map(({ id, event, data }) => ({ id, event, data: JSON.parse(data) })));
    assert.equal(proxy.cuts.length, CUTS);
    await done(page);
    await proxy.stop();
  });
});

describe("one stream, many places", { concurrency: true }, () => {
  test("a page that is reloaded in mid-answer misses nothing", async () => {
    const { id } = await make(gateway, { orders: LIVE });
    const page = await openPage();
    const follow = async ({ id, base }) => {
      const { attach } = await import("/perennial.js");
      const kept = JSON.parse(sessionStorage.getItem("answer") ?? '{"position":"0","events":[]}');
      const stream = attach(id, { base, after: kept.position });
      window.ended = (async () => {
        for await (const { id, event, text } of stream) {
          kept.events.push({ id, event, data: text });
          // Together: a position without its event would be a loss.
          sessionStorage.setItem("answer", JSON.stringify({ ...kept, position: stream.position }));
        }
        return kept.events;
      })();
      window.ended.catch(() => {});
    };
    for (const count of [5, 30, 60]) {
      await page.evaluate(follow, { id, base: gateway.url });
      await page.waitForFunction((count) => JSON.parse(sessionStorage.getItem("answer"))?.events.length >= count, count);
      await page.reload();
    }
    await page.evaluate(follow, { id, base: gateway.url });
    const events = await page.evaluate(() => window.ended);
    assert.deepEqual(events, plain(await referenceOf(id)));
    await done(page);
  });

  test("two devices, of which one is cut, get the same", async (context) => {
    const { id } = await make(gateway, { orders: LIVE });
    const proxy = await startProxy(gateway.url, cutting(seeded(context), { cuts: CUTS, size: 60_000 }));
    const [cut, whole] = await Promise.all([openPage(), openPage()]);
    const [one, two] = await Promise.all([
      cut.evaluate(byAttach, { id, options: { base: proxy.url } }),
      whole.evaluate(byAttach, { id, options: { base: gateway.url } }),
    ]);
    assert.deepEqual(one.events, two.events);
    assert.deepEqual(one.message, two.message);
    assert.deepEqual(one.events, plain(await referenceOf(id)));
    assert.ok(one.connections.length > 2 * CUTS);
    assert.deepEqual(two.connections, ["connecting", "open", "closed"]);
    await Promise.all([done(cut), done(whole)]);
    await proxy.stop();
  });

  test("two tabs and curl", async () => {
    const { id } = await make(gateway, { orders: LIVE });
    const context = await browser.newContext();
    const tabs = await Promise.all([openPage(context), openPage(context)]);
    const url = `${gateway.url}/v1/streams/${id}/events`;
    const [source, attached, { body }] = await Promise.all([
      tabs[0].evaluate(byEventSource, { url, names: NAMES }),
      tabs[1].evaluate(byAttach, { id, options: { base: gateway.url } }),
      curl(url),
    ]);
    assert.deepEqual(source.events, plain(framesOf(body)));
    assert.deepEqual(attached.events, source.events);
    await done(tabs[0]);
  });
});

describe("a person at the page", { concurrency: true }, () => {
  test("asks, reads, and stops", async () => {
    const page = await openPage();
    const asked = page.evaluate(
      async ({ body, base, orders }) => {
        const { create } = await import("/perennial.js");
        const stream = await create(body, { base, headers: { "perennial-sim": orders } });
        document.querySelector("#stop").onclick = () => stream.cancel();
        try {
          for await (const text of stream.textStream()) document.querySelector("#answer").append(text);
          return { id: stream.id };
        } catch (error) {
          return { id: stream.id, name: error.name, type: error.type, partial: error.partial };
        }
      },
      { body: BODY, base: gateway.url, orders: ENDLESS },
    );
    await page.waitForFunction(() => document.querySelector("#answer").textContent.length > 10);
    await page.click("#stop");
    const { id, name, type, partial } = await asked;
    assert.deepEqual([name, type], ["PerennialError", "cancelled"]);
    const text = textOf(await referenceOf(id));
    assert.equal(await page.textContent("#answer"), text);
    assert.equal(partial.content.find(({ type }) => type === "text").text, text);
    await done(page);
  });

  test("loses the network and has it back", async (context) => {
    const { id } = await make(gateway, { orders: ENDLESS });
    const proxy = await startProxy(gateway.url);
    const page = await openPage();
    await page.evaluate(
      async ({ id, base }) => {
        const { attach } = await import("/perennial.js");
        window.seen = { events: [], states: [], backAt: 0, openAt: 0 };
        window.addEventListener("online", () => (seen.backAt = performance.now()));
        const onConnection = ({ state }) => {
          seen.states.push(state);
          if (state === "open" && seen.backAt) seen.openAt ||= performance.now();
        };
        const stream = attach(id, { base, onConnection });
        window.ended = (async () => {
          for await (const { id, event, text } of stream) seen.events.push({ id, event, data: text });
        })();
      },
      { id, base: proxy.url },
    );
    await page.waitForFunction(() => seen.events.length > 20);
    // The browser's own switch lets connections that are open live on; a network that is gone does not.
    await page.context().setOffline(true);
    proxy.drop();
    await page.waitForFunction(() => seen.states.filter((state) => state === "waiting").length >= 3);
    await page.context().setOffline(false);
    await page.waitForFunction(() => seen.openAt > 0);
    await fetch(`${gateway.url}/v1/streams/${id}/cancel`, { method: "POST" });
    await page.evaluate(() => window.ended);
    const { events, backAt, openAt } = await page.evaluate(() => window.seen);
    assert.deepEqual(events, plain(await referenceOf(id)));
    // That this ends the pause is a test of its own, without clocks: see tests/faces/client.test.mjs.
    context.diagnostic(`${(openAt - backAt).toFixed(0)} ms from network to connection`);
    await done(page);
    await proxy.stop();
  });
});

describe("the gateway serves the module", { concurrency: true }, () => {
  /** In the page: the module from there. */
  const read = async ({ id, from, options }) => {
    const { attach } = await import(`${from}/perennial.js`);
    return (await attach(id, options).finalMessage()).stop_reason;
  };

  test("to pages of its own, which need no address", async () => {
    const { id } = await make(gateway);
    const page = await openPage(undefined, gateway.url, "/healthz");
    assert.equal(await page.evaluate(read, { id, from: "", options: {} }), "end_turn");
    await done(page);
  });

  test("to pages that it allows", async () => {
    const { id } = await make(gateway);
    const page = await openPage();
    assert.equal(await page.evaluate(read, { id, from: gateway.url, options: { base: gateway.url } }), "end_turn");
    await done(page);
  });
});

describe("WebSocket", () => {
  test("subscribe, resume, cancel", async () => {
    const { id } = await make(gateway, { orders: STUCK });
    const page = await openPage();
    const { first, rest } = await page.evaluate(
      async ({ url, id }) => {
        const open = async (after) => {
          const socket = new WebSocket(url);
          const messages = [];
          await new Promise((resolve, reject) => Object.assign(socket, { onopen: resolve, onerror: reject }));
          const until = (is) =>
            new Promise((resolve) => {
              socket.onmessage = ({ data }) => {
                messages.push(JSON.parse(data));
                if (is(messages.at(-1))) resolve();
              };
            });
          const subscribed = until(({ event }) => event === "content_block_delta");
          socket.send(JSON.stringify({ op: "subscribe", stream: id, after }));
          return { socket, messages, until, subscribed };
        };
        const one = await open("0");
        await one.subscribed;
        one.socket.close();
        const first = one.messages.filter(({ op }) => op === "record");
        const two = await open(first.at(-1).id);
        const ended = two.until(({ op }) => op === "ended");
        two.socket.send(JSON.stringify({ op: "cancel", stream: id }));
        await ended;
        return { first, rest: two.messages.filter(({ op }) => op === "record") };
      },
      { url: `${gateway.url.replace("http", "ws")}/v1/ws`, id },
    );
    const records = [...first, ...rest].map(({ id, event, data }) => ({ id, event, data }));
    assert.deepEqual(records, (await referenceOf(id)).map(({ id, event, data }) => ({ id, event, data: JSON.parse(data) })));
    assert.deepEqual(records.slice(-2).map(({ event }) => event), ["perennial.cancel", "perennial.terminal"]);
    await done(page);
  });
});

describe("who may", { concurrency: true }, () => {
  test("a page of another origin gets nothing", async () => {
    const { id } = await make(gateway);
    const foreign = await startPages();
    const page = await openPage(undefined, foreign.url.replace("127.0.0.1", ELSEWHERE));
    const results = await page.evaluate(async (base) => {
      const tried = (promise) => promise.then(() => "in", (error) => error.name);
      return {
        read: await tried(fetch(`${base}/events`)),
        keyed: await tried(fetch(`${base}/events`, { headers: { "x-api-key": "k" } })),
        source: await new Promise((resolve) => {
          const source = new EventSource(`${base}/events`);
          Object.assign(source, { onopen: () => resolve("in"), onerror: () => resolve(source.readyState) });
        }),
        // Browsers ask nobody before they open a socket; what is on it is refused.
        socket: await new Promise((resolve) => {
          const socket = new WebSocket(base.replace("http", "ws").replace(/streams.*/, "ws"));
          const refused = [];
          socket.onmessage = ({ data }) => {
            const { op, status } = JSON.parse(data);
            refused.push(`${op} ${status}`);
            if (refused.length === 3) resolve(refused);
          };
          socket.onopen = () => {
            const stream = base.split("/").at(-1);
            for (const op of ["subscribe", "cancel", "create"]) socket.send(JSON.stringify({ op, stream, body: {} }));
          };
        }),
      };
    }, `${gateway.url}/v1/streams/${id}`);
    assert.deepEqual(results, { read: "TypeError", keyed: "TypeError", source: 2, socket: ["error 403", "error 403", "error 403"] });
    assert.equal((await (await fetch(`${gateway.url}/v1/streams/${id}`)).json()).id, id);
    await done(page);
    await foreign.stop();
  });

  test("a capability lets a page without a key read one stream", async () => {
    const key = "key-of-the-server";
    const guarded = await startGateway("--client-key", key, "--allow-origin", pages.url);
    const { id } = await make(guarded, { headers: { "x-api-key": key } });
    const given = { method: "POST", headers: { "x-api-key": key, "content-type": "application/json" }, body: '{"scope":"read","expires_in":600}' };
    const { cap, url } = await (await fetch(`${guarded.url}/v1/streams/${id}/links`, given)).json();
    const page = await openPage();
    const { events } = await page.evaluate(byEventSource, { url: `${guarded.url}${url}`, names: NAMES });
    const attached = await page.evaluate(byAttach, { id, options: { base: guarded.url, cap } });
    assert.equal(events.at(-1).event, "perennial.terminal");
    assert.deepEqual(attached.events, events);
    // Without it, the page is told why, since it is on the list.
    const refused = page.evaluate(byAttach, { id, options: { base: guarded.url } });
    await assert.rejects(refused, /401/);
    await done(page);
    await guarded.stop();
  });
});
