use proptest::prelude::*;
use serde_json::{Value, json};

use crate::answer::{Answer, Block};
use crate::mind::{Continuation, Manners, Mind};

const OLD: &str = "claude-sonnet-4-5";
const NEW: &str = "claude-opus-4-7";

const QUESTIONS: &[&str] = &[
    "Explain server-sent events",
    "Write a Rust function to sort numbers",
    "为什么天空是蓝色的？请详细说明。",
    "List 6 tips for public speaking with emoji",
    "Write a 900 word essay about the sea",
    "Tell me a story about a lighthouse",
    "Count to 60",
];

fn text(answer: &Answer) -> String {
    let texts = answer.blocks.iter().map(|block| match block {
        Block::Text { text, .. } => text.as_str(),
        _ => "",
    });
    texts.collect()
}

fn ask(model: &str, messages: &Value, manners: &str) -> Answer {
    let request = json!({"model": model, "max_tokens": 64_000, "messages": messages});
    Mind::new(7).answer(&request, &manners.parse::<Manners>().unwrap())
}

fn floor(text: &str, at: usize) -> usize {
    (0..=at.min(text.len())).rev().find(|at| text.is_char_boundary(*at)).unwrap()
}

/// The last bytes of a text, from a character on.
fn tail(text: &str, bytes: usize) -> &str {
    let from = text.len().saturating_sub(bytes);
    &text[(from..=text.len()).find(|at| text.is_char_boundary(*at)).unwrap()..]
}

/// The ways in which a client may word its request to go on.
fn wordings(head: &str) -> Vec<(&'static str, String)> {
    let end = tail(head, 400);
    vec![
        (
            "tags",
            format!(
                "Your previous response was interrupted. It ended with:\n\n<tail>{end}</tail>\n\nContinue exactly where it left off. Do not repeat anything."
            ),
        ),
        (
            "tags on their own lines",
            format!(
                "Your answer was cut off. Its last part:\n<partial_response>\n{end}\n</partial_response>\nContinue from there without repeating it."
            ),
        ),
        ("fences", format!("You were interrupted after this text:\n~~~\n{end}\n~~~\nPlease go on.")),
        (
            "quotation marks",
            format!(
                "Your previous response was interrupted and ended with \"{end}\". Continue from where you left off."
            ),
        ),
        (
            "json",
            format!(
                "Your previous response was interrupted and ended with {}. Continue from where you left off.",
                json!(end)
            ),
        ),
        (
            "brackets",
            format!(
                "Your previous response was interrupted and ended with [{end}]. Continue from where you left off."
            ),
        ),
    ]
}

#[test]
fn prefill_goes_on_at_every_byte() {
    for question in QUESTIONS {
        let asked = json!([{"role": "user", "content": question}]);
        let whole = text(&ask(OLD, &asked, ""));
        for at in (1..whole.len()).step_by(37).filter(|at| whole.is_char_boundary(*at)) {
            let messages = json!([asked[0], {"role": "assistant", "content": &whole[..at]}]);
            assert_eq!(whole[..at].to_owned() + &text(&ask(OLD, &messages, "")), whole, "{question} {at}");
        }
    }
}

#[test]
fn every_wording_of_a_user_turn_is_understood() {
    for question in QUESTIONS {
        let asked = json!([{"role": "user", "content": question}]);
        let whole = text(&ask(NEW, &asked, ""));
        for at in (20..whole.len()).step_by(211).filter(|at| whole.is_char_boundary(*at)) {
            // Marks that stand where a blank was are the wording's business, not the mind's.
            let head = &whole[..at];
            if head.ends_with(char::is_whitespace)
                || whole[at..].starts_with(char::is_whitespace)
                || head.contains('"')
            {
                continue;
            }
            for (name, wording) in wordings(head) {
                for messages in [
                    json!([asked[0], {"role": "user", "content": wording}]),
                    json!([asked[0], {"role": "assistant", "content": head}, {"role": "user", "content": wording}]),
                    json!([{"role": "user", "content": [{"type": "text", "text": question}, {"type": "text", "text": wording}]}]),
                    json!([{"role": "user", "content": format!("{question}\n\n{wording}")}]),
                ] {
                    let rest = text(&ask(NEW, &messages, ""));
                    assert_eq!(head.to_owned() + &rest, whole, "{name} {at} {messages}");
                }
            }
        }
    }
}

#[test]
fn an_anchor_is_said_again_when_the_request_wants_it() {
    let asked = json!([{"role": "user", "content": "Explain server-sent events"}]);
    let whole = text(&ask(NEW, &asked, ""));
    let head = &whole[..700];
    let (end, anchor) = (tail(head, 300), tail(head, 40));
    for (wording, from) in [
        (
            format!(
                "Your answer was interrupted. It ended with:\n<tail>{end}</tail>\nStart with exactly <anchor>{anchor}</anchor> and then continue."
            ),
            660,
        ),
        (
            format!(
                "Your answer was interrupted. It ended with:\n<tail>{end}</tail>\nBegin your reply by repeating the tail, then continue."
            ),
            400,
        ),
        (
            format!(
                "Your answer was interrupted. It ended with:\n<tail>{end}</tail>\nDo not repeat any of it; continue."
            ),
            700,
        ),
    ] {
        let messages = json!([asked[0], {"role": "user", "content": wording}]);
        assert_eq!(text(&ask(NEW, &messages, "")), whole[from..], "{wording}");
    }
}

#[test]
fn a_continuation_of_a_continuation_goes_on() {
    let asked = json!({"role": "user", "content": "Write a 900 word essay about the sea"});
    let whole = text(&ask(NEW, &json!([asked]), ""));
    let go_on = |end: &str| json!({"role": "user", "content": format!("You were interrupted. It ended with <tail>{end}</tail> Continue.")});
    let (one, two) = (floor(&whole, 1000), floor(&whole, 2500));
    let messages = json!([asked, {"role": "assistant", "content": &whole[..one]}, go_on(tail(&whole[..one], 100)),
        {"role": "assistant", "content": &whole[one..two]}, go_on(tail(&whole[..two], 100))]);
    assert_eq!(text(&ask(NEW, &messages, "")), whole[two..]);
}

#[test]
fn an_answer_that_was_complete_has_nothing_more() {
    let asked = json!({"role": "user", "content": "Explain server-sent events"});
    let whole = text(&ask(NEW, &json!([asked]), ""));
    let wording = format!("You were interrupted. It ended with <tail>{}</tail> Continue.", tail(&whole, 100));
    let answer = ask(
        NEW,
        &json!([asked, {"role": "assistant", "content": whole}, {"role": "user", "content": wording}]),
        "",
    );
    assert_eq!((text(&answer).as_str(), answer.stop_reason.as_str()), ("", "end_turn"));
}

#[test]
fn talk_about_going_on_is_not_taken_for_a_continuation() {
    let asked = json!({"role": "user", "content": "Explain server-sent events"});
    let whole = text(&ask(NEW, &json!([asked]), ""));
    let messages = json!([asked, {"role": "assistant", "content": whole}, {"role": "user", "content": "Thanks! How do I continue from here?"}]);
    let answer = text(&ask(NEW, &messages, ""));
    assert!(!answer.is_empty() && !whole.contains(&answer));
}

#[test]
fn a_foreign_prefill_is_gone_on_with() {
    let messages =
        json!([{"role": "user", "content": "Give me JSON"}, {"role": "assistant", "content": "{"}]);
    let rest = text(&ask(OLD, &messages, ""));
    serde_json::from_str::<Value>(&format!("{{{rest}")).unwrap();
}

#[test]
fn a_line_end_belongs_to_a_short_tail() {
    let asked = json!({"role": "user", "content": "Count to 60"});
    let wording = "You were interrupted after <tail>1\n2\n</tail>\n\nContinue from where you left off.";
    let rest = text(&ask(NEW, &json!([asked, {"role": "user", "content": wording}]), ""));
    assert!(rest.starts_with("3\n4\n"), "{rest}");
}

#[test]
fn bad_manners_are_bad_in_the_way_they_say() {
    let asked = json!([{"role": "user", "content": "Explain server-sent events"}]);
    let whole = text(&ask(OLD, &asked, ""));
    let (head, rest) = whole.split_at(whole.find("Because").unwrap() + 30);
    let prefill = json!([asked[0], {"role": "assistant", "content": head}]);
    let user = json!([asked[0], {"role": "user", "content": format!("You were interrupted; it ended with <tail>{}</tail>. Continue.", tail(head, 200))}]);
    for (model, messages) in [(OLD, prefill), (NEW, user)] {
        for kind in Continuation::ALL {
            let answer = ask(model, &messages, &format!("continuation={kind}"));
            let said = text(&answer);
            match kind {
                Continuation::Honest => assert_eq!(said, rest),
                Continuation::Repeat | Continuation::Midword => {
                    let overlap = said.strip_suffix(rest).unwrap();
                    assert!(!overlap.is_empty() && head.ends_with(overlap), "{kind} {overlap:?}");
                    let before = &head[..head.len() - overlap.len()];
                    assert_eq!(
                        before.ends_with(char::is_alphanumeric),
                        *kind == Continuation::Midword,
                        "{overlap:?}"
                    );
                }
                Continuation::Preamble | Continuation::Apologise => {
                    let preamble = said.strip_suffix(rest).unwrap();
                    assert!(preamble.len() > 10 && !whole.contains(preamble), "{kind} {preamble:?}");
                }
                Continuation::Reword => {
                    let reworded = said.strip_suffix(rest).unwrap();
                    assert!(!reworded.is_empty() && !head.ends_with(reworded), "{reworded:?}");
                }
                Continuation::Restart => assert_eq!(said, whole),
                Continuation::Skip => assert!(said.len() < rest.len() && rest.ends_with(&said)),
                Continuation::Other => assert!(!whole.contains(&said) && !said.is_empty()),
                Continuation::Refuse => {
                    assert_eq!((said.as_str(), answer.stop_reason.as_str()), ("", "refusal"));
                }
                Continuation::Empty => {
                    assert_eq!((said.as_str(), answer.stop_reason.as_str()), ("", "end_turn"));
                }
            }
        }
    }
}

#[test]
fn calls_behind_the_cut_are_made_and_those_before_it_are_not_made_again() {
    let tools = json!([{"name": "get_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}}]);
    let asked = json!({"role": "user", "content": "What is the weather in Oslo?"});
    let mind = Mind::new(7);
    let answer = |messages: Value| {
        mind.answer(
            &json!({"model": OLD, "max_tokens": 1000, "tools": tools, "messages": messages}),
            &Manners::default(),
        )
    };
    let whole = answer(json!([asked]));
    assert_eq!(whole.stop_reason, "tool_use");
    let said = text(&whole);
    let rest = answer(json!([asked, {"role": "assistant", "content": &said[..5]}]));
    assert_eq!(said[..5].to_owned() + &text(&rest), said);
    assert_eq!(rest.blocks.last(), whole.blocks.last());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]

    #[test]
    fn any_cut_rejoins(seed in any::<u64>(), question in 0..QUESTIONS.len(), at in 0.02f64..1.0) {
        let mind = Mind::new(seed);
        let asked = json!({"role": "user", "content": QUESTIONS[question]});
        let answer = |model: &str, messages: Value| {
            text(&mind.answer(&json!({"model": model, "max_tokens": 64_000, "messages": messages}), &Manners::default()))
        };
        let whole = answer(OLD, json!([asked]));
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a share of a length")]
        let head = &whole[..floor(&whole, (whole.len() as f64 * at) as usize)];
        prop_assume!(head.len() >= 4);
        let rest = answer(OLD, json!([asked, {"role": "assistant", "content": head}]));
        prop_assert_eq!(head.to_owned() + &rest, whole.clone());
        let end = tail(head, 300);
        // A line end on both sides is taken for part of the marks: nobody could tell.
        prop_assume!(!(end.starts_with('\n') && end.ends_with('\n')));
        let wording = format!("Your previous response was interrupted and ended with <tail>{end}</tail>\n\nContinue from where you left off.");
        let rest = answer(NEW, json!([asked, {"role": "user", "content": wording}]));
        prop_assert_eq!(head.to_owned() + &rest, whole);
    }
}
