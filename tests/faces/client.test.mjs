// What perennial.js does with every way in which an answer can go wrong, with answers made up here.
//
// The real gateway and real cuts are in node.test.mjs and in tests/browser; here is what neither of them does on demand.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { PerennialError, attach, create, many } from "../../web/perennial.js";
import { Backoff } from "../../web/perennial-patience.js";
import { withoutPauses } from "./pauses.mjs";

const ID = "strm_0199c0ffee0070008000000000000001";
const TERMINAL = 'event: perennial.terminal\ndata: {"type":"perennial.terminal","outcome":"completed","stop_reason":"end_turn","usage":{"output_tokens":2},"error":null}\n\n';
const delta = (text) => `event: content_block_delta\ndata: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"${text}"}}\n\n`;
const start = 'event: message_start\ndata: {"type":"message_start","message":{"id":"m","content":[],"usage":{"input_tokens":1}}}\n\n';
const block = 'event: content_block_start\ndata: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}\n\n';
const stop = 'event: message_stop\ndata: {"type":"message_stop"}\n\n';

/** A whole stream, event by event, with ids. */
const WHOLE = [start, block, delta("Hel"), delta("lo"), stop, TERMINAL].map((event, number) => `id: ${number + 2}.1\n${event}`);

const sse = (body, options) => new Response(body, { headers: { "content-type": "text/event-stream; charset=utf-8" }, ...options });
const refusal = (status, type, headers = {}) =>
  new Response(JSON.stringify({ type: "error", error: { type, message: "no" }, request_id: "req_1" }), { status, headers });

/** A body that breaks off. */
function broken(text) {
  const pull = (controller) => {
    controller.enqueue(new TextEncoder().encode(text));
    queueMicrotask(() => controller.error(new TypeError("terminated")));
  };
  return sse(new ReadableStream({ pull }, { highWaterMark: 0 }));
}

/** A body that says this and then nothing, until it is aborted. */
function silent(text, signal) {
  const began = (controller) => {
    controller.enqueue(new TextEncoder().encode(text));
    signal.addEventListener("abort", () => controller.error(signal.reason));
  };
  return sse(new ReadableStream({ start: began }));
}

/** A `fetch` that gives these answers, one after the other, and keeps what it was asked. */
function scripted(...answers) {
  const asked = [];
  const fetch = async (url, init) => {
    init.signal?.throwIfAborted();
    asked.push({ url: new URL(url), method: init.method ?? "GET", headers: init.headers, body: init.body });
    const answer = answers[asked.length - 1];
    if (!answer) throw new Error(`request ${asked.length} was not expected: ${url}`);
    if (answer instanceof Error) throw answer;
    return typeof answer === "function" ? answer(init) : answer;
  };
  return { fetch, asked, base: "http://gateway.test" };
}

// Pauses are drawn from here on: none.
Math.random = () => 0;

async function all(iterable) {
  const found = [];
  for await (const item of iterable) found.push(item);
  return found;
}

const idsOf = (events) => events.map((event) => event.id);
const IDS = ["2.1", "3.1", "4.1", "5.1", "6.1", "7.1"];

for (const [title, ...answers] of [
  ["a whole answer", sse(WHOLE.join(""))],
  ["a clean end before the terminal event", sse(WHOLE.slice(0, 3).join("")), sse(WHOLE.slice(3).join(""))],
  ["a connection that breaks in an event", broken(WHOLE.slice(0, 3).join("") + WHOLE[3].slice(0, -1)), sse(WHOLE.slice(3).join(""))],
  ["a refused connection", new TypeError("fetch failed"), new TypeError("fetch failed"), sse(WHOLE.join(""))],
  ["200 with retry and no event", sse("retry: 1\n\n"), sse(WHOLE.join(""))],
  ["200 without a byte", sse(""), sse(WHOLE.join(""))],
  ["429", refusal(429, "rate_limit_error", { "retry-after": "0" }), sse(WHOLE.join(""))],
  ["529", refusal(529, "overloaded_error"), sse(WHOLE.join(""))],
  ["502 with a page", new Response("<html>", { status: 502 }), sse(WHOLE.join(""))],
  ["a 400 that asks to come again", refusal(400, "api_error", { "x-should-retry": "true" }), sse(WHOLE.join(""))],
  ["the page of another network", new Response("<html>log in", { headers: { "content-type": "text/html" } }), sse(WHOLE.join(""))],
  ["a log that cannot be read now", sse(`${WHOLE[0]}event: perennial.broken\ndata: {"error":{"type":"api_error","message":"disk"}}\n\n`), sse(WHOLE.slice(1).join(""))],
  ["events that came before", sse(WHOLE.slice(0, 3).join("")), sse(WHOLE.join(""))],
  ["comments, and ids without data", sse(`: hi\n\n${WHOLE.slice(0, 2).join("")}id: 3.1\n\n`), sse(`:\n${WHOLE.slice(2).join("")}`)],
]) {
  test(`each event once and in order: ${title}`, async () => {
    const script = scripted(...answers);
    const stream = attach(ID, script);
    assert.deepEqual(idsOf(await all(stream)), IDS);
    assert.equal(script.asked.length, answers.length);
    assert.equal(stream.text, "Hello");
    assert.equal(stream.state, "completed");
    assert.equal(stream.position, "7.1");
    assert.deepEqual(stream.usage, { output_tokens: 2 });
    assert.equal(script.asked[0].url.href, `http://gateway.test/v1/streams/${ID}/events`);
    assert.equal(script.asked[0].headers.get("accept"), "text/event-stream");
  });
}

test("what was missed is asked for by the position of the last event", async () => {
  const script = scripted(broken(WHOLE.slice(0, 3).join("") + WHOLE[3].slice(0, -1)), sse(WHOLE.slice(3).join("")));
  await all(attach(ID, script));
  assert.deepEqual(script.asked.map(({ url }) => url.searchParams.get("after")), [null, "4.1"]);
});

for (const [status, type] of [[401, "authentication_error"], [403, "permission_error"], [404, "not_found_error"], [410, "gone_error"]]) {
  test(`${status} is an error at once`, async () => {
    await assert.rejects(all(attach(ID, scripted(refusal(status, type)))), (error) => {
      assert.ok(error instanceof PerennialError);
      assert.deepEqual([error.status, error.type, error.requestId, error.position], [status, type, "req_1", "0"]);
      return true;
    });
  });
}

test("a reader that has something else is told what is common", async () => {
  const diverged = 'event: perennial.diverged\ndata: {"type":"perennial.diverged","after":"9.1","last_common":"4.1"}\n\n';
  await assert.rejects(all(attach(ID, { ...scripted(sse(diverged)), after: "9.1" })), (error) => {
    assert.deepEqual([error.type, error.lastCommon, error.position], ["diverged", "4.1", "9.1"]);
    return true;
  });
});

test("an address where nobody is is given up, one where somebody was is not", async () => {
  const down = Array.from({ length: 9 }, () => new TypeError("fetch failed"));
  await assert.rejects(all(attach(ID, scripted(...down))), { type: "connection_error", position: "0" });
  const away = Array.from({ length: 50 }, () => new TypeError("fetch failed"));
  assert.equal((await all(attach(ID, scripted(sse(WHOLE[0]), ...away, sse(WHOLE.slice(1).join("")))))).length, 6);
  await assert.rejects(all(attach(ID, { ...scripted(sse(WHOLE[0]), ...away), maxFailures: 3 })), { type: "connection_error", position: "2.1" });
});

test("a connection that says nothing is dead; a reader that takes its time is not", async () => {
  const script = scripted(({ signal }) => silent(WHOLE.slice(0, 3).join(""), signal), sse(WHOLE.slice(3).join("")));
  const told = [];
  const stream = attach(ID, { ...script, maxSilence: 1000, onConnection: (connection) => told.push(connection) });
  const ids = [];
  for await (const event of stream) {
    ids.push(event.id);
    // Longer than the silence that is allowed: while nobody reads, nothing is late.
    if (event.id === "2.1") await new Promise((resolve) => setTimeout(resolve, 1500));
  }
  assert.deepEqual(ids, IDS);
  assert.deepEqual(told.map(({ state }) => state), ["connecting", "open", "waiting", "connecting", "open", "closed"]);
  assert.equal(told[2].error.type, "timeout_error");
});

test("a failing connection is told, with its reason and how long the pause is", async () => {
  const told = [];
  const script = scripted(refusal(503, "overloaded_error", { "retry-after-ms": "7" }), sse("retry: 3\n\n"), sse(WHOLE.join("")));
  await all(attach(ID, { ...script, onConnection: (connection) => told.push(connection) }));
  const pauses = told.filter(({ state }) => state === "waiting");
  assert.deepEqual(pauses.map(({ failures, delay, error }) => [failures, delay, error?.status]), [[1, 7, 503], [2, 3, undefined]]);
});

test("a pause is drawn from twice as long a time as the one before, up to a limit, and from the first after progress", () => {
  const backoff = new Backoff(100);
  Math.random = () => 1;
  try {
    assert.deepEqual(Array.from({ length: 8 }, () => backoff.next()), [500, 1000, 2000, 4000, 8000, 15_000, 15_000, 15_000]);
    backoff.progress();
    backoff.hint = 3000;
    assert.equal(backoff.next(), 3500);
  } finally {
    Math.random = () => 0;
  }
});

test("a network that comes back ends the pause, and the connection of the one before", async () => {
  const script = scripted(sse(`retry: 3600000\n\n${WHOLE[0]}`), ({ signal }) => silent(WHOLE[1], signal), sse(WHOLE.slice(2).join("")));
  const ids = [];
  await withoutPauses(async (onConnection) => {
    for await (const event of attach(ID, { ...script, onConnection })) {
      ids.push(event.id);
      if (event.id === "3.1") onConnection({ state: "waiting" });
    }
  });
  assert.deepEqual(ids, IDS);
});

test("a page that comes to the front ends the pause", async () => {
  globalThis.document = Object.assign(new EventTarget(), { visibilityState: "hidden" });
  try {
    const script = scripted(sse(`retry: 3600000\n\n${WHOLE[0]}`), sse(WHOLE.slice(1).join("")));
    const turn = (visibilityState) => {
      document.visibilityState = visibilityState;
      document.dispatchEvent(new Event("visibilitychange"));
    };
    const onConnection = ({ state }) => {
      if (state !== "waiting") return;
      setImmediate(() => (turn("hidden"), turn("visible")));
    };
    assert.deepEqual(idsOf(await all(attach(ID, { ...script, onConnection }))), IDS);
  } finally {
    delete globalThis.document;
  }
});

test("headers are asked for anew with each connection", async () => {
  let number = 0;
  const script = scripted(sse(WHOLE[0]), sse(WHOLE.slice(1).join("")));
  await all(attach(ID, { ...script, headers: async () => ({ authorization: `Bearer ${(number += 1)}` }) }));
  assert.deepEqual(script.asked.map(({ headers }) => headers.get("authorization")), ["Bearer 1", "Bearer 2"]);
});

test("a capability goes along with everything", async () => {
  const script = scripted(sse(WHOLE.join("")), new Response("{}"));
  const stream = attach(ID, { ...script, cap: "c&p" });
  await all(stream);
  await stream.cancel();
  assert.deepEqual(script.asked.map(({ url }) => url.searchParams.get("cap")), ["c&p", "c&p"]);
});

test("a signal ends the reading with its reason, in mid-stream, in a pause, and before", async () => {
  for (const answers of [[({ signal }) => silent(WHOLE[0], signal)], [sse("retry: 60000\n\n")], []]) {
    const controller = new AbortController();
    if (answers.length === 0) controller.abort("enough");
    const onConnection = ({ state }) => state === "waiting" && controller.abort("enough");
    const reading = (async () => {
      for await (const _ of attach(ID, { ...scripted(...answers), signal: controller.signal, onConnection })) controller.abort("enough");
    })();
    await assert.rejects(reading, (reason) => reason === "enough");
  }
});

test("a loop that was left is gone on with by the next", async () => {
  const script = scripted(sse(WHOLE.join("")), sse(WHOLE.slice(2).join("")));
  const stream = attach(ID, script);
  for await (const event of stream) if (event.id === "3.1") break;
  assert.deepEqual(idsOf(await all(stream)), IDS.slice(2));
  assert.equal(script.asked[1].url.searchParams.get("after"), "3.1");
  assert.deepEqual(await all(stream), []);
  assert.equal(script.asked.length, 2);
});

test("one loop at a time; the final message waits for it", async () => {
  const stream = attach(ID, scripted(sse(WHOLE.join(""))));
  const message = stream.finalMessage();
  await assert.rejects(all(stream), /attach once more/);
  assert.deepEqual((await message).content, [{ type: "text", text: "Hello" }]);
});

describe("only a whole answer ends well", () => {
  const ended = (outcome, error = null) => TERMINAL.replace('"completed"', `"${outcome}"`).replace('"error":null', `"error":${JSON.stringify(error)}`);
  for (const [outcome, error, type] of [
    ["cancelled", { type: "api_error", message: "the stream was cancelled" }, "cancelled"],
    ["interrupted", null, "interrupted"],
    ["failed", null, "failed"],
    ["failed", { type: "overloaded_error", message: "Overloaded" }, "overloaded_error"],
  ]) {
    test(type, async () => {
      const body = [...WHOLE.slice(0, 3), `id: 7.1\n${ended(outcome, error)}`].join("");
      const wanted = (thrown) => {
        assert.deepEqual([thrown.type, thrown.partial.content, thrown.position], [type, [{ type: "text", text: "Hel" }], "7.1"]);
        return true;
      };
      await assert.rejects(attach(ID, scripted(sse(body))).finalMessage(), wanted);
      const texts = [];
      const reading = async () => {
        for await (const text of attach(ID, scripted(sse(body))).textStream()) texts.push(text);
      };
      await assert.rejects(reading(), wanted);
      assert.deepEqual(texts, ["Hel"]);
      const stream = attach(ID, scripted(sse(body)));
      assert.equal((await all(stream)).length, 4);
      assert.equal(stream.outcome.type, outcome);
    });
  }
});

test("the text as it comes", async () => {
  assert.deepEqual(await all(attach(ID, scripted(sse(WHOLE.join("")))).textStream()), ["Hel", "lo"]);
});

test("one who began in the middle gets the whole message from the gateway", async () => {
  const script = scripted(sse(WHOLE.slice(3).join("")), Response.json({ id: "m", content: ["whole"] }));
  const message = await attach(ID, { ...script, after: "4.1" }).finalMessage();
  assert.deepEqual(message.content, ["whole"]);
  assert.equal(script.asked[1].url.pathname, `/v1/streams/${ID}/message`);
});

test("one who has everything is told so by 204, and asks how it ended", async () => {
  const object = { state: "failed", outcome: { type: "failed", stop_reason: null, error: { type: "api_error", message: "no" } }, usage: { output_tokens: 5 } };
  const stream = attach(ID, { ...scripted(new Response(null, { status: 204 }), Response.json(object)), after: "7.1" });
  assert.deepEqual(await all(stream), []);
  assert.deepEqual([stream.state, stream.outcome, stream.usage], ["failed", object.outcome, object.usage]);
  await assert.rejects(stream.finalMessage(), { type: "api_error" });
});

test("a stream is made once, whatever becomes of the requests for it", async () => {
  const made = Response.json({ id: ID, type: "stream", state: "running" }, { status: 201 });
  const script = scripted(new TypeError("fetch failed"), refusal(529, "overloaded_error"), made, sse(WHOLE.join("")));
  const stream = await create({ model: "m" }, { ...script, headers: { "x-api-key": "k" } });
  assert.equal((await stream.finalMessage()).id, "m");
  const keys = script.asked.slice(0, 3).map(({ headers }) => headers.get("idempotency-key"));
  assert.match(keys[0], /^[0-9a-f]{32}$/);
  assert.deepEqual(new Set(keys).size, 1);
  assert.deepEqual(script.asked.map(({ method }) => method), ["POST", "POST", "POST", "GET"]);
  assert.equal(script.asked[0].headers.get("x-api-key"), "k");
  assert.equal(script.asked[0].body, '{"model":"m"}');
});

test("what is wrong with a request is said at once", async () => {
  const script = scripted(refusal(409, "invalid_request_error"));
  await assert.rejects(create({}, { ...script, idempotencyKey: "mine" }), { status: 409 });
  assert.equal(script.asked[0].headers.get("idempotency-key"), "mine");
  assert.throws(() => attach(ID).urlTo(""), /say where the gateway is/);
});

describe("many", () => {
  const other = "strm_0199c0ffee0070008000000000000002";
  const line = (stream, event) => {
    const [, id, name, data] = /^id: (.*)\nevent: (.*)\ndata: (.*)\n\n$/.exec(event);
    return `id: whatever\ndata: {"stream":"${stream}","id":"${id}","time":1,"event":"${name}","data":${data}}\n\n`;
  };
  const both = WHOLE.flatMap((event) => [line(ID, event), line(other, event)]);
  const streamsOf = ({ url }) => url.searchParams.get("streams");

  test("each event of each stream once, over one connection at a time", async () => {
    const script = scripted(broken(both.slice(0, 5).join("")), sse(both.slice(5, 8).join("")), sse(both.slice(8).join("")));
    const streams = many([ID, other], script);
    const events = await all(streams);
    for (const id of [ID, other]) assert.deepEqual(idsOf(events.filter(({ stream }) => stream === id)), IDS);
    assert.deepEqual(script.asked.map(streamsOf), [`${ID}:0,${other}:0`, `${ID}:4.1,${other}:3.1`, `${ID}:5.1,${other}:5.1`]);
    assert.equal(streams.streams.get(other).text, "Hello");
    assert.equal(streams.streams.get(ID).state, "completed");
  });

  test("one that is added or removed while others run", async () => {
    const script = scripted(
      ({ signal }) => silent(line(ID, WHOLE[0]), signal),
      ({ signal }) => silent(line(other, WHOLE[0]), signal),
      sse(WHOLE.slice(1).map((event) => line(other, event)).join("")),
    );
    const streams = many([ID], script);
    const seen = [];
    for await (const { stream, id } of streams) {
      seen.push(`${stream === ID ? "a" : "b"}${id}`);
      if (seen.length === 1) streams.add(other, { cap: "c" });
      if (seen.length === 2) streams.remove(ID);
    }
    assert.deepEqual(seen, ["a2.1", "b2.1", "b3.1", "b4.1", "b5.1", "b6.1", "b7.1"]);
    assert.deepEqual(script.asked.map(streamsOf), [`${ID}:0`, `${ID}:2.1,${other}:0:c`, `${other}:2.1:c`]);
  });

  test("one that is not there does not end the others", async () => {
    const missing = `data: {"stream":"${other}","event":"perennial.error","data":{"type":"perennial.error","status":404,"error":{"type":"not_found_error","message":"no"}}}\n\n`;
    const streams = many([ID, other], scripted(sse(missing + WHOLE.map((event) => line(ID, event)).join(""))));
    assert.equal((await all(streams)).length, 7);
    assert.equal(streams.errors.get(other).status, 404);
    assert.equal(streams.streams.get(ID).state, "completed");
  });

  test("with keepOpen the loop waits for more, until it is closed", async () => {
    const script = scripted(sse(WHOLE.map((event) => line(ID, event)).join("")), sse(WHOLE.map((event) => line(other, event)).join("")));
    const streams = many([], { ...script, keepOpen: true });
    const seen = [];
    const reading = (async () => {
      for await (const { stream, event } of streams) {
        if (event !== "perennial.terminal") continue;
        seen.push(stream);
        if (stream === ID) streams.add(other);
        else streams.close();
      }
    })();
    streams.add(ID);
    await reading;
    assert.deepEqual(seen, [ID, other]);
  });

  test("all of them ended before", async () => {
    const object = { state: "completed", outcome: { type: "completed", stop_reason: "end_turn", error: null }, usage: null };
    const streams = many([{ id: ID, after: "7.1" }], scripted(new Response(null, { status: 204 }), Response.json(object)));
    assert.deepEqual(await all(streams), []);
    assert.equal(streams.streams.get(ID).state, "completed");
  });

  test("no more than the gateway takes", () => {
    const ids = Array.from({ length: 65 }, (_, number) => `strm_${number}`);
    assert.throws(() => many(ids), RangeError);
  });
});
