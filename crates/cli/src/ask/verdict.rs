//! What an answer came to: the exit code, and what is said about it on standard error.

use perennial::{Clock, End, Error, ErrorKind, MessageStream, StopReason, Transcript};

use super::{AskArgs, Times};
use crate::exit::{Exit, say};

/// An answer that came to its end.
pub(super) fn ended(stream: &MessageStream, args: &AskArgs) -> Exit {
    let transcript = stream.transcript();
    let envelope = transcript.envelope();
    let (words, exit) = match transcript.end() {
        End::Refused => {
            let details = envelope.stop_details.as_ref();
            let category = details.and_then(|details| details.category.as_deref());
            let why = details.and_then(|details| details.explanation.as_deref());
            let words = match (category, why) {
                (_, Some(why)) => format!("the model declined: {why}"),
                (Some(category), None) => format!("the model declined ({category})"),
                (None, None) => "the model declined".to_owned(),
            };
            (format!("{words}; what it said before is to be discarded"), Exit::Refused)
        }
        End::Complete { stop_reason: Some(reason) } if reason.is_cut() => {
            let limit = match reason {
                StopReason::MaxTokens => "the limit on its tokens; --max-tokens raises it",
                _ => "the end of the model's context window",
            };
            let exit = if args.fail_on_truncate { Exit::Truncated } else { Exit::Done };
            (format!("the answer is cut: it reached {limit}"), exit)
        }
        End::Complete { stop_reason: Some(StopReason::ToolUse) } => {
            ("the model wants a tool run; ask --json shows the call".to_owned(), Exit::Done)
        }
        End::Complete { stop_reason: Some(StopReason::PauseTurn) } => {
            ("the model paused a long turn; it goes on when its message is sent back".to_owned(), Exit::Done)
        }
        _ => return Exit::Done,
    };
    if exit != Exit::Done {
        say(with_id(&words, stream.request_id()));
    } else if !args.quiet {
        say(words);
    }
    exit
}

/// An answer that did not come to its end. The error's own line says what to do.
pub(super) fn failed(error: &Error) -> Exit {
    say(error);
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

pub(super) fn interrupted(transcript: &Transcript) {
    if transcript.indices().next().is_some() {
        say("interrupted; the answer above is a part");
    } else {
        say("interrupted before the answer began");
    }
}

/// What the answer cost, in one line.
pub(super) fn usage(stream: &MessageStream, times: &Times) {
    let usage = stream.usage();
    let tokens = usage.tokens;
    let figure = |figure: Option<u64>| figure.map_or_else(|| "?".to_owned(), |figure| figure.to_string());
    let mut line = format!("tokens: {} in", figure(tokens.input_tokens));
    for (figure, what) in [
        (tokens.cache_read_input_tokens, "read from cache"),
        (tokens.cache_creation_input_tokens, "written to cache"),
    ] {
        if let Some(figure) = figure.filter(|figure| *figure > 0) {
            line.push_str(&format!(", {figure} {what}"));
        }
    }
    // Before the end the figure is a placeholder of the service.
    let out = if usage.is_final { figure(tokens.output_tokens) } else { "?".to_owned() };
    line.push_str(&format!(", {out} out"));
    if let Some(reason) = &stream.transcript().envelope().stop_reason {
        line.push_str(&format!("; {reason}"));
    }
    if let Some(first) = times.first_text {
        line.push_str(&format!("; first text after {:.2} s", first.as_secs_f64()));
    }
    line.push_str(&format!("; {:.2} s in all", times.asked.elapsed().as_secs_f64()));
    say(with_id(&line, stream.request_id()));
}

fn with_id(words: &str, id: Option<&str>) -> String {
    id.map_or_else(|| words.to_owned(), |id| format!("{words} [{id}]"))
}
