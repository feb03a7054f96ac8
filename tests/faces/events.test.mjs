// The parser of perennial.js: any pieces give the same events, nothing of a cut one, in linear time.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";

import { EventParser } from "../../web/perennial.js";
import { ALL, OWN } from "../typescript/recordings.mjs";
import { assertLinear } from "./linear.mjs";
import { seeded } from "./seeds.mjs";

/** The blocks of a body that comes in these pieces. */
function blocks(pieces) {
  const parser = new EventParser();
  const found = [];
  for (const piece of pieces) for (const block of parser.push(piece)) found.push(block);
  return found;
}

const bytes = (text) => new TextEncoder().encode(text);
const block = (data, { id = undefined, event = "message" } = {}) => ({ id, event, data });

function pieces(body, sizes) {
  const all = [];
  for (let at = 0; at < body.length; ) {
    const size = sizes();
    all.push(body.subarray(at, at + size));
    at += size;
  }
  return all;
}

/** As the specification of HTML words it, line by line over the whole text: slow, and nothing shared with the parser. */
function plainly(body) {
  const text = new TextDecoder().decode(body);
  const found = [];
  let [id, event, data] = [undefined, "", null];
  const lines = text.split(/\r\n|\n|\r/);
  // What follows the last line end is not a line.
  for (const line of lines.slice(0, -1)) {
    if (line === "") {
      if (data !== null || id !== undefined) found.push({ id, event: event || "message", data: data?.join("\n") ?? null });
      [id, event, data] = [undefined, "", null];
      continue;
    }
    const [, field, value] = /^([^:]*)(?:: ?)?([^]*)$/.exec(line);
    if (field === "id") id = value;
    if (field === "event") event = value;
    if (field === "data") (data ??= []).push(value);
  }
  return found;
}

for (const [title, text, expected] of [
  ["LF", "data: a\n\ndata: b\n\n", [block("a"), block("b")]],
  ["CR", "data: a\r\rdata: b\r\r", [block("a"), block("b")]],
  ["CRLF", "data: a\r\n\r\ndata: b\r\n\r\n", [block("a"), block("b")]],
  ["line ends mixed", "data: a\r\ndata: b\r\n\rdata: c\n\r", [block("a\nb"), block("c")]],
  ["all fields", "id: 5.1\nevent: ping\ndata: x\n\n", [block("x", { id: "5.1", event: "ping" })]],
  ["no blank after the colon", "id:5.1\ndata:x\n\n", [block("x", { id: "5.1" })]],
  ["one blank is taken off, not two", "data:  x\n\n", [block(" x")]],
  ["a field without a colon", "data\n\n", [block("")]],
  ["several lines of data", "data: a\ndata:\ndata: b\n\n", [block("a\n\nb")]],
  ["comments and unknown fields", ": hi\nfoo: bar\ndata: x\n:\n\n", [block("x")]],
  ["a name without data is no event", "event: ping\n\ndata: x\n\n", [block("x")]],
  ["an id without data moves the position", "id: 7.1\n\n", [block(null, { id: "7.1" })]],
  ["an id with NUL is none", "id: 7\0\ndata: x\n\n", [block("x")]],
  ["an id is of its own event only", "id: 7.1\ndata: x\n\ndata: y\n\n", [block("x", { id: "7.1" }), block("y")]],
  ["a byte order mark", "\ufeffdata: x\n\n", [block("x")]],
  ["cut before the blank line", "data: a\n\ndata: b\n", [block("a")]],
  ["cut in a line", "data: a\n\ndata: b", [block("a")]],
]) {
  test(title, () => {
    const body = bytes(text);
    assert.deepEqual(blocks([body]), expected);
    assert.deepEqual(blocks(pieces(body, () => 1)), expected);
    for (let cut = 0; cut <= body.length; cut++) assert.deepEqual(blocks([body.subarray(0, cut), body.subarray(cut)]), expected, `cut at ${cut}`);
  });
}

test("retry: is a number or nothing", () => {
  for (const [text, expected] of [["retry: 250\n", 250], ["retry: 2s\n", undefined], ["retry:\n", undefined]]) {
    const parser = new EventParser();
    assert.deepEqual([...parser.push(bytes(text))], []);
    assert.equal(parser.retry, expected);
  }
});

test("any pieces of any recording give the same events", (context) => {
  const { between, pick } = seeded(context);
  for (const recording of ALL) {
    const body = readFileSync(join(recording.folder, `${recording.name}.sse`));
    const expected = plainly(body);
    for (const most of [1, 3, 64, 4096]) {
      assert.deepEqual(blocks(pieces(body, () => between(1, most))), expected, `${recording.name} in pieces of up to ${most} bytes`);
    }
    const crlf = bytes(body.toString().replaceAll(/\r?\n/g, pick(["\r\n", "\r"])));
    assert.deepEqual(blocks(pieces(crlf, () => between(1, 9))), plainly(crlf), recording.name);
  }
});

test("of a body that is cut anywhere, only whole events", () => {
  const body = readFileSync(join(OWN, "text_multibyte.sse"));
  const whole = blocks([body]);
  for (let cut = 0; cut < body.length; cut++) {
    const some = blocks([body.subarray(0, cut)]);
    assert.deepEqual(some, whole.slice(0, some.length), `cut at ${cut}`);
  }
});

for (const [title, body, size] of [
  ["one long line in small pieces", (units) => bytes(`data: ${"x".repeat(units)}\n\n`), 16],
  ["many events in one piece", (units) => bytes("data: {}\n\n".repeat(units / 10)), Infinity],
  ["one event of many lines", (units) => bytes(`${"data: x\n".repeat(units / 8)}\n`), 1000],
  ["a CR far away from many LFs", (units) => bytes(`${"data: x\n\n".repeat(units / 9)}:\r`), Infinity],
]) {
  test(`linear: ${title}`, () => {
    const bodies = new Map();
    const work = (units) => {
      if (!bodies.has(units)) bodies.set(units, pieces(body(units), () => size));
      blocks(bodies.get(units));
    };
    assertLinear(work, 100_000);
  });
}
