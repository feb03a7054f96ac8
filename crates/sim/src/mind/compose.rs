//! From a request to a whole answer: plan, continuation, manners, thinking, limits, usage.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Map, Value, json};

use super::author;
use super::continuation::{self, Ending};
use super::conversation::{self, Part, Request, Role, Turn};
use super::digest;
use super::limits::{self, End};
use super::manners::{Continuation, Manners, Moment, Refusal};
use super::models::Model;
use super::plan::{self, Plan};
use super::server_tools;
use super::thinking::{self, Prefix, Verdict, Wanted};
use super::tokens;
use crate::answer::{Answer, Block, Usage};

mod rare;

/// Continuations of continuations are followed this deep.
const DEEPEST: u32 = 4;
/// How long a container outlives the request. The service does not say; clients see a date in the near future.
const CONTAINER_LIFETIME: SignedDuration = SignedDuration::from_mins(5);

/// Everything that an answer is made from.
pub(super) struct Composer<'a> {
    pub(super) seed: u64,
    /// What the time in the manners counts from.
    pub(super) since: Timestamp,
    pub(super) request: Request<'a>,
    pub(super) model: &'static Model,
    pub(super) manners: &'a Manners,
}

/// A plan and how it ends, before limits.
struct Draft {
    plan: Plan,
    stop_reason: &'static str,
    stop_details: Option<Value>,
    /// Whether the answer goes on with an assistant turn of the request; then it does not think first.
    prefilled: bool,
}

impl Composer<'_> {
    /// The answer; `usage` has the input side.
    pub(super) fn compose(&self, usage: Usage) -> Answer {
        let turns = self.request.turns();
        let mut answer = Answer::new(plan::message_id(self.seed, &turns, self.model), self.model.id);
        answer.usage = usage;
        if self.request.get("context_management").is_some() {
            answer.extra_delta.insert("context_management".to_owned(), json!({"applied_edits": []}));
        }
        // Thinking that does not fit its place came through validation only because the request lets it be dropped.
        let dropped = thinking::history(self.seed, self.model, self.request)
            .iter()
            .filter(|(.., verdict)| *verdict != Verdict::Genuine)
            .count();
        if dropped > 0 {
            answer.extra_start.insert(
                "input_transformations".to_owned(),
                json!([{"type": "thinking_dropped", "count": dropped}]),
            );
        }
        // A limit of zero warms the cache and says nothing.
        if self.request.max_tokens() == Some(0) {
            "max_tokens".clone_into(&mut answer.stop_reason);
            return answer;
        }
        let mut draft = self.draft(&turns);
        self.misbehave(&turns, &mut draft, &mut answer);
        let searched = (draft.plan.searches, draft.plan.fetches);
        if draft.plan.container {
            answer.container = Some(self.container(&answer.id));
        }
        self.think(&turns, &mut draft);
        let mut blocks = std::mem::take(&mut draft.plan.blocks);
        if self.model.bound_thinking || blocks.iter().any(|block| matches!(block, Block::Thinking { .. })) {
            self.sign(&mut blocks);
        }
        self.limit(blocks, &draft, &mut answer);
        note_server_tools(searched, &mut answer);
        self.note_iterations(&mut answer);
        answer
    }

    /// What would be said without limits, with continuations recognised.
    fn draft(&self, turns: &[Turn<'_>]) -> Draft {
        let ends_with_assistant = turns.last().is_some_and(|turn| turn.role == Role::Assistant);
        if let Some(call) = turns.last().and_then(paused_call) {
            let before = &turns[..turns.len() - 1];
            let mut plan = self.plan(before, 0);
            plan.blocks.retain(|block| matches!(block, Block::Text { .. }));
            plan.blocks.insert(0, server_tools::result_of(call));
            plan.calls_tools = false;
            plan.searches = 1;
            return Draft { prefilled: true, ..Draft::of(plan) };
        }
        let text_of = |base: &[Turn<'_>]| self.plan(base, 0).text();
        match continuation::recognise(turns, &text_of) {
            Ending::Ordinary => Draft {
                prefilled: ends_with_assistant,
                ..Draft::of(Plan::of(self.seed, self.request, self.model, turns, self.manners))
            },
            Ending::Foreign(base, partial) => {
                let plan = self.plan(&base, 0);
                let text = foreign(&partial, &plan.text());
                Draft { prefilled: true, ..Draft::of(said(text)) }
            }
            Ending::Resumed(resumed) => {
                let mut plan = self.plan(&resumed.turns, 0);
                let manner = self.manners.continuation;
                if manner == Continuation::Honest {
                    plan.blocks = continuation::skip(plan.blocks, resumed.from, resumed.whole_blocks);
                    return Draft { prefilled: ends_with_assistant, ..Draft::of(plan) };
                }
                let hash = conversation::fingerprint(self.seed, turns);
                let other = || author::aside(hash);
                let text = plan.text();
                match continuation::meet(manner, &text, resumed.cut, resumed.from, other) {
                    Some(text) => Draft { prefilled: ends_with_assistant, ..Draft::of(said(text)) },
                    None => {
                        let mut draft = Draft::of(Plan::default());
                        draft.refuse(&Refusal { moment: Moment::Start, category: None });
                        draft
                    }
                }
            }
        }
    }

    /// The honest answer to some turns, which may themselves ask to go on.
    fn plan(&self, turns: &[Turn<'_>], depth: u32) -> Plan {
        let whole = |turns: &[Turn<'_>]| Plan::of(self.seed, self.request, self.model, turns, self.manners);
        if depth >= DEEPEST {
            return whole(turns);
        }
        match continuation::recognise(turns, &|base: &[Turn<'_>]| self.plan(base, depth + 1).text()) {
            Ending::Resumed(resumed) => {
                let mut plan = self.plan(&resumed.turns, depth + 1);
                plan.blocks = continuation::skip(plan.blocks, resumed.from, resumed.whole_blocks);
                plan
            }
            Ending::Ordinary | Ending::Foreign(..) => whole(turns),
        }
    }

    /// Puts thinking in front, and notes before calls.
    fn think(&self, turns: &[Turn<'_>], draft: &mut Draft) {
        let hash = conversation::fingerprint(self.seed, turns);
        if self.manners.redacted_thinking {
            let data = [1, 2]
                .map(|n| thinking::redacted(self.seed, digest::of(hash, &[if n == 1 { "a" } else { "b" }])));
            let blocks = data.into_iter().map(|data| Block::RedactedThinking { data });
            draft.plan.blocks.splice(0..0, blocks);
            return;
        }
        let wanted = Wanted::of(self.request, self.model);
        let answered = turns.last().is_some_and(|turn| turn.has("tool_result"));
        // Thinking with a budget comes once per turn of the user, before the first call.
        let manual = self.request.get("thinking").is_some_and(|thinking| thinking["type"] == "enabled");
        let first = wanted.upfront && !(manual && answered);
        let note = wanted.notes && !wanted.upfront && draft.plan.calls_tools && self.model.bound_thinking;
        if draft.prefilled
            || !(first || note)
            || draft.stop_reason == "refusal" && draft.plan.blocks.is_empty()
        {
            return;
        }
        let names: Vec<_> = draft.plan.tool_names().into_iter().map(|name| format!("`{name}`")).collect();
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        let block = thinking::block(hash, &author::last_question(turns), &names, wanted.display);
        let leads = |block: &Block| {
            matches!(block, Block::Compaction { .. })
                || matches!(block, Block::Whole(whole) if whole["type"] == "fallback")
        };
        let at = draft.plan.blocks.iter().take_while(|block| leads(block)).count();
        draft.plan.blocks.insert(at, block);
    }

    /// Signs thinking in its place, so that it can be sent back and found unchanged.
    pub(super) fn sign(&self, blocks: &mut [Block]) {
        let mut prefix = Prefix::of_request(self.seed, self.request);
        for message in self.request.list("messages") {
            prefix.message(message);
        }
        for block in blocks {
            let before = prefix.0;
            if let Block::Thinking { thinking, signature, .. } = block {
                *signature = thinking::sign(self.seed, self.model.id, thinking, before);
            }
            prefix.push("assistant", &echoed(block));
        }
    }

    /// Where code runs: the place that the request names, or a new one.
    fn container(&self, message_id: &str) -> Value {
        let named = self.request.get("container");
        let named = named.and_then(|container| container.as_str().or_else(|| container["id"].as_str()));
        let id = named.map_or_else(|| message_id.replacen("msg_", "container_", 1), str::to_owned);
        let now = SignedDuration::try_from(self.manners.at).map_or(self.since, |at| self.since + at);
        json!({"id": id, "expires_at": format!("{:.6}", now + CONTAINER_LIFETIME)})
    }

    fn limit(&self, blocks: Vec<Block>, draft: &Draft, answer: &mut Answer) {
        let usage = &answer.usage;
        let input = usage.input_tokens + usage.cache_creation_5m + usage.cache_creation_1h + usage.cache_read;
        let room = self.model.context_window.saturating_sub(input);
        let asked = self.request.max_tokens().unwrap_or(self.model.max_output);
        let stops: Vec<&str> = self
            .request
            .list("stop_sequences")
            .iter()
            .filter_map(Value::as_str)
            .filter(|stop| !stop.is_empty())
            .collect();
        let (blocks, end) = limits::cut(blocks, &stops, asked.min(room));
        let reason = match &end {
            End::MaxTokens if room < asked => "model_context_window_exceeded",
            End::MaxTokens => "max_tokens",
            End::StopSequence(_) => "stop_sequence",
            End::Natural => draft.stop_reason,
        };
        reason.clone_into(&mut answer.stop_reason);
        if end == End::Natural {
            answer.stop_details.clone_from(&draft.stop_details);
        }
        if let End::StopSequence(stop) = end {
            answer.stop_sequence = Some(stop);
        }
        answer.usage.output_tokens = blocks.iter().map(limits::block_tokens).sum();
        let thoughts: Vec<_> = blocks
            .iter()
            .filter(|block| matches!(block, Block::Thinking { .. } | Block::RedactedThinking { .. }))
            .map(limits::block_tokens)
            .collect();
        if !thoughts.is_empty() {
            answer.usage.thinking_tokens = Some(thoughts.iter().sum());
        }
        answer.blocks = blocks;
    }
}

impl Draft {
    fn of(plan: Plan) -> Self {
        let stop_reason = if plan.calls_tools { "tool_use" } else { "end_turn" };
        Self { plan, stop_reason, stop_details: None, prefilled: false }
    }
}

/// The call at the end of an assistant turn that still waits for the service's own tool.
pub(super) fn paused_call<'a>(turn: &Turn<'a>) -> Option<&'a Value> {
    if turn.role != Role::Assistant {
        return None;
    }
    match turn.parts.last() {
        Some(Part::Block(block)) if block["type"] == "server_tool_use" => Some(block),
        _ => None,
    }
}

/// A block as a client sends it back.
fn echoed(block: &Block) -> Value {
    match block {
        Block::Text { text, citations } => json!({"type": "text", "text": text, "citations": citations}),
        Block::Thinking { thinking, signature, .. } => {
            json!({"type": "thinking", "thinking": thinking, "signature": signature})
        }
        Block::RedactedThinking { data } => json!({"type": "redacted_thinking", "data": data}),
        Block::ToolUse { kind, id, name, input, extra, .. } => {
            let input: Value = serde_json::from_str(input).unwrap_or_else(|_| Value::Object(Map::new()));
            let mut block = json!({"type": kind, "id": id, "name": name, "input": input});
            if let Some(fields) = block.as_object_mut() {
                fields.extend(extra.clone());
            }
            block
        }
        Block::Compaction { content } => json!({"type": "compaction", "content": content}),
        Block::Whole(block) => block.clone(),
    }
}

fn note_server_tools((searches, fetches): (u64, u64), answer: &mut Answer) {
    if searches + fetches > 0 {
        answer.usage.server_tool_use =
            Some(json!({"web_search_requests": searches, "web_fetch_requests": fetches}));
    }
    let read: u64 = answer
        .blocks
        .iter()
        .filter_map(|block| match block {
            Block::Whole(whole) if whole["tool_use_id"].is_string() => {
                Some(tokens::count(&whole.to_string()))
            }
            _ => None,
        })
        .sum();
    if read > 0 {
        answer.usage.final_input_tokens = Some(answer.usage.input_tokens + read);
    }
}

fn said(text: String) -> Plan {
    let blocks = if text.is_empty() { Vec::new() } else { vec![Block::Text { text, citations: Vec::new() }] };
    Plan { blocks, ..Plan::default() }
}

/// Goes on with words that the client put into the mind's mouth.
fn foreign(partial: &str, text: &str) -> String {
    if partial.ends_with('{') {
        return format!("\"answer\": {}}}", json!(text));
    }
    if partial.ends_with('[') {
        return format!("{}]", json!(text));
    }
    if partial.ends_with(['.', '!', '?', ':', ',']) || partial.ends_with(char::is_alphanumeric) {
        return format!(" {text}");
    }
    text.to_owned()
}
