//! The law of faces, for all of them and every position.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt as _;
use perennial_log::{
    After, Entry, Kind, Log, MemoryLog, MemoryOptions, Outcome, Position, Reader, Record, StreamId, Writer,
};
use perennial_protocol::sse::Decoder;
use proptest::prelude::*;

use super::{Cursor, Face, FaceBody, ManyBody, Shelf, Source};

const FACES: [Face; 5] = [Face::Messages, Face::MessagesWithIds, Face::Sse, Face::Ndjson, Face::Text];

/// Long enough that no sign of life comes in between.
pub(super) const LIFE: Duration = Duration::from_secs(3600);

/// A frame of an upstream, sane or not.
fn frame() -> impl Strategy<Value = Bytes> {
    let ends = prop_oneof![Just("\n"), Just("\r\n"), Just("\r")];
    let line = prop_oneof![
        8 => Just("event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"é𝄞 a\\n\"}}".to_owned()),
        1 => Just("event: ping\ndata: {\"type\": \"ping\"}".to_owned()),
        1 => Just("data: {\"type\":\"message_stop\"}".to_owned()),
        1 => Just("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"overloaded_error\",\"message\":\"x\"}}".to_owned()),
        1 => Just("id: 7\nevent: x\ndata: {\"a\":\ndata: 1}".to_owned()),
        1 => Just("event: x\nid\ndata: not json".to_owned()),
        1 => Just(": a comment, id: 9".to_owned()),
        1 => Just("id: only".to_owned()),
        1 => Just(String::new()),
        1 => Just("event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"first\"}}".to_owned()),
        1 => "[ -~]{0,12}",
    ];
    (line, ends, prop_oneof![9 => Just(""), 1 => Just("\n"), 1 => Just("\u{feff}")]).prop_map(
        |(line, end, lead)| {
            let frame = format!("{line}\n\n").replace('\n', end);
            Bytes::from(format!("{lead}{frame}"))
        },
    )
}

fn entry() -> impl Strategy<Value = Entry> {
    prop_oneof![
        12 => frame().prop_map(Entry::event),
        1 => Just(Entry::new(Kind::Seam, r#"{"mode":"restart","reason":"takeover","message_start":"secret"}"#)),
        1 => Just(Entry::new(Kind::Cancel, r#"{"reason":"asked"}"#)),
        1 => Just(Entry::new(Kind::Attempt, "{}")),
        1 => Just(Entry::new(Kind::Fragment, "event: content_bl")),
        1 => Just(Entry::new(Kind::Other(99), "not known")),
    ]
}

fn ending() -> impl Strategy<Value = Entry> {
    let payload = prop_oneof![
        Just(r#"{"stop_reason":"end_turn","usage":{"output_tokens":3},"error":null}"#),
        Just(
            r#"{"stop_reason":null,"usage":null,"error":{"type":"api_error","message":"cut","status":502}}"#
        ),
        Just(
            r#"{"stop_reason":null,"usage":null,"error":{"type":"api_error","message":"said","status":502},"in_band":true}"#
        ),
        Just("of another version"),
    ];
    let outcome = prop_oneof![
        Just(Outcome::Completed),
        Just(Outcome::Cancelled),
        Just(Outcome::Failed),
        Just(Outcome::Interrupted)
    ];
    (outcome, payload).prop_map(|(outcome, payload)| Entry::terminal(outcome, payload))
}

/// What a stream comes to: appends, some of which begin a new epoch.
pub(super) fn history() -> impl Strategy<Value = (Vec<(bool, Vec<Entry>)>, Entry)> {
    let append = (prop::bool::weighted(0.1), prop::collection::vec(entry(), 1..5));
    (prop::collection::vec(append, 0..8), ending())
}

pub(super) fn run<T>(test: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().enable_time().build().unwrap().block_on(test)
}

pub(super) struct Told {
    pub(super) log: Arc<dyn Log>,
    pub(super) stream: StreamId,
    pub(super) records: Vec<Record>,
    /// What all readers of this test share.
    pub(super) shelf: Arc<Shelf>,
}

/// A stream with this history; `between` is done after each append.
pub(super) async fn tell(
    history: &(Vec<(bool, Vec<Entry>)>, Entry),
    mut between: impl AsyncFnMut(&Arc<dyn Log>, StreamId),
) -> Told {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(MemoryOptions::default()));
    let stream = StreamId::new();
    let mut writer =
        Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}\n{}")]).await.unwrap();
    between(&log, stream).await;
    for (takes_over, entries) in &history.0 {
        if *takes_over {
            let epoch = writer.fence().epoch;
            writer = Writer::takeover(&log, stream, epoch, br#"{"reason":"restart"}"#).await.unwrap();
        }
        writer.append(entries).await.unwrap();
        between(&log, stream).await;
    }
    writer.append(std::slice::from_ref(&history.1)).await.unwrap();
    let mut reader = Reader::attach(&log, stream, After::Start).await.unwrap();
    let mut records = Vec::new();
    while let Some(run) = reader.next().await.unwrap() {
        records.extend(run.iter().cloned());
    }
    Told { log, stream, records, shelf: Arc::default() }
}

/// Everything that a body says; whether it was broken off.
pub(super) async fn read(mut body: impl http_body::Body<Data = Bytes> + Unpin) -> (Vec<u8>, bool) {
    let mut out = Vec::new();
    while let Some(frame) = body.frame().await {
        match frame {
            Ok(frame) => out.extend(frame.into_data().unwrap_or_default()),
            Err(_) => return (out, true),
        }
    }
    (out, false)
}

async fn body(told: &Told, face: Face, after: After, shelf: Option<Arc<Shelf>>) -> FaceBody {
    let reader = Reader::attach(&told.log, told.stream, after).await.unwrap();
    FaceBody::new(Cursor::new(reader, None), face, shelf, LIFE, None)
}

fn written(face: Face, records: &[Record]) -> Vec<u8> {
    let mut out = BytesMut::new();
    for record in records {
        assert!(face.write(record, &mut out));
    }
    out.to_vec()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    /// `resume(F, k)` is `full(F)` from k on, byte for byte, for all faces and all k.
    #[test]
    fn a_reader_that_resumes_gets_the_rest(history in history()) {
        run(async {
            let told = tell(&history, async |_, _| {}).await;
            let shelf = Arc::new(Shelf::default());
            for face in FACES {
                let (full, broken) = read(body(&told, face, After::Start, None).await).await;
                assert_eq!(full, written(face, &told.records), "{face:?}");
                let outcome = told.records.last().unwrap().outcome().unwrap();
                assert_eq!(broken, face == Face::Text && outcome != Outcome::Completed);
                for (index, record) in told.records.iter().enumerate() {
                    let (rest, _) = read(body(&told, face, record.position().into(), Some(Arc::clone(&shelf))).await).await;
                    let expected = written(face, &told.records[index + 1..]);
                    assert_eq!(rest, expected, "{face:?} after {}", record.position());
                    assert!(full.ends_with(&rest));
                }
            }
        });
    }

    /// A reader that is there while the stream grows gets the same bytes as one that comes when it has ended.
    #[test]
    fn it_does_not_matter_when_a_reader_comes(history in history()) {
        run(async {
            let shelf = Arc::new(Shelf::default());
            let mut early = Vec::new();
            let told = tell(&history, async |log, stream| {
                for face in FACES {
                    let reader = Reader::attach(log, stream, After::Start).await.unwrap();
                    early.push((face, FaceBody::new(Cursor::new(reader, None), face, Some(Arc::clone(&shelf)), LIFE, None)));
                }
                // Those that are there read a piece, if there is one, and wait in the middle.
                for (_, body) in &mut early {
                    let _ = futures_util::FutureExt::now_or_never(body.frame());
                }
            });
            let told = told.await;
            for (face, body) in early {
                let (rest, _) = read(body).await;
                assert!(written(face, &told.records).ends_with(&rest), "{face:?}");
            }
        });
    }

    /// Every event of the SSE face is the upstream's, with its record's position as its id, whatever the upstream sent.
    #[test]
    fn every_event_has_the_id_of_its_record(history in history()) {
        run(async {
            let told = tell(&history, async |_, _| {}).await;
            let (full, _) = read(body(&told, Face::Sse, After::Start, None).await).await;
            let mut shown = Vec::new();
            let mut decoder = Decoder::new();
            let mut input = &full[..];
            while let Some(frame) = decoder.next_frame(&mut input) {
                let frame = frame.unwrap();
                if let Some(data) = frame.data() {
                    let id = String::from_utf8_lossy(frame.id().expect("an id on every event")).into_owned();
                    shown.push((id, frame.event().to_vec(), data.to_vec()));
                }
            }
            assert!(decoder.finish().is_none(), "the body ends between two events");
            let mut expected = Vec::new();
            for record in &told.records {
                if record.kind == Kind::Event {
                    let mut decoder = Decoder::new();
                    let mut input = &record.payload[..];
                    while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
                        if let Some(data) = frame.data() {
                            expected.push((record.position().to_string(), frame.event().to_vec(), data.to_vec()));
                        }
                    }
                } else if let Some(event) = super::LogEvent::of(record) {
                    let data = event.data.to_string().into_bytes();
                    expected.push((record.position().to_string(), event.name.into(), data));
                }
            }
            assert_eq!(shown, expected);
            assert!(!String::from_utf8_lossy(&full).contains("secret"), "a seam shows what it may");
        });
    }

    /// Lines of NDJSON are JSON, one to a line, with rising positions.
    #[test]
    fn every_line_is_json(history in history()) {
        run(async {
            let told = tell(&history, async |_, _| {}).await;
            let (full, _) = read(body(&told, Face::Ndjson, After::Start, None).await).await;
            let mut last = 0;
            for line in String::from_utf8(full).unwrap().lines() {
                let line: serde_json::Value = serde_json::from_str(line).unwrap();
                let position: Position = line["id"].as_str().unwrap().parse().unwrap();
                assert!(position.seq.get() > last);
                last = position.seq.get();
                assert!(line["event"].is_string() && (line["data"].is_null() != line["text"].is_null()));
            }
        });
    }

    /// Many streams on one connection: cut after any event and resumed with its id, each stream goes on where it was.
    #[test]
    fn many_streams_go_on_where_they_were(one in history(), two in history()) {
        run(async {
            let told = [tell(&one, async |_, _| {}).await, tell(&two, async |_, _| {}).await];
            let many = async |at: &[After]| {
                let mut sources = Vec::new();
                for (told, after) in told.iter().zip(at) {
                    let reader = Reader::attach(&told.log, told.stream, *after).await.unwrap();
                    sources.push(Source::open(told.stream, *after, Cursor::new(reader, None), Some(Arc::clone(&told.shelf)), None));
                }
                let (body, _) = read(ManyBody::new(sources, LIFE)).await;
                let events: Vec<(String, String)> = String::from_utf8(body).unwrap().split_terminator("\n\n").map(|event| {
                    let (id, data) = event.split_once("\ndata: ").unwrap();
                    (id.strip_prefix("id: ").unwrap().to_owned(), data.to_owned())
                }).collect();
                events
            };
            let full = many(&[After::Start, After::Start]).await;
            let of = |events: &[(String, String)], told: &Told| -> Vec<String> {
                let name = format!("{{\"stream\":\"{}\"", told.stream);
                events.iter().map(|(_, data)| data).filter(|data| data.starts_with(&name)).cloned().collect()
            };
            for told in &told {
                let lines = String::from_utf8(written(Face::Ndjson, &told.records)).unwrap();
                let lines: Vec<String> = lines.lines().map(|line| format!("{{\"stream\":\"{}\",{}", told.stream, &line[1..])).collect();
                assert_eq!(of(&full, told), lines);
            }
            for cut in 0..full.len() {
                let at: Vec<After> = full[cut].0.split(',').map(|at| at.parse().unwrap()).collect();
                let rest = many(&at).await;
                for told in &told {
                    let before = of(&full[..=cut], told);
                    assert_eq!([before, of(&rest, told)].concat(), of(&full, told), "cut after {}", full[cut].0);
                }
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_silent_stream_shows_signs_of_life_and_none_after_the_end() {
    let log: Arc<dyn Log> = Arc::new(MemoryLog::new(MemoryOptions::default()));
    let stream = StreamId::new();
    let mut writer =
        Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}\n{}")]).await.unwrap();
    for face in FACES {
        let reader = Reader::attach(&log, stream, After::Start).await.unwrap();
        let mut body = FaceBody::new(Cursor::new(reader, None), face, None, Duration::from_secs(15), None);
        let waited = tokio::time::timeout(Duration::from_secs(16), body.frame()).await;
        match face {
            Face::Text => assert!(waited.is_err(), "text has no words for it"),
            _ => assert_eq!(waited.unwrap().unwrap().unwrap().into_data().unwrap(), face.sign_of_life()),
        }
    }
    writer
        .append(&[Entry::event("event: message_stop\ndata: {\"type\":\"message_stop\"}\n\n")])
        .await
        .unwrap();
    let reader = Reader::attach(&log, stream, After::Start).await.unwrap();
    let mut body =
        FaceBody::new(Cursor::new(reader, None), Face::Messages, None, Duration::from_secs(15), None);
    assert!(body.frame().await.unwrap().unwrap().into_data().unwrap().starts_with(b"event: message_stop"));
    assert!(
        tokio::time::timeout(LIFE, body.frame()).await.is_err(),
        "the answer is over, and nothing follows"
    );
    writer.append(&[Entry::terminal(Outcome::Completed, "{}")]).await.unwrap();
    assert!(body.frame().await.is_none());
}

#[test]
fn a_face_is_chosen_by_name_or_by_media_type() {
    let accept = |value: &str| {
        let mut headers = http::HeaderMap::new();
        headers.insert(http::header::ACCEPT, value.parse().unwrap());
        Face::of(None, &headers)
    };
    assert_eq!(Face::of(None, &http::HeaderMap::new()), Some(Face::Sse));
    assert_eq!(accept("*/*"), Some(Face::Sse));
    assert_eq!(accept("text/event-stream"), Some(Face::Sse));
    assert_eq!(accept("application/x-ndjson, text/plain;q=0.5"), Some(Face::Ndjson));
    assert_eq!(accept("text/plain;charset=utf-8"), Some(Face::Text));
    assert_eq!(accept("image/png"), None);
    assert_eq!(Face::of(Some("text"), &http::HeaderMap::new()), Some(Face::Text));
    assert_eq!(Face::of(Some("xml"), &http::HeaderMap::new()), None);
}

/// Where the two bytes of a line end came in two pieces, the second stands before the next event.
#[test]
fn a_line_end_in_two_pieces_hides_nothing() {
    let delta = |text: &str| {
        format!(
            "event: content_block_delta\r\ndata: {{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{{\"type\":\"text_delta\",\"text\":\"{text}\"}}}}\r\n\r"
        )
    };
    let stop = "\nevent: message_stop\r\ndata: {\"type\":\"message_stop\"}\r\n\r";
    let entries = vec![
        Entry::event(delta("a")),
        Entry::event(format!("\n{}", delta("b"))),
        Entry::event(format!("\n{}", delta("c"))),
        Entry::event(stop),
    ];
    let end = Entry::terminal(Outcome::Completed, r#"{"stop_reason":"end_turn","usage":null,"error":null}"#);
    run(async {
        let told = tell(&(vec![(false, entries)], end), async |_, _| {}).await;
        let (text, _) = read(body(&told, Face::Text, After::Start, None).await).await;
        assert_eq!(String::from_utf8_lossy(&text), "abc");
        let (lines, _) = read(body(&told, Face::Ndjson, After::Start, None).await).await;
        let lines = String::from_utf8_lossy(&lines);
        assert_eq!(lines.matches("text_delta").count(), 3, "{lines}");
        assert_eq!(lines.matches("\"message_stop\"").count(), 2, "{lines}");
    });
}
