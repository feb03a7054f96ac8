//! What a user asks, apart from what came wrapped with it.
//!
//! Programs put the text that a question is about between tags, in fences, or behind a colon. The names of the tags are
//! nobody's topic; they are taken off here, once, before the question is read.

use super::code;
use super::context::Deed;

/// Beyond so many openings a text is read as it stands.
const MOST_OPENINGS: usize = 64;
/// Wrappings inside of wrappings are opened this deep.
const DEEPEST: u32 = 4;
/// An instruction before or behind a text is no longer than this, in bytes.
const LONGEST_INSTRUCTION: usize = 200;
/// A text on the line of its instruction is at least as long as this, in bytes; what is shorter is part of the question.
const SHORTEST_TEXT: usize = 80;

/// Elements of web pages: between them stands a part of the page, not a text that was wrapped.
const HTML: &[&str] = &[
    "html", "head", "body", "div", "span", "p", "a", "b", "i", "em", "strong", "ul", "ol", "li", "table",
    "tr", "td", "h1", "h2", "h3", "h4", "svg", "script", "style", "form", "button", "section", "nav",
    "header", "footer", "main",
];

/// One turn of a user.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Said {
    /// What is outside of all wrappings.
    pub(super) instruction: String,
    pub(super) texts: Vec<Wrapped>,
}

/// A text that came along.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Wrapped {
    /// What the fence says of it; empty for a fence that says nothing.
    pub(super) fence: Option<String>,
    pub(super) text: String,
}

impl Said {
    pub(super) fn read(text: &str) -> Self {
        let said = Self::unwrapped(text, 0);
        if !said.texts.is_empty() {
            return said;
        }
        behind_an_instruction(text).or_else(|| nothing_but_code(text)).unwrap_or(said)
    }

    /// The instruction, or what came without one.
    pub(super) fn gist(&self) -> &str {
        match self.texts.first() {
            Some(wrapped) if self.instruction.is_empty() => &wrapped.text,
            _ => &self.instruction,
        }
    }

    fn unwrapped(text: &str, depth: u32) -> Self {
        let mut said = Self::default();
        let (mut from, mut at, mut tries) = (0, 0, 0);
        while let Some(next) = text[at..].find(['<', '`', '"']).map(|next| at + next) {
            let (rest, begins_line) = (
                &text[next..],
                text[..next].trim_end_matches([' ', '\t']).ends_with('\n') || text[..next].trim().is_empty(),
            );
            let found = if tries < MOST_OPENINGS { opening(rest, begins_line) } else { None };
            let Some((length, wrapped)) = found else {
                tries += usize::from(rest.starts_with('<') || rest.starts_with("```"));
                at = next + 1;
                continue;
            };
            said.add_instruction(&text[from..next]);
            said.take(wrapped, depth);
            (from, at) = (next + length, next + length);
        }
        said.add_instruction(&text[from..]);
        said
    }

    fn take(&mut self, wrapped: Wrapped, depth: u32) {
        if wrapped.fence.is_none() && depth < DEEPEST {
            let inner = Self::unwrapped(&wrapped.text, depth + 1);
            if inner.instruction.is_empty() && !inner.texts.is_empty() {
                self.texts.extend(inner.texts);
                return;
            }
        }
        if !wrapped.text.is_empty() {
            self.texts.push(wrapped);
        }
    }

    /// A tag without its counterpart wraps nothing, but it is no word of the instruction either.
    fn add_instruction(&mut self, text: &str) {
        let lines: Vec<_> = text.lines().map(without_lone_tag).collect();
        let lines = lines.join("\n");
        if !(lines.trim().is_empty() || self.instruction.is_empty()) {
            self.instruction.push('\n');
        }
        self.instruction.push_str(lines.trim());
    }
}

/// The wrapping that a text begins with, and its length in bytes.
fn opening(text: &str, begins_line: bool) -> Option<(usize, Wrapped)> {
    if let Some(rest) = text.strip_prefix("```").filter(|_| begins_line) {
        let (fence, body) = rest.split_once('\n')?;
        let end = if body.starts_with("```") { 0 } else { body.find("\n```")? + 1 };
        let length = text.len() - body.len() + end + "```".len();
        let wrapped =
            Wrapped { fence: Some(fence.trim().to_owned()), text: body[..end].trim_end().to_owned() };
        return Some((length, wrapped));
    }
    if let Some(rest) = text.strip_prefix("\"\"\"") {
        let end = rest.find("\"\"\"")?;
        return Some((end + 6, Wrapped { fence: None, text: rest[..end].trim().to_owned() }));
    }
    let (name, head) = tag(text)?;
    let body = &text[head..];
    let end = body.find(&format!("</{name}>"))?;
    let length = head + end + name.len() + "</>".len();
    if HTML.contains(&name.to_ascii_lowercase().as_str()) {
        let html = || Wrapped { fence: Some("html".to_owned()), text: text[..length].to_owned() };
        return begins_line.then(|| (length, html()));
    }
    let inside = body[..end].trim();
    let wraps = begins_line || inside.contains('\n') || inside.len() >= SHORTEST_TEXT / 2;
    wraps.then(|| (length, Wrapped { fence: None, text: inside.to_owned() }))
}

/// The name of the tag that a text begins with, and the length of the whole tag.
fn tag(text: &str) -> Option<(&str, usize)> {
    let rest = text.strip_prefix('<').filter(|rest| rest.starts_with(|c: char| c.is_ascii_alphabetic()))?;
    let name = rest.find(|c: char| !(c.is_ascii_alphanumeric() || "_-.:".contains(c)))?;
    let end =
        rest.find(['>', '\n']).filter(|end| *end < LONGEST_INSTRUCTION && rest[*end..].starts_with('>'))?;
    let whole = end == name || rest[name..].starts_with([' ', '\t']);
    (whole && !rest[..end].ends_with('/')).then(|| (&rest[..name], end + 2))
}

/// A line without the tag that it begins with.
fn without_lone_tag(line: &str) -> &str {
    let Some(rest) = line.strip_prefix('<') else { return line };
    let opened = rest.strip_prefix('/').unwrap_or(rest);
    match opened.split_once('>') {
        Some((name, after)) if tag(&format!("<{name}>")).is_some() => after.trim_start(),
        _ => line,
    }
}

/// Code that was sent as it is.
fn nothing_but_code(text: &str) -> Option<Said> {
    let (first, _) = text.trim().split_once('\n')?;
    let begins =
        ["diff ", "#!", "//", "/*", "{", "[", "import ", "use ", "package ", "from ", "#include", "<"];
    let is_code = begins.iter().any(|begin| first.starts_with(begin))
        || first.trim_end().ends_with(['{', '}', ';', '(', ')']);
    let wrapped = Wrapped { fence: None, text: text.trim().to_owned() };
    let is_code = is_code && code::language(&wrapped).is_some();
    is_code.then(|| Said { instruction: String::new(), texts: vec![wrapped] })
}

/// "Summarise this: ..." and "..., summarise the above": a text without wrapping, told by what is to be done with it.
fn behind_an_instruction(text: &str) -> Option<Said> {
    let text = text.trim();
    let said = |instruction: &str, text: &str| Said {
        instruction: instruction.trim().to_owned(),
        texts: vec![Wrapped { fence: None, text: text.trim().to_owned() }],
    };
    let wanted = |line: &str| line.len() <= LONGEST_INSTRUCTION && Deed::is_asked_for_in(line);
    let (first, rest) = text.split_once('\n').unwrap_or((text, ""));
    if let Some((head, tail)) = first.split_once(": ").filter(|(head, _)| wanted(head))
        && tail.len() + rest.len() >= SHORTEST_TEXT
    {
        return Some(said(head, &text[head.len() + 1..]));
    }
    if rest.is_empty() {
        return None;
    }
    // "What does it do?" is about the line before as often as about what came along.
    let explains = |line: &str| Deed::of(line) == Some(Deed::Explain);
    if wanted(first) {
        let colon = first.trim_end().ends_with(':');
        let behind = said(first.trim_end().trim_end_matches(':'), rest);
        let apart =
            rest.starts_with('\n') && (!explains(first) || code::language(&behind.texts[0]).is_some());
        if colon || apart {
            return Some(behind);
        }
    }
    let (before, last) = text.rsplit_once('\n')?;
    let long = before.len() >= 2 * SHORTEST_TEXT || last.to_lowercase().contains("above");
    (long && wanted(last) && !explains(last)).then(|| said(last, before))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, instruction: &str, texts: &[(Option<&str>, &str)]) {
        let said = Said::read(text);
        assert_eq!(said.instruction, instruction, "{text:?}");
        let found: Vec<_> =
            said.texts.iter().map(|wrapped| (wrapped.fence.as_deref(), wrapped.text.as_str())).collect();
        assert_eq!(found, texts, "{text:?}");
    }

    #[test]
    fn instructions_stand_apart_from_what_is_wrapped() {
        check("<stdin>\n2+2?\n</stdin>answer this", "answer this", &[(None, "2+2?")]);
        check("answer this\n<stdin>2+2?</stdin>", "answer this", &[(None, "2+2?")]);
        check(
            "<doc id=\"1\">a</doc>\n<doc id=\"2\">b</doc>\nCompare",
            "Compare",
            &[(None, "a"), (None, "b")],
        );
        check("<docs>\n<doc>\na\n</doc>\n<doc>b</doc>\n</docs>", "", &[(None, "a"), (None, "b")]);
        check(
            "Explain:\n```rust\nfn a() {}\n```\nPlease.",
            "Explain:\nPlease.",
            &[(Some("rust"), "fn a() {}")],
        );
        check("```\nx = 1\n```", "", &[(Some(""), "x = 1")]);
        check("Translate \"\"\"good\nmorning\"\"\" now", "Translate\nnow", &[(None, "good\nmorning")]);
        check("<div>a</div>\nWhat is this?", "What is this?", &[(Some("html"), "<div>a</div>")]);
        check("Summarise this:\n\nOne. Two.", "Summarise this", &[(None, "One. Two.")]);
        check("One.\nTwo.\n\nSummarise the above.", "Summarise the above.", &[(None, "One.\nTwo.")]);
        let long = "word ".repeat(30);
        let code = "use std::fs;\n\nfn main() {\n    let x = 1;\n}";
        check(code, "", &[(None, code)]);
        check(&format!("Write tests for this\n{code}"), &format!("Write tests for this\n{code}"), &[]);
        check(&format!("Summarise this: {long}"), "Summarise this", &[(None, long.trim())]);
    }

    #[test]
    fn what_wraps_nothing_stays_a_question() {
        for text in [
            "What does the <b>bold</b> tag do?",
            "Is Vec<String> the same as [String]?",
            "Explain SSE",
            "Summarise: SSE",
            "Write a poem with these words:\nrain\nwind",
            "a < b and c > d",
            "say \"hello\"",
        ] {
            check(text, text, &[]);
        }
        check("<stdin>\nWhy is the sky blue?", "Why is the sky blue?", &[]);
        check("Why?\n</stdin>", "Why?", &[]);
        check("<br/> is what?", "<br/> is what?", &[]);
    }

    #[test]
    fn many_openings_take_no_time() {
        let text = "<a><b ".repeat(100_000);
        assert!(Said::read(&text).texts.is_empty());
        let text = "```\n".repeat(100_000);
        assert!(Said::read(&text).texts.iter().all(|wrapped| wrapped.text.is_empty()));
    }
}
