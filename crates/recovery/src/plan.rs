//! The plan: what to do about an answer of which readers have a part.

use std::fmt;

use bytes::Bytes;
use perennial_protocol::{BlockStatus, ContentBlock, End, Place, Transcript};
use perennial_tokens::count as estimate_tokens;
use serde_json::{Value, json};

use crate::anchor::Anchor;
use crate::frames::message_stop;
use crate::mode::Mode;
use crate::overlap::{Overlap, Proof};
use crate::request::Request;
use crate::splice::{Opening, Splice};
use crate::told::{Told, cites};

/// An answer of which so little was shown, in bytes, is asked for again; it must then begin with all of it.
/// What was thought before it stays as it was shown, and what is thought anew is not.
const LITTLE: usize = 40;
/// What a model is asked to say again, in bytes, at least, and what it has to say again. A phrase is not enough: sentences of one author begin alike, so
/// that another answer may begin with the very words that this one ended with.
const AGAIN: usize = 40;
/// A shorter last block proves nothing, though all of it be said again.
const LEAST: usize = 12;

/// How often an answer that broke may be gone on with. Default 2.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct MaxHops(pub u32);

impl Default for MaxHops {
    fn default() -> Self {
        Self(2)
    }
}

/// What to do about an answer that broke.
#[derive(Debug)]
pub enum Plan {
    /// The same is asked again.
    Restart(Splice),
    /// The rest is asked for.
    Continue {
        /// The body of that request.
        body: Bytes,
        /// What joins its answer to what readers have.
        splice: Splice,
        /// How it is asked for.
        mode: Mode,
    },
    /// All is there but the end marker, which is this frame.
    Finish(Bytes),
    /// Nothing can be done that would be safe.
    Refuse(Reason),
}

/// Why an answer cannot be gone on with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Reason {
    /// The request is compressed, or cannot be read.
    Unreadable,
    /// It broke in a tool call.
    InToolCall,
    /// It broke after a tool call, which may be carried out.
    AfterToolCall,
    /// It broke in a thought.
    InThinking,
    /// It broke after a thought.
    AfterThinking,
    /// It broke in a text that cites.
    Citations,
    /// The answer is of a form that is of one piece.
    Structured,
    /// It has a block of a kind that is not known.
    UnknownBlock,
    /// Its text repeats itself for so long that no place in it can be named.
    Repetitive,
    /// The last block of text is too short to be found again.
    TooLittle,
    /// The client had begun the answer itself.
    Prefilled,
    /// The service keeps the conversation: what asks it to go on would stay in there.
    Thread,
    /// There is nothing left of `max_tokens`, or no more than what may be thought.
    NothingLeft,
    /// Readers were given content that fits nowhere, or blocks that overlap.
    OutOfPlace,
    /// It is complete, or has failed by its own word.
    Over,
}

/// What to do about the answer to this request, of which readers were `told` so much.
///
/// ```
/// use perennial_recovery::{Plan, Told, plan};
///
/// // Nobody has anything of it: it is asked for again.
/// let request = br#"{"model":"claude-sonnet-5-5","max_tokens":100,"messages":[{"role":"user","content":"Hi"}]}"#;
/// assert!(matches!(plan(request, &Told::new()), Plan::Restart(_)));
/// ```
#[must_use]
pub fn plan(request: &[u8], told: &Told) -> Plan {
    let transcript = told.transcript();
    if transcript.is_finished() {
        return Plan::Refuse(Reason::Over);
    }
    if let End::Truncated(truncation) = transcript.end()
        && truncation.place == Place::BeforeStop
    {
        return Plan::Finish(message_stop());
    }
    let last = transcript.indices().last();
    if told.has_strayed() || transcript.open_blocks().any(|open| Some(open) != last) {
        return Plan::Refuse(Reason::OutOfPlace);
    }
    if !told.has_content() {
        let opening = Opening::of(transcript);
        return Plan::Restart(Splice::again(told, String::new(), opening));
    }
    match go_on(request, told) {
        Ok(plan) => plan,
        Err(reason) => Plan::Refuse(reason),
    }
}

fn go_on(request: &[u8], told: &Told) -> Result<Plan, Reason> {
    let transcript = told.transcript();
    let last_text = may_go_on(transcript)?;
    let request = Request::read(request).ok_or(Reason::Unreadable)?;
    if request.is_structured {
        return Err(Reason::Structured);
    }
    if request.is_prefilled {
        return Err(Reason::Prefilled);
    }
    if request.has_thread {
        return Err(Reason::Thread);
    }
    let text = transcript.text();
    let opening = Opening::of(transcript);
    if opening.is_open() && text.len() < LITTLE && text == last_text && !text.is_empty() {
        return Ok(Plan::Restart(Splice::again(told, text, opening)));
    }
    let prefill = request.takes_prefill();
    let longest_stop = request.stop_sequences.iter().map(String::len).max().unwrap_or(0);
    // A stop sequence that begins before the cut is seen only where all of it is said by the same attempt.
    // Where the last block is short, all of it is said again.
    let wanted = AGAIN.max(longest_stop).min(last_text.len());
    if last_text.trim_end().len() < LEAST {
        return Err(Reason::TooLittle);
    }
    let anchor = Anchor::of(&text, last_text.len(), wanted).ok_or(Reason::Repetitive)?;
    let (before, again) = text.split_at(anchor.start);
    let left = match request.max_tokens() {
        Some(most) => Some(most.checked_sub(used(transcript)).ok_or(Reason::NothingLeft)?),
        None => None,
    };
    // What is said again is not to be taken from what is left.
    let max_tokens = left.map(|left| left.saturating_add(estimate_tokens(again)));
    if max_tokens.is_some_and(|most| most <= request.thinking_budget) {
        return Err(Reason::NothingLeft);
    }
    let (mode, turns) = if prefill && !before.trim().is_empty() {
        let beginning = before.trim_end();
        (Mode::Prefill, vec![json!({"role": "assistant", "content": beginning})])
    } else {
        (Mode::Quote, vec![so_far(transcript), please(again)])
    };
    let body = request.with(&turns, max_tokens);
    let overlap = Overlap::new(text.clone(), Proof::End(anchor.least));
    let splice = Splice::rest(told, mode, overlap, opening, again.len());
    Ok(Plan::Continue { body, splice, mode })
}

/// About how many tokens readers have, thoughts included: what comes in addition is to stay within the client's limit, though the model thinks anew.
fn used(transcript: &Transcript) -> u64 {
    let blocks = transcript.indices().filter_map(|index| transcript.block(index));
    let (text, thoughts) = blocks.fold((0, 0), |(text, thoughts), block| match block {
        ContentBlock::Text(block) => (text + estimate_tokens(&block.text), thoughts),
        ContentBlock::Thinking(block) => (text, thoughts + estimate_tokens(&block.thinking)),
        _ => (text, thoughts),
    });
    // The service's own figure, where it gives one, has what it does not show.
    text + thoughts.max(transcript.estimated_thinking_tokens())
}

/// The text of the last block, if the answer is one that can be gone on with.
fn may_go_on(transcript: &Transcript) -> Result<&str, Reason> {
    let mut last = Err(Reason::UnknownBlock);
    for index in transcript.indices() {
        let open = transcript.block_status(index) == Some(BlockStatus::Open);
        if !transcript.unknown_deltas(index).is_empty() {
            return Err(Reason::UnknownBlock);
        }
        last = match transcript.block(index) {
            Some(ContentBlock::Text(text)) if cites(text) => return Err(Reason::Citations),
            Some(ContentBlock::Text(text)) => Ok(&*text.text),
            Some(ContentBlock::Thinking(_)) if open => return Err(Reason::InThinking),
            Some(ContentBlock::Thinking(_) | ContentBlock::RedactedThinking(_)) => Err(Reason::AfterThinking),
            Some(ContentBlock::ToolUse(_) | ContentBlock::ServerToolUse(_) | ContentBlock::McpToolUse(_)) => {
                return Err(if open { Reason::InToolCall } else { Reason::AfterToolCall });
            }
            _ => return Err(Reason::UnknownBlock),
        };
    }
    last
}

/// What was said, as the turn that it will have been.
fn so_far(transcript: &Transcript) -> Value {
    let blocks: Vec<Value> = transcript
        .indices()
        .filter_map(|index| transcript.block(index))
        // The service refuses a text of nothing but blanks.
        .filter(|block| !matches!(block, ContentBlock::Text(text) if text.text.trim().is_empty()))
        .filter_map(|block| serde_json::to_value(block).ok())
        .collect();
    json!({"role": "assistant", "content": blocks})
}

/// The request to go on, for a model that cannot be given the beginning of its own turn.
fn please(again: &str) -> Value {
    let text = format!(
        "Your reply above was interrupted by a lost connection before it was complete. Please continue it from exactly where it stopped. \
         It ended with these words:\n\n<end_of_reply>{again}</end_of_reply>\n\n\
         Begin your reply by repeating exactly what stands between the tags, character by character, without the tags, and go on directly from \
         there, in the same style and format. Write nothing before it: no preamble, no apology, no remark about the interruption. If nothing is \
         missing after these words, repeat them and stop."
    );
    json!({"role": "user", "content": text})
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Restart => "restart",
            Self::Prefill => "prefill",
            Self::Quote => "quote",
            Self::Finish => "finish",
        })
    }
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Unreadable => "the request cannot be read",
            Self::InToolCall => "it broke in a tool call",
            Self::AfterToolCall => "it broke after a tool call",
            Self::InThinking => "it broke in a thought",
            Self::AfterThinking => "it broke between a thought and the text",
            Self::Citations => "it broke in a text that cites",
            Self::Structured => "the answer is of a form that cannot be joined",
            Self::UnknownBlock => "it has a block of a kind that is not known",
            Self::Repetitive => "its text repeats itself for too long",
            Self::TooLittle => "its last text is too short to be found again",
            Self::Prefilled => "the client had begun the answer itself",
            Self::Thread => "the service keeps the conversation itself",
            Self::NothingLeft => "there is nothing left of max_tokens",
            Self::OutOfPlace => "its events are out of place",
            Self::Over => "it is over",
        })
    }
}
