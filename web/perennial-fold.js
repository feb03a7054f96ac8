// The fold: the events of a stream so far, as the message that Claude's SDKs make of them.
//
// Blocks are found by their index; figures of usage are totals, so they overwrite and are never added, and null never erases one; the input of a tool
// is parsed once, when its block is complete, and text that is no JSON object stays text, marked, for `{}` in its place would be run. Texts are
// gathered with `+=`, which engines keep as a list of pieces until somebody looks: linear, and read as often as one likes.

/** @typedef {Record<string, any> & { content: Record<string, any>[] }} Message */
/** @typedef {{ content: Record<string, any>, open: boolean, input: string }} Slot */

/** Blocks whose input comes as pieces of JSON. */
const CALLS = new Set(["tool_use", "server_tool_use", "mcp_tool_use"]);

/** Stop reasons with which the last block may be incomplete. */
const CUTS = new Set(["max_tokens", "model_context_window_exceeded"]);

/** Members of which the newest counts. What others mean is unknown, also whether a later one replaces it: the first stands, as in the SDKs. */
const REPLACED = new Set([
  ...["stop_reason", "stop_sequence", "stop_details", "container", "context_management", "input_transformations"],
  ...["input_tokens", "output_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "cache_creation", "server_tool_use"],
  ...["service_tier", "speed", "inference_geo", "output_tokens_details", "iterations", "fallback_credit"],
]);

export class Fold {
  /** All text of text blocks so far. */
  text = "";
  /** Whether `message_stop` came, so that the message is whole. */
  complete = false;
  /** The `error` event, if one ended the stream. @type {Record<string, any> | null} */
  error = null;
  /** The message without its content. @type {Record<string, any> | null} */
  #head = null;
  /** @type {Map<number, Slot>} */
  #slots = new Map();
  #added = "";
  /** Another message began within this one, which thereby stays cut. */
  #superseded = false;

  /** Usage as the service last said it; `null` before it said anything. @returns {Record<string, any> | null} */
  get usage() {
    return this.#head?.usage ?? null;
  }

  /** The message so far. An input that is not complete yet is marked as such. @returns {Message} */
  message() {
    const slots = [...this.#slots].sort(([a], [b]) => a - b).map(([, slot]) => slot);
    const content = slots.map((slot) => {
      const input = slot.open && CALLS.has(slot.content.type) ? { input: { INVALID_JSON: slot.input } } : {};
      return { ...copyOf(slot.content), ...input };
    });
    return { ...this.#head, content };
  }

  /**
   * Takes an event in; what does not fit is left out.
   * @param {unknown} event Its data, parsed.
   * @returns {string} The text that it added.
   */
  apply(event) {
    this.#added = "";
    if (isObject(event)) this.#apply(event);
    // Not a slice of the whole: looking into it at each event would make the sum of all events quadratic.
    this.text += this.#added;
    return this.#added;
  }

  /** @param {Record<string, any>} event */
  #apply(event) {
    // An attempt that is begun again begins with its first block; what there was had no content.
    if (event.type === "perennial.seam" && event.mode === "restart") return this.#restart();
    if (this.complete || this.error || this.#superseded) return;
    if (event.type === "error") this.error = event.error ?? {};
    else if (event.type === "message_start") this.#start(event.message);
    else if (!this.#head) return;
    else if (event.type === "content_block_delta") this.#grow(this.#slots.get(event.index), event.delta);
    else if (event.type === "content_block_start") this.#startBlock(event.index, event.content_block);
    else if (event.type === "content_block_stop") close(this.#slots.get(event.index));
    else if (event.type === "message_delta") this.#update(event);
    else if (event.type === "message_stop") {
      for (const slot of this.#slots.values()) close(slot);
      this.complete = true;
    }
  }

  #restart() {
    this.#slots.clear();
    this.text = "";
  }

  /** @param {unknown} message */
  #start(message) {
    if (!isObject(message)) return;
    if (this.#head) {
      this.#superseded = message.id !== this.#head.id;
      return;
    }
    this.#head = { ...message };
    // Some gateways send an answer that is complete in its start.
    if (Array.isArray(message.content)) message.content.forEach((content, index) => this.#put(index, content, false));
  }

  /** @param {number} index @param {unknown} content */
  #startBlock(index, content) {
    if (this.#slots.has(index)) return;
    this.#put(index, content, true);
    const to = isObject(content) && content.type === "fallback" ? content.to : null;
    if (this.#head && to?.model) this.#head.model = to.model;
  }

  /** @param {number} index @param {unknown} content @param {boolean} open */
  #put(index, content, open) {
    if (!isObject(content)) return;
    this.#slots.set(index, { content: copyOf(content), open, input: "" });
    if (content.type === "text" && typeof content.text === "string") this.#added += content.text;
  }

  /** @param {Slot | undefined} slot @param {unknown} delta */
  #grow(slot, delta) {
    if (!slot?.open || !isObject(delta)) return;
    const { content } = slot;
    if (delta.type === "text_delta" && content.type === "text") {
      content.text = (content.text ?? "") + delta.text;
      this.#added += delta.text;
    } else if (delta.type === "thinking_delta" && content.type === "thinking") content.thinking = (content.thinking ?? "") + delta.thinking;
    else if (delta.type === "signature_delta" && (content.type === "thinking" || content.type === "compaction")) content.signature = delta.signature;
    else if (delta.type === "input_json_delta" && CALLS.has(content.type)) slot.input += delta.partial_json;
    else if (delta.type === "citations_delta" && content.type === "text") {
      content.citations ??= [];
      content.citations.push(delta.citation);
    } else if (delta.type === "compaction_delta" && content.type === "compaction") {
      content.content = delta.content;
      if (delta.encrypted_content !== undefined) content.encrypted_content = delta.encrypted_content;
    }
  }

  /** @param {Record<string, any>} event */
  #update({ delta, usage, context_management, input_transformations }) {
    for (const slot of this.#slots.values()) close(slot);
    this.#head = merged(merged(this.#head, delta), { context_management, input_transformations });
    if (usage) this.#head.usage = merged(this.#head.usage, usage);
    const last = [...this.#slots.values()].at(-1);
    // A call that the limit cut before its first piece looks like one without arguments.
    if (last && CUTS.has(this.#head.stop_reason) && CALLS.has(last.content.type) && last.input === "" && isEmpty(last.content.input))
      last.content.input = { INVALID_JSON: "" };
  }
}

/** @param {Slot | undefined} slot */
function close(slot) {
  if (!slot?.open) return;
  slot.open = false;
  // Without pieces, the input is what the block began with: `{}` as a rule, the whole of it in some gateways.
  if (slot.input.trim() !== "") slot.content.input = inputOf(slot.input);
}

/** @param {string} text */
function inputOf(text) {
  try {
    const input = JSON.parse(text);
    if (isObject(input) && !Array.isArray(input)) return input;
  } catch {
    // Cut, or no JSON: below.
  }
  return { INVALID_JSON: text };
}

/** A block that may be changed. @param {Record<string, any>} content */
function copyOf(content) {
  return Array.isArray(content.citations) ? { ...content, citations: [...content.citations] } : { ...content };
}

/** @param {Record<string, any> | null | undefined} known @param {unknown} newer @returns {Record<string, any>} */
function merged(known, newer) {
  const members = Object.entries(isObject(newer) ? newer : {});
  const said = members.filter(([name, value]) => value !== null && value !== undefined && (REPLACED.has(name) || !Object.hasOwn(known ?? {}, name)));
  return { ...known, ...Object.fromEntries(said) };
}

/** @param {unknown} value @returns {value is Record<string, any>} */
function isObject(value) {
  return value !== null && typeof value === "object";
}

/** @param {unknown} value */
function isEmpty(value) {
  return isObject(value) && Object.keys(value).length === 0;
}
