//! Support for the tests: texts, pieces, and what a reader has seen of a tape.
#![allow(dead_code, missing_docs, unreachable_pub, clippy::unwrap_used)]

use perennial_markdown::{Html, Links, Op, Renderer, Settings, batch};

/// One example of the specification.
#[derive(Debug, serde::Deserialize)]
pub struct Example {
    pub number: u32,
    pub section: String,
    pub markdown: String,
    pub html: String,
}

pub fn examples() -> Vec<Example> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/fixtures/commonmark-0.31.2.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// Every way to work that must make no difference: usual, and cutting as deep as can be at every line.
pub fn settings() -> [Settings; 2] {
    let mut usual = Settings::default();
    usual.links = Links::Relative;
    let mut deep = usual;
    deep.enough = 0;
    [usual, deep]
}

pub fn html(ops: &[Op]) -> String {
    let mut sink = Html::new();
    sink.apply(ops);
    sink.html()
}

pub fn whole(text: &str) -> String {
    html(&batch(text, settings()[0]))
}

pub fn stream<'a>(pieces: impl IntoIterator<Item = &'a str>, settings: Settings) -> Vec<Op> {
    let mut renderer = Renderer::with_settings(settings);
    let mut ops = Vec::new();
    for piece in pieces {
        ops.extend(renderer.push(piece));
    }
    ops.extend(renderer.finish());
    ops
}

/// The text in pieces of about `size` bytes each.
pub fn cut(text: &str, size: usize) -> Vec<&str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let mut at = size.min(rest.len());
        while !rest.is_char_boundary(at) {
            at += 1;
        }
        let (piece, after) = rest.split_at(at);
        pieces.push(piece);
        rest = after;
    }
    pieces
}
