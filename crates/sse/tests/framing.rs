//! The framing cases of the event-stream format, each fed whole and byte by byte.

use perennial_sse::{Decoder, EventTooLarge, MaxEventBytes};

type Event = (String, String);

fn decode(decoder: &mut Decoder, input: &[u8], piece: usize) -> (Vec<Event>, Vec<EventTooLarge>) {
    let (mut events, mut errors) = (Vec::new(), Vec::new());
    for chunk in input.chunks(piece) {
        let mut rest = chunk;
        while let Some(frame) = decoder.next_frame(&mut rest) {
            match frame {
                Ok(frame) if frame.data().is_some() => {
                    events.push((frame.event_lossy().into_owned(), frame.data_lossy().into_owned()));
                }
                Ok(_) => {}
                Err(error) => errors.push(error),
            }
        }
        assert!(rest.is_empty(), "next_frame returned None with input left");
    }
    (events, errors)
}

#[track_caller]
fn check(input: impl AsRef<[u8]>, expected: &[(&str, &str)]) {
    let input = input.as_ref();
    let expected: Vec<Event> = expected.iter().map(|(e, d)| ((*e).to_owned(), (*d).to_owned())).collect();
    for piece in [1, 2, 3, 5, 7, 64, input.len().max(1)] {
        let mut decoder = Decoder::new();
        let (events, errors) = decode(&mut decoder, input, piece);
        assert_eq!(events, expected, "pieces of {piece}");
        assert!(errors.is_empty());
    }
}

#[test]
fn line_ends_of_all_kinds() {
    check("event: a\ndata: 1\n\nevent: b\ndata: 2\n\n", &[("a", "1"), ("b", "2")]);
    check("event: a\r\ndata: 1\r\n\r\nevent: b\r\ndata: 2\r\n\r\n", &[("a", "1"), ("b", "2")]);
    check("event: a\rdata: 1\r\revent: b\rdata: 2\r\r", &[("a", "1"), ("b", "2")]);
    check("event: a\r\ndata: 1\n\revent: b\ndata: 2\r\r\n", &[("a", "1"), ("b", "2")]);
}

#[test]
fn byte_order_mark_at_the_very_start_only() {
    check("\u{feff}event: a\ndata: 1\n\n", &[("a", "1")]);
    check("\u{feff}\ndata: 1\n\n", &[("", "1")]);
    check("data: 1\n\n\u{feff}data: 2\n\n", &[("", "1")]);
    check("data: \u{feff}1\n\n", &[("", "\u{feff}1")]);
}

#[test]
fn other_separators_are_no_line_ends() {
    check(
        "data: a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f\n\n",
        &[("", "a\u{2028}b\u{2029}c\u{85}d\u{b}e\u{c}f")],
    );
}

#[test]
fn data_lines_are_joined() {
    check("data: a\ndata: b\ndata: c\n\n", &[("", "a\nb\nc")]);
    check("data\n\n", &[("", "")]);
    check("data:\n\n", &[("", "")]);
    check("data\ndata\n\n", &[("", "\n")]);
    check("data: a\ndata\ndata: b\n\n", &[("", "a\n\nb")]);
}

#[test]
fn one_space_after_the_colon_is_dropped() {
    check("event:a\ndata:1\n\n", &[("a", "1")]);
    check("event:  a\ndata:  1  \n\n", &[(" a", " 1  ")]);
    check("data : 1\n\ndata:\t1\n\n", &[("", "\t1")]);
}

#[test]
fn comments_and_unknown_fields_are_no_events() {
    check(": hello\n\n:\n\n: a\ndata: 1\n: b\n\nfoo: bar\nfoo\n\n", &[("", "1")]);
    check("DATA: 1\n\ndatax: 1\n\n", &[]);
}

#[test]
fn event_without_data_is_dropped_and_its_name_with_it() {
    check("event: a\n\ndata: 1\n\n", &[("", "1")]);
    check("data: 1\nevent: a\nevent: b\n\n", &[("b", "1")]);
    check("\n\n\ndata: 1\n\n\n\n", &[("", "1")]);
}

#[test]
fn what_follows_the_last_blank_line_is_incomplete() {
    check("data: 1\n\ndata: 2", &[("", "1")]);
    check("data: 1\n\ndata: 2\n", &[("", "1")]);
}

#[test]
fn utf8_may_be_cut_anywhere_and_invalid_bytes_are_replaced() {
    check("data: \u{65e5}\u{672c} \u{1f980}\n\n", &[("", "\u{65e5}\u{672c} \u{1f980}")]);
    check(b"data: a\xff\xfeb\xf0\x9f\n\n", &[("", "a\u{fffd}\u{fffd}b\u{fffd}")]);
    check(b"event: \xff\ndata: 1\n\n", &[("\u{fffd}", "1")]);
}

#[test]
fn an_event_ended_by_cr_does_not_wait_for_more_bytes() {
    let mut decoder = Decoder::new();
    let mut input = &b"data: 1\r\r"[..];
    let frame = decoder.next_frame(&mut input).expect("the event is complete").expect("in the limit");
    assert_eq!(frame.data(), Some(&b"1"[..]));
    // The LF of a split CRLF is no blank line of its own.
    let mut input = &b"\ndata: 2\r\n\r\n"[..];
    let frame = decoder.next_frame(&mut input).expect("complete").expect("in the limit");
    assert_eq!((frame.data(), frame.raw()), (Some(&b"2"[..]), &b"\ndata: 2\r\n\r\n"[..]));
}

#[test]
fn comments_are_reported_as_life() {
    let mut decoder = Decoder::new();
    let mut input = &b": one\n: two\n\n"[..];
    let frame = decoder.next_frame(&mut input).expect("a frame").expect("in the limit");
    assert_eq!((frame.data(), frame.comments()), (None, 2));
}

#[test]
fn ids_and_retry() {
    let mut decoder = Decoder::new();
    let mut input = &b"id: 7\nretry: 1500\ndata: x\n\nid: a\0b\nretry: 1x\ndata: y\n\nid\ndata: z\n\n"[..];
    let frame = decoder.next_frame(&mut input).expect("first").expect("in the limit");
    assert_eq!((frame.id(), frame.retry()), (Some(&b"7"[..]), Some(1500)));
    assert_eq!(decoder.last_event_id(), b"7");
    let frame = decoder.next_frame(&mut input).expect("second").expect("in the limit");
    assert_eq!((frame.id(), frame.retry()), (None, None));
    assert_eq!(decoder.last_event_id(), b"7");
    let frame = decoder.next_frame(&mut input).expect("third").expect("in the limit");
    assert_eq!(frame.id(), Some(&b""[..]));
    assert_eq!(decoder.last_event_id(), b"");
}

#[test]
fn finish_hands_out_the_incomplete_event_and_starts_anew() {
    let mut decoder = Decoder::new();
    let mut input = &b"data: 1\n\nevent: message_stop\ndata: {}"[..];
    while decoder.next_frame(&mut input).is_some() {}
    let frame = decoder.finish().expect("an incomplete event");
    assert_eq!((frame.event(), frame.data()), (&b"message_stop"[..], Some(&b"{}"[..])));
    assert_eq!(frame.raw(), b"event: message_stop\ndata: {}");
    assert!(decoder.finish().is_none());
    let mut input = "\u{feff}data: 1\n\n".as_bytes();
    let frame = decoder.next_frame(&mut input).expect("complete").expect("in the limit");
    assert_eq!(frame.data(), Some(&b"1"[..]));
}

#[test]
fn an_event_over_the_limit_is_an_error_and_the_next_one_is_read() {
    let big = format!("data: {}\nmore: x\n\n", "x".repeat(100));
    for line_end in ["\n", "\r\n", "\r"] {
        let input = format!("data: 1\n\n{big}{big}data: 2\n\n").replace('\n', line_end);
        for piece in [1, 2, 3, 16, 40, 41, input.len()] {
            let mut decoder = Decoder::with_limit(MaxEventBytes::new(40));
            let (events, errors) = decode(&mut decoder, input.as_bytes(), piece);
            assert_eq!(
                events,
                [(String::new(), "1".to_owned()), (String::new(), "2".to_owned())],
                "pieces of {piece}"
            );
            assert_eq!(errors.len(), 2, "pieces of {piece}, {line_end:?}");
            assert_eq!(errors[0].limit.get(), 40);
        }
    }
}

#[test]
fn the_limit_is_exact() {
    let at_limit = format!("data: {}\n\n", "x".repeat(40 - "data: \n".len()));
    for (input, refused) in [(at_limit.clone(), 0), (at_limit.replace("data: ", "data: x"), 1)] {
        for piece in [1, 3, input.len()] {
            let (events, errors) =
                decode(&mut Decoder::with_limit(MaxEventBytes::new(40)), input.as_bytes(), piece);
            assert_eq!((events.len(), errors.len()), (1 - refused, refused), "pieces of {piece}");
        }
    }
}
