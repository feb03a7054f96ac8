//! Stopping: no new work, running streams end, and none of them in silence.

use std::time::Duration;

use perennial_protocol::{End, ErrorKind};
use tokio::net::TcpStream;

use crate::doored::IN_TEXT;
use crate::rig::{MODEL, PATIENCE, Rig, question, quick, simulator, transcript};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn running_streams_may_end_and_new_ones_do_not_begin() {
    let (rig, door) = Rig::behind_door(IN_TEXT, |gateway| gateway.clocks(quick())).await;
    let response = rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "").send().await.unwrap();
    rig.gateway.begin_stop();
    door.open();
    let body = tokio::time::timeout(PATIENCE, response.bytes()).await.unwrap().unwrap();
    assert!(matches!(transcript(&body).end(), End::Complete { .. }));
    let address = rig.gateway.address();
    tokio::time::timeout(PATIENCE, rig.gateway.stop()).await.expect("nothing runs any more");
    assert!(TcpStream::connect(address).await.is_err(), "the port is free");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn streams_that_do_not_end_in_time_are_ended() {
    let mut clocks = quick();
    clocks.drain = Duration::from_millis(150);
    let rig = Rig::with(simulator(), |gateway| gateway.clocks(clocks)).await;
    let send = |stream: bool| {
        rig.post(&rig.gateway.url(), question(MODEL, stream).to_string(), "stall@event=6").send()
    };
    let response = send(true).await.unwrap();
    rig.gateway.begin_stop();
    let body = tokio::time::timeout(PATIENCE, response.bytes()).await.unwrap().unwrap();
    let End::Failed(error) = transcript(&body).end() else { panic!("no error at the end") };
    assert_eq!(error.kind, ErrorKind::Overloaded);
    assert!(error.message.contains("shutting down"), "{}", error.message);
    tokio::time::timeout(PATIENCE, rig.gateway.stop()).await.expect("nothing runs any more");
}
