//! What the model does at the moment, in words.

use std::time::Duration;

use tokio::time::Instant;

use super::thought::Thought;
use super::words::{keep, last_words, span};

/// A wait shorter than this is not spoken of.
const MENTION: Duration = Duration::from_millis(400);
/// A pause within the text that is shown as a counter.
const PAUSE: Duration = Duration::from_secs(2);
/// A silence of which it is said what can be done about it.
const LONG: Duration = Duration::from_secs(15);
/// How often the words of a thought change.
const QUICK: Duration = Duration::from_millis(100);
/// How often seconds are counted.
const SLOW: Duration = Duration::from_millis(500);

#[derive(Debug)]
pub(super) enum Doing {
    Waiting,
    /// The request is sent again.
    Again {
        attempt: u32,
        at: Instant,
    },
    Thinking,
    Writing,
    Tool {
        name: String,
        input: String,
    },
    Over,
}

/// How long nothing came.
#[derive(Clone, Copy, Debug)]
pub(super) struct Silence {
    /// Since the question.
    pub(super) waited: Duration,
    /// Since the last piece of content.
    pub(super) silent: Duration,
    /// There was one.
    pub(super) came: bool,
    /// Signs of life come all the same.
    pub(super) alive: bool,
    /// The text is shown as it comes.
    pub(super) live: bool,
}

impl Doing {
    pub(super) fn tool(name: &str) -> Self {
        Self::Tool { name: name.to_owned(), input: String::new() }
    }

    /// A piece of a tool's input.
    pub(super) fn hear(&mut self, delta: &str) {
        if let Self::Tool { input, .. } = self {
            keep(input, delta);
        }
    }

    /// How often it is worth looking.
    pub(super) fn rate(&self, thought: &Thought) -> Duration {
        match self {
            Self::Thinking if thought.is_heard() => QUICK,
            Self::Tool { .. } => QUICK,
            _ => SLOW,
        }
    }

    /// The words of the status line.
    pub(super) fn words(&self, silence: &Silence, thought: &Thought, columns: usize) -> Option<String> {
        let room = columns.saturating_sub(20);
        match self {
            Self::Over => None,
            Self::Again { attempt, at } => {
                let left = at.saturating_duration_since(Instant::now());
                Some(if left.is_zero() {
                    format!("waiting for attempt {attempt}")
                } else {
                    format!("attempt {attempt} in {}", span(left))
                })
            }
            Self::Thinking => Some(thought.words(room)),
            Self::Tool { name, input } => Some(format!("tool {name} {}", last_words(input, room))),
            Self::Waiting if silence.silent >= MENTION => Some(waiting(silence, "waiting")),
            Self::Writing if !silence.live => Some(format!("writing {}", span(silence.waited))),
            Self::Writing if silence.silent >= PAUSE => Some(waiting(silence, "…")),
            Self::Waiting | Self::Writing => None,
        }
    }

    /// The line for readers who have no status line: of a long silence only.
    pub(super) fn line(&self, silence: &Silence) -> Option<String> {
        match self {
            Self::Waiting | Self::Thinking | Self::Writing | Self::Tool { .. } if silence.silent >= LONG => {
                Some(waiting(silence, "waiting"))
            }
            _ => None,
        }
    }
}

fn waiting(silence: &Silence, word: &str) -> String {
    let Silence { silent, alive, came, .. } = *silence;
    if silent < LONG {
        return format!("{word} {}", span(silent));
    }
    let life = if alive { ", but signs of life" } else { "" };
    let kept = if came { "Ctrl-C keeps what came" } else { "Ctrl-C stops" };
    format!("nothing for {}{life}; {kept}", span(silent))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_silence_says_what_can_be_done() {
        let silence = |waited, silent, alive| Silence {
            waited: Duration::from_secs(waited),
            silent: Duration::from_secs(silent),
            came: waited > silent,
            alive,
            live: true,
        };
        for (silence, said) in [
            (silence(3, 3, false), "waiting 3 s"),
            (silence(20, 20, false), "nothing for 20 s; Ctrl-C stops"),
            (silence(20, 4, false), "waiting 4 s"),
            (silence(99, 75, true), "nothing for 1 min 15 s, but signs of life; Ctrl-C keeps what came"),
        ] {
            assert_eq!(waiting(&silence, "waiting"), said);
        }
        assert_eq!(Doing::Writing.line(&silence(20, 3, false)), None);
        assert!(Doing::Writing.line(&silence(20, 16, false)).is_some());
    }
}
