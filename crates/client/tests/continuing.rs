//! Answers that break in the middle of their text go on at a proven seam, or end with their part intact. Against the simulator, over sockets.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use std::time::Duration;

use futures_util::StreamExt as _;
use perennial::protocol::sse::Decoder;
use perennial::protocol::{Lint, Received};
use perennial::{
    Client, Clock, ContentBlock, Deadlines, End, Error, ErrorKind, MaxHops, MessageRequest, MessageStream,
    Mode, RequestOptions, RetryBudget, RetryPolicy, StreamEvent, Transcript,
};
use perennial_sim::{ATTEMPT_HEADER, HEADER, Handle, Pace, Simulator};
use serde_json::json;
use stage::{Act, Piece, Stage, block, block_stop, message_delta, message_stop, start, text};

/// Takes a prefill.
const OLD: &str = "claude-haiku-4-5";
/// Refuses one.
const NEW: &str = "claude-opus-4-8";

async fn simulator() -> Handle {
    Simulator::builder().seed(7).pace(Pace::instant()).spawn().await.unwrap()
}

fn client(simulator: &Handle) -> Client {
    let deadlines = Deadlines {
        first_byte: Duration::from_secs(20),
        silence: Duration::from_millis(400),
        progress: Duration::from_millis(800),
        ..Deadlines::default()
    };
    let retries = RetryPolicy { first_delay: Duration::from_millis(2), ..RetryPolicy::default() };
    Client::builder()
        .base_url(simulator.url())
        .api_key("test")
        .deadlines(deadlines)
        .retries(retries)
        .retry_budget(RetryBudget { reserve: 1e6, ..RetryBudget::default() })
        .continuing(MaxHops::default())
        .build()
        .unwrap()
}

fn request(model: &str) -> MessageRequest {
    MessageRequest::new(model, 4_000).user("Why is the sky blue? Explain it in about 150 words.")
}

/// What one reader saw.
struct Seen {
    text: String,
    continuing: u32,
    seams: Vec<perennial::Seam>,
    started: u32,
    /// The end, with all that came.
    transcript: Transcript,
    error: Option<Error>,
    attempts: u32,
}

/// Orders for the simulator, under a key of their own.
fn orders(words: &str) -> RequestOptions {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    RequestOptions::new().header(HEADER, words).header(ATTEMPT_HEADER, &format!("continuing-{number}"))
}

async fn read(mut stream: MessageStream) -> Seen {
    let mut seen = Seen {
        text: String::new(),
        continuing: 0,
        seams: vec![],
        started: 0,
        transcript: Transcript::new(),
        error: None,
        attempts: 0,
    };
    while let Some(event) = stream.next().await {
        match event {
            Ok(StreamEvent::Text { delta, .. }) => seen.text.push_str(&delta),
            Ok(StreamEvent::MessageStarted) => seen.started += 1,
            Ok(StreamEvent::Continuing(continuing)) => {
                assert_eq!(continuing.attempt, stream.attempts() + 1);
                seen.continuing += 1;
            }
            Ok(StreamEvent::Seam(seam)) => {
                assert_eq!(seam.cut, seen.text.len() as u64);
                seen.seams.push(seam);
            }
            Ok(StreamEvent::Ignored { event, why }) => panic!("{event:?} was ignored: {why:?}"),
            Ok(_) => {}
            Err(error) => seen.error = Some(error),
        }
    }
    seen.attempts = stream.attempts();
    seen.transcript = stream.transcript().clone();
    assert_eq!(seen.text, seen.transcript.text(), "what was handed out is what is kept");
    seen
}

async fn ask(client: &Client, request: &MessageRequest, words: &str) -> Seen {
    read(client.messages().with(&orders(words)).stream(request.clone())).await
}

/// The frames of the whole stream, and what the grammar has against them.
async fn frames(client: &Client, request: &MessageRequest, words: &str) -> (Vec<u8>, Vec<String>) {
    let mut stream = client.messages().with(&orders(words)).stream(request.clone());
    let mut frames = stream.frames();
    let mut bytes = Vec::new();
    while let Some(frame) = frames.next().await {
        bytes.extend_from_slice(&frame.unwrap());
    }
    let (mut lint, mut decoder) = (Lint::new(), Decoder::new());
    let mut input = &bytes[..];
    while let Some(frame) = decoder.next_frame(&mut input) {
        lint.observe(&frame.unwrap());
    }
    let findings = lint.finish(None).iter().map(ToString::to_string).collect();
    (bytes, findings)
}

#[tokio::test]
async fn a_text_that_is_cut_goes_on_to_the_letter() {
    let simulator = simulator().await;
    let client = client(&simulator);
    for model in [OLD, NEW] {
        let request = request(model);
        let (bytes, findings) = frames(&client, &request, "").await;
        assert_eq!(findings, [""; 0]);
        let whole = ask(&client, &request, "").await;
        assert!(whole.error.is_none() && whole.seams.is_empty());
        for cut in ["fin", "rst", "end"] {
            for at in (1..bytes.len()).step_by(bytes.len() / 41) {
                let words = format!("{cut}@byte={at},times=1");
                let seen = ask(&client, &request, &words).await;
                assert!(seen.error.is_none(), "{model} {words}: {:?}", seen.error);
                assert_eq!(seen.text, whole.text, "{model} {words}");
                assert_eq!(seen.started, 1, "{model} {words}");
                let [one, other] = [&seen, &whole].map(|seen| seen.transcript.envelope().stop_reason.clone());
                assert_eq!(one, other, "{model} {words}");
                assert_eq!(seen.seams.len(), usize::try_from(seen.continuing).unwrap(), "{model} {words}");
                for seam in seen.seams {
                    let prefill = model == OLD && seam.mode == Mode::Prefill;
                    assert!(prefill || matches!(seam.mode, Mode::Quote | Mode::Restart), "{model} {seam:?}");
                }
            }
        }
    }
}

#[tokio::test]
async fn frames_and_messages_are_of_one_stream() {
    let simulator = simulator().await;
    let client = client(&simulator);
    for model in [OLD, NEW] {
        let request = request(model);
        let whole = client.messages().create(request.clone()).await.unwrap();
        for words in
            ["fin@event=30,times=1", "fin@event=15,times=2", "error=overloaded_error@event=20,times=1"]
        {
            let (bytes, findings) = frames(&client, &request, words).await;
            assert_eq!(findings, [""; 0], "{model} {words}");
            let mut transcript = Transcript::new();
            let (mut decoder, mut input) = (Decoder::new(), &bytes[..]);
            while let Some(frame) = decoder.next_frame(&mut input) {
                if let Some(event) = Received::read(frame.unwrap()).unwrap().event {
                    transcript.apply(&event);
                }
            }
            assert_eq!(transcript.text(), whole.text(), "{model} {words}");
            let message = client.messages().with(&orders(words)).create(request.clone()).await.unwrap();
            assert_eq!((message.text(), &message.stop_reason), (whole.text(), &whole.stop_reason));
            let mut stream = client.messages().with(&orders(words)).stream(request.clone());
            let pieces: Vec<String> = stream.text_stream().map(Result::unwrap).collect().await;
            assert_eq!(pieces.concat(), whole.text());
        }
    }
}

#[tokio::test]
async fn each_way_to_break_is_mended() {
    let simulator = simulator().await;
    let client = client(&simulator);
    let request = request(NEW);
    let whole = ask(&client, &request, "").await;
    for (words, hops) in [
        ("stall@event=12,times=1", 1),
        ("ping-stall@event=12,times=1; pace=real,ttft=1ms,tps=2000,ping=50ms", 1),
        ("error=overloaded_error@event=12,times=1", 1),
        ("error=api_error@event=30,times=1", 1),
        ("fin@event=15,times=2", 2),
        // All is there but the end marker: nothing is asked for.
        ("fin@after=message_delta,times=1", 0),
    ] {
        let seen = ask(&client, &request, words).await;
        assert!(seen.error.is_none(), "{words}: {:?}", seen.error);
        assert_eq!(seen.text, whole.text, "{words}");
        assert_eq!((seen.continuing, seen.attempts), (hops, hops + 1), "{words}");
    }
}

#[tokio::test]
async fn what_cannot_be_proven_ends_with_the_part_intact() {
    let simulator = simulator().await;
    let client = client(&simulator);
    for model in [OLD, NEW] {
        let request = request(model);
        let whole = ask(&client, &request, "").await;
        for manner in [
            "repeat",
            "preamble",
            "apologise",
            "reword",
            "restart",
            "skip",
            "other",
            "refuse",
            "midword",
            "empty",
        ] {
            for at in [9, 14, 25, 40] {
                let words = format!("fin@event={at},times=1; continuation={manner}");
                let seen = ask(&client, &request, &words).await;
                match &seen.error {
                    None => assert_eq!(seen.text, whole.text, "{model} {words}"),
                    Some(error) => {
                        assert!(
                            whole.text.starts_with(&seen.text) && !seen.text.is_empty(),
                            "{model} {words}"
                        );
                        assert_eq!(error.kind(), ErrorKind::Lost, "{model} {words}: {error}");
                        assert!(error.to_string().contains("it was not gone on with"), "{error}");
                        assert_eq!(error.partial().unwrap().text(), seen.text);
                        assert_eq!((seen.continuing, error.attempts()), (2, 3), "{model} {words}: {error}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn tools_and_thoughts_are_never_joined() {
    let simulator = simulator().await;
    let client = client(&simulator);
    let tool = json!([{
        "name": "look_up", "description": "Looks something up",
        "input_schema": {"type": "object", "properties": {"query": {"type": "string"}}, "required": ["query"]},
    }]);
    let request = request(NEW).field("tools", tool);
    let (bytes, _) = frames(&client, &request, "tools=all").await;
    let text = String::from_utf8(bytes).unwrap();
    let (first, last) = (text.find("input_json_delta").unwrap(), text.rfind("input_json_delta").unwrap());
    for at in (first + 120..last + 60).step_by(19) {
        let seen = ask(&client, &request, &format!("fin@byte={at},times=1; tools=all")).await;
        let error = seen.error.expect("nothing is joined");
        assert!(error.to_string().contains("it broke in a tool call"), "{at}: {error}");
        assert_eq!((seen.continuing, seen.attempts), (0, 1));
        let open = seen.transcript.message();
        assert!(matches!(open.content.last(), Some(ContentBlock::ToolUse(_))));
    }
}

#[tokio::test]
async fn usage_is_that_of_all_attempts() {
    let simulator = simulator().await;
    let seen = ask(&client(&simulator), &request(NEW), "fin@event=20,times=1").await;
    let entries = simulator.journal().entries();
    let input: u64 = entries.iter().map(|entry| entry.billed.input_tokens).sum();
    assert_eq!(entries.len(), 2);
    assert_eq!(seen.transcript.envelope().usage.input_tokens, Some(input));
}

#[tokio::test]
async fn it_is_off_unless_asked_for() {
    let simulator = simulator().await;
    let off = RequestOptions::new().continuing(MaxHops(0));
    let seen = ask(&client(&simulator), &request(NEW), "fin@event=20,times=1").await;
    assert!(seen.error.is_none());
    let plain = Client::builder().base_url(simulator.url()).api_key("test").build().unwrap();
    for messages in [plain.messages(), client(&simulator).messages().with(&off)] {
        let before = simulator.journal().entries().len();
        let seen = read(messages.with(&orders("fin@event=20,times=1")).stream(request(NEW))).await;
        let error = seen.error.unwrap();
        assert_eq!((error.kind(), seen.attempts), (ErrorKind::Lost, 1));
        assert!(!error.to_string().contains("gone on"), "{error}");
        assert_eq!(simulator.journal().entries().len(), before + 1);
    }
}

const SAID: &str = "The sky is blue because short waves of light are scattered more than long ones. ";
const REST: &str = "That is called Rayleigh scattering.";

fn broken() -> Vec<Piece> {
    [start("a"), block(0), text(0, SAID)].map(Piece::from).into()
}

/// A rest that is said in so many pieces.
fn rest() -> Vec<String> {
    let said = format!("{}{REST}", &SAID[SAID.len() - 50..]);
    let mut events = vec![start("b"), block(0)];
    events.extend(said.chars().map(|c| text(0, &c.to_string())));
    events.extend([block_stop(0), message_delta("end_turn"), message_stop()]);
    events
}

fn staged(stage: &Stage, options: &RequestOptions) -> MessageStream {
    let request =
        json!({"model": NEW, "max_tokens": 1_000, "messages": [{"role": "user", "content": "Why?"}]});
    stage.client().messages().with(options).stream(request)
}

fn continuing() -> RequestOptions {
    RequestOptions::new().continuing(MaxHops(3))
}

#[tokio::test(start_paused = true)]
async fn a_seam_shows_nothing_twice_and_says_what_it_cost() {
    let stage = Stage::new([Act::stream(broken()), Act::events(rest())]);
    let seen = read(staged(&stage, &continuing())).await;
    assert_eq!(seen.text, format!("{SAID}{REST}"));
    assert_eq!((seen.seams[0].overlap, seen.seams[0].mode), (50, Mode::Quote));
    let usage = &seen.transcript.envelope().usage;
    assert_eq!((usage.input_tokens, usage.output_tokens), (Some(10), Some(8)));
    let sent = stage.sent();
    assert!(String::from_utf8_lossy(&sent[1].body).contains("<end_of_reply>"));
    assert_eq!(sent[0].headers, sent[1].headers);
}

/// Whatever goes wrong with the rest, it is the break that the reader is told of, and how often something was tried.
#[tokio::test(start_paused = true)]
async fn the_first_break_is_what_the_reader_is_told() {
    let lost = [broken(), vec![Piece::Lost]].concat();
    for (act, requests) in [
        (Act::error(529, "overloaded_error"), 4),
        (Act::error(400, "invalid_request_error"), 2),
        (Act::whole("Something else altogether, which has nothing to do with it."), 4),
        (Act::events([start("b"), block(0)]), 4),
        (
            Act::events([])
                .body(r#"{"type":"message","role":"assistant","content":[],"stop_reason":"end_turn"}"#),
            2,
        ),
    ] {
        let stage = Stage::new([Act::stream(lost.clone()), act]);
        let seen = read(staged(&stage, &continuing())).await;
        let error = seen.error.unwrap();
        assert_eq!((error.kind(), stage.sent().len()), (ErrorKind::Lost, requests), "{error}");
        assert_eq!(seen.text, SAID);
        assert_eq!(error.attempts() as usize, requests);
    }
}

#[tokio::test(start_paused = true)]
async fn an_error_event_ends_the_transcript_only_where_nothing_helps() {
    let failed = || Act::stream([broken(), vec![Piece::from(stage::error("overloaded_error"))]].concat());
    let stage = Stage::new([failed(), Act::events(rest())]);
    let seen = read(staged(&stage, &continuing())).await;
    assert!(matches!(seen.transcript.end(), End::Complete { .. }));
    // Some errors do not pass.
    let refused = Act::stream([broken(), vec![Piece::from(stage::error("invalid_request_error"))]].concat());
    for act in [failed(), refused] {
        let stage = Stage::new([act, Act::error(400, "invalid_request_error")]);
        let seen = read(staged(&stage, &continuing())).await;
        assert!(matches!(seen.transcript.end(), End::Failed(_)), "{}", seen.transcript.end());
        assert_eq!(seen.error.unwrap().kind(), ErrorKind::InStream);
    }
}

#[tokio::test(start_paused = true)]
async fn hops_budget_and_deadlines_are_kept() {
    let again = || Act::stream(rest()[..60].iter().cloned().map(Piece::from));
    // Each attempt is joined and breaks anew.
    let stage = Stage::new([Act::stream(broken()), again()]);
    let seen = read(staged(&stage, &continuing())).await;
    assert_eq!((stage.sent().len(), seen.continuing), (4, 3));
    assert!(seen.error.unwrap().to_string().contains("gone on with 3 times"));

    let stage = Stage::new([Act::stream(broken()), Act::events(rest())]);
    let budget = RetryBudget { share: 0.0, per_second: 0.0, reserve: 0.0 };
    let client = stage.builder().retry_budget(budget).continuing(MaxHops(3)).build().unwrap();
    let request =
        json!({"model": NEW, "max_tokens": 1_000, "messages": [{"role": "user", "content": "Why?"}]});
    let seen = read(client.messages().stream(request)).await;
    assert!(seen.error.unwrap().to_string().contains("no retry budget"));
    assert_eq!(stage.sent().len(), 1);

    // The rest hangs: the total deadline is that of all attempts.
    let total = Deadlines { total: Some(Duration::from_secs(5)), ..Deadlines::default() };
    let stage = Stage::new([Act::stream(broken()), Act::Hang]);
    let begun = tokio::time::Instant::now();
    let seen = read(staged(&stage, &continuing().deadlines(total))).await;
    assert_eq!(seen.error.unwrap().kind(), ErrorKind::Deadline(Clock::Total));
    assert_eq!(begun.elapsed().as_secs(), 5);
    assert_eq!(seen.text, SAID);
}

/// Only the service's time counts, on both sides of the seam.
#[tokio::test(start_paused = true)]
async fn a_slow_reader_is_not_taken_for_a_slow_service() {
    let pieces =
        rest().into_iter().flat_map(|event| [Piece::Wait(Duration::from_secs(20)), Piece::from(event)]);
    let stage = Stage::new([Act::stream(broken()), Act::stream(pieces)]);
    let mut stream = staged(&stage, &continuing());
    let mut text = String::new();
    while let Some(event) = stream.next().await {
        if let StreamEvent::Text { delta, .. } = event.unwrap() {
            text.push_str(&delta);
            tokio::time::sleep(Duration::from_secs(50)).await;
        }
    }
    assert_eq!(text, format!("{SAID}{REST}"));
}

/// What a Perennial gateway keeps it goes on with by itself.
#[tokio::test(start_paused = true)]
async fn a_gateway_is_not_gone_on_with() {
    let act = Act::stream(broken()).header("perennial-stream", "01890a5d-ac96-774b-bcce-b302099a8057");
    let stage = Stage::new([act]);
    let seen = read(staged(&stage, &continuing())).await;
    assert!(seen.error.is_some());
    assert_eq!(stage.sent().len(), 1);
}
