// What the chat asks the gateway: conversations and their turns.

import { ask, urlOf } from "../perennial-connection.js";

const VERSION = "2026-10-21";

/** Of the gateway, where it asks for one; for this tab only. */
export const key = () => sessionStorage.getItem("key") ?? undefined;

/** @returns {Record<string, string>} */
const headers = () => ({ "anthropic-version": VERSION, ...(key() ? { "x-api-key": key() ?? "" } : {}) });

/** @param {string} method @param {string} path @param {any} [body] @param {Record<string, string | undefined>} [query] @param {Record<string, string>} [more] */
async function request(method, path, body, query = {}, more = {}) {
  const init = { method, headers: body === undefined ? more : { "content-type": "application/json", ...more }, body: body === undefined ? null : JSON.stringify(body) };
  const answer = await ask(urlOf({}, `/v1/conversations${path}`, query), { headers, maxFailures: method === "GET" ? 4 : 6 }, init);
  return answer.status === 204 ? null : answer.json();
}

/** A name for a request that may have to be repeated, so that it is done once. */
function once() {
  return { "idempotency-key": Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("") };
}

/** @param {string} id @param {string} [rest] */
const at = (id, rest = "") => `/${encodeURIComponent(id)}${rest}`;

export const conversations = {
  /** @param {string} [text] @param {string} [after] */
  list: (text, after) => request("GET", "", undefined, { q: text || undefined, limit: "50", after }),
  /** @param {any} of */
  create: (of) => request("POST", "", of, {}, once()),
  /** @param {string} id */
  get: (id) => request("GET", at(id), undefined, { format: "tape" }),
  /** @param {string} id @param {any} change */
  change: (id, change) => request("PATCH", at(id), change),
  /** @param {string} id */
  remove: (id) => request("DELETE", at(id)),
  /** @param {any} exported */
  import: (exported) => request("POST", "/import", exported),
  /** @param {string} id */
  export: (id) => request("GET", at(id, "/export")),
};

export const turns = {
  /** @param {string} conversation @param {{ parent?: string | null, content: any, queue: boolean }} turn */
  send: (conversation, turn) => request("POST", at(conversation, "/turns"), turn, {}, once()),
  /** @param {string} conversation @param {string} turn */
  retry: (conversation, turn) => request("POST", at(conversation, `/turns/${turn}/retry`), {}, {}, once()),
  /** @param {string} conversation @param {string} turn */
  goOn: (conversation, turn) => request("POST", at(conversation, `/turns/${turn}/continue`), {}, {}, once()),
  /** @param {string} conversation @param {string} turn @param {boolean} [trim] What it says again and again at its end is kept once. */
  stop: (conversation, turn, trim) => request("POST", at(conversation, `/turns/${turn}/stop`), { trim }),
};

/** @param {string} stream What happened to a stream, as the gateway tells it; `null` where it cannot. @returns {Promise<any>} */
export async function timeline(stream) {
  const answer = await fetch(`/v1/streams/${stream}/timeline`, { headers: headers() }).catch(() => null);
  return answer?.ok ? answer.json() : null;
}
