// The SharedWorker that holds the hub.

import { Hub } from "./hub.js";

const hub = new Hub();
globalThis.addEventListener("connect", (event) => {
  const [port] = /** @type {MessageEvent} */ (event).ports;
  if (port) hub.connect(port);
});
