//! What it costs that a stream is viewed, in time of a processor: as much as its length, and little more for each further viewer.

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt as _;
use http_body_util::BodyExt as _;
use perennial_log::{After, Entry, Kind, Log, MemoryLog, MemoryOptions, Outcome, Reader, StreamId, Writer};
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;

use super::tests::{LIFE, run};
use super::{Cursor, Face, FaceBody, ManyBody, Renderings, Shelf, Source};

/// What this thread has used of a processor, whatever else the machine does.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Paragraphs, lists and a little emphasis, as they come, word by word.
fn deltas(count: usize) -> Vec<Entry> {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut entries = vec![event(
        "content_block_start",
        &json!({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
    )];
    for number in 0..count {
        let word: String = (0..dice.usize(2..9)).map(|_| dice.lowercase()).collect();
        let text = match number % 60 {
            59 => format!("{word}.\n\n"),
            40 => format!("\n- {word} "),
            20 => format!("**{word}** "),
            _ => format!("{word} "),
        };
        entries.push(event(
            "content_block_delta",
            &json!({"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": text}}),
        ));
    }
    entries.push(event("content_block_stop", &json!({"type": "content_block_stop", "index": 0})));
    entries
        .push(Entry::terminal(Outcome::Completed, r#"{"stop_reason":"end_turn","usage":null,"error":null}"#));
    entries
}

fn event(name: &str, data: &serde_json::Value) -> Entry {
    Entry::event(format!("event: {name}\ndata: {data}\n\n"))
}

enum Way {
    /// `GET /v1/streams/{id}/events`.
    One(Face),
    /// `GET /v1/events`.
    Many(Face),
}

/// What so many viewers that are there while an answer comes take together.
fn cost(count: usize, viewers: usize, way: &Way) -> Duration {
    run(async {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(MemoryOptions::default()));
        let stream = StreamId::new();
        let mut writer =
            Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
        let (renderings, shelf) = (Arc::new(Renderings::default()), Arc::new(Shelf::default()));
        let mut readers: Vec<http_body_util::combinators::UnsyncBoxBody<bytes::Bytes, ()>> = Vec::new();
        for _ in 0..viewers {
            let reader = Reader::attach(&log, stream, After::Start).await.unwrap();
            let (Way::One(face) | Way::Many(face)) = way;
            let rendering = (*face == Face::Tape).then(|| renderings.of(&log, stream));
            let cursor = Cursor::new(reader, rendering);
            readers.push(match way {
                Way::One(face) => FaceBody::new(cursor, *face, Some(Arc::clone(&shelf)), LIFE, None)
                    .map_err(drop)
                    .boxed_unsync(),
                Way::Many(_) => ManyBody::new(
                    vec![Source::open(stream, After::Start, cursor, Some(Arc::clone(&shelf)), None)],
                    LIFE,
                )
                .map_err(drop)
                .boxed_unsync(),
            });
        }
        let (mut took, mut bytes) = (Duration::ZERO, 0);
        for entry in deltas(count) {
            writer.append(&[entry]).await.unwrap();
            let before = used();
            for reader in &mut readers {
                while let Some(Some(Ok(frame))) = reader.frame().now_or_never() {
                    bytes += frame.into_data().unwrap().len();
                }
            }
            took += used() - before;
        }
        assert!(bytes > count * viewers * 100, "each has all of it");
        took
    })
}

fn least(count: usize, viewers: usize, way: &Way) -> Duration {
    (0..3).map(|_| cost(count, viewers, way)).min().unwrap()
}

#[test]
fn a_long_answer_costs_as_much_as_its_length() {
    for (name, way) in [("one", Way::One(Face::Tape)), ("many", Way::Many(Face::Tape))] {
        let (short, long) = (least(1_000, 1, &way), least(20_000, 1, &way));
        println!("{name}: {short:?} for 1,000 deltas, {long:?} for 20,000");
        assert!(long < short * 50, "{name}: {short:?} for 1,000 deltas, {long:?} for 20,000");
    }
}

/// What is parsed, rendered and written of an event is so for all that view it.
#[test]
fn another_viewer_costs_little() {
    for (name, way) in [("one", Way::One(Face::Tape)), ("many", Way::Many(Face::Tape))] {
        let (one, ten) = (least(4_000, 1, &way), least(4_000, 10, &way));
        println!("{name}: {one:?} for one viewer, {ten:?} for ten");
        assert!(ten < one * 4, "{name}: {one:?} for one viewer, {ten:?} for ten");
    }
}

#[test]
fn a_line_is_written_once_for_all_that_read_it() {
    run(async {
        let log: Arc<dyn Log> = Arc::new(MemoryLog::new(MemoryOptions::default()));
        let stream = StreamId::new();
        let mut writer =
            Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
        writer.append(&deltas(3)).await.unwrap();
        let mut reader = Reader::attach(&log, stream, After::Start).await.unwrap();
        let run = reader.next().await.unwrap().unwrap();
        let shelf = Shelf::default();
        for record in &run {
            let [raw, again] = [shelf.line(record, false), shelf.line(record, false)];
            assert_eq!(raw.as_ptr(), again.as_ptr(), "written once");
            // As it is in the log and as it is rendered are two things.
            assert!(raw.is_empty() || shelf.line(record, true).as_ptr() != raw.as_ptr());
        }
    });
}
