// One logical connection over as many real ones as it takes, and single requests with the same patience.
//
// Over `fetch` and not `EventSource`, which can send no header (so no key), gives the status and the body of a refusal to nobody, stops for good at
// a 503 from something in between, waits for ever on a connection that died silently, and makes a whole herd come back in the same second.
// Reading is by demand: an application that is slow slows the gateway down instead of filling memory here.

import { PerennialError, connectionError, errorOf } from "./perennial-error.js";
import { EventParser } from "./perennial-events.js";
import { Backoff, Bell, FAILURES_BEFORE_FIRST, pause } from "./perennial-patience.js";

/**
 * @typedef {object} Connection What `onConnection` is told.
 * @property {"connecting" | "open" | "waiting" | "closed"} state
 * @property {number} failures Tries in a row that brought nothing new.
 * @property {number} [delay] While waiting: for how many milliseconds at most.
 * @property {PerennialError} [error] Why the connection before ended, where it did not end as HTTP wants it.
 */

/**
 * @typedef {object} Settings
 * @property {string | URL} [base] Where the gateway is; the page's own origin if not given.
 * @property {HeadersInit | (() => HeadersInit | Promise<HeadersInit>)} [headers] For every request; a function is asked anew for each, so that it may renew a token.
 * @property {typeof globalThis.fetch} [fetch]
 * @property {"tape"} [format] Another face with the same events: `tape` gives those of text their rendering too.
 * @property {AbortSignal} [signal] Ends the reading, not the stream: that is `cancel()`.
 * @property {(connection: Connection) => void} [onConnection]
 * @property {number} [maxSilence] After so many milliseconds without a byte the connection is taken for dead. The gateway sends something every 15 s.
 * @property {number} [maxFailures] After so many tries in a row without anything new, give up. Without it: 8 before the first connection, then never.
 */

/**
 * What is read: where it is, what becomes of what came, and when it is over.
 * @template T
 * @typedef {{ url: () => URL, take: (block: import("./perennial-events.js").Block) => T | undefined, ended: () => boolean }} Source
 */

const MAX_SILENCE = 40_000;

/**
 * What the source makes of every block, once and in order, over all connections.
 * @template T
 * @param {Source<T>} source
 * @param {Settings} settings
 * @param {Bell} [bell] Rung when the source's URL is another one now.
 * @returns {AsyncGenerator<T, void>}
 */
export async function* read(source, settings, bell = new Bell()) {
  const backoff = new Backoff(settings.maxFailures);
  try {
    while (!source.ended()) {
      const url = source.url();
      const link = new Link(settings, bell);
      /** @type {PerennialError | undefined} */
      let error;
      tell(settings, { state: "connecting", failures: backoff.failures });
      try {
        const body = await link.open(url);
        if (body === null) return;
        backoff.opened = true;
        tell(settings, { state: "open", failures: backoff.failures });
        for await (const block of link.blocks(body)) {
          const taken = source.take(block);
          if (taken === undefined) continue;
          backoff.progress();
          yield taken;
          if (source.ended()) return;
        }
      } catch (cause) {
        settings.signal?.throwIfAborted();
        // Anything else is a mistake in a program, which coming back does not mend.
        if (!(cause instanceof PerennialError)) throw cause;
        if (!link.replaced) error = cause;
        if (error && !error.passing) throw error;
      } finally {
        link.close();
      }
      backoff.hint = link.retry ?? backoff.hint;
      if (link.replaced || source.ended()) continue;
      const delay = backoff.next(error);
      tell(settings, { state: "waiting", failures: backoff.failures, delay, error });
      await pause(delay, settings.signal, bell);
    }
  } finally {
    tell(settings, { state: "closed", failures: backoff.failures });
  }
}

/**
 * One request, repeated while its failure may pass. Only for what may be repeated.
 * @param {URL} url
 * @param {Settings} settings
 * @param {RequestInit} [init]
 * @returns {Promise<Response>}
 */
export async function ask(url, settings, init = {}) {
  const backoff = new Backoff(settings.maxFailures ?? FAILURES_BEFORE_FIRST);
  for (;;) {
    const link = new Link(settings, new Bell());
    try {
      return await link.fetch(url, init);
    } catch (error) {
      settings.signal?.throwIfAborted();
      if (!(error instanceof PerennialError && error.passing)) throw error;
      await pause(backoff.next(error), settings.signal, new Bell());
    } finally {
      link.settle();
    }
  }
}

/** @param {Settings} settings @param {string} path @param {Record<string, string | undefined>} [query] */
export function urlOf(settings, path, query = {}) {
  const base = settings.base ?? globalThis.location?.origin;
  if (!base) throw new TypeError("there is no page here: say where the gateway is, as { base: \"http://…\" }");
  const url = new URL(String(base).replace(/\/+$/, "") + path);
  for (const [name, value] of Object.entries(query)) if (value !== undefined) url.searchParams.set(name, value);
  return url;
}

/** One real connection. Only while something is awaited of it can it be too silent: an application that does not read is no fault of it. */
class Link {
  /** Whether it was ended so that the next begins, which is no failure. */
  replaced = false;
  /** @type {number | undefined} */
  retry = undefined;
  #controller = new AbortController();
  /** @type {(() => void)[]} */
  #undo = [];

  /** @param {Settings} settings @param {Bell} bell */
  constructor(settings, bell) {
    this.settings = settings;
    const abort = () => this.#controller.abort(settings.signal?.reason);
    settings.signal?.addEventListener("abort", abort);
    if (settings.signal?.aborted) abort();
    const replace = () => {
      this.replaced = true;
      this.#controller.abort();
    };
    this.#undo.push(() => settings.signal?.removeEventListener("abort", abort), bell.listen(replace));
    // The network is another one now: what went over the one before is dead, though nothing may say so for minutes.
    globalThis.addEventListener?.("online", replace);
    this.#undo.push(() => globalThis.removeEventListener?.("online", replace));
  }

  /** The answer, where it is none that refuses. @param {URL} url @param {RequestInit} init */
  async fetch(url, init) {
    const { headers: given, fetch = globalThis.fetch } = this.settings;
    const headers = new Headers(typeof given === "function" ? await this.#heard(Promise.resolve().then(given)) : given);
    for (const [name, value] of new Headers(init.headers)) headers.set(name, value);
    const response = await this.#heard(fetch(url, { cache: "no-store", ...init, headers, signal: this.#controller.signal }));
    if (!response.ok) throw await this.#heard(errorOf(response));
    return response;
  }

  /** The body of a stream of events; `null` after its end. @param {URL} url */
  async open(url) {
    const response = await this.fetch(url, { headers: { accept: "text/event-stream" } });
    if (response.status === 204) return null;
    const type = response.headers.get("content-type") ?? "no content type";
    // The page of a proxy, or of a network that wants a password first.
    if (!response.body || !type.startsWith("text/event-stream"))
      throw new PerennialError(`something else answered: ${type}`, { type: "connection_error", status: response.status, passing: true });
    return response.body;
  }

  /** @param {ReadableStream<Uint8Array>} body */
  async *blocks(body) {
    const reader = body.getReader();
    const parser = new EventParser();
    for (;;) {
      const { done, value } = await this.#heard(reader.read());
      if (done) return;
      for (const block of parser.push(value)) {
        this.retry = parser.retry;
        yield block;
      }
      this.retry = parser.retry;
    }
  }

  close() {
    this.settle();
    this.#controller.abort();
  }

  /** Takes the listeners away and leaves the answer's body to whoever has it. */
  settle() {
    for (const undo of this.#undo) undo();
    this.#undo = [];
  }

  /** @template T @param {Promise<T>} promise @returns {Promise<T>} */
  async #heard(promise) {
    const limit = this.settings.maxSilence ?? MAX_SILENCE;
    /** @type {PerennialError | undefined} */
    let silence;
    const end = () => {
      silence = new PerennialError(`nothing came for ${limit} ms`, { type: "timeout_error", passing: true });
      this.#controller.abort(silence);
    };
    const timer = Number.isFinite(limit) ? setTimeout(end, limit) : undefined;
    try {
      return await promise;
    } catch (error) {
      throw silence ?? connectionError(error);
    } finally {
      clearTimeout(timer);
    }
  }
}

/** @param {Settings} settings @param {Connection} connection */
function tell(settings, connection) {
  settings.onConnection?.(connection);
}
