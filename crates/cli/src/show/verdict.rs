//! What an answer came to: the exit code, and what is said about it.

use perennial::{Clock, End, Error, ErrorKind, MessageStream, Phase, StopReason, Transcript};

use crate::exit::{Exit, with_id};

/// What is said of an answer that came to its end, and how much it matters.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// Nothing is to be said.
    Whole,
    /// Something that a reader should know.
    Note(String),
    /// It was cut by a limit: an error only where that was asked for.
    Cut(String),
    Refused(String),
}

/// An answer that came to its end.
pub(crate) fn ended(stream: &MessageStream) -> Verdict {
    let transcript = stream.transcript();
    let envelope = transcript.envelope();
    match transcript.end() {
        End::Refused => {
            let details = envelope.stop_details.as_ref();
            let category = details.and_then(|details| details.category.as_deref());
            let why = details.and_then(|details| details.explanation.as_deref());
            let words = match (category, why) {
                (_, Some(why)) => format!("the model declined: {why}"),
                (Some(category), None) => format!("the model declined ({category})"),
                (None, None) => "the model declined".to_owned(),
            };
            let words = words.trim_end_matches('.');
            let words = format!("{words}; what it said before is to be discarded; ask in other words");
            Verdict::Refused(with_id(&words, stream.request_id()))
        }
        End::Complete { stop_reason: Some(reason) } if reason.is_cut() => {
            let limit = match reason {
                StopReason::MaxTokens => "the limit on its tokens; --max-tokens raises it",
                _ => "the end of the model's context window",
            };
            let words = format!("the answer is cut: it reached {limit}");
            Verdict::Cut(with_id(&words, stream.request_id()))
        }
        End::Complete { stop_reason: Some(StopReason::ToolUse) } => {
            Verdict::Note("the model wants a tool run; ask --json shows the call".to_owned())
        }
        End::Complete { stop_reason: Some(StopReason::PauseTurn) } => {
            Verdict::Note("the model paused a long turn; it goes on when its message is sent back".to_owned())
        }
        _ => Verdict::Whole,
    }
}

/// An answer that did not come to its end: what is said, what to do included, and the exit code.
pub(crate) fn failed(error: &Error) -> (String, Exit) {
    let advice = match error.kind() {
        ErrorKind::Lost | ErrorKind::Truncated | ErrorKind::Interrupted
            if error.phase() == Phase::Content =>
        {
            "what came is kept; ask again, or with --recover 2, which asks for the rest"
        }
        ErrorKind::Deadline(Clock::Total) => "--timeout gives it longer",
        ErrorKind::Deadline(_) => "try again",
        // The library's own words fit.
        _ => return (error.to_string(), code(error)),
    };
    (format!("{}; {advice}", what(error)), code(error))
}

/// What happened, with the request's id.
pub(super) fn what(error: &Error) -> String {
    with_id(error.what(), error.request_id())
}

fn code(error: &Error) -> Exit {
    match error.kind() {
        ErrorKind::Config => Exit::Configuration,
        ErrorKind::Request => Exit::Usage,
        ErrorKind::Status | ErrorKind::InStream => match error.status() {
            Some(401..=403) => Exit::Configuration,
            Some(429 | 503 | 529) => Exit::Busy,
            Some(408 | 504) => Exit::Network,
            _ => Exit::Other,
        },
        ErrorKind::Connect
        | ErrorKind::Lost
        | ErrorKind::Truncated
        | ErrorKind::Malformed
        | ErrorKind::Deadline(
            Clock::Connect | Clock::FirstByte | Clock::Silence | Clock::Progress | Clock::Total,
        ) => Exit::Network,
        _ => Exit::Other,
    }
}

pub(crate) fn interrupted(transcript: &Transcript) -> &'static str {
    // A thought is no answer.
    if transcript.text().is_empty() {
        "interrupted before the answer began"
    } else {
        "interrupted; the answer above is a part"
    }
}
