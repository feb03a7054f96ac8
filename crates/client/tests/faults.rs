//! Every fault that the simulator knows, over real sockets, by both ways of connecting.
//!
//! What is right to make of a fault is part of the simulator's catalogue; a fault that is added there is tested here.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test that cannot go on fails, and one says what it measured"
)]

use std::time::Duration;

use futures_util::StreamExt as _;
use perennial::transport::ReqwestTransport;
use perennial::{
    Client, Clock, Deadlines, Error, ErrorKind, Message, MessageRequest, Phase, RequestOptions, RetryPolicy,
};
use perennial_sim::{Expect, Fault, HEADER, Handle, Named, Outcome, Pace, Simulator};
use tokio::time::timeout;

/// No test waits longer; all of them together take seconds.
const PATIENCE: Duration = Duration::from_secs(120);
/// A deadline that no test waits for, however slow the machine is.
const NEVER: Duration = Duration::from_secs(3600);
/// One that a test can wait for.
const SOON: Duration = Duration::from_millis(1_500);

async fn simulator() -> Handle {
    Simulator::builder().seed(7).pace(Pace::instant()).spawn().await.unwrap()
}

/// Clients over both ways that the library connects, without deadlines.
fn clients(simulator: &Handle) -> [(&'static str, Client); 2] {
    clients_with(simulator, deadlines(None))
}

/// Of all deadlines only this one can be met: two that may be at once say nothing.
fn deadlines(clock: Option<Clock>) -> Deadlines {
    let span = |this| if clock == Some(this) { SOON } else { NEVER };
    Deadlines {
        first_byte: span(Clock::FirstByte),
        silence: span(Clock::Silence),
        progress: span(Clock::Progress),
        ..Deadlines::default()
    }
}

fn clients_with(simulator: &Handle, deadlines: Deadlines) -> [(&'static str, Client); 2] {
    let retries = RetryPolicy { first_delay: Duration::from_millis(5), ..RetryPolicy::default() };
    let builder =
        || Client::builder().base_url(simulator.url()).api_key("test").deadlines(deadlines).retries(retries);
    let reqwest = ReqwestTransport::new(Duration::from_secs(10)).unwrap();
    [("direct", builder().build().unwrap()), ("reqwest", builder().transport(reqwest).build().unwrap())]
}

fn request() -> MessageRequest {
    MessageRequest::new("claude-haiku-4-5", 200).user("Tell me about streams, in a few sentences.")
}

fn orders(words: &str) -> RequestOptions {
    RequestOptions::new().header(HEADER, words)
}

async fn create(client: &Client, words: &str) -> (u32, Result<Message, Error>) {
    let mut stream = client.messages().with(&orders(words)).stream(request());
    let finished = timeout(PATIENCE, stream.finish()).await.expect("every stream ends");
    let attempts = stream.attempts();
    match finished {
        Ok(()) => (attempts, stream.final_message().await),
        Err(error) => (attempts, Err(error)),
    }
}

/// The deadline that a fault without an end is to meet.
fn overdue(name: &str) -> Clock {
    match name {
        "no-headers" | "silence-after-headers" => Clock::FirstByte,
        "ping-stall-mid-text" => Clock::Progress,
        _ => Clock::Silence,
    }
}

fn check(way: &str, named: &Named, whole: &str, attempts: u32, result: &Result<Message, Error>) {
    let name = format!("{way}: {} ({})", named.name, named.words);
    // Each of these has content that is not the usual answer's.
    let other_text = ["repetition", "unknown-block", "drip"].contains(&named.name);
    match (named.expect, result) {
        (Expect::Whole | Expect::Retried, Ok(message)) => {
            assert!(other_text || message.text() == whole, "{name}: {}", message.text());
            assert!(message.stop_reason.is_some(), "{name}");
            assert_eq!(attempts > 1, named.expect == Expect::Retried, "{name}: {attempts} attempts");
        }
        // Where the garbage hits the name of an event, its data is whole and says what it is.
        (Expect::Cut, Ok(message)) if named.name == "garbage-inside" => {
            assert_eq!(message.text(), whole, "{name}");
        }
        (Expect::Refused | Expect::Cut, Err(error)) => {
            let partial = error.partial().expect("an error has what came").text();
            assert!(whole.starts_with(&partial), "{name}: {partial}");
            assert!(!matches!(error.kind(), ErrorKind::Deadline(_)), "{name}: {error}");
            if named.name == "no-message-start" {
                assert_eq!(attempts, 1, "{name}: content came, though it could not be placed");
            }
            if error.phase() >= Phase::Content {
                assert_eq!(attempts, 1, "{name}: what was shown is not asked for again");
            }
            if error.phase() == Phase::Content && !named.name.starts_with("no-") {
                assert!(!partial.is_empty() && partial.len() < whole.len(), "{name}: {partial}");
            }
        }
        (Expect::Overdue, Err(error)) => {
            assert_eq!(error.kind(), ErrorKind::Deadline(overdue(named.name)), "{name}: {error}");
        }
        (expect, result) => panic!("{name}: expected {expect:?}, got {result:?}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_fault_is_what_it_should_be() {
    let simulator = simulator().await;
    for (way, client) in clients(&simulator) {
        let (_, whole) = create(&client, "").await;
        let whole = whole.unwrap().text();
        assert!(whole.len() > 200, "{whole}");
        let tests = Fault::catalogue().iter().map(|named| {
            let whole = &whole;
            let clock = (named.expect == Expect::Overdue).then(|| overdue(named.name));
            let own = clients_with(&simulator, deadlines(clock)).into_iter().find(|(other, _)| *other == way);
            let (_, client) = own.unwrap();
            async move {
                // One token per second is right and too long for a test.
                let words = if named.name == "drip" { "drip=50" } else { named.words };
                let key = format!("{way} {}", named.name);
                let options = orders(words).header(perennial_sim::ATTEMPT_HEADER, &key);
                let mut stream = client.messages().with(&options).stream(request());
                let finished = timeout(PATIENCE, stream.finish()).await;
                let finished = finished.unwrap_or_else(|_| panic!("{key} never ended"));
                let attempts = stream.attempts();
                let result = match finished {
                    Ok(()) => stream.final_message().await,
                    Err(error) => Err(error),
                };
                check(way, named, whole, attempts, &result);
            }
        });
        futures_util::stream::iter(tests).buffer_unordered(8).collect::<()>().await;
    }
}

#[tokio::test]
async fn each_break_has_its_kind_and_phase() {
    let simulator = simulator().await;
    for (way, _) in clients(&simulator) {
        for (words, kind, phase) in [
            ("fin@headers", ErrorKind::Lost, Phase::FirstByte),
            ("rst@headers", ErrorKind::Lost, Phase::FirstByte),
            ("fin@event=0", ErrorKind::Lost, Phase::FirstByte),
            ("fin@event=1", ErrorKind::Lost, Phase::BeforeContent),
            ("fin@event=2", ErrorKind::Lost, Phase::BeforeContent),
            ("fin@event=6", ErrorKind::Lost, Phase::Content),
            ("rst@event=6", ErrorKind::Lost, Phase::Content),
            ("fin@after=message_delta", ErrorKind::Lost, Phase::AfterContent),
            ("end@event=0", ErrorKind::Truncated, Phase::FirstByte),
            ("end@event=1", ErrorKind::Truncated, Phase::BeforeContent),
            ("end@event=6", ErrorKind::Truncated, Phase::Content),
            ("end@after=message_delta", ErrorKind::Truncated, Phase::AfterContent),
            ("error=overloaded_error@event=0", ErrorKind::InStream, Phase::FirstByte),
            ("error=overloaded_error@event=6", ErrorKind::InStream, Phase::Content),
            ("error=api_error@after=message_delta", ErrorKind::InStream, Phase::AfterContent),
            ("not-json@event=6", ErrorKind::Malformed, Phase::Content),
            ("body=html", ErrorKind::UnexpectedBody, Phase::FirstByte),
            ("body=empty", ErrorKind::Truncated, Phase::FirstByte),
            ("stall@event=0", ErrorKind::Deadline(Clock::FirstByte), Phase::FirstByte),
            ("stall@event=6", ErrorKind::Deadline(Clock::Silence), Phase::Content),
            ("status=400", ErrorKind::Status, Phase::FirstByte),
            ("status=529", ErrorKind::Status, Phase::FirstByte),
        ] {
            let clock = if let ErrorKind::Deadline(clock) = kind { Some(clock) } else { None };
            let own = clients_with(&simulator, deadlines(clock)).into_iter().find(|(other, _)| *other == way);
            let (_, client) = own.unwrap();
            let once = orders(words).retries(RetryPolicy::none());
            let error = client.messages().with(&once).create(request()).await.unwrap_err();
            assert_eq!((error.kind(), error.phase()), (kind, phase), "{way}: {words}: {error}");
            let has_response = error.request_id().is_some();
            assert_eq!(has_response, !words.ends_with("@headers"), "{way}: {words}");
            let names_end = error.partial().is_some_and(|partial| !partial.end().is_complete());
            assert!(names_end, "{way}: {words}");
        }
    }
}

#[tokio::test]
async fn nobody_listens() {
    let simulator = simulator().await;
    let clients = clients(&simulator);
    simulator.stop().await;
    for (way, client) in clients {
        let error = client.messages().create(request()).await.unwrap_err();
        assert_eq!(
            (error.kind(), error.phase(), error.attempts()),
            (ErrorKind::Connect, Phase::Connect, 3),
            "{way}"
        );
        assert!(error.to_string().contains("refused"), "{way}: {error}");
        assert!(std::error::Error::source(&error).is_some(), "{way}");
    }
}

#[tokio::test]
async fn dropping_closes_the_connection_in_every_phase() {
    let simulator = simulator().await;
    for (way, client) in clients(&simulator) {
        for (words, texts) in
            [("stall@headers", 0), ("stall@event=0", 0), ("stall@event=1", 0), ("stall@event=8", 2)]
        {
            simulator.journal().clear();
            let words = format!("{words}; ping=never");
            let mut stream = client.messages().with(&orders(&words)).stream(request());
            if texts == 0 {
                // The request is under way and nothing will come of it.
                let arrived = simulator.journal().wait_for(|entry| !entry.faults.is_empty());
                tokio::select! {
                    error = stream.finish() => panic!("{way}: {words}: {error:?}"),
                    _ = arrived => {}
                }
            } else {
                let mut text = stream.text_stream();
                for _ in 0..texts {
                    text.next().await.unwrap().unwrap();
                }
            }
            let left = tokio::time::Instant::now();
            drop(stream);
            let gone = simulator.journal().wait_for(|entry| entry.outcome == Outcome::ClientLeft);
            timeout(PATIENCE, gone)
                .await
                .unwrap_or_else(|_| panic!("{way}: {words}: the service was not told"));
            // No clock rings here, and nobody pings: it was told by the connection.
            println!("{way}: {words}: told after {:?}", left.elapsed());
        }
    }
}

#[tokio::test]
async fn the_end_is_not_waited_for_longer_than_needed() {
    let simulator = simulator().await;
    for (way, client) in clients(&simulator) {
        let stream = client.messages().with(&orders("stall@after=message_stop")).stream(request());
        // Were the end of the body waited for, this would never be.
        timeout(PATIENCE, stream.final_message())
            .await
            .unwrap_or_else(|_| panic!("{way}: waited for the end of the body"))
            .unwrap();
    }
}

#[tokio::test]
async fn connections_are_used_again() {
    let simulator = simulator().await;
    for (way, client) in clients(&simulator) {
        for _ in 0..20 {
            assert!(client.messages().create(request()).await.is_ok(), "{way}");
            // What is left of the body is read in the background.
            tokio::task::yield_now().await;
        }
        // A server that goes away between two requests is no error.
        let (_, result) = create(&client, "fin@after=message_stop").await;
        result.unwrap();
        let (attempts, result) = create(&client, "").await;
        result.unwrap();
        assert_eq!(attempts, 1, "{way}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_at_once() {
    let simulator = simulator().await;
    for (way, client) in clients(&simulator) {
        let reads = (0..100).map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.messages().create(request()).await })
        });
        let texts: Vec<_> = futures_util::future::join_all(reads).await;
        let first = texts[0].as_ref().unwrap().as_ref().unwrap().text();
        assert!(texts.iter().all(|read| read.as_ref().unwrap().as_ref().unwrap().text() == first), "{way}");
    }
}

/// A reader who takes his time holds the sender back; nothing piles up here.
#[tokio::test]
async fn a_slow_reader_slows_the_sender() {
    let simulator = simulator().await;
    for (way, client) in clients(&simulator) {
        simulator.journal().clear();
        let request = MessageRequest::new("bench:deltas=200000,chars=12", 1_000_000).user("go");
        let mut stream = client.messages().stream(request);
        let mut text = stream.text_stream();
        text.next().await.unwrap().unwrap();
        let mut sent = 0;
        // The sender stops once socket buffers are full: two looks in a row show the same.
        let stopped = async {
            loop {
                tokio::time::sleep(Duration::from_millis(200)).await;
                let now = simulator.journal().entries().pop().unwrap().bytes;
                if std::mem::replace(&mut sent, now) == now {
                    break;
                }
            }
        };
        timeout(PATIENCE, stopped).await.unwrap_or_else(|_| panic!("{way}: the sender never stopped"));
        assert!(sent < 20_000_000, "{way}: {sent} bytes were sent to a reader who took 12");
        drop(stream);
    }
}

/// Real answers through the whole path give what folding their bytes gives.
#[tokio::test]
async fn recorded_answers_come_through_whole() {
    let folder = std::env::var_os("PERENNIAL_FIXTURES").map_or_else(
        || std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        std::path::PathBuf::from,
    );
    let recorded = folder.join("recorded");
    if !recorded.is_dir() {
        #[allow(clippy::print_stderr, reason = "a test that is skipped says so")]
        {
            eprintln!("skipped: no recorded streams at {}; set PERENNIAL_FIXTURES", recorded.display());
        }
        return;
    }
    let builder = Simulator::builder().pace(Pace::instant()).replay_dir(&recorded);
    let simulator = builder.spawn().await.unwrap();
    let mut count = 0;
    for (way, client) in clients(&simulator) {
        for entry in std::fs::read_dir(&recorded).unwrap() {
            let path = entry.unwrap().path();
            let Some(name) = path.file_name().unwrap().to_str().and_then(|name| name.strip_suffix(".sse"))
            else {
                continue;
            };
            let mut decoder = perennial::protocol::EventDecoder::new();
            let mut transcript = perennial::Transcript::new();
            let body = std::fs::read(&path).unwrap();
            let mut input = &body[..];
            while let Some(received) = decoder.next_event(&mut input) {
                if let Some(event) = received.unwrap().event {
                    transcript.apply(&event);
                }
            }
            let request = MessageRequest::new(format!("replay:{name}"), 16).user("again");
            let message = client
                .messages()
                .create(request)
                .await
                .unwrap_or_else(|error| panic!("{way}: {name}: {error}"));
            assert_eq!(message, transcript.into_message(), "{way}: {name}");
            count += 1;
        }
    }
    assert!(count > 0, "the folder of recorded streams is empty");
}
