//! What an instruction asks to be done with a text that came along.

/// What an instruction asks to be done with a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in super::super) enum Deed {
    Translate,
    Count,
    Language,
    Summarise,
    Review,
    Quote,
    Explain,
    Answer,
    /// Something else that is about the text.
    Tell,
}

/// Words that ask for a deed, in the order in which they outdo each other.
const DEEDS: &[(Deed, &[&str])] = &[
    (Deed::Translate, &["translate", "translation", "übersetze"]),
    (Deed::Count, &["count", "how many", "wc", "word count", "length of"]),
    (
        Deed::Language,
        &["which language", "what language", "which programming language", "what programming language"],
    ),
    (
        Deed::Summarise,
        &[
            "summarize",
            "summarise",
            "summary",
            "sum up",
            "tl;dr",
            "tldr",
            "gist",
            "key points",
            "main points",
            "main idea",
            "shorten",
            "condense",
            "abstract",
            "recap",
            "headline",
            "key takeaways",
        ],
    ),
    (
        Deed::Review,
        &[
            "review",
            "critique",
            "criticise",
            "criticize",
            "feedback",
            "proofread",
            "bug",
            "bugs",
            "refactor",
            "improve",
            "fix",
            "debug",
            "lint",
            "correct",
            "problems",
            "wrong",
            "mistakes",
            "check",
        ],
    ),
    (
        Deed::Quote,
        &["say", "says", "repeat", "quote", "print", "read out", "contain", "contains", "first line"],
    ),
    (
        Deed::Explain,
        &[
            "explain",
            "describe",
            "understand",
            "what is",
            "what's",
            "what are",
            "do",
            "does",
            "work",
            "about",
            "mean",
            "means",
        ],
    ),
    (Deed::Answer, &["answer", "solve", "reply", "respond", "follow", "calculate", "compute", "evaluate"]),
];

/// Words that point at a text.
pub(super) const POINTERS: &[&str] = &[
    "this",
    "that",
    "these",
    "those",
    "it",
    "its",
    "above",
    "below",
    "following",
    "attached",
    "text",
    "document",
    "documents",
    "file",
    "code",
    "function",
    "script",
    "program",
    "snippet",
    "log",
    "logs",
    "input",
    "stdin",
    "context",
    "question",
    "article",
    "email",
    "letter",
    "message",
    "error",
    "diff",
    "patch",
    "data",
    "json",
    "table",
    "list",
    "content",
    "lines",
    "words",
    "characters",
    "output",
    "story",
    "essay",
    "page",
    "paragraph",
    "commit",
    "them",
];

/// Words that change nothing about what is to be done.
pub(super) const FILLERS: &[&str] = &[
    "please",
    "the",
    "a",
    "an",
    "me",
    "for",
    "us",
    "to",
    "in",
    "of",
    "and",
    "you",
    "can",
    "could",
    "now",
    "briefly",
    "short",
    "shortly",
    "concisely",
    "plain",
    "simple",
    "simply",
    "english",
    "words",
    "sentence",
    "sentences",
    "one",
    "two",
    "three",
    "just",
    "only",
    "detail",
    "with",
    "there",
    "are",
    "is",
    "line",
    "by",
    "step",
    "all",
    "good",
    "what",
    "how",
    "many",
    "points",
    "point",
    "bullet",
    "key",
    "main",
    "up",
    "character",
    "give",
    "write",
    "make",
    "number",
    "went",
    "happened",
    "any",
    "find",
];

impl Deed {
    /// What is to be done with a text, by the words of the instruction. `None`: the instruction is about something else.
    pub(in super::super) fn of(instruction: &str) -> Option<Self> {
        let lower = instruction.to_lowercase();
        let words = words(&lower);
        let spaced = format!(" {} ", words.join(" "));
        let named = DEEDS.iter().find_map(|(deed, names)| {
            names.iter().find(|name| spaced.contains(&format!(" {name} "))).map(|_| *deed)
        });
        let pointed = words.iter().any(|word| POINTERS.contains(word));
        let verbs = |word: &str| DEEDS.iter().any(|(_, names)| names.contains(&word));
        let plain = || words.iter().all(|word| FILLERS.contains(word) || verbs(word));
        match named {
            Some(deed) if pointed || plain() => Some(deed),
            // The language may be any word.
            Some(Self::Translate) => Some(Self::Translate),
            None if pointed => Some(Self::Tell),
            _ => None,
        }
    }

    /// Whether a line by itself says that something is to be done with a text that stands beside it.
    pub(in super::super) fn is_asked_for_in(line: &str) -> bool {
        let line = line.trim();
        let first =
            line.split([' ', ':', ',']).find(|word| !word.eq_ignore_ascii_case("please")).unwrap_or_default();
        let first = first.to_lowercase();
        let verb = DEEDS.iter().any(|(deed, names)| *deed != Self::Quote && names.contains(&first.as_str()))
            || ["what", "how", "can", "could", "which", "in"].contains(&first.as_str());
        verb && matches!(Self::of(line), Some(deed) if deed != Self::Tell && deed != Self::Quote)
    }
}

/// Whether an instruction cannot be followed without a text.
pub(in super::super) fn wants_a_text(instruction: &str) -> bool {
    let lower = instruction.to_lowercase();
    let names = ["this", "text", "document", "code", "article", "file", "log", "above", "following"];
    let named = words(&lower).iter().any(|word| names.contains(word));
    let deed = Deed::of(instruction);
    words(&lower).len() <= 6
        && (named
            && Deed::is_asked_for_in(instruction)
            && matches!(
                deed,
                Some(Deed::Summarise | Deed::Review | Deed::Translate | Deed::Answer | Deed::Explain)
            ))
}

pub(super) fn words(lower: &str) -> Vec<&str> {
    lower
        .split(|c: char| !(c.is_alphanumeric() || "';".contains(c)))
        .map(|word| word.trim_matches('\''))
        .filter(|word| !word.is_empty())
        .collect()
}
