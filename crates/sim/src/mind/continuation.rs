//! Requests to go on with an interrupted answer, and the ways to meet them.
//!
//! There are two forms. Older models take the partial answer as the beginning of an assistant turn. Newer ones are asked in
//! a user turn that quotes how the partial answer ended. In both cases the mind works out what it would have said without
//! the interruption and goes on from there, so that head and continuation are the whole answer, byte for byte.

use super::conversation::{Part, Role, Turn};
use super::digest::Dice;
use super::manners::Continuation;
use crate::answer::Block;

mod quotes;

/// Words of which a request to go on has at least one.
const GO_ON: &[&str] = &[
    "continu",
    "go on",
    "left off",
    "interrupt",
    "cut off",
    "cut short",
    "resume",
    "carry on",
    "stopped",
    "pick up",
    "broke off",
    "breaks off",
    "incomplete",
    "truncated",
    "fortsetz",
];
/// Words that ask to say the end again, so that the seam can be found.
const SAY_AGAIN: &[&str] = &[
    "begin with",
    "begin by",
    "begin your",
    "begin exactly",
    "beginning with",
    "start with",
    "start by",
    "start your",
    "start from",
    "start exactly",
    "starting with",
    "starting from",
    "repeat",
    "first words",
    "reproduce",
    "copy",
];
/// Words that turn the ones above into their opposite.
const NOT: &[&str] = &["not ", "n't ", "n’t ", "without ", "never ", "nor ", "avoid ", "no need to ", "or "];

/// An answer to go on with.
#[derive(Debug)]
pub(super) struct Resumption<'a> {
    /// The conversation without the interruption.
    pub(super) turns: Vec<Turn<'a>>,
    /// Bytes of the answer's text that the client has.
    pub(super) cut: usize,
    /// Where the continuation begins: at `cut`, or before it when the end was to be said again.
    pub(super) from: usize,
    /// Blocks other than text that the client has.
    pub(super) whole_blocks: usize,
}

/// What an assistant turn begins with that the mind would not have begun with.
#[derive(Debug)]
pub(super) enum Ending<'a> {
    /// No partial answer in sight.
    Ordinary,
    Resumed(Resumption<'a>),
    /// A prefill in the client's own words.
    Foreign(Vec<Turn<'a>>, String),
}

/// Finds out whether the turns ask to go on. `text_of` gives the text of the answer to a conversation.
pub(super) fn recognise<'a>(turns: &[Turn<'a>], text_of: &dyn Fn(&[Turn<'a>]) -> String) -> Ending<'a> {
    let Some((last, before)) = turns.split_last() else { return Ending::Ordinary };
    if last.role == Role::Assistant {
        return prefill(last, before, text_of);
    }
    if last.role != Role::User {
        return Ending::Ordinary;
    }
    let said = last.text().to_lowercase();
    if !GO_ON.iter().any(|word| said.contains(word)) {
        return Ending::Ordinary;
    }
    let resumed = after_partial(last, before, text_of)
        .or_else(|| of_base(last.parts.last().and_then(Part::text)?, before.to_vec(), text_of))
        .or_else(|| appended_block(last, before, text_of))
        .or_else(|| appended_text(last, before, text_of));
    resumed.map_or(Ending::Ordinary, Ending::Resumed)
}

fn prefill<'a>(last: &Turn<'a>, before: &[Turn<'a>], text_of: &dyn Fn(&[Turn<'a>]) -> String) -> Ending<'a> {
    let (partial, whole_blocks) = (last.text(), whole_blocks(last));
    if partial.is_empty() && whole_blocks == 0 {
        return Ending::Ordinary;
    }
    let turns = before.to_vec();
    if text_of(before).starts_with(&partial) {
        let cut = partial.len();
        Ending::Resumed(Resumption { turns, cut, from: cut, whole_blocks })
    } else {
        Ending::Foreign(turns, partial)
    }
}

/// Question, partial answer as an assistant turn, request to go on.
fn after_partial<'a>(
    last: &Turn<'a>,
    before: &[Turn<'a>],
    text_of: &dyn Fn(&[Turn<'a>]) -> String,
) -> Option<Resumption<'a>> {
    let (partial, base) = before.split_last().filter(|(turn, _)| turn.role == Role::Assistant)?;
    if base.is_empty() {
        return None;
    }
    let (have, whole_blocks) = (partial.text(), whole_blocks(partial));
    let text = text_of(base);
    let said = last.text();
    // A complete answer and "go on" is a new question, unless it says that something broke.
    let broke = ["interrupt", "cut off", "cut short", "broke off"]
        .iter()
        .any(|word| said.to_lowercase().contains(word));
    if have.is_empty() || !text.starts_with(&have) || have.len() == text.len() && !broke {
        return None;
    }
    let cut = have.len();
    Some(Resumption { turns: base.to_vec(), cut, from: again(&said, &text, cut), whole_blocks })
}

/// The original question and the request to go on as two turns; also where the question's turn has the request as a block.
fn of_base<'a>(
    said: &str,
    base: Vec<Turn<'a>>,
    text_of: &dyn Fn(&[Turn<'a>]) -> String,
) -> Option<Resumption<'a>> {
    if base.last().is_none_or(|turn| turn.role != Role::User) {
        return None;
    }
    let text = text_of(&base);
    let cut = quotes::passages(said).iter().find_map(|passage| quotes::end_in(&text, passage))?;
    Some(Resumption { turns: base, cut, from: again(said, &text, cut), whole_blocks: 0 })
}

/// The request to go on as a further block of the question's turn.
fn appended_block<'a>(
    last: &Turn<'a>,
    before: &[Turn<'a>],
    text_of: &dyn Fn(&[Turn<'a>]) -> String,
) -> Option<Resumption<'a>> {
    let (Some(Part::Text(said)), parts @ [_, ..]) =
        last.parts.split_last().map(|(said, parts)| (Some(said), parts))?
    else {
        return None;
    };
    let mut base = before.to_vec();
    base.push(Turn { role: Role::User, parts: parts.to_vec() });
    of_base(said, base, text_of)
}

/// The request to go on behind the question in the same text.
fn appended_text<'a>(
    last: &Turn<'a>,
    before: &[Turn<'a>],
    text_of: &dyn Fn(&[Turn<'a>]) -> String,
) -> Option<Resumption<'a>> {
    /// Each try writes a whole answer.
    const TRIES: usize = 4;
    let (Part::Text(said), parts) = last.parts.split_last()? else { return None };
    let breaks = said.match_indices("\n\n").map(|(at, _)| at).take(TRIES);
    for at in breaks {
        let mut base = before.to_vec();
        let mut parts = parts.to_vec();
        parts.push(Part::Text(&said[..at]));
        base.push(Turn { role: Role::User, parts });
        if let Some(found) = of_base(&said[at..], base, text_of) {
            return Some(found);
        }
    }
    None
}

/// Where to begin when the request wants the end said again: an anchor is quoted, or the tail itself is to be repeated.
fn again(said: &str, text: &str, cut: usize) -> usize {
    let head = &text[..cut];
    let passages = quotes::passages(said);
    let mut ends: Vec<&str> = passages
        .iter()
        .filter_map(|passage| {
            quotes::variants(passage).find(|end| end.len() >= quotes::SHORTEST && head.ends_with(end))
        })
        .collect();
    ends.sort_by_key(|end| end.len());
    // What is quoted is no instruction, whatever it says.
    let mut instruction = said.to_owned();
    for quoted in ends.iter().rev() {
        let literal = serde_json::Value::from(*quoted).to_string();
        instruction = instruction.replace(quoted, "").replace(literal.trim_matches('"'), "");
    }
    let lower = instruction.to_ascii_lowercase();
    let wanted = SAY_AGAIN.iter().any(|word| {
        lower.match_indices(word).any(|(at, _)| !NOT.iter().any(|not| lower[..at].ends_with(not)))
    });
    // The shortest quoted end is the anchor where there is one besides the tail, else it is the tail.
    ends.first().filter(|_| wanted).map_or(cut, |end| cut - end.len())
}

fn whole_blocks(turn: &Turn<'_>) -> usize {
    let thought =
        |block: &serde_json::Value| block["type"] == "thinking" || block["type"] == "redacted_thinking";
    turn.parts.iter().filter(|part| matches!(part, Part::Block(block) if !thought(block))).count()
}

/// The blocks of an answer without what the client has: so many bytes of text and so many other blocks.
pub(super) fn skip(blocks: Vec<Block>, text_bytes: usize, whole_blocks: usize) -> Vec<Block> {
    let (mut bytes, mut wholes) = (text_bytes, whole_blocks);
    let mut rest = Vec::new();
    for block in blocks {
        match block {
            Block::Text { text, citations } => {
                if bytes >= text.len() {
                    bytes -= text.len();
                    continue;
                }
                if bytes == 0 {
                    rest.push(Block::Text { text, citations });
                } else {
                    // The citations of a text that was cut came before it.
                    rest.push(Block::Text { text: text[bytes..].to_owned(), citations: Vec::new() });
                    bytes = 0;
                }
                wholes = 0;
            }
            // Text that is still to be skipped stands behind this block.
            _ if bytes > 0 => wholes = wholes.saturating_sub(1),
            _ if wholes > 0 => wholes -= 1,
            other => rest.push(other),
        }
    }
    rest
}

/// The text of a continuation, honest or not. `None` is a refusal.
pub(super) fn meet(
    manner: Continuation,
    text: &str,
    cut: usize,
    from: usize,
    other: impl FnOnce() -> String,
) -> Option<String> {
    let (head, rest) = text.split_at(cut);
    Some(match manner {
        Continuation::Honest => text[from..].to_owned(),
        Continuation::Repeat => text[words_before(head, 6)..].to_owned(),
        Continuation::Preamble => format!("Sure, continuing from where I left off:\n\n{rest}"),
        Continuation::Apologise => format!("I apologize for the interruption. Here is the rest.\n\n{rest}"),
        Continuation::Reword => format!("{}{rest}", reworded(&head[words_before(head, 8)..])),
        Continuation::Restart => text.to_owned(),
        Continuation::Skip => rest[words_after(rest, 5)..].to_owned(),
        Continuation::Other => other(),
        Continuation::Refuse => return None,
        Continuation::Midword => text[middle_of_word(head)..].to_owned(),
        Continuation::Empty => String::new(),
    })
}

/// The offset at which the last `n` words of a text begin.
fn words_before(text: &str, n: usize) -> usize {
    let mut starts = word_starts(text).collect::<Vec<_>>();
    let keep = starts.len().saturating_sub(n);
    starts.drain(keep..).next().unwrap_or(0)
}

/// The offset after the first `n` words of a text.
fn words_after(text: &str, n: usize) -> usize {
    word_starts(text).nth(n).unwrap_or(text.len())
}

fn word_starts(text: &str) -> impl Iterator<Item = usize> {
    let mut blank = true;
    text.char_indices().filter_map(move |(at, c)| {
        let starts = blank && !c.is_whitespace();
        blank = c.is_whitespace();
        starts.then_some(at)
    })
}

/// A place inside of one of the last words that leaves some of it to the left.
fn middle_of_word(text: &str) -> usize {
    let start = words_before(text, 4);
    let word = text[start..].split_whitespace().next().unwrap_or_default();
    let step = word.char_indices().nth(word.chars().count() / 2).map_or(0, |(at, _)| at);
    start + step
}

/// The same words in other ones, never the same text.
fn reworded(tail: &str) -> String {
    let mut dice = Dice::new(1);
    let mut words: Vec<String> = tail.split(' ').map(str::to_owned).collect();
    for word in &mut words {
        let plain = ["the", "a", "an", "is", "and", "of", "to"].contains(&word.as_str());
        if plain || dice.roll(3) == 0 {
            *word = dice.pick(&["so to speak", "as it were", "that", "indeed", "rather"]).to_owned();
        }
    }
    format!("in other words, {}", words.join(" "))
}

#[cfg(test)]
mod tests;
