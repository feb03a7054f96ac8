//! The operator's own words as an answer: a proper stream that costs nothing.

use std::time::Duration;

use bytes::Bytes;
use serde_json::{Value, json};

use super::KeptBody;

/// Between two words.
const GAP: Duration = Duration::from_millis(10);

pub(super) fn body(text: &str, model: &str) -> KeptBody {
    let id = format!("msg_perennial_{}", uuid::Uuid::now_v7().simple());
    let mut frames = vec![
        frame(&json!({"type": "message_start", "message": {
            "id": id, "type": "message", "role": "assistant", "model": model, "content": [],
            "stop_reason": null, "stop_sequence": null,
            "usage": {"input_tokens": 0, "output_tokens": 0},
        }})),
        frame(
            &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        ),
    ];
    frames.extend(text.split_inclusive(char::is_whitespace).map(|word| {
        let delta = json!({"type": "text_delta", "text": word});
        frame(&json!({"type": "content_block_delta", "index": 0, "delta": delta}))
    }));
    frames.extend([
        frame(&json!({"type": "content_block_stop", "index": 0})),
        frame(&json!({
            "type": "message_delta",
            "delta": {"stop_reason": "end_turn", "stop_sequence": null},
            "usage": {"output_tokens": 0},
        })),
        frame(&json!({"type": "message_stop"})),
    ]);
    KeptBody::new(frames.into_iter().map(|frame| (GAP, frame)).collect())
}

fn frame(data: &Value) -> Bytes {
    let name = data["type"].as_str().unwrap_or_default();
    Bytes::from(format!("event: {name}\ndata: {data}\n\n"))
}
