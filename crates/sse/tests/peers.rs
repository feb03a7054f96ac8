//! Held against two published parsers, `sse-core` 0.2.3 and `sse-stream` 0.3.0, on random streams cut anywhere.
//!
//! Where they differ from us, and what of it the laws below leave out:
//!
//! | input | `sse-core` | `sse-stream` | we |
//! |---|---|---|---|
//! | no or empty `event:` | the name `message` | `None` or `Some("")` | the empty name |
//! | a block without data | nothing | a block, if a field it knows has a valid value | a frame, always: it is a sign of life |
//! | `id:` | carried to the following events | with its own block only | with its own frame; `last_event_id` carries |
//! | `retry:` | an event of its own at the line's end, at most 32 bits | with its block | with its frame, at most 64 bits |
//! | a number beyond that | keeps the one before | keeps the one before | keeps the one before |
//! | invalid UTF-8 | U+FFFD | an error that ends the stream | the bytes, and U+FFFD on request |
//! | an event over the limit (default) | 512 KiB of data, name or id: an error, the next is read | no limit | all lines of the frame: an error, the next is read |
//! | the end without a blank line | dropped | dropped | dropped, or handed out by `finish` |

use std::convert::Infallible;

use bytes::Bytes;
use futures_util::{FutureExt, StreamExt, stream};
use perennial_sse::Decoder;
use proptest::prelude::*;
use sse_core::{SseDecoder, SseEvent};
use sse_stream::SseByteStream;

/// An event as both `sse-core` and we can tell it.
#[derive(Clone, Debug, PartialEq)]
struct Event {
    name: String,
    data: String,
    last_event_id: String,
    /// The latest retry so far.
    retry: Option<u64>,
}

/// A block as both `sse-stream` and we can tell it.
#[derive(Clone, Debug, PartialEq)]
struct Block {
    name: String,
    data: Option<String>,
    id: Option<String>,
    retry: Option<u64>,
}

impl Block {
    /// Blocks of nothing but an empty name look like nothing at all to us.
    fn says_something(&self) -> bool {
        *self != Self { name: String::new(), data: None, id: None, retry: None }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn ours(pieces: &[&[u8]]) -> (Vec<Event>, Vec<Block>) {
    let mut decoder = Decoder::new();
    let (mut events, mut blocks, mut retry) = (Vec::new(), Vec::new(), None);
    for piece in pieces {
        let mut rest = *piece;
        while let Some(frame) = decoder.next_frame(&mut rest) {
            let frame = frame.expect("small frames are in the limit");
            retry = frame.retry().or(retry);
            let (name, data) = (text(frame.event()), frame.data().map(text));
            blocks.push(Block {
                name: name.clone(),
                data: data.clone(),
                id: frame.id().map(text),
                retry: frame.retry(),
            });
            if let Some(data) = data {
                let last_event_id = text(decoder.last_event_id());
                events.push(Event { name, data, last_event_id, retry });
            }
        }
    }
    blocks.retain(Block::says_something);
    (events, blocks)
}

fn sse_core(pieces: &[&[u8]]) -> Vec<Event> {
    let mut decoder = SseDecoder::new();
    let (mut events, mut retry) = (Vec::new(), None);
    for piece in pieces {
        let mut rest = *piece;
        while let Some(event) = decoder.next(&mut rest) {
            match event.expect("small frames are in the limit") {
                SseEvent::Retry(milliseconds) => retry = Some(u64::from(milliseconds)),
                SseEvent::Message(event) => events.push(Event {
                    name: if event.event == "message" { String::new() } else { event.event.into_owned() },
                    data: event.data,
                    last_event_id: event.last_event_id.as_deref().unwrap_or_default().to_owned(),
                    retry,
                }),
            }
        }
    }
    events
}

/// The blocks, and whether an error ended them.
fn sse_stream(pieces: &[&[u8]]) -> (Vec<Block>, bool) {
    let pieces: Vec<_> =
        pieces.iter().map(|piece| Ok::<_, Infallible>(Bytes::copy_from_slice(piece))).collect();
    let results = SseByteStream::new(stream::iter(pieces)).collect::<Vec<_>>().now_or_never();
    let results = results.expect("a stream of bytes that are there never waits");
    let failed = results.iter().any(Result::is_err);
    let mut blocks: Vec<_> = results
        .into_iter()
        .flatten()
        .map(|block| Block {
            name: block.event.unwrap_or_default(),
            data: block.data,
            id: block.id,
            retry: block.retry,
        })
        .collect();
    blocks.retain(Block::says_something);
    (blocks, failed)
}

/// A line without its end: fields in all their shapes, comments, and what only looks like one of them.
fn line() -> BoxedStrategy<Vec<u8>> {
    let value = prop_oneof![
        4 => "[ -~]{0,20}".prop_map(String::into_bytes),
        2 => "[é語🦀\u{2028}\u{85}\u{feff}:]{0,4}".prop_map(String::into_bytes),
        1 => Just(b"0\0".to_vec()),
        1 => prop::sample::select(vec![&b"\xff"[..], b"\xe6\x97", b"a\xc0\x80b", b"\xf0\x9f\xa6"]).prop_map(<[u8]>::to_vec),
    ];
    let name = prop::sample::select(vec![
        "data",
        "data",
        "data",
        "event",
        "id",
        "retry",
        "",
        "DATA",
        "dat",
        "datax",
        "data ",
        " data",
        "foo",
        "\u{feff}data",
    ]);
    let colon = prop::sample::select(vec![":", ": ", ":  ", ":\t"]);
    prop_oneof![
        8 => (name.clone(), colon, value.clone()).prop_map(|(name, colon, value)| [name.as_bytes(), colon.as_bytes(), &value].concat()),
        2 => name.prop_map(|name| name.as_bytes().to_vec()),
        2 => "retry: ?[0-9]{1,9}".prop_map(String::into_bytes),
        1 => "retry: ?[0-9]{0,3}[-+ x.][0-9]{0,2}".prop_map(String::into_bytes),
        1 => value,
    ]
    .boxed()
}

/// A stream, whole lines for the most part.
fn body() -> BoxedStrategy<Vec<u8>> {
    let one_end = prop::sample::select(vec!["\n", "\r\n", "\r"]);
    let mixed = prop::sample::select(vec!["\n", "\r\n", "\r", "\n\n", "\r\r", "\n\r", "\r\n\r\n", "\n\r\n"]);
    let line_or_blank = prop_oneof![3 => line(), 2 => Just(Vec::new())];
    let alike = (prop::collection::vec(line_or_blank, 0..30), one_end)
        .prop_map(|(lines, end)| lines.iter().flat_map(|line| [line, end.as_bytes()].concat()).collect());
    let unlike = prop::collection::vec((line(), mixed), 0..30)
        .prop_map(|lines| lines.iter().flat_map(|(line, end)| [line, end.as_bytes()].concat()).collect());
    let start = prop::sample::select(vec![
        &b""[..],
        b"",
        b"\xef\xbb\xbf",
        b"\xef\xbb\xbf\xef\xbb\xbf",
        b"\xef\xbb",
        b"\n",
    ]);
    (start, prop_oneof![alike, unlike])
        .prop_map(|(start, rest): (_, Vec<u8>)| [start, &rest].concat())
        .boxed()
}

fn cut<'a>(bytes: &'a [u8], sizes: &[usize]) -> Vec<&'a [u8]> {
    let mut rest = bytes;
    let mut pieces = Vec::new();
    for size in sizes.iter().cycle() {
        if rest.is_empty() {
            break;
        }
        let (piece, after) = rest.split_at((*size).min(rest.len()));
        pieces.push(piece);
        rest = after;
    }
    pieces
}

fn sizes() -> BoxedStrategy<Vec<usize>> {
    prop_oneof![Just(vec![usize::MAX]), Just(vec![1]), prop::collection::vec(1usize..24, 1..12)].boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn events_are_those_of_sse_core(body in body(), sizes in sizes()) {
        let pieces = cut(&body, &sizes);
        prop_assert_eq!(ours(&pieces).0, sse_core(&pieces));
    }

    #[test]
    fn blocks_are_those_of_sse_stream(body in body(), sizes in sizes()) {
        let pieces = cut(&body, &sizes);
        let (blocks, (theirs, failed)) = (ours(&pieces).1, sse_stream(&pieces));
        if failed {
            prop_assert!(str::from_utf8(&body).is_err());
            prop_assert_eq!(blocks.get(..theirs.len()), Some(&theirs[..]));
        } else {
            prop_assert_eq!(blocks, theirs);
        }
    }
}

/// The differences of the table that the laws step around, so that a change on either side is noticed.
#[test]
fn differences_are_still_there() {
    let read = |body: &str| {
        (ours(&[body.as_bytes()]), sse_core(&[body.as_bytes()]), sse_stream(&[body.as_bytes()]).0)
    };

    let beyond = "retry: 4294967296\ndata: 1\n\n";
    let ((events, blocks), core, stream) = read(beyond);
    assert_eq!((events[0].retry, core[0].retry), (Some(4_294_967_296), None));
    assert_eq!((blocks[0].retry, stream[0].retry), (Some(4_294_967_296), Some(4_294_967_296)));

    let far_beyond = "retry: 7\nretry: 18446744073709551616\ndata: 1\n\n";
    let ((events, _), core, stream) = read(far_beyond);
    assert_eq!([events[0].retry, core[0].retry, stream[0].retry], [Some(7); 3]);

    let mut decoder = Decoder::new();
    let mut alive = &b": ping\n\n"[..];
    assert!(decoder.next_frame(&mut alive).is_some());
    assert!(sse_stream(&[b": ping\n\n"]).0.is_empty());

    let (theirs, failed) = sse_stream(&[b"data: 1\n\ndata: \xff\n\ndata: 2\n\n"]);
    assert!(failed && theirs.len() == 1);
    assert_eq!(ours(&[b"data: 1\n\ndata: \xff\n\ndata: 2\n\n"]).0.len(), 3);
}
