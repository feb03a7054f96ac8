//! Other settings while streams run: what runs keeps its own, what is asked afterwards has the new ones.

use std::time::Duration;

use perennial_gateway::{Builder, Fallback, Gateway, Key, Limits, MaxBodyBytes, OnDisconnect};
use perennial_sim::{Pace, Simulator};
use reqwest::Method;

use crate::doored::IN_TEXT;
use crate::native::Growing;
use crate::rig::{MODEL, Rig, question, quick, receive, simulator};

/// As little as there can be for a gateway to the upstream of `rig`.
fn builder(rig: &Rig) -> Builder {
    Gateway::builder(rig.sim.url()).clocks(quick())
}

#[tokio::test]
async fn what_runs_is_untouched_byte_for_byte() {
    let (rig, door) = Rig::behind_door(IN_TEXT, |gateway| gateway.clocks(quick())).await;
    let direct = rig.ask_directly(&question(MODEL, true), "").await;
    let mut running =
        Growing::open(rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "")).await;
    running.until("content_block_delta").await;
    // Nothing of the old is left: another upstream, which does not answer, clocks that ring at once, no room, keys.
    let mut limits = Limits::default();
    (limits.streams.0, limits.connections.0, limits.readers.0) = (0, 0, 0);
    let mut hasty = quick();
    (hasty.silence, hasty.progress, hasty.total) =
        (Duration::from_millis(1), Duration::from_millis(1), Some(Duration::from_millis(1)));
    hasty.ping = Duration::from_millis(1);
    let other = Gateway::builder("http://127.0.0.1:1").client_key(Key::new("new").unwrap());
    rig.gateway.reload(other.clocks(hasty).limits(limits)).unwrap();
    door.open();
    assert_eq!(running.end().await, direct.text());
}

#[tokio::test]
async fn what_is_asked_next_has_the_new_settings_on_the_same_connection_too() {
    let rig = Rig::new().await;
    let other = Simulator::builder().pace(Pace::instant()).spawn().await.unwrap();
    assert_eq!(rig.ask(&question(MODEL, true), "").await.status, 200);
    let key = Key::new("client").unwrap();
    let mut limits = Limits::default();
    limits.body = MaxBodyBytes(2_000);
    let next = Gateway::builder(other.url()).clocks(quick()).limits(limits).client_key(key);
    rig.gateway
        .reload(next.upstream_key(Key::new("up").unwrap()).allow_origin("https://app.example"))
        .unwrap();
    assert_eq!(rig.ask(&question(MODEL, true), "").await.status, 401, "keys");
    let call = |body: String| {
        let request = rig.call_with(Method::POST, "/v1/messages", Some("client"));
        request.header("origin", "https://app.example").body(body)
    };
    let answer = receive(call(question(MODEL, true).to_string())).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert_eq!(answer.header("access-control-allow-origin"), "https://app.example");
    assert_eq!(other.journal().entries().len(), 1, "the upstream");
    assert_eq!(rig.sim.journal().entries().len(), 1);
    assert_eq!(receive(call(" ".repeat(3_000))).await.status, 413, "limits");
    // And back: what was kept under the old settings is there still.
    rig.gateway.reload(builder(&rig).on_disconnect(OnDisconnect::Detach)).unwrap();
    assert_eq!(rig.ask(&question(MODEL, true), "").await.status, 200);
    assert_eq!(rig.listed().await.len(), 3);
}

#[tokio::test]
async fn what_stands_in_can_be_had_at_once() {
    let rig = Rig::new().await;
    assert_eq!(rig.ask(&question(MODEL, true), "status=500").await.status, 500);
    let mut fallback = Fallback::default();
    fallback.answer = Some("We are sorry.".to_owned());
    rig.gateway
        .reload(builder(&rig).recovery(perennial_gateway::Recovery::none()).fallback(fallback))
        .unwrap();
    let answer = rig.ask(&question(MODEL, true), "status=500").await;
    assert_eq!((answer.status, answer.header("perennial-stand-in")), (200, "default"));
}

#[tokio::test]
async fn a_breaker_that_is_open_stays_so_where_its_upstream_stays() {
    let mut policy = perennial_gateway::BreakerPolicy::default();
    (policy.min_attempts, policy.cooldown) = (2, Duration::from_secs(3_600));
    policy.max_cooldown = policy.cooldown;
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(quick()).breaker(policy)).await;
    for _ in 0..2 {
        assert_eq!(rig.ask(&question(MODEL, true), "status=500").await.status, 500);
    }
    let open = async || rig.ask(&question(MODEL, true), "").await.status == 503;
    assert!(open().await);
    rig.gateway.reload(builder(&rig).breaker(policy)).unwrap();
    assert!(open().await, "the same upstreams");
    let another = perennial_gateway::UpstreamOptions::new("another", "http://127.0.0.1:1").models(["other"]);
    rig.gateway.reload(builder(&rig).breaker(policy).upstream(another)).unwrap();
    assert!(open().await, "the same upstream among others");
    rig.gateway.reload(builder(&rig)).unwrap();
    assert!(!open().await, "another policy begins anew");
}

#[tokio::test]
async fn settings_that_cannot_be_change_nothing() {
    let rig =
        Rig::with(simulator(), |gateway| gateway.clocks(quick()).client_key(Key::new("client").unwrap()))
            .await;
    for (wrong, part) in [
        (Gateway::builder("ftp://x"), "http://"),
        (builder(&rig).allow_origin("app.example"), "is no origin"),
    ] {
        let error = rig.gateway.reload(wrong).unwrap_err().to_string();
        assert!(error.contains(part), "{error}");
        assert_eq!(receive(rig.call_with(Method::GET, "/v1/streams", Some("client"))).await.status, 200);
        assert_eq!(receive(rig.call_with(Method::GET, "/v1/streams", None)).await.status, 401);
    }
}

#[tokio::test]
async fn a_gateway_that_others_can_reach_is_not_left_without_keys() {
    let listener = tokio::net::TcpListener::bind("0.0.0.0:0").await.unwrap();
    let url = "http://127.0.0.1:1";
    let gateway = Gateway::builder(url).client_key(Key::new("client").unwrap()).build().unwrap();
    let reloader = gateway.reloader();
    let address = listener.local_addr().unwrap();
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let running = tokio::spawn(gateway.run(listener, async { drop(stopped.await) }));
    // It listens once it answers.
    let healthy = reqwest::get(format!("http://127.0.0.1:{}/healthz", address.port())).await.unwrap();
    assert_eq!(healthy.status(), 200);
    let error = reloader.reload(Gateway::builder(url)).unwrap_err().to_string();
    assert!(error.contains("set client keys"), "{error}");
    drop(stop);
    running.await.unwrap().unwrap();
}
