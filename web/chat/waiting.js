// What there is to say while nothing comes: for what, how long, and who is silent.

import { timeline } from "./api.js";

/** After so long without content the page looks what the gateway is doing. */
const LOOK = 900;
/** After so long without anything it says who is silent. */
const SILENT = 5000;

const NAMES = /** @type {Record<string, string>} */ ({ rate_limit_error: "too many requests", overloaded_error: "overloaded", api_error: "the service failed", cut: "the connection was cut" });

export class Waiting {
  #looked = 0;
  #trying = "";

  /** What the gateway does while nothing comes: asking again, waiting. @param {string} stream @param {number} asked */
  async look(stream, asked) {
    const now = Date.now();
    if (!stream || now - asked < LOOK || now - this.#looked < LOOK) return;
    this.#looked = now;
    const known = await timeline(stream);
    const failed = known?.entries.filter((/** @type {any} */ { what }) => what === "attempt_failed") ?? [];
    const last = failed.at(-1);
    if (last?.next === "retry") this.#trying = `${last.status ?? ""} ${NAMES[last.failure] ?? last.failure}: asking again (attempt ${failed.length + 1})`.trim();
  }

  /** @param {{ state: string, begun: boolean, phase: string, asked: number, heard: number, away: boolean }} turn */
  words({ state, begun, phase, asked, heard, away }) {
    if (state === "queued") return "Queued: starts when the answer above is over";
    if (state !== "running") return "";
    if (away) return "Reconnecting; the answer goes on in the gateway";
    if (!begun) return this.#trying || `Waiting ${Math.max(0, (Date.now() - asked) / 1000).toFixed(1)} s`;
    const silent = Date.now() - heard;
    if (silent < SILENT) return "";
    return `${phase === "thinking" ? "Thinking, silent" : "The model is silent"} for ${Math.round(silent / 1000)} s`;
  }
}
