// The official TypeScript SDK through the gateway: every recording, both ways of asking, errors, cancel.

import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";

import { start } from "./command.mjs";
import { ALL, OWN, SHARED } from "./recordings.mjs";

const REQUEST = { max_tokens: 1024, messages: [{ role: "user", content: "Go on." }] };
const MODEL = "claude-sonnet-4-5";

/** Streams that this SDK refuses where the Python SDK writes a second message into the first, with or without us. */
const REFUSED = /^(vercel-duplicate_message_start|vercel-spliced_message_start)/;

/** Streams with events after message_stop: nobody gets them; the Python SDK alone would go on writing. */
const GOES_ON = /^(tool_search-vercel-|own-events_after_message_stop)/;

/** Tool input that was cut: the SDKs hand out the part that parses as if it were the input; our fold keeps it as text, not executable. */
const INPUT_CUT = /^(tool_cut_by_max_tokens|own-tool_input_cut_by_max_tokens|sdkpy-incomplete_partial_json_response)$/;

/** Another message begins in the middle of the first, which thereby never ends. */
const NEVER_ENDS = /^vercel-spliced_message_start$/;

/** Streams that end before message_stop, or hold what is no JSON: the gateway's error event makes an error of them. */
const CUT = /^(cut_|own-truncated_|own-bad_json_data|own-no_message_start)/;

const servers = new Map();
after(() => Promise.all([...servers.values()].map(async (server) => (await server).stop())));

function server(folder) {
  if (!servers.has(folder)) servers.set(folder, start("serve", "--replay", folder));
  return servers.get(folder);
}

async function client(folder = OWN, orders = "pace=instant", options = {}) {
  const { url } = await server(folder);
  const defaultHeaders = { "perennial-recovery": "off", "perennial-sim": orders, ...options.defaultHeaders };
  return new Anthropic({ apiKey: "test-key", baseURL: url, maxRetries: 0, timeout: 120_000, ...options, defaultHeaders });
}

/**
 * What both SDKs agree on: Python writes absent members as null and `from` as `from_`, since that is a word of the language;
 * `parsed_output` is TypeScript's own.
 */
function comparable(value) {
  if (Array.isArray(value)) return value.map(comparable);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(([name, member]) => member !== null && member !== undefined && name !== "parsed_output");
  return Object.fromEntries(members.map(([name, member]) => [name === "from_" ? "from" : name, comparable(member)]));
}

/** What this SDK makes of the first message of a recording, without any server. */
async function firstMessage(recording) {
  const body = recording.body();
  const end = body.indexOf("\n\n", body.indexOf("event: message_stop")) + 2;
  const fetch = async () => new Response(body.slice(0, end), { headers: { "content-type": "text/event-stream" } });
  return new Anthropic({ apiKey: "none", fetch }).beta.messages.stream({ model: "m", ...REQUEST }).finalMessage();
}

/** The expected message with each tool's input as the text that came. */
function inputsKeptAsText(recording) {
  const lines = recording.body().split("\n").filter((line) => line.startsWith("data:"));
  const deltas = lines.map((line) => JSON.parse(line.slice(5))).filter((event) => event.type === "content_block_delta");
  const expected = structuredClone(recording.expected);
  for (const [index, block] of expected.content.entries()) {
    const text = deltas.filter((event) => event.index === index).map((event) => event.delta.partial_json).join("");
    if (block.type === "tool_use") block.input = { INVALID_JSON: text };
  }
  return expected;
}

async function expectedOf(recording, { folded }) {
  if (GOES_ON.test(recording.name)) return comparable(await firstMessage(recording));
  if (folded && INPUT_CUT.test(recording.name)) return comparable(inputsKeptAsText(recording));
  return comparable(recording.expected);
}

const absent = existsSync(SHARED) ? false : "the recorded streams are not here; set PERENNIAL_FIXTURES to their folder";
test("the recorded streams are here", { skip: absent }, () => assert.ok(ALL.length > 100));

for (const recording of ALL) {
  const title = `${recording.folder.split("/").pop()}/${recording.name}`;
  const stream = async () => (await client(recording.folder)).beta.messages.stream({ model: recording.model, ...REQUEST }).finalMessage();
  const create = async () => (await client(recording.folder)).beta.messages.create({ model: recording.model, ...REQUEST });

  if (CUT.test(recording.name) || !recording.expected) {
    test(`${title}: an error, stream`, async () => {
      await assert.rejects(stream(), recording.expected === null && !CUT.test(recording.name) ? Error : Anthropic.APIError);
    });
  } else if (REFUSED.test(recording.name)) {
    test(`${title}: refused by this SDK, stream`, async () => {
      await assert.rejects(stream(), Anthropic.AnthropicError);
    });
  } else {
    test(`${title}: stream`, async () => {
      assert.deepEqual(comparable(await stream()), await expectedOf(recording, { folded: false }));
    });
  }

  if (CUT.test(recording.name) || NEVER_ENDS.test(recording.name)) {
    test(`${title}: an error, create`, async () => {
      await assert.rejects(create(), Anthropic.InternalServerError);
    });
  } else if (recording.expected) {
    test(`${title}: create`, async () => {
      assert.deepEqual(comparable(await create()), await expectedOf(recording, { folded: true }));
    });
  }
}

test("text, thinking and tool events", async () => {
  const anthropic = await client();
  const seen = { text: [], thinking: [], inputJson: [] };
  for (const name of ["text", "thinking", "tool"]) {
    const stream = anthropic.messages.stream({ model: `replay:${name}`, ...REQUEST });
    stream.on("text", (delta) => seen.text.push(delta));
    stream.on("thinking", (delta) => seen.thinking.push(delta));
    stream.on("inputJson", (_delta, snapshot) => seen.inputJson.push(snapshot));
    await stream.finalMessage();
  }
  assert.deepEqual(seen.text, ["A stream", " is a promise", " kept in", " small pieces.", "It is ", "**42**.", "Let me look", " that up."]);
  assert.deepEqual(seen.thinking, ["Two times", " twenty-one", " is forty-two."]);
  assert.deepEqual(seen.inputJson.at(-1), { city: "Zürich", days: 3, exact: 12345678901.5, tags: ["a", null, true] });
});

for (const [title, options] of [
  ["authorization", {}],
  ["x-api-key", { defaultHeaders: { "x-api-key": "test-key", authorization: null } }],
  ["both", { defaultHeaders: { "x-api-key": "test-key" } }],
]) {
  test(`the key by ${title}`, async () => {
    const stream = (await client(OWN, "pace=instant", options)).messages.stream({ model: "replay:text", ...REQUEST });
    assert.equal(await stream.finalText(), "A stream is a promise kept in small pieces.");
  });
}

test("a query is accepted", async () => {
  const stream = (await client()).messages.stream({ model: "replay:text", ...REQUEST }, { query: { beta: "true" } });
  assert.equal((await stream.finalMessage()).stop_reason, "end_turn");
});

describe("errors", () => {
  for (const [orders, error, type] of [
    ["status=400", Anthropic.BadRequestError, "invalid_request_error"],
    ["status=401", Anthropic.AuthenticationError, "authentication_error"],
    ["status=429", Anthropic.RateLimitError, "rate_limit_error"],
    ["status=500", Anthropic.InternalServerError, "api_error"],
    ["status=529", Anthropic.InternalServerError, "overloaded_error"],
  ]) {
    for (const stream of [true, false]) {
      test(`${orders}, ${stream ? "stream" : "whole"}`, async () => {
        const asked = (await client(OWN, orders)).messages.create({ model: MODEL, stream, ...REQUEST });
        await assert.rejects(asked, (raised) => {
          assert.ok(raised instanceof error, String(raised));
          assert.equal(raised.error.error.type, type);
          assert.match(raised.requestID, /^req_/);
          return true;
        });
      });
    }
  }

  test("in mid-stream", async () => {
    const stream = (await client()).messages.stream({ model: "replay:error_overloaded", ...REQUEST });
    let text = "";
    stream.on("text", (delta) => (text += delta));
    await assert.rejects(stream.finalMessage(), (raised) => raised.error.error.type === "overloaded_error");
    assert.equal(text, "The river ran on and on until the bridge was gone.");
  });

  for (const fault of ["fin@event=5", "rst@event=5"]) {
    test(`${fault} is an error`, async () => {
      const stream = (await client(OWN, `${fault}; pace=instant`)).messages.stream({ model: "replay:text", ...REQUEST });
      await assert.rejects(stream.finalMessage(), Anthropic.APIError);
    });
  }

  test("the SDK retries through the gateway", async () => {
    const anthropic = await client(OWN, "status=529,retry-after=0,times=1; pace=instant", { maxRetries: 2 });
    const stream = anthropic.messages.stream({ model: "replay:text", ...REQUEST });
    assert.equal((await stream.finalMessage()).stop_reason, "end_turn");
  });
});

test("abort ends the stream at once", async () => {
  const stream = (await client(OWN, "ttft=10ms,tps=5")).messages.stream({
    model: MODEL,
    max_tokens: 500,
    messages: [{ role: "user", content: "Write 300 words about rivers." }],
  });
  stream.once("text", () => stream.abort());
  await assert.rejects(stream.finalMessage(), Anthropic.APIUserAbortError);
});

test("raw events are the recorded ones", async () => {
  const recorded = readFileSync(join(OWN, "text.sse"), "utf8").split("\n\n").filter(Boolean);
  const events = [];
  for await (const event of await (await client()).messages.create({ model: "replay:text", stream: true, ...REQUEST })) events.push(event);
  const data = recorded.map((frame) => JSON.parse(frame.slice(frame.indexOf("data:") + 5))).filter((event) => event.type !== "ping");
  assert.deepEqual(events, data);
});
