// The fold of perennial.js against what the official SDK makes of every recording.
//
// Members that are null are left out on both sides: the SDK writes every field it knows, we write what came. What else differs is listed with the
// reason; it is the same list as in crates/protocol/tests/fixtures.rs.

import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import { test } from "node:test";

import { EventParser, Fold } from "../../web/perennial.js";
import { ALL, SHARED } from "../typescript/recordings.mjs";
import { assertLinear } from "./linear.mjs";

/** Several messages in one body: the SDK writes the later ones into the first. Ours is the first. */
const SEVERAL = /^(tool_search-vercel-|own-events_after_message_stop$)/;

/** Tool input that was cut: the SDK hands out the part that parses as if it were the input. Ours keeps the text, marked. */
const INPUT_CUT = /^(tool_cut_by_max_tokens|own-tool_input_cut_by_max_tokens|sdkpy-incomplete_partial_json_response)$/;

/** Another message begins in the middle of the first: the SDK mixes both. */
const SPLICED = /^vercel-spliced_message_start$/;

/** Halves of characters that never became whole: JavaScript can hold them, and JSON writes them as they are. */
function comparable(value) {
  if (Array.isArray(value)) return value.map(comparable);
  if (typeof value === "string") return value.toWellFormed?.() ?? value;
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(([, member]) => member !== null && member !== undefined);
  // `from` is a word of Python.
  return Object.fromEntries(members.map(([name, member]) => [name === "from_" ? "from" : name, comparable(member)]));
}

function eventsOf(body) {
  return [...new EventParser().push(new TextEncoder().encode(body))].filter((block) => block.data !== null).map((block) => parsed(block.data));
}

function parsed(data) {
  try {
    return JSON.parse(data);
  } catch {
    return undefined;
  }
}

function fold(events) {
  const result = new Fold();
  const texts = events.map((event) => result.apply(event));
  assert.equal(texts.join(""), result.text);
  return result;
}

const absent = existsSync(SHARED) ? false : "the recorded streams are not here; set PERENNIAL_FIXTURES to their folder";
test("the recorded streams are here", { skip: absent }, () => assert.ok(ALL.length > 100));

for (const recording of ALL) {
  const title = `${recording.folder.split("/").pop()}/${recording.name}`;
  // Bodies that are cut before their last blank line: the SDK reads the last event all the same.
  const body = () => `${recording.body()}\n\n`;

  if (SEVERAL.test(recording.name)) {
    test(`${title}: the first message stands`, () => {
      const events = eventsOf(body());
      const first = events.slice(0, events.findIndex((event) => event?.type === "message_stop") + 1);
      assert.deepEqual(fold(events).message(), fold(first).message());
      assert.ok(fold(events).complete);
    });
  } else if (SPLICED.test(recording.name)) {
    test(`${title}: the first message stays cut`, () => {
      const spliced = fold(eventsOf(body()));
      assert.ok(!spliced.complete);
      assert.deepEqual(spliced.message().content[1].input, { INVALID_JSON: '{"value":"Spark' });
    });
  } else if (INPUT_CUT.test(recording.name)) {
    test(`${title}: input that was cut is marked`, () => {
      const calls = fold(eventsOf(body())).message().content.filter((block) => block.type === "tool_use");
      assert.equal(typeof calls.at(-1).input.INVALID_JSON, "string");
    });
  } else if (recording.expected) {
    test(title, () => {
      assert.deepEqual(comparable(fold(eventsOf(body())).message()), comparable(recording.expected));
    });
  }

  test(`${title}: every prefix can be asked`, () => {
    const events = eventsOf(body());
    const growing = new Fold();
    let text = "";
    for (const event of events.slice(0, 400)) {
      text += growing.apply(event);
      assert.equal(growing.text, text);
      assert.ok(Array.isArray(growing.message().content));
    }
  });
}

const START = { type: "message_start", message: { id: "msg_1", type: "message", role: "assistant", model: "m", content: [], stop_reason: null, usage: { input_tokens: 3, output_tokens: 1, cache_read_input_tokens: 5 } } };
const BLOCK = { type: "content_block_start", index: 0, content_block: { type: "text", text: "" } };
const delta = (text) => ({ type: "content_block_delta", index: 0, delta: { type: "text_delta", text } });

test("figures are totals: they overwrite, and null never erases one", () => {
  const usage = (figures) => ({ type: "message_delta", delta: { stop_reason: "end_turn", stop_sequence: null }, usage: figures });
  const { usage: known } = fold([START, usage({ output_tokens: 7, cache_read_input_tokens: null }), usage({ output_tokens: 9 })]);
  assert.deepEqual(known, { input_tokens: 3, output_tokens: 9, cache_read_input_tokens: 5 });
});

test("the fold changes no event", () => {
  const block = { ...BLOCK, content_block: { type: "text", text: "", citations: [] } };
  const events = [START, block, { type: "content_block_delta", index: 0, delta: { type: "citations_delta", citation: { type: "char_location" } } }, delta("x")];
  const before = structuredClone(events);
  const message = fold(events).message();
  assert.deepEqual(events, before);
  assert.deepEqual(message.content, [{ type: "text", text: "x", citations: [{ type: "char_location" }] }]);
});

test("an input that is not complete is marked, and a member named __proto__ is a member", () => {
  const call = { type: "content_block_start", index: 0, content_block: { type: "tool_use", id: "t", name: "n", input: {} } };
  const piece = (partial_json) => ({ type: "content_block_delta", index: 0, delta: { type: "input_json_delta", partial_json } });
  const open = fold([START, call, piece('{"__proto__": {"bad": 1}')]);
  assert.deepEqual(open.message().content[0].input, { INVALID_JSON: '{"__proto__": {"bad": 1}' });
  open.apply(piece("}"));
  open.apply({ type: "content_block_stop", index: 0 });
  assert.deepEqual(Object.keys(open.message().content[0].input), ["__proto__"]);
  const hostile = JSON.parse('{"type":"message_delta","delta":{"__proto__":{"bad":1}},"usage":{"__proto__":{"bad":1}}}');
  open.apply(hostile);
  assert.equal(open.message().bad, undefined);
  assert.equal({}.bad, undefined);
});

test("linear, also for one who looks at the text at every event", () => {
  const work = (count) => {
    const growing = new Fold();
    growing.apply(START);
    growing.apply(BLOCK);
    let length = 0;
    for (let number = 0; number < count; number++) {
      growing.apply(delta(`word ${number} `));
      length += growing.text.length;
    }
    assert.ok(length > count);
  };
  assertLinear(work, 50_000);
});
