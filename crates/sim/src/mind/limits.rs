//! Where an answer ends before its end: stop sequences and `max_tokens`.
//!
//! `output_tokens` is the sum of the tokens of the blocks that are left: text, thinking and the JSON of tool inputs.

use super::tokens;
use crate::answer::Block;

/// What ended an answer early.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum End {
    /// Nothing did.
    Natural,
    MaxTokens,
    StopSequence(String),
}

/// The tokens of one block as they are billed.
pub(super) fn block_tokens(block: &Block) -> u64 {
    match block {
        Block::Text { text, .. } => tokens::count(text),
        Block::Thinking { tokens, .. } => *tokens,
        Block::RedactedThinking { .. } => REDACTED,
        Block::ToolUse { input, .. } => tokens::count(input),
        // A compaction is an iteration of its own, outside of the totals; what a server tool found is input.
        _ => 0,
    }
}

/// Tokens that stand behind a redacted block.
const REDACTED: u64 = 24;

/// Cuts an answer at the first stop sequence in its text and after `budget` tokens, whichever comes first.
pub(super) fn cut(blocks: Vec<Block>, stop_sequences: &[&str], budget: u64) -> (Vec<Block>, End) {
    let mut kept = Vec::with_capacity(blocks.len());
    let mut left = budget;
    for block in blocks {
        if let Block::Text { text, citations } = block {
            let (text, end) = cut_text(text, stop_sequences, left);
            left = left.saturating_sub(tokens::count(&text));
            if !text.is_empty() || end == End::Natural {
                kept.push(Block::Text { text, citations });
            }
            if end != End::Natural {
                return (kept, end);
            }
            continue;
        }
        let needs = block_tokens(&block);
        if needs > left {
            kept.extend(shortened(block, left));
            return (kept, End::MaxTokens);
        }
        left -= needs;
        kept.push(block);
    }
    (kept, End::Natural)
}

fn cut_text(mut text: String, stop_sequences: &[&str], budget: u64) -> (String, End) {
    // A sequence counts only when all of it fits into the budget: it has to be generated to be seen.
    let fits = tokens::offset(&text, budget);
    let first = stop_sequences
        .iter()
        .filter_map(|stop| text[..fits].find(stop).map(|at| (at, *stop)))
        .min_by_key(|(at, stop)| (at + stop.len(), *at));
    if let Some((at, stop)) = first {
        text.truncate(at);
        return (text, End::StopSequence(stop.to_owned()));
    }
    if fits < text.len() {
        text.truncate(fits);
        return (text, End::MaxTokens);
    }
    (text, End::Natural)
}

/// What is left of a block that does not fit; a block of which nothing fits does not begin.
fn shortened(block: Block, left: u64) -> Option<Block> {
    if left == 0 {
        return None;
    }
    match block {
        // Thinking that was cut has no signature, so it can never be sent back.
        Block::Thinking { mut thinking, display, .. } => {
            let end = tokens::offset(&thinking, left);
            thinking.truncate(end);
            Some(Block::Thinking { thinking, signature: String::new(), display, tokens: left })
        }
        Block::ToolUse { kind, id, name, mut input, eager, extra } => {
            let end = tokens::offset(&input, left);
            input.truncate(end);
            Some(Block::ToolUse { kind, id, name, input, eager, extra })
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn text(text: &str) -> Block {
        Block::Text { text: text.to_owned(), citations: Vec::new() }
    }

    fn check(parts: &[&str], stops: &[&str], budget: u64, kept: &[&str], end: &End) {
        let blocks = parts.iter().map(|part| text(part)).collect();
        let (blocks, why) = cut(blocks, stops, budget);
        assert_eq!(
            blocks,
            kept.iter().map(|part| text(part)).collect::<Vec<_>>(),
            "{parts:?} {stops:?} {budget}"
        );
        assert_eq!(&why, end);
    }

    #[test]
    fn the_first_limit_wins() {
        let stop = |stop: &str| End::StopSequence(stop.to_owned());
        check(&["one two three"], &[], 10, &["one two three"], &End::Natural);
        check(&["one two three"], &[], 2, &["one two"], &End::MaxTokens);
        check(&["one two three"], &[], 3, &["one two three"], &End::Natural);
        check(&["one two three"], &["two"], 10, &["one "], &stop("two"));
        check(&["one two three"], &["three", "two"], 10, &["one "], &stop("two"));
        check(&["one two three"], &["wo", "two"], 10, &["one "], &stop("two"));
        check(&["one two three"], &["three"], 2, &["one two"], &End::MaxTokens);
        check(&["one", " two"], &["two"], 10, &["one", " "], &stop("two"));
        check(&["one two"], &["one"], 10, &[], &stop("one"));
        check(&["one two"], &[], 0, &[], &End::MaxTokens);
        check(&["日本語です"], &["語"], 10, &["日本"], &stop("語"));
    }

    proptest! {
        #[test]
        fn never_more_than_the_budget_and_never_a_stop_sequence(
            parts in proptest::collection::vec("[ab \n,é日]{0,30}", 1..4), stop in "[ab]{1,2}", budget in 0u64..40,
        ) {
            let blocks: Vec<_> = parts.iter().map(|part| text(part)).collect();
            let whole: u64 = blocks.iter().map(block_tokens).sum();
            let (kept, end) = cut(blocks, &[&stop], budget);
            let spent: u64 = kept.iter().map(block_tokens).sum();
            prop_assert!(spent <= budget);
            match end {
                End::Natural => prop_assert_eq!(spent, whole),
                End::MaxTokens => prop_assert_eq!(spent, budget),
                End::StopSequence(found) => prop_assert_eq!(&found, &stop),
            }
            for block in kept {
                if let Block::Text { text, .. } = block {
                    prop_assert!(!text.contains(&stop));
                }
            }
        }
    }
}
