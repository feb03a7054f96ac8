//! A conversation: the request that grows from turn to turn.
//!
//! It keeps the history in a form that the service accepts, whatever happened to the last answer: answers go in unchanged, every tool call gets a
//! result, a refused turn leaves no trace, and of a cut answer only what may be sent back stays.

use std::collections::HashMap;

use perennial_protocol::{BlockStatus, ContentBlock, Message, Raw, StopReason, ToolUse, Transcript, Turn};

use crate::request::{Block, Content, InputMessage, MessageRequest, Tool};

/// What the model is told about a call that nobody ran.
const NOT_RUN: &str = "This call was not run.";

/// A conversation of several turns.
///
/// ```no_run
/// use perennial::request::models;
/// use perennial::{Client, Conversation, MessageRequest, Next};
///
/// # async fn example() -> Result<(), perennial::Error> {
/// let client = Client::from_env()?;
/// let mut conversation = Conversation::new(MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024));
/// conversation.user("My name is Ada.");
/// let answer = client.messages().stream(conversation.request()).final_message().await?;
/// assert_eq!(conversation.append(&answer), Next::Answered);
/// conversation.user("What is my name?");
/// let answer = client.messages().stream(conversation.request()).final_message().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug, Clone)]
pub struct Conversation {
    request: MessageRequest,
    /// Where the turn that is going on begins: at the user's last words.
    turn: usize,
    /// The tool calls of the last answer, none of whose results are in the history yet.
    pending: Vec<ToolUse>,
    results: HashMap<String, Block>,
    /// The `container` that the caller set, to be put back when the turn is over.
    container: Option<Raw>,
}

/// What an answer asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Next {
    /// Nothing: it is the user's turn.
    Answered,
    /// The [`calls`](Conversation::calls) are to be run; then send the request again.
    RunTools,
    /// The request is to be sent again as it now is: the service paused or compacted.
    Resume,
    /// The answer was cut. What can be kept of it is in the history.
    Cut,
    /// The model declined. The turn was taken out, the user's words included, as the service demands.
    Refused,
}

impl Conversation {
    /// A conversation that begins with `request`: its settings, and the messages it has.
    #[must_use]
    pub fn new(request: MessageRequest) -> Self {
        let container = request.get("container");
        let turn = request.conversation().len().saturating_sub(1);
        Self { request, turn, pending: Vec::new(), results: HashMap::new(), container }
    }

    /// The user says. Calls that are still without a result get one that says they were not run.
    pub fn user(&mut self, content: impl Into<Content>) -> &mut Self {
        let mut blocks = self.take_results();
        self.turn = self.request.conversation().len();
        // What ran in a container of the last turn is over, and so may be the container.
        let container = self.container.clone();
        self.request.set("container", container.as_ref());
        if blocks.is_empty() {
            self.request.push(InputMessage::user(content));
        } else {
            // Results come first in the message that follows the calls; the service refuses any other order.
            blocks.extend(content.into().into_blocks());
            self.request.push(InputMessage::user(blocks));
        }
        self
    }

    /// The request to be sent now.
    pub fn request(&mut self) -> &MessageRequest {
        let results = self.take_results();
        if !results.is_empty() {
            self.request.push(InputMessage::user(results));
        }
        &self.request
    }

    /// Takes in an answer whose stream came to its end, and says what it asks for.
    pub fn append(&mut self, message: &Message) -> Next {
        if message.stop_reason == Some(StopReason::Refusal) {
            self.drop_turn();
            return Next::Refused;
        }
        self.take_container(message);
        self.push(message.to_turn());
        match &message.stop_reason {
            Some(StopReason::ToolUse) if !self.pending.is_empty() => Next::RunTools,
            Some(StopReason::PauseTurn | StopReason::Compaction) => Next::Resume,
            Some(reason) if reason.is_cut() => Next::Cut,
            _ => Next::Answered,
        }
    }

    /// Takes in what came of an answer whose stream broke: finished blocks, and the unfinished one if it is text. Unfinished tool calls and
    /// thinking cannot be sent back and are left out. Where nothing remains, the history stays as it was, and the request can be sent again.
    ///
    /// Finished tool calls are among the [`calls`](Self::calls): run them, or go on and they count as not run. Never ask the model again for a call
    /// that was run.
    pub fn keep_partial(&mut self, partial: &Transcript) -> Next {
        let mut message = partial.envelope().clone();
        if message.stop_reason == Some(StopReason::Refusal) {
            self.drop_turn();
            return Next::Refused;
        }
        message.content = partial.indices().filter_map(|index| kept(partial, index)).collect();
        let mut turn = message.to_turn();
        drop_unanswered(&mut turn.content);
        while turn.content.last().is_some_and(is_thinking) {
            turn.content.pop();
        }
        self.take_container(&message);
        self.push(turn);
        if self.pending.is_empty() { Next::Cut } else { Next::RunTools }
    }

    /// Takes the turn that is going on out of the history, from the user's last words on, and gives it back.
    pub fn drop_turn(&mut self) -> Vec<InputMessage> {
        self.pending.clear();
        self.results.clear();
        self.request.take_from(self.turn)
    }

    /// The calls that are to be run: those of the last answer whose input is usable and that have no result yet. The others are
    /// answered by the conversation itself.
    pub fn calls(&self) -> impl Iterator<Item = &ToolUse> {
        self.waiting().filter(|call| call.input.json().is_some())
    }

    /// The calls without a result, those with unusable input among them.
    pub(crate) fn waiting(&self) -> impl Iterator<Item = &ToolUse> {
        self.pending.iter().filter(|call| !self.results.contains_key(&call.id))
    }

    pub(crate) fn offer<'a>(&mut self, tools: impl Iterator<Item = &'a Tool>) {
        self.request.offer(tools);
    }

    /// The result of a call, sent with the next request. False where no such call waits for one.
    pub fn answer(&mut self, id: &str, content: impl Into<Content>) -> bool {
        self.put_result(id, |id| Block::tool_result(id, content))
    }

    /// The result of a call that failed: the model sees the text and may try otherwise.
    pub fn answer_error(&mut self, id: &str, content: impl Into<Content>) -> bool {
        self.put_result(id, |id| Block::tool_error(id, content))
    }

    /// The history: all messages so far.
    #[must_use]
    pub fn messages(&self) -> &[InputMessage] {
        self.request.conversation()
    }

    fn put_result(&mut self, id: &str, block: impl FnOnce(&str) -> Block) -> bool {
        let Some(call) = self.pending.iter().find(|call| call.id == id) else { return false };
        self.results.insert(id.to_owned(), block(id).of_toolset(call));
        true
    }

    /// One result for each pending call, in the order of the calls.
    fn take_results(&mut self) -> Vec<Block> {
        let mut results = std::mem::take(&mut self.results);
        let pending = std::mem::take(&mut self.pending);
        let result = |call: &ToolUse| {
            results
                .remove(&call.id)
                .or_else(|| Block::unusable_input(call))
                .unwrap_or_else(|| Block::tool_error(&call.id, NOT_RUN).of_toolset(call))
        };
        pending.iter().map(result).collect()
    }

    fn push(&mut self, mut turn: Turn) {
        let results = self.take_results();
        if !results.is_empty() {
            self.request.push(InputMessage::user(results));
        }
        // The model now and then says nothing in a block; the service refuses to be told nothing.
        turn.content.retain(|block| !is_blank(block));
        if turn.content.is_empty() {
            return;
        }
        let call = |block: &ContentBlock| match block {
            ContentBlock::ToolUse(call) => Some(call.clone()),
            _ => None,
        };
        self.pending = turn.content.iter().filter_map(call).collect();
        self.request.push(turn);
    }

    /// Work that goes on in a container must name it in the next request.
    fn take_container(&mut self, message: &Message) {
        let Some(id) = message.container.as_ref().map(|container| &container.id) else { return };
        // Settings that the caller made beside the id (skills) stay.
        let settings = self.container.as_ref().and_then(|raw| raw.parse::<serde_json::Value>().ok());
        let container = match settings {
            Some(serde_json::Value::Object(mut settings)) => {
                settings.insert("id".to_owned(), id.as_str().into());
                settings.into()
            }
            _ => serde_json::Value::from(id.as_str()),
        };
        self.request.set("container", Some(&Raw::from(container)));
    }
}

impl From<MessageRequest> for Conversation {
    fn from(request: MessageRequest) -> Self {
        Self::new(request)
    }
}

/// A block of a cut answer, if it may be sent back.
fn kept(partial: &Transcript, index: u64) -> Option<ContentBlock> {
    let block = partial.block(index)?;
    let is_open = partial.block_status(index) == Some(BlockStatus::Open);
    (!is_open || matches!(block, ContentBlock::Text(_))).then(|| block.clone())
}

/// Calls of tools that the service runs are refused without their results.
fn drop_unanswered(content: &mut Vec<ContentBlock>) {
    let answered: Vec<String> = content
        .iter()
        .filter_map(|block| match block {
            ContentBlock::ServerToolResult(result) => Some(result.tool_use_id.clone()),
            _ => None,
        })
        .collect();
    content.retain(|block| match block {
        ContentBlock::ServerToolUse(call) | ContentBlock::McpToolUse(call) => answered.contains(&call.id),
        _ => true,
    });
}

/// Blocks that an assistant's message must not end with.
fn is_thinking(block: &ContentBlock) -> bool {
    match block {
        ContentBlock::Thinking(_) | ContentBlock::RedactedThinking(_) => true,
        ContentBlock::Other(other) => other.kind == "connector_text",
        block => is_blank(block),
    }
}

fn is_blank(block: &ContentBlock) -> bool {
    matches!(block, ContentBlock::Text(block) if block.text.trim().is_empty())
}
