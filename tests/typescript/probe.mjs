// The official TypeScript SDK on one stream, for the table of faults: `node probe.mjs BASE_URL MODEL` prints one JSON line.
//
// As its users write it, with the timeout that the SDK has and its retries as they are by default.

import Anthropic from "@anthropic-ai/sdk";

const [baseURL, model] = process.argv.slice(2);
const client = new Anthropic({ baseURL, apiKey: "test-key", timeout: 5_000 });
const seen = { text: "", input: "", stop_reason: null, events: 0 };

function done(outcome) {
  // The connection may be open still; the answer is known, and that is what the caller of an SDK waits for.
  process.stdout.write(`${JSON.stringify({ ...seen, ...outcome })}\n`, () => process.exit(0));
}

try {
  // As the other clients ask it: bench/clients/src/lib.rs.
  const messages = [{ role: "user", content: "What is a river?" }];
  const stream = client.messages.stream({ model, max_tokens: 4096, messages });
  stream.on("streamEvent", () => (seen.events += 1));
  stream.on("text", (text) => (seen.text += text));
  const message = await stream.finalMessage();
  seen.text = message.content.map((block) => (block.type === "text" ? block.text : "")).join("");
  done({ ending: "message", kind: null, error: null, stop_reason: message.stop_reason });
} catch (error) {
  const own = error instanceof Anthropic.AnthropicError;
  done({ ending: own ? "error" : "foreign error", kind: error.constructor.name, error: String(error.message).slice(0, 300) });
}
