// The page's end of the hub: in a SharedWorker where there are any, else in the page itself.

import { Hub } from "./hub.js";

/**
 * @typedef {import("./hub.js").Line} Line
 * @typedef {{ lines: (lines: Line[], replay: boolean) => void, trouble: (error: { type: string, message: string, status?: number }) => void }} Listener
 * @typedef {{ id?: string, version?: number, deleted?: boolean, hello: boolean }} Change
 */

export class Live {
  /** @type {Map<string, Listener>} */
  #listeners = new Map();
  #port;
  /** @type {(change: Change) => void} */
  onchange = () => {};
  /** @type {(state: string) => void} */
  onconnection = () => {};
  state = "connecting";

  /** @param {string} [key] Of the gateway, where it asks for one. */
  constructor(key) {
    this.key = key;
    this.#port = this.#connect();
    addEventListener("online", () => this.#send({ op: "wake", always: true }));
    document.addEventListener("visibilitychange", () => document.hidden || this.#send({ op: "wake", always: false }));
    addEventListener("pagehide", () => this.#send({ op: "bye" }));
    // From the cache of pages: as if it had never been left.
    addEventListener("pageshow", ({ persisted }) => {
      if (!persisted) return;
      this.#port = this.#connect();
      for (const stream of this.#listeners.keys()) this.#send({ op: "watch", stream });
    });
  }

  /** Reads this stream from its beginning, and on; `unwatch` ends that. @param {string} stream @param {Listener} listener */
  watch(stream, listener) {
    this.#listeners.set(stream, listener);
    this.#send({ op: "watch", stream });
  }

  /** @param {string} stream */
  unwatch(stream) {
    if (this.#listeners.delete(stream)) this.#send({ op: "unwatch", stream });
  }

  #connect() {
    if (!("SharedWorker" in globalThis)) return this.#here();
    const worker = new SharedWorker(new URL("worker.js", import.meta.url), { type: "module", name: "perennial" });
    worker.onerror = () => {
      this.#port = this.#here();
      for (const stream of this.#listeners.keys()) this.#send({ op: "watch", stream });
    };
    return this.#listen(worker.port);
  }

  #here() {
    const { port1, port2 } = new MessageChannel();
    new Hub().connect(port2);
    return this.#listen(port1);
  }

  /** @param {MessagePort} port */
  #listen(port) {
    port.onmessage = ({ data }) => this.#take(data);
    port.postMessage({ op: "begin", key: this.key });
    return port;
  }

  /** @param {any} message */
  #take(message) {
    if (message.op === "lines") this.#listeners.get(message.stream)?.lines(message.lines, message.replay);
    else if (message.op === "trouble") this.#listeners.get(message.stream)?.trouble(message.error);
    else if (message.op === "change") this.onchange(message);
    else if (message.op === "connection") {
      this.state = message.state;
      this.onconnection(message.state);
    }
  }

  /** @param {any} message */
  #send(message) {
    this.#port.postMessage(message);
  }
}
