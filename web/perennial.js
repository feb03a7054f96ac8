// Streams from Claude that do not break: the client of a Perennial gateway for browsers, Node and Deno.
//
// `attach` reads one stream, `create` makes one and reads it, `many` reads up to 64 over one connection. What they hand out is every event, once,
// in order, whatever becomes of the connections below. No dependencies, no build step. How to use it: docs/browser.md.

export { PerennialError } from "./perennial-error.js";
export { EventParser } from "./perennial-events.js";
export { Fold } from "./perennial-fold.js";
export { Many, many } from "./perennial-many.js";
export { Stream, attach, create } from "./perennial-stream.js";
