//! Notes: lines on standard error about an answer.

use perennial::LogEvent;

use super::look::Notes;
use super::status;
use crate::logging::INDENT;
use crate::terminal;

/// A line that may have words of a model or a service in it. Where there are colours it is dim, else it says whose line it is.
pub(super) fn print(notes: &Notes, words: &str) {
    let words = terminal::harmless(words).replace('\n', " ");
    let words = if notes.colored { words } else { format!("perennial: {words}") };
    let words = terminal::folded(&words, notes.wraps, INDENT);
    let line = if notes.colored { format!("\x1b[2m{words}\x1b[0m\n") } else { format!("{words}\n") };
    status::put(&line);
}

/// A line of ours, which may have colours of its own.
pub(super) fn print_ours(notes: &Notes, line: &str) {
    if line.contains('\x1b') {
        status::put(&format!("{line}\n"));
    } else {
        print(notes, line);
    }
}

/// What is said of an event of a gateway's log.
pub(super) fn of_log(event: &LogEvent) -> Option<String> {
    match event {
        LogEvent::Seam { attempt, reason, .. } => {
            let attempt = attempt.map(|attempt| format!(", attempt {attempt}")).unwrap_or_default();
            Some(format!("the gateway lost the answer ({reason}) and went on{attempt}"))
        }
        LogEvent::Takeover { reason, .. } => Some(format!("another gateway went on ({reason})")),
        LogEvent::Cancel { reason } => Some(format!("somebody asked to stop ({reason})")),
        _ => None,
    }
}
