//! One message of a request.

use perennial_protocol::{Message, Raw, Turn};
use serde::ser::{Error as _, SerializeStruct};
use serde::{Serialize, Serializer};

use super::object::Object;
use super::{Block, Content, RequestError};

/// One message of a request: of the user, of the assistant (history), or of the system in mid-conversation.
///
/// An answer is appended unchanged by `InputMessage::from(&message)`: its blocks are written as they were received, which the newest models
/// demand of thinking blocks.
#[derive(Debug, Clone, PartialEq)]
pub struct InputMessage(Form);

#[derive(Debug, Clone, PartialEq)]
enum Form {
    Said { role: &'static str, content: Content },
    Given(Object),
}

impl InputMessage {
    /// The user says.
    #[must_use]
    pub fn user(content: impl Into<Content>) -> Self {
        Self(Form::Said { role: "user", content: content.into() })
    }

    /// The assistant said. As the last message it is a prefill, which models since 4.6 refuse.
    #[must_use]
    pub fn assistant(content: impl Into<Content>) -> Self {
        Self(Form::Said { role: "assistant", content: content.into() })
    }

    /// The system says, in mid-conversation. What holds from the beginning belongs into [`MessageRequest::system`](super::MessageRequest::system).
    #[must_use]
    pub fn system(content: impl Into<Content>) -> Self {
        Self(Form::Said { role: "system", content: content.into() })
    }

    /// Takes JSON of your own; it is sent as given.
    #[must_use]
    pub fn raw(raw: Raw) -> Self {
        Self(Form::Given(Object::given(raw, "a message")))
    }

    /// Who says it: `user`, `assistant` or `system`.
    #[must_use]
    pub fn role(&self) -> String {
        match &self.0 {
            Form::Said { role, .. } => (*role).to_owned(),
            Form::Given(object) => object.text("role").unwrap_or_default(),
        }
    }

    /// What it says; `None` where the message was given raw.
    #[must_use]
    pub fn content(&self) -> Option<&Content> {
        match &self.0 {
            Form::Said { content, .. } => Some(content),
            Form::Given(_) => None,
        }
    }

    pub(crate) fn check(&self, is_last: bool) -> Result<(), RequestError> {
        match &self.0 {
            Form::Given(object) => object.fault().map_or(Ok(()), |fault| Err(fault.clone())),
            Form::Said { role, content } => {
                if content.is_empty() && !(is_last && *role == "assistant") {
                    return Err(RequestError::missing("content", "leave the message out or say something"));
                }
                content.check()
            }
        }
    }
}

impl Serialize for InputMessage {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match &self.0 {
            Form::Given(object) => object.serialize(serializer),
            Form::Said { role, content } => {
                content.check().map_err(S::Error::custom)?;
                let mut message = serializer.serialize_struct("message", 2)?;
                message.serialize_field("role", role)?;
                message.serialize_field("content", content)?;
                message.end()
            }
        }
    }
}

impl From<&Turn> for InputMessage {
    fn from(turn: &Turn) -> Self {
        let blocks: Vec<Block> = turn.content.iter().map(Block::from).collect();
        Self(Form::Said { role: turn.role, content: Content::Blocks(blocks) })
    }
}

impl From<Turn> for InputMessage {
    fn from(turn: Turn) -> Self {
        Self::from(&turn)
    }
}

/// The answer as history: [`Message::to_turn`].
impl From<&Message> for InputMessage {
    fn from(message: &Message) -> Self {
        Self::from(message.to_turn())
    }
}

impl From<Message> for InputMessage {
    fn from(message: Message) -> Self {
        Self::from(&message)
    }
}
