// When to come back: how long to wait after a failure, and what ends the waiting before its time.

import { PerennialError } from "./perennial-error.js";

const FIRST_DELAY = 500;
const LONGEST_DELAY = 15_000;

/** A wrong address should not be asked for ever; a gateway that was there once will be back. */
export const FAILURES_BEFORE_FIRST = 8;

/** How long to wait: full jitter, so that a thousand readers of a gateway that restarts do not come back together. */
export class Backoff {
  failures = 0;
  /** Whether there ever was a connection. */
  opened = false;
  /** The least that the server wants clients to wait, in milliseconds: its last `retry:`. */
  hint = 0;

  /** @param {number} [maxFailures] */
  constructor(maxFailures) {
    this.maxFailures = maxFailures;
  }

  /** @param {PerennialError} [error] Of the try that failed. */
  next(error) {
    const online = globalThis.navigator?.onLine !== false;
    const limit = this.maxFailures ?? (this.opened || !online ? Infinity : FAILURES_BEFORE_FIRST);
    if (this.failures >= limit) {
      error ??= new PerennialError("the connection brings nothing", { type: "connection_error" });
      error.passing = false;
      throw error;
    }
    const ceiling = Math.min(LONGEST_DELAY, FIRST_DELAY * 2 ** Math.min(this.failures, 10));
    this.failures += 1;
    return Math.max(this.hint, error?.retryAfter ?? 0) + Math.random() * ceiling;
  }

  progress() {
    this.failures = 0;
  }
}

/** Lets something else end a connection, or a pause between two, so that the next begins at once. */
export class Bell {
  /** @type {Set<() => void>} */
  #listeners = new Set();

  /** @param {() => void} listener */
  listen(listener) {
    this.#listeners.add(listener);
    return () => void this.#listeners.delete(listener);
  }

  ring() {
    for (const listener of [...this.#listeners]) listener();
  }
}

/**
 * Waits, but not while a person looks at a page that could go on: a tab that comes to the front, or a network that comes back, ends the pause.
 * @param {number} delay
 * @param {AbortSignal | undefined} signal
 * @param {Bell} bell
 * @returns {Promise<void>}
 */
export function pause(delay, signal, bell) {
  return new Promise((resolve, reject) => {
    const end = () => {
      clearTimeout(timer);
      silence();
      signal?.removeEventListener("abort", end);
      globalThis.removeEventListener?.("online", end);
      globalThis.document?.removeEventListener("visibilitychange", shown);
      if (signal?.aborted) reject(signal.reason);
      else resolve();
    };
    const shown = () => void (document.visibilityState === "visible" && end());
    const timer = setTimeout(end, delay);
    const silence = bell.listen(end);
    signal?.addEventListener("abort", end);
    globalThis.addEventListener?.("online", end);
    globalThis.document?.addEventListener("visibilitychange", shown);
    if (signal?.aborted) end();
  });
}
