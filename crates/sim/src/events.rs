//! An answer as the events of the real service: same names, order of keys, padding blanks, pings and fragments.
//!
//! Lazy, so that an answer of 50,000 tokens costs memory for one event at a time.

use std::iter;

use serde_json::{Map, Value, json};

use crate::answer::{Answer, Block, Display, Usage};
use crate::frame::{Frame, Frames, Piece};
use crate::mind::tokens;

mod cut;

/// Largest number of padding blanks that the service puts before the last brace of an event.
const MOST_PADDING: usize = 15;

/// The events of `answer`. Where a text is cut into deltas and how they are padded follows from `seed`.
pub(crate) fn frames(answer: Answer, seed: u64) -> Frames {
    let mut rng = fastrand::Rng::with_seed(seed);
    let start = start(&answer, &mut rng);
    let end = message_delta(&answer, &mut rng);
    let stop = padded("message_stop", r#"{"type":"message_stop"}"#.to_owned(), &mut rng);
    let blocks = (0u64..).zip(answer.blocks).flat_map(move |(index, block)| {
        let mut frames = block_frames(index, block, rng.u64(..));
        let opening = frames.next();
        // One ping follows the start of the first block, as the service sends it.
        let ping = (index == 0).then(Frame::ping);
        opening.into_iter().chain(ping).chain(frames)
    });
    Box::new(iter::once(start).chain(blocks).chain([end, stop]))
}

/// The answer as the body of a response that is not streamed.
pub(crate) fn message(answer: &Answer) -> Value {
    let content: Vec<Value> = answer.blocks.iter().map(whole).collect();
    let mut message = envelope(answer, &content);
    message.insert("stop_reason".to_owned(), json!(answer.stop_reason));
    message.insert("stop_sequence".to_owned(), json!(answer.stop_sequence));
    message.insert("stop_details".to_owned(), json!(answer.stop_details));
    if let Some(container) = &answer.container {
        message.insert("container".to_owned(), container.clone());
    }
    let mut usage = start_usage(&answer.usage, answer.usage.output_tokens);
    if let Value::Object(last) = final_usage(&answer.usage) {
        usage.extend(last);
    }
    message.insert("usage".to_owned(), Value::Object(usage));
    message.extend(answer.extra_delta.clone());
    Value::Object(message)
}

fn envelope(answer: &Answer, content: &[Value]) -> Map<String, Value> {
    let Value::Object(mut message) = json!({
        "model": answer.model,
        "id": answer.id,
        "type": "message",
        "role": "assistant",
        "content": content,
        "stop_reason": null,
        "stop_sequence": null,
        "stop_details": null,
    }) else {
        return Map::new();
    };
    message.extend(answer.extra_start.clone());
    message
}

fn start(answer: &Answer, rng: &mut fastrand::Rng) -> Frame {
    let mut message = envelope(answer, &[]);
    let placeholder = rng.u64(1..=8).min(answer.usage.output_tokens);
    message.insert("usage".to_owned(), Value::Object(start_usage(&answer.usage, placeholder)));
    padded("message_start", json!({"type": "message_start", "message": message}).to_string(), rng)
}

fn message_delta(answer: &Answer, rng: &mut fastrand::Rng) -> Frame {
    let mut event = json!({
        "type": "message_delta",
        "delta": {
            "stop_reason": answer.stop_reason,
            "stop_sequence": answer.stop_sequence,
            "stop_details": answer.stop_details,
        },
        "usage": final_usage(&answer.usage),
    });
    if let Some(container) = &answer.container {
        event["delta"]["container"] = container.clone();
    }
    if let Value::Object(event) = &mut event {
        event.extend(answer.extra_delta.clone());
    }
    padded("message_delta", event.to_string(), rng).totalling(answer.usage.output_tokens)
}

fn start_usage(usage: &Usage, output_tokens: u64) -> Map<String, Value> {
    let Value::Object(mut start) = json!({
        "input_tokens": usage.input_tokens,
        "cache_creation_input_tokens": usage.cache_creation_5m + usage.cache_creation_1h,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_creation_5m,
            "ephemeral_1h_input_tokens": usage.cache_creation_1h,
        },
        "output_tokens": output_tokens,
        "service_tier": "standard",
        "inference_geo": "global",
    }) else {
        return Map::new();
    };
    start.extend(usage.extra_start.clone());
    start
}

fn final_usage(usage: &Usage) -> Value {
    let mut last = json!({
        "input_tokens": usage.final_input_tokens.unwrap_or(usage.input_tokens),
        "cache_creation_input_tokens": usage.cache_creation_5m + usage.cache_creation_1h,
        "cache_read_input_tokens": usage.cache_read,
        "output_tokens": usage.output_tokens,
    });
    if let Value::Object(last) = &mut last {
        if let Some(thinking) = usage.thinking_tokens {
            last.insert("output_tokens_details".to_owned(), json!({"thinking_tokens": thinking}));
        }
        if let Some(tools) = &usage.server_tool_use {
            last.insert("server_tool_use".to_owned(), tools.clone());
        }
        last.extend(usage.extra_final.clone());
    }
    last
}

fn block_frames(index: u64, block: Block, seed: u64) -> Frames {
    let mut rng = fastrand::Rng::with_seed(seed);
    let start = block_start(index, &skeleton(&block), &mut rng);
    let stop = block_stop(index, &mut rng);
    let deltas: Frames = match block {
        Block::Text { text, citations } => {
            let mut citing = rng.clone();
            let citations = citations.into_iter().map(move |citation| {
                let delta = json!({"type": "citations_delta", "citation": citation});
                block_delta(index, &delta.to_string(), &mut citing)
            });
            let text = cut::words(text, rng.u64(..)).map(move |piece| delta(index, &TEXT, piece, &mut rng));
            Box::new(citations.chain(text))
        }
        Block::Thinking { thinking, signature, display, mut tokens } => {
            // Thinking that was cut ends without a signature.
            let signature = (!signature.is_empty()).then(|| {
                let delta = json!({"type": "signature_delta", "signature": signature});
                block_delta(index, &delta.to_string(), &mut rng.clone())
            });
            let thoughts: Frames = match display {
                Display::Omitted => Box::new(iter::empty()),
                Display::Summarized => Box::new(
                    cut::words(thinking, rng.u64(..))
                        .map(move |piece| delta(index, &THINKING, piece, &mut rng)),
                ),
                Display::Updates => {
                    Box::new(cut::lines(thinking).map(move |piece| delta(index, &THINKING, piece, &mut rng)))
                }
            };
            let mut thoughts = thoughts.fuse();
            let mut ends = signature.into_iter().chain([stop]);
            let frames = iter::from_fn(move || {
                if let Some(frame) = thoughts.next() {
                    tokens = tokens.saturating_sub(frame.tokens);
                    return Some(frame);
                }
                // What was thought and is not shown passes in silence, before the end.
                Some(ends.next()?.costing(std::mem::take(&mut tokens)))
            });
            return Box::new(iter::once(start).chain(frames));
        }
        Block::ToolUse { input, eager, .. } => {
            let fragments = if eager { cut::fragments(input, rng.u64(..)) } else { cut::pairs(&input) };
            Box::new(
                iter::once(String::new())
                    .chain(fragments)
                    .map(move |piece| delta(index, &INPUT, piece, &mut rng)),
            )
        }
        Block::Compaction { content } => {
            let tokens = content.as_deref().map_or(0, tokens::count);
            let delta = json!({"type": "compaction_delta", "content": content});
            Box::new(iter::once(block_delta(index, &delta.to_string(), &mut rng).costing(tokens)))
        }
        Block::RedactedThinking { .. } | Block::Whole(_) => Box::new(iter::empty()),
    };
    Box::new(iter::once(start).chain(deltas).chain(iter::once(stop)))
}

/// The block as `content_block_start` shows it.
fn skeleton(block: &Block) -> Value {
    match block {
        Block::Text { citations, .. } if citations.is_empty() => json!({"type": "text", "text": ""}),
        Block::Text { .. } => json!({"citations": [], "type": "text", "text": ""}),
        Block::Thinking { .. } => json!({"type": "thinking", "thinking": "", "signature": ""}),
        Block::ToolUse { kind, id, name, extra, .. } => {
            let mut block = json!({"type": kind, "id": id, "name": name, "input": {}});
            if let Value::Object(block) = &mut block {
                block.extend(extra.clone());
            }
            block
        }
        Block::Compaction { .. } => json!({"type": "compaction", "content": null}),
        Block::RedactedThinking { .. } | Block::Whole(_) => whole(block),
    }
}

/// The block as the final message has it.
fn whole(block: &Block) -> Value {
    match block {
        Block::Text { text, citations } if citations.is_empty() => json!({"type": "text", "text": text}),
        Block::Text { text, citations } => json!({"citations": citations, "type": "text", "text": text}),
        Block::Thinking { thinking, signature, display, .. } => {
            let shown = if *display == Display::Omitted { "" } else { thinking.as_str() };
            json!({"type": "thinking", "thinking": shown, "signature": signature})
        }
        Block::RedactedThinking { data } => json!({"type": "redacted_thinking", "data": data}),
        Block::ToolUse { input, .. } => {
            let mut block = skeleton(block);
            block["input"] = serde_json::from_str(input).unwrap_or_else(|_| json!({}));
            block
        }
        Block::Compaction { content } => json!({"type": "compaction", "content": content}),
        Block::Whole(value) => value.clone(),
    }
}

fn block_start(index: u64, block: &Value, rng: &mut fastrand::Rng) -> Frame {
    let event = json!({"type": "content_block_start", "index": index, "content_block": block});
    padded("content_block_start", event.to_string(), rng)
}

fn block_stop(index: u64, rng: &mut fastrand::Rng) -> Frame {
    padded("content_block_stop", format!(r#"{{"type":"content_block_stop","index":{index}}}"#), rng)
}

fn block_delta(index: u64, delta: &str, rng: &mut fastrand::Rng) -> Frame {
    let event = format!(r#"{{"type":"content_block_delta","index":{index},"delta":{delta}}}"#);
    padded("content_block_delta", event, rng)
}

/// How a delta of one kind is written: its type, its field, and what the journal calls it.
struct Kind {
    delta: &'static str,
    field: &'static str,
    piece: &'static str,
}

const TEXT: Kind = Kind { delta: "text_delta", field: "text", piece: "text" };
const THINKING: Kind = Kind { delta: "thinking_delta", field: "thinking", piece: "thinking" };
const INPUT: Kind = Kind { delta: "input_json_delta", field: "partial_json", piece: "input" };

/// A text delta by itself, for the synthetic streams.
pub(crate) fn text_delta(index: u64, text: String, rng: &mut fastrand::Rng) -> Frame {
    delta(index, &TEXT, text, rng)
}

/// A fragment of tool input by itself, for the synthetic streams.
pub(crate) fn input_delta(index: u64, fragment: String, rng: &mut fastrand::Rng) -> Frame {
    delta(index, &INPUT, fragment, rng)
}

fn delta(index: u64, kind: &Kind, text: String, rng: &mut fastrand::Rng) -> Frame {
    let quoted = Value::String(text);
    let delta = format!(r#"{{"type":"{}","{}":{quoted}}}"#, kind.delta, kind.field);
    let Value::String(text) = quoted else { return block_delta(index, &delta, rng) };
    let tokens = tokens::count(&text);
    block_delta(index, &delta, rng).costing(tokens).carrying(Piece { index, kind: kind.piece, text })
}

/// The service pads its JSON with blanks before the last brace, so that sizes tell nothing about the content.
fn padded(name: &'static str, mut json: String, rng: &mut fastrand::Rng) -> Frame {
    if json.pop().is_some() {
        json.extend(iter::repeat_n(' ', rng.usize(..=MOST_PADDING)));
        json.push('}');
    }
    Frame::new(name, &json)
}

#[cfg(test)]
mod tests;
