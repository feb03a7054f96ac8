// The types of perennial.js, which are written as comments, hold.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const HERE = dirname(fileURLToPath(import.meta.url));

test("tsc --checkJs --strict has nothing to say", () => {
  const tsc = join(HERE, "node_modules/typescript/bin/tsc");
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, "--project", HERE], { encoding: "utf8" });
  assert.equal(status, 0, stdout + stderr);
});
