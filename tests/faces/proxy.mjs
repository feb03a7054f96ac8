// A TCP proxy that breaks: it forwards to one address and cuts connections after so many bytes downstream, as its plan says.
//
// The client sees what a network does: a FIN or an RST at any byte, of the head as well as inside a character of an event. What to break is said for the
// answers to requests that match; everything else on the way (preflights, other requests) passes whole.

import { once } from "node:events";
import { connect, createServer } from "node:net";

/**
 * @typedef {{ after: number, how: "fin" | "rst", from: "head" | "body" }} Cut Where one answer ends: after so many bytes, counted from its first one or from
 *   its body's.
 * @typedef {{ url: string, connections: number, answers: number, cuts: Cut[], open: Set<object>, drop: () => void, refuse: boolean, streaming: () => number,
 *   to: (url: string) => void, stop: () => Promise<void> }} Proxy
 */

/** The paths that stream. */
const STREAMING = /^GET \/v1\/(streams\/[^/ ]+\/events|events|ws)/;

/**
 * @param {string} target The URL of what is behind.
 * @param {(number: number) => Cut | null} [plan] What becomes of the answer with this number, from 0.
 * @param {RegExp} [matching] Of which requests answers are cut.
 * @returns {Promise<Proxy>}
 */
export async function startProxy(target, plan = () => null, matching = STREAMING) {
  let { hostname, port } = new URL(target);
  const pairs = new Set();
  const proxy = { url: "", connections: 0, answers: 0, cuts: [], open: pairs, refuse: false, drop, streaming, to, stop };

  const server = createServer({ noDelay: true }, (client) => {
    if (proxy.refuse) return void client.resetAndDestroy();
    proxy.connections += 1;
    const upstream = connect({ host: hostname, port: Number(port), noDelay: true });
    const pair = { client, upstream, streams: false };
    pairs.add(pair);
    const end = () => {
      pairs.delete(pair);
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) socket.on("close", end).on("error", end);

    /** @type {Meter | null} */
    let meter = null;
    client.on("data", (bytes) => {
      pair.streams = matching.test(bytes.toString("latin1"));
      if (pair.streams) {
        const cut = plan(proxy.answers++);
        meter = cut && new Meter(cut);
      }
      upstream.write(bytes);
    });
    upstream.on("data", (bytes) => {
      const allowed = meter ? meter.allow(bytes) : bytes.length;
      if (allowed === bytes.length) return void client.write(bytes);
      const { cut } = meter;
      proxy.cuts.push(cut);
      upstream.destroy();
      // A reset forgets what was not sent yet, so it waits until these bytes are gone.
      client.write(bytes.subarray(0, allowed), () => (cut.how === "rst" ? client.resetAndDestroy() : client.end(end)));
    });
    client.on("end", () => upstream.end());
    upstream.on("end", () => client.end());
  });

  /** On how many connections the last request was one that matches. */
  function streaming() {
    return [...pairs].filter(({ streams }) => streams).length;
  }

  /** Another address is behind from now on. @param {string} url */
  function to(url) {
    ({ hostname, port } = new URL(url));
  }

  /** Ends all connections at once, with a reset. */
  function drop() {
    for (const { client, upstream } of pairs) {
      client.resetAndDestroy();
      upstream.destroy();
    }
  }

  async function stop() {
    drop();
    server.close();
    await once(server, "close");
  }

  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  proxy.url = `http://127.0.0.1:${server.address().port}`;
  return proxy;
}

/** Counts an answer's bytes up to where it is to be cut. */
class Meter {
  #left;
  /** The head so far, while the body has not begun and matters. */
  #head;

  /** @param {Cut} cut */
  constructor(cut) {
    this.cut = cut;
    this.#left = cut.after;
    this.#head = cut.from === "body" ? "" : null;
  }

  /** How many of these bytes may pass. @param {Buffer} bytes */
  allow(bytes) {
    let before = 0;
    if (this.#head !== null) {
      const begun = this.#head.length;
      this.#head += bytes.toString("latin1");
      const end = this.#head.indexOf("\r\n\r\n");
      if (end < 0) return bytes.length;
      before = end + 4 - begun;
      this.#head = null;
    }
    const allowed = Math.min(bytes.length, before + this.#left);
    this.#left -= allowed - before;
    return allowed;
  }
}

/**
 * A plan with this many cuts, at any byte, after which answers pass whole. Together they take less than `size` bytes, so that all of them
 * happen before an answer of that size is through.
 * @param {ReturnType<import("./seeds.mjs").numbers>} random
 * @param {{ cuts: number, size: number, from?: "head" | "body" }} how
 */
export function cutting({ between, pick }, { cuts, size, from = "head" }) {
  const plan = Array.from({ length: cuts }, () => ({ after: between(1, Math.floor(size / cuts)), how: pick(["fin", "rst"]), from }));
  return (number) => plan[number] ?? null;
}
