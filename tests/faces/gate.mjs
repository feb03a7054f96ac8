// A gate between gateway and simulator: an answer stands still where a test wants it to, and goes on when the test says so.
//
// A pace is a clock, and a machine with other things to do is late for it. What is to be seen while an answer comes is therefore looked at while it cannot go on.

import { once } from "node:events";
import { createServer, request } from "node:http";

import { start } from "../typescript/command.mjs";

/** By this header the simulator knows all attempts for one answer, and the gate whom it is to hold. */
const KEY = "perennial-sim-key";

/**
 * @typedef {{ headers: Record<string, string>, open: (events?: number) => void }} Hold What the requests that are held have, and how to let more through: so many
 *   events, counted from the first of an answer, or all of them.
 * @typedef {{ url: string, hold: (events: number) => Hold, stop: () => Promise<void> }} Gate
 */

/** Starts a simulator and the gate before it. @returns {Promise<Gate>} */
export async function startGate() {
  const simulator = await start("sim");
  /** @type {Map<string, { events: number, wake: Set<() => void> }>} */
  const holds = new Map();

  // Orders can be whole answers.
  const server = createServer({ maxHeaderSize: 1 << 20 }, (incoming, outgoing) => {
    const { method, headers, url } = incoming;
    const hold = holds.get(headers[KEY]);
    const upstream = request(`${simulator.url}${url}`, { method, headers }, (answer) => {
      outgoing.writeHead(answer.statusCode, answer.headers);
      outgoing.flushHeaders();
      let waiting = "";
      let passed = 0;
      const pass = () => {
        let length = 0;
        while (!hold || passed < hold.events) {
          const end = waiting.indexOf("\n\n", length);
          if (end < 0) break;
          length = end + 2;
          passed += 1;
        }
        // Behind the last whole event there may be the part of one that was cut.
        if (!hold || hold.events === Infinity) length = waiting.length;
        if (length > 0) outgoing.write(waiting.slice(0, length), "latin1");
        waiting = waiting.slice(length);
        if (ended && waiting === "") outgoing.end();
      };
      let ended = false;
      hold?.wake.add(pass);
      answer.setEncoding("latin1");
      answer.on("data", (piece) => ((waiting += piece), pass()));
      answer.on("end", () => ((ended = true), pass()));
      answer.on("error", () => outgoing.destroy());
      outgoing.on("close", () => hold?.wake.delete(pass));
    });
    upstream.on("error", () => outgoing.destroy());
    incoming.pipe(upstream);
    outgoing.on("close", () => upstream.destroy());
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");

  const hold = (events) => {
    const key = `held-${holds.size}`;
    const held = { events, wake: new Set() };
    holds.set(key, held);
    const open = (events = Infinity) => {
      held.events = events;
      for (const wake of held.wake) wake();
    };
    return { headers: { [KEY]: key }, open };
  };
  const stop = async () => {
    const closed = once(server, "close");
    server.close();
    server.closeAllConnections();
    await closed;
    await simulator.stop();
  };
  return { url: `http://127.0.0.1:${server.address().port}`, hold, stop };
}
