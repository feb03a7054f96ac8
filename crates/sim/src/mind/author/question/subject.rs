//! What a question is about, without the words of the request around it.

use super::length::number;

/// Words of politeness and of the request itself, taken off the front in this order as often as they match.
const LEADS: &[&str] = &[
    "please",
    "and",
    "also",
    "then",
    "now",
    "ok",
    "okay",
    "thanks",
    "thank you",
    "hi",
    "hello",
    "hey",
    "can you",
    "could you",
    "would you",
    "will you",
    "i want you to",
    "i would like you to",
    "i'd like you to",
    "i want to know",
    "help me understand",
    "help me",
    "tell me about",
    "tell me",
    "teach me about",
    "explain to me",
    "explain",
    "describe",
    "discuss",
    "define",
    "outline",
    "summarize",
    "summarise",
    "write me",
    "write",
    "give me",
    "give",
    "show me",
    "show",
    "create",
    "make",
    "draft",
    "compose",
    "generate",
    "list",
    "name",
    "compare",
    "what is the difference between",
    "what's the difference between",
    "what are the differences between",
    "difference between",
    "what is",
    "what are",
    "what's",
    "what was",
    "what were",
    "what does",
    "who is",
    "who was",
    "who are",
    "where is",
    "when was",
    "when did",
    "why is",
    "why are",
    "why do",
    "why does",
    "how do i",
    "how do you",
    "how can i",
    "how to",
    "how does",
    "how do",
    "how is",
    "how are",
    "an overview of",
    "overview of",
    "an introduction to",
    "introduction to",
    "a summary of",
    "a table of",
    "a table with",
    "a detailed",
    "a very long",
    "a long",
    "a short",
    "a brief",
    "an",
    "a",
    "the",
    "some",
    "detailed",
    "long",
    "short",
    "brief",
    "essay",
    "article",
    "report",
    "guide",
    "story",
    "poem",
    "haiku",
    "text",
    "paragraph",
    "paragraphs",
    "exactly",
    "bullet points",
    "bullets",
    "points",
    "facts",
    "json",
    "summary",
    "overview",
    "blog post",
    "post",
    "about",
    "on",
    "of",
    "for",
    "me",
    "to",
    "with",
    "my",
];

/// Ends that say how, not what.
const TAILS: &[&str] = &[
    " in one sentence",
    " in a sentence",
    " in a few words",
    " in one word",
    " in short",
    " briefly",
    " in detail",
    " step by step",
    " with examples",
    " with an example",
    " with a table",
    " in a table",
    " as a table",
    " using a table",
    " to a child",
    " for a child",
    " to children",
    " for children",
    " for kids",
    " to a kid",
    " like i'm five",
    " like i'm 5",
    " to a five year old",
    " to a 5 year old",
    " in simple terms",
    " in plain english",
    " please",
    " for me",
    " work",
    " works",
];

pub(super) fn subject(asked: &str) -> String {
    let line = asked.lines().map(str::trim).find(|line| !line.is_empty()).unwrap_or_default();
    // The first sentence carries the question, unless it is only a greeting.
    let mut rest = line.trim_end_matches(['?', '.', '!', ':', ' ', '？', '。', '！']);
    if let Some((head, tail)) = rest.split_once(['.', '?', '!']).filter(|(_, tail)| tail.starts_with(' ')) {
        rest = if head.len() < 12 { tail.trim() } else { head };
    }
    loop {
        rest = rest.trim_start_matches([' ', ',', ':', '-']);
        let next = LEADS.iter().find_map(|lead| {
            let head = rest.get(..lead.len()).filter(|head| head.eq_ignore_ascii_case(lead))?;
            let after = &rest[head.len()..];
            (after.starts_with([' ', ',']) && after.trim().len() > 1).then_some(after)
        });
        // "a 500 word essay about": numbers with their unit go, too.
        let measured = || {
            let (word, after) = rest.split_once(' ')?;
            let measure = |unit: &str| {
                [
                    "word",
                    "words",
                    "token",
                    "tokens",
                    "sentence",
                    "sentences",
                    "paragraph",
                    "paragraphs",
                    "page",
                    "pages",
                    "character",
                    "characters",
                    "bullet",
                    "bullets",
                    "facts",
                    "tips",
                    "ideas",
                    "reasons",
                    "examples",
                    "ways",
                    "things",
                ]
                .contains(&unit)
            };
            let word = word.to_lowercase();
            if word.split_once('-').is_some_and(|(n, unit)| number(n).is_some() && measure(unit)) {
                return Some(after);
            }
            let (unit, after) = after.split_once(' ')?;
            (number(&word.replace(',', "")).is_some() && measure(&unit.to_lowercase())).then_some(after)
        };
        match next.or_else(measured) {
            Some(shorter) => rest = shorter,
            None => break,
        }
    }
    for tail in TAILS {
        let end = rest.len().checked_sub(tail.len()).filter(|at| *at > 2);
        if let Some(at) = end.filter(|at| rest.get(*at..).is_some_and(|end| end.eq_ignore_ascii_case(tail))) {
            rest = &rest[..at];
        }
    }
    if let Some(at) = rest.rfind(" in ") {
        let how = rest[at + 4..].to_lowercase();
        let measured = how.split_whitespace().next_back().is_some_and(|unit| {
            ["words", "tokens", "sentences", "sentence", "paragraphs", "characters", "word"].contains(&unit)
        });
        if measured && at > 2 {
            rest = &rest[..at];
        }
    }
    let mut subject: String = rest.trim().chars().take(80).collect();
    if rest.trim().chars().count() > 80 {
        let end = subject.rfind(' ').unwrap_or(subject.len());
        subject.truncate(end);
        subject.push('…');
    }
    subject
}
