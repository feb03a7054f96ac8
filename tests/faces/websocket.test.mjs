// The WebSocket face with npm's `ws`: subscribe, resume after a cut, create, cancel, errors.

import assert from "node:assert/strict";
import { once } from "node:events";
import { after, before, test } from "node:test";

import { WebSocket } from "ws";

import { BODY, INSTANT, LIVE, STUCK, framesOf, make, startGateway, wholeEvents } from "./gateway.mjs";
import { cutting, startProxy } from "./proxy.mjs";
import { seeded } from "./seeds.mjs";

let gateway;
before(async () => (gateway = await startGateway()));
after(() => gateway?.stop());

/** A socket whose messages are awaited one by one; `next` is `null` once it is closed. */
async function open(url, options = {}) {
  const socket = new WebSocket(`${url.replace("http", "ws")}/v1/ws`, options);
  const messages = [];
  let wake = () => {};
  socket.on("message", (text) => (messages.push(JSON.parse(text)), wake()));
  socket.on("close", () => (messages.push(null), wake()));
  socket.on("error", () => {});
  const opened = await Promise.race([once(socket, "open").then(() => true), once(socket, "close").then(() => false)]);
  const next = async () => {
    while (messages.length === 0) await new Promise((resolve) => (wake = resolve));
    return messages[0] === null ? null : messages.shift();
  };
  const ask = async (message) => {
    socket.send(JSON.stringify(message));
    return next();
  };
  return { socket, opened, next, ask, send: (message) => socket.send(JSON.stringify(message)), close: () => socket.terminate() };
}

/** The records of one stream up to its end, or to that of the connection. */
async function records({ next }, stream) {
  const found = [];
  for (let message = await next(); message && !(message.op === "ended" && message.stream === stream); message = await next()) {
    assert.equal(message.op, "record", JSON.stringify(message));
    assert.equal(message.stream, stream);
    found.push({ id: message.id, event: message.event, data: message.data });
  }
  return found;
}

const reference = async (id) => framesOf(await wholeEvents(gateway, id)).map(({ id, event, data }) => ({ id, event, data: JSON.parse(data) }));

test("subscribe, read to the end", async () => {
  const { id } = await make(gateway, { orders: LIVE });
  const socket = await open(gateway.url);
  const { op, stream, ref, state } = await socket.ask({ op: "subscribe", stream: id, ref: 7 });
  assert.deepEqual([op, stream, ref, state], ["subscribed", id, 7, "running"]);
  assert.deepEqual(await records(socket, id), await reference(id));
  socket.close();
});

test("from every position on", async () => {
  const { id } = await make(gateway);
  const whole = await reference(id);
  const socket = await open(gateway.url);
  for (const [index, { id: after }] of whole.entries()) {
    const subscribed = await socket.ask({ op: "subscribe", stream: id, after });
    assert.equal(subscribed.after, after);
    assert.deepEqual(await records(socket, id), whole.slice(index + 1));
  }
  socket.close();
});

test("an answer that is cut 20 times is rebuilt", async (context) => {
  const { id } = await make(gateway, { orders: LIVE });
  const proxy = await startProxy(gateway.url, cutting(seeded(context), { cuts: 20, size: 60_000 }));
  const found = [];
  while (found.at(-1)?.event !== "perennial.terminal") {
    const socket = await open(proxy.url);
    if (!socket.opened) continue;
    const subscribed = await socket.ask({ op: "subscribe", stream: id, after: found.at(-1)?.id ?? "0" });
    if (subscribed) found.push(...(await records(socket, id)));
    socket.close();
  }
  await proxy.stop();
  assert.equal(proxy.cuts.length, 20);
  assert.deepEqual(found, await reference(id));
});

test("create, cancel, and what goes on beside it", async () => {
  const socket = await open(gateway.url);
  const headers = { "anthropic-version": "2026-10-21", "perennial-sim": STUCK };
  const created = await socket.ask({ op: "create", body: BODY, headers, ref: "a" });
  assert.deepEqual([created.op, created.ref], ["created", "a"]);
  const { stream } = created;

  assert.equal((await socket.ask({ op: "subscribe", stream })).op, "subscribed");
  let message = await socket.next();
  while (message.event !== "content_block_delta") message = await socket.next();

  socket.send({ op: "cancel", stream, ref: "b" });
  const rest = [];
  do rest.push(await socket.next());
  while (!rest.some(({ op }) => op === "ended") || !rest.some(({ op }) => op === "cancelled"));
  const answer = rest.find(({ op }) => op === "cancelled");
  assert.deepEqual([answer.stream, answer.ref], [stream, "b"]);
  assert.equal(rest.filter(({ event }) => event === "perennial.terminal").length, 1);
  assert.equal((await (await fetch(`${gateway.url}/v1/streams/${stream}`)).json()).state, "cancelled");
  assert.equal((await socket.ask({ op: "ping", ref: 1 })).op, "pong");
  socket.close();
});

test("two streams on one socket, of which one is left", async () => {
  const [first, second] = [await make(gateway, { orders: STUCK }), await make(gateway, { orders: INSTANT })];
  const socket = await open(gateway.url);
  assert.equal((await socket.ask({ op: "subscribe", stream: first.id })).op, "subscribed");
  socket.send({ op: "unsubscribe", stream: first.id });
  let message = await socket.next();
  while (message.op === "record") message = await socket.next();
  assert.deepEqual([message.op, message.stream], ["unsubscribed", first.id]);
  assert.equal((await socket.ask({ op: "subscribe", stream: second.id })).op, "subscribed");
  assert.deepEqual(await records(socket, second.id), await reference(second.id));
  socket.close();
});

test("an error ends one subscription and nothing else", async () => {
  const { id } = await make(gateway);
  const whole = await reference(id);
  const socket = await open(gateway.url);
  const missing = await socket.ask({ op: "subscribe", stream: `strm_${"0".repeat(32)}`, ref: 1 });
  assert.deepEqual([missing.op, missing.status, missing.error.type, missing.ref], ["error", 404, "not_found_error", 1]);
  const foreign = await socket.ask({ op: "subscribe", stream: id, after: "9999.9" });
  assert.equal(foreign.op, "error", JSON.stringify(foreign));
  for (const text of ["{", "[]", '{"op":"dance"}', '{"op":"subscribe"}']) {
    socket.socket.send(text);
    const answer = await socket.next();
    assert.deepEqual([answer.op, answer.status], ["error", 400], text);
  }
  assert.equal((await socket.ask({ op: "subscribe", stream: id, after: whole.at(-2).id })).op, "subscribed");
  assert.deepEqual(await records(socket, id), whole.slice(-1));
  socket.close();
});
