// Random numbers that can be had again: each test says its seed, and PERENNIAL_SEED gives it back.

/** A random seed, or the one that is to be repeated. */
export function newSeed() {
  return process.env.PERENNIAL_SEED ? Number(process.env.PERENNIAL_SEED) : Math.floor(Math.random() * 2 ** 31);
}

/** Numbers from a seed (mulberry32). */
export function numbers(seed) {
  let state = seed >>> 0;
  const next = () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
  /** From `low` to `high`, both included. */
  const between = (low, high) => low + Math.floor(next() * (high - low + 1));
  return { next, between, pick: (list) => list[between(0, list.length - 1)] };
}

/** A seed for this test, printed with it. */
export function seeded(context) {
  const seed = newSeed();
  context.diagnostic(`PERENNIAL_SEED=${seed}`);
  return { seed, ...numbers(seed) };
}
