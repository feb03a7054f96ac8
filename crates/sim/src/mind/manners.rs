//! How an answer is asked to misbehave, or to show something rare.
//!
//! The wire half fills this from the words of the `perennial-sim` header, of scenarios and of admin calls. Each word is
//! in [`Manners::WORDS`] with one line of explanation; documentation and error messages are made from that table.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// What is wanted of one answer beyond the request. The default is an honest answer.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Manners {
    /// Time since the simulator started: what the prompt cache calls now.
    pub at: Duration,
    /// Decline, before or after some text.
    pub refuse: Option<Refusal>,
    /// Stop with `pause_turn` as if a loop of server tools had run too long.
    pub pause_turn: bool,
    /// Send `redacted_thinking` in the place of thinking.
    pub redacted_thinking: bool,
    /// Let another model take over, before or after some text.
    pub fallback: Option<Moment>,
    /// Begin with a `compaction` block.
    pub compaction: Option<Compaction>,
    /// Say exactly this.
    pub answer: Option<String>,
    /// About how many tokens of text are wanted, whatever was asked.
    pub tokens: Option<u64>,
    /// Whether the request's tools are called.
    pub tools: Option<ToolHabit>,
    /// How a request to go on with an interrupted answer is met.
    pub continuation: Continuation,
}

/// When something happens within an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// Before the first content.
    Start,
    /// After about half of the text.
    Middle,
}

/// A refusal on demand.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct Refusal {
    /// Before or after some text.
    pub moment: Moment,
    /// `stop_details.category`; `None` is `null`.
    pub category: Option<String>,
}

/// What a compaction on demand gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compaction {
    /// A summary, then the answer.
    Continue,
    /// A summary, then stop reason `compaction`.
    Pause,
    /// Content `null`, then the answer.
    Failed,
}

/// Whether tools are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ToolHabit {
    /// Every tool of the request is called once, whether it fits or not.
    All,
    /// No tool is called.
    Never,
}

/// How a request to go on with an interrupted answer is met.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Continuation {
    /// From the next byte on.
    #[default]
    Honest,
    /// The last words are said again, then from the next byte on.
    Repeat,
    /// "Sure, continuing:" and then from the next byte on.
    Preamble,
    /// Regrets, then from the next byte on.
    Apologise,
    /// The words at the seam come again, changed.
    Reword,
    /// The whole answer from its beginning.
    Restart,
    /// A few words are left out at the seam.
    Skip,
    /// Another answer altogether.
    Other,
    /// `stop_reason` `refusal`, without content.
    Refuse,
    /// The overlap is said again, beginning in the middle of a word.
    Midword,
    /// No content at all, `end_turn`.
    Empty,
}

/// A word that is none of [`Manners::WORDS`], or a value that it does not take.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct UnknownManner(String);

impl Manners {
    /// Every word, with the values it takes and what it does.
    pub const WORDS: &'static [(&'static str, &'static str, &'static str)] = &[
        (
            "refuse",
            "[start|middle][:CATEGORY]",
            "stop reason `refusal`, before any content or after half of it",
        ),
        ("pause_turn", "", "stop with `pause_turn` after a server tool call without result"),
        ("redacted_thinking", "", "`redacted_thinking` blocks in the place of thinking"),
        ("fallback", "[start|middle]", "a `fallback` block: another model takes over"),
        ("compaction", "[continue|pause|failed]", "a `compaction` block before the answer"),
        ("answer", "TEXT", "say exactly TEXT; %XX stands for a byte (%0A is a line end)"),
        ("tokens", "N", "about N tokens of text, whatever was asked"),
        ("tools", "all|never", "call every tool once, or none"),
        (
            "continuation",
            "honest|repeat|preamble|apologise|reword|restart|skip|other|refuse|midword|empty",
            "how a request to go on with an interrupted answer is met",
        ),
    ];

    /// Whether `name` is one of [`Manners::WORDS`].
    #[must_use]
    pub fn knows(name: &str) -> bool {
        Self::WORDS.iter().any(|(word, ..)| *word == name)
    }

    /// Takes one word, with its value where it has one.
    ///
    /// # Errors
    ///
    /// When the word is unknown, or the value is none that the word takes.
    pub fn apply(&mut self, name: &str, value: Option<&str>) -> Result<(), UnknownManner> {
        let wrong = || UnknownManner(wrong_value(name, value));
        match name {
            "refuse" => {
                let (moment, category) = value.unwrap_or("start").split_once(':').map_or_else(
                    || (value.unwrap_or("start"), None),
                    |(moment, category)| (moment, Some(category.to_owned())),
                );
                self.refuse = Some(Refusal { moment: moment.parse().map_err(|()| wrong())?, category });
            }
            "pause_turn" if value.is_none() => self.pause_turn = true,
            "redacted_thinking" if value.is_none() => self.redacted_thinking = true,
            "fallback" => self.fallback = Some(value.unwrap_or("start").parse().map_err(|()| wrong())?),
            "compaction" => {
                self.compaction = Some(match value.unwrap_or("continue") {
                    "continue" => Compaction::Continue,
                    "pause" => Compaction::Pause,
                    "failed" => Compaction::Failed,
                    _ => return Err(wrong()),
                });
            }
            "answer" => self.answer = Some(percent_decoded(value.ok_or_else(wrong)?).ok_or_else(wrong)?),
            "tokens" => self.tokens = Some(value.and_then(|n| n.parse().ok()).ok_or_else(wrong)?),
            "tools" => {
                self.tools = Some(match value {
                    Some("all") => ToolHabit::All,
                    Some("never") => ToolHabit::Never,
                    _ => return Err(wrong()),
                });
            }
            "continuation" => self.continuation = value.and_then(Continuation::named).ok_or_else(wrong)?,
            _ => return Err(wrong()),
        }
        Ok(())
    }
}

impl FromStr for Manners {
    type Err = UnknownManner;

    /// Words separated by `;`, for instance `refuse=middle; continuation=repeat`.
    fn from_str(text: &str) -> Result<Self, UnknownManner> {
        let mut manners = Self::default();
        for word in text.split(';').map(str::trim).filter(|word| !word.is_empty()) {
            match word.split_once('=') {
                Some((name, value)) => manners.apply(name.trim(), Some(value.trim()))?,
                None => manners.apply(word, None)?,
            }
        }
        Ok(manners)
    }
}

impl FromStr for Moment {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        match text {
            "start" => Ok(Self::Start),
            "middle" => Ok(Self::Middle),
            _ => Err(()),
        }
    }
}

impl Continuation {
    /// Every kind, in the order of the documentation.
    pub const ALL: &'static [Self] = &[
        Self::Honest,
        Self::Repeat,
        Self::Preamble,
        Self::Apologise,
        Self::Reword,
        Self::Restart,
        Self::Skip,
        Self::Other,
        Self::Refuse,
        Self::Midword,
        Self::Empty,
    ];

    fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.to_string() == name)
    }
}

impl fmt::Display for Continuation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Honest => "honest",
            Self::Repeat => "repeat",
            Self::Preamble => "preamble",
            Self::Apologise => "apologise",
            Self::Reword => "reword",
            Self::Restart => "restart",
            Self::Skip => "skip",
            Self::Other => "other",
            Self::Refuse => "refuse",
            Self::Midword => "midword",
            Self::Empty => "empty",
        })
    }
}

fn wrong_value(name: &str, value: Option<&str>) -> String {
    match (Manners::WORDS.iter().find(|(word, ..)| *word == name), value) {
        (None, _) => format!("`{name}` is no word of the simulator"),
        (Some((_, "", _)), _) => format!("`{name}` takes no value"),
        (Some((_, values, _)), Some(value)) => format!("`{name}` does not take `{value}`; it takes {values}"),
        (Some((_, values, _)), None) => format!("`{name}` needs a value: {values}"),
    }
}

/// `None` where the bytes are not UTF-8. A `%` that begins no byte stands for itself.
fn percent_decoded(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let byte = match after {
            [high, low, ..] if first == b'%' => {
                let digit = |c: u8| char::from(c).to_digit(16).and_then(|d| u8::try_from(d).ok());
                digit(*high).zip(digit(*low)).map(|(high, low)| high << 4 | low)
            }
            _ => None,
        };
        rest = if byte.is_some() { &after[2..] } else { after };
        bytes.push(byte.unwrap_or(first));
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_set_what_they_say() {
        let manners: Manners =
            "refuse=middle:cyber; pause_turn; continuation=reword;answer=a%0Ab 100%; tokens=12"
                .parse()
                .unwrap();
        assert_eq!(
            manners.refuse,
            Some(Refusal { moment: Moment::Middle, category: Some("cyber".to_owned()) })
        );
        assert!(manners.pause_turn);
        assert_eq!(manners.continuation, Continuation::Reword);
        assert_eq!(manners.answer.as_deref(), Some("a\nb 100%"));
        assert_eq!(manners.tokens, Some(12));
        assert_eq!("".parse(), Ok(Manners::default()));
    }

    #[test]
    fn wrong_words_say_what_would_be_right() {
        let message = |text: &str| text.parse::<Manners>().unwrap_err().to_string();
        assert_eq!(message("refuze"), "`refuze` is no word of the simulator");
        assert_eq!(message("pause_turn=1"), "`pause_turn` takes no value");
        assert_eq!(message("tools=some"), "`tools` does not take `some`; it takes all|never");
        assert_eq!(message("tokens"), "`tokens` needs a value: N");
        assert!(message("continuation=loud").contains("honest|repeat"));
    }

    #[test]
    fn every_kind_of_continuation_is_in_the_table() {
        let (_, values, _) = Manners::WORDS.iter().find(|(word, ..)| *word == "continuation").unwrap();
        let named: Vec<_> = values.split('|').map(|name| Continuation::named(name).unwrap()).collect();
        assert_eq!(named, Continuation::ALL);
    }
}
