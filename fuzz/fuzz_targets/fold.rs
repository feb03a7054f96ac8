//! Any bytes, in any pieces, through decoder, transcript and lint: no panic, the same message and end; an end that
//! agrees with what came.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perennial_fuzz::pieces;
use perennial_protocol::{
    BlockStatus, Effect, End, EventDecoder, Lint, Message, PartialJson, Place, Transcript,
};

fuzz_target!(|bytes: &[u8]| {
    let whole = fold([bytes]);
    check(&whole);
    let cut = fold(pieces(bytes));
    assert_eq!(cut.end(), whole.end());
    assert_eq!(json(&cut.message()), json(&whole.message()));

    let mut lint = Lint::new();
    let mut frames = perennial_sse::Decoder::new();
    let mut input = bytes;
    while let Some(frame) = frames.next_frame(&mut input) {
        if let Ok(frame) = frame {
            lint.observe(&frame);
        }
    }
    let findings = lint.finish(frames.finish().as_ref());
    assert!(
        whole.end().is_complete() || !findings.is_empty() || matches!(whole.end(), End::Failed(_)),
        "{:?}",
        whole.end()
    );
});

fn fold<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> Transcript {
    let mut decoder = EventDecoder::new();
    let mut transcript = Transcript::new().following_inputs();
    let mut events = 0_u64;
    for mut piece in pieces {
        while let Some(received) = decoder.next_event(&mut piece) {
            let Ok(received) = received else { continue };
            let Some(event) = received.event else { continue };
            let finished = transcript.is_finished();
            let effect = transcript.apply(&event);
            assert!(
                !finished || matches!(effect, Effect::Ignored(_) | Effect::Nothing),
                "{effect:?} after the end"
            );
            assert_eq!(
                transcript.is_finished(),
                finished || matches!(effect, Effect::Finished | Effect::Failed)
            );
            events += 1;
            // Not every prefix, which would cost the square of the events.
            if events.is_power_of_two() {
                check(&transcript);
            }
        }
    }
    if let Some(event) = decoder.finish() {
        transcript.apply(&event);
    }
    transcript
}

fn check(transcript: &Transcript) {
    let blocks: Vec<u64> = transcript.indices().collect();
    let open: Vec<u64> = transcript.open_blocks().collect();
    for index in &blocks {
        let is_open = transcript.block_status(*index) == Some(BlockStatus::Open);
        assert_eq!(is_open, open.contains(index));
        if let (Some(text), Some(partial)) = (transcript.input_text(*index), transcript.partial_input(*index))
        {
            let mut again = PartialJson::new();
            again.push(text);
            assert_eq!((partial.value(), partial.error()), (again.value(), again.error()));
        }
    }
    match transcript.end() {
        End::Truncated(truncation) => {
            assert!(!transcript.is_finished());
            assert_eq!(truncation.finished_blocks, blocks.len() - open.len());
            match &truncation.place {
                Place::InBlock { index, .. } => assert!(open.contains(index)),
                _ => assert!(open.is_empty()),
            }
        }
        end => assert!(transcript.is_finished(), "{end:?}"),
    }
    let message = transcript.message();
    assert_eq!(json(&message), json(&transcript.clone().into_message()));
    // What is sent back as history must not change on the way.
    let text = json(&message);
    let again: Message = serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"));
    assert_eq!(json(&again), text);
}

fn json(message: &Message) -> String {
    serde_json::to_string(message).expect("a message can be written")
}
