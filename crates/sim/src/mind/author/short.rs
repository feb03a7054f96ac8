//! Short answers: greetings, counting, poems, what was said before.

use super::super::conversation::{Role, Turn};
use super::super::digest::Dice;
use super::prose;

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

pub(super) fn count(n: u64) -> String {
    let separator = if n <= 30 { ", " } else { "\n" };
    let numbers: Vec<_> = (1..=n).map(|n| n.to_string()).collect();
    numbers.join(separator)
}

pub(super) fn poem(dice: &mut Dice, asked: &str, subject: &str) -> String {
    let subject = if subject.is_empty() { "the stream" } else { subject };
    if asked.to_lowercase().contains("haiku") {
        let first = dice.pick(&["Words arrive in drops", "A slow line of light", "Morning on the wire"]);
        let last = dice.pick(&["nothing has been lost", "and the river goes on", "still the page fills up"]);
        return format!("{first},\n{subject} between two thoughts —\n{last}.");
    }
    let (one, two) = (dice.roll(2), dice.roll(2));
    let first = [
        "A word, and then another word,\nas patient as the rain,",
        "It starts before the sense is clear,\na whisper and a line,",
    ][one];
    let second = [
        "and what was broken halfway through\nis picked up once again.",
        "and one by one the pieces come\nuntil the whole is mine.",
    ][one];
    let close = [
        "So let it come, so let it flow,\nno syllable too late;",
        "The cable may be cut in two,\nthe night be long and deep;",
    ][two];
    let end = [
        "what once was said stays said, and we\nhave only had to wait.",
        "what has arrived is written down\nand is for us to keep.",
    ][two];
    format!("**On {subject}**\n\n{first}\n{second}\n\n{close}\n{end}")
        .replace('\n', "  \n")
        .replace("  \n  \n", "\n\n")
}

pub(super) fn story(dice: &mut Dice, subject: &str) -> String {
    let subject = if subject.is_empty() { "a long letter" } else { subject };
    let name = dice.pick(&["Ada", "Milo", "Ines", "Tomas", "Noor", "Ruth"]);
    let place = dice.pick(&[
        "a harbour town",
        "a village by the railway",
        "a city of bridges",
        "an island with one road",
    ]);
    let thing = dice.pick(&[
        "a notebook without pages",
        "a clock that ran a minute late",
        "a key that fitted nothing",
        "a radio with one station",
    ]);
    let helper =
        dice.pick(&["the ferryman", "an old postwoman", "a child with a lantern", "the night watchman"]);
    format!(
        "# {title}\n\n{name} lived in {place} and owned {thing}. Nobody there liked to talk about the {subject}, and those who knew something \
         kept it to themselves.\n\nOne evening the wind turned. \"It begins tonight,\" said {helper}, who never said more than \
         that. {name} put on a coat and went to see.\n\nThe way was longer than it looked. Twice the light went out, and twice \
         {name} stood still until it came back. \"If you stop in the middle,\" {helper} had said, \"remember the last word, and \
         go on from there.\"\n\nBy morning it was done. What {name} had found was small enough to carry and large enough to \
         last: the rest of the story, exactly where it had been left.",
        title = prose::capitalised(subject),
    )
}

/// The sentences of a long text that carry it: the first ones of its paragraphs.
pub(super) fn summary(text: &str) -> String {
    let points: Vec<_> = text
        .split("\n\n")
        .skip(usize::from(text.contains("\n\n")))
        .filter_map(|paragraph| {
            let paragraph = paragraph.trim();
            let end = paragraph.find(". ").map_or(paragraph.len(), |at| at + 1);
            let point: String = paragraph[..end].chars().take(240).collect();
            (point.len() > 20).then(|| format!("- {}", point.replace('\n', " ")))
        })
        .take(6)
        .collect();
    let words = text.split_whitespace().count();
    if points.is_empty() {
        let opening: String = text.chars().take(240).collect();
        return format!("The text has {words} words. It begins: “{}…”", opening.trim());
    }
    format!("**Summary** (of {words} words)\n\n{}", points.join("\n"))
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
