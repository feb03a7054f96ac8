//! Each clock, to the millisecond, on a paused clock.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod stage;

use std::time::Duration;

use futures_util::StreamExt as _;
use perennial::transport::TransportErrorKind;
use perennial::{Clock, Deadlines, Error, ErrorKind, Phase, RequestOptions, RetryPolicy};
use stage::{Act, Piece, Stage, block, message_delta, ping, request, start, text};
use tokio::time::{Instant, sleep};

fn secs(secs: u64) -> Duration {
    Duration::from_secs(secs)
}

/// Reads `act` once, and tells the error and when it came.
async fn read(act: Act, deadlines: Deadlines) -> (Error, Duration) {
    let stage = Stage::new([act]);
    let options = RequestOptions::new().deadlines(deadlines).retries(RetryPolicy::none());
    let begun = Instant::now();
    let error = stage.client().messages().with(&options).create(request()).await.unwrap_err();
    (error, begun.elapsed())
}

async fn check(act: Act, deadlines: Deadlines, clock: Clock, phase: Phase, after: Duration) {
    let (error, took) = read(act, deadlines).await;
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Deadline(clock), phase), "{error}");
    assert!(took >= after && took < after + Duration::from_millis(5), "{clock}: {took:?}");
    assert!(error.to_string().contains(&format!("{clock} deadline")), "{error}");
    assert_eq!(error.is_retryable(), clock != Clock::Total);
}

/// The start of an answer, `pings` pings `gap` apart, then nothing.
fn pinging(content: bool, pings: usize, gap: Duration) -> Act {
    let mut body = vec![Piece::from(start("a"))];
    if content {
        body.extend([block(0), text(0, "so far")].map(Piece::from));
    }
    for _ in 0..pings {
        body.extend([Piece::Wait(gap), Piece::from(ping())]);
    }
    body.push(Piece::Hang);
    Act::stream(body)
}

#[tokio::test(start_paused = true)]
async fn each_has_its_own() {
    let default = Deadlines::default();
    check(Act::Hang, default, Clock::FirstByte, Phase::FirstByte, secs(120)).await;
    check(Act::stream([Piece::Hang]), default, Clock::FirstByte, Phase::FirstByte, secs(120)).await;
    check(pinging(false, 0, secs(0)), default, Clock::Silence, Phase::BeforeContent, secs(60)).await;
    check(pinging(true, 0, secs(0)), default, Clock::Silence, Phase::Content, secs(60)).await;
    check(pinging(true, 2, secs(50)), default, Clock::Silence, Phase::Content, secs(160)).await;
    check(pinging(true, 100, secs(30)), default, Clock::Progress, Phase::Content, secs(180)).await;
    check(pinging(false, 100, secs(30)), default, Clock::Progress, Phase::BeforeContent, secs(180)).await;
    let whole = [start("a"), message_delta("end_turn")].map(Piece::from).into_iter().chain([Piece::Hang]);
    check(Act::stream(whole), default, Clock::Silence, Phase::AfterContent, secs(60)).await;
    let connect = Act::Refuse(TransportErrorKind::ConnectTimeout);
    check(connect, default, Clock::Connect, Phase::Connect, secs(0)).await;
}

#[tokio::test(start_paused = true)]
async fn each_is_what_it_is_set_to() {
    let first = Deadlines { first_byte: secs(3), ..Deadlines::default() };
    check(Act::Hang, first, Clock::FirstByte, Phase::FirstByte, secs(3)).await;
    check(Act::stream([Piece::Hang]), first, Clock::FirstByte, Phase::FirstByte, secs(3)).await;
    // Headers alone are no byte of the answer.
    let late = Act::stream([Piece::Wait(secs(4)), Piece::from(start("a"))]);
    check(late, first, Clock::FirstByte, Phase::FirstByte, secs(3)).await;
    let silence = Deadlines { silence: Duration::from_millis(1_500), ..Deadlines::default() };
    check(pinging(true, 3, secs(1)), silence, Clock::Silence, Phase::Content, Duration::from_millis(4_500))
        .await;
    let progress = Deadlines { progress: secs(10), ..Deadlines::default() };
    check(pinging(true, 9, secs(4)), progress, Clock::Progress, Phase::Content, secs(10)).await;
    let total = Deadlines { total: Some(secs(25)), ..Deadlines::default() };
    check(pinging(true, 9, secs(4)), total, Clock::Total, Phase::Content, secs(25)).await;
    check(Act::Hang, total, Clock::Total, Phase::FirstByte, secs(25)).await;
    check(Act::stream([Piece::Hang]), total, Clock::Total, Phase::FirstByte, secs(25)).await;
}

#[tokio::test(start_paused = true)]
async fn no_deadline_is_no_deadline() {
    let never = Deadlines {
        connect: Duration::MAX,
        first_byte: Duration::MAX,
        silence: Duration::MAX,
        progress: Duration::MAX,
        total: Some(Duration::MAX),
    };
    let month = secs(30 * 24 * 3600);
    let body =
        stage::whole("a", "patience").into_iter().flat_map(|event| [Piece::Wait(month), Piece::from(event)]);
    let stage = Stage::new([Act::stream(body)]);
    let options = RequestOptions::new().deadlines(never).retries(RetryPolicy::none());
    let message = stage.client().messages().with(&options).create(request()).await.unwrap();
    assert_eq!(message.text(), "patience");
}

#[tokio::test(start_paused = true)]
async fn content_in_time_is_never_late() {
    let mut body = vec![Piece::from(start("a")), Piece::from(block(0))];
    for _ in 0..50 {
        body.extend([Piece::Wait(secs(59)), Piece::from(text(0, "x"))]);
    }
    body.extend([message_delta("end_turn"), stage::message_stop()].map(Piece::from));
    let stage = Stage::new([Act::stream(body)]);
    let message = stage.client().messages().create(request()).await.unwrap();
    assert_eq!(message.text().len(), 50);
}

#[tokio::test(start_paused = true)]
async fn a_slow_reader_makes_nothing_late() {
    let mut body = vec![Piece::from(start("a")), Piece::from(block(0))];
    for _ in 0..20 {
        // Between two events only some of the time is spent waiting for the service.
        body.extend([Piece::Wait(secs(20)), Piece::from(ping()), Piece::from(text(0, "x"))]);
    }
    body.extend([message_delta("end_turn"), stage::message_stop()].map(Piece::from));
    let stage = Stage::new([Act::stream(body)]);
    let mut stream = stage.client().messages().stream(request());
    while let Some(event) = stream.next().await {
        event.unwrap();
        sleep(secs(3600)).await;
    }
    assert_eq!(stream.final_text().await.unwrap().len(), 20);
}

#[tokio::test(start_paused = true)]
async fn only_waiting_counts() {
    // Pings come every 30 s; the reader is away for an hour after each. Progress is late after 180 s of waiting all the same.
    let stage = Stage::new([pinging(true, 100, secs(30))]);
    let mut stream = stage.client().messages().stream(request());
    let mut away = Duration::ZERO;
    let begun = Instant::now();
    let error = loop {
        match stream.next().await.expect("there is an error to come") {
            Ok(_) => {
                sleep(secs(3600)).await;
                away += secs(3600);
            }
            Err(error) => break error,
        }
    };
    assert_eq!(error.kind(), ErrorKind::Deadline(Clock::Progress));
    let waited = begun.elapsed() - away;
    assert!(waited >= secs(180) && waited < secs(181), "{waited:?}");
}

#[tokio::test(start_paused = true)]
async fn before_content_it_is_tried_again() {
    let stage = Stage::new([Act::Hang, pinging(false, 3, secs(50)), Act::whole("well")]);
    let begun = Instant::now();
    let message = stage.client().messages().create(request()).await.unwrap();
    assert_eq!((message.text().as_str(), stage.sent().len()), ("well", 3));
    // 120 s without a byte, 180 s without content, and two waits of about 0.5 and 1 s.
    let took = begun.elapsed();
    assert!(took > secs(301) && took < secs(302), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn the_total_covers_all_attempts() {
    let stage = Stage::new([Act::error(529, "overloaded_error"), Act::Hang]);
    let deadlines = Deadlines { total: Some(secs(10)), ..Deadlines::default() };
    let options = RequestOptions::new().deadlines(deadlines);
    let begun = Instant::now();
    let error = stage.client().messages().with(&options).create(request()).await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Deadline(Clock::Total), 2));
    assert!(begun.elapsed() >= secs(10) && begun.elapsed() < secs(11), "{:?}", begun.elapsed());
}
