// A gateway, and the streams that the tests read on it.

import assert from "node:assert/strict";

import { start } from "../typescript/command.mjs";

/** Written without waits: for everything that does not need the stream to be alive. */
export const INSTANT = "pace=instant; tokens=40";

/** Written while it is read, for a few seconds. */
export const LIVE = "ttft=0s,tps=150; tokens=600";

/** Six events, and then nothing until it is cancelled. */
export const STUCK = "pace=instant; stall@event=6";

export const BODY = { model: "claude-sonnet-5-5", max_tokens: 4096, messages: [{ role: "user", content: "Tell me about rivers, in many words." }] };

/** Starts `perennial serve`, which waits for no stream at its end; resolves to `{ url, stop }`. */
export const startGateway = (...options) => start("serve", "--drain", "0.1", ...options);

/** The name of a stream that nobody made: a UUIDv7 of now, since names of long ago are those of streams that have expired. */
export function neverMade() {
  const random = Array.from({ length: 18 }, () => Math.floor(Math.random() * 16).toString(16)).join("");
  return `strm_${Date.now().toString(16).padStart(12, "0")}7${random.slice(0, 3)}8${random.slice(3)}`;
}

/** Makes a stream and resolves to its object. */
export async function make(gateway, { orders = INSTANT, headers = {}, body = BODY } = {}) {
  const given = { "content-type": "application/json", "anthropic-version": "2026-10-21", "perennial-sim": orders, "perennial-recovery": "off", ...headers };
  const response = await fetch(`${gateway.url}/v1/streams`, { method: "POST", headers: given, body: JSON.stringify(body) });
  const text = await response.text();
  assert.equal(response.status, 201, text);
  return JSON.parse(text);
}

/** Waits until the stream has ended, by reading it, and resolves to the whole body of its server-sent events. */
export async function wholeEvents(gateway, id, headers = {}) {
  const response = await fetch(`${gateway.url}/v1/streams/${id}/events`, { headers });
  assert.equal(response.status, 200);
  return response.text();
}

/**
 * The events of a body, as `{ id, event, data, frame }`, where `frame` is what was on the wire. For what the gateway writes: LF, one line of data.
 * What has no id (comments, `retry:`) is left out, since no law is about it.
 */
export function framesOf(body) {
  assert.ok(body === "" || body.endsWith("\n\n"), "a body of events ends with a blank line");
  const frames = body.split("\n\n").slice(0, -1).map((frame) => `${frame}\n\n`);
  return frames.filter((frame) => /^id: /m.test(frame)).map((frame) => {
    const field = (name) => new RegExp(`^${name}: (.*)$`, "m").exec(frame)?.[1];
    return { id: field("id"), event: field("event") ?? "message", data: field("data"), frame };
  });
}

/** The text of the answer in these events. */
export function textOf(frames) {
  const datas = frames.filter(({ event }) => event === "content_block_delta").map(({ data }) => JSON.parse(data));
  return datas.map(({ delta }) => delta.text ?? "").join("");
}
