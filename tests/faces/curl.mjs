// curl, as people use it, and what it saw.

import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

// What Node gives a child as standard error is a socket, which cannot be opened by name: heads go to files.
const HEADS = mkdtempSync(join(tmpdir(), "perennial-heads-"));
process.once("exit", () => rmSync(HEADS, { recursive: true, force: true }));
let number = 0;

/**
 * Runs curl and resolves to `{ code, status, headers, body }`; `code` is curl's own, 0 where the answer was whole. Trailers are among the headers.
 * @param {...string} args
 */
export function curl(...args) {
  const head = join(HEADS, String(number++));
  const child = spawn("curl", ["--silent", "--no-buffer", "--dump-header", head, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const body = [];
  child.stdout.on("data", (bytes) => body.push(bytes));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("close", (code) => {
      const lines = readFileSync(head, "utf8").split("\r\n");
      const headers = new Map();
      for (const line of lines) {
        const colon = line.indexOf(": ");
        if (colon > 0) headers.set(line.slice(0, colon).toLowerCase(), line.slice(colon + 2));
      }
      rmSync(head);
      resolve({ code, status: Number(lines[0].split(" ")[1]), headers, body: Buffer.concat(body).toString() });
    });
  });
}
