//! Passages that a text quotes, whatever marks it puts around them.

use std::borrow::Cow;

/// Passages shorter than this, in bytes, could stand anywhere.
pub(super) const SHORTEST: usize = 4;
/// Shorter passages, in bytes, count only when they are the whole of what was said.
const TELLING: usize = 12;
/// The most passages of one kind that are looked at: each is searched for in a whole answer.
const MOST: usize = 64;

/// Everything that could be a quotation, the longest first.
pub(super) fn passages(text: &str) -> Vec<Cow<'_, str>> {
    let mut found: Vec<Cow<'_, str>> = Vec::new();
    tags(text, &mut found);
    for (open, close) in [
        ("```", "```"),
        ("\"\"\"", "\"\"\""),
        ("~~~", "~~~"),
        ("\n---\n", "\n---"),
        ("<<<", ">>>"),
        ("[[", "]]"),
    ] {
        if let (Some(start), Some(end)) = (text.find(open), text.rfind(close)) {
            found.extend(text.get(start + open.len()..end).map(Cow::Borrowed));
        }
    }
    for (open, close) in
        [('"', '"'), ('“', '”'), ('«', '»'), ('‘', '’'), ('[', ']'), ('「', '」'), ('`', '`'), ('(', ')')]
    {
        if let (Some(start), Some(end)) = (text.find(open), text.rfind(close)) {
            found.extend(text.get(start + open.len_utf8()..end).map(Cow::Borrowed));
        }
        let mut rest = text;
        while let Some(start) = rest.find(open) {
            let inner = &rest[start + open.len_utf8()..];
            let Some(end) = inner.find(close) else { break };
            found.push(Cow::Borrowed(&inner[..end]));
            rest = &inner[end + close.len_utf8()..];
        }
    }
    json_strings(text, &mut found);
    // Without any marks: what follows a colon, up to the end or the last paragraph.
    for (at, _) in text.match_indices(":\n").chain(text.match_indices(": ")).take(MOST) {
        let after = &text[at + 2..];
        found.push(Cow::Borrowed(after));
        found.extend(after.rfind("\n\n").map(|end| Cow::Borrowed(&after[..end])));
    }
    found.retain(|passage| passage.len() >= SHORTEST && !passage.trim().is_empty());
    found.sort_by_key(|passage| std::cmp::Reverse(passage.len()));
    found.dedup();
    found.truncate(MOST);
    found
}

/// The offset after a passage in a text: the passage begins it, or stands in it and is long enough to tell.
pub(super) fn end_in(text: &str, passage: &str) -> Option<usize> {
    variants(passage).find_map(|variant| {
        if variant.len() >= SHORTEST && text.starts_with(variant) {
            return Some(variant.len());
        }
        (variant.len() >= TELLING).then(|| text.rfind(variant).map(|at| at + variant.len())).flatten()
    })
}

/// A passage as it stands, and without what a template may have put around it.
pub(super) fn variants(passage: &str) -> impl Iterator<Item = &str> {
    let block = passage.strip_prefix('\n').and_then(|inner| inner.strip_suffix('\n'));
    let dotted = passage.trim_start_matches("...").trim_start_matches('…');
    // Marks on lines of their own: the line ends belong to the marks.
    let first = block.unwrap_or(passage);
    [first, passage, dotted, passage.trim_end_matches('\n'), passage.trim(), dotted.trim()].into_iter()
}

/// `<tail>...</tail>`, whatever the name.
fn tags<'t>(text: &'t str, found: &mut Vec<Cow<'t, str>>) {
    for (at, _) in text.match_indices('<').take(MOST) {
        let Some(end) = text[at..].find('>').map(|end| at + end) else { break };
        let name = text[at + 1..end].split([' ', '\n']).next().unwrap_or_default();
        let is_name = !name.is_empty()
            && name.len() < 40
            && name.chars().all(|c| c.is_ascii_alphanumeric() || "_-".contains(c));
        if !is_name {
            continue;
        }
        if let Some(close) = text.rfind(&format!("</{name}>")).filter(|close| *close > end) {
            found.push(Cow::Borrowed(&text[end + 1..close]));
        }
    }
}

/// String literals of JSON, when they have escapes; the others are found by their quotation marks.
fn json_strings<'t>(text: &'t str, found: &mut Vec<Cow<'t, str>>) {
    if !text.contains('\\') {
        return;
    }
    let mut at = 0;
    while let Some(start) = text[at..].find('"').map(|start| at + start) {
        let mut values = serde_json::Deserializer::from_str(&text[start..]).into_iter::<String>();
        match values.next() {
            Some(Ok(value)) => {
                at = start + values.byte_offset();
                found.push(Cow::Owned(value));
            }
            _ => at = start + 1,
        }
    }
}
