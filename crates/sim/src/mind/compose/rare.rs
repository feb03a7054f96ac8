//! What answers show only on demand: refusals, fallbacks, compactions, pauses.

use serde_json::{Value, json};

use super::super::author;
use super::super::conversation::{self, Role, Turn};
use super::super::limits;
use super::super::manners::{Compaction, Moment, Refusal};
use super::super::plan::Plan;
use super::super::server_tools;
use super::super::tokens;
use super::{Composer, Draft};
use crate::answer::{Answer, Block};

/// Who takes over when a request names no fallback.
const FALLBACK: &str = "claude-opus-4-8";

impl Composer<'_> {
    /// What the manners ask for beyond the request.
    pub(super) fn misbehave(&self, turns: &[Turn<'_>], draft: &mut Draft, answer: &mut Answer) {
        if self.manners.pause_turn {
            let hash = conversation::fingerprint(self.seed, turns);
            draft.plan = Plan {
                blocks: server_tools::paused(hash, &author::last_question(turns)),
                searches: 1,
                ..Plan::default()
            };
            draft.stop_reason = "pause_turn";
        }
        let fallbacks = self.request.get("fallbacks");
        if let Some(refusal) = &self.manners.refuse {
            // Who has fallbacks never sees the refusal.
            if fallbacks.is_some() {
                self.fall_back(refusal.moment, refusal.category.as_deref(), draft, answer);
            } else {
                draft.refuse(refusal);
            }
        }
        if let Some(moment) = self.manners.fallback {
            self.fall_back(moment, None, draft, answer);
        }
        if let Some(compaction) = self.manners.compaction {
            let content = (compaction != Compaction::Failed).then(|| summary(turns));
            draft.plan.blocks.insert(0, Block::Compaction { content });
            if compaction == Compaction::Pause {
                draft.plan.blocks.truncate(1);
                draft.stop_reason = "compaction";
            }
        }
    }

    fn fall_back(&self, moment: Moment, category: Option<&str>, draft: &mut Draft, answer: &mut Answer) {
        let named =
            self.request.get("fallbacks").and_then(|list| list[0]["model"].as_str().or(list[0].as_str()));
        let to = named.unwrap_or(FALLBACK);
        let block = Block::Whole(json!({
            "type": "fallback",
            "from": {"model": self.model.id},
            "to": {"model": to},
            "trigger": {"type": "refusal", "category": category},
        }));
        match moment {
            Moment::Start => {
                draft.plan.blocks.insert(0, block);
                to.clone_into(&mut answer.model);
            }
            Moment::Middle => {
                let blocks = std::mem::take(&mut draft.plan.blocks);
                let half = middle(&blocks);
                let mut given = 0;
                let mut block = Some(block);
                for part in blocks {
                    match part {
                        Block::Text { text, citations } if block.is_some() && given + text.len() > half => {
                            let (head, tail) = text.split_at(half - given);
                            draft.plan.blocks.extend(
                                Some(head)
                                    .filter(|head| !head.is_empty())
                                    .map(|head| Block::Text { text: head.to_owned(), citations }),
                            );
                            draft.plan.blocks.extend(block.take());
                            draft
                                .plan
                                .blocks
                                .push(Block::Text { text: tail.to_owned(), citations: Vec::new() });
                        }
                        other => {
                            if let Block::Text { text, .. } = &other {
                                given += text.len();
                            }
                            draft.plan.blocks.push(other);
                        }
                    }
                }
                draft.plan.blocks.extend(block);
            }
        }
    }

    /// `iterations`, where more than one sampling stands behind the answer.
    pub(super) fn note_iterations(&self, answer: &mut Answer) {
        let usage = &answer.usage;
        let entry = |kind: &str, model: Option<&str>, input: u64, output: u64| {
            let mut entry = json!({
                "type": kind,
                "input_tokens": input,
                "output_tokens": output,
                "cache_read_input_tokens": usage.cache_read,
                "cache_creation_input_tokens": usage.cache_creation_5m + usage.cache_creation_1h,
            });
            if let Some(model) = model {
                entry["model"] = json!(model);
            }
            entry
        };
        let (input, output) = (usage.input_tokens, usage.output_tokens);
        let mut iterations = Vec::new();
        for block in &answer.blocks {
            match block {
                Block::Compaction { content } => {
                    let written = content.as_deref().map_or(0, tokens::count);
                    iterations.push(entry("compaction", None, input, written));
                }
                Block::Whole(whole) if whole["type"] == "fallback" => {
                    let before: u64 = answer
                        .blocks
                        .iter()
                        .take_while(|other| *other != block)
                        .map(limits::block_tokens)
                        .sum();
                    iterations.push(entry("message", Some(self.model.id), input, before));
                    iterations.push(entry(
                        "fallback_message",
                        whole["to"]["model"].as_str(),
                        input,
                        output - before,
                    ));
                }
                _ => {}
            }
        }
        let fell_back = iterations.iter().any(|entry| entry["type"] == "fallback_message");
        if !iterations.is_empty() && !fell_back && answer.stop_reason != "compaction" {
            iterations.push(entry("message", None, input, output));
        }
        if !iterations.is_empty() {
            answer.usage.extra_final.insert("iterations".to_owned(), Value::Array(iterations));
        }
    }
}

impl Draft {
    pub(super) fn refuse(&mut self, refusal: &Refusal) {
        let keep = match refusal.moment {
            Moment::Start => 0,
            Moment::Middle => middle(&self.plan.blocks),
        };
        let mut left = keep;
        let mut blocks = Vec::new();
        for block in std::mem::take(&mut self.plan.blocks) {
            if left == 0 {
                break;
            }
            if let Block::Text { mut text, citations } = block {
                text.truncate(text.len().min(left));
                left -= text.len();
                blocks.push(Block::Text { text, citations });
            }
        }
        self.plan = Plan { blocks, ..Plan::default() };
        self.stop_reason = "refusal";
        self.stop_details = Some(json!({
            "type": "refusal",
            "category": refusal.category,
            "explanation": "This request was declined because the simulator was asked to decline it.",
        }));
    }
}

/// The byte in the middle of an answer's text, at a character.
fn middle(blocks: &[Block]) -> usize {
    let text: String = blocks
        .iter()
        .filter_map(|block| match block {
            Block::Text { text, .. } => Some(text.as_str()),
            _ => None,
        })
        .collect();
    (0..=text.len() / 2).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0)
}

/// What a compaction keeps of a conversation.
fn summary(turns: &[Turn<'_>]) -> String {
    let lines: Vec<_> = turns
        .iter()
        .filter(|turn| turn.role == Role::User)
        .map(|turn| turn.text())
        .filter(|text| !text.trim().is_empty())
        .map(|text| {
            format!("- {}", text.lines().next().unwrap_or_default().chars().take(160).collect::<String>())
        })
        .collect();
    format!(
        "## Summary of the conversation\n\nThe user asked:\n\n{}\n\nEverything was answered so far.",
        lines.join("\n")
    )
}
