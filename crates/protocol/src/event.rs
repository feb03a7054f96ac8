//! Events: what one frame of the stream says.

use std::borrow::Cow;

use serde::Deserialize;

use crate::{ApiError, Citation, ContentBlock, DecodeError, Message, MessageDelta, Raw, hot};

/// One event of a Claude stream (`protocol.md` §1.2). The text of deltas is borrowed from the frame where it has no escapes.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Event<'a> {
    /// The answer begins; content is empty as a rule.
    MessageStart(Box<Message>),
    /// A block begins.
    ContentBlockStart {
        /// Which block.
        index: u64,
        /// What it starts as; some kinds are complete here.
        block: Box<ContentBlock>,
    },
    /// A block grows.
    ContentBlockDelta {
        /// Which block.
        index: u64,
        /// By what.
        delta: Delta<'a>,
    },
    /// A block is finished.
    ContentBlockStop {
        /// Which block.
        index: u64,
    },
    /// Stop reason and usage; may come more than once.
    MessageDelta(Box<MessageDelta>),
    /// The answer is complete.
    MessageStop,
    /// A sign of life.
    Ping,
    /// The service failed in the middle of the stream; nothing follows.
    Error(Box<ApiError>),
    /// An event that came after this version.
    Unknown(UnknownEvent<'a>),
}

/// An event that came after this version: kept as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct UnknownEvent<'a> {
    /// The data's `type`, or else the `event:` line.
    pub name: Cow<'a, str>,
    /// The data; JSON as a rule.
    pub data: Cow<'a, str>,
}

/// What a block grows by (`protocol.md` §1.4).
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Delta<'a> {
    /// Append to the text.
    Text(Cow<'a, str>),
    /// Append to the tool input's text.
    InputJson(Cow<'a, str>),
    /// Append to the thinking.
    Thinking {
        /// The text to append.
        thinking: Cow<'a, str>,
        /// Tokens of this piece, by estimate of the service (beta); a lossy increment for display only.
        estimated_tokens: Option<u64>,
    },
    /// Set the signature.
    Signature(Cow<'a, str>),
    /// Add a citation.
    Citation(Box<Citation>),
    /// Set the members of a compaction (beta).
    Compaction {
        /// The summary, `None` where compaction failed.
        content: Option<String>,
        /// Opaque.
        encrypted_content: Option<String>,
    },
    /// A delta that came after this version.
    Unknown(Raw),
}

impl<'a> Event<'a> {
    /// Whether events of this name are parts of an answer, which is not whole without each of them. Pings are not, and errors end it (`protocol.md` §2).
    ///
    /// ```
    /// # use perennial_protocol::Event;
    /// assert!(Event::is_part_of_answer(b"content_block_delta") && !Event::is_part_of_answer(b"ping"));
    /// ```
    #[must_use]
    pub fn is_part_of_answer(name: &[u8]) -> bool {
        matches!(
            name,
            b"content_block_delta"
                | b"content_block_start"
                | b"content_block_stop"
                | b"message_start"
                | b"message_delta"
                | b"message_stop"
        )
    }

    /// Reads the data of an event.
    ///
    /// `name` is the frame's `event:` line, empty where there was none. Where `name` and the data's `type` differ, `type` wins, as in the
    /// official SDKs; a frame without a name is read by its `type`.
    ///
    /// # Errors
    /// Where the data of a known event is not JSON of its shape. An unknown event is never an error.
    pub fn decode(name: &str, data: &'a str) -> Result<Self, DecodeError> {
        if let Some(event) = hot::delta(data.as_bytes()) {
            return Ok(event);
        }
        Self::decode_by_name(name, data)
    }

    /// [`decode`](Self::decode) without the hot path, which must give the same.
    pub(crate) fn decode_by_name(name: &str, data: &'a str) -> Result<Self, DecodeError> {
        if name == "ping" && !data.contains("\"type\"") {
            return Ok(Self::Ping);
        }
        let read = match Self::try_as(name, data) {
            Ok(Some(event)) => return Ok(event),
            read => read,
        };
        // Not a known name, or not what its data says: the type decides.
        let kind = serde_json::from_str::<Typed<'_>>(data).ok().and_then(|typed| typed.kind);
        if let Some(kind) = kind.filter(|kind| kind != name) {
            if let Some(event) =
                Self::try_as(&kind, data).map_err(|source| DecodeError::json(&kind, data, source))?
            {
                return Ok(event);
            }
            if read.is_ok() {
                return Ok(Self::Unknown(UnknownEvent { name: kind, data: Cow::Borrowed(data) }));
            }
        }
        match read {
            Err(source) => Err(DecodeError::json(name, data, source)),
            Ok(_) => Ok(Self::Unknown(UnknownEvent {
                name: Cow::Owned(name.to_owned()),
                data: Cow::Borrowed(data),
            })),
        }
    }

    /// Reads the data as the event `name`; `None` where `name` is unknown or the data's `type` is another.
    fn try_as(name: &str, data: &'a str) -> Result<Option<Self>, serde_json::Error> {
        Ok(match name {
            "content_block_delta" => {
                let read: DeltaEvent<'a> = serde_json::from_str(data)?;
                agrees(&read.kind, name)
                    .then(|| {
                        Delta::read(read.delta)
                            .map(|delta| Self::ContentBlockDelta { index: read.index, delta })
                    })
                    .transpose()?
            }
            "content_block_start" => {
                let read: StartEvent<'a> = serde_json::from_str(data)?;
                agrees(&read.kind, name).then(|| Self::ContentBlockStart {
                    index: read.index,
                    block: Box::new(read.content_block),
                })
            }
            "content_block_stop" => {
                let read: StopEvent<'a> = serde_json::from_str(data)?;
                agrees(&read.kind, name).then_some(Self::ContentBlockStop { index: read.index })
            }
            "message_start" => {
                let read: MessageStartEvent<'a> = serde_json::from_str(data)?;
                agrees(&read.kind, name).then(|| Self::MessageStart(Box::new(read.message)))
            }
            "message_delta" => {
                let read: Typed<'a> = serde_json::from_str(data)?;
                agrees(&read.kind, name)
                    .then(|| serde_json::from_str(data).map(|delta| Self::MessageDelta(Box::new(delta))))
                    .transpose()?
            }
            "message_stop" => {
                let read: Typed<'a> = serde_json::from_str(data)?;
                agrees(&read.kind, name).then_some(Self::MessageStop)
            }
            "ping" => match serde_json::from_str::<Typed<'a>>(data) {
                Ok(read) => agrees(&read.kind, name).then_some(Self::Ping),
                Err(_) => Some(Self::Ping),
            },
            "error" => match serde_json::from_str::<Typed<'a>>(data) {
                Ok(read) if !agrees(&read.kind, name) => None,
                _ => Some(Self::Error(Box::new(ApiError::from_event(data)))),
            },
            _ => None,
        })
    }

    /// The event's name.
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::MessageStart(_) => "message_start",
            Self::ContentBlockStart { .. } => "content_block_start",
            Self::ContentBlockDelta { .. } => "content_block_delta",
            Self::ContentBlockStop { .. } => "content_block_stop",
            Self::MessageDelta(_) => "message_delta",
            Self::MessageStop => "message_stop",
            Self::Ping => "ping",
            Self::Error(_) => "error",
            Self::Unknown(event) => &event.name,
        }
    }

    /// Whether the event brings content: a start, a delta or an end of a block. What came before the first such event can be
    /// asked for again without anyone noticing.
    #[must_use]
    pub fn is_content(&self) -> bool {
        matches!(
            self,
            Self::ContentBlockStart { .. } | Self::ContentBlockDelta { .. } | Self::ContentBlockStop { .. }
        )
    }

    /// The event with all its text owned.
    #[must_use]
    pub fn into_owned(self) -> Event<'static> {
        match self {
            Self::MessageStart(message) => Event::MessageStart(message),
            Self::ContentBlockStart { index, block } => Event::ContentBlockStart { index, block },
            Self::ContentBlockDelta { index, delta } => {
                Event::ContentBlockDelta { index, delta: delta.into_owned() }
            }
            Self::ContentBlockStop { index } => Event::ContentBlockStop { index },
            Self::MessageDelta(delta) => Event::MessageDelta(delta),
            Self::MessageStop => Event::MessageStop,
            Self::Ping => Event::Ping,
            Self::Error(error) => Event::Error(error),
            Self::Unknown(event) => Event::Unknown(UnknownEvent {
                name: Cow::Owned(event.name.into_owned()),
                data: Cow::Owned(event.data.into_owned()),
            }),
        }
    }
}

impl<'a> Delta<'a> {
    fn read(raw: &'a serde_json::value::RawValue) -> Result<Self, serde_json::Error> {
        let json = raw.get();
        let kind = serde_json::from_str::<Typed<'a>>(json)?.kind.unwrap_or_default();
        Ok(match &*kind {
            "text_delta" => Self::Text(serde_json::from_str::<TextDelta<'a>>(json)?.text.0),
            "input_json_delta" => {
                Self::InputJson(serde_json::from_str::<InputDelta<'a>>(json)?.partial_json.0)
            }
            "thinking_delta" => {
                let read: ThinkingDelta<'a> = serde_json::from_str(json)?;
                Self::Thinking { thinking: read.thinking.0, estimated_tokens: read.estimated_tokens }
            }
            "signature_delta" => {
                Self::Signature(serde_json::from_str::<SignatureDelta<'a>>(json)?.signature.0)
            }
            "citations_delta" => {
                Self::Citation(Box::new(serde_json::from_str::<CitationsDelta>(json)?.citation))
            }
            "compaction_delta" => {
                let read: CompactionDelta = serde_json::from_str(json)?;
                Self::Compaction { content: read.content, encrypted_content: read.encrypted_content }
            }
            _ => Self::Unknown(Raw::new(json)?),
        })
    }

    /// The delta's `type`; empty for an unknown one without.
    #[must_use]
    pub fn kind(&self) -> Cow<'_, str> {
        Cow::Borrowed(match self {
            Self::Text(_) => "text_delta",
            Self::InputJson(_) => "input_json_delta",
            Self::Thinking { .. } => "thinking_delta",
            Self::Signature(_) => "signature_delta",
            Self::Citation(_) => "citations_delta",
            Self::Compaction { .. } => "compaction_delta",
            Self::Unknown(raw) => {
                return serde_json::from_str::<Typed<'_>>(raw.get())
                    .ok()
                    .and_then(|typed| typed.kind)
                    .unwrap_or_default();
            }
        })
    }

    /// The delta with all its text owned.
    #[must_use]
    pub fn into_owned(self) -> Delta<'static> {
        match self {
            Self::Text(text) => Delta::Text(Cow::Owned(text.into_owned())),
            Self::InputJson(json) => Delta::InputJson(Cow::Owned(json.into_owned())),
            Self::Thinking { thinking, estimated_tokens } => {
                Delta::Thinking { thinking: Cow::Owned(thinking.into_owned()), estimated_tokens }
            }
            Self::Signature(signature) => Delta::Signature(Cow::Owned(signature.into_owned())),
            Self::Citation(citation) => Delta::Citation(citation),
            Self::Compaction { content, encrypted_content } => {
                Delta::Compaction { content, encrypted_content }
            }
            Self::Unknown(raw) => Delta::Unknown(raw),
        }
    }
}

/// Whether the data's `type` is the event's name. Data without a type is taken at the name's word.
fn agrees(kind: &Option<Cow<'_, str>>, name: &str) -> bool {
    kind.as_deref().is_none_or(|kind| kind == name)
}

/// Text that may be missing or null in a stream that is not quite right; both read as empty.
#[derive(Default)]
struct Text<'a>(Cow<'a, str>);

impl<'de: 'a, 'a> Deserialize<'de> for Text<'a> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Borrowed<'a>(#[serde(borrow)] Cow<'a, str>);
        Ok(Self(Option::<Borrowed<'a>>::deserialize(deserializer)?.map(|text| text.0).unwrap_or_default()))
    }
}

#[derive(Deserialize)]
struct Typed<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
}

#[derive(Deserialize)]
struct DeltaEvent<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    index: u64,
    #[serde(borrow)]
    delta: &'a serde_json::value::RawValue,
}

#[derive(Deserialize)]
struct StartEvent<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    index: u64,
    content_block: ContentBlock,
}

#[derive(Deserialize)]
struct StopEvent<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    index: u64,
}

#[derive(Deserialize)]
struct MessageStartEvent<'a> {
    #[serde(borrow, rename = "type", default)]
    kind: Option<Cow<'a, str>>,
    message: Message,
}

#[derive(Deserialize)]
struct TextDelta<'a> {
    #[serde(borrow, default)]
    text: Text<'a>,
}

#[derive(Deserialize)]
struct InputDelta<'a> {
    #[serde(borrow, default)]
    partial_json: Text<'a>,
}

#[derive(Deserialize)]
struct ThinkingDelta<'a> {
    #[serde(borrow, default)]
    thinking: Text<'a>,
    #[serde(default)]
    estimated_tokens: Option<u64>,
}

#[derive(Deserialize)]
struct SignatureDelta<'a> {
    #[serde(borrow, default)]
    signature: Text<'a>,
}

#[derive(Deserialize)]
struct CitationsDelta {
    citation: Citation,
}

#[derive(Deserialize)]
struct CompactionDelta {
    #[serde(default)]
    content: Option<String>,
    #[serde(default)]
    encrypted_content: Option<String>,
}
