//! What is being asked: a rough reading of the last thing the user said.

use super::arithmetic;

/// A question as the author understands it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) text: String,
    pub(super) kind: Kind,
    /// What it is about, without the words of the request around it.
    pub(super) subject: String,
    pub(super) length: Option<Length>,
    pub(super) emoji: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind {
    Greeting,
    Thanks,
    Identity,
    /// Say exactly this.
    Echo(String),
    /// The sum and its result.
    Arithmetic(String, String),
    Count(u64),
    Poem,
    Story,
    /// Named parts of something: so many.
    List(usize),
    Code(&'static str, &'static str),
    Compare(String, String),
    HowTo,
    Summary,
    YesNo,
    Explain,
}

/// How much text is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Length {
    Words(u64),
    Tokens(u64),
    Characters(u64),
    Sentences(u64),
    Paragraphs(u64),
}

/// The most that one answer is stretched to, in tokens.
const LONGEST: u64 = 128_000;

const LANGUAGES: &[(&str, &str)] = &[
    ("python", "python"),
    ("rust", "rust"),
    ("javascript", "javascript"),
    ("js", "javascript"),
    ("node", "javascript"),
    ("typescript", "typescript"),
    ("ts", "typescript"),
    ("go", "go"),
    ("golang", "go"),
    ("java", "java"),
    ("sql", "sql"),
    ("bash", "bash"),
    ("shell", "bash"),
    ("html", "html"),
    ("curl", "curl"),
];

const TASKS: &[(&str, &[&str])] = &[
    ("fibonacci", &["fibonacci"]),
    ("prime", &["prime", "primes"]),
    ("sort", &["sort", "sorts", "sorting", "quicksort"]),
    ("retry", &["retry", "retries", "backoff"]),
    ("sse", &["sse", "events", "eventsource", "streaming", "stream"]),
];

const CODE_NOUNS: &[&str] = &[
    "code",
    "function",
    "script",
    "program",
    "snippet",
    "class",
    "query",
    "regex",
    "implementation",
    "implement",
];

/// Words of politeness and of the request itself, taken off the front in this order as often as they match.
const LEADS: &[&str] = &[
    "please",
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
    " please",
    " for me",
    " work",
    " works",
];

impl Question {
    pub(super) fn read(text: &str) -> Self {
        let text = text.trim();
        let asked = request_line(text);
        let lower = asked.to_lowercase();
        let words: Vec<&str> = lower
            .split(|c: char| !(c.is_alphanumeric() || matches!(c, '\'' | '+' | '#' | '-' | '/')))
            .filter(|word| !word.is_empty())
            .collect();
        let length = length(&lower, &words);
        let subject = subject(asked);
        let kind = kind(text, asked, &lower, &words, &subject);
        let emoji = lower.contains("emoji") || asked.chars().any(is_emoji);
        Self { text: text.to_owned(), kind, subject, length, emoji }
    }
}

impl Length {
    /// The text whose length is meant is long enough.
    pub(super) fn tokens(self) -> u64 {
        let tokens = match self {
            Self::Words(n) => n.saturating_mul(4) / 3,
            Self::Tokens(n) => n,
            Self::Characters(n) => n / 4,
            Self::Sentences(n) => n.saturating_mul(22),
            Self::Paragraphs(n) => n.saturating_mul(90),
        };
        tokens.min(LONGEST)
    }
}

pub(super) fn is_emoji(c: char) -> bool {
    matches!(u32::from(c), 0x1F300..=0x1FAFF | 0x2600..=0x27BF)
}

/// Of a long text with a question before or after it, the question.
fn request_line(text: &str) -> &str {
    if text.len() < 600 {
        return text;
    }
    let mut lines = text.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or(text);
    let last = lines.next_back().unwrap_or(first);
    if last.ends_with('?') || first.len() > 600 { last } else { first }
}

fn kind(text: &str, asked: &str, lower: &str, words: &[&str], subject: &str) -> Kind {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    if let Some(said) = echo(asked, lower) {
        return Kind::Echo(said);
    }
    if let Some((sum, result)) = arithmetic::solve(asked) {
        return Kind::Arithmetic(sum, result);
    }
    if let Some(n) = count(words) {
        return Kind::Count(n);
    }
    if words.len() <= 6 && has(&["hello", "hi", "hey", "greetings", "howdy"]) {
        return Kind::Greeting;
    }
    if words.len() <= 6 && has(&["thanks", "thank", "thx"]) {
        return Kind::Thanks;
    }
    if [
        "who are you",
        "what are you",
        "your name",
        "which model",
        "what model",
        "are you claude",
        "are you real",
    ]
    .iter()
    .any(|phrase| lower.contains(phrase))
    {
        return Kind::Identity;
    }
    if has(&["poem", "haiku", "limerick", "rhyme", "verse"]) {
        return Kind::Poem;
    }
    if has(&["story", "tale", "novel", "fairy"]) {
        return Kind::Story;
    }
    if has(&["summarize", "summarise", "summary", "tl;dr", "tldr"]) && text.len() > 200 {
        return Kind::Summary;
    }
    if let Some((left, right)) = compared(lower, subject) {
        return Kind::Compare(left, right);
    }
    if let Some(code) = code(words) {
        return code;
    }
    if has(&["list", "name", "ideas", "examples", "reasons", "tips", "things", "ways"]) {
        let n = words.iter().find_map(|word| number(word)).filter(|n| (2..=100).contains(n)).unwrap_or(5);
        return Kind::List(usize::try_from(n).unwrap_or(5));
    }
    if lower.contains("how to")
        || lower.contains("how do i")
        || lower.contains("how can i")
        || has(&["steps", "recipe"])
    {
        return Kind::HowTo;
    }
    let first = words.first().copied().unwrap_or_default();
    if words.len() <= 12
        && lower.ends_with('?')
        && ["is", "are", "do", "does", "did", "can", "should", "will", "was", "were", "has", "have"]
            .contains(&first)
        && !lower.starts_with("can you")
    {
        return Kind::YesNo;
    }
    Kind::Explain
}

/// "Say X", "Reply with exactly: X", "Repeat after me: X".
fn echo(asked: &str, lower: &str) -> Option<String> {
    const CALLS: &[&str] = &[
        "repeat after me:",
        "repeat after me",
        "repeat:",
        "reply with exactly:",
        "reply with exactly",
        "respond with exactly:",
        "respond with exactly",
        "reply with only",
        "reply with just",
        "respond with only",
        "respond with just",
        "reply with",
        "respond with",
        "answer with only",
        "answer with",
        "output exactly:",
        "output exactly",
        "say exactly:",
        "say exactly",
        "echo:",
        "echo",
        "say:",
        "say",
    ];
    // Lower case may change the length of a text; then the offsets would not fit.
    if lower.len() != asked.len() || asked.len() > 400 {
        return None;
    }
    let start = lower.strip_prefix("please ").map_or(0, |rest| lower.len() - rest.len());
    let call = CALLS.iter().find(|call| lower[start..].starts_with(**call))?;
    let rest = asked.get(start + call.len()..)?;
    if !call.ends_with(':') && !rest.starts_with([' ', '\n', ':']) {
        return None;
    }
    let said = rest.trim_start_matches([':', ' ', '\n']).trim();
    let lone = said.trim_end_matches(['.', '!']);
    let hello = ["hello", "hi", "something"].iter().any(|word| lone.eq_ignore_ascii_case(word));
    if said.is_empty()
        || hello
        || ["hello to ", "hello in ", "hi to "].iter().any(|lead| said.to_lowercase().starts_with(lead))
        || said.contains('?')
        || starts_description(said)
    {
        return None;
    }
    let quoted = |open: char, close: char| {
        said.strip_prefix(open).and_then(|rest| rest.rfind(close).map(|end| rest[..end].to_owned()))
    };
    let plain = || lone.strip_suffix(" and nothing else").unwrap_or(lone).to_owned();
    Some(
        quoted('"', '"')
            .or_else(|| quoted('\u{201c}', '\u{201d}'))
            .or_else(|| quoted('`', '`'))
            .or_else(|| quoted('\'', '\''))
            .or_else(|| lower.contains("exactly").then(|| said.to_owned()))
            .unwrap_or_else(plain),
    )
}

/// "Reply with a joke" describes what is wanted instead of spelling it out.
fn starts_description(said: &str) -> bool {
    let first = said.split_whitespace().next().unwrap_or_default().to_lowercase();
    ["a", "an", "the", "some", "your", "about", "in", "one", "two", "three", "json", "only", "at"]
        .contains(&first.as_str())
        && said.split_whitespace().count() > 1
}

/// "Count to N", "count from 1 to N".
fn count(words: &[&str]) -> Option<u64> {
    let at = words.iter().position(|word| *word == "count")?;
    let to = words[at..].iter().position(|word| *word == "to")? + at;
    number(words.get(to + 1)?).filter(|n| (1..=50_000).contains(n))
}

fn code(words: &[&str]) -> Option<Kind> {
    let language = words.iter().find_map(|word| {
        // "go" and "node" are words of their own; they name a language only beside a word for code.
        LANGUAGES.iter().find(|(name, _)| name == word).map(|(_, language)| *language)
    });
    let noun = words.iter().any(|word| CODE_NOUNS.contains(word));
    let task =
        TASKS.iter().find(|(_, names)| words.iter().any(|word| names.contains(word))).map(|(task, _)| *task);
    let maker =
        words.iter().any(|word| ["write", "implement", "show", "create", "give", "build"].contains(word));
    let language = match (language, noun, task) {
        (Some(language), true, _) => language,
        (Some(language), false, Some(_)) if maker => language,
        (None, true, _) if maker => "python",
        _ => return None,
    };
    Some(Kind::Code(language, task.unwrap_or("function")))
}

fn compared(lower: &str, subject: &str) -> Option<(String, String)> {
    let says = lower.contains("compare")
        || lower.contains("difference")
        || lower.contains(" vs")
        || lower.contains("versus");
    if !says || subject.len() > 160 {
        return None;
    }
    for between in
        [" vs. ", " vs ", " versus ", " compared to ", " compared with ", " and ", " with ", " to "]
    {
        if let Some((left, right)) = subject.split_once(between) {
            let tidy =
                |side: &str| side.trim().trim_start_matches("between ").trim_start_matches("the ").to_owned();
            return Some((tidy(left), tidy(right)));
        }
    }
    None
}

fn length(lower: &str, words: &[&str]) -> Option<Length> {
    for (at, word) in words.iter().enumerate() {
        let (n, unit) = match number(word) {
            Some(n) => (n, words.get(at + 1).copied().unwrap_or_default()),
            // "a 500-word essay"
            None => match word.split_once('-') {
                Some((n, unit)) if number(n).is_some() => (number(n).unwrap_or_default(), unit),
                _ => continue,
            },
        };
        let unit = if unit == "more" { words.get(at + 2).copied().unwrap_or_default() } else { unit };
        let length = match unit {
            "word" | "words" => Length::Words(n),
            "token" | "tokens" => Length::Tokens(n),
            "character" | "characters" | "chars" | "letters" => Length::Characters(n),
            "sentence" | "sentences" => Length::Sentences(n),
            "paragraph" | "paragraphs" => Length::Paragraphs(n),
            "page" | "pages" => Length::Words(n.saturating_mul(400)),
            _ => continue,
        };
        return Some(length);
    }
    if lower.contains("in short") || lower.contains("briefly") {
        return Some(Length::Sentences(2));
    }
    if lower.contains("a sentence") {
        return Some(Length::Sentences(1));
    }
    (lower.contains("very long") || lower.contains("as long as")).then_some(Length::Words(3000))
}

/// `2000`, `2,000`, `2k`, `two`.
fn number(word: &str) -> Option<u64> {
    const NAMES: &[&str] = &[
        "zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven",
        "twelve",
    ];
    if let Some(at) = NAMES.iter().position(|name| *name == word) {
        return Some(at as u64);
    }
    let (digits, factor) = word.strip_suffix('k').map_or((word, 1), |digits| (digits, 1000));
    digits.parse::<u64>().ok().map(|n| n.saturating_mul(factor))
}

fn subject(asked: &str) -> String {
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, kind: &Kind, subject: &str) {
        let question = Question::read(text);
        assert_eq!(&question.kind, kind, "{text:?}");
        if !subject.is_empty() {
            assert_eq!(question.subject, subject, "{text:?}");
        }
    }

    #[test]
    fn questions_are_read_for_what_they_are() {
        check("Say hello", &Kind::Greeting, "");
        check("Say hello in one word.", &Kind::Greeting, "");
        check("hi there", &Kind::Greeting, "");
        check("Who are you?", &Kind::Identity, "");
        check("Say \"ping pong\"", &Kind::Echo("ping pong".into()), "");
        check("Reply with exactly: OK.", &Kind::Echo("OK.".into()), "");
        check("Reply with OK", &Kind::Echo("OK".into()), "");
        check("What is 17 * 23?", &Kind::Arithmetic("17 × 23".into(), "391".into()), "");
        check("Count to 20", &Kind::Count(20), "");
        check("Write a haiku about rain", &Kind::Poem, "rain");
        check("Tell me a story about a lighthouse", &Kind::Story, "lighthouse");
        check("Explain server-sent events", &Kind::Explain, "server-sent events");
        check("Can you explain how black holes work?", &Kind::Explain, "how black holes");
        check("Write a Python function for the Fibonacci numbers", &Kind::Code("python", "fibonacci"), "");
        check("Implement quicksort in Rust", &Kind::Code("rust", "sort"), "");
        check("How do I brew coffee?", &Kind::HowTo, "brew coffee");
        check("Is the moon round?", &Kind::YesNo, "");
        check("List 7 uses of a brick", &Kind::List(7), "7 uses of a brick");
        check("Compare SSE and WebSocket", &Kind::Compare("SSE".into(), "WebSocket".into()), "");
        check("What's the difference between TCP and UDP?", &Kind::Compare("TCP".into(), "UDP".into()), "");
        check("Write a 500 word essay about the sea", &Kind::Explain, "sea");
        check("Write an essay about bees in 200 words", &Kind::Explain, "bees");
    }

    #[test]
    fn lengths_are_understood() {
        let length = |text: &str| Question::read(text).length;
        assert_eq!(length("Write 2000 words about rain"), Some(Length::Words(2000)));
        assert_eq!(length("write 50k tokens"), Some(Length::Tokens(50_000)));
        assert_eq!(length("a 500-word essay"), Some(Length::Words(500)));
        assert_eq!(length("in one sentence: why?"), Some(Length::Sentences(1)));
        assert_eq!(length("why?"), None);
    }
}
