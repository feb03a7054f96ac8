// The six scenes, and every way to break one: data only.

/**
 * @typedef {object} Scene
 * @property {string} id
 * @property {string} name
 * @property {string} lesson What there is to see.
 * @property {string} question
 * @property {"buffered" | "events" | "story"} beside
 * @property {Partial<Record<"ttft" | "gap" | "jitter" | "burst", number>>} [pace]
 * @property {Record<string, any>} [request] More members of the request.
 * @property {string} [orders] More of what the simulator is told.
 * @property {string} [fault] The fault that comes with it.
 */

/** A model that does not think unless it is asked to. */
const PLAIN = { model: "claude-haiku-5-5" };

/** @type {Scene[]} */
export const SCENES = [
  {
    id: "wait",
    name: "Stream or wait",
    lesson: "The same question, asked twice at the same moment: on the left as a stream, on the right as one answer in one piece. Both take as long. Only one of them can be read meanwhile.",
    question: "Why is the sky blue?",
    beside: "buffered",
    pace: { ttft: 600, gap: 14 },
    request: PLAIN,
  },
  {
    id: "events",
    name: "Events",
    lesson: "A stream is a list of events: a message begins, a block begins, grows by deltas, ends; usage comes last. Each row is one of them as it arrived, with its position, by which a reader can come back.",
    question: "Compare Rust and Go.",
    beside: "events",
    pace: { ttft: 400, gap: 22 },
    request: PLAIN,
  },
  {
    id: "thinking",
    name: "Thinking",
    lesson: "Thinking comes in blocks of its own before the text. The line ticks while it does; open it to read along. It never mixes with the answer.",
    question: "A train leaves at 9:40 and takes 2 h 35 min. When does it arrive, and why is that so easy to get wrong?",
    beside: "events",
    pace: { ttft: 500, gap: 18 },
    request: { thinking: { type: "adaptive", display: "summarized" } },
  },
  {
    id: "tools",
    name: "Tools",
    lesson: "A tool's arguments are written token by token like anything else, but are run only when the block is whole. The card grows with them; this page then answers the call, and the text goes on.",
    question: "What is the weather in Lisbon and in Oslo?",
    beside: "events",
    pace: { ttft: 400, gap: 26 },
    orders: "tools=all",
    request: {
      ...PLAIN,
      tools: [
        {
          name: "get_weather",
          description: "The weather at a place.",
          input_schema: { type: "object", properties: { city: { type: "string", description: "A city" }, unit: { type: "string", enum: ["celsius", "fahrenheit"] } }, required: ["city"] },
        },
      ],
    },
  },
  {
    id: "failure",
    name: "Failure",
    lesson: "The upstream breaks in mid-answer. The gateway keeps what came, asks for the rest, proves that the two fit, and goes on: the reader sees one answer. Try the other buttons too.",
    question: "How do I learn to cook?",
    beside: "story",
    pace: { ttft: 400, gap: 20 },
    fault: "cut",
    request: PLAIN,
  },
  {
    id: "resume",
    name: "Resume",
    lesson: "The answer lives in the gateway, not in this page. Cut your connection or reload while it streams: everything is there again, and goes on where it was.",
    question: "Tell me about the sea, in many words.",
    beside: "story",
    pace: { ttft: 400, gap: 26 },
    orders: "tokens=420",
    request: PLAIN,
  },
];

/**
 * @typedef {{ id: string, name: string, orders: string, about: string }} Fault
 * @type {Fault[]}
 */
export const FAULTS = [
  { id: "429", name: "429", orders: "status=429,retry-after=2,times=1", about: "Rate limited: asked to wait two seconds, the gateway waits and asks again" },
  { id: "529", name: "529", orders: "status=529,times=2", about: "Overloaded twice: asked again after growing pauses" },
  { id: "cut", name: "Cut", orders: "rst@event=24,times=1", about: "The upstream's connection is reset in mid-sentence: the rest is asked for, and joined at a proven seam" },
  { id: "stall", name: "Stall", orders: "stall=4s@event=24,times=1", about: "Four seconds of silence in mid-answer" },
  { id: "garbage", name: "Garbage", orders: "garbage=40@event=20,times=1", about: "Bytes that are no event, between two events: left out" },
  { id: "slow", name: "Slow start", orders: "stall=4s@headers,times=1", about: "Four seconds until anything comes at all" },
];

/** @type {{ id: "ttft" | "gap" | "jitter" | "burst", name: string, min: number, max: number, step: number, initial: number, shown: (value: number) => string }[]} */
export const SLIDERS = [
  { id: "ttft", name: "Time to first token", min: 0, max: 3000, step: 50, initial: 400, shown: (value) => (value < 1000 ? `${value} ms` : `${(value / 1000).toFixed(2).replace(/0$/, "")} s`) },
  { id: "gap", name: "Time for a token", min: 2, max: 200, step: 1, initial: 16, shown: (value) => `${value} ms · ${Math.round(1000 / value)}/s` },
  { id: "jitter", name: "Jitter", min: 0, max: 100, step: 5, initial: 20, shown: (value) => `${value} %` },
  { id: "burst", name: "Events together", min: 1, max: 20, step: 1, initial: 1, shown: (value) => (value === 1 ? "one by one" : `${value} at once`) },
];

/** What the tool of the scene says. @param {any} input */
export function weather({ city = "there" }) {
  const degrees = 8 + ([...String(city)].reduce((sum, letter) => sum + letter.charCodeAt(0), 0) % 18);
  return `${city}: ${degrees} °C, ${degrees > 16 ? "sunny" : "cloudy"}`;
}
