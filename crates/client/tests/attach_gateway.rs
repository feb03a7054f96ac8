//! Attached streams against the real gateway, over connections that are cut all the time.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod cutter;

use std::sync::Arc;
use std::time::Duration;

use cutter::Cutter;
use futures_util::{StreamExt as _, TryStreamExt as _};
use perennial::resources::{LinkScope, PageRequest, StreamState};
use perennial::{
    Client, ErrorKind, MessageRequest, MessageStream, ReconnectPolicy, RequestOptions, StreamEvent,
};
use perennial_gateway::{Builder, Clocks, Gateway, Handle, Key};
use perennial_log::{MemoryLog, MemoryOptions};
use perennial_sim::{Pace, Simulator};

/// Nothing here takes longer, unless it hangs.
const PATIENCE: Duration = Duration::from_secs(120);

struct Rig {
    sim: perennial_sim::Handle,
    gateway: Handle,
}

impl Rig {
    async fn new() -> Self {
        Self::with(|gateway| gateway).await
    }

    async fn with(change: impl FnOnce(Builder) -> Builder) -> Self {
        let sim = Simulator::builder().seed(7).pace(Pace::instant()).spawn().await.unwrap();
        let gateway = change(Gateway::builder(sim.url())).build().unwrap().spawn().await.unwrap();
        Self { sim, gateway }
    }

    fn client(&self) -> Client {
        client_of(&self.gateway.url())
    }
}

fn client_of(url: &str) -> Client {
    // Soon enough for a test.
    let reconnects = ReconnectPolicy {
        first_delay: Duration::from_millis(1),
        max_delay: Duration::from_millis(20),
        ..ReconnectPolicy::default()
    };
    Client::builder().base_url(url).api_key("sk-ant-test").reconnects(reconnects).build().unwrap()
}

fn question() -> MessageRequest {
    MessageRequest::new("claude-opus-5-5", 2000).user("Write about two hundred words on the sea.")
}

/// An order to the simulator.
fn orders(orders: &str) -> RequestOptions {
    RequestOptions::new().header("perennial-sim", orders)
}

/// Everything that a reader sees, but for signs of life that are no records.
async fn seen(stream: MessageStream) -> Vec<String> {
    let events = stream.try_filter(|event| std::future::ready(!matches!(event, StreamEvent::Alive)));
    tokio::time::timeout(PATIENCE, events.map_ok(|event| format!("{event:?}")).try_collect())
        .await
        .expect("the stream ends")
        .unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_read_whole_over_connections_that_break() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let rig = Rig::new().await;
    let client = rig.client();
    let id = client.streams().create(question()).await.unwrap().id;
    let whole = seen(client.streams().attach(&id)).await;
    let message = client.streams().attach(&id).final_message().await.unwrap();
    let frames: Vec<_> = client.streams().attach(&id).frames().try_collect().await.unwrap();
    assert!(message.text().len() > 500 && whole.len() > 20, "an answer worth cutting");

    // Cut somewhere in the first bytes, then at random; heads of responses count, so that some connections bring nothing.
    let cutter = Cutter::to(rig.gateway.address(), seed, 150..4000).await;
    let over = client_of(&cutter.url());
    for _ in 0..10 {
        assert_eq!(seen(over.streams().attach(&id)).await, whole);
        assert_eq!(over.streams().attach(&id).final_message().await.unwrap(), message);
        let cut: Vec<_> = over.streams().attach(&id).frames().try_collect().await.unwrap();
        assert_eq!(cut.concat(), frames.concat());
    }
    assert!(cutter.connections() > 60, "{} connections", cutter.connections());

    // What the upstream sent, byte for byte.
    let sent = rig.sim.journal().entries()[0].clone();
    assert_eq!(frames.concat().len() as u64, sent.bytes);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_read_while_it_is_made_over_connections_that_break() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let rig = Rig::new().await;
    let cutter = Cutter::to(rig.gateway.address(), seed, 400..3000).await;
    let over = client_of(&cutter.url());
    let slow = orders("pace=instant,tps=400,tokens=600");
    let made = rig.client().streams().with(&slow).create(question()).await.unwrap();
    assert_eq!(made.state, StreamState::Running);
    let mut stream = over.streams().attach(&made.id);
    let mut text = String::new();
    let mut pieces = stream.text_stream();
    while let Some(piece) = tokio::time::timeout(PATIENCE, pieces.next()).await.expect("the stream goes on") {
        text += &piece.unwrap();
    }
    assert!(stream.attempts() > 3, "{} connections", stream.attempts());
    let message = stream.final_message().await.unwrap();
    assert_eq!(text, message.text());
    let kept = rig.client().streams().message(&made.id).await.unwrap().message;
    assert_eq!((text, message.usage.output_tokens), (kept.text(), kept.usage.output_tokens));
}

#[tokio::test]
async fn another_process_goes_on_where_this_one_stopped() {
    let rig = Rig::new().await;
    let streams = rig.client().streams();
    let id = streams.create(question()).await.unwrap().id;
    let whole: Vec<String> = streams.attach(&id).into_text_stream().try_collect().await.unwrap();
    let mut first = streams.attach(&id);
    let mut text = first.text_stream();
    for piece in &whole[..5] {
        assert_eq!(text.next().await.unwrap().unwrap(), *piece);
    }
    let kept = first.position().unwrap().to_string();
    drop(first);
    let mut later = client_of(&rig.gateway.url()).streams().attach(&id).after(kept.parse().unwrap());
    let rest: Vec<String> = later.text_stream().try_collect().await.unwrap();
    assert_eq!(rest, whole[5..]);
    assert_eq!(later.final_text().await.unwrap(), whole.concat());
    // Where the gateway says that a stream stands can be gone on from as well.
    let end = streams.get(&id).await.unwrap().position.unwrap();
    assert!(seen(streams.attach(&id).after(end)).await.is_empty());
    let never: perennial::Position = "9999.1".parse().unwrap();
    assert!(streams.attach(&id).after(never).finish().await.unwrap_err().is_diverged());
}

#[tokio::test]
async fn a_stream_that_is_stopped_says_so_to_all_its_readers() {
    let rig = Rig::new().await;
    let streams = rig.client().streams().with(&orders("pace=instant,tps=50,tokens=3000"));
    let id = streams.create(question()).await.unwrap().id;
    let mut stream = streams.attach(&id);
    assert!(stream.text_stream().next().await.unwrap().is_ok());
    let running = streams.get(&id).await.unwrap();
    assert_eq!((running.state, running.readers, running.outcome), (StreamState::Running, 1, None));
    assert_eq!(streams.cancel(&id).await.unwrap().state, StreamState::Cancelled);
    let error = stream.finish().await.unwrap_err();
    assert!(error.is_cancelled() && !error.partial().unwrap().text().is_empty(), "{error}");
    assert_eq!(error.attempts(), 1);
    // Twice is once.
    let outcome = streams.cancel(&id).await.unwrap().outcome.unwrap();
    assert_eq!(outcome.state, StreamState::Cancelled);
    assert!(streams.attach(&id).finish().await.unwrap_err().is_cancelled());
    let part = streams.message(&id).await.unwrap();
    assert_eq!((part.message.text(), part.state), (error.partial().unwrap().text(), StreamState::Cancelled));
}

#[tokio::test]
async fn a_failure_of_the_upstream_is_that_of_the_stream() {
    let rig = Rig::new().await;
    for (order, kind) in [
        ("error@event=6:overloaded_error", ErrorKind::InStream),
        ("fin@event=6", ErrorKind::Interrupted),
        ("status=529", ErrorKind::InStream),
    ] {
        let streams = rig.client().streams().with(&orders(order));
        let id = streams.create(question()).await.unwrap().id;
        let error = streams.attach(&id).finish().await.unwrap_err();
        assert_eq!(error.kind(), kind, "{order}: {error}");
        assert_eq!(error.attempts(), 1, "{order}: {error}");
        let outcome = streams.get(&id).await.unwrap().outcome.unwrap();
        assert!(outcome.error.is_some(), "{order}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stream_is_made_once_though_the_answer_is_lost() {
    let rig = Rig::new().await;
    for seed in 0..10 {
        let cutter = Cutter::to(rig.gateway.address(), seed, 0..300).await.at_most(1);
        let made = client_of(&cutter.url()).streams().create(question()).await.unwrap();
        assert_eq!(rig.client().streams().get(&made.id).await.unwrap().id, made.id);
        assert_eq!(cutter.connections(), 2);
    }
    let streams = rig.client().streams();
    let all: Vec<_> = streams.all().try_collect().await.unwrap();
    assert_eq!(all.len(), 10);
    let page = streams.list(PageRequest::first().limit(3)).await.unwrap();
    assert_eq!((page.data.len(), page.has_more), (3, true));
    let next = streams.list(page.after().unwrap().limit(3)).await.unwrap();
    assert_eq!(next.data[0].id, all[3].id);
}

#[tokio::test]
async fn what_is_not_there_is_said_at_once() {
    let rig = Rig::new().await;
    let streams = rig.client().streams();
    let id = streams.create(question()).await.unwrap().id;
    streams.attach(&id).finish().await.unwrap();
    streams.delete(&id).await.unwrap();
    streams.delete(&id).await.unwrap();
    for (id, status) in [(id.as_str(), 410), ("strm_0199c0ffee0070008000000000000001", 404), ("strm_x", 400)]
    {
        let error = streams.attach(id).finish().await.unwrap_err();
        assert_eq!((error.status(), error.attempts()), (Some(status), 1), "{error}");
        assert_eq!(streams.get(id).await.unwrap_err().status(), Some(status));
        assert_eq!(streams.message(id).await.unwrap_err().status(), Some(status));
        assert_eq!(streams.cancel(id).await.unwrap_err().status(), Some(status));
    }
}

#[tokio::test]
async fn a_capability_opens_one_stream() {
    let keys = |gateway: Builder| {
        let key = |key: &str| Key::new(key).unwrap();
        gateway.client_key(key("sk-ant-test")).client_key(key("other")).upstream_key(key("sk-ant-upstream"))
    };
    let rig = Rig::with(keys).await;
    let mine = rig.client().streams();
    let id = mine.create(question()).await.unwrap().id;
    let text = mine.attach(&id).final_text().await.unwrap();
    let with = |key: Option<&str>| {
        let builder = Client::builder().base_url(rig.gateway.url());
        let builder = match key {
            Some(key) => builder.api_key(key.to_owned()),
            None => builder,
        };
        builder.build().unwrap().streams()
    };
    let refused = async |streams: perennial::resources::Streams| {
        streams.attach(&id).finish().await.unwrap_err().status()
    };
    assert_eq!(refused(with(Some("other"))).await, Some(404));
    assert_eq!(refused(with(None)).await, Some(401));
    let link = mine.link(&id, LinkScope::Read, Duration::from_secs(60)).await.unwrap();
    let reader = with(None).capability(&link.cap);
    assert_eq!(reader.attach(&id).final_text().await.unwrap(), text);
    assert_eq!(reader.get(&id).await.unwrap().state, StreamState::Completed);
    assert_eq!(reader.message(&id).await.unwrap().message.text(), text);
    assert!(matches!(reader.cancel(&id).await.unwrap_err().status(), Some(401 | 403 | 404)));
    let link = mine.link(&id, LinkScope::Cancel, Duration::from_secs(60)).await.unwrap();
    with(None).capability(&link.cap).cancel(&id).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_comes_back_is_read_on() {
    let log = Arc::new(MemoryLog::new(MemoryOptions::default()));
    let rig = Rig::with(|gateway| gateway.log(log.clone())).await;
    let streams = rig.client().streams();
    let id = streams.create(question()).await.unwrap().id;
    let whole = seen(streams.attach(&id)).await;

    let cutter = Cutter::to(rig.gateway.address(), 0, 2000..2001).await.at_most(1);
    let reading = tokio::spawn(seen(client_of(&cutter.url()).streams().attach(&id)));
    while cutter.cuts() == 0 {
        tokio::task::yield_now().await;
    }
    // Nobody is there for a moment, then another process with the same log.
    cutter.aim(None);
    let Rig { sim, gateway } = rig;
    gateway.stop().await;
    let gateway = Gateway::builder(sim.url()).log(log).build().unwrap().spawn().await.unwrap();
    cutter.aim(Some(gateway.address()));
    assert_eq!(reading.await.unwrap(), whole);

    // One that has forgotten everything says so.
    let cutter = Cutter::to(gateway.address(), 0, 2000..2001).await.at_most(1);
    let mut reading = client_of(&cutter.url()).streams().attach(&id);
    let stranger = Gateway::builder(sim.url()).build().unwrap().spawn().await.unwrap();
    reading.open().await.unwrap();
    cutter.aim(Some(stranger.address()));
    let error = reading.finish().await.unwrap_err();
    assert_eq!((error.status(), error.attempts()), (Some(404), 2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_gateway_that_stops_interrupts_what_is_under_way() {
    let mut clocks = Clocks::default();
    clocks.drain = Duration::ZERO;
    let rig = Rig::with(|gateway| gateway.clocks(clocks)).await;
    let streams = rig.client().streams().with(&orders("pace=instant,tps=50,tokens=3000"));
    let id = streams.create(question()).await.unwrap().id;
    let mut stream = streams.attach(&id);
    assert!(stream.text_stream().next().await.unwrap().is_ok());
    rig.gateway.begin_stop();
    let error = tokio::time::timeout(PATIENCE, stream.finish()).await.unwrap().unwrap_err();
    assert!(error.is_interrupted() && error.is_retryable(), "{error}");
    assert!(!error.partial().unwrap().text().is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_asked_for_is_read_on_where_its_connection_broke() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let rig = Rig::new().await;
    for round in 0..10 {
        // Not before the response's head is whole: without the name of the stream there is nothing to come back to.
        let cutter = Cutter::to(rig.gateway.address(), seed + round, 2000..5000).await;
        let options = orders("pace=instant,tps=2000,tokens=400").resuming(Duration::from_secs(30));
        let messages = client_of(&cutter.url()).messages().with(&options);
        let mut stream = messages.stream(question());
        let mut text = String::new();
        let mut pieces = stream.text_stream();
        while let Some(piece) = pieces.next().await {
            text += &piece.unwrap();
        }
        assert!(stream.attempts() > 1, "{} connections", stream.attempts());
        let id = stream.stream_id().unwrap().to_owned();
        assert_eq!(text, rig.client().streams().attach(&id).final_text().await.unwrap());
    }
    // One request each: nothing was asked for twice.
    assert_eq!(rig.sim.journal().entries().len(), 10);
}

#[tokio::test]
async fn what_was_asked_for_and_is_dropped_is_stopped() {
    let rig = Rig::new().await;
    let options = orders("pace=instant,tps=50,tokens=3000").resuming(Duration::from_secs(600));
    let mut stream = rig.client().messages().with(&options).stream(question());
    assert!(stream.text_stream().next().await.unwrap().is_ok());
    let id = stream.stream_id().unwrap().to_owned();
    drop(stream);
    let reading = rig.client().streams().attach(&id).final_text();
    let error = tokio::time::timeout(PATIENCE, reading).await.unwrap().unwrap_err();
    assert!(error.is_cancelled(), "{error}");
}
