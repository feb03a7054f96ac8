//! Laws: pieces do not matter, no byte is lost, what is written is read again.

use perennial_sse::{Decoder, MaxEventBytes, Outgoing, write_comment};
use proptest::prelude::*;

/// Name, data, id and retry.
type Event = (Vec<u8>, Option<Vec<u8>>, Option<Vec<u8>>, Option<u64>);

/// Everything a reader can see of a stream, save the places where a frame's raw bytes are cut (a split CRLF moves its LF).
#[derive(Debug, PartialEq, Default)]
struct Seen {
    events: Vec<Event>,
    comments: u32,
    errors: usize,
    raw: Vec<u8>,
    last_event_id: Vec<u8>,
}

fn read<'a>(pieces: impl Iterator<Item = &'a [u8]>, limit: MaxEventBytes) -> Seen {
    let mut decoder = Decoder::with_limit(limit);
    let mut seen = Seen::default();
    let take = |seen: &mut Seen, frame: perennial_sse::Frame<'_>| {
        seen.comments += frame.comments();
        seen.raw.extend_from_slice(frame.raw());
        let (data, id) = (frame.data().map(<[u8]>::to_vec), frame.id().map(<[u8]>::to_vec));
        if data.is_some() || id.is_some() || frame.retry().is_some() {
            seen.events.push((frame.event().to_vec(), data, id, frame.retry()));
        }
    };
    for mut piece in pieces {
        while let Some(frame) = decoder.next_frame(&mut piece) {
            match frame {
                Ok(frame) => take(&mut seen, frame),
                Err(_) => seen.errors += 1,
            }
        }
    }
    if let Some(frame) = decoder.finish() {
        take(&mut seen, frame);
    }
    seen.last_event_id = decoder.last_event_id().to_vec();
    seen
}

/// Bytes that look like a stream often enough to reach every branch.
fn stream() -> impl Strategy<Value = Vec<u8>> {
    const PARTS: &[&[u8]] = &[
        b"data: ",
        b"data",
        b"event: ",
        b"event:",
        b"id: ",
        b"retry: 12",
        b": ",
        b":",
        b" ",
        b"\n",
        b"\n\n",
        b"\n",
        b"\r",
        b"\r\n",
        b"\r\n\r\n",
        b"\xef\xbb\xbf",
        b"\xef\xbb",
        b"\xe6\x97\xa5",
        b"\xff",
        b"\0",
        b"x",
        b"{\"type\":\"ping\"}",
        b"0123456789012345678901234567890123456789",
    ];
    let part = prop::sample::select(PARTS);
    prop::collection::vec(part, 0..60).prop_map(|parts| parts.concat())
}

fn cut<'a>(bytes: &'a [u8], sizes: &'a [usize]) -> impl Iterator<Item = &'a [u8]> {
    let (mut rest, mut turn) = (bytes, 0);
    std::iter::from_fn(move || {
        if rest.is_empty() {
            return None;
        }
        let (piece, tail) = rest.split_at(sizes[turn % sizes.len()].min(rest.len()));
        turn += 1;
        rest = tail;
        Some(piece)
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_pieces_give_the_same_frames(input in stream(), sizes in prop::collection::vec(1usize..12, 1..8), limit in 16usize..80) {
        for limit in [MaxEventBytes::new(limit), MaxEventBytes::default()] {
            let mut whole = read(std::iter::once(&input[..]), limit);
            let mut pieces = read(cut(&input, &sizes), limit);
            if whole.errors > 0 {
                // The bytes of an event over the limit are not handed out, and a split CRLF shifts them by one.
                (whole.raw, pieces.raw) = (Vec::new(), Vec::new());
            }
            prop_assert_eq!(whole, pieces);
        }
    }

    #[test]
    fn raw_bytes_of_the_frames_are_the_input(input in stream(), sizes in prop::collection::vec(1usize..12, 1..8)) {
        prop_assert_eq!(&read(cut(&input, &sizes), MaxEventBytes::default()).raw, &input);
    }

    #[test]
    fn what_is_written_is_read(
        events in prop::collection::vec(
            (prop::option::of("[^\r\n\0\u{feff}][^\r\n\0]{0,10}"), prop::option::of("[^\r\n\0]{0,10}"), "[^\r]{0,40}", prop::option::of(0u64..100_000)), 0..6),
        comment in "[^\r]{0,20}",
    ) {
        let mut out = Vec::new();
        write_comment(&comment, &mut out);
        for (event, id, data, retry) in &events {
            Outgoing { id: id.as_deref(), event: event.as_deref(), retry: *retry, data: Some(data) }
                .write_to(&mut out).expect("no line ends in the fields");
        }
        let seen = read(std::iter::once(&out[..]), MaxEventBytes::default());
        let expected: Vec<_> = events.iter().map(|(event, id, data, retry)| (
            event.clone().unwrap_or_default().into_bytes(), Some(data.clone().into_bytes()), id.clone().map(String::into_bytes), *retry,
        )).collect();
        prop_assert_eq!(seen.events, expected);
        prop_assert_eq!(seen.comments as usize, comment.split('\n').count());
    }
}

#[test]
fn fields_that_would_break_the_frame_are_refused() {
    for outgoing in [
        Outgoing { id: Some("1\ndata: x"), ..Outgoing::data("") },
        Outgoing { id: Some("1\0"), ..Outgoing::data("") },
        Outgoing { event: Some("a\rb"), ..Outgoing::data("") },
    ] {
        let mut out = Vec::new();
        assert!(outgoing.write_to(&mut out).is_err());
        assert!(out.is_empty());
    }
}

/// The cost of this is printed by `bench/`; here it is shown to come out right.
#[test]
fn one_large_event_in_small_pieces_is_put_together_once() {
    let data = "x".repeat(8 * 1024 * 1024);
    let input = format!("event: big\ndata: {data}\n\n");
    let mut decoder = Decoder::new();
    let mut events = 0;
    for mut piece in input.as_bytes().chunks(1024) {
        while let Some(frame) = decoder.next_frame(&mut piece) {
            let frame = frame.expect("in the limit");
            assert_eq!(frame.data().map(<[u8]>::len), Some(data.len()));
            events += 1;
        }
    }
    assert_eq!(events, 1);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    /// Asking for a known form first changes nothing: not the frames, not their bytes, not what the decoder remembers.
    #[test]
    fn a_known_form_is_read_like_any_other(
        parts in prop::collection::vec(prop::sample::select(&[
            "event: tick\ndata: 12\n\n", "event: tick\ndata: 3\n\n", "event: tick\ndata: x\n\n", "event: tick\ndata: 4\r\n\r\n",
            "event: tick\ndata: 5\ndata: 6\n\n", "data: 7\r\n\r\n", ": c\n\n", "\n", "\r", "id: 1\ndata: 8\r\r", "event: tick\n", "\u{feff}",
            "event: tick\ndata: 1111111111111111111111111111111111111111\n\n",
        ][..]), 0..20),
        sizes in prop::collection::vec(1usize..40, 1..6),
        limit in prop::sample::select(&[30usize, 1000][..]),
    ) {
        let input = parts.concat();
        let digits = |data: &[u8]| {
            let length = data.iter().take_while(|byte| byte.is_ascii_digit()).count();
            Some(((), length)).filter(|_| length > 0)
        };
        let mut seen: [Vec<String>; 2] = Default::default();
        for (known, seen) in seen.iter_mut().enumerate() {
            let mut decoder = Decoder::with_limit(MaxEventBytes::new(limit));
            for mut piece in cut(input.as_bytes(), &sizes) {
                loop {
                    if known == 1 && let Some((frame, ())) = decoder.next_known(&mut piece, b"event: tick\ndata: ", digits) {
                        seen.push(format!("{:?}", Ok::<_, ()>(frame)));
                        continue;
                    }
                    let Some(frame) = decoder.next_frame(&mut piece) else { break };
                    seen.push(format!("{frame:?}"));
                }
            }
            seen.push(format!("{:?}", decoder.finish()));
        }
        prop_assert_eq!(&seen[0], &seen[1]);
    }
}
