//! A text stream as the real service sends it: about 138 bytes an event, 13 % of them text.
//!
//! Shares after 156 recorded streams: 19 bytes of text a delta, one delta in five with an escape (newlines, quotes; never
//! `\u`), some with UTF-8 beyond ASCII (more than recorded, since most of those are English), padding blanks of varying width
//! before the last brace, a ping now and then, a new block after two thousand deltas: the blocks of long answers.

const DELTAS_PER_BLOCK: usize = 2_000;
const DELTAS_PER_PING: usize = 120;

const ASCII: [&str; 12] = [
    "the ",
    "stream",
    " of",
    " answers",
    " goes on,",
    " and",
    " nothing",
    " that",
    " was received",
    " is",
    " ever lost",
    ".",
];
const BEYOND_ASCII: [&str; 6] = ["河", "は流れる", "naïve", " – ", "🚀", "“quoted”"];
const ESCAPES: [&str; 5] = ["\\n", "\\\"", "\\n\\n- ", "\\t", "\\\\"];

/// A stream, and what is in it.
pub(crate) struct Stream {
    pub(crate) bytes: Vec<u8>,
    pub(crate) events: u64,
    pub(crate) text_bytes: u64,
}

/// At least `size` bytes, ended in order; the same for the same seed.
pub(crate) fn stream(size: usize, seed: u64) -> Stream {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut out = Stream { bytes: Vec::with_capacity(size + 4096), events: 0, text_bytes: 0 };
    out.event("message_start", START, 0);
    let mut block = 0;
    while out.bytes.len() < size {
        out.event(
            "content_block_start",
            &format!(r#"{{"type":"content_block_start","index":{block},"content_block":{{"type":"text","text":""}}}}"#),
            rng.usize(..8),
        );
        for delta in 0..DELTAS_PER_BLOCK {
            if delta % DELTAS_PER_PING == 0 {
                out.event("ping", r#"{"type": "ping"}"#, 0);
            }
            let text = text(&mut rng);
            out.text_bytes += text.len() as u64;
            out.event(
                "content_block_delta",
                &format!(
                    r#"{{"type":"content_block_delta","index":{block},"delta":{{"type":"text_delta","text":"{text}"}}}}"#
                ),
                rng.usize(..13),
            );
        }
        out.event(
            "content_block_stop",
            &format!(r#"{{"type":"content_block_stop","index":{block}}}"#),
            rng.usize(..10),
        );
        block += 1;
    }
    out.event("message_delta", END, 5);
    out.event("message_stop", r#"{"type":"message_stop"}"#, 9);
    out
}

const START: &str = r#"{"type":"message_start","message":{"model":"claude-sonnet-4-5","id":"msg_01Bench","type":"message","role":"assistant","content":[],"stop_reason":null,"stop_sequence":null,"usage":{"input_tokens":10,"cache_creation_input_tokens":0,"cache_read_input_tokens":0,"output_tokens":1,"service_tier":"standard"}}}"#;
const END: &str = r#"{"type":"message_delta","delta":{"stop_reason":"end_turn","stop_sequence":null},"usage":{"output_tokens":100000}}"#;

/// One delta's text, as it stands in JSON: 18 to 19 bytes on average.
fn text(rng: &mut fastrand::Rng) -> String {
    let mut text = String::with_capacity(48);
    for _ in 0..rng.usize(1..=5) {
        text.push_str(match rng.u8(..100) {
            0..=86 => ASCII[rng.usize(..ASCII.len())],
            87..=91 => BEYOND_ASCII[rng.usize(..BEYOND_ASCII.len())],
            _ => ESCAPES[rng.usize(..ESCAPES.len())],
        });
    }
    text
}

impl Stream {
    /// Appends an event whose JSON ends in `padding` blanks and a brace.
    pub(crate) fn event(&mut self, name: &str, json: &str, padding: usize) {
        let (head, brace) = json.split_at(json.len() - 1);
        let line = format!("event: {name}\ndata: {head}{:padding$}{brace}\n\n", "");
        self.bytes.extend_from_slice(line.as_bytes());
        self.events += 1;
    }
}
