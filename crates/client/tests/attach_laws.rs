//! The law of attached streams: wherever the connection breaks, and however often, the reader cannot tell.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod kept;

use std::time::Duration;

use bytes::Bytes;
use futures_util::StreamExt as _;
use kept::{Fate, Kept};
use perennial::{Client, Message, MessageStream, Position, ReconnectPolicy, StreamEvent};
use proptest::prelude::*;

/// A character that is cut between two events, which a reader has to remember over a break.
const HALVES: &str = r#"event: message_start
data: {"type":"message_start","message":{"id":"msg_1","type":"message","role":"assistant","model":"m","content":[],"stop_reason":null,"usage":{"input_tokens":1,"output_tokens":1}}}

event: content_block_start
data: {"type":"content_block_start","index":0,"content_block":{"type":"text","text":""}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"up \ud83d"}}

event: content_block_delta
data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"\ude80 and away"}}

event: content_block_stop
data: {"type":"content_block_stop","index":0}

event: message_delta
data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":5}}

event: message_stop
data: {"type":"message_stop"}

"#;

/// Streams of our own, by name.
fn recordings() -> Vec<(String, Vec<u8>)> {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/fixtures");
    let mut recordings: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sse"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read(path).unwrap()))
        .collect();
    recordings.push(("halves".to_owned(), HALVES.into()));
    recordings.sort();
    assert!(recordings.len() > 20, "the recordings are there");
    recordings
}

/// What a reader has seen: each thing and the position after it, then how it ended.
#[derive(Debug)]
struct Seen {
    items: Vec<(String, Option<Position>)>,
    end: String,
    message: Message,
}

/// Reads to the end. Signs of life that are no records come as they like.
async fn see(mut stream: MessageStream) -> Seen {
    let mut items = Vec::new();
    let mut end = "none".to_owned();
    while let Some(event) = stream.next().await {
        match event {
            Ok(StreamEvent::Alive) => {}
            Ok(event) => items.push((format!("{event:?}"), stream.position())),
            Err(error) => {
                assert_eq!(end, "none", "one end");
                // The error tells of the attempts, too.
                let message = error.partial().unwrap().message();
                end = format!("{:?} {:?} {:?} {message:?}", error.kind(), error.phase(), error.end());
            }
        }
    }
    assert!(stream.next().await.is_none(), "nothing follows the end");
    Seen { items, end, message: stream.cancel().into_message() }
}

/// Holds two readings equal; says where they part.
fn same(left: &Seen, right: &Seen, what: &str) {
    for (left, right) in left.items.iter().zip(&right.items) {
        // Nobody goes back for the log's last word where the end is known without.
        let ended = left.0.starts_with("MessageFinished");
        assert_eq!((&left.0, left.1.filter(|_| !ended)), (&right.0, right.1.filter(|_| !ended)), "{what}");
    }
    assert_eq!(left.items.len(), right.items.len(), "{what}");
    assert_eq!(left.end, right.end, "{what}");
    assert_eq!(left.message, right.message, "{what}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap()
}

/// What comes of the same bytes from the service itself.
async fn see_directly(body: &[u8]) -> Seen {
    #[derive(Debug)]
    struct Service(Bytes);
    impl perennial::transport::Transport for Service {
        fn send(
            &self,
            _: http::Request<Bytes>,
        ) -> futures_core::future::BoxFuture<
            'static,
            Result<http::Response<perennial::transport::Body>, perennial::transport::TransportError>,
        > {
            let body = perennial::transport::Body::full(self.0.clone());
            Box::pin(async { Ok(http::Response::new(body)) })
        }
    }
    let transport = Service(Bytes::copy_from_slice(body));
    let once = perennial::RetryPolicy::none();
    let client = Client::builder().transport(transport).retries(once).build().unwrap();
    see(client.messages().stream(serde_json::json!({"model": "m", "messages": []}))).await
}

#[test]
fn an_attached_stream_is_read_like_any_other() {
    runtime().block_on(async {
        assert!(see_directly(HALVES.as_bytes()).await.message.text() == "up \u{1f680} and away");
        for (name, body) in recordings() {
            let direct = see_directly(&body).await;
            let attached = see(Kept::of(&body).attach()).await;
            // Before the first content a ping may overtake the start of a block that is asked for, but not in a log.
            let events = |seen: &Seen| {
                seen.items
                    .iter()
                    .map(|(event, _)| event.clone())
                    .filter(|event| event != "Ping")
                    .collect::<Vec<_>>()
            };
            if direct.end == "none" {
                assert_eq!(events(&attached), events(&direct), "{name}");
                assert_eq!(attached.end, "none", "{name}");
            }
            assert_eq!(attached.message, direct.message, "{name}");
        }
    });
}

#[test]
fn a_break_at_any_byte_is_not_seen() {
    runtime().block_on(async {
        for (name, body) in recordings() {
            let kept = Kept::of(&body);
            let whole = see(kept.attach()).await;
            // The others have the same parts; each byte of each takes half a minute.
            let every = ["crlf_comments", "halves", "error_overloaded", "tool", "unknown"];
            let step = if every.contains(&&*name) { 1 } else { 17 };
            for at in (0..kept.served(0).len()).step_by(step) {
                let fate = if at % 2 == 0 { Fate::Breaks(at) } else { Fate::Ends(at) };
                let broken = kept.again().fates([fate]);
                same(&see(broken.attach()).await, &whole, &format!("{name} broken at {at}"));
            }
        }
    });
}

#[test]
fn a_break_of_what_was_asked_for_is_not_seen() {
    runtime().block_on(async {
        for (name, body) in recordings() {
            let kept = Kept::of(&body);
            let whole = see(kept.ask()).await;
            if whole.end != "none" {
                continue;
            }
            for at in (0..body.len()).step_by(7) {
                let fate = if at % 2 == 0 { Fate::Breaks(at) } else { Fate::Ends(at) };
                let broken = kept.again().fates([fate, Fate::Breaks(at / 2), Fate::Refused]);
                same(&see(broken.ask()).await, &whole, &format!("{name} broken at {at}"));
                assert!(broken.asked()[1..].iter().all(|asked| asked.method == "GET"), "asked for once");
            }
        }
    });
}

#[test]
fn the_bytes_are_those_of_the_upstream() {
    async fn bytes(kept: &Kept) -> Vec<u8> {
        let mut stream = kept.attach();
        let mut frames = stream.frames();
        let mut bytes = Vec::new();
        while let Some(Ok(frame)) = frames.next().await {
            bytes.extend_from_slice(&frame);
        }
        bytes
    }
    runtime().block_on(async {
        for (name, body) in recordings() {
            let kept = Kept::of(&body);
            let whole = bytes(&kept.again()).await;
            if see(kept.attach()).await.end == "none" {
                assert_eq!(whole, body, "{name}");
            } else {
                assert!(body.starts_with(&whole), "{name}");
            }
            // Every byte where line ends are of two bytes, and some in the others.
            for at in (0..kept.served(0).len()).step_by(if name.starts_with("crlf") { 1 } else { 13 }) {
                let broken = kept.again().fates([Fate::Breaks(at)]);
                assert_eq!(bytes(&broken).await, whole, "{name} broken at {at}");
            }
        }
    });
}

#[test]
fn another_process_goes_on_where_this_one_stopped() {
    runtime().block_on(async {
        for (name, body) in recordings() {
            let kept = Kept::of(&body);
            let whole = see(kept.attach()).await;
            for (number, (_, position)) in whole.items.iter().enumerate() {
                let position = position.unwrap();
                let later = see(kept.again().attach().after(position)).await;
                // One frame may tell several things; those that were not handed out belong to the position before.
                let from = whole.items.iter().rposition(|(_, at)| *at == Some(position)).unwrap();
                assert!(from >= number);
                assert_eq!(later.items, whole.items[from + 1..], "{name} after {position}");
                assert_eq!((later.end, later.message), (whole.end.clone(), whole.message.clone()), "{name}");
            }
            let last = see(kept.again().attach().after(kept.last())).await;
            assert_eq!((last.items, last.end), (vec![], whole.end), "{name} after its end");
        }
    });
}

fn fate() -> impl Strategy<Value = Fate> {
    let bytes = || prop_oneof![0..200_usize, 0..3000_usize];
    prop_oneof![
        1 => Just(Fate::Refused),
        1 => Just(Fate::Hangs),
        1 => prop_oneof![Just(429), Just(500), Just(502), Just(503), Just(504), Just(529)].prop_map(Fate::Status),
        1 => Just(Fate::StatusWith(503, "retry-after", "7")),
        2 => prop_oneof![Just("retry: 3000\n\n"), Just(""), Just(": hello\n\n"), Just("retry: 10\n")]
            .prop_map(|text| Fate::Only(Bytes::from_static(text.as_bytes()))),
        1 => Just(Fate::Only(Bytes::from_static(
            b"event: perennial.broken\ndata: {\"type\":\"perennial.broken\",\"error\":{\"type\":\"api_error\",\"message\":\"x\"}}\n\n"
        ))),
        4 => bytes().prop_map(Fate::Breaks),
        4 => bytes().prop_map(Fate::Ends),
        2 => bytes().prop_map(Fate::Stalls),
        1 => (bytes(), 1..5_usize).prop_map(|(bytes, comments)| Fate::Idles(bytes, comments)),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, ..ProptestConfig::default() })]

    #[test]
    fn nothing_that_happens_on_the_way_is_seen(
        fates in prop::collection::vec(fate(), 0..12),
        which in any::<prop::sample::Index>(),
        piece in prop_oneof![Just(0_usize), 1..64_usize],
    ) {
        let recordings = recordings();
        let (name, body) = which.get(&recordings);
        runtime().block_on(async {
            let kept = Kept::of(body);
            let whole = see(kept.attach()).await;
            let patient = ReconnectPolicy {
                first_contact: Duration::from_secs(3600),
                give_up_after: Duration::from_secs(3600),
                ..ReconnectPolicy::default()
            };
            let broken = kept.again().pieces(piece).fates(fates);
            let client = broken.builder().reconnects(patient).build().unwrap();
            let broken = see(client.streams().attach("strm_1")).await;
            same(&broken, &whole, name);
        });
    }
}
