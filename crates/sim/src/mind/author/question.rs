//! What is being asked: a rough reading of the last thing the user said.

use super::arithmetic;

mod echo;
mod length;
mod subject;

use self::echo::echo;
pub(super) use self::length::Length;
use self::length::{length, number};
use self::subject::subject;

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
