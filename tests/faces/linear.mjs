// Whether work grows with its input and not with its square, told by a clock that others use too.
//
// Thirty-two times the input is thirty-two times the work, or a thousand times. Memory that is collected, caches that are left and a busy machine make a few
// times of the first; the limit lies between with room on both sides, and the quickest of several tries counts. What is a thousand times the work is so each
// time; what stood still meanwhile, as machines that are shared do, does not do so twenty times.

import assert from "node:assert/strict";

const FACTOR = 32;
const LIMIT = 400;

/** @param {(size: number) => void} work */
export function assertLinear(work, size) {
  const time = (size) => {
    const began = process.cpuUsage();
    work(size);
    const { user, system } = process.cpuUsage(began);
    return user + system;
  };
  // The first runs are slower: nothing is compiled yet.
  const small = Math.min(...Array.from({ length: 10 }, () => time(size)));
  let large = Infinity;
  for (let tries = 0; tries < 20 && large >= small * LIMIT; tries += 1) large = Math.min(large, time(size * FACTOR));
  assert.ok(large < small * LIMIT, `${FACTOR} times the input took ${(large / small).toFixed(0)} times as long`);
}
