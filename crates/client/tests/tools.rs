//! The agent loop: which tools run, when, and what the model is told.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod scripted;

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use futures_util::StreamExt as _;
use perennial::protocol::Raw;
use perennial::request::{Block, Display, Thinking, Tool, models};
use perennial::{
    AgentRun, Client, Conversation, MaxTurns, MessageRequest, RunEnd, Step, ToolOutput, ToolSet,
};
use perennial_sim::{Pace, Simulator};
use schemars::JsonSchema;
use scripted::{Script, call, text};
use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Barrier;

/// Adds two numbers.
#[derive(Deserialize, JsonSchema)]
struct Add {
    a: i64,
    b: i64,
}

async fn add(input: Add) -> Result<String, String> {
    input.a.checked_add(input.b).map(|sum| sum.to_string()).ok_or_else(|| "too large".to_owned())
}

fn tools() -> ToolSet {
    ToolSet::new().on(add)
}

fn question() -> MessageRequest {
    MessageRequest::new("m", 99).user("Q")
}

fn turns(n: u32) -> MaxTurns {
    MaxTurns(NonZeroU32::new(n).unwrap())
}

/// The steps of a run in short, and the error that ended it.
async fn steps(run: &mut AgentRun) -> (Vec<String>, Option<perennial::Error>) {
    let mut steps = Vec::new();
    let mut said = String::new();
    while let Some(step) = run.next().await {
        steps.push(match step {
            Ok(Step::TurnStarted { turn }) => format!("turn {turn}"),
            Ok(Step::Event(event)) => {
                said += event.text().unwrap_or_default();
                continue;
            }
            Ok(Step::TurnFinished { message, .. }) => {
                assert_eq!(message.text(), said, "the events came before the whole");
                said.clear();
                format!("said {}", message.text())
            }
            Ok(Step::ToolStarted { call }) => format!("start {}", call.id),
            Ok(Step::ToolFinished { call, output, .. }) => {
                format!("end {}{}", call.id, if output.is_error { " error" } else { "" })
            }
            Ok(Step::Finished(end)) => format!("{end:?}"),
            Err(error) => return (steps, Some(error)),
            Ok(other) => panic!("{other:?}"),
        });
    }
    (steps, None)
}

/// The results in the last message of a request.
fn results(body: &Value) -> Vec<(String, String, bool)> {
    let message = body["messages"].as_array().unwrap().last().unwrap();
    assert_eq!(message["role"], "user");
    let result = |block: &Value| {
        assert_eq!(block["type"], "tool_result");
        let text = |name: &str| block[name].as_str().unwrap().to_owned();
        (text("tool_use_id"), text("content"), block["is_error"] == true)
    };
    message["content"].as_array().unwrap().iter().map(result).collect()
}

#[tokio::test]
async fn asks_runs_and_asks_again() {
    let script = Script::default()
        .answer(&[text("Let me see."), call("c1", "add", r#"{"a": 2, "b": 3}"#)], "tool_use")
        .answer(&[text("5")], "end_turn");
    let mut run = script.client().messages().run(question(), &tools());
    let (steps, error) = steps(&mut run).await;
    assert!(error.is_none());
    assert_eq!(steps, ["turn 1", "said Let me see.", "start c1", "end c1", "turn 2", "said 5", "Answered"]);
    let asked = script.asked();
    assert_eq!(asked[0].body["tools"][0]["name"], "add");
    assert_eq!(asked[0].body["stream"], true);
    assert_eq!(results(&asked[1].body), [("c1".into(), "5".into(), false)]);
    assert_eq!(run.last_message().unwrap().text(), "5");
    // The conversation can be gone on with.
    assert_eq!(run.into_conversation().messages().len(), 4);
}

#[tokio::test]
async fn what_goes_wrong_in_a_tool_is_told_to_the_model() {
    let script = Script::default()
        .answer(
            &[
                call("c1", "add", r#"{"a": 9223372036854775807, "b": 1}"#),
                call("c2", "add", r#"{"a": 1}"#),
                call("c3", "subtract", "{}"),
                call("c4", "add", r#"{"a": 1, "#),
            ],
            "tool_use",
        )
        .answer(&[text("Sorry.")], "end_turn");
    let mut run = script.client().messages().run(question(), &tools());
    let (steps, error) = steps(&mut run).await;
    assert!(error.is_none());
    assert!(!steps.contains(&"start c3".to_owned()) && !steps.contains(&"start c4".to_owned()), "{steps:?}");
    let results = results(&script.asked()[1].body);
    assert!(results.iter().all(|(.., is_error)| *is_error));
    let said: Vec<&str> = results.iter().map(|(_, text, _)| text.as_str()).collect();
    assert_eq!(said[0], "too large");
    assert!(said[1].contains("missing field `b`"), "{}", said[1]);
    assert_eq!(said[2], "There is no tool named subtract. The tools are: add.");
    assert_eq!(said[3], r#"{"INVALID_JSON":"{\"a\": 1, "}"#);
}

#[tokio::test]
async fn calls_of_one_answer_run_at_the_same_time() {
    // Each waits for the other: run one after the other they would never end.
    let barrier = Arc::new(Barrier::new(2));
    let tools = ToolSet::new().on_tool(Tool::new("meet", json!({"type": "object"})), move |_: Raw| {
        let barrier = Arc::clone(&barrier);
        async move {
            barrier.wait().await;
            "met"
        }
    });
    let script = Script::default()
        .answer(&[call("c1", "meet", "{}"), call("c2", "meet", "{}")], "tool_use")
        .answer(&[text("Done.")], "end_turn");
    let (message, end) = script.client().messages().run(question(), &tools).finish().await.unwrap();
    assert_eq!((message.text().as_str(), end), ("Done.", RunEnd::Answered));
    let results = results(&script.asked()[1].body);
    assert_eq!(results.iter().map(|(id, ..)| id.as_str()).collect::<Vec<_>>(), ["c1", "c2"]);
}

/// A tool that counts how often it ran.
fn counting() -> (ToolSet, Arc<AtomicU32>) {
    let runs = Arc::new(AtomicU32::new(0));
    let counter = Arc::clone(&runs);
    let tools = ToolSet::new().on_tool(Tool::new("count", json!({"type": "object"})), move |_: Raw| {
        counter.fetch_add(1, Ordering::SeqCst);
        async { "counted" }
    });
    (tools, runs)
}

/// How often the tool runs where the first answer is this, and how the run ends.
async fn check_runs(script: Script, expected: u32, end: Result<RunEnd, ()>) {
    let (tools, runs) = counting();
    let ended = script.client().messages().run(question(), &tools).finish().await;
    assert_eq!(ended.map(|(_, end)| end).map_err(drop), end);
    assert_eq!(runs.load(Ordering::SeqCst), expected);
    let _ = script.asked();
}

#[tokio::test]
async fn only_a_whole_answer_runs_tools_and_only_once() {
    let one = || call("c1", "count", "{}");
    let done = [text("Done.")];
    check_runs(
        Script::default().answer(&[one()], "tool_use").answer(&done, "end_turn"),
        1,
        Ok(RunEnd::Answered),
    )
    .await;
    check_runs(Script::default().answer(&[one()], "max_tokens"), 0, Ok(RunEnd::Cut)).await;
    check_runs(Script::default().answer(&[one()], "refusal"), 0, Ok(RunEnd::Refused)).await;
    check_runs(Script::default().answer(&[one()], "end_turn"), 0, Ok(RunEnd::Answered)).await;
    // The stream breaks after a finished call: nobody knows what else was to come.
    check_runs(Script::default().cut_answer(&[text("I"), one()]), 0, Err(())).await;
    // The first attempt brought no content and was made again.
    let retried = Script::default().cut_answer(&[]).answer(&[one()], "tool_use").answer(&done, "end_turn");
    check_runs(retried, 1, Ok(RunEnd::Answered)).await;
    // Calls of a model that declined are not run.
    let fallback = json!({"type": "fallback", "from": {"model": "x"}, "to": {"model": "y"}});
    let declined = Script::default()
        .answer(&[one(), fallback, call("c2", "count", "{}")], "tool_use")
        .answer(&done, "end_turn");
    check_runs(declined, 1, Ok(RunEnd::Answered)).await;
}

#[tokio::test]
async fn pauses_and_compactions_go_on() {
    let script = Script::default()
        .answer(&[text("Searching.")], "pause_turn")
        .answer(&[text("Compacted.")], "compaction")
        .answer(&[text("Found.")], "end_turn");
    let mut run = script.client().messages().run(question(), &tools());
    let (message, end) = run.finish().await.unwrap();
    assert_eq!((message.text().as_str(), end), ("Found.", RunEnd::Answered));
    let asked = script.asked();
    assert_eq!(asked[2].body["messages"].as_array().unwrap().len(), 3);
    assert_eq!(asked[2].body["messages"][1]["content"][0]["text"], "Searching.");
}

#[tokio::test]
async fn the_limit_ends_a_run_that_would_go_on() {
    let (tools, runs) = counting();
    let script = Script::default()
        .answer(&[call("c1", "count", "{}")], "tool_use")
        .answer(&[call("c2", "count", "{}")], "tool_use");
    let mut run = script.client().messages().run(question(), &tools).max_turns(turns(2));
    let (message, end) = run.finish().await.unwrap();
    assert_eq!(end, RunEnd::OutOfTurns);
    assert_eq!(message.tool_calls().count(), 1);
    assert_eq!(runs.load(Ordering::SeqCst), 1, "the last call was not run");
    let _ = script.asked();

    // Run on, it begins with the call that is open.
    let conversation: Conversation = run.into_conversation();
    let script = Script::default().answer(&[text("Done.")], "end_turn");
    let mut run = script.client().messages().run(conversation, &tools);
    let (steps, _) = steps(&mut run).await;
    assert_eq!(steps, ["start c2", "end c2", "turn 1", "said Done.", "Answered"]);
    assert_eq!(results(&script.asked()[0].body), [("c2".into(), "counted".into(), false)]);
}

#[tokio::test]
async fn after_an_error_the_conversation_can_be_run_on() {
    let (tools, runs) = counting();
    let script =
        Script::default().answer(&[call("c1", "count", "{}")], "tool_use").cut_answer(&[text("half")]);
    let mut run = script.client().messages().run(question(), &tools);
    let (taken, error) = steps(&mut run).await;
    assert_eq!(taken, ["turn 1", "said ", "start c1", "end c1", "turn 2"]);
    let error = error.unwrap();
    assert_eq!(error.partial().unwrap().text(), "half");
    assert!(run.next().await.is_none());
    assert!(run.finish().await.is_err(), "a failed run stays failed");

    let script = Script::default().answer(&[text("Done.")], "end_turn");
    let mut run = script.client().messages().run(run.into_conversation(), &tools);
    assert_eq!(run.finish().await.unwrap().0.text(), "Done.");
    assert_eq!(results(&script.asked()[0].body), [("c1".into(), "counted".into(), false)]);
    assert_eq!(runs.load(Ordering::SeqCst), 1, "a tool that ran is not run again");
}

#[tokio::test]
async fn tools_of_the_request_and_of_the_set_are_offered_once() {
    let script = Script::default().answer(&[text("Hi")], "end_turn");
    let request = question().tool(Tool::of::<Add>().description("Mine")).tool(Tool::server("s_1", "search"));
    script.client().messages().run(request, &tools()).finish().await.unwrap();
    let tools = &script.asked()[0].body["tools"];
    assert_eq!(tools.as_array().unwrap().len(), 2);
    assert_eq!(tools[0]["description"], "Mine");
}

#[tokio::test]
async fn handlers_return_what_suits_them() {
    let schema = || json!({"type": "object"});
    let tools = ToolSet::new()
        .on_tool(Tool::new("json", schema()), |_: Raw| async { json!({"n": 1}) })
        .on_tool(Tool::new("blocks", schema()), |_: Raw| async { vec![Block::text("x")] })
        .on_tool(Tool::new("output", schema()), |_: Raw| async { ToolOutput::error("no") });
    let script = Script::default()
        .answer(
            &[call("c1", "json", "{}"), call("c2", "blocks", "{}"), call("c3", "output", "{}")],
            "tool_use",
        )
        .answer(&[text("Done.")], "end_turn");
    script.client().messages().run(question(), &tools).finish().await.unwrap();
    let content = &script.asked()[1].body["messages"][2]["content"];
    assert_eq!(content[0]["content"], r#"{"n":1}"#);
    assert_eq!(content[1]["content"], json!([{"type": "text", "text": "x"}]));
    assert_eq!(content[2]["content"], "no");
    assert_eq!(content[2]["is_error"], true);
    assert_eq!(format!("{tools:?}"), r#"ToolSet ["json", "blocks", "output"]"#);
}

#[tokio::test]
async fn the_run_shows_the_answer_while_it_comes_and_can_be_dropped() {
    let (tools, runs) = counting();
    let script = Script::default().answer(&[text("One"), call("c1", "count", "{}")], "tool_use");
    let mut run = script.client().messages().run(question(), &tools);
    while let Some(step) = run.next().await {
        if let Step::Event(event) = step.unwrap()
            && event.text().is_some()
        {
            assert_eq!(run.transcript().unwrap().text(), "One");
            break;
        }
    }
    drop(run);
    assert_eq!(runs.load(Ordering::SeqCst), 0);
}

/// The simulator signs thinking, and refuses a history in which a byte of it differs or stands elsewhere.
#[tokio::test]
async fn thinking_goes_back_unchanged_through_tools_and_turns() {
    let simulator = Simulator::builder().seed(7).pace(Pace::instant()).spawn().await.unwrap();
    let client = Client::builder().api_key("k").base_url(simulator.url()).build().unwrap();
    let request = MessageRequest::new(models::CLAUDE_OPUS_5_5, 2048)
        .thinking(Thinking::adaptive().display(Display::Summarized))
        .user("Please add 2 and 3.");
    let mut run = client.messages().run(request, &tools());
    let (taken, error) = steps(&mut run).await;
    assert!(error.is_none(), "{error:?}");
    assert!(taken.iter().any(|step| step.starts_with("end ")), "no tool ran: {taken:?}");
    let mut conversation = run.into_conversation();
    let history = serde_json::to_string(conversation.request()).unwrap();
    assert!(history.contains("\"thinking\"") && history.contains("\"signature\""), "{history}");
    conversation.user("And now say hello.");
    let (message, end) = client.messages().run(conversation, &tools()).finish().await.unwrap();
    assert_eq!(end, RunEnd::Answered);
    assert!(!message.text().is_empty());
}
