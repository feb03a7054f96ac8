//! Structured output: an answer read as a type.

use std::fmt;

use perennial_protocol::{ContentBlock, Message, StopReason};
use serde::de::DeserializeOwned;

/// Reads structured output; see [`MessageRequest::output`](super::MessageRequest::output).
pub trait ParseOutput {
    /// The answer as a `T`.
    ///
    /// # Errors
    /// Where the answer is not finished (cut by a limit, paused, at a tool call), was refused, or is not a `T`. A part is never read
    /// as if it were the whole, even where it happens to be valid JSON.
    fn parse_output<T: DeserializeOwned>(&self) -> Result<T, OutputError>;
}

/// Why an answer could not be read.
#[derive(Debug)]
pub struct OutputError(Cause);

#[derive(Debug)]
enum Cause {
    Refused,
    Unfinished(Option<StopReason>),
    NoText,
    Json { source: serde_json::Error, text: String },
}

impl ParseOutput for Message {
    fn parse_output<T: DeserializeOwned>(&self) -> Result<T, OutputError> {
        match &self.stop_reason {
            Some(StopReason::EndTurn | StopReason::StopSequence) => {}
            Some(StopReason::Refusal) => return Err(OutputError(Cause::Refused)),
            other => return Err(OutputError(Cause::Unfinished(other.clone()))),
        }
        if !self.content.iter().any(|block| matches!(block, ContentBlock::Text(_))) {
            return Err(OutputError(Cause::NoText));
        }
        let text = self.text();
        serde_json::from_str(&text).map_err(|source| OutputError(Cause::Json { source, text }))
    }
}

impl OutputError {
    /// Whether the model declined.
    #[must_use]
    pub fn is_refused(&self) -> bool {
        matches!(self.0, Cause::Refused)
    }

    /// Whether the answer ended before the output did.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.0, Cause::Unfinished(_))
    }

    /// The text, where the answer is whole but not of the type.
    #[must_use]
    pub fn text(&self) -> Option<&str> {
        match &self.0 {
            Cause::Json { text, .. } => Some(text),
            _ => None,
        }
    }
}

impl fmt::Display for OutputError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Cause::Refused => f.write_str("the model declined to answer; see `stop_details`"),
            Cause::Unfinished(Some(StopReason::MaxTokens)) => {
                f.write_str("the answer was cut at `max_tokens`; raise the limit and ask again")
            }
            Cause::Unfinished(Some(reason)) => {
                write!(f, "the answer is not finished (stop reason {reason}); go on with the turn first")
            }
            Cause::Unfinished(None) => f.write_str("the answer is not finished (no stop reason)"),
            Cause::NoText => f.write_str("the answer has no text"),
            Cause::Json { source, .. } => {
                write!(
                    f,
                    "the answer is not of the type asked for: {source}; was `output` set on the request?"
                )
            }
        }
    }
}

impl std::error::Error for OutputError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match &self.0 {
            Cause::Json { source, .. } => Some(source),
            _ => None,
        }
    }
}
