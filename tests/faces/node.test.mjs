// perennial.js in Node against the gateway, through a network that cuts every connection.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { attach, create, many } from "../../web/perennial.js";
import { BODY, INSTANT, LIVE, STUCK, framesOf, make, neverMade, startGateway, textOf, wholeEvents } from "./gateway.mjs";
import { withoutPauses } from "./pauses.mjs";
import { cutting, startProxy } from "./proxy.mjs";
import { seeded } from "./seeds.mjs";

const CUTS = 20;

let gateway;
before(async () => (gateway = await startGateway()));
after(() => gateway?.stop());

/** As on the wire, from what the client handed out. */
const frame = ({ id, event, text }) => `id: ${id}\nevent: ${event}\ndata: ${text}\n\n`;
const bodyOf = (events) => events.map(frame).join("");
const referenceOf = async (id) => framesOf(await wholeEvents(gateway, id)).map(({ frame }) => frame).join("");

async function all(iterable) {
  const found = [];
  for await (const item of iterable) found.push(item);
  return found;
}

for (const [title, orders] of [["while it is written", LIVE], ["afterwards", "pace=instant; tokens=600"]]) {
  test(`an answer that is cut ${CUTS} times is rebuilt byte for byte, ${title}`, async (context) => {
    const random = seeded(context);
    const { id } = await make(gateway, { orders });
    const proxy = await startProxy(gateway.url, cutting(random, { cuts: CUTS, size: 60_000 }));
    const stream = attach(id, { base: proxy.url });
    const events = await all(stream);
    await proxy.stop();
    assert.equal(proxy.cuts.length, CUTS);
    assert.equal(bodyOf(events), await referenceOf(id));
    assert.equal(stream.state, "completed");
    assert.equal(stream.text, textOf(framesOf(await wholeEvents(gateway, id))));
    const message = await (await fetch(`${gateway.url}/v1/streams/${id}/message`)).json();
    assert.deepEqual(await stream.finalMessage(), message);
  });
}

test("cut in every byte of the first event", async () => {
  const { id } = await make(gateway, { orders: INSTANT });
  const reference = await referenceOf(id);
  const first = reference.indexOf("\n\n") + 3;
  const proxy = await startProxy(gateway.url, (number) => (number <= first ? { after: number, how: number % 2 ? "fin" : "rst", from: "body" } : null));
  const events = [];
  await withoutPauses(async (onConnection) => {
    for await (const event of attach(id, { base: proxy.url, onConnection })) events.push(event);
  });
  assert.ok(proxy.cuts.length > first);
  await proxy.stop();
  assert.equal(bodyOf(events), reference);
});

test("a stream is made once although the answer to the request for it is lost", async () => {
  const proxy = await startProxy(gateway.url, (number) => (number < 2 ? { after: 1 + number * 40, how: "rst", from: "head" } : null), /^POST \/v1\/streams /);
  const before = (await (await fetch(`${gateway.url}/v1/streams?limit=100`)).json()).data.length;
  const stream = await create(BODY, { base: proxy.url, headers: { "perennial-sim": INSTANT } });
  const message = await stream.finalMessage();
  await proxy.stop();
  assert.equal(proxy.cuts.length, 2);
  assert.equal(message.stop_reason, "end_turn");
  assert.equal(message.content.find(({ type }) => type === "text").text, stream.text);
  const after = (await (await fetch(`${gateway.url}/v1/streams?limit=100`)).json()).data;
  assert.equal(after.length, before + 1);
  assert.equal(after[0].id, stream.id);
});

test("many streams over one connection that is cut", async (context) => {
  const random = seeded(context);
  const ids = (await Promise.all(["tps=100; tokens=200", "tps=200; tokens=400", INSTANT].map((orders) => make(gateway, { orders })))).map(({ id }) => id);
  const proxy = await startProxy(gateway.url, cutting(random, { cuts: CUTS, size: 60_000 }));
  const streams = many(ids, { base: proxy.url });
  const seen = new Map(ids.map((id) => [id, []]));
  for await (const { stream, id, event, data } of streams) seen.get(stream).push({ id, event, data });
  await proxy.stop();
  assert.equal(proxy.cuts.length, CUTS);
  for (const id of ids) {
    const reference = framesOf(await wholeEvents(gateway, id));
    assert.deepEqual(seen.get(id), reference.map(({ id, event, data }) => ({ id, event, data: JSON.parse(data) })));
    assert.equal(streams.streams.get(id).text, textOf(reference));
  }
});

describe("errors", () => {
  test("a stream that is not there, and one that is gone", async () => {
    await assert.rejects(all(attach(neverMade(), { base: gateway.url })), (error) => {
      assert.deepEqual([error.status, error.type], [404, "not_found_error"]);
      assert.ok(error.requestId);
      return true;
    });
    const { id } = await make(gateway);
    assert.equal((await fetch(`${gateway.url}/v1/streams/${id}`, { method: "DELETE" })).status, 204);
    await assert.rejects(all(attach(id, { base: gateway.url })), { status: 410 });
  });

  test("a position that the stream does not have", async () => {
    const { id } = await make(gateway);
    const last = framesOf(await wholeEvents(gateway, id)).at(-1).id;
    const foreign = `${Number.parseInt(last, 10) + 3}.1`;
    await assert.rejects(all(attach(id, { base: gateway.url, after: foreign })), { type: "diverged", lastCommon: last });
  });

  test("an answer that fails half-way is thrown with what there is of it", async () => {
    const stream = await create(BODY, { base: gateway.url, headers: { "perennial-sim": "pace=instant; error=overloaded_error@event=6", "perennial-recovery": "off" } });
    await assert.rejects(stream.finalMessage(), (error) => {
      assert.equal(error.type, "overloaded_error");
      assert.notEqual(error.partial.content.length, 0);
      return true;
    });
    assert.equal(stream.state, "failed");
  });
});

test("cancel stops it for every reader", async () => {
  const { id } = await make(gateway, { orders: STUCK });
  const [stream, other] = [attach(id, { base: gateway.url }), attach(id, { base: gateway.url })];
  const told = assert.rejects(other.finalMessage(), { type: "cancelled" });
  let count = 0;
  for await (const { event } of stream) {
    count += 1;
    if (event === "content_block_delta") {
      assert.equal((await stream.cancel()).id, id);
      break;
    }
  }
  assert.ok(count > 1);
  await told;
  await assert.rejects(stream.finalMessage(), { type: "cancelled" });
  assert.equal((await stream.cancel()).state, "cancelled");
});

test("one who has everything already learns how it ended", async () => {
  const { id } = await make(gateway);
  const last = framesOf(await wholeEvents(gateway, id)).at(-1).id;
  const stream = attach(id, { base: gateway.url, after: last });
  assert.deepEqual(await all(stream), []);
  assert.equal(stream.state, "completed");
  assert.equal((await stream.finalMessage()).stop_reason, "end_turn");
});

test("a reader that is slow misses nothing", async () => {
  const { id } = await make(gateway, { orders: "pace=instant; tokens=400" });
  const events = [];
  for await (const event of attach(id, { base: gateway.url })) {
    events.push(event);
    if (events.length % 50 === 0) await new Promise((resolve) => setTimeout(resolve, 10));
  }
  assert.equal(bodyOf(events), await referenceOf(id));
});
