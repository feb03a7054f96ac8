//! Attached streams: how they come back, when they stop trying, and how they end. On a paused clock.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod kept;
mod stage;

use std::time::Duration;

use bytes::Bytes;
use futures_util::{StreamExt as _, TryStreamExt as _};
use kept::{Fate, Kept, position};
use perennial::protocol::ErrorKind as ApiErrorKind;
use perennial::{
    Clock, Deadlines, End, Error, ErrorKind, LogEvent, Phase, Position, ReconnectPolicy, RequestOptions,
    StreamEvent,
};
use stage::{block, block_stop, error as error_of, message_delta, message_stop, ping, start, text};
use tokio::time::Instant;

/// A log with these events and no end.
fn log(events: impl IntoIterator<Item = String>) -> Kept {
    let kept = Kept::of(b"");
    kept.forget_the_end();
    for event in events {
        kept.add(event.as_bytes());
    }
    kept
}

/// Where the connection breaks in the middle of the second delta: up to there, the text is `one `.
fn middle() -> usize {
    begun().upto(4) + 9
}

/// The beginning of an answer.
fn begun() -> Kept {
    log([start("a"), block(0), text(0, "one "), text(0, "two")])
}

/// A whole answer.
fn whole() -> Kept {
    let kept = begun();
    for event in [block_stop(0), message_delta("end_turn"), message_stop()] {
        kept.add(event.as_bytes());
    }
    kept.terminal("completed", "null");
    kept
}

async fn failure(kept: Kept) -> Error {
    let error = kept.attach().finish().await.unwrap_err();
    assert_eq!(error.attempts() as usize, kept.asked().len());
    error
}

fn reset(seconds: u64) -> ReconnectPolicy {
    ReconnectPolicy { give_up_after: Duration::from_secs(seconds), ..ReconnectPolicy::default() }
}

#[tokio::test(start_paused = true)]
async fn what_is_asked_for() {
    let kept = whole().fates([Fate::Breaks(middle())]);
    let mut stream = kept.attach();
    assert_eq!((stream.position(), stream.stream_id()), (Some(Position::START), Some("strm_1")));
    stream.finish().await.unwrap();
    assert_eq!(stream.transcript().text(), "one two");
    assert_eq!((stream.position(), stream.attempts()), (Some(kept.last()), 2));
    let asked = kept.asked();
    for asked in &asked {
        assert_eq!(
            (asked.target.as_str(), asked.accept.as_str()),
            ("/v1/streams/strm_1/events", "text/event-stream")
        );
    }
    let ids: Vec<_> = asked.into_iter().map(|asked| asked.last_event_id).collect();
    assert_eq!(ids, [None, Some("4.1".to_owned())]);

    let client = kept.builder().build().unwrap();
    let streams = client.streams().capability("c/a=p");
    streams.attach("strm/1").final_text().await.unwrap();
    assert_eq!(kept.asked()[2].target, "/v1/streams/strm%2F1/events?cap=c%2Fa%3Dp");
    assert!(!format!("{streams:?}").contains("c/a=p"), "{streams:?}");
}

#[tokio::test(start_paused = true)]
async fn trouble_that_passes_is_not_seen() {
    for fate in [
        Fate::Refused,
        Fate::Status(429),
        Fate::Status(502),
        Fate::Status(503),
        Fate::Status(504),
        Fate::Only(Bytes::new()),
        Fate::Only(Bytes::from_static(b"retry: 1000\n\n")),
        Fate::Breaks(0),
        Fate::Ends(0),
        Fate::Breaks(middle()),
        Fate::Ends(middle()),
    ] {
        let kept = whole().fates([fate.clone(), fate.clone()]);
        let begun = Instant::now();
        assert_eq!(kept.attach().final_text().await.unwrap(), "one two", "{fate:?}");
        assert!(begun.elapsed() < Duration::from_secs(3), "{fate:?} took {:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_are_final() {
    for (status, hint) in [
        (401, "check the API key"),
        (403, "the key may not do this"),
        (404, "there is no such stream for this key"),
        (410, "it was deleted or has expired"),
        (400, ""),
    ] {
        let error = failure(whole().fates([Fate::Status(status)])).await;
        assert_eq!((error.status(), error.attempts()), (Some(status), 1));
        assert!(error.to_string().contains(hint), "{error}");
        // As in the middle.
        let error = failure(whole().fates([Fate::Breaks(middle()), Fate::Status(status)])).await;
        assert_eq!((error.status(), error.attempts()), (Some(status), 2));
        assert_eq!(error.partial().unwrap().text(), "one ");
    }
}

#[tokio::test(start_paused = true)]
async fn a_dead_connection_is_left_and_a_quiet_one_is_not() {
    let kept = whole().fates([Fate::Stalls(middle())]);
    let begun = Instant::now();
    kept.attach().finish().await.unwrap();
    let took = begun.elapsed();
    assert!(took >= Duration::from_secs(45) && took < Duration::from_secs(46), "{took:?}");

    // No answer at all.
    let kept = whole().fates([Fate::Hangs]);
    kept.attach().finish().await.unwrap();
    assert_eq!(kept.asked().len(), 2);

    // An hour of comments.
    let kept = whole().fates([Fate::Idles(middle(), 240)]);
    let begun = Instant::now();
    let alive = kept.attach().try_filter(|event| std::future::ready(matches!(event, StreamEvent::Alive)));
    assert_eq!(alive.count().await, 240);
    assert_eq!((kept.asked().len(), begun.elapsed()), (1, Duration::from_secs(3600)));
}

#[tokio::test(start_paused = true)]
async fn waits_are_random_and_double_from_what_the_gateway_says() {
    let waits = async |fate: Fate| {
        let kept = whole().fates(std::iter::repeat_n(fate, 8));
        kept.attach().finish().await.unwrap();
        let at: Vec<_> = kept.asked().into_iter().map(|asked| asked.at).collect();
        at.windows(2).map(|pair| pair[1] - pair[0]).collect::<Vec<_>>()
    };
    for (said, first) in [("retry: 100\n\n", 100), ("", 500), ("retry: 20000\n\n", 20_000)] {
        let mut longest = Vec::new();
        for _ in 0..50 {
            for (number, wait) in (0_u32..).zip(waits(Fate::Only(Bytes::from_static(said.as_bytes()))).await)
            {
                let first = Duration::from_millis(first);
                let most = (first * 2_u32.pow(number)).min(first.max(Duration::from_secs(8)));
                assert!(wait <= most + Duration::from_millis(1), "wait {number} is {wait:?} after {said:?}");
                longest.push((wait, most));
            }
        }
        // Of four hundred some are long, or they are not what they are said to be.
        assert!(longest.iter().any(|(wait, most)| *wait > most.mul_f64(0.9)), "{said:?}");
        assert!(longest.iter().any(|(wait, most)| *wait < most.mul_f64(0.1)), "{said:?}");
    }
    let asked = waits(Fate::StatusWith(503, "retry-after", "7")).await;
    assert_eq!(asked, [Duration::from_secs(7); 8]);
}

#[tokio::test(start_paused = true)]
async fn it_gives_up_where_nothing_new_comes() {
    let forever = |fate: Fate| std::iter::repeat_n(fate, 10_000);
    let begun = Instant::now();
    let kept = whole().fates(
        [Fate::Breaks(middle())].into_iter().chain(forever(Fate::Only(Bytes::from_static(b": hello\n\n")))),
    );
    let error = failure(kept).await;
    let took = begun.elapsed();
    assert_eq!((error.kind(), error.phase()), (ErrorKind::Truncated, Phase::Content));
    assert!(error.to_string().starts_with("nothing new in 600s of reconnecting: "), "{error}");
    assert_eq!(error.partial().unwrap().text(), "one ");
    assert!(error.is_retryable());
    assert!(took > Duration::from_secs(590) && took < Duration::from_secs(601), "{took:?}");

    // An address where nobody is.
    let begun = Instant::now();
    let error = failure(whole().fates(forever(Fate::Refused))).await;
    assert_eq!(error.kind(), ErrorKind::Connect);
    assert!(error.to_string().starts_with("nothing new in 30s of reconnecting: cannot connect"), "{error}");
    assert!(begun.elapsed() < Duration::from_secs(31));

    // A wait that is too long is not begun.
    let begun = Instant::now();
    let error = failure(whole().fates([Fate::StatusWith(503, "retry-after", "3600")])).await;
    assert_eq!((error.status(), error.retry_after()), (Some(503), Some(Duration::from_secs(3600))));
    assert_eq!(begun.elapsed(), Duration::ZERO);
}

#[tokio::test(start_paused = true)]
async fn each_new_record_is_a_new_patience() {
    // One record for each connection, all of them far apart.
    let kept = whole();
    let mut fates = Vec::new();
    for record in 1..9 {
        fates.extend([Fate::Hangs, Fate::Breaks(kept.upto(record + 1) - kept.upto(record))]);
    }
    let kept = kept.fates(fates);
    let client = kept.builder().reconnects(reset(60)).build().unwrap();
    let begun = Instant::now();
    client.streams().attach("strm_1").finish().await.unwrap();
    assert!(begun.elapsed() > Duration::from_secs(300), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn reconnects_can_be_declined() {
    let kept = whole().fates([Fate::Breaks(middle())]);
    let options = RequestOptions::new().reconnects(ReconnectPolicy::none());
    let client = kept.builder().build().unwrap();
    let error = client.streams().with(&options).attach("strm_1").finish().await.unwrap_err();
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Lost, 1));
    assert!(error.to_string().starts_with("the connection was lost"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn the_whole_has_a_deadline_where_one_is_set() {
    let kept = begun().fates([Fate::Stalls(middle())]);
    let deadlines = Deadlines { total: Some(Duration::from_secs(20)), ..Deadlines::default() };
    let client = kept.builder().deadlines(deadlines).build().unwrap();
    let error = client.streams().attach("strm_1").finish().await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Deadline(Clock::Total));
}

#[tokio::test(start_paused = true)]
async fn each_end_has_its_name() {
    let kept = begun();
    kept.log(1, "cancel", r#""reason":"the reader asked""#);
    kept.terminal("cancelled", "null");
    let error = failure(kept).await;
    assert!(error.is_cancelled() && !error.is_retryable());
    assert!(error.to_string().starts_with("the stream was cancelled (the reader asked)"), "{error}");
    assert_eq!(error.partial().unwrap().text(), "one two");

    let kept = begun();
    kept.terminal("interrupted", r#"{"type":"api_error","message":"the gateway was stopped"}"#);
    let error = failure(kept).await;
    assert!(error.is_interrupted() && error.is_retryable());
    assert!(error.to_string().contains("the gateway was stopped"), "{error}");
    assert_eq!((error.partial().unwrap().text().as_str(), error.phase()), ("one two", Phase::Content));

    let kept = begun();
    kept.terminal("failed", r#"{"type":"overloaded_error","message":"busy"}"#);
    let error = failure(kept).await;
    assert_eq!((error.kind(), error.status()), (ErrorKind::InStream, Some(529)));
    assert_eq!(error.api_error().unwrap().kind, ApiErrorKind::Overloaded);
    assert!(matches!(error.end(), Some(End::Failed(_))));

    let kept = begun();
    kept.terminal("evaporated", "null");
    let error = failure(kept).await;
    assert!(error.to_string().contains("ended as `evaporated`"), "{error}");

    // A log that calls itself complete is not believed.
    let kept = begun();
    kept.terminal("completed", "null");
    let error = failure(kept).await;
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Malformed, 1));
    assert!(error.to_string().contains("in content block 0 (text)"), "{error}");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_is_whole_needs_no_last_word() {
    let kept = whole();
    let end = kept.upto(8);
    for fate in [Fate::Breaks(end), Fate::Ends(end), Fate::Stalls(end)] {
        let kept = kept.again().fates([fate.clone()]);
        let begun = Instant::now();
        assert_eq!(kept.attach().final_message().await.unwrap().text(), "one two", "{fate:?}");
        assert_eq!(kept.asked().len(), 1, "{fate:?}");
        assert!(begun.elapsed() <= Duration::from_secs(1), "{fate:?}");
    }
    // Where there is one, it counts.
    let kept =
        log([start("a"), block(0), text(0, "x"), block_stop(0), message_delta("end_turn"), message_stop()]);
    kept.terminal("cancelled", "null");
    let error = failure(kept).await;
    assert!(error.is_cancelled());
    assert_eq!(error.phase(), Phase::AfterContent);
}

#[tokio::test(start_paused = true)]
async fn an_error_that_another_attempt_follows_is_no_end() {
    let kept = log([start("first"), block(0), ping(), error_of("overloaded_error")]);
    kept.log(1, "seam", r#""attempt":2,"reason":"overloaded_error","mode":"restart""#);
    for event in [
        stage::event(
            &serde_json::json!({"type": "content_block_start", "index": 0, "content_block": {"type": "thinking", "thinking": "", "signature": ""}}),
        ),
        stage::event(
            &serde_json::json!({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "hm"}}),
        ),
        block_stop(0),
        message_delta("end_turn"),
        message_stop(),
    ] {
        kept.add_in(2, event.as_bytes());
    }
    kept.terminal("completed", "null");
    let mut seams = Vec::new();
    let mut stream = kept.attach();
    while let Some(event) = stream.next().await {
        if let StreamEvent::Log(event) = event.unwrap() {
            seams.push(event);
        }
    }
    let seam = LogEvent::Seam {
        attempt: Some(2),
        reason: "overloaded_error".to_owned(),
        mode: "restart".to_owned(),
    };
    assert_eq!(seams, [seam]);
    let message = stream.final_message().await.unwrap();
    // Its own `message_start` was left out, since readers have seen one.
    assert_eq!(
        (message.id.as_str(), message.content[0].kind(), message.content.len()),
        ("first", "thinking", 1)
    );
}

#[tokio::test(start_paused = true)]
async fn another_attempt_may_begin_with_a_start_of_its_own() {
    let kept = log([start("first")]);
    kept.log(2, "takeover", r#""epoch":2,"reason":"restart""#);
    kept.log(2, "seam", r#""attempt":2,"reason":"crash","mode":"restart""#);
    for event in
        [start("second"), block(0), text(0, "x"), block_stop(0), message_delta("end_turn"), message_stop()]
    {
        kept.add_in(2, event.as_bytes());
    }
    kept.terminal("completed", "null");
    let raw: Vec<String> =
        kept.attach().raw_events().map_ok(|event| event.name().to_owned()).try_collect().await.unwrap();
    assert_eq!(raw[..3], ["message_start", "perennial.takeover", "perennial.seam"]);
    assert_eq!(raw.last().unwrap(), "message_stop");
    assert_eq!(kept.again().attach().final_message().await.unwrap().id, "second");
}

#[tokio::test(start_paused = true)]
async fn what_the_log_does_not_have_is_no_part_of_it() {
    let said = br#"event: perennial.diverged
data: {"type":"perennial.diverged","after":"4.1","last_common":"3.1"}

"#;
    let kept = whole().fates([Fate::Breaks(middle()), Fate::Only(Bytes::from_static(said))]);
    let error = failure(kept).await;
    assert!(error.is_diverged() && !error.is_retryable());
    assert_eq!(error.last_common(), Some(position(3, 1)));
    assert!(error.to_string().contains("what came after 3.1 is not part of it"), "{error}");
    assert_eq!(error.partial().unwrap().text(), "one ");
}

#[tokio::test(start_paused = true)]
async fn an_older_cursor_that_the_log_does_not_have_is_found_out() {
    let kept = begun();
    kept.log(2, "takeover", r#""epoch":2,"reason":"crash""#);
    kept.log(2, "terminal", r#""outcome":"interrupted","error":null"#);
    let read = async |after: &str| {
        let mut stream = kept.again().attach().after(after.parse().unwrap());
        let first = stream.next().await;
        (first.is_some_and(|first| first.is_ok()), stream.finish().await.unwrap_err())
    };
    for (after, common) in [
        ("6.1", Some(position(5, 1))),
        ("9.1", Some(position(5, 1))),
        ("5.2", Some(position(4, 1))),
        ("9.2", Some(position(7, 2))),
    ] {
        let (shown, error) = read(after).await;
        assert!(!shown, "{after}");
        assert!(error.is_diverged(), "{after}: {error}");
        assert_eq!(error.last_common(), common, "{after}");
    }
    // The first record has no event, so that its position is met by none. A position without an epoch cannot differ.
    for (after, shows) in
        [("1.1", true), ("0", true), ("4.1", true), ("4", true), ("6.2", false), ("7.2", false)]
    {
        let (shown, error) = read(after).await;
        assert!(error.is_interrupted(), "{after}: {error}");
        assert_eq!(shown, shows, "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_later_reader_gets_the_rest_of_the_text() {
    let kept = whole();
    let mut stream = kept.attach();
    assert_eq!(stream.text_stream().next().await.unwrap().unwrap(), "one ");
    let kept_position = stream.position().unwrap().to_string();
    drop(stream);
    let mut stream = kept.again().attach().after(kept_position.parse().unwrap());
    assert_eq!(stream.position().unwrap().to_string(), kept_position);
    let rest: Vec<String> = stream.text_stream().try_collect().await.unwrap();
    assert_eq!(rest, ["two"]);
    assert_eq!(stream.final_text().await.unwrap(), "one two");
}

#[tokio::test(start_paused = true)]
async fn only_logs_have_positions() {
    let stage = stage::Stage::new([stage::Act::whole("x")]);
    let stream = stage.client().messages().stream(stage::request());
    assert_eq!((stream.position(), stream.stream_id()), (None, None));
    let error = stream.after(position(1, 1)).finish().await.unwrap_err();
    assert_eq!((error.kind(), stage.sent().len()), (ErrorKind::Request, 0));

    // A stream that is asked for through a gateway says its name.
    let stage = stage::Stage::new([stage::Act::whole("x").header("perennial-stream", "strm_7")]);
    let mut stream = stage.client().messages().stream(stage::request());
    stream.finish().await.unwrap();
    assert_eq!(stream.stream_id(), Some("strm_7"));

    // Events without positions cannot be read on; and a page is no stream.
    for body in [start("a"), "<html>Sign in</html>".to_owned(), r#"{"type":"message"}"#.to_owned()] {
        let error = failure(whole().fates([Fate::Only(body.into())])).await;
        assert_eq!(error.attempts(), 1);
        assert!(matches!(error.kind(), ErrorKind::Malformed | ErrorKind::UnexpectedBody), "{error:?}");
    }
    let error = failure(whole().fates([Fate::Status(204)])).await;
    assert_eq!((error.kind(), error.attempts()), (ErrorKind::Malformed, 1));
}

#[tokio::test(start_paused = true)]
async fn a_record_counts_once() {
    // Ids of the upstream's own, and a gateway that begins too early.
    let kept = whole();
    // The first four records, then all but the first two again.
    let twice = [&kept.served(0)[..kept.upto(4)], &kept.served(2)].concat();
    let kept = kept.fates([Fate::Only(twice.into())]);
    assert_eq!(kept.attach().final_text().await.unwrap(), "one two");

    let kept = log([
        start("a"),
        block(0),
        format!("id: 1\n{}", text(0, "x")),
        block_stop(0),
        message_delta("end_turn"),
        message_stop(),
    ]);
    kept.terminal("completed", "null");
    let kept = kept.fates([Fate::Breaks(middle())]);
    let frames: Vec<Bytes> = kept.attach().frames().try_collect().await.unwrap();
    assert!(frames.iter().any(|frame| frame.starts_with(b"id: 1\nevent: ")), "{frames:?}");
    assert_eq!(kept.again().attach().final_text().await.unwrap(), "x");
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_is_read_on_where_its_connection_broke() {
    let kept = whole().fates([Fate::Breaks(middle()), Fate::Refused]);
    let mut stream = kept.ask();
    let text: Vec<String> = stream.text_stream().try_collect().await.unwrap();
    assert_eq!(text, ["one ", "two"]);
    assert_eq!((stream.attempts(), stream.position()), (3, Some(kept.last())));
    drop(stream);
    let asked = kept.asked();
    let lines: Vec<String> = asked.iter().map(|asked| format!("{} {}", asked.method, asked.target)).collect();
    let events = "GET /v1/streams/strm_1/events";
    assert_eq!(lines, ["POST /v1/messages", events, events]);
    assert_eq!(asked[0].on_disconnect.as_deref(), Some("grace=30"));
    assert_eq!(asked[1].last_event_id.as_deref(), Some("4.1"));

    // Unasked, it is as ever.
    let kept = whole().fates([Fate::Breaks(middle())]);
    let client = kept.builder().build().unwrap();
    let error = client.messages().stream(stage::request()).finish().await.unwrap_err();
    assert_eq!((error.kind(), kept.asked().len()), (ErrorKind::Lost, 1));
    assert_eq!(kept.asked()[0].on_disconnect, None);
}

#[tokio::test(start_paused = true)]
async fn what_was_asked_for_and_ended_otherwise_says_so() {
    let kept = begun();
    kept.terminal("interrupted", "null");
    let kept = kept.fates([Fate::Breaks(middle())]);
    let error = kept.ask().finish().await.unwrap_err();
    assert!(error.is_interrupted(), "{error}");
    assert_eq!(error.partial().unwrap().text(), "one two");

    // An error of the service is final as ever.
    let kept = log([start("a"), block(0), text(0, "x"), error_of("overloaded_error")]);
    let error = kept.ask().finish().await.unwrap_err();
    assert_eq!((error.kind(), kept.asked().len()), (ErrorKind::InStream, 1));
}

#[tokio::test(start_paused = true)]
async fn who_drops_what_was_asked_for_stops_it() {
    let cancels = async |kept: &Kept| {
        tokio::time::sleep(Duration::from_secs(1)).await;
        kept.asked().iter().filter(|asked| asked.target == "/v1/streams/strm_1/cancel").count()
    };
    let kept = begun().fates([Fate::Stalls(middle())]);
    let mut stream = kept.ask();
    stream.text_stream().next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(cancels(&kept).await, 1);

    let kept = begun().fates([Fate::Stalls(middle())]);
    let mut stream = kept.ask();
    stream.text_stream().next().await.unwrap().unwrap();
    assert_eq!(stream.cancel().text(), "one ");
    assert_eq!(cancels(&kept).await, 1);

    // Not what has ended, and not what is only read.
    let kept = whole();
    kept.ask().final_message().await.unwrap();
    assert_eq!(cancels(&kept).await, 0);
    let kept = begun().fates([Fate::Stalls(middle())]);
    let mut stream = kept.attach();
    stream.text_stream().next().await.unwrap().unwrap();
    drop(stream);
    assert_eq!(cancels(&kept).await, 0);
}
