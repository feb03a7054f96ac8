// The page's end of the hub: in a SharedWorker where there are any, else in the page itself.

import { Hub } from "./hub.js";

/** Whether the hub lives is asked this often while something is read, in milliseconds. */
const ASK = 1500;

/**
 * @typedef {import("./hub.js").Line} Line
 * @typedef {{ lines: (lines: Line[], replay: boolean) => void, trouble: (error: { type: string, message: string, status?: number }) => void }} Listener
 * @typedef {{ id?: string, version?: number, deleted?: boolean, hello: boolean }} Change
 */

export class Live {
  /** With how far each has read: another hub begins at the beginning. @type {Map<string, { listener: Listener, read: number }>} */
  #listeners = new Map();
  #port;
  /** How often in a row the hub was asked, and did not answer. */
  #unheard = 0;
  /** Whether this hub ever said anything. */
  #heard = false;
  /** Hubs that answered no more. */
  #lost = 0;
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
      if (persisted) this.#anew(this.#connect());
    });
    setInterval(() => this.#listeners.size > 0 && this.#ask(), ASK);
  }

  /** Reads this stream from its beginning, and on; `unwatch` ends that. @param {string} stream @param {Listener} listener */
  watch(stream, listener) {
    this.#listeners.set(stream, { listener, read: 0 });
    this.#send({ op: "watch", stream });
  }

  /** @param {string} stream */
  unwatch(stream) {
    if (this.#listeners.delete(stream)) this.#send({ op: "unwatch", stream });
  }

  /** Nobody is told when the process of a worker dies, and one that never begins says nothing either. In place of one that lived the pages meet in another; else each reads for itself. */
  #ask() {
    if (this.#unheard < 3) {
      this.#unheard += 1;
      return this.#send({ op: "ping" });
    }
    this.#send({ op: "bye" });
    this.#lost += 1;
    this.#anew(this.#heard ? this.#connect() : this.#here());
  }

  /** @param {MessagePort} port Of a hub that knows nothing of this page. */
  #anew(port) {
    this.#port.onmessage = null;
    this.#port = port;
    this.#unheard = 0;
    this.#heard = false;
    for (const stream of this.#listeners.keys()) this.#send({ op: "watch", stream });
  }

  #connect() {
    if (!("SharedWorker" in globalThis)) return this.#here();
    const worker = new SharedWorker(new URL("worker.js", import.meta.url), { type: "module", name: `perennial ${this.#lost}` });
    worker.onerror = () => worker.port === this.#port && this.#anew(this.#here());
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
    this.#unheard = 0;
    this.#heard = true;
    const known = this.#listeners.get(message.stream);
    if (message.op === "lines" && known) {
      const lines = message.lines.filter((/** @type {Line} */ { id = "" }) => Number.parseInt(id) > known.read);
      if (lines.length === 0) return;
      known.read = Number.parseInt(lines.at(-1).id);
      known.listener.lines(lines, message.replay);
    } else if (message.op === "trouble") known?.listener.trouble(message.error);
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
