//! Texts that are no loops: what people asked real models for, and every line of this repository.

mod support;

use std::path::{Path, PathBuf};

use perennial_protocol::{ContentBlock, Loop, Repetition};
use support::{fixtures, fold, streams};

#[test]
fn no_recorded_answer_is_taken_for_a_loop() {
    let Some(root) = fixtures() else { return };
    let mut bytes = 0;
    for folder in ["recorded", "handwritten"] {
        for stream in streams(&root.join(folder)) {
            for block in fold(&stream.bytes).message().content {
                let text = match block {
                    ContentBlock::Text(block) => block.text,
                    ContentBlock::Thinking(block) => block.thinking,
                    _ => continue,
                };
                bytes += text.len();
                assert_eq!(Repetition::default().push(&text), None, "{}", stream.name);
            }
            // The bytes of the body are a text too, and a harder one.
            let body = String::from_utf8_lossy(&stream.bytes);
            assert_eq!(Repetition::default().push(&body), None, "{}", stream.name);
        }
    }
    assert!(bytes > 1_000, "{bytes} bytes of text were looked at");
}

#[test]
fn nothing_in_this_repository_is_taken_for_a_loop() {
    let (mut files, mut bytes) = (0, 0);
    for folder in ["crates", "docs", "web", "tests", "bench", "examples"] {
        let mut found: Vec<(PathBuf, Loop)> = Vec::new();
        walk(&Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(folder), &mut |path, text| {
            (files, bytes) = (files + 1, bytes + text.len());
            if let Some(seen) = Repetition::default().push(text) {
                found.push((path.to_owned(), seen));
            }
        });
        assert!(found.is_empty(), "{found:?}");
    }
    assert!(files > 300 && bytes > 1_000_000, "{files} files, {bytes} bytes");
}

/// Shows every text file below a folder, but for what was built or installed there.
fn walk(folder: &Path, see: &mut dyn FnMut(&Path, &str)) {
    let Ok(entries) = std::fs::read_dir(folder) else { return };
    for path in entries.map(|entry| entry.expect("an entry").path()) {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        if path.is_dir() {
            if !["target", "node_modules", "__pycache__"].contains(&&*name) && !name.starts_with('.') {
                walk(&path, see);
            }
        } else if let Ok(text) = std::fs::read_to_string(&path) {
            see(&path, &text);
        }
    }
}
