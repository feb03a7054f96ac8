//! Turns as they are shown: as they stand in the history, with what follows from it.

use perennial_history::{Content, Role, Turn};
use perennial_markdown::{Settings, Tape, batch};
use serde::Deserialize;
use serde_json::value::RawValue;

/// A turn.
pub(super) fn turn(turn: &Turn) -> Box<RawValue> {
    serde_json::value::to_raw_value(turn).unwrap_or_default()
}

/// A turn; what the markdown of an answer renders to stands beside its text.
pub(super) fn taped(turn: &Turn) -> Box<RawValue> {
    let mut shown = turn.clone();
    if turn.role == Role::Assistant
        && let Some(content) = with_tapes(&turn.content)
    {
        shown.content = content;
    }
    self::turn(&shown)
}

/// What is looked at of a block.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: String,
}

fn with_tapes(content: &Content) -> Option<Content> {
    let blocks: Vec<&RawValue> = serde_json::from_str(content.as_str()).ok()?;
    let mut out = String::with_capacity(content.as_str().len() * 4);
    for raw in blocks {
        out.push(if out.is_empty() { '[' } else { ',' });
        let block: Block = serde_json::from_str(raw.get()).unwrap_or_default();
        match raw.get().strip_suffix('}') {
            Some(open) if block.kind == "text" && !block.text.is_empty() => {
                let tape = Tape::new(0, batch(&block.text, Settings::default())).to_json();
                out.push_str(&format!("{open},\"tape\":{tape}}}"));
            }
            _ => out.push_str(raw.get()),
        }
    }
    if out.is_empty() {
        return None;
    }
    out.push(']');
    // What is too large to be rendered at once is shown without.
    Content::from_json(out).ok()
}
