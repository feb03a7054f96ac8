// Tests that need a hundred reconnections and learn nothing from the pauses between them.

/** Runs this with a page around it that has its network back whenever perennial.js is about to wait. @param {(onConnection: (connection: { state: string }) => void) => Promise<void>} run */
export async function withoutPauses(run) {
  const page = new EventTarget();
  globalThis.addEventListener = page.addEventListener.bind(page);
  globalThis.removeEventListener = page.removeEventListener.bind(page);
  try {
    await run(({ state }) => state === "waiting" && setImmediate(() => page.dispatchEvent(new Event("online"))));
  } finally {
    delete globalThis.addEventListener;
    delete globalThis.removeEventListener;
  }
}
