// The official TypeScript SDK through the gateway: every recording, both ways of asking, errors, cancel.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { after, describe, test } from "node:test";

import Anthropic from "@anthropic-ai/sdk";

import { start } from "./command.mjs";
import { ALL, OWN } from "./recordings.mjs";

const REQUEST = { max_tokens: 1024, messages: [{ role: "user", content: "Go on." }] };
const MODEL = "claude-sonnet-4-5";

/** Where this SDK's final message is not the Python SDK's: name -> [why, change to the expected message]. */
const DIFFERENCES = {};

/** Streams that end before message_stop: the gateway's error event makes an error of them. */
const CUT = /^(cut_|own-truncated_)/;

const servers = new Map();
after(() => Promise.all([...servers.values()].map(async (server) => (await server).stop())));

function server(folder) {
  if (!servers.has(folder)) servers.set(folder, start("serve", "--replay", folder));
  return servers.get(folder);
}

async function client(folder = OWN, orders = "pace=instant", options = {}) {
  const { url } = await server(folder);
  const defaultHeaders = { "perennial-sim": orders, ...options.defaultHeaders };
  return new Anthropic({ apiKey: "test-key", baseURL: url, maxRetries: 0, timeout: 30_000, ...options, defaultHeaders });
}

/** What both SDKs agree on: Python writes absent members as null, TypeScript leaves them out; `parsed_output` is TypeScript's own. */
function comparable(value) {
  if (Array.isArray(value)) return value.map(comparable);
  if (value === null || typeof value !== "object") return value;
  const members = Object.entries(value).filter(([name, member]) => member !== null && member !== undefined && name !== "parsed_output");
  return Object.fromEntries(members.map(([name, member]) => [name, comparable(member)]));
}

function expectedOf(recording) {
  const expected = structuredClone(recording.expected);
  DIFFERENCES[recording.name]?.[1](expected);
  return comparable(expected);
}

for (const recording of ALL) {
  const title = `${recording.folder.split("/").pop()}/${recording.name}`;
  if (CUT.test(recording.name)) {
    test(`${title}: a cut answer is an error`, async () => {
      const stream = (await client(recording.folder)).beta.messages.stream({ model: recording.model, ...REQUEST });
      await assert.rejects(stream.finalMessage(), Anthropic.APIError);
    });
  } else if (recording.expected) {
    test(`${title}: stream`, async () => {
      const stream = (await client(recording.folder)).beta.messages.stream({ model: recording.model, ...REQUEST });
      assert.deepEqual(comparable(await stream.finalMessage()), expectedOf(recording));
    });
    test(`${title}: create`, async () => {
      const message = await (await client(recording.folder)).beta.messages.create({ model: recording.model, ...REQUEST });
      assert.deepEqual(comparable(message), expectedOf(recording));
    });
  } else {
    test(`${title}: an error`, async () => {
      const stream = (await client(recording.folder)).beta.messages.stream({ model: recording.model, ...REQUEST });
      await assert.rejects(stream.finalMessage());
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
