//! What is being asked: a rough reading of the last thing the user said.

use super::arithmetic;

mod echo;
mod length;
mod requests;
mod subject;

use self::echo::echo;
pub(super) use self::length::Length;
use self::length::{length, number};
pub(super) use self::requests::Json;
use self::subject::subject;
use super::{phrases, smalltalk};

/// A question as the author understands it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Question {
    pub(super) text: String,
    pub(super) kind: Kind,
    /// What it is about, without the words of the request around it.
    pub(super) subject: String,
    pub(super) length: Option<Length>,
    pub(super) emoji: bool,
    /// For someone who knows nothing yet.
    pub(super) for_a_child: bool,
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
    /// From, to.
    Count(u64, u64),
    Translation(String),
    /// No word at all.
    Symbols,
    SmallTalk(String),
    Letter,
    Poem,
    Haiku,
    Story,
    List(Points),
    /// Language and task; what the author has no sample for has no task.
    Code(&'static str, Option<&'static str>),
    Json(Json),
    /// Place and days.
    Trip(String, Option<u64>),
    Compare(String, String),
    HowTo,
    Summary,
    YesNo,
    Explain,
}

/// A list.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Points {
    pub(super) n: usize,
    pub(super) bullets: bool,
    /// Nothing else: no introduction.
    pub(super) alone: bool,
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
    ("reverse", &["reverse", "reverses", "reversed", "reversing"]),
    ("fizzbuzz", &["fizzbuzz", "fizz"]),
    ("hello", &["hello"]),
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
        let for_a_child = requests::is_for_a_child(&lower);
        Self { text: text.to_owned(), kind, subject, length, emoji, for_a_child }
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
    if !asked.chars().any(char::is_alphanumeric) && !asked.is_empty() {
        return Kind::Symbols;
    }
    if let Some(said) = phrases::translation(asked) {
        return Kind::Translation(said);
    }
    if let Some(said) = echo(asked, lower) {
        return Kind::Echo(said);
    }
    if let Some((sum, result)) = arithmetic::solve(asked) {
        return Kind::Arithmetic(sum, result);
    }
    if let Some((from, to)) = requests::count(words) {
        return Kind::Count(from, to);
    }
    let code = code(words);
    if let Some(said) = smalltalk::answer(lower, words) {
        return Kind::SmallTalk(said);
    }
    if matches!(words, ["good", "morning" | "evening" | "afternoon" | "night" | "day", ..])
        && words.len() <= 4
    {
        return Kind::Greeting;
    }
    if words.len() <= 6 && code.is_none() && has(&["hello", "hi", "hey", "greetings", "howdy"]) {
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
    if has(&["haiku", "haikus"]) {
        return Kind::Haiku;
    }
    if has(&["poem", "limerick", "rhyme", "verse"]) {
        return Kind::Poem;
    }
    if has(&["email", "e-mail", "letter"]) && has(&["write", "draft", "compose"]) {
        return Kind::Letter;
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
    if let Some(code) = code {
        return code;
    }
    if let Some(json) = requests::json(lower, words) {
        return Kind::Json(json);
    }
    if let Some((place, days)) = requests::trip(asked, lower, words) {
        return Kind::Trip(place, days);
    }
    if let Some(points) = list(words) {
        return Kind::List(points);
    }
    if lower.contains("how to")
        || lower.contains("how do i")
        || lower.contains("how can i")
        || has(&["steps", "recipe"])
        || lower.starts_with("plan ")
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

fn list(words: &[&str]) -> Option<Points> {
    let has = |wanted: &[&str]| words.iter().any(|word| wanted.contains(word));
    let bullets = has(&["bullet", "bullets", "bullet-point", "bullet-points"]);
    let names = matches!(words, ["name", ..] | ["please", "name", ..]);
    let listed = has(&["list", "ideas", "examples", "reasons", "tips", "things", "ways", "facts"]);
    if !(bullets || names || listed) {
        return None;
    }
    let n = words.iter().find_map(|word| number(word)).filter(|n| (1..=100).contains(n)).unwrap_or(5);
    let alone = has(&["exactly", "only", "just"]);
    Some(Points { n: usize::try_from(n).unwrap_or(5), bullets, alone })
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
    Some(Kind::Code(language, task))
}

fn compared(lower: &str, subject: &str) -> Option<(String, String)> {
    let says = lower.contains("compare")
        || lower.contains("difference")
        || lower.contains(" vs")
        || lower.contains("versus")
        || lower.contains(" better than ");
    if !says || subject.len() > 160 {
        return None;
    }
    for between in [
        " better than ",
        " vs. ",
        " vs ",
        " versus ",
        " compared to ",
        " compared with ",
        " and ",
        " with ",
        " to ",
    ] {
        if let Some((left, right)) = subject.split_once(between) {
            let tidy = |side: &str| {
                let leads = ["between ", "Is ", "is ", "Are ", "are ", "the "];
                leads.iter().fold(side.trim(), |side, lead| side.trim_start_matches(lead)).to_owned()
            };
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
        check("🎉🎉", &Kind::Symbols, "");
        check("good morning", &Kind::Greeting, "");
        check("ping", &Kind::SmallTalk("pong".into()), "");
        check("Draft an email to my boss", &Kind::Letter, "");
        check("Is Rust better than Go?", &Kind::Compare("Rust".into(), "Go".into()), "");
        check("Write a haiku about rain", &Kind::Haiku, "rain");
        check("Write a poem about rain", &Kind::Poem, "rain");
        check("Tell me a story about a lighthouse", &Kind::Story, "lighthouse");
        check("Explain server-sent events", &Kind::Explain, "server-sent events");
        check("Can you explain how black holes work?", &Kind::Explain, "how black holes");
        check(
            "Write a Python function for the Fibonacci numbers",
            &Kind::Code("python", Some("fibonacci")),
            "",
        );
        check("Implement quicksort in Rust", &Kind::Code("rust", Some("sort")), "");
        let reverse = Kind::Code("rust", Some("reverse"));
        check("write a Rust function that reverses a string", &reverse, "");
        check("Write a hello world program in Go", &Kind::Code("go", Some("hello")), "");
        check("Write a Python script that renames my photos", &Kind::Code("python", None), "");
        check("How do I brew coffee?", &Kind::HowTo, "brew coffee");
        check("Is the moon round?", &Kind::YesNo, "");
        let points = |n, bullets, alone| Kind::List(Points { n, bullets, alone });
        check("List 7 uses of a brick", &points(7, false, false), "7 uses of a brick");
        check("write exactly 5 bullet points about bees", &points(5, true, true), "bees");
        check("What's the name of the moon?", &Kind::Explain, "moon");
        check("explain SSE to a child", &Kind::Explain, "SSE");
        check("compare Rust and Go in a table", &Kind::Compare("Rust".into(), "Go".into()), "");
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
