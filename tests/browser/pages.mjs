// A web server of an application: an origin of its own, with one page and the modules of web/.

import { once } from "node:events";
import { readFile } from "node:fs/promises";
import { createServer } from "node:http";
import { join } from "node:path";

import { ROOT } from "../typescript/recordings.mjs";

const PAGE = `<!doctype html>
<meta charset="utf-8">
<link rel="icon" href="data:,">
<title>An application</title>
<button id="stop">Stop</button>
<p id="answer"></p>
`;

/** Resolves to `{ url, stop }`. */
export async function startPages() {
  const server = createServer(async (request, response) => {
    const name = /^\/([a-z-]+\.js)$/.exec(request.url)?.[1];
    const [type, body] = name ? ["text/javascript", await readFile(join(ROOT, "web", name)).catch(() => null)] : ["text/html", PAGE];
    response.writeHead(body === null ? 404 : 200, { "content-type": type, "cache-control": "no-store" }).end(body);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return { url: `http://127.0.0.1:${server.address().port}`, stop };
}
