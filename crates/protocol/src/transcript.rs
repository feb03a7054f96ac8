//! The transcript: the lossless fold of the events so far into a message.
//!
//! Blocks are keyed by their index and never by arrival; figures are overwritten and never added; what does not fit is left out and reported by
//! [`Effect::Ignored`], so that the caller may judge. The fold never fails and never repairs: an input that was cut stays text, a
//! message that was cut says so in [`Transcript::end`]. Departures from the official SDKs are listed in `tests/fixtures.rs`.

use std::collections::BTreeSet;

use crate::blocks::Blocks;
use crate::{
    ApiError, ContentBlock, Delta, End, Event, Message, MessageDelta, PartialJson, Place, Raw, StopReason,
    ToolInput, Truncation,
};

/// The message so far.
#[derive(Debug, Clone, Default)]
pub struct Transcript {
    /// The message but for its content.
    message: Message,
    blocks: Blocks<Block>,
    open: BTreeSet<u64>,
    phase: Phase,
    error: Option<Box<ApiError>>,
    follow_inputs: bool,
    estimated_thinking_tokens: u64,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Phase {
    #[default]
    Empty,
    Started,
    /// Another message began before this one ended: this one is cut.
    Superseded,
    Stopped,
}

#[derive(Debug, Clone)]
struct Block {
    content: ContentBlock,
    status: BlockStatus,
    /// The text of a tool's input, once a delta came.
    input: Option<String>,
    partial: Option<Box<PartialJson>>,
    unknown_deltas: Vec<Raw>,
}

/// How far a block is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum BlockStatus {
    /// It may still grow.
    Open,
    /// Its `content_block_stop` came.
    Closed,
    /// It got no `content_block_stop`, but what came next shows that it is finished.
    ClosedByWhatFollowed,
}

/// What an event changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Effect {
    /// The message began.
    Started,
    /// This block began.
    BlockStarted(u64),
    /// This block grew.
    BlockGrew(u64),
    /// This block is finished.
    BlockFinished(u64),
    /// Stop reason, usage or another member of the message was set.
    MessageUpdated,
    /// The message is complete.
    Finished,
    /// The service failed.
    Failed,
    /// Nothing: a ping or an unknown event.
    Nothing,
    /// Nothing, since the event did not fit.
    Ignored(Ignored),
}

/// Why an event was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Ignored {
    /// It came before `message_start`.
    BeforeStart,
    /// It came after `message_stop` or an error.
    AfterEnd,
    /// A second `message_start`, for the same message.
    SecondStart,
    /// It belongs to another message, which began before this one ended. This one is cut.
    OtherMessage,
    /// It names a block that never began.
    NoSuchBlock,
    /// It begins a block whose index is taken.
    BlockTaken,
    /// It names a block that is finished.
    BlockFinished,
    /// Its kind of delta does not fit the block.
    DoesNotFit,
}

impl Transcript {
    /// An empty transcript.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Also reads each tool's input while it arrives, for [`partial_input`](Self::partial_input). Costs linear time.
    #[must_use]
    pub fn following_inputs(mut self) -> Self {
        self.follow_inputs = true;
        self
    }

    /// Takes an event in.
    #[inline]
    pub fn apply(&mut self, event: &Event<'_>) -> Effect {
        // Nine events of ten.
        if let Event::ContentBlockDelta { index, delta } = event
            && self.phase == Phase::Started
            && self.error.is_none()
        {
            return self.grow(*index, delta);
        }
        self.apply_any(event)
    }

    fn apply_any(&mut self, event: &Event<'_>) -> Effect {
        match event {
            Event::Ping | Event::Unknown(_) => return Effect::Nothing,
            _ if self.phase == Phase::Stopped || self.error.is_some() => {
                return Effect::Ignored(Ignored::AfterEnd);
            }
            Event::Error(error) => {
                self.error = Some(error.clone());
                return Effect::Failed;
            }
            Event::MessageStart(message) => return self.start(message),
            _ if self.phase == Phase::Empty => return Effect::Ignored(Ignored::BeforeStart),
            _ if self.phase == Phase::Superseded => return Effect::Ignored(Ignored::OtherMessage),
            _ => {}
        }
        match event {
            Event::ContentBlockDelta { index, delta } => self.grow(*index, delta),
            Event::ContentBlockStart { index, block } => self.start_block(*index, block),
            Event::ContentBlockStop { index } => self.stop_block(*index),
            Event::MessageDelta(delta) => self.update(delta),
            Event::MessageStop => {
                self.close_open_blocks();
                self.phase = Phase::Stopped;
                Effect::Finished
            }
            Event::MessageStart(_) | Event::Ping | Event::Error(_) | Event::Unknown(_) => Effect::Nothing,
        }
    }

    /// The message so far. Inputs of tool calls that are not finished are marked unusable.
    #[must_use]
    pub fn message(&self) -> Message {
        let mut message = self.message.clone();
        message.content = self.blocks.values().map(Block::so_far).collect();
        message
    }

    /// The message so far, without copying it.
    #[must_use]
    pub fn into_message(self) -> Message {
        let mut message = self.message;
        message.content = self.blocks.into_values().map(Block::into_content).collect();
        message
    }

    /// The message without its content: id, model, stop reason, usage and the rest, so far.
    #[must_use]
    pub fn envelope(&self) -> &Message {
        &self.message
    }

    /// The block with this index, so far.
    #[must_use]
    pub fn block(&self, index: u64) -> Option<&ContentBlock> {
        self.blocks.get(index).map(|block| &block.content)
    }

    /// How far the block with this index is.
    #[must_use]
    pub fn block_status(&self, index: u64) -> Option<BlockStatus> {
        self.blocks.get(index).map(|block| block.status)
    }

    /// The text that the input of this tool call has gathered so far, once a delta came.
    #[must_use]
    pub fn input_text(&self, index: u64) -> Option<&str> {
        self.blocks.get(index)?.input.as_deref()
    }

    /// The input of this tool call as far as it can be read; with [`following_inputs`](Self::following_inputs) only.
    #[must_use]
    pub fn partial_input(&self, index: u64) -> Option<&PartialJson> {
        self.blocks.get(index)?.partial.as_deref()
    }

    /// The deltas of this block that came after this version.
    #[must_use]
    pub fn unknown_deltas(&self, index: u64) -> &[Raw] {
        self.blocks.get(index).map_or(&[], |block| &block.unknown_deltas)
    }

    /// The indices of the blocks, in order.
    pub fn indices(&self) -> impl Iterator<Item = u64> {
        self.blocks.indices()
    }

    /// The indices of the blocks that may still grow; at most one in a stream of the real service.
    pub fn open_blocks(&self) -> impl Iterator<Item = u64> {
        self.open.iter().copied()
    }

    /// The text of all text blocks so far, one after the other.
    #[must_use]
    pub fn text(&self) -> String {
        self.blocks.values().fold(String::new(), |mut text, block| {
            if let ContentBlock::Text(block) = &block.content {
                text.push_str(&block.text);
            }
            text
        })
    }

    /// Tokens thought so far by the service's own running estimate (beta); for display only.
    #[must_use]
    pub fn estimated_thinking_tokens(&self) -> u64 {
        self.estimated_thinking_tokens
    }

    /// Whether `message_stop` or an error came, so that nothing can follow.
    #[must_use]
    pub fn is_finished(&self) -> bool {
        self.phase == Phase::Stopped || self.error.is_some()
    }

    /// The stream's end if it ended now.
    #[must_use]
    pub fn end(&self) -> End {
        let stop_reason = self.message.stop_reason.clone();
        if let Some(error) = &self.error {
            return End::Failed(error.clone());
        }
        if self.phase == Phase::Stopped {
            return match stop_reason {
                Some(StopReason::Refusal) => End::Refused,
                stop_reason => End::Complete { stop_reason },
            };
        }
        let open = self.open.first().and_then(|index| Some((*index, self.blocks.get(*index)?)));
        let place = match (self.phase, open) {
            (Phase::Empty, _) => Place::BeforeStart,
            (_, Some((index, block))) => Place::InBlock { index, kind: block.content.kind().to_owned() },
            _ if stop_reason.is_some() => Place::BeforeStop,
            _ if self.blocks.is_empty() => Place::BeforeContent,
            _ => Place::BetweenBlocks,
        };
        let finished_blocks = self.blocks.len() - self.open.len();
        End::Truncated(Truncation { place, stop_reason, finished_blocks })
    }

    fn start(&mut self, message: &Message) -> Effect {
        if self.phase != Phase::Empty {
            // Folding a second message into the first would mix two answers.
            if message.id != self.message.id {
                self.phase = Phase::Superseded;
                return Effect::Ignored(Ignored::OtherMessage);
            }
            return Effect::Ignored(Ignored::SecondStart);
        }
        self.phase = Phase::Started;
        self.message = message.clone();
        // An answer that is complete in its start (some gateways do that) has its blocks here.
        let content = std::mem::take(&mut self.message.content);
        for (index, content) in (0..).zip(content) {
            self.blocks.insert(index, Block::new(content, BlockStatus::Closed));
        }
        Effect::Started
    }

    fn start_block(&mut self, index: u64, content: &ContentBlock) -> Effect {
        if self.blocks.contains(index) {
            return Effect::Ignored(Ignored::BlockTaken);
        }
        if let ContentBlock::Fallback(fallback) = content
            && !fallback.to.model.is_empty()
        {
            self.message.model.clone_from(&fallback.to.model);
        }
        self.blocks.insert(index, Block::new(content.clone(), BlockStatus::Open));
        self.open.insert(index);
        Effect::BlockStarted(index)
    }

    fn grow(&mut self, index: u64, delta: &Delta<'_>) -> Effect {
        let Some(block) = self.blocks.get_mut(index) else { return Effect::Ignored(Ignored::NoSuchBlock) };
        if block.status != BlockStatus::Open {
            return Effect::Ignored(Ignored::BlockFinished);
        }
        if let Delta::Thinking { estimated_tokens: Some(tokens), .. } = delta {
            self.estimated_thinking_tokens = self.estimated_thinking_tokens.saturating_add(*tokens);
        }
        if block.grow(delta, self.follow_inputs) {
            Effect::BlockGrew(index)
        } else {
            Effect::Ignored(Ignored::DoesNotFit)
        }
    }

    fn stop_block(&mut self, index: u64) -> Effect {
        let Some(block) = self.blocks.get_mut(index) else { return Effect::Ignored(Ignored::NoSuchBlock) };
        if block.status != BlockStatus::Open {
            return Effect::Ignored(Ignored::BlockFinished);
        }
        block.close(BlockStatus::Closed);
        self.open.remove(&index);
        Effect::BlockFinished(index)
    }

    fn update(&mut self, newer: &MessageDelta) -> Effect {
        self.close_open_blocks();
        let message = &mut self.message;
        macro_rules! overwrite {
            ($($from:ident . $field:ident),*) => { $(
                if newer.$from.$field.is_some() {
                    message.$field.clone_from(&newer.$from.$field);
                }
            )* };
        }
        overwrite!(delta.stop_reason, delta.stop_sequence, delta.stop_details, delta.container);
        message.rest.add(&newer.delta.rest);
        if newer.context_management.is_some() {
            message.context_management.clone_from(&newer.context_management);
        }
        if newer.input_transformations.is_some() {
            message.input_transformations.clone_from(&newer.input_transformations);
        }
        if let Some(usage) = &newer.usage {
            message.usage.update(usage);
        }
        if self.message.stop_reason.as_ref().is_some_and(StopReason::is_cut) {
            self.mark_cut_call();
        }
        Effect::MessageUpdated
    }

    /// Blocks never overlap a `message_delta` or `message_stop`: one that is still open lacks its stop.
    fn close_open_blocks(&mut self) {
        for index in std::mem::take(&mut self.open) {
            if let Some(block) = self.blocks.get_mut(index) {
                block.close(BlockStatus::ClosedByWhatFollowed);
            }
        }
    }

    /// A tool call that a limit cut before its first fragment looks like a call without arguments; it is not one.
    fn mark_cut_call(&mut self) {
        let Some(block) = self.blocks.last_mut() else { return };
        let no_input = block.input.as_deref().is_none_or(str::is_empty);
        if let Some(call) = block.content.as_tool_use_mut()
            && no_input
            && call.input == ToolInput::default()
        {
            call.input = ToolInput::truncated(String::new());
        }
    }
}

impl Block {
    fn new(content: ContentBlock, status: BlockStatus) -> Self {
        Self { content, status, input: None, partial: None, unknown_deltas: Vec::new() }
    }

    /// Takes a delta in; false where it does not fit the block.
    fn grow(&mut self, delta: &Delta<'_>, follow_input: bool) -> bool {
        match (&mut self.content, delta) {
            (ContentBlock::Text(block), Delta::Text(text)) => block.text.push_str(text),
            (ContentBlock::Thinking(block), Delta::Thinking { thinking, .. }) => {
                block.thinking.push_str(thinking);
            }
            (
                ContentBlock::ToolUse(_) | ContentBlock::ServerToolUse(_) | ContentBlock::McpToolUse(_),
                Delta::InputJson(json),
            ) => {
                self.input.get_or_insert_default().push_str(json);
                if follow_input {
                    self.partial.get_or_insert_default().push(json);
                }
            }
            (ContentBlock::Thinking(block), Delta::Signature(signature)) => {
                signature.as_ref().clone_into(&mut block.signature);
            }
            (ContentBlock::Compaction(block), Delta::Signature(signature)) => {
                block.signature = Some(signature.as_ref().to_owned());
            }
            (ContentBlock::Text(block), Delta::Citation(citation)) => {
                block.citations.get_or_insert_default().push((**citation).clone());
            }
            (ContentBlock::Compaction(block), Delta::Compaction { content, encrypted_content }) => {
                block.content.clone_from(content);
                block.encrypted_content.clone_from(encrypted_content);
            }
            (ContentBlock::Other(block), delta) => block.deltas.push(delta.to_raw()),
            (_, Delta::Unknown(raw)) => self.unknown_deltas.push(raw.clone()),
            _ => return false,
        }
        true
    }

    fn close(&mut self, status: BlockStatus) {
        self.status = status;
        // No fragment, or only empty ones, leave what the block started with: `{}` as a rule, the whole input in some gateways.
        if let Some(text) = self.input.as_ref().filter(|text| !text.trim().is_empty())
            && let Some(call) = self.content.as_tool_use_mut()
        {
            call.input = ToolInput::finished(text.clone());
        }
    }

    fn so_far(&self) -> ContentBlock {
        let mut content = self.content.clone();
        self.mark_unfinished(&mut content);
        content
    }

    fn into_content(mut self) -> ContentBlock {
        let mut content = std::mem::replace(&mut self.content, ContentBlock::text(""));
        self.mark_unfinished(&mut content);
        content
    }

    fn mark_unfinished(&self, content: &mut ContentBlock) {
        if self.status == BlockStatus::Open
            && let Some(call) = content.as_tool_use_mut()
        {
            let text = self.input.clone().unwrap_or_default();
            call.input = ToolInput::truncated(text);
        }
    }
}

impl Delta<'_> {
    fn to_raw(&self) -> Raw {
        use serde_json::json;
        let value = match self {
            Self::Text(text) => json!({"type": "text_delta", "text": text}),
            Self::InputJson(json) => json!({"type": "input_json_delta", "partial_json": json}),
            Self::Thinking { thinking, estimated_tokens: None } => {
                json!({"type": "thinking_delta", "thinking": thinking})
            }
            Self::Thinking { thinking, estimated_tokens } => {
                json!({"type": "thinking_delta", "thinking": thinking, "estimated_tokens": estimated_tokens})
            }
            Self::Signature(signature) => json!({"type": "signature_delta", "signature": signature}),
            Self::Citation(citation) => json!({"type": "citations_delta", "citation": citation}),
            Self::Compaction { content, encrypted_content } => {
                json!({"type": "compaction_delta", "content": content, "encrypted_content": encrypted_content})
            }
            Self::Unknown(raw) => return raw.clone(),
        };
        Raw::from(value)
    }
}
