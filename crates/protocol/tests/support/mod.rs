//! What the tests share: the fixture streams and ways to read them.
#![allow(dead_code, unreachable_pub, clippy::print_stderr)]

use std::fs;
use std::path::{Path, PathBuf};

use perennial_protocol::sse::Decoder;
use perennial_protocol::{EventDecoder, Finding, Lint, Transcript};

pub struct Stream {
    pub name: String,
    pub bytes: Vec<u8>,
}

/// The folder of recorded streams, or `None`, said on stderr, where it is absent.
pub fn fixtures() -> Option<PathBuf> {
    let root = std::env::var_os("PERENNIAL_FIXTURES").map_or_else(
        || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    if root.join("recorded").is_dir() {
        return Some(root);
    }
    eprintln!("skipped: no fixtures at {}; set PERENNIAL_FIXTURES", root.display());
    None
}

/// The streams of a folder, by name.
pub fn streams(folder: &Path) -> Vec<Stream> {
    let mut streams: Vec<Stream> = fs::read_dir(folder)
        .expect("the folder can be read")
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sse"))
        .map(|path| Stream {
            name: path.file_stem().expect("a name").to_string_lossy().into_owned(),
            bytes: fs::read(&path).expect("the file can be read"),
        })
        .collect();
    streams.sort_by(|a, b| a.name.cmp(&b.name));
    streams
}

/// Folds a body; events that cannot be read are left out.
pub fn fold(bytes: &[u8]) -> Transcript {
    let mut decoder = EventDecoder::new();
    let mut transcript = Transcript::new();
    let mut input = bytes;
    while let Some(received) = decoder.next_event(&mut input) {
        if let Ok(Some(event)) = received.map(|received| received.event) {
            transcript.apply(&event);
        }
    }
    if let Some(event) = decoder.finish() {
        transcript.apply(&event);
    }
    transcript
}

/// The findings of the lint.
pub fn lint(bytes: &[u8]) -> Vec<Finding> {
    let mut decoder = Decoder::new();
    let mut lint = Lint::new();
    let mut input = bytes;
    while let Some(frame) = decoder.next_frame(&mut input) {
        lint.observe(&frame.expect("in the limit"));
    }
    lint.finish(decoder.finish().as_ref())
}
