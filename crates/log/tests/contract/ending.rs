//! Cases about what ends a stream's life, and what outlives the log itself.

use std::time::Duration;

use perennial_log::{After, Entry, Epoch, Kind, Outcome, ReadBytes, Reader, Seq, Writer};

use crate::place::{KEPT, Place, end, event, records, request};

pub(crate) async fn what_is_deleted_is_gone(place: &Place) {
    let log = place.open().await;
    let mut running = place.writer(&log).await;
    let mut ended = place.writer(&log).await;
    let last = running.append(&[event(1)]).await.unwrap();
    ended.append(&[event(1), end()]).await.unwrap();
    let mut waiting = Reader::attach(&log, running.stream(), last.into()).await.unwrap();
    let mut behind = Reader::attach(&log, ended.stream(), After::Start).await.unwrap();

    let (waited, deleted) = tokio::join!(waiting.next(), log.delete(running.stream()));
    deleted.unwrap();
    assert!(waited.unwrap_err().is_gone());
    log.delete(ended.stream()).await.unwrap();
    assert!(behind.next().await.unwrap_err().is_gone());
    assert!(running.append(&[event(2)]).await.unwrap_err().is_gone());

    let neighbour = place.writer(&log).await;
    let mut log = log;
    for reopened in [false, place.is_durable()] {
        if reopened {
            log = place.reopen(log).await;
        }
        for stream in [running.stream(), ended.stream()] {
            assert!(log.head(stream).await.unwrap_err().is_gone());
            assert!(log.tail(stream).await.unwrap_err().is_gone());
            assert!(log.read(stream, Seq::FIRST, ReadBytes::default()).await.unwrap_err().is_gone());
            assert!(log.takeover(stream, Epoch::FIRST, &request()).await.unwrap_err().is_gone());
            assert!(log.create(stream, None, &[request()]).await.unwrap_err().is_gone());
            log.delete(stream).await.unwrap();
        }
        let listed = log.list(None, 10).await.unwrap().heads;
        assert_eq!(listed.iter().map(|head| head.stream).collect::<Vec<_>>(), [neighbour.stream()]);
    }
}

pub(crate) async fn expiry_is_absolute(place: &Place) {
    let log = place.open().await;
    let start = place.now();
    let mut running = place.writer(&log).await;
    let mut ended = place.writer(&log).await;
    ended.append(&[event(1), end()]).await.unwrap();
    assert_eq!(log.head(ended.stream()).await.unwrap().expires, ended.stream().time().plus(KEPT));

    place.set(start.plus(KEPT - Duration::from_secs(1)));
    let mut late = place.writer(&log).await;
    running.append(&[event(1)]).await.unwrap();
    assert_eq!(records(&log, ended.stream(), "0").await.unwrap().len(), 3);
    let mut waiting = Reader::attach(&log, running.stream(), "2.1".parse().unwrap()).await.unwrap();

    // Using it has not made it any younger.
    place.set(start.plus(KEPT));
    assert!(log.head(running.stream()).await.unwrap_err().is_gone());
    assert!(running.append(&[event(2)]).await.unwrap_err().is_gone());
    assert!(log.takeover(running.stream(), Epoch::FIRST, &request()).await.unwrap_err().is_gone());
    assert!(waiting.next().await.unwrap_err().is_gone());
    assert!(records(&log, ended.stream(), "0").await.unwrap_err().is_gone());
    assert_eq!(log.list(None, 10).await.unwrap().heads.len(), 1);
    late.append(&[event(3)]).await.unwrap();

    // Neither the clock nor a new start brings it back.
    place.set(start);
    let log = if place.is_durable() { place.reopen(log).await } else { log };
    for stream in [running.stream(), ended.stream()] {
        assert!(log.head(stream).await.unwrap_err().is_gone());
        let error = log.create(stream, None, &[request()]).await.unwrap_err();
        assert!(error.is_gone() || error.is_refused(), "{error}");
        assert!(records(&log, stream, "0").await.unwrap_err().is_gone());
    }
    assert_eq!(records(&log, late.stream(), "0").await.unwrap().len(), 2);
    assert_eq!(log.list(None, 10).await.unwrap().heads.len(), 1);
}

pub(crate) async fn a_stream_may_expire_sooner(place: &Place) {
    let log = place.open().await;
    let (soon, never) = (place.now().plus(Duration::from_secs(60)), place.now().plus(100 * KEPT));
    let short = Writer::create(&log, place.name(), Some(soon), &[request()]).await.unwrap();
    let long = Writer::create(&log, place.name(), Some(never), &[request()]).await.unwrap();
    assert_eq!(log.head(short.stream()).await.unwrap().expires, soon);
    assert_eq!(log.head(long.stream()).await.unwrap().expires, long.stream().time().plus(KEPT));
    assert!(log.create(place.name(), Some(place.now()), &[request()]).await.unwrap_err().is_refused());
    place.set(soon);
    assert!(log.head(short.stream()).await.unwrap_err().is_gone());
    assert!(log.head(long.stream()).await.is_ok());
}

pub(crate) async fn only_a_fresh_name_makes_a_stream(place: &Place) {
    let log = place.open().await;
    let minutes = |n: u64| Duration::from_secs(60 * n);
    let now = place.now();
    for (name, made) in [
        (now.minus(minutes(6)), false),
        (now.minus(minutes(4)), true),
        (now, true),
        (now.plus(minutes(4)), true),
        (now.plus(minutes(6)), false),
        (now.minus(10 * KEPT), false),
    ] {
        let answer = log.create(perennial_log::StreamId::at(name), None, &[request()]).await;
        assert_eq!(answer.is_ok(), made, "{name:?}");
    }
}

pub(crate) async fn streams_are_listed_newest_first(place: &Place) {
    let log = place.open().await;
    let mut made = Vec::new();
    for number in 0..25 {
        place.set(place.now().plus(Duration::from_secs(20 * 60)));
        let mut writer = place.writer(&log).await;
        if number % 3 > 0 {
            writer.append(&[event(number), end()]).await.unwrap();
        }
        if number % 5 == 0 {
            log.delete(writer.stream()).await.unwrap();
        } else {
            made.push(log.head(writer.stream()).await.unwrap());
        }
    }
    made.reverse();
    let log = if place.is_durable() { place.reopen(log).await } else { log };
    for most in [1, 3, 7, 20, 100] {
        let mut listed = Vec::new();
        let mut before = None;
        loop {
            let page = log.list(before, most).await.unwrap();
            assert!(page.heads.len() <= most);
            listed.extend(page.heads);
            before = page.next;
            if before.is_none() {
                break;
            }
        }
        assert_eq!(listed, made, "in parts of {most}");
    }
}

pub(crate) async fn a_closed_log_says_so(place: &Place) {
    let log = place.open().await;
    let mut writer = place.writer(&log).await;
    let mut reader = Reader::attach(&log, writer.stream(), After::Start).await.unwrap();
    writer.append(&[event(1)]).await.unwrap();
    log.close().await.unwrap();
    log.close().await.unwrap();
    assert!(writer.append(&[event(2)]).await.unwrap_err().is_unavailable());
    assert!(log.create(place.name(), None, &[request()]).await.unwrap_err().is_unavailable());
    // What was there is still given where it is in memory; then the reader is told, not left waiting.
    let mut seen = 0;
    let error = loop {
        match reader.next().await {
            Ok(Some(run)) => seen += run.len(),
            Ok(None) => panic!("the stream has not ended"),
            Err(error) => break error,
        }
    };
    assert!(error.is_unavailable());
    assert!(seen <= 2);
}

pub(crate) async fn what_was_written_survives_reopening(place: &Place) {
    if !place.is_durable() {
        return;
    }
    let mut log = place.open().await;
    let mut writer = place.writer(&log).await;
    let stream = writer.stream();
    let mut expected = 1;
    for round in 0..5_u32 {
        for number in 0..10 {
            writer.append(&[event(number), event(number + 1)]).await.unwrap();
            expected += 2;
        }
        let before = records(&log, stream, "0").await.unwrap();
        log = place.reopen(log).await;
        assert_eq!(records(&log, stream, "0").await.unwrap(), before);
        assert_eq!(before.len(), expected);
        let head = log.head(stream).await.unwrap();
        // The old writer is no writer of this log; its fence is still the true one until somebody takes over.
        writer = Writer::takeover(&log, stream, head.epoch(), format!("{round}").as_bytes()).await.unwrap();
        expected += 1;
    }
    writer.append(&[end()]).await.unwrap();
    let log = place.reopen(log).await;
    let head = log.head(stream).await.unwrap();
    assert_eq!((head.epoch().get(), head.outcome), (6, Some(Outcome::Completed)));
    assert_eq!(records(&log, stream, "0").await.unwrap().len(), expected + 1);
}

pub(crate) async fn what_was_left_open_is_found(place: &Place) {
    let log = place.open().await;
    let mut open = Vec::new();
    for number in 0..30 {
        place.set(place.now().plus(Duration::from_secs(10 * 60)));
        let mut writer = place.writer(&log).await;
        match number % 3 {
            0 => drop(writer.append(&[end()]).await.unwrap()),
            1 if number > 20 => log.delete(writer.stream()).await.unwrap(),
            _ => open.push(writer.stream()),
        }
    }
    assert!(log.unsettled(None, 100).await.unwrap().heads.is_empty(), "they are written here");
    if !place.is_durable() {
        return;
    }
    let log = place.reopen(log).await;
    let mut found = Vec::new();
    let mut after = None;
    loop {
        let page = log.unsettled(after, 4).await.unwrap();
        found.extend(page.heads.iter().map(|head| head.stream));
        after = page.next;
        if after.is_none() {
            break;
        }
    }
    assert_eq!(found, open);
    for (number, &stream) in open.iter().enumerate() {
        let mut writer = Writer::takeover(&log, stream, Epoch::FIRST, b"").await.unwrap();
        if number % 2 == 0 {
            writer.append(&[Entry::terminal(Outcome::Interrupted, "")]).await.unwrap();
        }
    }
    assert!(log.unsettled(None, 100).await.unwrap().heads.is_empty());
    let log = place.reopen(log).await;
    let left = log.unsettled(None, 100).await.unwrap().heads;
    assert_eq!(left.len(), open.len() / 2);
    assert!(left.iter().all(|head| head.epoch().get() == 2));
    let kinds =
        records(&log, open[0], "0").await.unwrap().iter().map(|record| record.kind).collect::<Vec<_>>();
    assert_eq!(kinds, [Kind::Request, Kind::Takeover, Kind::Terminal(Outcome::Interrupted)]);
}
