// How an answer ended that is not simply whole: in words, with the one thing that helps.

import { icon, make } from "../shell/elements.js";

/**
 * @typedef {"retry" | "continue" | "edit" | "settings" | "stop" | "trim"} Action
 * @typedef {{ kind: "error" | "stopped" | "cut" | "refused", title: string, words: string, actions: Action[], requestId?: string, wait?: number }} Trouble
 * @typedef {{ state: string, stop_reason?: string | null, stop_details?: any, error?: any, characters?: number, tokens?: number | null, resumable?: boolean }} Ending
 */

const NAMES = /** @type {Record<Action, string>} */ ({ retry: "Retry", continue: "Continue", edit: "Edit the message", settings: "Settings", stop: "Stop", trim: "Stop and trim" });

/** By the type of Claude's error body: title, what to know, what helps. @type {Record<string, [string, string, Action[]]>} */
const KINDS = {
  invalid_request_error: ["The request was not accepted", "Asking again gives the same answer; the message or the settings have to change.", ["edit", "settings"]],
  authentication_error: ["The key is not accepted", "The gateway's key for the model is missing or wrong. Whoever runs it sets it there; it is never in this page.", []],
  permission_error: ["Not allowed", "The gateway's key may not do this.", ["settings"]],
  billing_error: ["The bill is not paid", "The account of the gateway's key has no credit.", []],
  not_found_error: ["This model is not there", "Choose another one.", ["settings"]],
  request_too_large: ["Too large", "Shorten the message, or take an attachment away.", ["edit"]],
  rate_limit_error: ["Too many requests", "The service asks to wait.", ["retry"]],
  overloaded_error: ["The service is overloaded", "It was asked several times. Usually it is better in a minute.", ["retry"]],
  timeout_error: ["Nothing came any more", "The upstream was silent for too long.", ["retry"]],
  api_error: ["The service failed", "That was a fault on its side.", ["retry"]],
};

/** What there is to say about an end; `null` where the answer is whole. @param {Ending} ending @returns {Trouble | null} */
export function troubleOf({ state, stop_reason: reason, stop_details: details, error, characters = 0, tokens, resumable = true }) {
  const some = characters > 0;
  const goOn = /** @type {Action[]} */ (some && resumable ? ["continue", "retry"] : ["retry"]);
  const size = tokens ? `${tokens.toLocaleString("en")} tokens` : some ? `${characters.toLocaleString("en")} characters` : "";
  if (state === "cancelled") return { kind: "stopped", title: "Stopped by you", words: some ? `${size} are kept.` : "Before anything came.", actions: goOn };
  if (state === "failed" || state === "interrupted") {
    const [title, words, actions] = KINDS[error?.type ?? ""] ?? ["The answer could not be finished", "", goOn];
    // Messages of services end as they like.
    const said = (error?.message ?? "").replace(/([^.!?])$/, "$1.");
    const common = { requestId: error?.request_id, wait: error?.retry_after_ms };
    if (some) return { kind: "error", title: "The answer broke off", words: `${size} are kept. ${said}`, actions: goOn, ...common };
    return { kind: "error", title, words: [said, words].filter(Boolean).join(" "), actions, ...common };
  }
  if (reason === "max_tokens") return { kind: "cut", title: "Cut at the limit", words: "The answer reached its longest length (max_tokens).", actions: ["continue", "settings"] };
  if (reason === "model_context_window_exceeded") return { kind: "cut", title: "The model's window is full", words: "Nothing more fits into this conversation; begin a new one, or edit an earlier message.", actions: [] };
  if (reason === "pause_turn") return { kind: "cut", title: "Paused", words: "The model made a pause in a long turn.", actions: ["continue"] };
  if (reason === "refusal") {
    const why = details?.explanation ?? (details?.category ? `Category: ${details.category}.` : "");
    return { kind: "refused", title: "The model declined", words: ["It will not go on with this; ask differently.", why].filter(Boolean).join(" "), actions: ["edit"] };
  }
  return null;
}

/** An answer that goes round in circles. @param {number} times @returns {Trouble} */
export const repeating = (times) => ({ kind: "cut", title: "It repeats itself", words: `The same words came ${times} times in a row.`, actions: ["trim", "stop"] });

/** @param {Trouble} trouble @param {(action: Action) => void} [act] */
export function banner(trouble, act) {
  const { kind, title, words, actions, requestId, wait } = trouble;
  const element = make("div", { class: "trouble", role: kind === "error" ? "alert" : "note", data: { kind } });
  const text = make("p", {}, make("strong", {}, title), words ? ` ${words}` : "");
  element.append(icon(kind === "stopped" ? "stop" : kind === "error" ? "error" : "seam"), text);
  if (requestId) text.append(" ", make("button", { type: "button", class: "request mono", title: "Copy the request id", onclick: () => void navigator.clipboard.writeText(requestId) }, requestId));
  if (!act || actions.length === 0) return element;
  const buttons = actions.map((action, at) => make("button", { type: "button", class: at === 0 ? "button main small" : "button small", data: { action }, onclick: () => act(action) }, NAMES[action]));
  element.append(make("div", { class: "actions" }, ...buttons));
  const first = buttons[0];
  if (wait && first && actions[0] === "retry") countdown(first, wait);
  return element;
}

/** A button that counts down to when it makes sense. @param {HTMLButtonElement} button @param {number} wait */
function countdown(button, wait) {
  const until = Date.now() + wait;
  const tick = () => {
    const left = Math.ceil((until - Date.now()) / 1000);
    button.textContent = left > 0 ? `Retry in ${left} s` : "Retry";
    if (left > 0 && button.isConnected) setTimeout(tick, 250);
  };
  setTimeout(tick);
}
