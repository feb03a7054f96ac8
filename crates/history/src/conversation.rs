//! What a conversation is, and what is asked about many.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::json::Json;

/// The most characters of a title that is made of the first message.
const TITLE_CHARS: usize = 60;

/// The most conversations of one page.
pub(crate) const MAX_PAGE: usize = 1_000;

/// A conversation without its turns.
///
/// As JSON it is the object that the gateway shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "conversation")]
#[non_exhaustive]
pub struct Conversation {
    /// `conv_` and a UUID of version 7.
    pub id: String,
    /// Empty until there is a message.
    pub title: String,
    /// The model of the next answer; empty where nobody said.
    pub model: String,
    /// The system prompt.
    pub system: Option<String>,
    /// Whatever else is set, an object.
    pub settings: Json,
    /// When it was made.
    #[serde(rename = "created_at")]
    pub created: Timestamp,
    /// When a turn came or ended, or something here was changed. Lists go by it.
    #[serde(rename = "updated_at")]
    pub updated: Timestamp,
    /// The turn at which the branch that is shown ends.
    pub head: Option<String>,
    /// The stream of the newest answer that runs.
    pub live: Option<String>,
    /// Rises with each change of the conversation or one of its turns.
    pub version: u64,
}

/// A conversation to be made.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NewConversation {
    /// Made of the first message, if this is empty.
    pub title: String,
    /// The model of the next answer.
    pub model: String,
    /// The system prompt.
    pub system: Option<String>,
    /// Whatever else is set, an object.
    pub settings: Json,
}

/// What is to be otherwise; what is `None` stays.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Patch {
    /// The title.
    pub title: Option<String>,
    /// The model.
    pub model: Option<String>,
    /// The system prompt, or that there is none.
    pub system: Option<Option<String>>,
    /// The settings, all of them.
    pub settings: Option<Json>,
    /// The turn at which the branch that is shown ends, or that none is.
    pub head: Option<Option<String>>,
}

/// Which conversations are wanted: those changed last come first.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Query {
    /// So many at most; 50, and never more than 1,000.
    pub limit: usize,
    /// Those behind this conversation, by id: the last one of the page before.
    pub after: Option<String>,
}

/// Some of many.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Page<T> {
    /// In their order.
    pub data: Vec<T>,
    /// Whether more come behind.
    pub has_more: bool,
}

/// A conversation in which something was found.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Hit {
    /// Where.
    pub conversation: Conversation,
    /// In which turn; `None` for the title.
    pub turn: Option<String>,
    /// The words around it, on one line.
    pub snippet: String,
    /// Which parts of the snippet were looked for, from byte to byte.
    pub marks: Vec<(usize, usize)>,
}

impl Default for NewConversation {
    fn default() -> Self {
        Self { title: String::new(), model: String::new(), system: None, settings: Json::empty() }
    }
}

impl Default for Query {
    fn default() -> Self {
        Self { limit: 50, after: None }
    }
}

impl NewConversation {
    /// One with this model, and nothing else said.
    #[must_use]
    pub fn with_model(model: impl Into<String>) -> Self {
        Self { model: model.into(), ..Self::default() }
    }
}

impl Patch {
    /// Another title.
    #[must_use]
    pub fn title(title: impl Into<String>) -> Self {
        Self { title: Some(title.into()), ..Self::default() }
    }

    /// Another branch to be shown: the one that ends here.
    #[must_use]
    pub fn head(turn: impl Into<String>) -> Self {
        Self { head: Some(Some(turn.into())), ..Self::default() }
    }
}

/// A title of a first message: its first line that says something, cut between words.
pub(crate) fn title_of(text: &str) -> String {
    let line = text.lines().map(str::trim).find(|line| line.chars().any(char::is_alphanumeric));
    let words = line.unwrap_or_else(|| text.trim()).split_whitespace();
    let mut title = String::new();
    for word in words {
        let room = TITLE_CHARS.saturating_sub(title.chars().count());
        let word: String = word.chars().filter(|character| !character.is_control()).collect();
        if title.is_empty() {
            title.extend(word.chars().take(TITLE_CHARS));
            if word.chars().count() > TITLE_CHARS {
                title.push('…');
                break;
            }
        } else if word.chars().count() < room {
            title.push(' ');
            title.push_str(&word);
        } else {
            title.push('…');
            break;
        }
    }
    title
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_title_is_the_first_line_cut_between_words() {
        for (text, title) in [
            ("Hello", "Hello"),
            ("\n---\n  How  does\tit work?\nMore", "How does it work?"),
            ("", ""),
            ("?!", "?!"),
            (
                "a line that is a good deal longer than what anybody would want to read in a list",
                "a line that is a good deal longer than what anybody would…",
            ),
        ] {
            assert_eq!(title_of(text), title, "{text:?}");
        }
        assert_eq!(title_of(&"é".repeat(100)), format!("{}…", "é".repeat(60)));
        assert_eq!(title_of("bell\u{7} NUL\0"), "bell NUL");
    }
}
