// The one error of this client, and how an answer of the gateway becomes one.

/**
 * What went wrong, for a program: `type` is the type of Claude's error body (`authentication_error`, `not_found_error`, …), or one of
 * `diverged`, `cancelled`, `failed`, `interrupted` (how the stream ended), `connection_error`, `timeout_error` (nothing came).
 */
export class PerennialError extends Error {
  name = "PerennialError";

  /**
   * @param {string} message
   * @param {object} what
   * @param {string} what.type
   * @param {number} [what.status] The status of the answer, where there was one.
   * @param {string} [what.requestId] To be quoted where somebody is asked for help.
   * @param {string} [what.lastCommon] With `diverged`: the last position that is the same on both sides.
   * @param {number} [what.retryAfter] Milliseconds that the gateway asks to wait.
   * @param {boolean} [what.passing] Whether asking again may help. Errors that reach the application do not pass by themselves.
   * @param {unknown} [what.cause]
   */
  constructor(message, { type, status, requestId, lastCommon, retryAfter, passing = false, cause }) {
    super(message, cause === undefined ? undefined : { cause });
    this.type = type;
    this.status = status;
    this.requestId = requestId;
    this.lastCommon = lastCommon;
    this.retryAfter = retryAfter;
    this.passing = passing;
    /** The position up to which everything was handed out. @type {string | undefined} */
    this.position = undefined;
    /** The message as far as it came. @type {import("./perennial-fold.js").Message | undefined} */
    this.partial = undefined;
  }
}

/** The longest pause that an answer can ask for. */
const MOST_PATIENCE = 5 * 60_000;

/**
 * The error that an answer is. Reads its body, which is Claude's error body or, from a proxy, anything.
 * @param {Response} response
 */
export async function errorOf(response) {
  const text = await response.text().catch(() => "");
  const { error = {}, request_id } = objectOf(text);
  const advice = response.headers.get("x-should-retry");
  const message = typeof error.message === "string" ? error.message : text.replace(/\s+/g, " ").slice(0, 200);
  return new PerennialError(`${response.status}: ${message || response.statusText || "no reason given"}`, {
    type: typeof error.type === "string" ? error.type : response.status === 412 ? "diverged" : "api_error",
    status: response.status,
    requestId: response.headers.get("request-id") ?? (typeof request_id === "string" ? request_id : undefined),
    lastCommon: typeof error.last_common === "string" ? error.last_common : undefined,
    retryAfter: retryAfter(response.headers),
    passing: advice === "true" || (advice !== "false" && isPassing(response.status)),
  });
}

/** @param {unknown} cause What `fetch` or a body threw. */
export function connectionError(cause) {
  if (cause instanceof PerennialError) return cause;
  const message = cause instanceof Error ? cause.message : String(cause);
  return new PerennialError(`the connection failed: ${message}`, { type: "connection_error", passing: true, cause });
}

/** Whether an answer may be another one next time: it is, unless it is about the request. A head that was cut can have any status. @param {number} status */
export function isPassing(status) {
  return status < 400 || status >= 500 || status === 408 || status === 425 || status === 429;
}

/** @param {Headers} headers */
function retryAfter(headers) {
  const milliseconds = Number.parseFloat(headers.get("retry-after-ms") ?? "");
  const value = headers.get("retry-after") ?? "";
  const seconds = /^\s*[\d.]+\s*$/.test(value) ? Number.parseFloat(value) * 1000 : Date.parse(value) - Date.now();
  const wanted = Number.isFinite(milliseconds) ? milliseconds : seconds;
  return Number.isFinite(wanted) ? Math.min(Math.max(wanted, 0), MOST_PATIENCE) : undefined;
}

/**
 * @param {string} text
 * @returns {Record<string, any>} What the text says, where it is a JSON object; else nothing.
 */
export function objectOf(text) {
  try {
    const value = JSON.parse(text);
    return value !== null && typeof value === "object" ? value : {};
  } catch {
    return {};
  }
}
