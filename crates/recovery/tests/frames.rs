//! Hand-made frames: what becomes of each of them at a seam.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it does")]

mod stage;

use bytes::Bytes;
use perennial_protocol::{End, Usage};
use perennial_recovery::{Mode, Plan, Reason, Splice, Told, plan};
use proptest::prelude::*;
use serde_json::{Value, json};

use self::stage::{
    NEW, OLD, Reader, block_start, block_stop, delta, frame, message_end, message_start, request, text_delta,
    text_start,
};

const SAID: &str = "The sky is blue because short waves of light are scattered more than long ones. ";
const REST: &str = "That is called Rayleigh scattering.";

/// A reader who has the beginning of a text.
fn broken(model: &str) -> (Reader, Value) {
    let reader = Reader::of(&[message_start("msg_1"), text_start(0), text_delta(0, SAID)]);
    (reader, request(model, "Why?", 1_000))
}

fn splice_of(reader: &Reader, request: &Value) -> (Splice, Value) {
    match reader.plan(request) {
        Plan::Continue { body, splice, .. } => (splice, serde_json::from_slice(&body).unwrap()),
        other => panic!("{other:?}"),
    }
}

/// Joins an answer that begins with these frames of content.
fn join(model: &str, content: Vec<Bytes>) -> (Reader, Result<(), String>) {
    let (mut reader, request) = broken(model);
    let (splice, _) = splice_of(&reader, &request);
    let frames = [vec![message_start("msg_2")], content, message_end("end_turn", 9).to_vec()].concat();
    let joined = reader.join(splice, &frames).map(drop);
    (reader, joined)
}

/// A block of text.
fn text(index: u64, text: &str) -> Vec<Bytes> {
    vec![text_start(index), text_delta(index, text), block_stop(index)]
}

fn thought(index: u64) -> Vec<Bytes> {
    vec![
        block_start(index, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(index, &json!({"type": "thinking_delta", "thinking": "where was I"})),
        block_stop(index),
    ]
}

fn again() -> String {
    format!("{}{REST}", &SAID[SAID.len() - 50..])
}

#[track_caller]
fn assert_whole(reader: &Reader) {
    assert_eq!(reader.text(), format!("{SAID}{REST}"));
    assert_eq!(reader.findings(), [""; 0]);
    assert!(matches!(reader.transcript().end(), End::Complete { .. }));
}

#[track_caller]
#[allow(clippy::needless_pass_by_value, reason = "frames are made where they are passed")]
fn check_refused(content: Vec<Bytes>, why: &str) {
    for model in [OLD, NEW] {
        let (reader, joined) = join(model, content.to_owned());
        assert_eq!(joined, Err(why.to_owned()));
        assert_eq!(reader.text(), SAID);
        assert_eq!(reader.frames.len(), 3, "nothing was shown");
    }
}

#[test]
fn what_comes_before_the_text_is_withheld() {
    let frames = [
        thought(0),
        vec![
            Bytes::from_static(b": comment\n\n"),
            Bytes::from_static(b"event: new\ndata: {\"type\":\"new\"}\n\n"),
        ],
        text(1, &again()),
    ];
    let (reader, joined) = join(NEW, frames.concat());
    assert_eq!(joined, Ok(()));
    assert_whole(&reader);
    assert_eq!(reader.transcript().indices().collect::<Vec<_>>(), [0]);
}

#[test]
fn text_may_stand_in_the_start_of_its_block() {
    let start = block_start(0, &json!({"type": "text", "text": again()}));
    let (reader, joined) = join(NEW, vec![start, text_delta(0, ""), block_stop(0)]);
    assert_eq!(joined, Ok(()));
    assert_whole(&reader);
}

#[test]
fn blocks_that_follow_are_numbered_on() {
    let tool = block_start(2, &json!({"type": "tool_use", "id": "t", "name": "n", "input": {}}));
    let frames = [thought(0), text(1, &again()), vec![tool, block_stop(2)]].concat();
    let (reader, joined) = join(NEW, frames);
    assert_eq!(joined, Ok(()));
    assert_whole(&reader);
    assert_eq!(reader.transcript().indices().collect::<Vec<_>>(), [0, 1]);
}

#[test]
fn carriage_returns_and_missing_names_are_passed_on() {
    for (from, to) in [("\n", "\r\n"), ("\n", "\r")] {
        let frames: Vec<Bytes> = [thought(0), text(1, &again()[..60]), text(2, "")]
            .concat()
            .into_iter()
            .map(|frame| std::str::from_utf8(&frame).unwrap().replace(from, to).into())
            .collect();
        let (reader, joined) = join(NEW, frames);
        assert_eq!(joined, Ok(()), "{to:?}");
        assert_eq!(reader.text(), format!("{SAID}{}", &REST[..10]));
        assert_eq!(reader.findings(), [""; 0]);
    }
    let frames: Vec<Bytes> = [thought(0), text(1, &again())]
        .concat()
        .iter()
        .map(|frame| std::str::from_utf8(frame).unwrap().split_once('\n').unwrap().1.to_owned().into())
        .collect();
    let (reader, joined) = join(NEW, frames);
    assert_eq!(joined, Ok(()));
    assert_eq!(reader.text(), format!("{SAID}{REST}"));
}

/// A text that was finished may get another block behind it, but none of nothing but blanks, which could not be sent back.
#[test]
fn a_finished_text_is_followed_by_another_block_or_none() {
    for (rest, blocks, whole) in [("", 1, ""), ("\n\n", 1, ""), ("\n\nMore.", 2, "\n\nMore.")] {
        let (mut reader, request) = broken(NEW);
        reader.show(block_stop(0));
        let (splice, _) = splice_of(&reader, &request);
        let said = format!("{}{rest}", &SAID[SAID.len() - 50..]);
        let mut frames = vec![message_start("msg_2"), text_start(0)];
        frames.extend(said.chars().map(|c| text_delta(0, &c.to_string())));
        frames.extend([text_delta(0, ""), block_stop(0)]);
        frames.extend(message_end("end_turn", 3));
        reader.join(splice, &frames).unwrap();
        assert_eq!(reader.transcript().indices().count(), blocks, "{rest:?}");
        assert_eq!(reader.text(), format!("{SAID}{whole}"));
        assert_eq!(reader.findings(), [""; 0]);
    }
}

#[test]
fn what_is_not_the_end_of_the_text_is_refused() {
    let not_its_end = "it does not begin with the end of the answer";
    let before = "what it says before the overlap is not of the answer";
    check_refused(text(0, &format!("Sure! {}", again())), before);
    check_refused(text(0, &format!("> {}", again())), before);
    check_refused(text(0, &again()[60..]), not_its_end);
    check_refused(text(0, REST), not_its_end);
    check_refused(text(0, &SAID[10..40]), "it ended before it could be joined");
    check_refused(text(0, &SAID.to_uppercase()), not_its_end);
    check_refused(vec![], "it ended before it could be joined");
    check_refused(thought(0), "it ended before it could be joined");
}

#[test]
fn what_breaks_the_grammar_is_refused() {
    let never_began = "it goes on with a block that never began";
    check_refused(vec![text_delta(0, &again())], never_began);
    check_refused(
        [vec![text_start(0)], text(1, &again())].concat(),
        "another block begins before it could be joined",
    );
    check_refused(
        vec![text_start(0), Bytes::from_static(b"event: content_block_delta\ndata: {\"type\":\n\n")],
        "it has an event that cannot be read",
    );
    check_refused(
        vec![block_start(0, &json!({"type": "tool_use", "id": "t", "name": "n", "input": {}}))],
        "it begins with something other than text",
    );
    check_refused(
        vec![
            text_start(0),
            delta(0, &json!({"type": "citations_delta", "citation": {"type": "char_location"}})),
        ],
        "what it says before it is joined is more than text",
    );
    // Half of a character, whose other half comes with the next event.
    let half = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"\\ud83d\"}}\n\n";
    check_refused(vec![text_start(0), half.into()], "it has characters that are cut");
    // After the seam nothing may be put where it does not belong, either.
    for (extra, why) in
        [(text_delta(7, "!"), never_began), (message_start("msg_3"), "another message begins")]
    {
        let (reader, joined) = join(NEW, [text(0, &again()), vec![extra]].concat());
        assert_eq!(joined, Err(why.to_owned()));
        assert_eq!(reader.text(), format!("{SAID}{REST}"));
    }
}

#[test]
fn blocks_in_the_start_of_the_message_are_refused() {
    let (mut reader, request) = broken(NEW);
    let (splice, _) = splice_of(&reader, &request);
    let start = frame(&json!({"type": "message_start", "message": {
        "id": "msg_2", "role": "assistant", "content": [{"type": "text", "text": again()}], "usage": {},
    }}));
    assert_eq!(reader.join(splice, &[start]).err().as_deref(), Some("it begins with blocks that are whole"));
}

/// Figures of one attempt replace each other, those of several add up; however often the answer breaks.
#[test]
fn usage_is_summed_over_all_attempts() {
    let (mut reader, request) = broken(NEW);
    let (splice, _) = splice_of(&reader, &request);
    // The second breaks before it is joined, the third after it.
    assert!(reader.join(splice, &[message_start("msg_2"), text_start(0)]).is_err());
    let (splice, _) = splice_of(&reader, &request);
    let half = [message_start("msg_3"), text_start(0), text_delta(0, &again()[..60])];
    reader.join(splice, &half).unwrap();
    let (splice, _) = splice_of(&reader, &request);
    let frames =
        [vec![message_start("msg_4")], text(0, &again()), message_end("end_turn", 30).to_vec()].concat();
    let splice = reader.join(splice, &frames).unwrap();
    assert_eq!((splice.usage().input_tokens, splice.usage().output_tokens), (Some(10), Some(30)));
    assert_whole(&reader);
    let usage = reader.transcript().envelope().usage.clone();
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(40), Some(33)));
    assert_eq!(reader.told.usage(), usage);
    assert_eq!(Told::of(reader.transcript(), Usage::default()).usage(), Usage::default());
}

#[test]
fn an_answer_of_which_nothing_was_shown_is_asked_for_again() {
    let request = request(NEW, "Why?", 1_000);
    for shown in [vec![], vec![message_start("msg_1")], vec![message_start("msg_1"), text_start(0)]] {
        let whole =
            [vec![message_start("msg_2")], text(0, REST), message_end("end_turn", 9).to_vec()].concat();
        let in_start = [
            vec![
                message_start("msg_2"),
                block_start(0, &json!({"type": "text", "text": REST})),
                block_stop(0),
            ],
            message_end("end_turn", 9).to_vec(),
        ];
        for frames in [whole, in_start.concat()] {
            let mut reader = Reader::of(&shown);
            let Plan::Restart(splice) = reader.plan(&request) else { panic!("{shown:?}") };
            reader.join(splice, &frames).unwrap();
            assert_eq!((reader.text().as_str(), reader.findings()), (REST, vec![]));
        }
    }
    // After a thought the text begins anew, and what is thought anew is not shown.
    let shown = [vec![message_start("msg_1")], thought(0), vec![text_start(1), text_delta(1, "That is")]];
    let mut reader = Reader::of(&shown.concat());
    let Plan::Restart(splice) = reader.plan(&request) else { panic!() };
    let frames = [vec![message_start("msg_2")], thought(0), thought(1), text(2, REST)].concat();
    reader.join(splice, &[frames, message_end("end_turn", 9).to_vec()].concat()).unwrap();
    assert_eq!((reader.text().as_str(), reader.findings()), (REST, vec![]));
    assert_eq!(reader.transcript().indices().count(), 2);
    // What begins differently is not the same answer.
    let mut reader = Reader::of(&[message_start("msg_1"), text_start(0), text_delta(0, "Because")]);
    let Plan::Restart(splice) = reader.plan(&request) else { panic!() };
    let frames =
        [vec![message_start("msg_2")], text(0, "Be quick"), message_end("end_turn", 9).to_vec()].concat();
    assert!(reader.join(splice, &frames).is_err());
    assert_eq!(reader.text(), "Because");
}

#[test]
fn plans_that_would_be_unsafe_are_not_made() {
    let base = || vec![message_start("msg_1"), text_start(0), text_delta(0, SAID)];
    let plain = request(NEW, "Why?", 1_000);
    let with = |name: &str, value: Value| {
        let mut request = plain.clone();
        request[name] = value;
        request
    };
    let also = |frames: Vec<Bytes>| [base(), frames].concat();
    let turns = json!([{"role": "user", "content": "Why?"}, {"role": "assistant", "content": "Because"}]);
    for (request, frames, reason) in [
        (plain.clone(), also(vec![block_stop(0), text_start(1), text_delta(1, "short")]), Reason::TooLittle),
        (plain.clone(), also(vec![text_start(1), text_delta(1, SAID)]), Reason::OutOfPlace),
        (plain.clone(), also(vec![text_delta(5, "lost")]), Reason::OutOfPlace),
        (plain.clone(), also(vec![message_start("msg_9")]), Reason::OutOfPlace),
        (plain.clone(), also(vec![text_delta(0, &"ha ".repeat(2_000))]), Reason::Repetitive),
        (plain.clone(), also(vec![frame(&json!({"type": "message_stop"}))]), Reason::Over),
        (plain.clone(), also(vec![delta(0, &json!({"type": "glow_delta"}))]), Reason::UnknownBlock),
        (with("messages", turns), base(), Reason::Prefilled),
        (with("max_tokens", json!(5)), base(), Reason::NothingLeft),
        (with("thinking", json!({"type": "enabled", "budget_tokens": 999})), base(), Reason::NothingLeft),
        (with("output_config", json!({"format": {"type": "json_schema"}})), base(), Reason::Structured),
    ] {
        match Reader::of(&frames).plan(&request) {
            Plan::Refuse(found) => assert_eq!(found, reason),
            other => panic!("{reason:?}: {other:?}"),
        }
    }
    let told = Reader::of(&base()).told;
    assert!(matches!(plan(b"\x1f\x8b", &told), Plan::Refuse(Reason::Unreadable)));
    let twice = br#"{"model":"m","max_tokens":9,"messages":[{"role":"user"}],"messages":[{"role":"user"}]}"#;
    assert!(matches!(plan(twice, &told), Plan::Refuse(Reason::Unreadable)));
}

/// A short last block is said again as a whole.
#[test]
fn a_short_block_is_gone_on_with_where_it_is_telling() {
    let (mut reader, request) = broken(NEW);
    for frame in [block_stop(0), text_start(1), text_delta(1, "In short: light")] {
        reader.show(frame);
    }
    let (splice, body) = splice_of(&reader, &request);
    assert!(body.to_string().contains("<end_of_reply>In short: light</end_of_reply>"));
    let frames = [
        vec![message_start("msg_2")],
        text(0, "In short: light bends."),
        message_end("end_turn", 9).to_vec(),
    ]
    .concat();
    reader.join(splice, &frames).unwrap();
    assert_eq!(reader.text(), format!("{SAID}In short: light bends."));
    assert_eq!(reader.joints[0].mode, Mode::Quote);
}

proptest! {
    /// However the rest is cut into deltas, the joined text is the same, and so is the refusal.
    #[test]
    fn any_fragmentation_gives_the_same(
        seed in any::<u64>(),
        back in 0_usize..80,
        noise in "[ \n]{0,3}|Sure: |\u{1f30d}",
        rest in "[a-z \n\u{e9}\u{4e16}]{0,60}",
        most in 1_usize..30,
    ) {
        let said = format!("{noise}{}{rest}", &SAID[SAID.len() - back..]);
        let mut dice = fastrand::Rng::with_seed(seed);
        let whole = join(NEW, text(0, &said));
        let mut frames = vec![text_start(0)];
        for piece in stage::pieces(&said, most, &mut dice) {
            frames.push(text_delta(0, piece));
            if dice.bool() {
                frames.push(text_delta(0, ""));
            }
        }
        frames.push(block_stop(0));
        let pieces = join(NEW, frames);
        prop_assert_eq!(pieces.0.text(), whole.0.text());
        prop_assert_eq!(pieces.1.is_ok(), whole.1.is_ok());
        if whole.1.is_ok() {
            prop_assert_eq!(pieces.0.text(), format!("{SAID}{rest}"));
            prop_assert_eq!(pieces.0.joints, whole.0.joints);
        }
    }
}
