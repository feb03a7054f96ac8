// Who may read: keys, capabilities, and pages of other origins.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { WebSocket } from "ws";

import { attach, many } from "../../web/perennial.js";
import { curl } from "./curl.mjs";
import { STUCK, framesOf, make, startGateway } from "./gateway.mjs";

const [MINE, OTHERS, OPERATOR] = ["key-of-one-client", "key-of-another-client", "key-of-the-operator"];
const PAGE = "https://app.example";

let gateway;
before(async () => {
  const keys = ["--client-key", MINE, "--client-key", OTHERS, "--operator-key", OPERATOR];
  gateway = await startGateway(...keys, "--allow-origin", PAGE);
});
after(() => gateway?.stop());

const key = (value) => ({ "x-api-key": value });
const ask = (path, { method = "GET", headers = {}, body } = {}) => fetch(`${gateway.url}${path}`, { method, headers, body });

async function link(id, request, headers = key(MINE)) {
  const given = { ...headers, "content-type": "application/json" };
  const response = await ask(`/v1/streams/${id}/links`, { method: "POST", headers: given, body: JSON.stringify(request) });
  return { status: response.status, ...(await response.json()) };
}

async function all(iterable) {
  const found = [];
  for await (const item of iterable) found.push(item);
  return found;
}

describe("keys", () => {
  test("a stream belongs to the key that made it; to others it is not there", async () => {
    const { id } = await make(gateway, { headers: key(MINE) });
    for (const rest of ["", "/events", "/message"]) {
      assert.equal((await ask(`/v1/streams/${id}${rest}`, { headers: key(MINE) })).status, 200, rest);
      assert.equal((await ask(`/v1/streams/${id}${rest}`, { headers: { authorization: `Bearer ${OPERATOR}` } })).status, 200, rest);
      assert.equal((await ask(`/v1/streams/${id}${rest}`, { headers: key(OTHERS) })).status, 404, rest);
      for (const headers of [{}, key("nobody")]) assert.equal((await ask(`/v1/streams/${id}${rest}`, { headers })).status, 401, rest);
    }
    for (const method of ["POST", "DELETE"]) {
      const path = `/v1/streams/${id}${method === "POST" ? "/cancel" : ""}`;
      assert.equal((await ask(path, { method, headers: key(OTHERS) })).status, 404);
      assert.equal((await ask(path, { method })).status, 401);
    }
    const listed = async (headers) => (await (await ask("/v1/streams", { headers })).json()).data.map((stream) => stream.id);
    assert.ok((await listed(key(MINE))).includes(id));
    assert.ok(!(await listed(key(OTHERS))).includes(id));
  });

  test("the client throws what it is told", async () => {
    const { id } = await make(gateway, { headers: key(MINE) });
    await assert.rejects(all(attach(id, { base: gateway.url })), { status: 401, type: "authentication_error" });
    await assert.rejects(all(attach(id, { base: gateway.url, headers: key(OTHERS) })), { status: 404 });
    assert.equal((await all(attach(id, { base: gateway.url, headers: () => key(MINE) }))).at(-1).event, "perennial.terminal");
  });

  test("on the connection for many, and on a socket, each stream is asked for", async () => {
    const [mine, others] = [await make(gateway, { headers: key(MINE) }), await make(gateway, { headers: key(OTHERS) })];
    const streams = many([mine.id, others.id], { base: gateway.url, headers: key(MINE) });
    await all(streams);
    assert.equal(streams.errors.get(others.id)?.status, 404);
    assert.equal(streams.streams.get(mine.id).state, "completed");

    const socket = new WebSocket(`${gateway.url.replace("http", "ws")}/v1/ws`, { headers: key(MINE) });
    const message = new Promise((resolve) => socket.on("message", (text) => resolve(JSON.parse(text))));
    socket.on("open", () => socket.send(JSON.stringify({ op: "subscribe", stream: others.id })));
    assert.deepEqual([(await message).op, (await message).status], ["error", 404]);
    socket.terminate();
  });
});

describe("capabilities", () => {
  test("to read: the stream, on every face, without a key; not to stop it", async () => {
    const { id } = await make(gateway, { headers: key(MINE) });
    const { cap, url, expires_at } = await link(id, { scope: "read", expires_in: 60 });
    assert.equal(url, `/v1/streams/${id}/events?cap=${encodeURIComponent(cap)}`);
    assert.ok(Date.parse(expires_at) > Date.now());
    const frames = framesOf(await (await ask(url)).text());
    assert.equal(frames.at(-1).event, "perennial.terminal");
    assert.equal((await curl("-H", "accept: application/x-ndjson", `${gateway.url}${url}`)).status, 200);

    const stream = attach(id, { base: gateway.url, cap });
    assert.equal((await stream.finalMessage()).stop_reason, "end_turn");
    // One who comes after the end asks for the object and for the message too.
    const late = attach(id, { base: gateway.url, cap, after: stream.position });
    assert.equal((await late.finalMessage()).stop_reason, "end_turn");
    const streams = many([{ id, cap }], { base: gateway.url });
    assert.equal((await all(streams)).length, frames.length);

    await assert.rejects(stream.cancel(), (error) => error.status === 401 || error.status === 403 || error.status === 404);
    const refused = (await ask(`/v1/streams/${id}?cap=${cap}`, { method: "DELETE" })).status;
    assert.ok([401, 403, 404].includes(refused), String(refused));
  });

  test("to stop it", async () => {
    const { id } = await make(gateway, { headers: key(MINE), orders: STUCK });
    const { cap } = await link(id, { scope: "cancel", expires_in: 60 });
    const stream = attach(id, { base: gateway.url, cap });
    for await (const { event } of stream) if (event === "content_block_delta") await stream.cancel();
    assert.equal(stream.state, "cancelled");
  });

  test("of another stream, altered, or none", async () => {
    const [one, two] = [await make(gateway, { headers: key(MINE) }), await make(gateway, { headers: key(MINE) })];
    const { cap } = await link(one.id, { scope: "read", expires_in: 60 });
    const altered = cap.slice(0, -1) + (cap.endsWith("A") ? "B" : "A");
    for (const [id, bad] of [[two.id, cap], [one.id, altered], [one.id, cap.slice(0, 8)], [one.id, ""]]) {
      const { status } = await ask(`/v1/streams/${id}/events?cap=${encodeURIComponent(bad)}`);
      assert.ok([401, 403, 404].includes(status), `${status} for ${bad}`);
    }
    assert.equal((await link(one.id, { scope: "read", expires_in: 60 }, key(OTHERS))).status, 404);
    assert.equal((await link(one.id, { scope: "write" })).status, 400);
  });

  test("until it expires", async () => {
    const { id } = await make(gateway, { headers: key(MINE) });
    const { cap, expires_at } = await link(id, { scope: "read", expires_in: 1 });
    // What is waited for is the clock itself.
    await new Promise((resolve) => setTimeout(resolve, Math.max(0, Date.parse(expires_at) - Date.now()) + 50));
    const { status } = await ask(`/v1/streams/${id}/events?cap=${cap}`);
    assert.ok([401, 403, 404, 410].includes(status), String(status));
  });
});

describe("other origins", () => {
  const preflight = (origin, path, method, headers) => {
    const given = [`origin: ${origin}`, `access-control-request-method: ${method}`, `access-control-request-headers: ${headers}`];
    return curl("-X", "OPTIONS", ...given.flatMap((header) => ["-H", header]), `${gateway.url}${path}`);
  };

  test("a page that is on the list gets in", async () => {
    for (const [path, method, headers] of [
      ["/v1/streams", "POST", "anthropic-version,content-type,idempotency-key,x-api-key"],
      [`/v1/streams/strm_${"0".repeat(32)}/events`, "GET", "authorization,last-event-id"],
      [`/v1/streams/strm_${"0".repeat(32)}`, "DELETE", "x-api-key"],
    ]) {
      const answer = await preflight(PAGE, path, method, headers);
      assert.ok(answer.status === 200 || answer.status === 204, String(answer.status));
      assert.equal(answer.headers.get("access-control-allow-origin"), PAGE);
      assert.match(answer.headers.get("access-control-allow-methods"), new RegExp(method));
      const allowed = answer.headers.get("access-control-allow-headers").toLowerCase().split(/, */);
      for (const header of headers.split(",")) assert.ok(allowed.includes(header), `${header} in ${allowed}`);
    }
    const { id } = await make(gateway, { headers: { ...key(MINE), origin: PAGE } });
    const answer = await ask(`/v1/streams/${id}/events`, { headers: { ...key(MINE), origin: PAGE } });
    assert.equal(answer.headers.get("access-control-allow-origin"), PAGE);
    assert.match(answer.headers.get("vary") ?? "", /origin/i);
    await answer.text();
    // A refusal has to be readable too, or the page knows nothing.
    const refused = await ask(`/v1/streams/${id}/events`, { headers: { origin: PAGE } });
    assert.deepEqual([refused.status, refused.headers.get("access-control-allow-origin")], [401, PAGE]);
  });

  test("any other page does not", async () => {
    const { id } = await make(gateway, { headers: key(MINE) });
    for (const origin of ["https://evil.example", "https://app.example.evil.example", "http://app.example", "null"]) {
      const answer = await preflight(origin, "/v1/streams", "POST", "x-api-key");
      assert.equal(answer.headers.get("access-control-allow-origin"), undefined, origin);
      const read = await ask(`/v1/streams/${id}/events`, { headers: { ...key(MINE), origin } });
      assert.equal(read.headers.get("access-control-allow-origin"), null, origin);
    }
  });
});
