// What stands beside the answer: the same one buffered, its events, and what happened to it.

import { find, make, say } from "../shell/elements.js";

/** Rows that are kept; older ones leave, so that a long stream stays light. */
const MOST_ROWS = 500;

/** Asks for the same answer in one piece. @param {any} body @param {Record<string, string>} headers @param {AbortSignal} signal */
export async function buffered(body, headers, signal) {
  const place = find("#buffered");
  const strip = /** @type {import("../stream/stream-strip.js").StreamStrip} */ (find("#buffered-strip"));
  place.replaceChildren();
  strip.start();
  say(find("#second-note"), "waiting for all of it");
  const began = performance.now();
  try {
    const answer = await fetch("/v1/messages", {
      method: "POST",
      headers: { "content-type": "application/json", "anthropic-version": "2026-10-21", "x-api-key": "any", ...headers },
      body: JSON.stringify({ ...body, stream: false }),
      signal,
    });
    const message = await answer.json();
    const first = performance.now() - began;
    const text = answer.ok ? message.content.map((/** @type {any} */ { text }) => text ?? "").join("") : `${answer.status}: ${message.error?.message}`;
    place.append(make("div", { class: "raw" }, text));
    strip.add(answer.ok ? "text" : "error", text.length, first);
    strip.finish(answer.ok ? "completed" : "failed", first);
    say(find("#second-note"), `text after ${(first / 1000).toFixed(2)} s`);
  } catch (error) {
    if (!signal.aborted) say(find("#second-note"), error instanceof Error ? error.message : "failed");
    strip.finish("cancelled");
  }
}

/** The list of events, appended to once per frame however fast they come. */
export class EventList {
  #list = find("#events");
  /** @type {HTMLElement[]} */
  #rows = [];
  #frame = 0;
  #began = 0;
  #last = 0;
  count = 0;

  clear() {
    this.#list.replaceChildren();
    this.#rows = [];
    this.count = 0;
    this.#began = this.#last = performance.now();
  }

  /** @param {import("../perennial-events.js").StreamEvent} event */
  add({ id, event, data, text }) {
    this.count += 1;
    const now = performance.now();
    const kind = kindOf(event, data);
    const row = make("li", { data: { kind } },
      make("span", { class: "at" }, ((now - this.#began) / 1000).toFixed(3)),
      make("span", { class: "id" }, id),
      make("span", { class: "name" }, event.replace("content_block_", "block_").replace("perennial.", "")),
      make("span", { class: "what" }, contentOf(data, text)),
    );
    if (now - this.#last > 1500 && this.count > 1) row.dataset.gap = `${((now - this.#last) / 1000).toFixed(1)} s of silence`;
    this.#last = now;
    this.#rows.push(row);
    this.#frame ||= requestAnimationFrame(() => this.#show());
    if (document.hidden) this.#show();
  }

  #show() {
    this.#frame = 0;
    const list = this.#list;
    const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 60;
    list.append(...this.#rows);
    this.#rows = [];
    while (list.children.length > MOST_ROWS) list.firstElementChild?.remove();
    if (atEnd) list.scrollTop = list.scrollHeight;
  }
}

/** @param {string} event @param {any} data */
function kindOf(event, data) {
  if (event === "ping") return "ping";
  if (event.startsWith("perennial.")) return event === "perennial.terminal" ? "usage" : "log";
  if (event === "error") return "error";
  if (event.startsWith("message_")) return "usage";
  const type = data?.delta?.type ?? data?.content_block?.type ?? "";
  if (/thinking|signature/.test(type)) return "thinking";
  if (/json|tool/.test(type)) return "tool";
  if (/citation/.test(type)) return "source";
  return "text";
}

/** @param {any} data @param {string} text */
function contentOf(data, text) {
  const delta = data?.delta;
  const shown = delta?.text ?? delta?.thinking ?? delta?.partial_json ?? (delta?.signature ? `signature, ${delta.signature.length} characters` : undefined);
  if (shown !== undefined) return JSON.stringify(shown);
  if (data?.content_block) return `${data.index} · ${data.content_block.type}${data.content_block.name ? ` ${data.content_block.name}` : ""}`;
  if (data?.type === "content_block_stop") return String(data.index);
  if (data?.message) return `${data.message.model} · in ${data.message.usage?.input_tokens ?? "?"}`;
  if (data?.type === "message_delta") return `${delta.stop_reason} · out ${data.usage?.output_tokens ?? "?"}`;
  if (data?.type === "perennial.terminal") return `${data.outcome}${data.error ? ` · ${data.error.message}` : ""}`;
  if (data?.type === "perennial.seam") return `${data.mode} after ${data.reason} · kept ${data.cut ?? 0} · proof ${data.overlap ?? 0}`;
  return data?.type === "message_stop" || data?.type === "ping" ? "" : text.slice(0, 160);
}

/** What happened, told from the gateway's own timeline and from what this page saw. */
export class Story {
  #list = find("#story");
  #told = 0;
  #timer = 0;
  #began = 0;
  #id = "";

  constructor() {
    addEventListener("story", (event) => {
      const { words, kind } = /** @type {CustomEvent} */ (event).detail;
      this.add("this page", words, kind === "resuming" ? "wait" : kind === "failed" ? "error" : "good");
    });
  }

  clear() {
    clearTimeout(this.#timer);
    this.#list.replaceChildren();
    this.#told = 0;
    this.#began = performance.now();
  }

  /** @param {string} id */
  follow(id) {
    this.#id = id;
    this.#told = 0;
    void this.look();
  }

  /** @param {string} who @param {string} words @param {"plain" | "wait" | "error" | "good"} kind @param {number} [at] */
  add(who, words, kind, at = performance.now() - this.#began) {
    const row = make("li", { data: { kind } }, make("span", { class: "at mono" }, `${(at / 1000).toFixed(2)} s`), make("span", { class: "who" }, who), make("span", {}, words));
    this.#list.append(row);
    this.#list.scrollTop = this.#list.scrollHeight;
  }

  /** Asks what is new, and again while the stream runs. */
  async look() {
    clearTimeout(this.#timer);
    const id = this.#id;
    const answer = await fetch(`/v1/streams/${id}/timeline`).catch(() => null);
    if (id !== this.#id) return;
    const timeline = answer?.ok ? await answer.json() : { entries: [], stream: { state: "running" } };
    for (const entry of timeline.entries.slice(this.#told)) {
      const [words, kind] = told(entry);
      if (words) this.add("gateway", words, kind, entry.at_ms);
    }
    this.#told = Math.max(this.#told, timeline.entries.length);
    if (timeline.stream.state === "running" || timeline.stream.state === "recovering") this.#timer = window.setTimeout(() => void this.look(), 350);
  }
}

/** @param {any} entry @returns {[string, "plain" | "wait" | "error" | "good"]} */
function told(entry) {
  const attempt = entry.attempt > 1 ? `, attempt ${entry.attempt}` : "";
  switch (entry.what) {
    case "asked":
      return ["The request is in the log", "plain"];
    case "attempt_answered":
      return [`The upstream answers ${entry.status ?? ""}${attempt}`, entry.attempt > 1 ? "good" : "plain"];
    case "attempt_failed": {
      const next = /** @type {Record<string, string>} */ ({ retry: "is asked again after a pause", continue: "is asked for the rest", finish: "had said everything", give_up: "is not asked again" })[entry.next] ?? "";
      const why = entry.status ? `${entry.status} ${entry.failure}` : entry.failure;
      return [`The upstream failed (${why}) and ${next}${entry.because ? `: ${entry.because}` : ""}`, entry.next === "give_up" ? "error" : "wait"];
    }
    case "seam":
      return [`Joined at a proven seam: ${entry.cut ?? 0} bytes were kept, ${entry.overlap ?? 0} came twice and were left out`, "good"];
    case "gap":
    case "long_gap":
      return [`Silence for ${((entry.gap_ms ?? entry.ms ?? 0) / 1000).toFixed(1)} s`, "wait"];
    case "notice":
      return [`Notice: ${entry.reason}`, "wait"];
    case "cancel":
      return ["Somebody stopped it", "plain"];
    case "terminal":
      return [`It ended: ${entry.outcome}${entry.error ? `, ${entry.error.message}` : ""}`, entry.outcome === "completed" ? "good" : "error"];
    default:
      return ["", "plain"];
  }
}
