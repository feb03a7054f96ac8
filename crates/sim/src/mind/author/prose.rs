//! Prose about anything: sentences that hold for every subject, in words that do not come again soon.
//!
//! Where the author knows nothing about a subject he says nothing false about it either: he writes about how to look at
//! it. The parts of a sentence are drawn independently, so that a passage of some length stands in a long text only once;
//! the seams of continued answers are found by such passages.

use super::super::digest::Dice;
use super::super::tokens;

const OPENINGS: &[&str] = &[
    "In practice,",
    "At first sight,",
    "Seen from close by,",
    "More often than not,",
    "As a rule,",
    "For a beginner,",
    "On a busy day,",
    "With a little patience,",
    "Once that is settled,",
    "Before anything else,",
    "In the long run,",
    "Looked at calmly,",
    "When time is short,",
    "For most people,",
    "After a few attempts,",
    "Under pressure,",
    "On paper,",
    "In small steps,",
    "With hindsight,",
    "From the outside,",
    "If in doubt,",
    "Nine times out of ten,",
    "Strictly speaking,",
    "To be fair,",
];

const THINGS: &[&str] = &[
    "the first measurement",
    "a small example",
    "the cost of a mistake",
    "the order of the steps",
    "a plain name",
    "the question behind the question",
    "the edge case",
    "a rough sketch",
    "the shape of the data",
    "the second attempt",
    "an honest estimate",
    "the boring solution",
    "the part that nobody owns",
    "a written reason",
    "the longest wait",
    "the quiet failure",
    "a good default",
    "the reader's patience",
    "the exception",
    "a shared vocabulary",
    "the simplest thing that could work",
    "the weakest link",
    "the work that can be undone",
    "a short list",
    "the view from the other side",
    "the history of the problem",
    "the missing number",
    "a careful comparison",
    "the last ten percent",
    "the habit of checking",
    "a clear boundary",
    "the way it is explained",
    "the smallest step",
    "a working prototype",
    "the choice that is hard to reverse",
    "the person who asks why",
];

const VERBS: &[&str] = &[
    "tells more than",
    "comes before",
    "is easier to change than",
    "limits",
    "explains",
    "is cheaper than",
    "deserves as much care as",
    "depends on",
    "hides behind",
    "outlives",
    "makes room for",
    "is worth more than",
    "points to",
    "follows from",
    "stands in the way of",
    "is settled by",
    "grows out of",
    "is often mistaken for",
    "shows up earlier than",
    "weighs more than",
    "prepares",
    "is measured by",
    "needs",
    "leads back to",
];

const CLAUSES: &[&str] = &[
    "which is why it is written down early",
    "and that is worth a test",
    "so it pays to look twice",
    "although few would say so aloud",
    "and the difference shows within a week",
    "which nobody notices until it is gone",
    "so leave room for it",
    "and that holds for beginners and experts alike",
    "even where the tools are new",
    "because the rest builds on it",
    "and it costs next to nothing",
    "provided that somebody keeps the record",
    "which sounds trivial and is not",
    "and this is the part to practise",
    "unless the circumstances change",
    "so begin there",
    "and a second pair of eyes helps",
    "as long as it is said plainly",
    "which turns guesses into decisions",
    "and the numbers usually agree",
];

const ABOUT: &[&str] = &[
    "With {}, {} {} {}.",
    "As far as {} is concerned, {} {} {}.",
    "Anyone who works with {} learns that {} {} {}.",
    "What makes {} interesting is that {} {} {}.",
    "The usual story about {} is that {} {} {}.",
];

const HEADINGS: &[&str] = &[
    "Where to begin",
    "What it rests on",
    "The parts and how they fit",
    "A closer look",
    "What can go wrong",
    "What people get right",
    "Doing it by hand",
    "How to tell that it works",
    "What it costs",
    "When not to",
    "A word on scale",
    "What changes over time",
    "Questions worth asking",
    "The other point of view",
    "Habits that help",
    "A worked case",
    "Small print",
    "What to keep",
    "What to leave out",
    "Looking ahead",
];

/// One sentence, now and then about the subject by name.
pub(super) fn sentence(dice: &mut Dice, subject: &str) -> String {
    let (left, verb) = (dice.pick(THINGS), dice.pick(VERBS));
    let mut right = dice.pick(THINGS);
    while right == left {
        right = dice.pick(THINGS);
    }
    match dice.roll(5) {
        0 if !subject.is_empty() => {
            let mut parts = [subject, left, verb, right].into_iter();
            let frame = dice.pick(ABOUT);
            frame.split("{}").fold(String::new(), |mut text, piece| {
                text.push_str(piece);
                text.push_str(parts.next().unwrap_or_default());
                text
            })
        }
        1 => format!("{} {verb} {right}.", capitalised(left)),
        2 | 3 => format!("{} {left} {verb} {right}, {}.", dice.pick(OPENINGS), dice.pick(CLAUSES)),
        _ => format!("{} {verb} {right}, {}.", capitalised(left), dice.pick(CLAUSES)),
    }
}

/// So many sentences in one paragraph.
pub(super) fn paragraph(dice: &mut Dice, subject: &str, sentences: usize) -> String {
    let all: Vec<_> = (0..sentences).map(|_| sentence(dice, subject)).collect();
    all.join(" ")
}

/// A list of so many points, numbered or not.
pub(super) fn list(dice: &mut Dice, points: usize, numbered: bool, emoji: bool) -> String {
    const MARKS: &[&str] = &["✨", "🔍", "🧭", "🛠️", "📌", "🌱", "⚖️", "🚀", "🧩", "💡"];
    let lines: Vec<_> = (1..=points)
        .map(|n| {
            let head = capitalised(dice.pick(THINGS));
            let (verb, right, clause) = (dice.pick(VERBS), dice.pick(THINGS), dice.pick(CLAUSES));
            let mark = if emoji { format!("{} ", dice.pick(MARKS)) } else { String::new() };
            let bullet = if numbered { format!("{n}.") } else { "-".to_owned() };
            format!("{bullet} {mark}**{head}** {verb} {right}, {clause}.")
        })
        .collect();
    lines.join("\n")
}

/// A table that weighs a few aspects.
pub(super) fn table(dice: &mut Dice) -> String {
    const EFFORT: &[&str] = &["low", "moderate", "high", "depends", "low at first"];
    const GAIN: &[&str] = &["small but sure", "large", "large, later", "uneven", "steady"];
    let mut text = "| Aspect | Effort | Gain |\n| --- | --- | --- |".to_owned();
    for _ in 0..3 {
        let (aspect, effort, gain) = (capitalised(dice.pick(THINGS)), dice.pick(EFFORT), dice.pick(GAIN));
        text.push_str(&format!("\n| {aspect} | {effort} | {gain} |"));
    }
    text
}

/// Sections until the text has `target` tokens; `text` may hold something already.
pub(super) fn stretch(text: &mut String, dice: &mut Dice, subject: &str, target: u64, emoji: bool) {
    let mut have = tokens::count(text);
    let mut section = 0;
    while have < target {
        section += 1;
        let mut part = String::new();
        if !text.is_empty() {
            part.push_str("\n\n");
        }
        let (round, heading) = ((section - 1) / HEADINGS.len(), HEADINGS[(section - 1) % HEADINGS.len()]);
        // The number keeps headings of very long texts apart.
        match round {
            0 => part.push_str(&format!("## {heading}\n\n")),
            _ => part.push_str(&format!("## {section}. {heading}\n\n")),
        }
        let left = target - have;
        let paragraphs = if left < 120 { 1 } else { 2 };
        let blocks: Vec<_> = (0..paragraphs)
            .map(|_| {
                let n = 3 + dice.roll(3);
                paragraph(dice, subject, n)
            })
            .collect();
        part.push_str(&blocks.join("\n\n"));
        match dice.roll(4) {
            _ if left < 260 => {}
            0 => part.push_str(&format!("\n\n{}", list(dice, 4, false, emoji))),
            1 => part.push_str(&format!("\n\n{}", list(dice, 3, true, emoji))),
            2 if section % 2 == 0 => part.push_str(&format!("\n\n{}", table(dice))),
            _ => {}
        }
        have += tokens::count(&part);
        text.push_str(&part);
    }
}

/// Cuts a text after the last sentence that fits into so many tokens, or after the token itself.
pub(super) fn trim_to(text: &mut String, target: u64) {
    let end = tokens::offset(text, target);
    if end >= text.len() {
        return;
    }
    let cut = text[..end].rfind(". ").map_or(end, |at| if end - at < 400 { at + 1 } else { end });
    text.truncate(cut);
}

pub(super) fn capitalised(text: &str) -> String {
    let mut chars = text.chars();
    chars.next().map_or_else(String::new, |first| first.to_uppercase().chain(chars).collect())
}
