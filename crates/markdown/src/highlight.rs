//! Highlighting: lines of code to runs of tokens, each line once.
//!
//! A line is coloured when it is whole: its look then never changes. So where code is highlighted its open line waits for its end. The state
//! after a line and its runs are remembered as long as the line may be written again.

#[cfg(not(feature = "highlight"))]
pub(crate) use off::{Highlighter, State};
#[cfg(feature = "highlight")]
pub(crate) use on::{Highlighter, State};

use crate::piece::{Kind, Piece};
use crate::{Node, Token};

/// Runs of a line: how many bytes, and what they are.
pub(crate) type Runs = Vec<(Option<Token>, usize)>;

/// Longer lines are not coloured: they are data, and the time for them is better spent.
#[cfg(feature = "highlight")]
const LONGEST: usize = 2_000;

/// Colours the lines of all blocks of code. `begin` is the state in which the pieces begin, inside a block; `last` says whether a line without an end
/// is coloured too. Gives the state after the last line, where the pieces end inside a block.
pub(crate) fn highlight(
    pieces: Vec<Piece>,
    begin: Option<State>,
    last: bool,
    highlighter: &mut Highlighter,
) -> (Vec<Piece>, Option<State>) {
    if begin.is_none() && !highlighter.knows_any(&pieces) {
        return (pieces, None);
    }
    let mut out = Vec::with_capacity(pieces.len() * 2);
    let mut state = begin;
    let mut line: Option<Piece> = None;
    for piece in pieces {
        match &piece.kind {
            Kind::Text(text) if state.is_some() => {
                // A text may be several lines, and where a tab was parted a line is several texts.
                for part in text.split_inclusive('\n') {
                    match line.as_mut() {
                        Some(Piece { kind: Kind::Text(before), .. }) => before.push_str(part),
                        _ => line = Some(Piece::new(Kind::Text(part.to_owned()), piece.at, piece.end)),
                    }
                    if part.ends_with('\n') {
                        put(line.take(), &mut state, highlighter, &mut out);
                    }
                }
                continue;
            }
            Kind::Open(Node::CodeBlock { lang }) => state = highlighter.begin(lang),
            Kind::Close if state.is_some() => {
                end(line.take(), last, &mut state, highlighter, &mut out);
                state = None;
            }
            _ => {}
        }
        out.push(piece);
    }
    end(line.take(), last, &mut state, highlighter, &mut out);
    (out, state)
}

fn end(
    line: Option<Piece>,
    last: bool,
    state: &mut Option<State>,
    highlighter: &mut Highlighter,
    out: &mut Vec<Piece>,
) {
    if last {
        put(line, state, highlighter, out);
    } else {
        out.extend(line);
    }
}

fn put(line: Option<Piece>, state: &mut Option<State>, highlighter: &mut Highlighter, out: &mut Vec<Piece>) {
    let Some(Piece { kind: Kind::Text(text), at, end, .. }) = line else { return };
    let Some(before) = state.as_ref() else { return };
    let (runs, after) = highlighter.line(before, &text);
    let mut from = 0;
    for (token, length) in runs {
        let run = &text[from..from + length];
        from += length;
        // Blanks have no colour, and the end of a line belongs to no token.
        let token = token.filter(|_| !run.trim().is_empty());
        if let Some(token) = token {
            let body = run.trim_end_matches('\n');
            out.push(Piece::new(Kind::Open(Node::Token { token }), at, end));
            out.push(Piece::new(Kind::Text(body.to_owned()), at, end));
            out.push(Piece::new(Kind::Close, at, end));
            if body.len() < run.len() {
                out.push(Piece::new(Kind::Text(run[body.len()..].to_owned()), at, end));
            }
        } else {
            out.push(Piece::new(Kind::Text(run.to_owned()), at, end));
        }
    }
    *state = Some(after);
}

#[cfg(not(feature = "highlight"))]
mod off {
    use super::Runs;
    use crate::piece::Piece;

    /// Nothing is known.
    #[derive(Debug, Clone)]
    pub(crate) struct State;

    /// Knows no language.
    #[derive(Debug, Default)]
    pub(crate) struct Highlighter;

    #[allow(clippy::unused_self)]
    impl Highlighter {
        pub(crate) fn new(_on: bool) -> Self {
            Self
        }

        pub(crate) fn knows_any(&self, _pieces: &[Piece]) -> bool {
            false
        }

        pub(crate) fn begin(&mut self, _lang: &str) -> Option<State> {
            None
        }

        pub(crate) fn line(&mut self, _state: &State, line: &str) -> (Runs, State) {
            (vec![(None, line.len())], State)
        }

        pub(crate) fn take_spent(&mut self) -> usize {
            0
        }
    }
}

#[cfg(feature = "highlight")]
mod on {
    use std::collections::HashMap;
    use std::sync::{Arc, LazyLock};

    use syntect::parsing::{ParseState, Scope, ScopeStack, SyntaxReference, SyntaxSet};

    use super::{LONGEST, Runs};
    use crate::piece::Piece;
    use crate::{Node, Token};

    static SYNTAXES: LazyLock<SyntaxSet> = LazyLock::new(SyntaxSet::load_defaults_newlines);

    /// What scopes mean, the more special before the more general.
    static SCOPES: LazyLock<Vec<(Scope, Token)>> = LazyLock::new(|| {
        [
            ("comment", Token::Comment),
            ("markup.inserted", Token::Inserted),
            ("markup.deleted", Token::Deleted),
            ("string", Token::String),
            ("constant.numeric", Token::Number),
            ("constant.character.escape", Token::Constant),
            ("constant", Token::Constant),
            ("entity.name.function", Token::Function),
            ("support.function", Token::Function),
            ("variable.function", Token::Function),
            ("entity.name.tag", Token::Tag),
            ("entity.other.attribute-name", Token::Attribute),
            ("entity.name", Token::Type),
            ("entity.other.inherited-class", Token::Type),
            ("support.type", Token::Type),
            ("support.class", Token::Type),
            ("storage.type", Token::Keyword),
            ("storage", Token::Keyword),
            ("keyword.operator.word", Token::Keyword),
            ("keyword.control", Token::Keyword),
            ("keyword.other", Token::Keyword),
            ("variable.language", Token::Constant),
        ]
        .into_iter()
        .filter_map(|(name, token)| Some((Scope::new(name).ok()?, token)))
        .collect()
    });

    /// What the highlighter knows at the beginning of a line.
    #[derive(Debug, Clone)]
    pub(crate) struct State(Arc<Inner>);

    #[derive(Debug)]
    struct Inner {
        /// No two states share it.
        number: u64,
        parse: ParseState,
        scopes: ScopeStack,
    }

    /// Lines that are remembered; a longer open part of a document is coloured anew now and then.
    const REMEMBERED: usize = 4_096;

    /// Colouring a byte takes as long as parsing so many.
    const PRICE: usize = 32;

    #[derive(Debug, Default)]
    pub(crate) struct Highlighter {
        on: bool,
        last: u64,
        languages: HashMap<String, Option<State>>,
        lines: HashMap<(u64, String), (Runs, State)>,
        spent: usize,
    }

    impl Highlighter {
        pub(crate) fn new(on: bool) -> Self {
            Self { on, ..Self::default() }
        }

        pub(crate) fn knows_any(&self, pieces: &[Piece]) -> bool {
            self.on
                && pieces
                    .iter()
                    .any(|piece| matches!(piece.node(), Some(Node::CodeBlock { lang }) if !lang.is_empty()))
        }

        /// The state at the beginning of code in a language, if it is known.
        pub(crate) fn begin(&mut self, lang: &str) -> Option<State> {
            if !self.on || lang.is_empty() {
                return None;
            }
            if let Some(state) = self.languages.get(lang) {
                return state.clone();
            }
            let state = syntax(lang).map(|syntax| self.state(ParseState::new(syntax), ScopeStack::new()));
            self.languages.insert(lang.to_owned(), state.clone());
            state
        }

        fn state(&mut self, parse: ParseState, scopes: ScopeStack) -> State {
            self.last += 1;
            State(Arc::new(Inner { number: self.last, parse, scopes }))
        }

        pub(crate) fn line(&mut self, state: &State, line: &str) -> (Runs, State) {
            if line.len() > LONGEST {
                return (vec![(None, line.len())], state.clone());
            }
            let key = (state.0.number, line.to_owned());
            if let Some(found) = self.lines.get(&key) {
                return found.clone();
            }
            self.spent += line.len() * PRICE;
            let mut parse = state.0.parse.clone();
            let mut scopes = state.0.scopes.clone();
            let Ok(ops) = parse.parse_line(line, &SYNTAXES) else {
                return (vec![(None, line.len())], state.clone());
            };
            let mut runs: Runs = Vec::new();
            let mut from = 0;
            for (at, op) in ops {
                add(&mut runs, token(&scopes), at - from);
                from = at;
                // A stack that was left too early is a fault of the syntax, and costs a colour.
                let _ = scopes.apply(&op);
            }
            add(&mut runs, token(&scopes), line.len() - from);
            let after = self.state(parse, scopes);
            if self.lines.len() >= REMEMBERED {
                self.lines.clear();
            }
            self.lines.insert(key, (runs.clone(), after.clone()));
            (runs, after)
        }

        /// The work since the last call, in bytes of parsing.
        pub(crate) fn take_spent(&mut self) -> usize {
            std::mem::take(&mut self.spent)
        }
    }

    fn add(runs: &mut Runs, token: Option<Token>, length: usize) {
        if length == 0 {
            return;
        }
        match runs.last_mut() {
            Some((last, before)) if *last == token => *before += length,
            _ => runs.push((token, length)),
        }
    }

    fn token(scopes: &ScopeStack) -> Option<Token> {
        scopes.as_slice().iter().rev().find_map(|scope| {
            SCOPES.iter().find(|(prefix, _)| prefix.is_prefix_of(*scope)).map(|(_, token)| *token)
        })
    }

    fn syntax(lang: &str) -> Option<&'static SyntaxReference> {
        let lang = lang.to_ascii_lowercase();
        let known = match lang.as_str() {
            "ts" | "typescript" | "tsx" | "jsx" | "mjs" => "js",
            "shell" | "console" | "zsh" | "shellsession" => "bash",
            "jsonc" | "json5" | "jsonl" => "json",
            "text" | "txt" | "plain" | "plaintext" => return None,
            other => other,
        };
        SYNTAXES.find_syntax_by_token(known)
    }
}
