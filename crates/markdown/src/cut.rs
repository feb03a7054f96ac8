//! Cuts: where the text behind which nothing changes any more ends.
//!
//! Of an open container only the last child can change. So after a whole line everything before the last child is final, at
//! every depth. Deep cuts need a context: for each open container a line that brings the parser into it again. In a fence
//! and in a table the lines are the children. A cut is proposed here and taken only if the parser, started from the
//! context, finds the same as it did without the cut.

use crate::Node;
use crate::hold::Place;
use crate::parse::{Container, ContainerKind, Parsed};
use crate::piece::{Piece, without_last_closes};

/// No deeper than this: the contexts of containers that all begin on one line are together as long as the line, squared.
const MAX_DEPTH: usize = 24;

/// A proposed cut.
#[derive(Debug)]
pub(crate) struct Cut {
    /// Where the text goes on.
    pub(crate) at: usize,
    /// How many pieces are final.
    pub(crate) pieces: usize,
    /// The containers that are open there.
    pub(crate) path: Vec<(Source, Container)>,
}

/// Where a container of a cut's path comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// It was in the path before.
    Path(usize),
    /// This piece opened it.
    Piece(usize),
}

/// The open nodes at the end of the pieces, outermost first, down to the block that stands last.
pub(crate) fn open_at_end(pieces: &[Piece], path: usize) -> Vec<Source> {
    let mut open: Vec<Source> = (0..path).map(Source::Path).collect();
    for (at, piece) in pieces[..without_last_closes(pieces)].iter().enumerate() {
        if piece.node().is_some() {
            open.push(Source::Piece(at));
        } else if piece.is_close() {
            open.pop();
        }
    }
    let inline = open.iter().position(|source| match source {
        Source::Piece(at) => pieces[*at].node().is_some_and(Node::is_inline),
        Source::Path(_) => false,
    });
    open.truncate(inline.unwrap_or(open.len()));
    open
}

/// In which kind of place the next line of `text` begins; `text` ends with a whole line.
pub(crate) fn place(parsed: &Parsed, text: &str, path: &[Container]) -> Place {
    let open = open_at_end(&parsed.pieces, path.len());
    let fence = match open.last() {
        Some(Source::Piece(at)) if parsed.pieces[*at].fenced => Some(&text[parsed.pieces[*at].at..]),
        Some(Source::Path(at)) if path[*at].kind == ContainerKind::Fence => Some(""),
        _ => None,
    };
    if let Some(from) = fence {
        let opening = match open.last() {
            Some(Source::Path(at)) => path[*at].stub.trim_start_matches([' ', '>']),
            _ => from,
        };
        let mark = opening.as_bytes().first().copied().unwrap_or(b'`');
        let length = opening.bytes().take_while(|b| *b == mark).count();
        let body = if from.is_empty() { text } else { from.split_once('\n').map_or("", |(_, body)| body) };
        // A definition leaves no piece, and stands behind the fence.
        let behind = text.len() - body.len();
        let defined = parsed.links.iter().any(|defined| defined.start >= behind);
        let quotes = open.iter().filter(|source| is_quote(**source, &parsed.pieces, path)).count();
        let is_over = defined || is_closed(body, mark, length) || is_left(body, quotes);
        return if is_over { Place::Prose } else { Place::Fence(mark, length) };
    }
    let in_table = open.iter().any(|source| match source {
        Source::Piece(at) => matches!(parsed.pieces[*at].node(), Some(Node::Table { .. })),
        Source::Path(at) => path[*at].kind == ContainerKind::Table,
    });
    if in_table && !ends_blank(text) { Place::Table } else { Place::Prose }
}

/// Whether a line of a fence's body closes it, or looks so.
fn is_closed(body: &str, mark: u8, length: usize) -> bool {
    body.lines().any(|line| {
        let line = line.trim_start_matches([' ', '>', '\t']).trim_end();
        line.len() >= length && line.bytes().all(|b| b == mark)
    })
}

/// Whether a line of a fence's body ends a quote around it: a blank one that lacks a mark. It leaves no piece either.
fn is_left(body: &str, quotes: usize) -> bool {
    quotes > 0
        && body.lines().any(|line| {
            let marks = line.bytes().filter(|b| *b == b'>').count();
            marks < quotes && line.trim_matches([' ', '\t', '>']).is_empty()
        })
}

fn is_quote(source: Source, pieces: &[Piece], path: &[Container]) -> bool {
    let kind = match source {
        Source::Path(at) => path.get(at).map(|container| container.kind),
        Source::Piece(at) => pieces[at].node().and_then(ContainerKind::of),
    };
    kind == Some(ContainerKind::Quote)
}

/// The last line of a text that ends with a line.
pub(crate) fn last_line(text: &str) -> &str {
    let body = text.strip_suffix('\n').unwrap_or(text);
    &body[body.rfind('\n').map_or(0, |at| at + 1)..]
}

pub(crate) fn ends_blank(text: &str) -> bool {
    text.is_empty() || last_line(text).trim_matches([' ', '\t', '>']).is_empty()
}

/// The cuts that may be taken, the best first. `text` is what was parsed, without its context, and ends with a whole line.
pub(crate) fn propose(parsed: &Parsed, text: &str, path: &[Container], enough: usize) -> Vec<Cut> {
    let pieces = &parsed.pieces;
    let open = open_at_end(pieces, path.len());
    let mut cuts = Vec::new();
    if pieces.is_empty() && path.is_empty() {
        if ends_blank(text) {
            cuts.push(Cut { at: text.len(), pieces: 0, path: Vec::new() });
        }
        return cuts;
    }
    let mut containers: Vec<(Source, Container)> = Vec::new();
    for (depth, source) in open.iter().enumerate() {
        if let Source::Piece(piece) = *source {
            let at = line_start(text, pieces[piece].at);
            // A child that begins on its parent's line cannot be parted from it.
            let parent = depth.checked_sub(1).map(|parent| open[parent]);
            let apart = match parent {
                Some(Source::Piece(parent)) => at > pieces[parent].at,
                Some(Source::Path(_)) | None => true,
            };
            let start = before_definitions(parsed, text, at);
            if apart && (start == at || depth == 0) {
                cuts.push(Cut { at: start, pieces: piece, path: containers.clone() });
            }
        }
        if depth >= MAX_DEPTH {
            break;
        }
        let Some(container) = container(*source, pieces, text, path) else { break };
        let is_fence = container.kind == ContainerKind::Fence;
        containers.push((*source, container));
        if is_fence {
            if matches!(place(parsed, text, path), Place::Fence(..)) {
                let pieces = without_last_closes(pieces);
                cuts.push(Cut { at: text.len(), pieces, path: containers.clone() });
            }
            break;
        }
    }
    let before: usize = path.iter().map(|container| container.stub.len()).sum::<usize>() + text.len();
    let left = |cut: &Cut| {
        text.len() - cut.at + cut.path.iter().map(|(_, container)| container.stub.len()).sum::<usize>()
    };
    cuts.retain(|cut| cut.at > 0 && left(cut) < before);
    // The shallowest that leaves little, else the deepest.
    let best = cuts.iter().position(|cut| left(cut) <= enough).unwrap_or(cuts.len().saturating_sub(1));
    let mut sorted: Vec<Cut> = cuts.drain(..cuts.len().min(best + 1)).collect();
    sorted.reverse();
    sorted
}

fn line_start(text: &str, at: usize) -> usize {
    text[..at.min(text.len())].rfind('\n').map_or(0, |at| at + 1)
}

/// A definition right above a block belongs to the block: without it, the first line would be read in another way.
fn before_definitions(parsed: &Parsed, text: &str, mut at: usize) -> usize {
    // They are sorted: each is looked at once.
    for defined in parsed.links.iter().rev() {
        if defined.start >= at {
            continue;
        }
        if ends_blank(&text[..at]) || defined.end <= line_start(text, at - 1) {
            break;
        }
        at = line_start(text, defined.start);
    }
    at
}

fn container(source: Source, pieces: &[Piece], text: &str, path: &[Container]) -> Option<Container> {
    let at = match source {
        Source::Path(at) => return path.get(at).cloned(),
        Source::Piece(at) => at,
    };
    let piece = &pieces[at];
    let kind = ContainerKind::of(piece.node()?)?;
    let prefix = blank_markers(&text[line_start(text, piece.at)..piece.at])?;
    let line = text[piece.at..].lines().next().unwrap_or_default();
    let stub = match kind {
        ContainerKind::Quote => format!("{prefix}> # x\n"),
        ContainerKind::List => format!("{prefix}{}x\n", marker(line)?),
        ContainerKind::Item => format!("{prefix}{}# x\n", marker(line)?),
        ContainerKind::Fence => {
            if !piece.fenced {
                return None;
            }
            format!("{prefix}{line}\n")
        }
        ContainerKind::Table => {
            let delimiters = text[piece.at..].lines().nth(1)?;
            format!("{prefix}{line}\n{delimiters}\n")
        }
    };
    Some(Container { kind, stub })
}

/// What stands before a container on its line, with the markers of items taken for blanks; `None` where columns are unclear.
fn blank_markers(prefix: &str) -> Option<String> {
    if prefix.contains('\t') || !prefix.is_ascii() {
        return None;
    }
    Some(prefix.chars().map(|c| if c == '>' { '>' } else { ' ' }).collect())
}

/// The marker of an item with the blanks around it, as wide as it stands.
fn marker(line: &str) -> Option<String> {
    let indent = line.bytes().take_while(|b| *b == b' ').count();
    let rest = &line[indent..];
    let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
    let width = digits + 1;
    if !rest.is_char_boundary(width) || rest.is_empty() {
        return None;
    }
    let after = &rest[width..];
    let blanks = after.bytes().take_while(|b| *b == b' ').count();
    if after[blanks..].starts_with('\t') {
        return None;
    }
    // Five blanks and more are one, and the rest is code; nothing behind the marker counts as one.
    let padding = if (1..5).contains(&blanks) && blanks < after.len() { blanks } else { 1 };
    Some(format!("{}{}{}", &line[..indent], &rest[..width], " ".repeat(padding)))
}
