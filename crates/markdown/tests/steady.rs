//! Law: what a reader has seen of an answer stays. The score counts characters shown and later taken back.
#![allow(clippy::print_stderr, clippy::print_stdout, clippy::unwrap_used)]

#[path = "support/reader.rs"]
mod reader;

mod support;

use std::path::{Path, PathBuf};

use perennial_markdown::{Ansi, Renderer};
use reader::Reader;
use support::cut;

/// The texts of recorded answers, or `None`, said on stderr, where there are none.
fn answers() -> Option<Vec<(String, String)>> {
    let root = std::env::var_os("PERENNIAL_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    let Ok(folder) = std::fs::read_dir(root.join("expected")) else {
        eprintln!("skipped: no fixtures at {}; set PERENNIAL_FIXTURES", root.display());
        return None;
    };
    let mut texts = Vec::new();
    for entry in folder {
        let path = entry.unwrap().path();
        let name = path.file_stem().unwrap().to_string_lossy().into_owned();
        let message: serde_json::Value =
            serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap();
        // Texts that follow one another are one text: citations part it in the middle of a line.
        let mut joins = false;
        for block in message["content"].as_array().into_iter().flatten() {
            let joined = std::mem::replace(&mut joins, block["type"] == "text");
            for field in ["text", "thinking"] {
                let Some(text) = block[field].as_str().filter(|text| !text.is_empty()) else { continue };
                match texts.last_mut() {
                    Some((last, before)) if joined && *last == name => String::push_str(before, text),
                    _ => texts.push((name.clone(), text.to_owned())),
                }
            }
        }
    }
    texts.sort();
    Some(texts)
}

/// The papers of this repository.
fn papers() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut texts = Vec::new();
    for folder in [root.clone(), root.join("docs")] {
        for entry in std::fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.extension().is_some_and(|extension| extension == "md") {
                let name = path.file_name().unwrap().to_string_lossy().into_owned();
                texts.push((name, std::fs::read_to_string(path).unwrap()));
            }
        }
    }
    texts.sort();
    texts
}

/// What became of texts in pieces of a size; pieces of size 0 are of many sizes.
#[derive(Debug, Default)]
struct Score {
    characters: usize,
    taken_back: usize,
    /// Characters that a late definition wrote anew.
    patched: usize,
    /// Characters that had arrived and were not shown, summed over the pieces.
    held: usize,
    pieces: usize,
}

fn score(texts: &[(String, String)], size: usize) -> Score {
    let mut score = Score::default();
    for (name, text) in texts {
        let mut renderer = Renderer::new();
        let mut reader = Reader::default();
        let mut arrived = 0;
        for piece in if size == 0 { uneven(text) } else { cut(text, size) } {
            reader.read(&renderer.push(piece));
            arrived += piece.chars().filter(|c| c.is_alphanumeric()).count();
            score.held += arrived.saturating_sub(reader.letters());
            score.pieces += 1;
        }
        reader.read(&renderer.finish());
        for (before, after) in &reader.cases {
            let end = |text: &str| {
                text.chars().rev().take(60).collect::<Vec<_>>().into_iter().rev().collect::<String>()
            };
            println!("{name}, pieces of {size}: {:?} became {:?}", end(before), end(after));
        }
        score.taken_back += reader.taken_back;
        score.patched += reader.patched;
        score.characters += reader.characters();
    }
    println!(
        "pieces of {size}: {} of {} characters taken back, {} patched, {:.1} letters held on average",
        score.taken_back,
        score.characters,
        score.patched,
        score.held as f64 / score.pieces as f64
    );
    score
}

fn uneven(text: &str) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    let mut turn = 7_usize;
    while !rest.is_empty() {
        turn = (turn * 31 + 11) % 29;
        let piece = cut(rest, turn + 1)[0];
        pieces.push(piece);
        rest = &rest[piece.len()..];
    }
    pieces
}

#[test]
fn nothing_of_an_answer_is_taken_back() {
    let Some(answers) = answers() else { return };
    assert!(answers.len() > 100, "only {} answers were found", answers.len());
    for size in [1, 2, 3, 4, 8, 16, 64, 0] {
        let score = score(&answers, size);
        assert_eq!((score.taken_back, score.patched), (0, 0), "with pieces of {size}");
    }
}

#[test]
fn little_of_a_paper_is_taken_back() {
    let papers = papers();
    for size in [1, 4, 16, 0] {
        let Score { taken_back, characters, .. } = score(&papers, size);
        assert!(taken_back * 2000 <= characters, "{taken_back} of {characters} with pieces of {size}");
    }
}

#[test]
fn a_terminal_prints_the_same_bytes_for_all_pieces() {
    let mut texts = papers();
    texts.extend(answers().unwrap_or_default());
    for (name, text) in &texts {
        let print = |pieces: Vec<&str>| {
            let mut renderer = Renderer::new();
            let mut terminal = Ansi::new(Some(80));
            let mut out = String::new();
            for piece in pieces {
                out += &terminal.apply(&renderer.push(piece));
            }
            out += &terminal.apply(&renderer.finish());
            out + &terminal.finish()
        };
        let whole = print(vec![text]);
        for size in [3, 16, 0] {
            let pieces = if size == 0 { uneven(text) } else { cut(text, size) };
            assert!(print(pieces) == whole, "{name} in pieces of {size}");
        }
    }
}
