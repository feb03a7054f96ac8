//! What is tried again before anything of the answer's content was there, and what is not.

use std::time::Duration;

use perennial_gateway::{
    BreakerPolicy, Builder, CachePolicy, Fallback, Gateway, Handle, Key, Limits, MinTokens, OnClock,
    Recovery, UpstreamOptions,
};
use perennial_protocol::{End, ErrorKind};
use perennial_sim::{Outcome, Pace};
use tokio::time::Instant;

use crate::door::Shut;
use crate::native::Growing;
use crate::rig::{
    Answer, MODEL, NEVER, PATIENCE, Rig, pinging, question, quick, receive, simulator, transcript,
};

/// Waits that a test can wait for.
pub(crate) fn hasty() -> Recovery {
    let mut recovery = Recovery::default();
    recovery.retries.first_delay = Duration::from_millis(5);
    recovery.budget.reserve = 10_000.0;
    recovery
}

/// A breaker that never opens: what is tested fails all the time.
pub(crate) fn unbroken() -> BreakerPolicy {
    let mut policy = BreakerPolicy::default();
    policy.min_attempts = u32::MAX;
    policy
}

pub(crate) async fn rig() -> Rig {
    let change = |gateway: Builder| gateway.clocks(quick()).recovery(hasty()).breaker(unbroken());
    Rig::with(simulator(), change).await
}

/// The next requests to the rig's own simulator meet these orders.
async fn arm(rig: &Rig, orders: &str, count: u32) {
    let body = serde_json::json!({"faults": orders, "count": count}).to_string();
    let answer = receive(rig.http.post(format!("{}/sim/faults", rig.sim.url())).body(body)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
}

/// The same answer, whatever it took: all but the pings.
pub(crate) fn without_pings(answer: &Answer) -> String {
    let text = answer.text().replace("event: ping\ndata: {\"type\": \"ping\"}\n\n", "");
    text.split_inclusive("\n\n").filter(|frame| !frame.starts_with(':')).collect()
}

#[tokio::test]
async fn what_fails_before_content_is_asked_again_and_nobody_notices() {
    let rig = rig().await;
    let question = question(MODEL, true);
    let direct = rig.ask_directly(&question, "").await;
    for (orders, attempts_in_head) in [
        ("status=529,times=1", "2"),
        ("status=529,times=2", "3"),
        ("status=500,times=1", "2"),
        ("status=503,error-body=empty,times=1", "2"),
        ("status=502,error-body=html,times=1", "2"),
        ("status=408,times=1", "2"),
        ("status=409,times=1", "2"),
        ("status=429,retry-after-ms=5,times=1", "2"),
        ("status=400,should-retry=true,times=1", "2"),
        ("fin@headers,times=1", "2"),
        ("rst@headers,times=1", "2"),
        ("body=empty,times=1", "1"),
        ("fin@event=0,times=1", "1"),
        ("fin@event=1,times=1", "1"),
        ("fin@event=2,times=1", "1"),
        ("rst@event=1,times=1", "1"),
        ("end@event=1,times=1", "1"),
        ("fin@byte=30,times=1", "1"),
        ("error=overloaded_error@event=0,times=1", "1"),
        ("error=overloaded_error@event=1,times=1", "1"),
        ("error=api_error@event=2,times=2", "1"),
    ] {
        let answer = rig.ask(&question, orders).await;
        assert_eq!(answer.status, 200, "{orders}: {}", answer.text());
        assert!(matches!(answer.end(), End::Complete { .. }), "{orders}: {}", answer.end());
        assert_eq!(answer.transcript().text(), direct.transcript().text(), "{orders}");
        assert_eq!(answer.header("perennial-attempts"), attempts_in_head, "{orders}");
        let starts = answer.text().matches("event: message_start").count();
        assert_eq!(starts, 1, "{orders}");
        if attempts_in_head != "1" {
            let same = |answer: &Answer| without_pings(answer).split_once("\n\n").unwrap().1.to_owned();
            assert_eq!(same(&answer), same(&direct), "{orders}: to the byte but for the message's id");
        }
        // A client that asked for a message sees no more of it.
        let mut folded = question.clone();
        folded["stream"] = false.into();
        let answer = rig.ask(&folded, orders).await;
        assert_eq!(answer.status, 200, "{orders}: {}", answer.text());
        assert_eq!(answer.json()["content"][0]["text"], direct.transcript().text(), "{orders}");
    }
}

#[tokio::test]
async fn what_no_retry_can_help_is_asked_once() {
    let rig = rig().await;
    for (orders, status) in [
        ("status=400", 400),
        ("status=401", 401),
        ("status=402", 402),
        ("status=403", 403),
        ("status=404", 404),
        ("status=413", 413),
        ("status=500,should-retry=false", 500),
        ("status=429,error-code=enforced_spend_limit_reached", 429),
        // More than anybody should wait for.
        ("status=429,retry-after=86400", 429),
    ] {
        rig.sim.journal().clear();
        let answer = rig.ask(&question(MODEL, true), orders).await;
        assert_eq!(answer.status, status, "{orders}");
        assert_eq!(rig.sim.journal().entries().len(), 1, "{orders}");
        assert_eq!(answer.header("perennial-attempts"), "1", "{orders}");
    }
}

#[tokio::test]
async fn what_lasts_is_given_up_with_the_upstreams_own_words() {
    let rig = rig().await;
    let answer = rig.ask(&question(MODEL, true), "status=529").await;
    assert_eq!((answer.status, answer.header("perennial-attempts")), (529, "3"));
    assert_eq!(answer.json()["error"]["type"], "overloaded_error");
    assert_eq!(rig.sim.journal().entries().len(), 3);
    let answer = rig.ask(&question(MODEL, true), "error=overloaded_error@event=1").await;
    assert_eq!(answer.status, 200);
    let End::Failed(error) = answer.end() else { panic!("{}", answer.end()) };
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert_eq!(answer.text().matches("event: error").count(), 1);
}

#[tokio::test]
async fn a_wait_that_the_upstream_asks_for_is_kept() {
    let rig = rig().await;
    let begin = Instant::now();
    let answer = rig.ask(&question(MODEL, true), "status=429,retry-after-ms=700,times=1").await;
    assert_eq!(answer.status, 200);
    assert!(begin.elapsed() >= Duration::from_millis(690), "{:?}", begin.elapsed());
}

/// A bucket that is empty: the first failure is the last.
#[tokio::test]
async fn retries_are_a_share_of_the_traffic() {
    let mut recovery = hasty();
    (recovery.budget.share, recovery.budget.per_second, recovery.budget.reserve) = (0.1, 0.0, 2.0);
    let rig = Rig::with(simulator(), |gateway| gateway.recovery(recovery).breaker(unbroken())).await;
    let mut asked = 0;
    for _ in 0..40 {
        rig.ask(&question(MODEL, true), "status=500").await;
        asked = rig.sim.journal().entries().len();
    }
    assert!((40..=40 + 2 + 4).contains(&asked), "{asked} requests for 40");
}

async fn two(change: impl FnOnce(Builder) -> Builder) -> (Rig, perennial_sim::Handle) {
    let second = perennial_sim::Simulator::builder().pace(Pace::instant()).spawn().await.unwrap();
    let key = Key::new("sk-second").unwrap();
    let backup = UpstreamOptions::new("backup", second.url()).order(1).key(key);
    let rig =
        Rig::with(simulator(), |gateway| change(gateway.clocks(quick()).recovery(hasty()).upstream(backup)))
            .await;
    (rig, second)
}

#[tokio::test]
async fn where_one_upstream_fails_the_next_answers_at_once() {
    let (rig, second) = two(|gateway| gateway).await;
    // The orders reach both; the first is told to fail for itself.
    arm(&rig, "status=529,retry-after=60", 1).await;
    let begin = Instant::now();
    let answer = rig.ask(&question(MODEL, true), "").await;
    println!("the next has answered after {:?}", begin.elapsed());
    assert!(begin.elapsed() < Duration::from_secs(50), "nobody waits for the first");
    assert!(matches!(answer.end(), End::Complete { .. }));
    assert_eq!(answer.header("perennial-attempts"), "2");
    assert_eq!((rig.sim.journal().entries().len(), second.journal().entries().len()), (1, 1));
}

#[tokio::test]
async fn a_breaker_spares_an_upstream_that_is_down() {
    let mut policy = BreakerPolicy::default();
    (policy.min_attempts, policy.cooldown) = (4, NEVER);
    let (rig, second) = two(|gateway| gateway.breaker(policy)).await;
    arm(&rig, "status=500", 4).await;
    for _ in 0..8 {
        let answer = rig.ask(&question(MODEL, true), "").await;
        assert!(matches!(answer.end(), End::Complete { .. }));
    }
    assert_eq!(rig.sim.journal().entries().len(), 4, "then it is left alone");
    assert_eq!(second.journal().entries().len(), 8);
}

#[tokio::test]
async fn in_time_a_probe_finds_an_upstream_well() {
    let mut policy = BreakerPolicy::default();
    (policy.min_attempts, policy.cooldown) = (4, Duration::from_millis(300));
    let (rig, _second) = two(|gateway| gateway.breaker(policy)).await;
    arm(&rig, "status=500", 4).await;
    let well = async {
        while rig.sim.journal().entries().len() < 6 {
            rig.ask(&question(MODEL, true), "").await;
        }
    };
    tokio::time::timeout(PATIENCE, well).await.expect("it is asked again");
}

#[tokio::test]
async fn where_all_are_down_the_answer_says_when_to_come_back() {
    let mut policy = BreakerPolicy::default();
    // Longer than anybody waits for an answer here.
    (policy.min_attempts, policy.cooldown) = (1, NEVER);
    let rig = Rig::with(simulator(), |gateway| gateway.recovery(hasty()).breaker(policy)).await;
    rig.ask(&question(MODEL, true), "status=500").await;
    let asked = rig.sim.journal().entries().len();
    let answer = rig.ask(&question(MODEL, true), "").await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (503, &"overloaded_error".into()));
    let wait: u64 = answer.header("retry-after").parse().unwrap();
    assert!((1..=NEVER.as_secs()).contains(&wait), "{wait}");
    assert_eq!(rig.sim.journal().entries().len(), asked, "nobody is asked");
}

/// The response is opened before an upstream answers; a later failure is an event of the service, a later answer is the answer.
#[tokio::test]
async fn a_client_does_not_wait_in_silence_for_the_first_byte() {
    let mut clocks = pinging();
    clocks.early_open = Duration::from_millis(50);
    for (orders, fails) in [("", false), ("status=401", true)] {
        let (rig, door) =
            Rig::behind_door(Shut::Entirely, |gateway| gateway.clocks(clocks).recovery(hasty())).await;
        let direct = rig.ask_directly(&question(MODEL, true), "").await;
        let asked = rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), orders);
        let mut answer = Growing::open(asked).await;
        assert_eq!(answer.response.status(), 200, "the upstream has said nothing yet");
        answer.until("event: ping\n").await;
        door.open();
        let text = answer.end().await;
        assert!(text.starts_with("event: ping\n"), "{text:.200}");
        match transcript(text.as_bytes()).end() {
            End::Failed(error) => {
                assert!(fails);
                assert_eq!(error.kind, ErrorKind::Authentication);
            }
            _ => {
                assert!(!fails);
                assert_eq!(transcript(text.as_bytes()).text(), direct.transcript().text());
            }
        }
    }
}

#[tokio::test]
async fn what_was_answered_before_stands_in_and_says_so() {
    let mut fallback = Fallback::default();
    (fallback.cache, fallback.answer) =
        (Some(CachePolicy::default()), Some("We are sorry: try again later.".to_owned()));
    let rig =
        Rig::with(simulator(), |gateway| gateway.clocks(quick()).recovery(hasty()).fallback(fallback)).await;
    let whole = rig.ask(&question(MODEL, true), "").await;
    assert_eq!(whole.header("perennial-stand-in"), "");
    arm(&rig, "status=529", 3).await;
    let cached = rig.ask(&question(MODEL, true), "").await;
    assert_eq!((cached.status, cached.header("perennial-stand-in")), (200, "cache"));
    assert_eq!(without_pings(&cached), without_pings(&whole), "to the byte");
    assert!(cached.text().contains(": perennial.notice {"), "{:.300}", cached.text());
    // Another request was never answered.
    arm(&rig, "status=529", 3).await;
    let other = rig.ask(&question("claude-haiku-4-5", true), "").await;
    assert_eq!((other.status, other.header("perennial-stand-in")), (200, "default"));
    assert_eq!(other.transcript().text(), "We are sorry: try again later.");
    assert!(matches!(other.end(), End::Complete { .. }));
    // After its start, but before its content.
    arm(&rig, "error=overloaded_error@event=1", 3).await;
    let begun = rig.ask(&question(MODEL, true), "").await;
    assert_eq!(begun.transcript().text(), whole.transcript().text());
    assert_eq!(begun.text().matches("event: message_start").count(), 1);
    // The client's own mistakes are answered as such.
    arm(&rig, "status=400", 1).await;
    assert_eq!(rig.ask(&question(MODEL, true), "").await.status, 400);
}

/// Pings keep the clock for silence from ringing, not the one for progress.
#[tokio::test]
async fn each_clock_has_its_own_action() {
    for (orders, progress, silence, expected) in [
        ("ping-stall@event=1", Duration::from_millis(300), NEVER, "signs of life only"),
        ("stall@event=1", NEVER, Duration::from_millis(300), "went silent"),
    ] {
        let mut clocks = quick();
        (clocks.progress, clocks.silence) = (progress, silence);
        let mut recovery = hasty();
        (recovery.on_progress, recovery.on_silence) = (OnClock::Fail, OnClock::Fail);
        let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks).recovery(recovery)).await;
        let orders = format!("{orders}; pace=real,ttft=1ms,ping=50ms");
        let begin = Instant::now();
        let answer = rig.ask(&question(MODEL, true), &orders).await;
        assert!(begin.elapsed() >= Duration::from_millis(290), "{orders}: {:?}", begin.elapsed());
        let End::Failed(error) = answer.end() else { panic!("{orders}: {}", answer.end()) };
        assert_eq!(error.kind, ErrorKind::Timeout, "{orders}");
        assert!(error.message.contains(expected), "{orders}: {}", error.message);
        assert_eq!(rig.sim.journal().entries().len(), 1, "{orders}");
    }
}

/// An upstream that writes two tokens a second: no other clock notices, and this one rings.
#[tokio::test]
async fn a_slow_drip_is_noticed_where_a_floor_is_set() {
    let span = Duration::from_millis(400);
    let floor = |gateway: Builder, span, on_floor| {
        let (mut clocks, mut limits, mut recovery) = (quick(), Limits::default(), hasty());
        (clocks.floor, limits.floor) = (Some(span), MinTokens(10));
        recovery.on_floor = on_floor;
        gateway.clocks(clocks).limits(limits).recovery(recovery).breaker(unbroken())
    };
    let mut question = question(MODEL, true);
    question["max_tokens"] = 4_000.into();

    let rig = Rig::with(simulator(), |gateway| floor(gateway, span, OnClock::Fail)).await;
    let begin = Instant::now();
    let answer = rig.ask(&question, "pace=real,ttft=1ms; drip=2").await;
    assert!(begin.elapsed() >= Duration::from_millis(390), "{:?}", begin.elapsed());
    let End::Failed(error) = answer.end() else { panic!("{}", answer.end()) };
    assert_eq!(error.kind, ErrorKind::Timeout);
    assert!(error.message.contains("more slowly"), "{}", error.message);
    assert_eq!(rig.sim.journal().entries().len(), 1);

    // What goes on with it comes at once. (Which text is too slow to the token is a unit test.)
    for (orders, span, attempts) in
        [("drip=2,times=1; pace=instant", span, 2), ("pace=real,ttft=1ms,tps=200", PATIENCE, 1)]
    {
        let rig = Rig::with(simulator(), |gateway| floor(gateway, span, OnClock::Recover)).await;
        let direct = rig.ask_directly(&question, "").await;
        let before = rig.sim.journal().entries().len();
        // By its name the simulator knows what goes on with the same answer.
        let asked =
            rig.post(&rig.gateway.url(), question.to_string(), orders).header("perennial-sim-key", orders);
        let answer = receive(asked).await;
        assert_eq!(answer.transcript().text(), direct.transcript().text(), "{orders}");
        assert_eq!(rig.sim.journal().entries().len() - before, attempts, "{orders}");
    }
}

#[tokio::test]
async fn an_answer_has_its_time_and_no_more() {
    let mut clocks = quick();
    clocks.total = Some(Duration::from_millis(400));
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks).recovery(hasty())).await;
    let answer = rig.ask(&question(MODEL, true), "pace=real,tps=4,ttft=1ms").await;
    // An event, or a status where the machine stood still until then.
    assert!(answer.text().contains("longer than answers may"), "{}", answer.text());
    assert!(!answer.text().contains("message_stop"), "{}", answer.text());
    let entry = rig.sim.journal().wait_for(|entry| entry.is_over()).await;
    assert_eq!(entry.outcome, Outcome::ClientLeft);
}

/// A client that leaves while the gateway waits to ask again: nothing is asked any more.
#[tokio::test]
async fn a_client_that_leaves_in_a_pause_ends_it() {
    let mut recovery = hasty();
    (recovery.retries.first_delay, recovery.retries.max_delay) = (NEVER, NEVER);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).recovery(recovery)).await;
    let request = rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "status=500");
    let asking = tokio::spawn(receive(request));
    rig.sim.journal().wait_for(|entry| entry.is_over()).await;
    asking.abort();
    let ended = async {
        loop {
            let list = receive(rig.http.get(format!("{}/v1/streams", rig.gateway.url()))).await.json();
            if list["data"][0]["state"] == "cancelled" {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, ended).await.expect("long before the pause is over");
    assert_eq!(rig.sim.journal().entries().len(), 1);
}

/// Nothing listens there.
#[tokio::test]
async fn an_upstream_that_is_not_there_is_asked_again() {
    let gateway: Handle =
        Gateway::builder("http://127.0.0.1:9").recovery(hasty()).build().unwrap().spawn().await.unwrap();
    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    let request = http.post(format!("{}/v1/messages", gateway.url())).body(question(MODEL, true).to_string());
    let answer = receive(request).await;
    assert_eq!((answer.status, &answer.json()["error"]["type"]), (502, &"api_error".into()));
}
