// Every face with curl: what is on it, and that what one gets from any position on is what everybody gets from there on, byte for byte.

import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Fold } from "../../web/perennial.js";
import { curl } from "./curl.mjs";
import { startGate } from "./gate.mjs";
import { BODY, INSTANT, STUCK, framesOf, make, neverMade, startGateway, textOf, wholeEvents } from "./gateway.mjs";
import { seeded } from "./seeds.mjs";

const NDJSON = ["-H", "accept: application/x-ndjson"];
const TEXT = ["-H", "accept: text/plain"];

let gateway;
before(async () => (gateway = await startGateway()));
after(() => gateway?.stop());

const path = (id, rest = "") => `${gateway.url}/v1/streams/${id}${rest}`;
const linesOf = (body) => body.split("\n").filter(Boolean).map((line) => ({ line: `${line}\n`, ...JSON.parse(line) }));
const sequence = (position) => Number.parseInt(position, 10);

/** An ended stream and what its faces say as a whole. */
async function ended(orders = INSTANT, body = BODY) {
  const { id } = await make(gateway, { orders, body });
  const frames = framesOf(await wholeEvents(gateway, id));
  const [ndjson, text] = await Promise.all([curl(...NDJSON, path(id, "/events")), curl(...TEXT, path(id, "/events"))]);
  return { id, frames, lines: linesOf(ndjson.body), text: text.body };
}

describe("faces", () => {
  test("all of them say the same", async () => {
    const { id, frames, lines, text } = await ended();
    assert.equal(frames.at(-1).event, "perennial.terminal");
    assert.equal(frames.filter(({ event }) => event === "perennial.terminal").length, 1);
    assert.deepEqual(lines.map(({ id, event, data }) => ({ id, event, data })), frames.map(({ id, event, data }) => ({ id, event, data: JSON.parse(data) })));
    assert.ok(text.length > 40);
    assert.equal(text, textOf(frames));

    const message = await curl(path(id, "/message"));
    assert.equal(message.headers.get("perennial-state"), "completed");
    const fold = new Fold();
    for (const { data } of frames) fold.apply(JSON.parse(data));
    assert.deepEqual(JSON.parse(message.body), fold.message());
  });

  test("the query says what no header can", async () => {
    const { id, frames, text } = await ended();
    const [sse, ndjson, plain] = await Promise.all(["sse", "ndjson", "text"].map((format) => curl(path(id, `/events?format=${format}`))));
    assert.deepEqual(framesOf(sse.body), frames);
    assert.match(ndjson.headers.get("content-type"), /^application\/x-ndjson/);
    assert.match(plain.headers.get("content-type"), /^text\/plain/);
    assert.equal(plain.body, text);
  });

  test("a stream that is read while it is written is what it is afterwards", async () => {
    const { id } = await make(gateway, { orders: "ttft=50ms,tps=200; tokens=100" });
    const [sse, ndjson, text] = await Promise.all([curl(path(id, "/events")), curl(...NDJSON, path(id, "/events")), curl(...TEXT, "-H", "te: trailers", path(id, "/events"))]);
    assert.deepEqual(framesOf(sse.body), framesOf(await wholeEvents(gateway, id)));
    assert.equal(ndjson.body, (await curl(...NDJSON, path(id, "/events"))).body);
    assert.equal(text.body, textOf(framesOf(sse.body)));
    assert.equal(text.code, 0);
    assert.equal(text.headers.get("perennial-position"), framesOf(sse.body).at(-1).id, "the trailer says where it ended");
    assert.equal(text.headers.get("perennial-stop-reason"), "end_turn");
  });

  test("the drop-in says which stream its answer is", async () => {
    const given = ["-H", "content-type: application/json", "-H", "anthropic-version: 2026-10-21", "-H", `perennial-sim: ${INSTANT}`];
    const streamed = await curl(...given, "-d", JSON.stringify({ ...BODY, stream: true }), `${gateway.url}/v1/messages`);
    const frames = framesOf(await wholeEvents(gateway, streamed.headers.get("perennial-stream")));
    const verbatim = frames.filter(({ event }) => !event.startsWith("perennial.")).map(({ frame }) => frame.replace(/^id: .*\n/, ""));
    assert.equal(streamed.body, verbatim.join(""));

    const whole = await curl(...given, "-d", JSON.stringify(BODY), `${gateway.url}/v1/messages`);
    const message = await curl(path(whole.headers.get("perennial-stream"), "/message"));
    assert.deepEqual(JSON.parse(message.body), JSON.parse(whole.body));
  });

  test("text that is not whole breaks off", async () => {
    const { id } = await make(gateway, { orders: "pace=instant; tokens=60; error=overloaded_error@event=15" });
    const { code, status, body } = await curl(...TEXT, path(id, "/events"));
    assert.equal(status, 200);
    assert.notEqual(code, 0);
    assert.equal(body, textOf(framesOf(await wholeEvents(gateway, id))));
    assert.notEqual(body, "");
  });
});

describe("from any position on, what everybody gets", () => {
  for (const [title, orders, sample] of [
    ["a small stream, every position", "pace=instant; tokens=12", Infinity],
    ["a larger one, some positions", "pace=instant; tokens=2000", 25],
    ["one that failed", "pace=instant; tokens=60; error=overloaded_error@event=15", Infinity],
  ]) {
    test(title, async (context) => {
      const { between } = seeded(context);
      const { id, frames, lines } = await ended(orders);
      const last = sequence(frames.at(-1).id);
      const every = Array.from({ length: last }, (_, position) => position);
      const chosen = sample >= last ? every : Array.from({ length: sample }, () => between(0, last - 1));
      for (const position of chosen) {
        const rest = frames.filter((frame) => sequence(frame.id) > position);
        const named = frames.find((frame) => sequence(frame.id) === position)?.id ?? String(position);
        const [byQuery, byHeader, byNumber, ndjson, text, poll] = await Promise.all([
          curl(path(id, `/events?after=${named}`)),
          curl("-H", `last-event-id: ${named}`, path(id, "/events?after=0")),
          curl(path(id, `/events?after=${position}`)),
          curl(...NDJSON, path(id, `/events?after=${named}`)),
          curl(...TEXT, path(id, `/events?after=${named}`)),
          curl(path(id, `/events?after=${named}&live=poll`)),
        ]);
        for (const { body } of [byQuery, byHeader, byNumber]) {
          assert.equal(body.slice(body.indexOf("id: ")), rest.map(({ frame }) => frame).join(""), `after ${named}`);
        }
        const restOfLines = lines.filter((line) => sequence(line.id) > position).map(({ line }) => line).join("");
        assert.equal(ndjson.body, restOfLines, `lines after ${named}`);
        assert.ok(restOfLines.startsWith(poll.body) && poll.body !== "", `poll after ${named}`);
        assert.equal(text.body, textOf(rest), `text after ${named}`);
      }
    });
  }
});

describe("long poll", () => {
  let gate, behind;
  before(async () => {
    gate = await startGate();
    behind = await startGateway("--upstream", gate.url, "--upstream-key", "nobody-looks-at-it");
  });
  after(async () => {
    await behind?.stop();
    await gate?.stop();
  });

  for (const face of [NDJSON, ["-H", "accept: text/event-stream"], TEXT]) {
    test(`in pieces, ${face[1]}`, async () => {
      // Eight events at a time: the next ones come when these have been polled.
      let events = 8;
      const { headers, open } = gate.hold(events);
      const { id } = await make(behind, { orders: "pace=instant; tokens=200", headers });
      const of = (rest) => `${behind.url}/v1/streams/${id}${rest}`;
      const pieces = [];
      let position = "0";
      for (;;) {
        const { status, headers, body } = await curl(...face, of(`/events?live=poll&after=${position}`));
        if (status === 204) break;
        assert.equal(status, 200);
        pieces.push(body);
        position = headers.get("perennial-position");
        assert.match(headers.get("perennial-state"), /^(running|completed)$/);
        open((events += 8));
      }
      assert.ok(pieces.length > 3);
      const whole = await curl(...face, of("/events"));
      const strip = (body) => body.replaceAll(/^retry: \d+\n\n/gm, "");
      assert.equal(strip(pieces.join("")), strip(whole.body));
    });
  }

  test("does not wait where it is told so", async () => {
    const { id } = await make(gateway, { orders: STUCK });
    let position = "0";
    // The upstream is stuck after six events; what comes until then comes in any pieces.
    for (let body = "more"; body !== ""; ) {
      const answer = await curl(path(id, `/events?live=poll&after=${position}&wait=1`));
      assert.equal(answer.status, 200);
      body = answer.body;
      if (body === "") assert.equal(answer.headers.get("perennial-position"), position);
      position = answer.headers.get("perennial-position");
    }
    const { status, body } = await curl(path(id, `/events?live=poll&after=${position}&wait=0`));
    assert.deepEqual([status, body], [200, ""]);
    assert.equal((await curl("-X", "POST", path(id, "/cancel"))).status, 200);
  });
});

describe("many streams", () => {
  const eventsOf = (body) => framesOf(body).map(({ id, data }) => ({ vector: id, ...JSON.parse(data) }));
  const many = (streams, ...args) => curl(...args, `${gateway.url}/v1/events?streams=${streams}`);

  test("each of them whole, and resumed by the positions of all", async (context) => {
    const { between } = seeded(context);
    const streams = await Promise.all([ended(), ended("pace=instant; tokens=100"), ended("pace=instant; error=api_error@event=6")]);
    const query = streams.map(({ id }) => `${id}:0`).join(",");
    const events = eventsOf((await many(query)).body);
    const mine = (events, id) => events.filter(({ stream }) => stream === id).map(({ id, event, data }) => ({ id, event, data }));
    for (const { id, lines } of streams) assert.deepEqual(mine(events, id), lines.map(({ id, event, data }) => ({ id, event, data })));

    const positions = Object.fromEntries(streams.map(({ id }) => [id, "0"]));
    for (const { vector, stream, id } of events) {
      positions[stream] = id;
      assert.equal(vector, streams.map((one) => positions[one.id]).join(","));
    }

    for (let round = 0; round < 15; round++) {
      const { vector } = events[between(0, events.length - 2)];
      const rest = eventsOf((await many(query, "-H", `last-event-id: ${vector}`)).body);
      for (const [index, { id, lines }] of streams.entries()) {
        const from = sequence(vector.split(",")[index]);
        assert.deepEqual(mine(rest, id).map(({ id }) => id), lines.filter((line) => sequence(line.id) > from).map(({ id }) => id));
      }
    }
    assert.equal((await many(query, "-H", `last-event-id: ${events.at(-1).vector}`)).status, 204);
  });

  test("one that is not there has a line, and the others go on", async () => {
    const { id, lines } = await ended();
    const missing = neverMade();
    const { body } = await many(`${missing}:0,${id}:0`);
    const datas = [...body.matchAll(/^data: (.*)$/gm)].map(([, data]) => JSON.parse(data));
    const error = datas.find(({ stream }) => stream === missing);
    assert.deepEqual([error.event, error.data.status, error.data.error.type], ["perennial.error", 404, "not_found_error"]);
    assert.equal(datas.filter(({ stream }) => stream === id).length, lines.length);
  });
});

describe("the resource", () => {
  test("object, list, cancel, delete", async () => {
    const made = await make(gateway, { orders: STUCK });
    const get = async (rest = "", ...args) => {
      const { status, body } = await curl(...args, path(made.id, rest));
      return { status, body: body === "" ? null : JSON.parse(body) };
    };
    assert.match(made.id, /^strm_[0-9a-f]{32}$/);
    assert.equal((await get()).body.state, "running");
    assert.equal((await get("/message")).status, 200);

    const cancelled = await get("/cancel", "-X", "POST");
    assert.deepEqual([cancelled.status, cancelled.body.id], [200, made.id]);
    const frames = framesOf(await wholeEvents(gateway, made.id));
    assert.deepEqual(frames.slice(-2).map(({ event }) => event), ["perennial.cancel", "perennial.terminal"]);
    const { body } = await get();
    assert.deepEqual([body.state, body.outcome.type, body.position, body.readers], ["cancelled", "cancelled", frames.at(-1).id, 0]);
    assert.deepEqual((await get("/cancel", "-X", "POST")).body, body);

    const listed = JSON.parse((await curl(`${gateway.url}/v1/streams?limit=100`)).body);
    assert.ok(listed.data.some(({ id }) => id === made.id));

    assert.equal((await get("", "-X", "DELETE")).status, 204);
    for (const rest of ["", "/events", "/message"]) assert.equal((await curl(path(made.id, rest))).status, 410, rest);
    assert.equal((await get("/cancel", "-X", "POST")).status, 410);
  });

  test("what never was is 404, with an error body", async () => {
    const { status, body, headers } = await curl(path(neverMade(), "/events"));
    assert.deepEqual([status, JSON.parse(body).error.type], [404, "not_found_error"]);
    assert.ok(headers.get("request-id"));
    for (const id of ["strm_1", "nonsense", "strm_..%2f..%2fx"]) assert.equal((await curl(path(id))).status, 400, id);
  });

  test("after the end there is nothing: 204", async () => {
    const { id, frames } = await ended();
    const last = frames.at(-1).id;
    assert.equal((await curl(path(id, `/events?after=${last}`))).status, 204);
    assert.equal((await curl("-H", `last-event-id: ${last}`, path(id, "/events"))).status, 204);
    assert.equal((await curl(path(id, `/events?after=${last}&live=poll`))).status, 204);
  });

  test("a position that this stream does not have is said to be none", async () => {
    const { id, frames } = await ended();
    const { id: last } = frames.at(-1);
    const [number, epoch] = last.split(".").map(Number);
    for (const position of [`${number}.${epoch + 1}`, `${number + 5}.${epoch}`]) {
      const { status, body } = await curl("-H", `last-event-id: ${position}`, path(id, "/events"));
      assert.equal(status, 200);
      assert.doesNotMatch(body, /^id: /m);
      const data = JSON.parse(/^event: perennial\.diverged\ndata: (.*)$/m.exec(body)[1]);
      assert.deepEqual([data.type, data.after], ["perennial.diverged", position]);
      assert.match(data.last_common, /^\d+\.\d+$/);
      for (const face of [NDJSON, TEXT]) assert.equal((await curl(...face, path(id, `/events?after=${position}`))).status, 412, face[1]);
    }
  });

  test("a request that is repeated makes no second stream", async () => {
    const post = (key, body) => {
      const given = ["content-type: application/json", "anthropic-version: 2026-10-21", `perennial-sim: ${INSTANT}`, `idempotency-key: ${key}`];
      return curl(...given.flatMap((header) => ["-H", header]), "-d", JSON.stringify(body), `${gateway.url}/v1/streams`);
    };
    const first = await post("once", BODY);
    const again = await post("once", BODY);
    assert.deepEqual([first.status, again.status], [201, 200]);
    assert.equal(JSON.parse(again.body).id, JSON.parse(first.body).id);
    assert.equal(first.headers.get("location"), `/v1/streams/${JSON.parse(first.body).id}`);
    assert.equal((await post("once", { ...BODY, max_tokens: 7 })).status, 409);
    assert.equal((await post("another", BODY)).status, 201);
  });
});
