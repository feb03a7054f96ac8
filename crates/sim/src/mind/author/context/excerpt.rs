//! Sentences and figures out of a text.

use super::super::wrapped::Wrapped;
use super::deed::{FILLERS, POINTERS, words};

/// The most characters of one sentence or line that is picked.
pub(super) const LONGEST_PICK: usize = 240;
/// The most characters that are quoted as they are.
const QUOTED: usize = 1_200;
const CAVEAT: &str = "*Picked out of the text by Perennial's simulator, which does not weigh what it reads.*";

/// The sentences or lines in the texts that share the most words with the question.
pub(in super::super) fn found(instruction: &str, texts: &[Wrapped]) -> Option<String> {
    let lower = instruction.to_lowercase();
    let wanted: Vec<_> = words(&lower)
        .into_iter()
        .filter(|word| word.chars().count() > 3 && !FILLERS.contains(word) && !POINTERS.contains(word))
        .filter(|word| {
            !["what", "which", "when", "where", "does", "from", "have", "about", "tell"].contains(word)
        })
        .collect();
    let score = |sentence: &str| {
        let lower = sentence.to_lowercase();
        let there = words(&lower);
        wanted.iter().filter(|word| there.iter().any(|other| alike(word, other))).count()
    };
    let all = texts.iter().flat_map(|wrapped| sentences(&wrapped.text));
    let scored: Vec<_> = all.map(|sentence| (score(sentence), sentence)).collect();
    let best = scored.iter().map(|(score, _)| *score).max().filter(|best| *best > 0)?;
    let mut best: Vec<_> = scored.iter().filter(|(score, _)| *score == best).map(|(_, text)| *text).collect();
    // Logs say the same thing many times.
    best.dedup();
    let lines: Vec<_> = best.iter().take(3).map(|text| format!("> {}", shortened(text))).collect();
    Some(format!("The text says:\n\n{}\n\n{CAVEAT}", lines.join("\n>\n")))
}

/// "fixed" and "fixes", "parser" and "parsers".
fn alike(one: &str, other: &str) -> bool {
    let shared = one.chars().zip(other.chars()).take_while(|(a, b)| a == b).count();
    let longest = one.chars().count().max(other.chars().count());
    shared == longest || shared >= 4 && shared + 3 >= longest
}

/// The text in a few of its own sentences: the first ones, of each paragraph where there are several.
pub(in super::super) fn summary(text: &str, most: usize) -> String {
    let size = text.split_whitespace().count();
    let paragraphs: Vec<_> = text.split("\n\n").map(str::trim).filter(|part| !part.is_empty()).collect();
    let all = sentences(text);
    if all.len() <= 1 {
        return quote(text);
    }
    let leads: Vec<_> = paragraphs
        .iter()
        .filter_map(|part| {
            sentences(part).into_iter().find(|sentence| !sentence.starts_with('#') && sentence.contains(' '))
        })
        .collect();
    let prose = text.lines().count() < all.len() || text.lines().any(|line| line.len() > LONGEST_PICK);
    let picked = if leads.len() > 1 && leads.len() >= most.min(3) { leads } else { all };
    let few: Vec<_> = picked.iter().take(most.max(1)).map(|sentence| shortened(sentence)).collect();
    let body = if prose && picked.len() <= most || few.len() == 1 {
        few.join(" ")
    } else {
        few.iter()
            .map(|sentence| format!("- {}", sentence.trim_start_matches(['-', '*', ' '])))
            .collect::<Vec<_>>()
            .join("\n")
    };
    format!("**In short** (of {}):\n\n{body}\n\n{CAVEAT}", plural(size, "word"))
}

pub(in super::super) fn counts(instruction: &str, text: &str) -> String {
    let lower = instruction.to_lowercase();
    let figures = [
        ("line", text.lines().count()),
        ("word", text.split_whitespace().count()),
        ("character", text.chars().count()),
        ("sentence", sentences(text).len()),
        ("paragraph", text.split("\n\n").filter(|part| !part.trim().is_empty()).count()),
        ("byte", text.len()),
    ];
    let asked: Vec<_> = figures.iter().filter(|(unit, _)| lower.contains(unit)).collect();
    let shown = if asked.is_empty() { figures[..3].iter().collect() } else { asked };
    let shown: Vec<_> = shown.iter().map(|(unit, n)| format!("**{}**", plural(*n, unit))).collect();
    match shown.split_last() {
        Some((last, [])) => format!("The text has {last}."),
        Some((last, rest)) => format!("The text has {} and {last}.", rest.join(", ")),
        None => String::new(),
    }
}

pub(in super::super) fn quote(text: &str) -> String {
    let shown: String = text.chars().take(QUOTED).collect();
    let cut = shown.len() < text.len();
    let lines: Vec<_> = shown.lines().map(|line| format!("> {line}").trim_end().to_owned()).collect();
    let more = if cut {
        format!("\n\nIt goes on; all of it is {}.", plural(text.split_whitespace().count(), "word"))
    } else {
        String::new()
    };
    format!("It says:\n\n{}{more}", lines.join("\n"))
}

/// Sentences; where the text is made of lines, these.
pub(in super::super) fn sentences(text: &str) -> Vec<&str> {
    let mut all = Vec::new();
    for line in text.lines().map(str::trim).filter(|line| line.chars().any(char::is_alphanumeric)) {
        let mut from = 0;
        for (at, c) in line.char_indices() {
            let end = at + c.len_utf8();
            let ends = matches!(c, '。' | '？' | '！')
                || matches!(c, '.' | '?' | '!') && line[end..].starts_with(' ');
            if ends && line[from..end].trim().len() > 3 {
                all.push(line[from..end].trim());
                from = end;
            }
        }
        if !line[from..].trim().is_empty() {
            all.push(line[from..].trim());
        }
    }
    all
}

fn shortened(text: &str) -> String {
    let shown: String = text.chars().take(LONGEST_PICK).collect();
    if shown.len() < text.len() { format!("{}…", shown.trim_end()) } else { shown }
}

pub(in super::super) fn plural(n: usize, unit: &str) -> String {
    if n == 1 { format!("1 {unit}") } else { format!("{n} {unit}s") }
}
