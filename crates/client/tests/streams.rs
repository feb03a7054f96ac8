//! What a reader of a stream is told, in every view, whatever the service or something before it sends.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use std::sync::atomic::Ordering;

use futures_util::{StreamExt as _, TryStreamExt as _};
use perennial::protocol::{Ignored, UnknownEvent};
use perennial::{
    ContentBlock, End, Error, ErrorKind, MaxEventBytes, Phase, Place, RetryPolicy, StopReason, StreamEvent,
};
use serde_json::json;
use stage::{
    Act, Piece, Stage, block, block_stop, event, message_delta, message_stop, ping, request, start, text,
};

fn stage(events: impl IntoIterator<Item = String>) -> Stage {
    Stage::new([Act::events(events)])
}

fn stream_of(stage: &Stage) -> perennial::MessageStream {
    let once = perennial::RequestOptions::new().retries(RetryPolicy::none());
    stage.client().messages().with(&once).stream(request())
}

/// The events as one word each.
async fn told(events: impl IntoIterator<Item = String>) -> Vec<String> {
    let stage = stage(events);
    let told = stream_of(&stage).map(|event| match event {
        Ok(StreamEvent::MessageStarted) => "started".to_owned(),
        Ok(StreamEvent::BlockStarted { index, block }) => format!("{index} is {}", block.kind()),
        Ok(StreamEvent::Text { index, delta }) => format!("{index} says {delta}"),
        Ok(StreamEvent::Thinking { index, delta, .. }) => format!("{index} thinks {delta}"),
        Ok(StreamEvent::InputJson { index, delta }) => format!("{index} takes {delta}"),
        Ok(StreamEvent::Signature { index, signature }) => format!("{index} signed {signature}"),
        Ok(StreamEvent::Citation { index, .. }) => format!("{index} cites"),
        Ok(StreamEvent::UnknownDelta { index, delta }) => format!("{index} got {}", delta.get()),
        Ok(StreamEvent::BlockFinished { index, .. }) => format!("{index} ends"),
        Ok(StreamEvent::MessageUpdated(_)) => "updated".to_owned(),
        Ok(StreamEvent::MessageFinished(end)) => end.to_string(),
        Ok(StreamEvent::Ping) => "ping".to_owned(),
        Ok(StreamEvent::Alive) => "alive".to_owned(),
        Ok(StreamEvent::Unknown(UnknownEvent { name, .. })) => format!("unknown {name}"),
        Ok(StreamEvent::Ignored { event, why }) => format!("ignored {} {why:?}", event.name()),
        Ok(other) => format!("{other:?}"),
        Err(error) => format!("{:?} {:?}", error.kind(), error.phase()),
    });
    told.collect().await
}

fn delta(index: u64, delta: &serde_json::Value) -> String {
    event(&json!({"type": "content_block_delta", "index": index, "delta": delta}))
}

fn block_of(index: u64, block: &serde_json::Value) -> String {
    event(&json!({"type": "content_block_start", "index": index, "content_block": block}))
}

#[tokio::test]
async fn everything_is_told_in_order() {
    let events = [
        ping(),
        start("a"),
        ": a comment\n\n".to_owned(),
        block_of(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        ping(),
        delta(0, &json!({"type": "thinking_delta", "thinking": "hm"})),
        delta(0, &json!({"type": "signature_delta", "signature": "S"})),
        block_stop(0),
        block(1),
        text(1, "see"),
        delta(1, &json!({"type": "citations_delta", "citation": {"type": "char_location"}})),
        delta(1, &json!({"type": "glow_delta", "glow": 1})),
        block_stop(1),
        block_of(2, &json!({"type": "tool_use", "id": "t", "name": "look", "input": {}})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": ""})),
        delta(2, &json!({"type": "input_json_delta", "partial_json": "{\"a\":1}"})),
        block_stop(2),
        block_of(3, &json!({"type": "redacted_thinking", "data": "xyz"})),
        block_stop(3),
        event(&json!({"type": "weather", "sun": true})),
        message_delta("tool_use"),
        message_stop(),
    ];
    let expected = [
        "ping",
        "started",
        "alive",
        "ping",
        "0 is thinking",
        "0 thinks hm",
        "0 signed S",
        "0 ends",
        "1 is text",
        "1 says see",
        "1 cites",
        r#"1 got {"type":"glow_delta","glow":1}"#,
        "1 ends",
        "2 is tool_use",
        "2 takes ",
        r#"2 takes {"a":1}"#,
        "2 ends",
        "3 is redacted_thinking",
        "3 ends",
        "unknown weather",
        "updated",
        "complete (tool_use)",
    ];
    assert_eq!(told(events).await, expected);
}

#[tokio::test]
async fn what_does_not_fit_is_told_and_left_out() {
    let events = [
        text(0, "too early"),
        start("a"),
        start("a"),
        block(0),
        text(0, "x"),
        block(0),
        text(7, "nowhere"),
        delta(0, &json!({"type": "thinking_delta", "thinking": "no"})),
        block_stop(0),
        text(0, "too late"),
        message_delta("end_turn"),
        message_stop(),
    ];
    let expected = [
        format!("ignored content_block_delta {:?}", Ignored::BeforeStart),
        "started".to_owned(),
        format!("ignored message_start {:?}", Ignored::SecondStart),
        "0 is text".to_owned(),
        "0 says x".to_owned(),
        format!("ignored content_block_start {:?}", Ignored::BlockTaken),
        format!("ignored content_block_delta {:?}", Ignored::NoSuchBlock),
        format!("ignored content_block_delta {:?}", Ignored::DoesNotFit),
        "0 ends".to_owned(),
        format!("ignored content_block_delta {:?}", Ignored::BlockFinished),
        "updated".to_owned(),
        "complete (end_turn)".to_owned(),
    ];
    assert_eq!(told(events).await, expected);
}

#[tokio::test]
async fn a_missing_stop_of_a_block_is_made_up_for() {
    let events = [start("a"), block(0), text(0, "x"), message_delta("end_turn"), message_stop()];
    let expected = ["started", "0 is text", "0 says x", "0 ends", "updated", "complete (end_turn)"];
    assert_eq!(told(events).await, expected);
    let events = [start("a"), message_delta("end_turn"), block(0), text(0, "x"), message_stop()];
    let expected = ["started", "updated", "0 is text", "0 says x", "0 ends", "complete (end_turn)"];
    assert_eq!(told(events).await, expected);
}

#[tokio::test]
async fn a_block_that_starts_with_text_says_it() {
    let events = [
        start("a"),
        block_of(0, &json!({"type": "text", "text": "from the start"})),
        text(0, " and on"),
        block_stop(0),
        message_delta("end_turn"),
        message_stop(),
    ];
    let stage = stage(events);
    let mut stream = stream_of(&stage);
    let texts: Vec<_> = stream.text_stream().try_collect().await.unwrap();
    assert_eq!(texts, ["from the start", " and on"]);
    assert_eq!(stream.final_text().await.unwrap(), "from the start and on");
}

#[tokio::test]
async fn only_text_for_the_reader_is_text() {
    let events = [
        start("a"),
        block_of(0, &json!({"type": "thinking", "thinking": "", "signature": ""})),
        delta(0, &json!({"type": "thinking_delta", "thinking": "secret"})),
        block_stop(0),
        block_of(1, &json!({"type": "connector_text", "text": ""})),
        text(1, "not for the reader"),
        block_stop(1),
        block(2),
        text(2, "for "),
        text(2, ""),
        text(2, "you"),
        message_delta("end_turn"),
        message_stop(),
    ];
    let stage = stage(events);
    let texts: Vec<_> = stream_of(&stage).into_text_stream().try_collect().await.unwrap();
    assert_eq!(texts, ["for ", "you"]);
}

#[tokio::test]
async fn a_message_instead_of_a_stream_is_told_as_a_stream() {
    let message = json!({
        "id": "msg_w", "type": "message", "role": "assistant", "model": "m",
        "content": [{"type": "text", "text": "all at once"}, {"type": "tool_use", "id": "t", "name": "n", "input": {"a": 1}}],
        "stop_reason": "tool_use", "stop_sequence": null, "usage": {"input_tokens": 1, "output_tokens": 2}
    });
    let body = message.to_string();
    let (head, tail) = body.split_at(40);
    let act = || Act::Answer {
        status: 200,
        headers: vec![("content-type", "application/json".to_owned())],
        body: vec![Piece::from("\n ".to_owned()), Piece::from(head.to_owned()), Piece::from(tail.to_owned())],
    };
    let stage = Stage::new([act()]);
    let mut stream = stream_of(&stage);
    let texts: Vec<_> = stream.text_stream().try_collect().await.unwrap();
    assert_eq!(texts, ["all at once"]);
    let whole = stream.final_message().await.unwrap();
    assert_eq!(serde_json::to_value(&whole).unwrap(), message);
    let events: Vec<_> = stream_of(&stage).try_collect().await.unwrap();
    assert!(matches!(events[0], StreamEvent::MessageStarted), "{events:?}");
    assert!(
        matches!(&events[5], StreamEvent::BlockFinished { index: 1, block } if block.kind() == "tool_use")
    );
    assert!(matches!(events[6], StreamEvent::MessageFinished(End::Complete { .. })), "{events:?}");
}

async fn check_no_stream(body: &str, kind: ErrorKind, words: &[&str]) {
    let stage = Stage::new([Act::events([]).body(body)]);
    let error = stream_of(&stage).final_message().await.unwrap_err();
    assert_eq!(error.kind(), kind, "{body}: {error}");
    let line = error.to_string();
    assert!(words.iter().all(|word| line.contains(word)) && !line.contains('\n'), "{line}");
    assert_eq!(error.request_id(), Some("req_stage"));
}

#[tokio::test]
async fn what_is_no_stream_is_an_error_that_says_what_it_is() {
    let page = "<!DOCTYPE html>\n<html>\n <title>502\u{1b}[31m Bad   gateway</title>";
    check_no_stream(page, ErrorKind::UnexpectedBody, &["<title>502 [31m Bad gateway</title>", "base URL"])
        .await;
    check_no_stream(r#"{"hello": "world"}"#, ErrorKind::UnexpectedBody, &[r#"{"hello": "world"}"#]).await;
    let error = r#"{"type":"error","error":{"type":"overloaded_error","message":"Too much"}}"#;
    check_no_stream(error, ErrorKind::InStream, &["overloaded_error: Too much"]).await;
    check_no_stream(r#"{"id":"msg_1","role":"assi"#, ErrorKind::Truncated, &["ended early"]).await;
    let unfinished = r#"{"id":"msg_1","type":"message","role":"assistant","content":[],"stop_reason":null}"#;
    check_no_stream(unfinished, ErrorKind::UnexpectedBody, &["no message"]).await;
    check_no_stream("", ErrorKind::Truncated, &["nothing of the answer came"]).await;
    check_no_stream("upstream connect error", ErrorKind::Truncated, &["nothing of the answer came"]).await;
    let plain = |body: &str| Act::Answer {
        status: 200,
        headers: vec![("content-type", "text/plain; charset=utf-8".to_owned())],
        body: vec![Piece::from(body.to_owned())],
    };
    let stage = Stage::new([plain("upstream connect error")]);
    let error = stream_of(&stage).final_message().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::UnexpectedBody, "{error}");
    assert!(error.to_string().contains("upstream connect error"), "{error}");
    // The bytes decide, not the header.
    let stage = Stage::new([plain(&stage::whole("a", "x").concat())]);
    assert_eq!(stream_of(&stage).final_text().await.unwrap(), "x");
}

async fn check_status(act: Act, status: u16, words: &[&str]) -> Error {
    let stage = Stage::new([act]);
    let error = stream_of(&stage).final_message().await.unwrap_err();
    let line = error.to_string();
    assert_eq!(
        (error.kind(), error.status(), error.phase()),
        (ErrorKind::Status, Some(status), Phase::FirstByte)
    );
    assert!(words.iter().all(|word| line.contains(word)) && !line.contains('\n'), "{line}");
    error
}

#[tokio::test]
async fn error_statuses_say_who_said_what_and_what_to_do() {
    let error =
        check_status(Act::error(401, "authentication_error"), 401, &["staged", "req_error", "API key"]).await;
    assert_eq!(error.api_error().unwrap().kind.as_str(), "authentication_error");
    check_status(Act::error(529, "overloaded_error"), 529, &["overloaded_error", "try again"]).await;
    let page = Act::error(413, "x")
        .body("<html><head><title>413 Too Large</title></head>\r\n<center>nginx</center>");
    let error = check_status(page, 413, &["HTTP 413", "<title>413 Too Large</title>", "send less"]).await;
    assert!(error.api_error().is_none());
    check_status(Act::error(502, "x").body(""), 502, &["HTTP 502 with an empty body"]).await;
    let stream = Act::error(503, "x").body("event: error\ndata: {\"type\":\"error\",\"error\":{\"type\":\"api_error\",\"message\":\"in a stream\"}}\n\n");
    check_status(stream, 503, &["api_error: in a stream"]).await;
    let redirect = Act::error(308, "x").body("").header("location", "https://elsewhere.example");
    check_status(redirect, 308, &["HTTP 308", "redirects are not followed"]).await;
    let long = Act::error(500, "x").body(&"long ".repeat(100_000));
    assert!(check_status(long, 500, &["long long"]).await.to_string().len() < 600);
    let spent = Act::error(429, "x").code("enforced_spend_limit_reached");
    check_status(spent, 429, &["enforced_spend_limit_reached", "waiting does not help"]).await;
}

/// Every prefix of an answer, cut in every way, is an error that carries exactly what came before.
#[tokio::test]
async fn an_answer_that_is_cut_is_never_whole() {
    let events = [
        start("a"),
        block(0),
        ping(),
        text(0, "one "),
        text(0, "two"),
        block_stop(0),
        block_of(1, &json!({"type": "tool_use", "id": "t", "name": "n", "input": {}})),
        delta(1, &json!({"type": "input_json_delta", "partial_json": "{\"a\":"})),
        delta(1, &json!({"type": "input_json_delta", "partial_json": "1}"})),
        block_stop(1),
        message_delta("tool_use"),
        message_stop(),
    ];
    for length in 0..events.len() {
        for lost in [false, true] {
            let pieces = events[..length].iter().cloned().map(Piece::from).chain(lost.then_some(Piece::Lost));
            let stage = Stage::new([Act::stream(pieces)]);
            let mut stream = stream_of(&stage);
            let error = stream.finish().await.unwrap_err();
            let kind = if lost { ErrorKind::Lost } else { ErrorKind::Truncated };
            assert_eq!(error.kind(), kind, "{length}");
            let partial = error.partial().expect("an error has what came");
            let expected_text = ["", "", "", "", "one ", "one two"].get(length).unwrap_or(&"one two");
            assert_eq!(partial.text(), *expected_text, "{length}");
            let expected_phase = match length {
                0 => Phase::FirstByte,
                1..=3 => Phase::BeforeContent,
                11 => Phase::AfterContent,
                _ => Phase::Content,
            };
            assert_eq!(error.phase(), expected_phase, "{length}");
            let Some(End::Truncated(truncation)) = error.end() else { panic!("{length}: {:?}", error.end()) };
            assert_eq!(truncation.place == Place::BeforeStop, length == 11);
            // A cut call must not be run.
            let calls = partial.message().tool_calls().count();
            assert_eq!(calls, usize::from(length >= 10), "{length}");
            // The same again, however it is asked for, and the stream still knows what came.
            assert_eq!(stream.transcript().text(), *expected_text);
            assert!(stream.next().await.is_none());
            assert_eq!(stream.final_message().await.unwrap_err().kind(), kind);
        }
    }
}

#[tokio::test]
async fn how_it_ended_is_told() {
    for (reason, end) in [
        ("max_tokens", End::Complete { stop_reason: Some(StopReason::MaxTokens) }),
        ("refusal", End::Refused),
        (
            "model_context_window_exceeded",
            End::Complete { stop_reason: Some(StopReason::ModelContextWindowExceeded) },
        ),
        ("tired", End::Complete { stop_reason: Some(StopReason::Other("tired".into())) }),
    ] {
        let stage = stage([start("a"), block(0), text(0, "x"), message_delta(reason), message_stop()]);
        let mut stream = stream_of(&stage);
        stream.finish().await.unwrap();
        assert_eq!(stream.transcript().end(), end);
        assert_eq!(stream.final_message().await.unwrap().stop_reason.unwrap().as_str(), reason);
    }
    let stage = stage([start("a"), block(0), text(0, "x"), message_stop()]);
    let error = stream_of(&stage).final_message().await.unwrap_err();
    assert_eq!((error.kind(), error.partial().unwrap().text().as_str()), (ErrorKind::Malformed, "x"));
}

#[tokio::test]
async fn usage_is_final_only_at_the_end() {
    let stage = stage(stage::whole("a", "x"));
    let mut stream = stream_of(&stage);
    let mut figures = Vec::new();
    while let Some(event) = stream.next().await {
        event.unwrap();
        let usage = stream.usage();
        figures.push((usage.tokens.output_tokens.unwrap(), usage.is_final));
    }
    assert_eq!(figures.first(), Some(&(1, false)));
    assert_eq!(figures.last(), Some(&(7, true)));
    assert!(figures.iter().all(|(tokens, is_final)| (*tokens == 7) == *is_final), "{figures:?}");
}

#[tokio::test]
async fn events_after_the_end_do_not_exist() {
    let mut events = stage::whole("a", "x");
    events.extend([stage::error("api_error"), start("b"), block(0), text(0, "y"), message_stop()]);
    let in_one_piece = events.concat();
    for events in [events, vec![in_one_piece]] {
        let stage = stage(events);
        let message = stream_of(&stage).final_message().await.unwrap();
        assert_eq!((message.text().as_str(), &*message.id), ("x", "a"));
    }
}

#[tokio::test]
async fn a_last_event_without_its_blank_line() {
    let mut events = stage::whole("a", "x");
    let last = events.pop().unwrap();
    events.push(last.trim_end().to_owned());
    assert_eq!(stream_of(&stage(events.clone())).final_text().await.unwrap(), "x");
    // Any other event may be cut itself.
    events.pop();
    let last = events.pop().unwrap();
    events.push(last.trim_end().to_owned());
    let error = stream_of(&stage(events)).final_text().await.unwrap_err();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Truncated, Phase::Content));
}

#[tokio::test]
async fn the_frames_are_the_bytes() {
    let mut events = stage::whole("a", "x");
    events.insert(1, ": comment\r\n\r\n".to_owned());
    let body = events.concat();
    for size in [1, 7, 100_000] {
        let pieces = body.as_bytes().chunks(size).map(|piece| Piece::Bytes(piece.to_vec().into()));
        let stage = Stage::new([Act::stream(pieces)]);
        let mut stream = stream_of(&stage);
        let frames: Vec<_> = stream.frames().try_collect().await.unwrap();
        assert_eq!(std::str::from_utf8(&frames.concat()).unwrap(), body, "{size}");
        let raw: Vec<_> = stream_of(&stage).raw_events().try_collect().await.unwrap();
        assert_eq!(raw.len(), 7, "{size}");
    }
}

#[tokio::test]
async fn an_event_that_is_too_large_ends_it() {
    let stage = stage([start("a"), block(0), text(0, "small"), text(0, &"x".repeat(5_000)), message_stop()]);
    let options = perennial::RequestOptions::new().max_event_bytes(MaxEventBytes::new(2_000));
    let stream = stage.client().messages().with(&options).stream(request());
    let error = stream.final_message().await.unwrap_err();
    assert_eq!((error.kind(), error.is_retryable()), (ErrorKind::EventTooLarge, false));
    assert_eq!(error.partial().unwrap().text(), "small");
    let json = Stage::new([Act::events([]).body(&format!("{{\"a\":\"{}\"}}", "x".repeat(5_000)))]);
    let error = json.client().messages().with(&options).create(request()).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::EventTooLarge);
}

#[tokio::test]
async fn the_input_of_a_tool_can_be_followed() {
    let stage = stage([
        start("a"),
        block_of(0, &json!({"type": "tool_use", "id": "t", "name": "n", "input": {}})),
        delta(0, &json!({"type": "input_json_delta", "partial_json": "{\"city\":\"Os"})),
        delta(0, &json!({"type": "input_json_delta", "partial_json": "lo\"}"})),
        block_stop(0),
        message_delta("tool_use"),
        message_stop(),
    ]);
    let mut stream = stream_of(&stage).following_inputs();
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        if let StreamEvent::InputJson { index, .. } = event.unwrap() {
            seen.push(
                stream.transcript().partial_input(index).unwrap().clone().into_value().unwrap().to_string(),
            );
        }
    }
    assert_eq!(seen, [r#"{"city":"Os"}"#, r#"{"city":"Oslo"}"#]);
}

#[tokio::test]
async fn cancelling_keeps_what_came_and_closes() {
    let body = [start("a"), block(0), text(0, "so far")].map(Piece::from).into_iter().chain([Piece::Hang]);
    let stage = Stage::new([Act::stream(body)]);
    let mut stream = stream_of(&stage);
    let mut texts = stream.text_stream();
    assert_eq!(texts.next().await.unwrap().unwrap(), "so far");
    assert_eq!(stage.open.load(Ordering::SeqCst), 1);
    let transcript = stream.cancel();
    assert_eq!(stage.open.load(Ordering::SeqCst), 0);
    assert_eq!(transcript.text(), "so far");
    assert!(matches!(transcript.end(), End::Truncated(_)));
    // Before anything was sent, and while a retry waits.
    assert_eq!(stream_of(&stage).cancel().end(), perennial::Transcript::new().end());
    let busy = Stage::new([Act::error(529, "overloaded_error")]);
    let mut stream = busy.client().messages().stream(request());
    assert!(matches!(stream.next().await, Some(Ok(StreamEvent::Retrying(_)))));
    drop(stream.cancel());
    assert_eq!((busy.sent().len(), busy.open.load(Ordering::SeqCst)), (1, 0));
}

#[tokio::test]
async fn headers_are_there_before_the_answer() {
    let act = Act::whole("x")
        .header("anthropic-ratelimit-requests-limit", "50")
        .header("anthropic-ratelimit-requests-remaining", "49")
        .header("anthropic-ratelimit-requests-reset", "2026-11-20T10:00:00Z")
        .header("anthropic-ratelimit-output-tokens-remaining", "many")
        .header("anthropic-organization-id", "org");
    let stage = Stage::new([Act::error(529, "overloaded_error").header("retry-after-ms", "1"), act]);
    let mut stream = stage.client().messages().stream(request());
    assert!(stream.response().is_none());
    let response = stream.open().await.unwrap();
    assert_eq!((response.status(), response.organization_id()), (200, Some("org")));
    assert_eq!((stream.request_id(), stream.attempts()), (Some("req_stage"), 2));
    let limits = stream.rate_limits();
    let requests = limits.requests.unwrap();
    assert_eq!((requests.limit, requests.remaining), (Some(50), Some(49)));
    let reset = requests.reset.unwrap().duration_since(std::time::UNIX_EPOCH).unwrap();
    assert_eq!(reset.as_secs(), 1_795_168_800);
    assert_eq!((limits.tokens, limits.output_tokens), (None, None));
    // What happened on the way is still told.
    let events: Vec<_> = stream.by_ref().try_collect().await.unwrap();
    assert!(matches!(events[0], StreamEvent::Retrying(_)), "{events:?}");
    assert!(matches!(events[1], StreamEvent::MessageStarted), "{events:?}");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_by_the_stream() {
    let stage = Stage::new([Act::whole("x")]);
    let client = stage.client();
    let no_object = json!([1, 2]);
    let bad_header = perennial::RequestOptions::new().header("x-a", "line\nend");
    for mut stream in
        [client.messages().stream(no_object), client.messages().with(&bad_header).stream(request())]
    {
        let error = stream.next().await.unwrap().unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Request, Phase::Request));
        assert!(stream.next().await.is_none());
    }
    assert!(stage.sent().is_empty());
}

#[tokio::test]
async fn a_stream_of_every_kind_ends_once() {
    let stage = stage(stage::whole("a", "x"));
    let mut stream = stream_of(&stage);
    assert_eq!(stream.by_ref().count().await, 7);
    assert!(stream.next().await.is_none());
    assert!(stream.text_stream().next().await.is_none());
    assert!(matches!(stream.final_message().await.unwrap().content[..], [ContentBlock::Text(_)]));
}

/// `body` in pieces, compressed so that each can be decoded as soon as it is here.
fn compressed<W: std::io::Write>(
    mut encoder: W,
    body: &[String],
    mut take: impl FnMut(&mut W) -> Vec<u8>,
) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for event in body {
        encoder.write_all(event.as_bytes()).unwrap();
        encoder.flush().unwrap();
        pieces.push(Piece::Bytes(take(&mut encoder).into()));
    }
    pieces
}

#[tokio::test(start_paused = true)]
async fn an_encoding_that_nobody_asked_for_is_undone_as_it_arrives() {
    use flate2::Compression;
    use flate2::write::{GzEncoder, ZlibEncoder};
    let mut body = stage::whole("a", "now");
    body.insert(4, text(0, &"and a lot of it ".repeat(20_000)));
    let gzip = GzEncoder::new(Vec::new(), Compression::best());
    let deflate = ZlibEncoder::new(Vec::new(), Compression::best());
    for (name, mut pieces) in [
        ("gzip", compressed(gzip, &body, |encoder| std::mem::take(encoder.get_mut()))),
        ("deflate", compressed(deflate, &body, |encoder| std::mem::take(encoder.get_mut()))),
    ] {
        // The first text is there before the rest is; the end of the encoding never comes, nor is it needed.
        let bytes: Vec<u8> = pieces
            .iter()
            .filter_map(|piece| match piece {
                Piece::Bytes(bytes) => Some(bytes.to_vec()),
                _ => None,
            })
            .flatten()
            .collect();
        pieces.insert(4, Piece::Wait(std::time::Duration::from_secs(30)));
        let stage = Stage::new([Act::stream(pieces).header("content-encoding", name)]);
        let begun = tokio::time::Instant::now();
        let mut stream = stream_of(&stage);
        assert_eq!(stream.text_stream().next().await.unwrap().unwrap(), "now", "{name}");
        assert!(begun.elapsed() < std::time::Duration::from_secs(1), "{name}");
        assert_eq!(stream.final_text().await.unwrap().len(), 3 + 16 * 20_000, "{name}");
        // Cut anywhere it is an error like any other; in pieces of one byte it is the same.
        let cut = bytes[..bytes.len() / 2].iter().map(|byte| Piece::Bytes(vec![*byte].into()));
        let stage = Stage::new([Act::stream(cut).header("content-encoding", name)]);
        let error = stream_of(&stage).final_text().await.unwrap_err();
        assert_eq!((error.kind(), error.phase()), (ErrorKind::Lost, Phase::Content), "{name}: {error}");
    }
    for (name, body) in [("br", "x"), ("gzip", "this is no gzip")] {
        let stage = Stage::new([Act::events([body.to_owned()]).header("content-encoding", name)]);
        let error = stream_of(&stage).final_text().await.unwrap_err();
        let kind = if name == "br" { ErrorKind::UnexpectedBody } else { ErrorKind::Lost };
        assert_eq!(error.kind(), kind, "{error}");
    }
}
