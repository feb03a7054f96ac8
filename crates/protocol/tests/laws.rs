//! Laws of decoding and folding, on every stream there is: pieces, prefixes, and the way back into a request.

mod support;

use std::path::Path;

use perennial_protocol::{BlockStatus, ContentBlock, End, Event, EventDecoder, Raw, ToolInput, Transcript};
use serde_json::Value;
use support::{Stream, fixtures, fold, streams};

/// Our own streams, and the recorded ones where they are.
fn all_streams() -> Vec<Stream> {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams");
    let mut all = streams(&own);
    assert!(!all.is_empty(), "no streams of our own");
    if let Some(root) = fixtures() {
        all.extend(streams(&root.join("recorded")));
        all.extend(streams(&root.join("handwritten")));
    }
    all
}

fn events(bytes: &[u8], piece: usize) -> Vec<Result<Event<'static>, String>> {
    let mut decoder = EventDecoder::new();
    let mut events = Vec::new();
    for mut input in bytes.chunks(piece) {
        while let Some(received) = decoder.next_event(&mut input) {
            match received {
                Ok(received) => events.extend(received.event.map(|event| Ok(event.into_owned()))),
                Err(error) => events.push(Err(error.to_string())),
            }
        }
    }
    events.extend(decoder.finish().map(Ok));
    events
}

#[test]
fn the_frames_are_the_body() {
    for Stream { name, bytes } in all_streams() {
        for piece in [1, 50, bytes.len().max(1)] {
            let mut decoder = EventDecoder::new();
            let mut raw = Vec::new();
            for mut input in bytes.chunks(piece) {
                while let Some(received) = decoder.next_event(&mut input) {
                    // An event that cannot be read has no frame to show; the streams that have one are known.
                    let Ok(received) = received else { return assert_eq!(name, "own-bad_json_data") };
                    raw.extend_from_slice(received.frame.raw());
                }
            }
            assert!(bytes.starts_with(&raw), "{name} in pieces of {piece}");
            assert!(
                !bytes[raw.len()..].windows(2).any(|pair| pair == b"\n\n"),
                "{name}: an event is missing"
            );
        }
    }
}

#[test]
fn any_pieces_give_the_same_events() {
    for Stream { name, bytes } in all_streams() {
        let whole = events(&bytes, bytes.len().max(1));
        for piece in [1, 2, 3, 7, 64, 1000] {
            assert_eq!(events(&bytes, piece), whole, "{name} in pieces of {piece}");
        }
    }
}

/// After each event: no panic; what is closed is final; the text so far is a prefix of the text at the end; the end is `Complete` only at the end.
#[test]
fn every_prefix_agrees_with_the_final_message() {
    for Stream { name, bytes } in all_streams() {
        let last = fold(&bytes);
        let (message, text) = (last.message(), last.text());
        let indices: Vec<u64> = last.indices().collect();
        let mut transcript = Transcript::new().following_inputs();
        let mut decided = 0;
        for event in events(&bytes, 4096).into_iter().flatten() {
            transcript.apply(&event);
            if transcript.is_finished() {
                break;
            }
            assert!(!transcript.end().is_complete(), "{name}: complete before its end");
            if last.open_blocks().next().is_none()
                && indices.windows(2).all(|pair| pair[0] < pair[1])
                && !overlaps(&name)
            {
                assert!(text.starts_with(&transcript.text()), "{name}: text was taken back");
            }
            // A block is compared once, when it closes: comparing all at each event would take quadratic time.
            for (at, index) in indices.iter().enumerate().skip(decided) {
                match transcript.block_status(*index) {
                    Some(BlockStatus::Closed) => {
                        let block = transcript.block(*index).expect("it has a status");
                        assert!(
                            same_but_for_cut_input(block, &message.content[at]),
                            "{name}: block {index} changed after it closed"
                        );
                        decided = at + 1;
                    }
                    _ => break,
                }
            }
        }
    }
}

/// Blocks that grow side by side: their texts joined do not grow at the end only.
fn overlaps(name: &str) -> bool {
    name == "own-blocks_interleaved"
}

/// Only a tool input that a limit cut is judged later than its block's stop.
fn same_but_for_cut_input(closed: &ContentBlock, last: &ContentBlock) -> bool {
    closed == last || last.as_tool_use().is_some_and(|call| matches!(call.input, ToolInput::Unusable { .. }))
}

#[test]
fn every_byte_prefix_folds_and_is_never_complete_too_early() {
    for Stream { name, bytes } in all_streams().into_iter().filter(|stream| stream.bytes.len() < 4_000) {
        let whole = fold(&bytes);
        let stop = find(&bytes, b"\"message_stop\"").unwrap_or(bytes.len());
        for end in 0..bytes.len() {
            let cut = fold(&bytes[..end]);
            if end <= stop {
                assert!(!cut.end().is_complete(), "{name} cut at byte {end} looks complete");
            }
            if whole.indices().count() == 1 && whole.end().is_complete() {
                assert!(whole.text().starts_with(&cut.text()), "{name} cut at byte {end}");
            }
        }
    }
}

fn find(haystack: &[u8], needle: &[u8]) -> Option<usize> {
    haystack.windows(needle.len()).position(|window| window == needle)
}

/// A finished block is sent back with the members it came with, byte for byte: only the values that deltas changed differ.
#[test]
fn blocks_are_written_as_they_came() {
    for Stream { name, bytes } in all_streams() {
        let transcript = fold(&bytes);
        for event in events(&bytes, 4096).into_iter().flatten() {
            let Event::ContentBlockStart { index, block } = event else { continue };
            let started = serde_json::to_string(&block).expect("JSON");
            assert_eq!(
                ContentBlock::from_raw(&Raw::new(started.clone()).expect("JSON")),
                *block,
                "{name} block {index}"
            );
            // The same members in the same order, save citations that the deltas added.
            let Some(last) = transcript.block(index) else { continue };
            let keys = |json: &str| -> Vec<String> {
                let value: Value = serde_json::from_str(json).expect("JSON");
                value.as_object().expect("an object").keys().cloned().collect()
            };
            let (first, last) = (keys(&started), keys(&serde_json::to_string(last).expect("JSON")));
            assert!(
                last.starts_with(&first) || !block_is(&transcript, index, &block),
                "{name} block {index}: {first:?} {last:?}"
            );
        }
    }
}

/// Whether the block at `index` is the one that began so, and not a later one with its index that was left out.
fn block_is(transcript: &Transcript, index: u64, block: &ContentBlock) -> bool {
    transcript.block(index).is_some_and(|last| last.kind() == block.kind())
}

#[test]
fn start_blocks_round_trip_to_the_byte() {
    let mut compared = 0;
    for Stream { name, bytes } in all_streams() {
        for line in String::from_utf8_lossy(&bytes).lines() {
            let Some(data) = line.strip_prefix("data: ") else { continue };
            #[derive(serde::Deserialize)]
            struct Start<'a> {
                #[serde(borrow)]
                content_block: &'a serde_json::value::RawValue,
            }
            let Ok(start) = serde_json::from_str::<Start<'_>>(data) else { continue };
            let block = ContentBlock::from_raw(&Raw::new(start.content_block.get()).expect("JSON"));
            let written = serde_json::to_string(&block).expect("JSON");
            // Blanks around the members are the service's padding and no part of the value.
            assert_eq!(compact(&written), compact(start.content_block.get()), "{name}");
            compared += 1;
        }
    }
    assert!(compared > 10);
}

/// The JSON without blanks between tokens; everything else untouched.
fn compact(json: &str) -> String {
    let mut out = String::with_capacity(json.len());
    let (mut in_string, mut escaped) = (false, false);
    for c in json.chars() {
        if in_string {
            out.push(c);
            in_string = escaped || c != '"';
            escaped = !escaped && c == '\\';
        } else if !c.is_ascii_whitespace() {
            out.push(c);
            in_string = c == '"';
        }
    }
    out
}

#[test]
fn the_turn_goes_back_unchanged() {
    for Stream { name, bytes } in all_streams() {
        let message = fold(&bytes).message();
        let turn = serde_json::to_string(&message.to_turn()).expect("JSON");
        let read: Value = serde_json::from_str(&turn).expect("JSON");
        assert_eq!(read["role"], "assistant");
        let without_fallback = !message.content.iter().any(|block| block.kind() == "fallback");
        if without_fallback {
            assert_eq!(read["content"], serde_json::to_value(&message.content).expect("JSON"), "{name}");
        }
        for block in &message.content {
            if let ContentBlock::Thinking(thinking) = block
                && without_fallback
                && !thinking.signature.is_empty()
            {
                let signature = serde_json::to_string(&thinking.signature).expect("JSON");
                assert!(turn.contains(&signature), "{name}: a signature was lost");
            }
        }
    }
}

#[test]
fn own_streams_end_as_their_names_say() {
    for Stream { name, bytes } in streams(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/streams")) {
        let end = fold(&bytes).end();
        let as_named = match name.split('-').next() {
            Some("complete") => matches!(end, End::Complete { .. }),
            Some("truncated") => matches!(end, End::Truncated(_)),
            Some("failed") => matches!(end, End::Failed(_)),
            Some("refused") => matches!(end, End::Refused),
            _ => panic!("{name} says no end"),
        };
        assert!(as_named, "{name} ends {end}");
    }
}
