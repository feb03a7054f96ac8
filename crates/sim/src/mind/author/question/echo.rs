//! What the user wants to have said word for word.

/// "Say X", "Reply with exactly: X", "Repeat after me: X".
pub(super) fn echo(asked: &str, lower: &str) -> Option<String> {
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
