//! What people say to see whether somebody is there, and what a simulator has to pass on.

/// Words that ask on without saying what about.
const BARE: &[&str] = &[
    "why",
    "how",
    "what",
    "and",
    "so",
    "really",
    "more",
    "go on",
    "tell me more",
    "how so",
    "why not",
    "continue",
];

/// The answer to a turn of small talk.
pub(super) fn answer(lower: &str, words: &[&str]) -> Option<String> {
    let said = words.join(" ");
    let is = |phrases: &[&str]| phrases.contains(&said.as_str());
    let has = |phrases: &[&str]| phrases.iter().any(|phrase| lower.contains(phrase));
    if is(&[
        "how are you",
        "how are you today",
        "how are you doing",
        "how is it going",
        "how's it going",
        "what's up",
    ]) {
        return Some(
            "All bytes in order, thank you! A simulator has the same day every day. What can I do for you?"
                .to_owned(),
        );
    }
    if is(&["test", "testing", "test test", "are you there", "this is a test", "is this working"]) {
        return Some(
            "Here, and listening: your request arrived, and this answer is the proof of the way back."
                .to_owned(),
        );
    }
    if is(&["ping"]) {
        return Some("pong".to_owned());
    }
    if is(&[
        "help",
        "what can you do",
        "what can i ask",
        "what can i ask you",
        "what do you do",
        "what do you know",
    ]) {
        return Some(abilities());
    }
    if words.len() <= 10 && words.contains(&"joke") {
        return Some(
            "Why did the stream cross the network? To get to the other side, one delta at a time. It was cut halfway, but it \
             remembered the last word."
                .to_owned(),
        );
    }
    let live = words.len() <= 12
        && (words.contains(&"weather")
            || words.contains(&"forecast")
            || has(&["what time is it", "what day is it", "today's date", "latest news", "stock price"]));
    live.then(|| {
        "That changes by the hour, and Perennial's simulator has no window to look out of. Send a tool with the request, \
         `get_weather` for instance, and it will be called with what your question says."
            .to_owned()
    })
}

/// Whether a question only makes sense after another one.
pub(super) fn is_bare(subject: &str) -> bool {
    BARE.iter().any(|bare| subject.eq_ignore_ascii_case(bare))
}

pub(super) fn ask_back() -> String {
    "I would like to, but about what? A word or two more will do.".to_owned()
}

/// A letter with gaps for what only its writer knows.
pub(super) fn letter(subject: &str) -> String {
    let lower = subject.to_lowercase();
    let about = [" about ", " regarding ", " asking for ", " for "]
        .iter()
        .find_map(|lead| lower.find(lead).map(|at| at + lead.len()));
    let about = about.and_then(|at| subject.get(at..)).unwrap_or("[what it is about]");
    format!(
        "**Subject:** {}\n\nHello [name],\n\nI am writing about {about}. [One sentence: what you would like, and by when.]\n\n\
         [One sentence: why, and what it means for the other side.]\n\nIf that suits you, a short yes is enough; if not, I am \
         glad to talk it over.\n\nBest regards,\n[your name]",
        super::prose::capitalised(about),
    )
}

fn abilities() -> String {
    "I am Perennial's simulator, and I can do what helps to build and test an application:\n\n\
     - **Explain** a few dozen topics, from server-sent events to bees, also to a child.\n\
     - **Write** code in a dozen languages, poems, lists, tables, JSON, and prose of any length you name.\n\
     - **Calculate**, count, translate some phrases, and remember what you told me.\n\
     - **Read** what you send along: sum it up, count it, outline code, find the passage you ask for.\n\
     - **Call tools** that fit the question, think before I answer, and cite documents.\n\n\
     Of everything else I know nothing, and say so."
        .to_owned()
}
