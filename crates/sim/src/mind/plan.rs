//! What an answer consists of before anything limits it: text, calls of tools, server tools, citations.

use super::author;
use super::citations;
use super::conversation::{self, Request, Role, Turn};
use super::digest;
use super::facts::Facts;
use super::manners::Manners;
use super::models::Model;
use super::schema::Filler;
use super::server_tools;
use super::tools;
use crate::answer::Block;

/// The whole answer to a conversation, without thinking.
#[derive(Debug, Default)]
pub(super) struct Plan {
    pub(super) blocks: Vec<Block>,
    /// Whether it waits for results of the client's tools.
    pub(super) calls_tools: bool,
    pub(super) searches: u64,
    pub(super) fetches: u64,
    pub(super) container: bool,
}

impl Plan {
    pub(super) fn of(
        seed: u64,
        request: Request<'_>,
        model: &Model,
        turns: &[Turn<'_>],
        manners: &Manners,
    ) -> Self {
        let hash = conversation::fingerprint(seed, turns);
        let asked = author::last_words(turns);
        if manners.answer.is_none() {
            let calls = tools::calls(hash, request, turns, manners);
            if !calls.is_empty() {
                return Self::calling(request, model, calls);
            }
        }
        if let Some(format) = output_schema(request).filter(|_| manners.answer.is_none()) {
            let facts = Facts::of(&asked);
            let value = Filler::new(format, &facts, hash).generous().fill();
            return Self::saying(value.to_string());
        }
        let answered = turns.last().is_some_and(|turn| turn.role == Role::User && turn.has("tool_result"));
        if answered {
            return Self::saying(author::report(hash, turns, manners));
        }
        if manners.answer.is_none() {
            if let Some(blocks) = citations::cite(turns, &asked) {
                return Self { blocks, ..Self::default() };
            }
            if let Some(run) = server_tools::run(hash, request, &author::last_question(turns)) {
                let (searches, fetches, container) = (run.searches, run.fetches, run.container);
                let mut blocks = Vec::new();
                if !model.bound_thinking {
                    blocks.push(text("I'll look that up first."));
                }
                blocks.extend(run.blocks);
                blocks.extend(run.closing);
                return Self { blocks, searches, fetches, container, ..Self::default() };
            }
        }
        Self::saying(author::write(hash, turns, manners))
    }

    fn saying(said: String) -> Self {
        let blocks = if said.is_empty() {
            Vec::new()
        } else {
            vec![Block::Text { text: said, citations: Vec::new() }]
        };
        Self { blocks, ..Self::default() }
    }

    fn calling(request: Request<'_>, model: &Model, calls: Vec<Block>) -> Self {
        let mut blocks = Vec::new();
        let forced = request
            .get("tool_choice")
            .is_some_and(|choice| choice["type"] == "any" || choice["type"] == "tool");
        // The newest models say this in thinking blocks, and a forced call comes without words.
        if !forced && !model.bound_thinking {
            let names = names(&calls);
            let what = if names.len() == 1 {
                format!("`{}`", names[0])
            } else {
                names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(" and ")
            };
            blocks.push(text(&format!("I'll use {what} to find out.")));
        }
        blocks.extend(calls);
        Self { blocks, calls_tools: true, ..Self::default() }
    }

    /// The names of the client's tools that are called, each once.
    pub(super) fn tool_names(&self) -> Vec<&str> {
        names(&self.blocks)
    }

    /// All text of the answer.
    pub(super) fn text(&self) -> String {
        let texts = self.blocks.iter().filter_map(|block| match block {
            Block::Text { text, .. } => Some(text.as_str()),
            _ => None,
        });
        texts.collect()
    }
}

/// The schema that the text has to fit.
pub(super) fn output_schema(request: Request<'_>) -> Option<&serde_json::Value> {
    let format = request
        .get("output_config")
        .and_then(|config| config.get("format"))
        .or_else(|| request.get("output_format"))?;
    (format["type"] == "json_schema").then(|| format.get("schema")).flatten()
}

fn names(blocks: &[Block]) -> Vec<&str> {
    let mut names: Vec<&str> = Vec::new();
    for block in blocks {
        if let Block::ToolUse { name, .. } = block
            && !names.contains(&name.as_str())
        {
            names.push(name);
        }
    }
    names
}

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned(), citations: Vec::new() }
}

/// The id of the message that answers these turns.
pub(super) fn message_id(seed: u64, turns: &[Turn<'_>], model: &Model) -> String {
    let hash = conversation::fingerprint(seed, turns);
    digest::id("msg_", digest::of(hash, &[model.id, &turns.len().to_string()]))
}
