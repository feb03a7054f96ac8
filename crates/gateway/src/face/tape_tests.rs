//! The law of faces for the tape, whose records depend on those before them.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use perennial_log::{After, Entry, Outcome, Reader, Record};
use perennial_markdown::{Html, Settings, Tape, batch};
use perennial_protocol::sse::Decoder;
use proptest::prelude::*;
use serde_json::Value;

use super::rendered::Rendering;
use super::tape::Renderers;
use super::tests::{LIFE, Told, history, read, run, tell};
use super::{Cursor, Face, FaceBody, Renderings, Shelf};

/// What the face shows of these records, made in one go.
fn written(records: &[Record]) -> Vec<u8> {
    let mut renderers = Renderers::default();
    let mut out = BytesMut::new();
    for record in records {
        assert!(Face::Tape.write(&renderers.write(record), &mut out));
    }
    out.to_vec()
}

async fn body(told: &Told, after: After, rendering: &Arc<Rendering>, shelf: &Arc<Shelf>) -> FaceBody {
    let reader = Reader::attach(&told.log, told.stream, after).await.unwrap();
    let cursor = Cursor::new(reader, Some(Arc::clone(rendering)));
    FaceBody::new(cursor, Face::Tape, Some(Arc::clone(shelf)), LIFE, None)
}

/// A reader from each of these positions, one after the other and some at once, gets the rest of the whole.
async fn resume(told: &Told, most: usize, positions: impl Iterator<Item = usize>) {
    let renderings = Arc::new(Renderings::default());
    let whole = written(&told.records);
    let mut offsets = vec![0];
    let mut renderers = Renderers::default();
    for record in &told.records {
        let mut out = BytesMut::new();
        assert!(Face::Tape.write(&renderers.write(record), &mut out));
        offsets.push(offsets[offsets.len() - 1] + out.len());
    }
    // One that stands still in the middle, so that the run is shared and others come to it from everywhere.
    let shelf = Arc::new(Shelf::default());
    let rendering = renderings.with_limit(&told.log, told.stream, most);
    let mut slow = body(told, After::Start, &rendering, &shelf).await;
    let mut begun = Vec::new();
    if let Some(Some(Ok(frame))) = slow.frame().now_or_never() {
        begun.extend(frame.into_data().unwrap());
    }
    for index in positions {
        let after = told.records.get(index).map_or(After::Start, |record| record.position().into());
        let at = if index < told.records.len() { index + 1 } else { 0 };
        let shared = renderings.with_limit(&told.log, told.stream, most);
        let (rest, broken) = read(body(told, after, &shared, &Arc::new(Shelf::default())).await).await;
        assert_eq!(
            String::from_utf8_lossy(&rest),
            String::from_utf8_lossy(&whole[offsets[at]..]),
            "after record {at}, {most} bytes kept"
        );
        assert!(!broken);
    }
    begun.extend(read(slow).await.0);
    assert!(begun == whole, "the one that was slow");
    drop(rendering);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// `resume(k)` is `full` from k on, byte for byte, whatever is kept for those that are behind.
    #[test]
    fn a_viewer_that_resumes_gets_the_rest(history in history(), most in prop_oneof![Just(0), Just(600), Just(1 << 20)]) {
        run(async {
            let told = tell(&history, async |_, _| {}).await;
            resume(&told, most, 0..told.records.len()).await;
        });
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 32, ..ProptestConfig::default() })]

    /// Viewers that are there while the stream grows get the same bytes as one that comes when it has ended, whatever is kept for them.
    #[test]
    fn it_does_not_matter_when_a_viewer_comes(history in history(), most in prop_oneof![Just(0), Just(600), Just(1 << 20)]) {
        run(async {
            let renderings = Arc::new(Renderings::default());
            let shelf = Arc::new(Shelf::default());
            let mut early = Vec::new();
            let told = tell(&history, async |log, stream| {
                let reader = Reader::attach(log, stream, After::Start).await.unwrap();
                let cursor = Cursor::new(reader, Some(renderings.with_limit(log, stream, most)));
                let body = FaceBody::new(cursor, Face::Tape, Some(Arc::clone(&shelf)), LIFE, None);
                early.push((Vec::new(), body));
                // Those that are there read a piece, if there is one, but for every third, which falls behind.
                for (index, (seen, body)) in early.iter_mut().enumerate() {
                    if index % 3 != 2
                        && let Some(Some(Ok(frame))) = body.frame().now_or_never()
                    {
                        seen.extend(frame.into_data().unwrap());
                    }
                }
            });
            let told = told.await;
            let whole = written(&told.records);
            for (mut seen, body) in early {
                seen.extend(read(body).await.0);
                assert_eq!(String::from_utf8_lossy(&seen), String::from_utf8_lossy(&whole), "{most} bytes kept");
            }
        });
    }
}

/// The recorded answers, where they are there.
fn recorded() -> Vec<PathBuf> {
    let root = std::env::var_os("PERENNIAL_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    let mut folders = vec![root.join("recorded"), root.join("handwritten")];
    let mut files = Vec::new();
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ext| ext == "sse") {
                files.push(path);
            }
        }
    }
    files.sort();
    files
}

fn events(bytes: &[u8]) -> Vec<Entry> {
    let mut decoder = Decoder::new();
    let mut input = bytes;
    let mut entries = Vec::new();
    while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
        entries.push(Entry::event(frame.raw().to_vec()));
    }
    entries
}

/// Every recorded answer, whole and cut: resumed anywhere, and its tapes are the pages of its texts.
#[test]
fn the_tapes_of_recorded_answers_are_their_pages() {
    let seed =
        std::env::var("SEED").ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| fastrand::u64(..));
    eprintln!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    for path in recorded() {
        let events = events(&std::fs::read(&path).unwrap());
        if events.is_empty() || events.len() > 400 {
            continue;
        }
        for cut in [events.len(), random.usize(0..events.len())] {
            let end =
                Entry::terminal(Outcome::Completed, r#"{"stop_reason":null,"usage":null,"error":null}"#);
            run(async {
                let appends = events[..cut].chunks(50).map(|some| (false, some.to_vec())).collect();
                let told = tell(&(appends, end), async |_, _| {}).await;
                let positions: Vec<usize> = (0..3).map(|_| random.usize(0..=told.records.len())).collect();
                resume(&told, random.usize(0..20_000), positions.into_iter()).await;
                pages(&path, &told);
            });
        }
    }
}

/// The texts of the blocks, put into a page by the tapes and all at once.
fn pages(path: &std::path::Path, told: &Told) {
    let whole = written(&told.records);
    let mut decoder = Decoder::new();
    let mut input = &whole[..];
    let mut blocks: BTreeMap<u64, (String, Html, u64)> = BTreeMap::new();
    while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
        let Some(data) = frame.data() else { continue };
        // Half of a character is JSON, and no value of this library.
        let Ok(data) = serde_json::from_slice::<Value>(data) else { return };
        let mut apply = |index: u64, text: &str, tape: &Value| {
            let (texts, page, seq) = blocks.entry(index).or_default();
            texts.push_str(text);
            let tape = Tape::from_json(&tape.to_string()).unwrap();
            assert_eq!(tape.seq, *seq, "{}", path.display());
            *seq += tape.ops.len() as u64;
            page.apply(&tape.ops);
        };
        if let Some(tape) = data.get("tape") {
            let text = data["delta"]["text"].as_str().or(data["content_block"]["text"].as_str());
            apply(data["index"].as_u64().unwrap(), text.unwrap_or_default(), tape);
        }
        for (index, tape) in data["tapes"].as_object().into_iter().flatten() {
            apply(index.parse().unwrap(), "", tape);
        }
    }
    for (text, page, _) in blocks.values() {
        let mut at_once = Html::new();
        at_once.apply(&batch(text, Settings::default()));
        assert_eq!(page.html(), at_once.html(), "{}", path.display());
    }
}
