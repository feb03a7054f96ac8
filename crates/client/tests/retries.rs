//! Which failures are followed by another attempt, when, and which never are. On a paused clock, so every wait is exact.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use std::time::Duration;

use futures_util::StreamExt as _;
use perennial::transport::TransportErrorKind;
use perennial::{
    Deadlines, Error, ErrorKind, MaxRetryAfter, Phase, RequestOptions, RetryBudget, RetryPolicy, StreamEvent,
};
use stage::{Act, Piece, Stage, block, error, message_delta, message_stop, request, start, text};

fn ms(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// Plays `act` and then a whole answer; the number of requests tells whether it was retried.
async fn sent_after(act: Act) -> (usize, Result<perennial::Message, Error>) {
    let stage = Stage::new([act, Act::whole("well")]);
    let result = stage.client().messages().create(request()).await;
    (stage.sent().len(), result)
}

async fn check(what: &str, act: Act, retried: bool) {
    let (sent, result) = sent_after(act).await;
    assert_eq!(sent, 1 + usize::from(retried), "{what}");
    assert_eq!(result.is_ok(), retried, "{what}: {result:?}");
    if let Err(error) = result {
        assert_eq!(error.attempts(), 1, "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn statuses() {
    for status in [408, 409, 429, 500, 501, 502, 503, 504, 529] {
        check(&status.to_string(), Act::error(status, "any_error"), true).await;
        let never = Act::error(status, "any_error").header("x-should-retry", "false");
        check(&format!("{status}, not to be retried"), never, false).await;
    }
    for status in [301, 307, 400, 401, 402, 403, 404, 405, 412, 413, 422, 431, 499] {
        check(&status.to_string(), Act::error(status, "any_error"), false).await;
        let please = Act::error(status, "any_error").header("x-should-retry", "true");
        check(&format!("{status}, to be retried"), please, true).await;
    }
}

#[tokio::test(start_paused = true)]
async fn what_waiting_does_not_cure() {
    for code in [
        "enforced_spend_limit_reached",
        "contract_spend_limit_reached",
        "linked_organization_spend_limit_reached",
    ] {
        check(code, Act::error(429, "rate_limit_error").code(code), false).await;
        let insists = Act::error(429, "rate_limit_error").code(code).header("x-should-retry", "true");
        check(code, insists, false).await;
    }
    check("ramp limit", Act::error(429, "rate_limit_error").code("ramp_limit_exceeded"), true).await;
}

#[tokio::test(start_paused = true)]
async fn connections_and_bodies() {
    check("refused", Act::Refuse(TransportErrorKind::Connect), true).await;
    check("connect deadline", Act::Refuse(TransportErrorKind::ConnectTimeout), true).await;
    check("reset before the head", Act::Refuse(TransportErrorKind::Lost), true).await;
    check("cannot be sent", Act::Refuse(TransportErrorKind::Request), false).await;
    check("no head", Act::Hang, true).await;
    check("empty", Act::events([]), true).await;
    check("ends after the start", Act::events([start("a")]), true).await;
    check("ends after an empty block", Act::events([start("a"), block(0), stage::ping()]), true).await;
    check("lost after the start", Act::stream([Piece::from(start("a")), Piece::Lost]), true).await;
    check("silent after the start", Act::stream([Piece::from(start("a")), Piece::Hang]), true).await;
    check("ends after content", Act::events([start("a"), block(0), text(0, "x")]), false).await;
    check("ends after the stop reason", Act::events([start("a"), message_delta("end_turn")]), false).await;
    let malformed = "event: message_start\ndata: {\"type\":\"message_start\",\n\n".to_owned();
    check("malformed start", Act::events([malformed]), true).await;
    check("page", Act::events([]).body("<html><body>hello</body></html>"), false).await;
}

#[tokio::test(start_paused = true)]
async fn errors_in_the_stream() {
    for (kind, retried) in [
        ("overloaded_error", true),
        ("api_error", true),
        ("rate_limit_error", true),
        ("timeout_error", true),
        ("throttlingException", true),
        ("invalid_request_error", false),
        ("authentication_error", false),
        ("permission_error", false),
        ("not_found_error", false),
        ("billing_error", false),
    ] {
        check(kind, Act::events([error(kind)]), retried).await;
        check(kind, Act::events([start("a"), error(kind)]), retried).await;
        check(kind, Act::events([start("a"), block(0), error(kind)]), retried).await;
        check(kind, Act::events([start("a"), block(0), text(0, "x"), error(kind)]), false).await;
    }
}

async fn check_wait(act: Act, shortest: Duration, longest: Duration) {
    let stage = Stage::new([act.clone(), Act::whole("well")]);
    stage.client().messages().create(request()).await.unwrap();
    let waits = stage.waits();
    assert!(waits.len() == 1 && waits[0] >= shortest && waits[0] <= longest, "{act:?} {waits:?}");
}

#[tokio::test(start_paused = true)]
async fn what_the_service_asks_for() {
    let limited = || Act::error(429, "rate_limit_error");
    let exactly = async |act: Act, wait: Duration| check_wait(act, wait, wait + ms(2)).await;
    let by_default = async |act: Act| check_wait(act, ms(375), ms(502)).await;
    exactly(limited().header("retry-after", "7"), ms(7_000)).await;
    exactly(limited().header("retry-after", " 60 "), ms(60_000)).await;
    exactly(limited().header("retry-after", "0.25"), ms(250)).await;
    exactly(limited().header("retry-after-ms", "40"), ms(40)).await;
    exactly(
        limited().header("retry-after-ms", "1500.5").header("retry-after", "9"),
        Duration::from_micros(1_500_500),
    )
    .await;
    exactly(limited().header("retry-after-ms", "soon").header("retry-after", "9"), ms(9_000)).await;
    let date = limited()
        .header("date", "Fri, 20 Nov 2026 10:00:00 GMT")
        .header("retry-after", "Fri, 20 Nov 2026 10:00:12 GMT");
    exactly(date, ms(12_000)).await;
    for no_time in
        ["", "0", "-5", "-0.1", "soon", "NaN", "1e", "Wed, 21 Oct 2015 07:28:00 GMT", "Fri, 99 Nov"]
    {
        by_default(limited().header("retry-after", no_time)).await;
        by_default(limited().header("retry-after-ms", no_time)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn asking_for_too_much_ends_it() {
    for huge in ["61", "86400", "99999999999999999999", "1e300", "inf"] {
        let stage = Stage::new([Act::error(429, "rate_limit_error").header("retry-after", huge)]);
        let error = stage.client().messages().create(request()).await.unwrap_err();
        assert_eq!((stage.sent().len(), error.kind()), (1, ErrorKind::Status), "{huge}");
        assert!(error.retry_after().unwrap() > Duration::from_secs(60), "{huge}");
        assert!(error.is_retryable());
    }
    let policy =
        RetryPolicy { max_retry_after: MaxRetryAfter(Duration::from_secs(90_000)), ..RetryPolicy::default() };
    let stage =
        Stage::new([Act::error(429, "rate_limit_error").header("retry-after", "86400"), Act::whole("well")]);
    let patient = RequestOptions::new().retries(policy);
    stage.client().messages().with(&patient).create(request()).await.unwrap();
    assert_eq!(stage.waits(), [Duration::from_secs(86_400)]);
}

#[tokio::test(start_paused = true)]
async fn the_wait_doubles_up_to_its_end() {
    let stage = Stage::new([Act::error(529, "overloaded_error")]);
    let options = RequestOptions::new().retries(RetryPolicy { max_retries: 7, ..RetryPolicy::default() });
    let error = stage.client().messages().with(&options).create(request()).await.unwrap_err();
    assert_eq!((error.attempts(), error.status()), (8, Some(529)));
    let waits = stage.waits();
    for (wait, full) in waits.iter().zip([500, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000]) {
        assert!(*wait >= ms(full * 3 / 4) && *wait <= ms(full + 2), "{waits:?}");
    }
    assert_eq!(waits.len(), 7);
}

#[tokio::test(start_paused = true)]
async fn every_attempt_sends_the_same_bytes() {
    let stage = Stage::new([
        Act::error(529, "overloaded_error"),
        Act::Refuse(TransportErrorKind::Lost),
        Act::whole("well"),
    ]);
    stage.client().messages().create(request()).await.unwrap();
    let sent = stage.sent();
    assert_eq!(sent.len(), 3);
    for again in &sent[1..] {
        assert_eq!((&again.body, &again.headers), (&sent[0].body, &sent[0].headers));
    }
}

#[tokio::test(start_paused = true)]
async fn an_empty_budget_ends_it() {
    let stage = Stage::new([Act::error(529, "overloaded_error")]);
    let budget = RetryBudget { share: 0.5, per_second: 0.0, reserve: 3.0 };
    let client = stage.builder().retry_budget(budget).build().unwrap();
    let mut attempts = Vec::new();
    for _ in 0..6 {
        attempts.push(client.messages().create(request()).await.unwrap_err().attempts());
    }
    // Three in reserve; each request saves a half.
    assert_eq!(attempts, [3, 2, 2, 1, 2, 1]);
}

#[tokio::test(start_paused = true)]
async fn a_budget_fills_with_time() {
    let stage = Stage::new([Act::error(529, "overloaded_error").header("retry-after-ms", "1")]);
    let budget = RetryBudget { share: 0.0, per_second: 1.0, reserve: 2.0 };
    let client = stage.builder().retry_budget(budget).build().unwrap();
    let attempts = async || client.messages().create(request()).await.unwrap_err().attempts();
    assert_eq!(attempts().await, 3);
    assert_eq!(attempts().await, 1);
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert_eq!(attempts().await, 2);
}

#[tokio::test(start_paused = true)]
async fn no_wait_beyond_the_total_deadline() {
    let stage = Stage::new([Act::error(429, "rate_limit_error").header("retry-after", "30")]);
    let deadlines = Deadlines { total: Some(Duration::from_secs(20)), ..Deadlines::default() };
    let options = RequestOptions::new().deadlines(deadlines);
    let begun = tokio::time::Instant::now();
    let error = stage.client().messages().with(&options).create(request()).await.unwrap_err();
    // The cause, not the deadline: that is what one wants to know.
    assert_eq!((error.status(), begun.elapsed()), (Some(429), Duration::ZERO));
}

#[tokio::test(start_paused = true)]
async fn the_attempt_that_counts_wins() {
    let first = [start("first"), block(0), stage::ping(), error("overloaded_error")];
    let second = [
        start("second"),
        block(0),
        stage::ping(),
        text(0, "said "),
        text(0, "once"),
        stage::block_stop(0),
        message_delta("end_turn"),
        message_stop(),
    ];
    let stage = Stage::new([Act::events(first), Act::events(second)]);
    let mut stream = stage.client().messages().stream(request());
    let mut seen = Vec::new();
    while let Some(event) = stream.next().await {
        seen.push(match event.unwrap() {
            StreamEvent::MessageStarted => format!("started {}", stream.transcript().envelope().id),
            StreamEvent::Retrying(retrying) => {
                assert_eq!(retrying.cause.phase(), Phase::BeforeContent);
                format!("attempt {} after {}", retrying.attempt, retrying.cause.api_error().unwrap().kind)
            }
            StreamEvent::BlockStarted { index, .. } => format!("block {index}"),
            StreamEvent::Text { delta, .. } => delta,
            StreamEvent::BlockFinished { .. } => "finished".to_owned(),
            StreamEvent::MessageUpdated(_) => "updated".to_owned(),
            StreamEvent::MessageFinished(end) => end.to_string(),
            StreamEvent::Ping => "ping".to_owned(),
            other => panic!("{other:?}"),
        });
    }
    // One start of the message, one of the block, though there were two of each.
    let expected = [
        "started first",
        "ping",
        "attempt 2 after overloaded_error",
        "ping",
        "block 0",
        "said ",
        "once",
        "finished",
        "updated",
        "complete (end_turn)",
    ];
    assert_eq!(seen, expected);
    let message = stream.final_message().await.unwrap();
    assert_eq!((&*message.id, &*message.model), ("second", "model-of-second"));
    assert_eq!(message.text(), "said once");
}
