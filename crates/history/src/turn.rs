//! What a turn is, and how it goes.

use std::fmt;
use std::str::FromStr;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::id;
use crate::json::{Content, Json};

/// Who speaks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    /// The one who asks; also what tools gave back.
    User,
    /// Claude.
    Assistant,
}

/// Where a turn is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[non_exhaustive]
pub enum State {
    /// It begins when the answer before it is over.
    Queued,
    /// The answer comes.
    Running,
    /// It came whole. What the user says is so from the beginning.
    Completed,
    /// Somebody stopped it; what came is kept.
    Cancelled,
    /// It broke, or was refused; what came is kept, and why.
    Failed,
    /// The process that wrote it is gone; what came is kept.
    Interrupted,
}

/// A text that is no role, or no state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("no such role or state of a turn")]
#[non_exhaustive]
pub struct InvalidWord;

/// A turn: what one side said, and after which turn.
///
/// As JSON it is the object that the gateway shows.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "turn")]
#[non_exhaustive]
pub struct Turn {
    /// `turn_` and a UUID of version 7.
    pub id: String,
    /// The conversation's id.
    #[serde(default)]
    pub conversation: String,
    /// The turn before it on its branch; `None` at the root.
    pub parent: Option<String>,
    /// Who speaks.
    pub role: Role,
    /// What was said; so far, while it runs.
    pub content: Content,
    /// Where it is on its way.
    pub state: State,
    /// The stream that the answer comes from, if a gateway has one.
    pub stream: Option<String>,
    /// Why the model stopped.
    pub stop_reason: Option<String>,
    /// What was used.
    pub usage: Option<Json>,
    /// What it cost, in US dollars, exactly.
    #[serde(default, with = "usd")]
    pub cost: Option<Decimal>,
    /// Why it failed.
    pub error: Option<Json>,
    /// How long it took, as whoever wrote it measured it.
    #[serde(default)]
    pub timing: Option<Json>,
    /// The model that answered.
    pub model: Option<String>,
    /// Who made a turn of the user's that the user did not write, such as `tools`.
    pub by: Option<String>,
    /// The turn that was cut, with which this one goes on.
    pub continues: Option<String>,
    /// When it came.
    #[serde(rename = "created_at")]
    pub created: Timestamp,
    /// When it ended.
    #[serde(rename = "ended_at")]
    pub ended: Option<Timestamp>,
}

/// A turn to be appended. It has its name from the beginning, so that it can be spoken of before it is written.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct NewTurn {
    /// `turn_` and a UUID of version 7, made with the rest.
    pub id: String,
    /// Who speaks.
    pub role: Role,
    /// What was said.
    pub content: Content,
    /// `Queued`, `Running`, or how it ended.
    pub state: State,
    /// The stream that the answer comes from.
    pub stream: Option<String>,
    /// The model that answers.
    pub model: Option<String>,
    /// Who made it, if not the user.
    pub by: Option<String>,
    /// The turn that was cut, with which this one goes on.
    pub continues: Option<String>,
}

/// How a turn ended.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Ended {
    /// `Completed`, `Cancelled`, `Failed` or `Interrupted`.
    pub state: State,
    /// The whole content; `None` keeps what was written last.
    pub content: Option<Content>,
    /// Why the model stopped.
    pub stop_reason: Option<String>,
    /// What was used.
    pub usage: Option<Json>,
    /// What it cost, in US dollars, exactly.
    pub cost: Option<Decimal>,
    /// Why it failed.
    pub error: Option<Json>,
    /// How long it took, in whatever form.
    pub timing: Option<Json>,
    /// The model that answered, if it says another name than the one that was asked.
    pub model: Option<String>,
    /// Something is to follow by itself, such as the results of tools. Until that is [there](crate::Conversations::follow) the turn is found by
    /// [`History::running`](crate::History::running), so that a process that is killed in between leaves nothing half done.
    pub owes: bool,
}

impl NewTurn {
    /// What the user says.
    #[must_use]
    pub fn user(content: Content) -> Self {
        Self::new(Role::User, content, State::Completed)
    }

    /// An answer that comes from now on.
    #[must_use]
    pub fn assistant(model: impl Into<String>) -> Self {
        Self { model: Some(model.into()), ..Self::new(Role::Assistant, Content::empty(), State::Running) }
    }

    fn new(role: Role, content: Content, state: State) -> Self {
        Self { id: id::turn(), role, content, state, stream: None, model: None, by: None, continues: None }
    }
}

impl Ended {
    /// With nothing known but how.
    #[must_use]
    pub fn new(state: State) -> Self {
        Self {
            state,
            content: None,
            stop_reason: None,
            usage: None,
            cost: None,
            error: None,
            timing: None,
            model: None,
            owes: false,
        }
    }
}

impl Role {
    /// `user` or `assistant`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

impl State {
    /// The word for it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Running => "running",
            Self::Completed => "completed",
            Self::Cancelled => "cancelled",
            Self::Failed => "failed",
            Self::Interrupted => "interrupted",
        }
    }

    /// Nothing comes after it.
    #[must_use]
    pub fn is_end(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

impl FromStr for Role {
    type Err = InvalidWord;

    fn from_str(word: &str) -> Result<Self, InvalidWord> {
        [Self::User, Self::Assistant].into_iter().find(|role| role.as_str() == word).ok_or(InvalidWord)
    }
}

impl FromStr for State {
    type Err = InvalidWord;

    fn from_str(word: &str) -> Result<Self, InvalidWord> {
        [Self::Queued, Self::Running, Self::Completed, Self::Cancelled, Self::Failed, Self::Interrupted]
            .into_iter()
            .find(|state| state.as_str() == word)
            .ok_or(InvalidWord)
    }
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// Decimals are text: a JSON number is read as a float by most.
mod usd {
    use super::{Decimal, Deserialize, Serialize};

    #[expect(clippy::ref_option, reason = "the signature that serde asks for")]
    pub(super) fn serialize<S: serde::Serializer>(cost: &Option<Decimal>, to: S) -> Result<S::Ok, S::Error> {
        cost.map(|cost| cost.to_string()).serialize(to)
    }

    pub(super) fn deserialize<'de, D: serde::Deserializer<'de>>(
        from: D,
    ) -> Result<Option<Decimal>, D::Error> {
        let text = Option::<String>::deserialize(from)?;
        text.map(|text| text.parse().map_err(serde::de::Error::custom)).transpose()
    }
}
