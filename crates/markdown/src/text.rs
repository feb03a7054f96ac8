//! Text: pieces made ready for the tape: texts joined, bare addresses linked, hidden characters shown.

use std::borrow::Cow;

use crate::Node;
use crate::piece::{Kind, Piece};
use crate::policy::{Links, visible};

/// What a bare address begins with.
const BARE: &[&str] = &["https://", "http://", "www."];

/// Joins and shows texts; in blocks of code and HTML each line stays a text of its own, for lines are what is frozen there.
/// `lines` says whether the pieces begin inside such a block.
pub(crate) fn polish(pieces: Vec<Piece>, mut lines: bool, links: Links) -> Vec<Piece> {
    let mut out: Vec<Piece> = Vec::with_capacity(pieces.len());
    // How many of the open nodes keep their text as it is.
    let mut verbatim = 0_u32;
    let mut open: Vec<bool> = Vec::new();
    let mut joined: Option<Piece> = None;
    for mut piece in pieces {
        match &mut piece.kind {
            Kind::Text(text) => {
                if let Some(Piece { kind: Kind::Text(before), end, .. }) = joined.as_mut()
                    && !lines
                {
                    before.push_str(text);
                    *end = piece.end;
                    continue;
                }
                if let Some(done) = joined.replace(piece) {
                    write(done, verbatim > 0 || lines, links, &mut out);
                }
                continue;
            }
            Kind::Open(node) => {
                if let Some(done) = joined.take() {
                    write(done, verbatim > 0 || lines, links, &mut out);
                }
                lines = matches!(node, Node::CodeBlock { .. } | Node::HtmlBlock);
                let is_verbatim =
                    matches!(node, Node::Link { .. } | Node::Image { .. } | Node::Code | Node::Math { .. });
                verbatim += u32::from(is_verbatim);
                open.push(is_verbatim);
                show(node);
            }
            Kind::Close => {
                if let Some(done) = joined.take() {
                    write(done, verbatim > 0 || lines, links, &mut out);
                }
                lines = false;
                verbatim -= u32::from(open.pop().unwrap_or_default());
            }
        }
        out.push(piece);
    }
    if let Some(done) = joined {
        write(done, verbatim > 0 || lines, links, &mut out);
    }
    out
}

fn show(node: &mut Node) {
    if let Node::Link { title: text, .. }
    | Node::Image { title: text, .. }
    | Node::Footnote { label: text }
    | Node::FootnoteRef { label: text } = node
        && let Cow::Owned(shown) = visible(text)
    {
        *text = shown;
    }
}

fn write(piece: Piece, verbatim: bool, links: Links, out: &mut Vec<Piece>) {
    let Kind::Text(text) = piece.kind else { return };
    let (at, end) = (piece.at, piece.end);
    let mut put = |kind| out.push(Piece::new(kind, at, end));
    let plain = |text: &str, put: &mut dyn FnMut(Kind)| {
        if !text.is_empty() {
            put(Kind::Text(visible(text).into_owned()));
        }
    };
    if verbatim {
        plain(&text, &mut put);
        return;
    }
    let mut rest = 0;
    while let Some((from, to)) = next_address(&text, rest) {
        plain(&text[rest..from], &mut put);
        let address = &text[from..to];
        let full = if address.starts_with("www.") { format!("http://{address}") } else { address.to_owned() };
        put(Kind::Open(Node::Link { href: links.allowed(&full), title: String::new() }));
        plain(address, &mut put);
        put(Kind::Close);
        rest = to;
    }
    plain(&text[rest..], &mut put);
}

/// A longer run of characters is not looked through for one: the time stays linear.
const MAX_ADDRESS: usize = 2048;

/// The next bare address at or after `from`.
fn next_address(text: &str, from: usize) -> Option<(usize, usize)> {
    let mut search = from;
    loop {
        // Both kinds of beginning have one of these; most texts have neither.
        let found = text[search..]
            .match_indices(['h', 'w'])
            .map(|(at, _)| search + at)
            .find(|at| BARE.iter().any(|begin| text[*at..].starts_with(begin)))?;
        let before = text[..found].chars().next_back();
        let begin = BARE.iter().find(|begin| text[found..].starts_with(**begin))?;
        let free = before.is_none_or(|c| c.is_whitespace() || "*_~([\"'".contains(c) || !c.is_ascii());
        if free {
            let end = found + address_length(&text[found..]);
            if end > found + begin.len() && domain(&text[found + begin.len()..end], begin == &"www.") {
                return Some((found, end));
            }
        }
        search = found + begin.len();
    }
}

/// A host name: for `www.` with a further dot, as in `www.commonmark.org`.
fn domain(rest: &str, dotted: bool) -> bool {
    let host = rest.split(['/', '?', '#', ':']).next().unwrap_or_default();
    host.starts_with(|c: char| c.is_alphanumeric()) && (!dotted || host.contains('.'))
}

/// How much of what stands here belongs to the address: up to a blank or `<`, without the punctuation at its end.
fn address_length(text: &str) -> usize {
    let end = address_end(text);
    if end > MAX_ADDRESS {
        return 0;
    }
    let mut address = &text[..end];
    while let Some(last) = address.chars().next_back() {
        let count = |c| address.matches(c).count();
        let outside = "?!.,:;*_~'\\[]{}".contains(last) || (last == ')' && count(')') > count('('));
        if !outside {
            break;
        }
        address = &address[..address.len() - last.len_utf8()];
    }
    address.len()
}

/// Where what may be part of the address that stands here ends; looked for no further than needed.
fn address_end(text: &str) -> usize {
    text.char_indices()
        .find(|(at, c)| {
            *at > MAX_ADDRESS
                || c.is_whitespace()
                || c.is_control()
                || "<>\"`|".contains(*c)
                || is_wide_stop(*c)
        })
        .map_or(text.len(), |(at, _)| at)
}

/// The stops and brackets of wide scripts end an address: there is no blank after them.
fn is_wide_stop(c: char) -> bool {
    matches!(c, '\u{3000}'..='\u{3003}' | '\u{3008}'..='\u{3011}' | '\u{ff01}' | '\u{ff08}' | '\u{ff09}' | '\u{ff0c}' | '\u{ff1a}' | '\u{ff1b}' | '\u{ff1f}')
}

/// Where the text's end may still turn out to be, or to go on, an address in another way than it now looks: from there on
/// it is held back.
pub(crate) fn uncertain_address(text: &str) -> usize {
    let word = text.rfind(|c: char| c.is_whitespace() || "*_~([\"'".contains(c) || !c.is_ascii());
    let from = word.map_or(0, |at| at + text[at..].chars().next().map_or(1, char::len_utf8));
    let last = &text[from..];
    if !last.is_empty() && BARE.iter().any(|begin| begin.starts_with(last) || incomplete(begin, last)) {
        return from;
    }
    match next_address(text, from.min(text.len())) {
        Some((start, end)) if start + address_end(&text[start..]) == text.len() => end,
        _ => text.len(),
    }
}

/// The beginning is there and the host is not yet such that it is a link.
fn incomplete(begin: &str, last: &str) -> bool {
    last.strip_prefix(begin).is_some_and(|rest| begin == "www." && !rest.contains('.') && !rest.contains('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses() {
        for (text, expected) in [
            ("see https://a.example/x_y, then", &["https://a.example/x_y"][..]),
            ("(https://a.example/b(c)).", &["https://a.example/b(c)"]),
            ("www.a.example and www.b", &["www.a.example"]),
            ("xhttps://a.example", &[]),
            ("https://", &[]),
            ("http://a http://b.", &["http://a", "http://b"]),
            ("日本https://a.example/日本、と", &["https://a.example/日本"]),
        ] {
            let mut found = Vec::new();
            let mut from = 0;
            while let Some((start, end)) = next_address(text, from) {
                found.push(&text[start..end]);
                from = end;
            }
            assert_eq!(found, expected, "{text}");
        }
    }

    #[test]
    fn what_may_become_an_address_waits() {
        for (text, sure) in [
            ("a ht", "a "),
            ("a hat", "a hat"),
            ("a https:/", "a "),
            ("a http://b.", "a http://b"),
            ("www.a", ""),
            ("a h ", "a h "),
        ] {
            assert_eq!(&text[..uncertain_address(text)], sure, "{text}");
        }
    }
}
