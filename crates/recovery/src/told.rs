//! What readers have of an answer, and what its attempts have used.

use perennial_protocol::sse::Frame;
use perennial_protocol::{
    BlockStatus, ContentBlock, Effect, End, Event, Ignored, Place, Received, TextBlock, Transcript, Usage,
};

/// What readers have of an answer, whatever number of attempts it took.
///
/// ```
/// use perennial_protocol::sse::Decoder;
/// use perennial_recovery::Told;
///
/// let mut told = Told::new();
/// told.next_attempt();
/// let mut decoder = Decoder::new();
/// let mut input = &b"data: {\"type\":\"message_start\",\"message\":{\"id\":\"msg_1\",\"usage\":{\"input_tokens\":7}}}\n\n"[..];
/// while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
///     told.shown(frame);
/// }
/// assert!(told.has_started() && !told.has_content());
/// assert_eq!(told.usage().input_tokens, Some(7));
/// ```
#[derive(Clone, Debug, Default)]
pub struct Told {
    transcript: Transcript,
    started: bool,
    /// Something of the content that readers were given has no place in the transcript.
    strayed: bool,
    /// Of all attempts before the present one.
    before: Usage,
    /// Of the present one.
    present: Usage,
}

impl Told {
    /// Nothing.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// What somebody has who folded it himself. `used` is what all attempts for it have used, as far as is known.
    ///
    /// ```
    /// use perennial_protocol::{Transcript, Usage};
    /// use perennial_recovery::Told;
    ///
    /// assert!(!Told::of(Transcript::new(), Usage::default()).has_started());
    /// ```
    #[must_use]
    pub fn of(transcript: Transcript, used: Usage) -> Self {
        let started = !matches!(transcript.end(), End::Truncated(cut) if cut.place == Place::BeforeStart);
        Self { transcript, started, strayed: false, before: used, present: Usage::default() }
    }

    /// Another attempt begins.
    pub fn next_attempt(&mut self) {
        let present = std::mem::take(&mut self.present);
        self.before.add(&present);
    }

    /// Readers were given a frame.
    pub fn shown(&mut self, frame: Frame<'_>) {
        let Some(event) = read(frame) else { return };
        match &event {
            Event::MessageStart(message) => {
                self.started = true;
                self.present.update(&message.usage);
            }
            Event::MessageDelta(delta) => {
                if let Some(usage) = &delta.usage {
                    if self.before == Usage::default() {
                        self.present.update(usage);
                    } else {
                        // Where attempts were joined, readers are told the sum, and nothing is left to be added.
                        (self.before, self.present) = (usage.clone(), Usage::default());
                    }
                }
            }
            _ => {}
        }
        let effect = self.transcript.apply(&event);
        self.strayed |= match effect {
            Effect::Ignored(Ignored::OtherMessage) => true,
            // A second stop changes nothing.
            Effect::Ignored(_) => {
                matches!(event, Event::ContentBlockStart { .. } | Event::ContentBlockDelta { .. })
            }
            _ => false,
        };
    }

    /// A frame of the present attempt that readers were not given.
    pub fn withheld(&mut self, frame: Frame<'_>) {
        match read(frame) {
            Some(Event::MessageStart(message)) => self.present.update(&message.usage),
            Some(Event::MessageDelta(delta)) => {
                if let Some(usage) = &delta.usage {
                    self.present.update(usage);
                }
            }
            _ => {}
        }
    }

    /// The answer as readers have it.
    #[must_use]
    pub fn transcript(&self) -> &Transcript {
        &self.transcript
    }

    /// What all attempts have used, as far as the upstreams said it: figures of one attempt replace each other, those of several add up.
    #[must_use]
    pub fn usage(&self) -> Usage {
        let mut usage = self.before.clone();
        usage.add(&self.present);
        usage
    }

    /// Whether readers have a `message_start`.
    #[must_use]
    pub fn has_started(&self) -> bool {
        self.started
    }

    /// Whether readers were given content that has no place in the answer, such as a delta of a block that never began. Nobody can say what they made of it.
    pub(crate) fn has_strayed(&self) -> bool {
        self.strayed
    }

    /// Whether readers have something of the answer's content: more than the empty beginning of one block.
    #[must_use]
    pub fn has_content(&self) -> bool {
        self.started && !is_bare(&self.transcript)
    }
}

fn read(frame: Frame<'_>) -> Option<Event<'_>> {
    Received::read(frame).ok()?.event
}

/// Whether nothing is there but, at most, the beginning of one block that shows nothing yet.
fn is_bare(transcript: &Transcript) -> bool {
    let mut indices = transcript.indices();
    let (Some(first), None) = (indices.next(), indices.next()) else {
        return transcript.indices().next().is_none();
    };
    if transcript.block_status(first) != Some(BlockStatus::Open)
        || !transcript.unknown_deltas(first).is_empty()
    {
        return false;
    }
    match transcript.block(first) {
        Some(ContentBlock::Text(text)) => text.text.is_empty() && !cites(text),
        Some(ContentBlock::Thinking(thinking)) => {
            thinking.thinking.is_empty() && thinking.signature.is_empty()
        }
        _ => false,
    }
}

/// Whether sources are named in it.
pub(crate) fn cites(text: &TextBlock) -> bool {
    text.citations.as_ref().is_some_and(|citations| !citations.is_empty())
}
