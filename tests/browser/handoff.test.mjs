// T16 and T18: one live answer in a terminal, in the browser, in another terminal and with curl, and the same text in all of them at the end.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createReadStream, writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { test } from "node:test";

import { curl } from "../faces/curl.mjs";
import { ROOT } from "../typescript/recordings.mjs";
import { PATIENCE, PLAIN, answers, conversation, done, folder, gated, grown, open, over, saying, settled, shown } from "./rig.mjs";

const stage = gated();

const BINARY = process.env.PERENNIAL_BIN || join(ROOT, "target/release/perennial");
const TEXT = `${["First", "Second", "Third"].map((word) => `${word} ${"water finds its way down to the sea, slowly, and carries what it has met; ".repeat(6)}end.`).join("\n\n")}`;
const SLOWLY = saying(TEXT, "ttft=50ms,tps=60,jitter=0");
const HELD = saying(TEXT, "pace=instant");

/** What the editor of lines says to the terminal each time it waits for one. */
const WAITS = "\u001B[?2004h";

const hasTmux = (() => {
  try {
    return execFileSync("tmux", ["-V"]) && true;
  } catch {
    return false;
  }
})();

const quoted = (word) => `'${word.replaceAll("'", "'\\''")}'`;
const squeezed = (text) => text.trim().replace(/\s+/g, " ");

let panes = 0;

/** A pane of tmux, wide enough for each line about the answer, in which a command runs, and everything it writes. */
function pane(context, words, env = {}) {
  panes += 1;
  const [socket, home] = [`perennial-handoff-${process.pid}-${panes}`, folder(context)];
  const tmux = (...given) => execFileSync("tmux", ["-L", socket, "-f", "/dev/null", ...given], { env: { PATH: process.env.PATH, HOME: home, LC_ALL: "C.UTF-8", SHELL: "/bin/sh", TERM: "xterm-256color", ...env } }).toString();
  context.after(() => tmux("kill-server"));
  const fifo = join(home, "bytes");
  execFileSync("mkfifo", [fifo]);
  tmux("-u", "new-session", "-d", "-x", "140", "-y", "50", `tmux wait-for go; ${[BINARY, ...words].map(quoted).join(" ")}; echo "[exit $?]"; exec cat`);
  tmux("pipe-pane", `exec cat > ${quoted(fifo)}`);
  let written = "";
  const waiting = new Set();
  createReadStream(fifo).on("data", (bytes) => {
    written += bytes;
    for (const look of waiting) look();
  });
  tmux("wait-for", "-S", "go");
  return {
    type: (line) => (tmux("send-keys", "-l", line), tmux("send-keys", "Enter")),
    /** Resolves once what was written is so; says what stands there if it never is. */
    until: (holds) =>
      new Promise((resolve, reject) => {
        const patience = setTimeout(() => reject(new Error(`waited in vain; the screen is\n${tmux("capture-pane", "-p", "-S", "-")}`)), PATIENCE);
        const look = () => holds(written) && (waiting.delete(look), clearTimeout(patience), resolve());
        waiting.add(look);
        look();
      }),
    /** What stands there, the lines as they were before the terminal broke them. */
    screen: () => tmux("capture-pane", "-p", "-J", "-S", "-").split("\n").map((line) => line.trimEnd()),
  };
}

const prompts = (number) => (written) => written.split(WAITS).length > number;

test("T16: an answer goes from a terminal to the browser and on to another terminal while it comes", { skip: !hasTmux && "tmux is not here" }, async (context) => {
  const place = folder(context);
  const [opened, browser] = [join(place, "opened"), join(place, "browser")];
  execFileSync("mkfifo", [opened]);
  // The browser of whoever sits there: it says what it is to open.
  writeFileSync(browser, `#!/bin/sh\necho "$1" > ${quoted(opened)}\n`, { mode: 0o755 });

  const gate = stage.gate.hold(40);
  const headers = { "perennial-sim": HELD, ...gate.headers };
  const given = Object.entries(headers).flatMap(([name, value]) => ["-H", `${name}: ${value}`]);
  const chat = pane(context, ["chat", "--base-url", stage.gateway.url, "-m", PLAIN.model, ...given, "--color", "never"], { BROWSER: browser });
  await chat.until(prompts(1));
  chat.type("Tell me about rivers");
  await chat.until((written) => written.includes("First water"));
  chat.type("/open");
  const url = (await readFile(opened, "utf8")).trim();
  assert.match(url, /\/c\/conv_[^/]+$/);

  const page = await open(stage, { path: new URL(url).pathname });
  await grown(page, 20);
  const attached = pane(context, ["attach", url, "--color", "never"]);
  await attached.until((written) => written.includes("First water"));
  // All three have it while it comes.
  assert.equal((await conversation(stage, page)).turns.at(-1).state, "running");
  assert.ok((await shown(page)).length < TEXT.length);
  gate.open();

  assert.equal(await over(page), "completed");
  await Promise.all([chat.until(prompts(2)), attached.until((written) => written.includes("[exit 0]"))]);
  const { turns } = await conversation(stage, page);
  assert.equal(turns.length, 2);
  assert.equal(turns[1].content.map(({ text }) => text).join(""), TEXT);
  assert.equal(squeezed(await answers(page).locator("tape-view").evaluate((view) => [...view.querySelectorAll("p")].map((one) => one.textContent).join("\n"))), squeezed(TEXT));
  const said = chat.screen();
  for (const line of [`perennial: the browser has it too: ${url}`, `perennial: in another terminal: perennial attach ${url}`]) assert.ok(said.includes(line), said.join("\n"));
  // What stands between the question and the next prompt, without what is said beside the answer. What was typed meanwhile is not in it.
  const answer = said.slice(said.findIndex((line) => line.startsWith("> ")) + 1).filter((line) => !line.startsWith("perennial: ") && !line.startsWith(">"));
  assert.equal(squeezed(answer.join("\n")), squeezed(TEXT));
  assert.equal(squeezed(attached.screen().join("\n").split("[exit")[0]), squeezed(TEXT));

  // And the conversation goes on in either: what is asked on the page is known in the terminal.
  await page.fill("#message", "And lakes?");
  await page.press("#message", "Enter");
  await page.waitForFunction(() => document.querySelectorAll(".turn.assistant").length === 2);
  await over(page);
  chat.type("/branch");
  await chat.until((written) => written.includes("And lakes? ->"));
  await done(page);
});

test("T18: curl -N tails a live conversation as text", async () => {
  const post = async (path, body) => {
    const answer = await fetch(`${stage.gateway.url}${path}`, { method: "POST", headers: { "content-type": "application/json", "perennial-sim": SLOWLY }, body: JSON.stringify(body) });
    assert.equal(answer.status, 201);
    return answer.json();
  };
  const { id } = await post("/v1/conversations", { model: PLAIN.model });
  const { assistant } = await post(`/v1/conversations/${id}/turns`, { content: "Tell me about rivers" });
  assert.equal(assistant.state, "running");
  const live = await curl("-N", `${stage.gateway.url}/c/${id}`);
  assert.equal(live.code, 0);
  assert.equal(live.headers.get("perennial-stream"), assistant.stream);
  assert.equal(live.body, TEXT);
  // The same of what is over, with the end of its last line. That it is over is written a moment after its last word.
  await settled(stage, { url: () => `${stage.gateway.url}/c/${id}` });
  assert.equal((await curl("-N", `${stage.gateway.url}/c/${id}`)).body, `${TEXT}\n`);
});
