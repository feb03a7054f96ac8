//! Joins that would look right and be wrong: each is refused, or leaves out what would do harm later.

#![allow(clippy::unwrap_used, reason = "the functions below are part of the tests")]

use bytes::Bytes;
use perennial_protocol::Transcript;
use perennial_protocol::sse::{Decoder, Frame};
use perennial_recovery::{Piece, Plan, Reason, Splice, Told, plan};
use perennial_tokens::count as estimate;
use serde_json::{Value, json};

const OLD: &str = "claude-sonnet-4-5";
const NEW: &str = "claude-opus-5-5";
const SAID: &str = "The first function opens the file and the second one reads it.";

fn frame(data: &Value) -> Bytes {
    Bytes::from(format!("event: {}\ndata: {data}\n\n", data["type"].as_str().unwrap()))
}

fn each(bytes: &[u8], mut take: impl FnMut(Frame<'_>)) {
    let mut decoder = Decoder::new();
    let mut input = bytes;
    while let Some(frame) = decoder.next_frame(&mut input) {
        take(frame.unwrap());
    }
}

fn start() -> Value {
    json!({"type": "message_start", "message": {"id": "msg_1", "role": "assistant", "content": [], "usage": {"input_tokens": 9, "output_tokens": 1}}})
}

fn block(index: u64, block: &Value) -> Value {
    json!({"type": "content_block_start", "index": index, "content_block": block})
}

fn delta(index: u64, kind: &str, member: &str, text: &str) -> Value {
    json!({"type": "content_block_delta", "index": index, "delta": {"type": kind, member: text}})
}

fn text(index: u64, text: &str) -> [Value; 2] {
    [block(index, &json!({"type": "text", "text": ""})), delta(index, "text_delta", "text", text)]
}

fn thinking(index: u64, thought: &str) -> [Value; 4] {
    [
        block(index, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(index, "thinking_delta", "thinking", thought),
        delta(index, "signature_delta", "signature", "c2ln"),
        stop(index),
    ]
}

fn stop(index: u64) -> Value {
    json!({"type": "content_block_stop", "index": index})
}

fn told(events: impl IntoIterator<Item = Value>) -> Told {
    let mut told = Told::new();
    told.next_attempt();
    for event in events {
        each(&frame(&event), |frame| told.shown(frame));
    }
    told
}

fn request(model: &str, more: &Value) -> Value {
    let mut request =
        json!({"model": model, "max_tokens": 4_000, "messages": [{"role": "user", "content": "Go"}]});
    for (name, value) in more.as_object().unwrap() {
        request[name] = value.clone();
    }
    request
}

fn planned(request: &Value, told: &Told) -> Plan {
    plan(request.to_string().as_bytes(), told)
}

fn body_and_splice(request: &Value, told: &Told) -> (Value, Splice) {
    match planned(request, told) {
        Plan::Continue { body, splice, .. } => (serde_json::from_slice(&body).unwrap(), splice),
        other => panic!("{other:?}"),
    }
}

/// What readers have in the end.
fn joined(
    told: &Told,
    splice: &mut Splice,
    events: impl IntoIterator<Item = Value>,
) -> Result<Transcript, String> {
    let mut told = told.clone();
    for event in events {
        let (raw, mut pieces, mut taken) = (frame(&event), Vec::new(), Ok(()));
        each(&raw, |frame| taken = splice.take(frame, &raw, &mut pieces));
        for piece in pieces {
            if let Piece::Show(frame) = piece {
                each(&frame, |frame| told.shown(frame));
            }
        }
        taken.map_err(|refused| refused.to_string())?;
    }
    if splice.is_joined() { Ok(told.transcript().clone()) } else { Err("not joined".to_owned()) }
}

/// Blanks are how many a text begins: a model that did not say the end again may begin with those that the text ended with.
#[test]
fn blanks_alone_prove_nothing() {
    for blanks in ["\n            ", "               ", "\n\n\n\n\n\n\n\n\n\n\n\n\n\n"] {
        for model in [OLD, NEW] {
            let told = told([start()].into_iter().chain(text(0, &format!("{SAID}{blanks}"))));
            let (_, mut splice) = body_and_splice(&request(model, &json!({})), &told);
            // Something was left out in between.
            let events = [start()].into_iter().chain(text(0, &format!("{blanks}let lost = 1;")));
            let outcome = joined(&told, &mut splice, events.chain([stop(0)]));
            assert!(
                outcome.is_err(),
                "{model} {blanks:?}: {:?}",
                outcome.map(|transcript| transcript.text())
            );
            // With the words before them they prove it.
            let (_, mut splice) = body_and_splice(&request(model, &json!({})), &told);
            let events = [start()].into_iter().chain(text(0, &format!("{SAID}{blanks}let next = 2;")));
            let transcript = joined(&told, &mut splice, events.chain([stop(0)])).unwrap();
            assert_eq!(transcript.text(), format!("{SAID}{blanks}let next = 2;"));
        }
    }
    let told = told([start()].into_iter().chain(thinking(0, "Hm.")).chain(text(1, &" ".repeat(60))));
    assert!(matches!(planned(&request(NEW, &json!({})), &told), Plan::Refuse(Reason::TooLittle)));
}

/// Another answer may begin with the very phrase that this one ended with, to the byte.
#[test]
fn a_phrase_proves_nothing() {
    let phrase = "On the other hand, looked at calmly,";
    for model in [OLD, NEW] {
        let told = told([start()].into_iter().chain(text(0, &format!("{SAID} {SAID}\n\n{phrase}"))));
        let (_, mut splice) = body_and_splice(&request(model, &json!({})), &told);
        let events = [start()].into_iter().chain(text(0, &format!("{phrase} it is something else. {SAID}")));
        let outcome = joined(&told, &mut splice, events.chain([stop(0)]));
        assert!(outcome.is_err(), "{model}: {:?}", outcome.map(|transcript| transcript.text()));
    }
}

/// A thought of the other attempt is bound to a conversation that nobody will ever send again: sent back behind what readers have, it would be refused.
#[test]
fn thoughts_of_another_attempt_are_kept_apart_wherever_they_come() {
    let told = told([start()].into_iter().chain(thinking(0, "I see.")).chain(text(1, SAID)));
    let (_, mut splice) = body_and_splice(&request(NEW, &json!({"thinking": {"type": "adaptive"}})), &told);
    let redacted = block(3, &json!({"type": "redacted_thinking", "data": "x"}));
    let call = json!({"type": "tool_use", "id": "toolu_1", "name": "read", "input": {}});
    let events = [start()]
        .into_iter()
        .chain(thinking(0, "They want more."))
        .chain(text(1, &format!("{SAID} Then it")))
        .chain([stop(1)])
        .chain(thinking(2, "Now I call it."))
        .chain([
            redacted,
            stop(3),
            block(4, &call),
            delta(4, "input_json_delta", "partial_json", "{}"),
            stop(4),
        ]);
    let transcript = joined(&told, &mut splice, events).unwrap();
    let kinds: Vec<_> = transcript.message().content.iter().map(|block| block.kind().to_owned()).collect();
    assert_eq!(kinds, ["thinking", "text", "tool_use"]);
    assert_eq!(transcript.indices().collect::<Vec<_>>(), [0, 1, 2]);
    assert_eq!(transcript.text(), format!("{SAID} Then it"));
}

/// The same request asked again is answered in the same conversation, so its thoughts are good.
#[test]
fn thoughts_of_an_answer_asked_for_again_are_shown() {
    let told = told([start()]);
    let Plan::Restart(mut splice) = planned(&request(NEW, &json!({})), &told) else { panic!() };
    let events = [start()].into_iter().chain(thinking(0, "I see.")).chain(text(1, SAID)).chain([stop(1)]);
    let transcript = joined(&told, &mut splice, events.chain(thinking(2, "Done."))).unwrap();
    assert_eq!(transcript.indices().collect::<Vec<_>>(), [0, 1, 2]);
}

/// What the service keeps of a thread is the turn as a whole or nothing; turns that ask it to go on would stay in the thread.
#[test]
fn threads_that_the_service_keeps_are_not_gone_on_with() {
    let told = told([start()].into_iter().chain(text(0, SAID)));
    for (thread, refused) in [(json!({"type": "create"}), true), (Value::Null, false)] {
        let plan = planned(&request(NEW, &json!({"thread": thread})), &told);
        assert_eq!(matches!(plan, Plan::Refuse(Reason::Thread)), refused, "{plan:?}");
    }
}

/// What readers have, thoughts included, is never more than the client's limit.
#[test]
fn thoughts_that_were_shown_are_taken_from_max_tokens() {
    let thought = "First the file, then its lines, then what they mean. ".repeat(20);
    let told = told([start()].into_iter().chain(thinking(0, &thought)).chain(text(1, SAID)));
    for limit in [600, 900, 4_000] {
        let request = request(NEW, &json!({"max_tokens": limit, "thinking": {"type": "adaptive"}}));
        let (body, _) = body_and_splice(&request, &told);
        let turns = body["messages"].as_array().unwrap();
        let asked = turns.last().unwrap()["content"].as_str().unwrap();
        let again =
            (0..SAID.len()).map(|at| &SAID[at..]).find(|end| asked.contains(&format!(">{end}<"))).unwrap();
        let most = body["max_tokens"].as_u64().unwrap();
        assert!(estimate(&thought) + estimate(SAID) + most - estimate(again) <= limit, "{limit}: {most}");
    }
    let request = request(NEW, &json!({"max_tokens": estimate(&thought), "thinking": {"type": "adaptive"}}));
    assert!(matches!(planned(&request, &told), Plan::Refuse(Reason::NothingLeft)));
}

/// The end of the text came and nothing of what follows it, at the client's limit: the end is said again, and the reason to stop comes.
#[test]
fn an_answer_that_used_all_its_tokens_gets_its_end() {
    for model in [OLD, NEW] {
        let told = told([start()].into_iter().chain(text(0, SAID)));
        let request = request(model, &json!({"max_tokens": estimate(SAID)}));
        let (body, mut splice) = body_and_splice(&request, &told);
        let most = body["max_tokens"].as_u64().unwrap();
        let end = json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": most}});
        let events = [start()].into_iter().chain(text(0, SAID)).chain([stop(0), end]);
        let transcript = joined(&told, &mut splice, events).unwrap();
        assert_eq!(transcript.text(), SAID);
    }
}

/// A model that says far more again than it was asked to reaches a limit that the client did not set; nobody is told that it is his.
#[test]
fn a_limit_that_was_used_up_by_saying_things_again_is_no_end() {
    let long = format!("{} {SAID}", "Reading is done line by line, and each line is split. ".repeat(40));
    for (again, ends) in [(&long[long.len() - 120..], true), (&*long, false)] {
        for model in [OLD, NEW] {
            let told = told([start()].into_iter().chain(text(0, &long)));
            let (_, mut splice) = body_and_splice(&request(model, &json!({})), &told);
            let end = json!({"type": "message_delta", "delta": {"stop_reason": "max_tokens"}, "usage": {"output_tokens": 9}});
            let events = [start()].into_iter().chain(text(0, &format!("{again} Then"))).chain([stop(0), end]);
            let outcome = joined(&told, &mut splice, events);
            assert_eq!(outcome.is_ok(), ends, "{model}: {:?}", outcome.err());
        }
    }
}
