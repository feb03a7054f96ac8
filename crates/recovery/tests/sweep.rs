//! Sweeps: answers of the simulator's mind, broken at every place, gone on with in every manner it knows.
//!
//! What comes out is the unbroken answer to the byte, or an error with an exact part of it. By default a sample is taken, with a seed that is printed;
//! `PERENNIAL_ALL_SEAMS=1` takes all.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it does")]

mod stage;

use bytes::Bytes;
use perennial_protocol::{ContentBlock, End, StopReason};
use perennial_recovery::{Mode, Plan, Reason};
use perennial_sim::mind::{Continuation, Manners, Mind};
use serde_json::{Value, json};

use self::stage::{NEW, OLD, Outcome, Reader, frames_of, request};

const PROMPTS: &[&str] = &[
    "Why is the sky blue? Explain it in about 150 words.",
    "Write a Rust function that parses a CSV line, with comments.",
    "Compare three databases in a Markdown table.",
    "Give me a numbered list of ten tips for better sleep.",
    "Erkl\u{e4}re auf Deutsch, warum der Himmel blau ist \u{1f30d}. \u{65e5}\u{672c}\u{8a9e}\u{3067}\u{3082}\u{8aac}\u{660e}\u{3057}\u{3066}\u{304f}\u{3060}\u{3055}\u{3044}\u{3002}",
    "Write a very long essay of 4000 tokens about the history of navigation.",
];

fn manners(continuation: Continuation) -> Manners {
    let mut manners = Manners::default();
    manners.continuation = continuation;
    manners
}

/// What was seen of one kind of continuation.
#[derive(Default)]
struct Count {
    cuts: u64,
    whole: u64,
}

/// Breaks the answer after each of `cuts` bytes of text and goes on in `manner`.
fn sweep(
    mind: &Mind,
    request: &Value,
    frames: &[Bytes],
    cuts: &[usize],
    manner: Continuation,
    dice: &mut fastrand::Rng,
    count: &mut Count,
) {
    let unbroken = Reader::of(frames);
    assert_eq!(unbroken.findings(), [""; 0]);
    let whole = unbroken.text();
    for &cut in cuts {
        let mut reader = cut_in_text(frames, cut);
        let before = reader.text();
        assert!(whole.starts_with(&before) && before.len() == cut);
        // Every third honest continuation breaks as well, and is gone on with.
        let keep = (manner == Continuation::Honest && dice.u8(..3) == 0).then(|| dice.f64());
        let mut outcome = reader.go_on(mind, request, &manners(manner), keep, dice);
        if keep.is_some() && !reader.transcript().end().is_complete() {
            outcome = reader.go_on(mind, request, &manners(manner), None, dice);
        }
        let place = format!("{manner} at {cut} of {} ({outcome:?}), {request}", whole.len());
        let (text, transcript) = (reader.text(), reader.transcript());
        count.cuts += 1;
        // Whoever says all of it again may come to the end of `max_tokens` before he comes to the end of the answer.
        let stop = transcript.envelope().stop_reason.clone();
        if outcome.is_joined() && manner == Continuation::Restart && stop == Some(StopReason::MaxTokens) {
            assert!(whole.starts_with(&text) && text.len() >= cut, "{place}: {text}");
        } else if outcome.is_joined() {
            assert_eq!(text, whole, "{place}");
            assert!(matches!(transcript.end(), End::Complete { .. }), "{place}: {}", transcript.end());
            assert_eq!(stop, unbroken.transcript().envelope().stop_reason, "{place}");
            assert_eq!(reader.findings(), [""; 0], "{place}");
            count.whole += 1;
        } else {
            assert!(whole.starts_with(&text) && text.len() >= cut, "{place}: {text}");
        }
    }
}

/// What a reader has who got `cut` bytes of the text; the last delta may be a part of one.
fn cut_in_text(frames: &[Bytes], cut: usize) -> Reader {
    let mut reader = Reader::of(&[]);
    let mut left = cut;
    for bytes in frames {
        let mut of_text = None;
        stage::each(bytes, |frame| {
            let data: Value = serde_json::from_slice(frame.data().unwrap()).unwrap();
            if let Some(text) = data["delta"]["text"].as_str() {
                of_text = Some((data["index"].as_u64().unwrap(), text.to_owned()));
            }
        });
        match of_text {
            Some((index, text)) if left < text.len() => {
                if left > 0 {
                    reader.show(stage::text_delta(index, &text[..left]));
                }
                return reader;
            }
            Some((_, text)) => left -= text.len(),
            None => {}
        }
        reader.show(bytes.clone());
        if left == 0 && reader.text().len() == cut && cut > 0 {
            return reader;
        }
    }
    reader
}

#[test]
fn a_broken_text_becomes_the_unbroken_one_or_an_error() {
    let mut dice = fastrand::Rng::with_seed(stage::seed());
    let mind = Mind::new(7);
    let mut honest = Count::default();
    for (number, prompt) in PROMPTS.iter().enumerate() {
        for model in [OLD, NEW] {
            for thinks in [false, true] {
                let mut request = request(model, prompt, 6_000);
                if thinks {
                    request["thinking"] = match model {
                        OLD => json!({"type": "enabled", "budget_tokens": 1_024}),
                        _ => json!({"type": "adaptive"}),
                    };
                }
                let answer = mind.answer(&request, &Manners::default());
                let frames = frames_of(&answer, 4, &mut dice);
                let text = Reader::of(&frames).text();
                for manner in Continuation::ALL {
                    let step = if number == 0 { 1 } else { 37 };
                    let mut cuts: Vec<usize> = (dice.usize(1..=step)..text.len())
                        .step_by(step)
                        .filter(|cut| text.is_char_boundary(*cut))
                        .collect();
                    if !stage::all() {
                        dice.shuffle(&mut cuts);
                        let long = number == PROMPTS.len() - 1;
                        let (of_honest, of_others) = if long { (6, 1) } else { (20, 2) };
                        cuts.truncate(if *manner == Continuation::Honest { of_honest } else { of_others });
                    }
                    let mut count = Count::default();
                    sweep(&mind, &request, &frames, &cuts, *manner, &mut dice, &mut count);
                    if *manner == Continuation::Honest {
                        (honest.cuts, honest.whole) = (honest.cuts + count.cuts, honest.whole + count.whole);
                    }
                    println!(
                        "{model} prompt {number}, thinking {thinks}, {manner}: {} of {} cuts",
                        count.whole, count.cuts
                    );
                }
            }
        }
    }
    println!("honest continuations: {} of {} cuts in text became whole", honest.whole, honest.cuts);
    assert!(honest.whole * 100 >= honest.cuts * 99, "{} of {}", honest.whole, honest.cuts);
}

/// What is no text is never joined: cut anywhere in it, nothing is asked for.
#[test]
fn thoughts_and_inputs_of_tools_are_never_gone_on_with() {
    let mut dice = fastrand::Rng::with_seed(stage::seed());
    let mind = Mind::new(7);
    for model in [OLD, NEW] {
        let mut request = request(model, "What is the weather in Paris?", 6_000);
        request["tools"] = json!([{
            "name": "get_weather", "description": "The weather",
            "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
        }]);
        request["thinking"] = match model {
            OLD => json!({"type": "enabled", "budget_tokens": 1_024}),
            _ => json!({"type": "adaptive", "display": "summarized"}),
        };
        let mut manners = Manners::default();
        manners.apply("tools", Some("all")).unwrap();
        let answer = mind.answer(&request, &manners);
        let frames = frames_of(&answer, 3, &mut dice);
        let bytes = frames.concat();
        let (mut in_tools, mut in_thoughts) = (0, 0);
        for cut in 0..bytes.len() {
            let mut reader = Reader::of(&[]);
            stage::each(&bytes[..cut], |frame| reader.told.shown(frame));
            let transcript = reader.told.transcript();
            let Some(last) = transcript.indices().last() else { continue };
            let whole = transcript.envelope().stop_reason.is_some();
            match transcript.block(last) {
                Some(ContentBlock::ToolUse(_)) if !whole => {
                    in_tools += 1;
                    let plan = reader.plan(&request);
                    let refused = matches!(plan, Plan::Refuse(Reason::InToolCall | Reason::AfterToolCall));
                    assert!(refused, "{cut}: {plan:?}");
                }
                Some(ContentBlock::Thinking(thinking)) if !thinking.thinking.is_empty() => {
                    in_thoughts += 1;
                    let plan = reader.plan(&request);
                    let refused = matches!(plan, Plan::Refuse(Reason::InThinking | Reason::AfterThinking));
                    assert!(refused, "{cut}: {plan:?}");
                }
                _ => {}
            }
        }
        assert!(in_tools > 100 && in_thoughts > 100, "{model}: {in_tools} {in_thoughts}");
    }
}

/// The answer ends where `max_tokens` ends it, give or take what an estimate of tokens is wrong by at a cut.
#[test]
fn what_is_left_of_max_tokens_is_kept() {
    let mut dice = fastrand::Rng::with_seed(stage::seed());
    let mind = Mind::new(7);
    for model in [OLD, NEW] {
        let full = mind.answer(&request(model, PROMPTS[5], 6_000), &Manners::default());
        let full = Reader::of(&frames_of(&full, 40, &mut dice)).text();
        let short = request(model, PROMPTS[5], 300);
        let frames = frames_of(&mind.answer(&short, &Manners::default()), 4, &mut dice);
        let unbroken = Reader::of(&frames);
        let length = unbroken.text().len();
        for cut in (60..length).step_by(31).filter(|cut| unbroken.text().is_char_boundary(*cut)) {
            let mut reader = cut_in_text(&frames, cut);
            let outcome = reader.go_on(&mind, &short, &Manners::default(), None, &mut dice);
            if outcome == Outcome::Planned(Reason::NothingLeft) {
                assert!(cut + 16 > length, "{cut} of {length}");
                continue;
            }
            assert!(outcome.is_joined(), "{model} at {cut}: {outcome:?}");
            let text = reader.text();
            assert!(full.starts_with(&text));
            assert!(text.len().abs_diff(length) <= 16, "{model} at {cut}: {} for {length}", text.len());
            assert_eq!(reader.transcript().envelope().stop_reason, Some(StopReason::MaxTokens));
        }
    }
}

/// A stop sequence ends the answer also where a part of it came before the cut.
#[test]
fn stop_sequences_are_seen_across_the_seam() {
    let mut dice = fastrand::Rng::with_seed(stage::seed());
    let mind = Mind::new(7);
    for model in [OLD, NEW] {
        let plain = request(model, PROMPTS[0], 6_000);
        let text = Reader::of(&frames_of(&mind.answer(&plain, &Manners::default()), 40, &mut dice)).text();
        let at = text.floor_char_boundary(text.len() / 2);
        let stop = &text[at..text.floor_char_boundary(at + 60)];
        let mut stopped = plain.clone();
        stopped["stop_sequences"] = json!([stop]);
        // Readers have a part of the stop sequence: the service would have held it back, others may not.
        for cut in (at - 30..at + stop.len()).filter(|cut| text.is_char_boundary(*cut)) {
            let frames = frames_of(&mind.answer(&plain, &Manners::default()), 4, &mut dice);
            let mut reader = cut_in_text(&frames, cut);
            let outcome = reader.go_on(&mind, &stopped, &Manners::default(), None, &mut dice);
            assert!(!reader.text().contains(stop), "{model} at {cut}: {outcome:?}");
            if cut <= at {
                assert!(
                    matches!(outcome, Outcome::Joined(Mode::Prefill | Mode::Quote)),
                    "{model} at {cut}: {outcome:?}"
                );
                assert_eq!(reader.text(), text[..at], "{model} at {cut}");
                assert_eq!(reader.transcript().envelope().stop_reason, Some(StopReason::StopSequence));
            }
        }
    }
}
