// The hub: everything live that the pages of one browser read, over two connections however many pages there are.
//
// Browsers have six connections for a host without TLS, over all tabs. So one place reads, a SharedWorker where there are any, and the pages hang on it.
// What a stream said is kept while a page looks at it: a page that comes later, or was reloaded, gets it whole.

import { many } from "../perennial.js";
import { read, urlOf } from "../perennial-connection.js";
import { objectOf } from "../perennial-error.js";

/** While there is no connection, whether the gateway is back is looked at this often, in milliseconds. */
const LOOK = 1500;

/**
 * @typedef {{ id?: string, time?: number, event: string, data: any }} Line
 * @typedef {{ lines: Line[], sent: Map<MessagePort, number>, error: any, over: boolean }} Watched
 */

export class Hub {
  /** @type {Set<MessagePort>} */
  #ports = new Set();
  /** @type {Map<string, Watched>} */
  #watched = new Map();
  /** @type {Record<string, string>} */
  #headers = {};
  #streams;
  #flushing = false;
  /** @type {{ state: string, delay?: number }} */
  #connection = { state: "connecting" };
  #started = false;
  #timer = 0;

  constructor() {
    const settings = { headers: () => this.#headers };
    this.#streams = many([], { ...settings, format: "tape", keepOpen: true, onConnection: (now) => this.#connected(now) });
  }

  /** @param {MessagePort} port */
  connect(port) {
    this.#ports.add(port);
    port.onmessage = ({ data }) => this.#take(port, data);
    port.start();
    port.postMessage({ op: "connection", ...this.#connection });
  }

  /** @param {MessagePort} port @param {any} message */
  #take(port, message) {
    if (message.op === "begin") this.#begin(message.key);
    else if (message.op === "watch") this.#watch(port, message.stream);
    else if (message.op === "unwatch") this.#unwatch(port, message.stream);
    else if (message.op === "wake") this.#wake(message.always);
    else if (message.op === "ping") port.postMessage({ op: "pong" });
    else if (message.op === "bye") {
      for (const stream of [...this.#watched.keys()]) this.#unwatch(port, stream);
      this.#ports.delete(port);
    }
  }

  /** @param {string} [key] */
  #begin(key) {
    if (key) this.#headers = { "x-api-key": key };
    if (this.#started) return;
    this.#started = true;
    void this.#readStreams();
    void this.#readChanges();
  }

  /** @param {MessagePort} port @param {string} stream */
  #watch(port, stream) {
    let watched = this.#watched.get(stream);
    if (!watched) {
      watched = { lines: [], sent: new Map(), error: null, over: false };
      this.#watched.set(stream, watched);
      this.#streams.add(stream);
    }
    watched.sent.set(port, 0);
    this.#flush();
  }

  /** @param {MessagePort} port @param {string} stream */
  #unwatch(port, stream) {
    const watched = this.#watched.get(stream);
    if (!watched) return;
    watched.sent.delete(port);
    if (watched.sent.size > 0) return;
    this.#watched.delete(stream);
    this.#streams.remove(stream);
  }

  async #readStreams() {
    for (;;) {
      try {
        for await (const { stream, ...line } of this.#streams) {
          const watched = this.#watched.get(stream);
          if (!watched) continue;
          const error = this.#streams.errors.get(stream);
          if (error) watched.error = { type: error.type, message: error.message, status: error.status };
          else watched.lines.push(line);
          watched.over = line.event === "perennial.terminal";
          this.#soon();
        }
      } catch (error) {
        // A mistake in a program, or a key that is refused: said, and tried again when somebody does something.
        this.#tell({ op: "connection", state: "refused", words: String(error) });
        await new Promise((resolve) => setTimeout(resolve, LOOK * 2));
      }
    }
  }

  /** Changes of conversations. There is no replay: at each beginning the pages ask for what they show. */
  async #readChanges() {
    const source = {
      url: () => urlOf({}, "/v1/conversations/events"),
      ended: () => false,
      /** @param {import("../perennial-events.js").Block} block */
      take: ({ event, data }) => ({ event, data: objectOf(data ?? "") }),
    };
    for (;;) {
      try {
        for await (const { event, data } of read(source, { headers: () => this.#headers, onConnection: (now) => this.#connected(now) })) this.#tell({ op: "change", ...data, hello: event === "hello" });
      } catch (error) {
        this.#tell({ op: "connection", state: "refused", words: String(error) });
      }
      await new Promise((resolve) => setTimeout(resolve, LOOK * 2));
    }
  }

  /** @param {import("../perennial-connection.js").Connection} now */
  #connected({ state, delay }) {
    // Closing is what the connection for streams does when there are none to read.
    if (state === "closed" || (state === "connecting" && this.#connection.state === "open")) return;
    if (state === "connecting" && this.#connection.state === "waiting") return;
    this.#connection = { state, delay };
    this.#tell({ op: "connection", state, delay });
    clearInterval(this.#timer);
    if (state === "waiting") this.#timer = Number(setInterval(() => void this.#look(), LOOK * (0.75 + Math.random() / 2)));
  }

  async #look() {
    const answer = await fetch("/healthz", { cache: "no-store" }).catch(() => null);
    if (answer?.ok && this.#connection.state === "waiting") this.#wake(true);
  }

  /** Ends pauses: somebody is there, or the network is. @param {boolean} always Even connections that seem to live. */
  #wake(always) {
    if (always || this.#connection.state === "waiting") globalThis.dispatchEvent(new Event("online"));
  }

  /** What came together goes out together. */
  #soon() {
    if (this.#flushing) return;
    this.#flushing = true;
    setTimeout(() => {
      this.#flushing = false;
      this.#flush();
    });
  }

  #flush() {
    for (const [stream, { lines, sent, error }] of this.#watched) {
      for (const [port, from] of sent) {
        if (error) port.postMessage({ op: "trouble", stream, error });
        if (from >= lines.length) continue;
        port.postMessage({ op: "lines", stream, lines: from === 0 ? lines : lines.slice(from), replay: from === 0 });
        sent.set(port, lines.length);
      }
    }
  }

  /** @param {any} message */
  #tell(message) {
    for (const port of this.#ports) port.postMessage(message);
  }
}
