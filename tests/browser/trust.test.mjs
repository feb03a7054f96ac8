// What the page lets in, what it says about where answers come from, and what about money.

import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { PLAIN, ask, done, grown, open, order, over, rig, saying, settled } from "./rig.mjs";

const stage = rig();

const HOSTILE = `<script>window.pwned = 1</script>

<img src="http://evil.example/pixel.png" onerror="window.pwned = 2">

![a picture](http://evil.example/image.png) ![data](data:image/svg+xml;base64,PHN2Zz4=)

[one](javascript:window.pwned=3) [two](data:text/html,<script>window.pwned=4</script>) [three](vbscript:x) <javascript:window.pwned=5>

<iframe src="http://evil.example/"></iframe><style>body { background: url(http://evil.example/css) }</style><link rel=stylesheet href=http://evil.example/x.css>

\`\`\`html
<svg onload="window.pwned = 6">
\`\`\`

| <b onclick="window.pwned=7">x</b> | y |
| --- | --- |
| <a href="javascript:window.pwned=8">z</a> | \u202Egnp.exe |
`;

test("C16: a hostile answer loads nothing, runs nothing, and breaks no rule of the page", async () => {
  const page = await open(stage, { orders: saying(HOSTILE, "ttft=0s,tps=300"), settings: PLAIN });
  const foreign = [];
  page.on("request", (request) => request.url().startsWith(stage.gateway.url) || foreign.push(request.url()));
  await page.evaluate(() => {
    window.violations = [];
    document.addEventListener("securitypolicyviolation", ({ violatedDirective, blockedURI }) => window.violations.push(`${violatedDirective} ${blockedURI}`));
  });
  await ask(page, "Something nasty");
  assert.equal(await over(page), "completed");
  for (const link of await page.locator("tape-view a[href]").all()) assert.match(await link.getAttribute("href"), /^(https?|mailto):/);
  await page.locator("tape-view a, tape-view td, tape-view .image").evaluateAll((elements) => elements.forEach((element) => element.hasAttribute("href") || element.click()));
  assert.equal(await page.evaluate(() => window.pwned), undefined);
  assert.deepEqual(await page.evaluate(() => window.violations), []);
  assert.equal(await page.locator("tape-view :is(script, img, iframe, style, link, object, embed, svg svg)").count(), 0);
  assert.deepEqual(foreign, []);
  assert.ok(!(await page.evaluate(() => document.querySelector("tape-view").textContent.includes("\u202E"))));
  await done(page);
});

test("every page and asset comes with the policy, and is not sent twice", async () => {
  for (const path of ["/", "/demo", "/c/conv_0", "/chat/chat.js", "/live/worker.js", "/shell/shell.css", "/perennial.js"]) {
    const headers = { accept: "text/html,*/*" };
    const answer = await fetch(`${stage.gateway.url}${path}`, { headers });
    assert.equal(answer.status, 200, path);
    assert.match(answer.headers.get("content-security-policy"), /default-src 'self'/, path);
    // The chat's page has in it what browsers without scripts see, which changes.
    if (path === "/" || path.startsWith("/c/")) continue;
    const again = await fetch(`${stage.gateway.url}${path}`, { headers: { ...headers, "if-none-match": answer.headers.get("etag") } });
    assert.equal(again.status, 304, path);
  }
});

describe("C17: where answers come from is said by word and by shape", () => {
  for (const path of ["/", "/demo"])
    test(path, async () => {
      const page = await open(stage, { path });
      await page.waitForSelector("mode-badge[mode=sim]");
      assert.equal(await page.textContent("mode-badge"), "SIM");
      const looks = await page.evaluate(() => {
        const shape = (mode) => {
          const badge = document.createElement("mode-badge");
          badge.show(mode);
          document.body.append(badge);
          const { borderTopStyle, borderLeftStyle, borderTopLeftRadius, borderBottomRightRadius } = getComputedStyle(badge);
          badge.remove();
          return [borderTopStyle, borderLeftStyle, borderTopLeftRadius, borderBottomRightRadius].join(" ");
        };
        return ["sim", "live", "replay"].map(shape);
      });
      assert.equal(new Set(looks).size, 3, looks.join(" | "));
      await done(page);
    });
});

describe("C19: the meter", { concurrency: 3 }, () => {
  test("estimated is dotted, confirmed is not and is what the service said", async () => {
    // One that comes to no end, and one that does.
    const page = await open(stage, { orders: "pace=instant; tokens=220; stall@event=40", settings: PLAIN });
    await ask(page, "Tell me about rivers");
    await grown(page, 60);
    await page.waitForSelector(".meter .estimated");
    assert.match(await page.textContent(".meter .estimated"), /^~/);
    assert.match(await page.evaluate(() => getComputedStyle(document.querySelector(".meter .estimated")).textDecorationStyle), /dotted/);
    await page.keyboard.press("Escape");
    assert.equal(await over(page), "cancelled");
    await order(page, "pace=instant; tokens=220");
    await page.click(".turn.assistant .retry");
    await page.waitForFunction(() => document.querySelector(".turn.assistant").dataset.state === "completed");
    await page.waitForFunction(() => !document.querySelector(".meter .estimated"));
    const { turns } = await settled(stage, page);
    assert.ok((await page.textContent(".meter")).includes(`${turns.at(-1).usage.output_tokens} tokens`));
    await done(page);
  });

  test("what a model without a price cost is a dash", async () => {
    const model = "bench:deltas=40,chars=12,gap_us=20000";
    const made = await fetch(`${stage.gateway.url}/v1/conversations`, { method: "POST", headers: { "content-type": "application/json" }, body: JSON.stringify({ model }) });
    const page = await open(stage, { path: `/c/${(await made.json()).id}`, orders: "" });
    await ask(page, "Go");
    assert.equal(await over(page), "completed");
    await page.waitForFunction(() => [...document.querySelectorAll(".meter span")].some(({ textContent }) => textContent === "–"));
    await done(page);
  });

  test("what was read from the service's cache is said as a share", async () => {
    const page = await open(stage, { orders: "pace=instant", settings: PLAIN });
    await ask(page, `Why is the sea blue? ${"I have asked many people who live there. ".repeat(500)}`);
    assert.equal(await over(page), "completed");
    assert.ok(!(await page.textContent(".meter")).includes("cached"));
    await ask(page, "And the sky?");
    await page.waitForFunction(() => document.querySelectorAll('.turn.assistant[data-state="completed"]').length === 2);
    const { turns } = await settled(stage, page);
    const { cache_read_input_tokens: read, cache_creation_input_tokens: written, input_tokens: rest } = turns.at(-1).usage;
    assert.ok(read > 1024, `${read} tokens`);
    const share = Math.round((100 * read) / (read + written + rest));
    await page.waitForFunction((share) => [...document.querySelectorAll(".meter")].at(-1).textContent.includes(`${share} % cached`), share);
    await done(page);
  });
});
