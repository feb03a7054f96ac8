// The command `perennial` as a process: started on a free port, known by the line it prints, ended by its id.

import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

import { ROOT } from "./recordings.mjs";

const BINARY = process.env.PERENNIAL_BIN || join(ROOT, "target/debug/perennial");
const READY = "listening on ";

/** Starts `perennial serve` or `perennial sim` and resolves to `{ url, stop }` when it listens. */
export function start(command, ...args) {
  // A key in the caller's environment must not send a test to the real service.
  const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("ANTHROPIC_")));
  // The folder for streams is for one gateway; each has its own here.
  const data = mkdtempSync(join(tmpdir(), "perennial-test-"));
  env.PERENNIAL_DATA ??= data;
  const child = spawn(BINARY, [command, "--listen", "127.0.0.1:0", ...args], { env, stdio: ["ignore", "pipe", "pipe"] });
  child.once("exit", () => rmSync(data, { recursive: true, force: true }));
  const ended = (signal) => new Promise((done) => child.exitCode === null && child.signalCode === null ? (child.once("exit", done), child.kill(signal)) : done());
  let stderr = "";
  child.stderr.on("data", (chunk) => (stderr += chunk));
  return new Promise((resolve, reject) => {
    child.once("error", reject);
    child.once("exit", (code) => reject(new Error(`${command} ended with ${code}: ${stderr}`)));
    createInterface({ input: child.stdout }).once("line", (line) => {
      if (!line.startsWith(READY)) return reject(new Error(`${command} printed ${JSON.stringify(line)}: ${stderr}`));
      resolve({
        url: line.slice(READY.length).trim(),
        stop: () => ended("SIGTERM"),
        /** As by accident. */
        kill: () => ended("SIGKILL"),
      });
    });
  });
}
