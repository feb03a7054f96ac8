//! Short answers: greetings, counting, what was said before.

use super::super::conversation::{Role, Turn};
use super::super::digest::Dice;

/// The most characters of a result that are quoted.
const QUOTED: usize = 600;

pub(super) fn greeting(dice: &mut Dice, first: bool) -> String {
    let hello = dice.pick(&["Hello!", "Hello there!", "Hi! Good to hear from you.", "Hello, and welcome!"]);
    if first {
        format!(
            "{hello} I'm Perennial's simulator, standing in for Claude. What would you like to talk about?"
        )
    } else {
        format!("{hello} We were in the middle of something; where shall we go on?")
    }
}

pub(super) fn identity() -> String {
    "I am **Perennial's simulator**: a stand-in for Claude that streams like the real service but thinks no thoughts of its \
     own. My answers are put together from templates, always the same for the same question and seed. They are good for \
     building and testing applications, and no source of facts."
        .to_owned()
}

pub(super) fn count(from: u64, to: u64) -> String {
    let separator = if from.abs_diff(to) < 30 { ", " } else { "\n" };
    let numbers: Vec<_> = (from.min(to)..=from.max(to)).map(|n| n.to_string()).collect();
    if from <= to {
        numbers.join(separator)
    } else {
        numbers.into_iter().rev().collect::<Vec<_>>().join(separator)
    }
}

/// A turn without a word in it.
pub(super) fn symbols(said: &str) -> String {
    let shown: String = said.trim().chars().take(12).collect();
    format!("{shown} I see! There is no word in it that I could take up, so tell me: what is it about?")
}

/// An instruction about a text, and no text.
pub(super) fn nothing_came() -> String {
    "I would, but nothing came along with it. Put the text behind the instruction, or between tags such as \
     `<text>` and `</text>`."
        .to_owned()
}

/// Questions about the conversation itself: a name, something to remember, what was asked.
pub(super) fn recall(asked: &str, turns: &[Turn<'_>]) -> Option<String> {
    let lower = asked.to_lowercase();
    let before: Vec<_> = turns.iter().filter(|turn| turn.role == Role::User).map(Turn::text).collect();
    let before = before.split_last().map_or(&[][..], |(_, before)| before);
    if lower.contains("my name") && lower.contains("what") {
        let name =
            before.iter().rev().find_map(|text| after(text, &["my name is ", "i am called ", "call me "]))?;
        let name = name.split([' ', '.', ',', '!', '?', '\n']).next()?;
        return Some(format!("Your name is {name}; you told me so earlier."));
    }
    if ["what did i", "what was my", "what have i"].iter().any(|lead| lower.contains(lead)) {
        let said: String = before.last()?.chars().take(200).collect();
        return Some(format!("Before this you wrote: “{}”", said.trim()));
    }
    if lower.contains("remember") && lower.ends_with('?') || lower.contains("told you to remember") {
        let said = before
            .iter()
            .rev()
            .find_map(|text| after(text, &["remember that ", "remember this: ", "remember "]))?;
        return Some(format!("You asked me to remember this: {}", said.lines().next()?.trim()));
    }
    if lower.starts_with("my name is ") {
        let name = after(asked, &["my name is "])?.split([' ', '.', ',', '!', '\n']).next()?;
        return Some(format!("Nice to meet you, {name}! What can I do for you?"));
    }
    if lower.starts_with("remember ") {
        return Some("I will keep it in mind for this conversation.".to_owned());
    }
    None
}

/// What a tool gave back, fit to be quoted in a sentence.
pub(super) fn finding(text: &str) -> String {
    let text = text.trim();
    if let Ok(serde_json::Value::Object(fields)) = serde_json::from_str(text) {
        let pairs: Vec<_> = fields
            .iter()
            .take(12)
            .map(|(name, value)| {
                let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
                format!("{} is **{value}**", name.replace('_', " "))
            })
            .collect();
        return pairs.join(", ");
    }
    let quoted: String = text.chars().take(QUOTED).collect();
    if quoted.len() < text.len() { format!("{quoted}…") } else { quoted }
}

/// What follows the first of these phrases, whatever their case.
fn after<'t>(text: &'t str, phrases: &[&str]) -> Option<&'t str> {
    let lower = text.to_ascii_lowercase();
    phrases.iter().find_map(|phrase| lower.find(phrase).map(|at| &text[at + phrase.len()..]))
}
