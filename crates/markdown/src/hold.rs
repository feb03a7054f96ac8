//! Holding back: how much of the line that is being written may be shown.
//!
//! What is decided here is decided from the line's characters alone, before anything is parsed: markers that may still
//! become other markers, rows of tables, and the characters at the end that may begin something.

/// A line that begins with `<` is shown before its end from this length on: it is hardly a tag.
const MAX_TAG: usize = 300;

/// More markers than these on one line are taken for its text.
const MAX_MARKERS: usize = 50;

/// In which kind of block the open line stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// In a fence of this character and length.
    Fence(u8, usize),
    /// Below a table's rows.
    Table,
    /// Anywhere else.
    Prose,
}

/// How many bytes of the unfinished `line` may be shown.
pub(crate) fn shown(line: &str, place: Place) -> usize {
    match place {
        Place::Fence(mark, length) => in_fence(line, mark, length),
        // A row is shown when it is there, or when it is none.
        Place::Table => 0,
        Place::Prose => in_prose(line),
    }
}

fn in_fence(line: &str, mark: u8, length: usize) -> usize {
    let rest = line.trim_start_matches([' ', '\t', '>']);
    let marks = rest.bytes().take_while(|b| *b == mark).count();
    let rest_blank = rest[marks..].trim().is_empty();
    // Blanks alone may still be the indentation of something that ends the block.
    let may_close = rest_blank && (marks == rest.len() || marks >= length);
    if may_close { 0 } else { line.len() }
}

fn in_prose(line: &str) -> usize {
    let content = line.len() - strip_markers(line).len();
    let rest = &line[content..];
    if rest.is_empty() || is_marker(rest) || is_definition(rest) {
        return 0;
    }
    if rest.starts_with('|') || (rest.starts_with('<') && rest.len() < MAX_TAG) || is_fence(rest) {
        return 0;
    }
    let certain = certain_end(rest);
    // Nothing left of what follows the markers: they are not shown alone.
    if certain == 0 { 0 } else { content + certain }
}

/// The line behind the markers of quotes, items and their indentation.
fn strip_markers(line: &str) -> &str {
    let mut rest = line;
    for _ in 0..MAX_MARKERS {
        let before = rest.len();
        rest = rest.trim_start_matches([' ', '\t', '>']);
        for bullet in ["- ", "* ", "+ ", "-\t", "*\t", "+\t"] {
            rest = rest.strip_prefix(bullet).unwrap_or(rest);
        }
        rest = after_number(rest).unwrap_or(rest);
        for task in ["[ ] ", "[x] ", "[X] "] {
            if before != line.len() {
                rest = rest.strip_prefix(task).unwrap_or(rest);
            }
        }
        if rest.len() == before {
            break;
        }
    }
    rest
}

fn after_number(rest: &str) -> Option<&str> {
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    if !(1..=9).contains(&digits) {
        return None;
    }
    let marker = rest[digits..].strip_prefix(['.', ')'])?;
    marker.strip_prefix([' ', '\t'])
}

/// What may still become a heading, an item, a rule, an underline, or something else.
fn is_marker(rest: &str) -> bool {
    let trimmed = rest.trim_end();
    let of = |marks: &str| trimmed.chars().all(|c| marks.contains(c) || c == ' ' || c == '\t');
    if of("#") {
        return trimmed.len() <= 6;
    }
    if of("-") || of("*") || of("_") || of("=") || trimmed == "+" || of(":-|") {
        return true;
    }
    let digits = trimmed.bytes().take_while(u8::is_ascii_digit).count();
    (1..=9).contains(&digits) && (digits == trimmed.len() || matches!(&trimmed[digits..], "." | ")")) && {
        // A number with a blank behind it is no marker any more.
        digits < trimmed.len() || trimmed.len() == rest.len()
    }
}

/// The line may be a definition, which is not shown.
fn is_definition(rest: &str) -> bool {
    let Some(label) = rest.strip_prefix('[') else { return false };
    match label.find(']') {
        None => label.len() < 120,
        Some(end) => {
            let after = &label[end + 1..];
            if label.starts_with('^') && after.starts_with(':') {
                return after[1..].trim().is_empty();
            }
            after.is_empty() || (after.starts_with(':') && after.len() < 2048)
        }
    }
}

fn is_fence(rest: &str) -> bool {
    let ticks = rest.bytes().take_while(|b| *b == b'`').count();
    let tildes = rest.bytes().take_while(|b| *b == b'~').count();
    (ticks >= 3 && !rest[ticks..].contains('`')) || tildes >= 3
}

/// Up to where the end of a line cannot become the beginning of something else.
fn certain_end(rest: &str) -> usize {
    let trimmed = rest.trim_end();
    if trimmed.len() < rest.len() {
        return trimmed.len();
    }
    let certain = trimmed.trim_end_matches(['*', '_', '~', '`', '\\', '!', '<', '[', '&', '$']);
    // What is left may end with blanks, which are not shown last.
    certain.trim_end().len()
}

/// Whether the line, which is not finished, can still become the row of dashes below a table's header.
pub(crate) fn may_be_delimiters(line: &str) -> bool {
    line.chars().all(|c| "|:- \t>".contains(c))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn prose() {
        for (line, expected) in [
            ("", ""),
            ("#", ""),
            ("## ", ""),
            ("#a", "#a"),
            ("- ", ""),
            ("- - ", ""),
            ("-", ""),
            ("12", ""),
            ("12.", ""),
            ("12. ", ""),
            ("12 a", "12 a"),
            ("3.5", "3.5"),
            ("- a", "- a"),
            ("> - **", ""),
            ("> - **a", "> - **a"),
            ("a **", "a"),
            ("a **b*", "a **b"),
            ("a ", "a"),
            ("a\\", "a"),
            ("| a", ""),
            ("```rust", ""),
            ("```a``` b", "```a``` b"),
            ("[a", ""),
            ("[a]", ""),
            ("[a]: htt", ""),
            ("[a](b) c", "[a](b) c"),
            ("[^1]: ", ""),
            ("[^1]: a", "[^1]: a"),
            ("- [ ] ", ""),
            ("- [ ] a", "- [ ] a"),
            ("===", ""),
        ] {
            assert_eq!(&line[..shown(line, Place::Prose)], expected, "{line:?}");
        }
    }

    #[test]
    fn fences() {
        for (line, expected) in
            [("``", ""), ("```", ""), ("``` ", ""), ("``x", "``x"), ("  ", ""), ("# a *", "# a *")]
        {
            assert_eq!(&line[..shown(line, Place::Fence(b'`', 3))], expected, "{line:?}");
        }
    }
}
