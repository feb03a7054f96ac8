//! Settling: the open end of the document as it most likely goes on.
//!
//! In the last paragraph, heading or cell, marks that the parser could not pair are looked at again: those that may open
//! something are taken as if they did (`**bo` is bold already), and what may still become a link, an image, an entity or
//! TeX is held back. Nothing here is final: the next run of the parser decides anew.

use crate::Node;
use crate::piece::{Kind, Piece};
use crate::text::uncertain_address;

/// A link's text, an image's, or an entity is waited for up to this length; then it is shown as it stands.
const MAX_LABEL: usize = 160;
/// A link's address and title are waited for up to this length.
const MAX_TARGET: usize = 2048;
/// TeX is waited for up to this length.
const MAX_TEX: usize = 400;

/// The name of an entity is shorter.
const MAX_ENTITY: usize = 32;

/// Longer runs of one mark are looked at in parts of this length: no part of them opens anything.
const MAX_RUN: usize = 64;

/// What becomes of a mark that found no partner.
enum Fate {
    Literal,
    /// Everything from here on waits.
    Hold,
    /// Opens these, in this order.
    Opens(&'static [Node]),
    /// Opens code that goes on to the end.
    Code,
    /// Nothing to look at until this place in the source.
    LiteralTo(usize),
}

/// Settles the last block of `pieces`, which were parsed from `source`; with `reveal` nothing is held back.
pub(crate) fn settle(pieces: &mut Vec<Piece>, source: &str, reveal: bool) {
    let Some(leaf) = open_leaf(pieces) else { return };
    let end = pieces[leaf + 1..]
        .iter()
        .scan(0_i32, |depth, piece| {
            *depth += match piece.kind {
                Kind::Open(_) => 1,
                Kind::Close => -1,
                Kind::Text(_) => 0,
            };
            Some(*depth)
        })
        .position(|depth| depth < 0)
        .map_or(pieces.len(), |at| leaf + 1 + at);
    let closes = pieces.split_off(end);
    let inside = pieces.split_off(leaf + 1);
    let limit = source.trim_end_matches(['\n', ' ', '\t']).len();
    let mut settler =
        Settler { source, end: limit, out: Vec::with_capacity(inside.len() + 8), opened: 0, skip: 0, reveal };
    settler.run(inside);
    pieces.append(&mut settler.out);
    pieces.extend(closes);
}

/// The paragraph, heading or cell that stands last, if the document goes on in it.
fn open_leaf(pieces: &[Piece]) -> Option<usize> {
    let open = pieces.iter().rposition(|piece| piece.node().is_some_and(|node| !node.is_inline()))?;
    pieces[open].node()?.is_leaf().then_some(open)
}

struct Settler<'a> {
    source: &'a str,
    end: usize,
    out: Vec<Piece>,
    opened: usize,
    skip: usize,
    reveal: bool,
}

impl Settler<'_> {
    fn run(&mut self, inside: Vec<Piece>) {
        let mut depth = 0_u32;
        let mut inside = inside.into_iter().peekable();
        while let Some(piece) = inside.next() {
            match piece.kind {
                Kind::Open(_) => depth += 1,
                Kind::Close => depth = depth.saturating_sub(1),
                Kind::Text(_) if depth == 0 && piece.at >= self.skip => {
                    // A run of one mark may come in several pieces.
                    let run = self.run_at(piece.at);
                    match self.fate(&piece, run) {
                        Fate::Literal => {}
                        Fate::LiteralTo(place) => self.skip = place,
                        Fate::Hold if self.reveal => {}
                        Fate::Hold => break,
                        Fate::Opens(nodes) => {
                            let past = piece.at + run;
                            while inside.peek().is_some_and(|next| next.text().is_some() && next.end <= past)
                            {
                                inside.next();
                            }
                            for node in nodes {
                                self.opened += 1;
                                self.out.push(Piece::new(Kind::Open(node.clone()), piece.at, piece.end));
                            }
                            continue;
                        }
                        Fate::Code => {
                            self.code(piece.at, run);
                            break;
                        }
                    }
                }
                Kind::Text(_) => {}
            }
            self.out.push(piece);
        }
        if !self.reveal {
            self.hold_end();
        }
        for _ in 0..self.opened {
            self.out.push(Piece::new(Kind::Close, self.end, self.end));
        }
    }

    /// How many of the same mark stand at this place.
    fn run_at(&self, at: usize) -> usize {
        let bytes = &self.source.as_bytes()[at.min(self.source.len())..];
        let Some(first) = bytes.first() else { return 0 };
        bytes.iter().take(MAX_RUN).take_while(|b| *b == first).count()
    }

    fn fate(&self, piece: &Piece, run: usize) -> Fate {
        let (Some(text), at) = (piece.text(), piece.at) else { return Fate::Literal };
        let rest = &self.source[at.min(self.end)..self.end.max(at.min(self.end))];
        // A mark is one byte: the first of a longer character is none, though a character of that number may stand here.
        let Some(mark) = text.bytes().next().filter(u8::is_ascii) else { return Fate::Literal };
        if !rest.starts_with(char::from(mark)) || self.escaped(at) {
            return Fate::Literal;
        }
        let before = self.source[..at].chars().next_back().unwrap_or(' ');
        let after = rest[run.min(rest.len())..].chars().next().unwrap_or(' ');
        match mark {
            b'*' | b'_' | b'~' if opens(mark, run, before, after) => match (mark, run) {
                (b'*' | b'_', 1) => Fate::Opens(&[Node::Emphasis]),
                (b'*' | b'_', 2) => Fate::Opens(&[Node::Strong]),
                (b'*' | b'_', 3) => Fate::Opens(&[Node::Emphasis, Node::Strong]),
                (b'~', 2) => Fate::Opens(&[Node::Strike]),
                _ => Fate::LiteralTo(at + run),
            },
            b'*' | b'_' | b'~' => Fate::LiteralTo(at + run),
            b'`' if !(before.is_whitespace() && after.is_whitespace()) => Fate::Code,
            b'!' if rest.starts_with("![") => self.bracket(&rest[1..], true),
            b'[' => self.bracket(rest, false),
            b'<' if rest.len() < MAX_TARGET && is_tag_start(rest) => Fate::Hold,
            b'$' => tex(rest, before, after),
            _ => Fate::Literal,
        }
    }

    fn escaped(&self, at: usize) -> bool {
        let slashes = self.source.as_bytes()[..at].iter().rev().take_while(|b| **b == b'\\').count();
        slashes % 2 == 1
    }

    /// A bracket that opens nothing yet.
    fn bracket(&self, rest: &str, image: bool) -> Fate {
        let max_label = if image { MAX_TARGET } else { MAX_LABEL };
        let Some(close) = closing(rest, b'[', b']', max_label) else {
            return if rest.len() < max_label { Fate::Hold } else { Fate::Literal };
        };
        let after = &rest[close + 1..];
        let waits = match after.bytes().next() {
            None => true,
            Some(b'(') => may_be_target(after),
            Some(b'[') => closing(after, b'[', b']', MAX_LABEL).is_none() && after.len() < MAX_LABEL,
            _ => false,
        };
        if waits { Fate::Hold } else { Fate::Literal }
    }

    /// The rest as code, as the source has it, lines joined as in a span of code.
    fn code(&mut self, at: usize, run: usize) {
        let raw = self.source.get(at + run..self.end).unwrap_or_default();
        let mut code = String::with_capacity(raw.len());
        for (number, line) in raw.lines().enumerate() {
            if number > 0 {
                code.push(' ');
                code.push_str(line.trim_start_matches([' ', '\t', '>']));
            } else {
                code.push_str(line);
            }
        }
        // A span that begins with a blank most likely ends with one, and then has neither.
        let code = if run > 1 { code.trim_start() } else { &code };
        if !code.is_empty() {
            self.out.push(Piece::new(Kind::Open(Node::Code), at, self.end));
            self.out.push(Piece::new(Kind::Text(code.to_owned()), at, self.end));
            self.out.push(Piece::new(Kind::Close, at, self.end));
        }
    }

    /// Holds back the end of the last text where it may become part of something else.
    fn hold_end(&mut self) {
        while let Some(last) = self.out.last_mut() {
            let Kind::Text(text) = &mut last.kind else { return };
            let certain = certain_text(text);
            text.truncate(certain);
            if !text.is_empty() {
                break;
            }
            self.out.pop();
        }
        self.hold_address();
    }

    /// An address may lie in several texts: the parser splits at every mark.
    fn hold_address(&mut self) {
        let first = self.out.iter().rposition(|piece| piece.text().is_none()).map_or(0, |at| at + 1);
        let joined: String = self.out[first..].iter().filter_map(Piece::text).collect();
        let mut certain = uncertain_address(&joined);
        if certain == joined.len() {
            return;
        }
        let mut kept = first;
        for piece in &mut self.out[first..] {
            let Kind::Text(text) = &mut piece.kind else { break };
            let keep = text.len().min(certain);
            text.truncate(keep);
            certain -= keep;
            if keep == 0 {
                break;
            }
            kept += 1;
        }
        self.out.truncate(kept);
    }
}

/// A text at the end of the source, up to where it is certain.
fn certain_text(text: &str) -> usize {
    let trimmed = text.trim_end_matches([' ', '\t']);
    if trimmed.len() < text.len() {
        return trimmed.len();
    }
    // What may become an entity.
    let name = trimmed.trim_end_matches(|c: char| c.is_ascii_alphanumeric() || c == '#');
    if name.ends_with('&') && trimmed.len() - name.len() < MAX_ENTITY {
        return name.len() - 1;
    }
    // A backslash at the end of a line breaks it, when another line follows.
    trimmed.strip_suffix('\\').unwrap_or(trimmed).len()
}

/// Whether a run of marks that found no partner is taken as an opening one.
fn opens(mark: u8, run: usize, before: char, after: char) -> bool {
    let punctuation = |c: char| c.is_ascii_punctuation() || (!c.is_ascii() && !c.is_alphanumeric());
    if after.is_whitespace() {
        return false;
    }
    let left = !punctuation(after) || before.is_whitespace() || punctuation(before);
    // Inside a word: never for `_`; for a single `*` between letters and digits it is rather a product than emphasis.
    let inside = before.is_alphanumeric();
    let likely = match mark {
        b'_' => !inside,
        b'*' if run == 1 => !(inside && before.is_ascii()),
        _ => true,
    };
    left && likely
}

/// Where the bracket that `rest` begins with is closed.
fn closing(rest: &str, open: u8, close: u8, within: usize) -> Option<usize> {
    let mut depth = 0_u32;
    let mut escaped = false;
    for (at, byte) in rest.bytes().enumerate().take(within + 1) {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b if b == open => depth += 1,
            b if b == close => {
                depth -= 1;
                if depth == 0 {
                    return Some(at);
                }
            }
            _ => {}
        }
    }
    None
}

/// `after` begins with the parenthesis of a link; whether it may still become an address and a title.
fn may_be_target(after: &str) -> bool {
    if after.len() >= MAX_TARGET || closing(after, b'(', b')', MAX_TARGET).is_some() {
        return false;
    }
    let inside = after[1..].trim_start();
    if inside.starts_with('<') {
        return true;
    }
    let address = inside.find(char::is_whitespace).unwrap_or(inside.len());
    let title = inside[address..].trim_start();
    title.is_empty() || title.starts_with(['"', '\'', '('])
}

/// `<` and what may become an address in pointed brackets.
fn is_tag_start(rest: &str) -> bool {
    let inside = &rest[1..];
    inside.is_empty()
        || (inside.starts_with(|c: char| c.is_ascii_alphabetic()) && !inside.contains([' ', '\n', '>', '<']))
}

fn tex(rest: &str, before: char, after: char) -> Fate {
    if rest.starts_with("$$") {
        return if rest.len() < MAX_TARGET { Fate::Hold } else { Fate::Literal };
    }
    if rest.len() >= MAX_TEX {
        return Fate::Literal;
    }
    let begins = !before.is_alphanumeric() && !after.is_whitespace();
    // As long as the text is the same either way, it need not wait.
    let same = !rest.contains(['\\', '_', '^', '*', '{', '`', '~', '[', '<']);
    if begins && !same && !rest.contains('\n') { Fate::Hold } else { Fate::Literal }
}
