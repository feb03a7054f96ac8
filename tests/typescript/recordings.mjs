// Where the streams are that the suite replays, and what the official Python SDK makes of each.

import { existsSync, readFileSync, readdirSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";

export const ROOT = resolve(dirname(fileURLToPath(import.meta.url)), "../..");
export const OWN = join(ROOT, "tests/fixtures");
export const SHARED = process.env.PERENNIAL_FIXTURES || resolve(ROOT, "../shared/fixtures");

function inFolder(folder, expectedFolder) {
  if (!existsSync(folder)) return [];
  const names = readdirSync(folder).filter((name) => name.endsWith(".sse")).map((name) => name.slice(0, -4));
  return names.sort().map((name) => {
    const path = join(expectedFolder, `${name}.json`);
    const expected = existsSync(path) ? JSON.parse(readFileSync(path, "utf8")) : null;
    const body = () => readFileSync(join(folder, `${name}.sse`), "utf8");
    return { folder, name, model: `replay:${name}`, body, expected };
  });
}

/** Our own, always; the recorded ones where the folder is there. */
export const ALL = [
  ...inFolder(OWN, join(OWN, "expected")),
  ...inFolder(join(SHARED, "recorded"), join(SHARED, "expected")),
  ...inFolder(join(SHARED, "handwritten"), join(SHARED, "expected_handwritten")),
];
