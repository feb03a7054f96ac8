//! Cases about appending, fencing, taking over and ending.

use perennial_log::{Entry, Epoch, Fence, Kind, MaxBatchBytes, Outcome, Seq, StreamId, Time, Writer};

use crate::place::{Place, end, event, records, request};

pub(crate) async fn a_stream_is_what_was_written(place: &Place) {
    let log = place.open().await;
    let stream = place.name();
    let time = Time::from_micros(1_760_000_000_000_007);
    let entries = [
        Entry::new(Kind::Request, "{}").at(time),
        Entry::event("event: ping\ndata: {}\n\n").at(time),
        Entry::event("").at(time),
        Entry::new(Kind::Seam, vec![0, 255, 10]).at(time),
        Entry::new(Kind::Cancel, "x").at(time),
        Entry::new(Kind::Attempt, "{\"status\":529}").at(time),
        Entry::new(Kind::Fragment, "event: mess").at(time),
        Entry::new(Kind::Other(99), vec![7; 100_000]).at(time),
        Entry::terminal(Outcome::Cancelled, "why").at(time),
    ];
    let mut writer = Writer::create(&log, stream, None, &entries[..1]).await.unwrap();
    assert_eq!(writer.append(&entries[1..4]).await.unwrap().to_string(), "4.1");
    assert_eq!(writer.append(&entries[4..]).await.unwrap().to_string(), "9.1");

    let found = records(&log, stream, "0").await.unwrap();
    let as_written: Vec<Entry> =
        found.iter().map(|r| Entry { kind: r.kind, time: r.time, payload: r.payload.clone() }).collect();
    assert_eq!(as_written, entries);
    let positions: Vec<String> = found.iter().map(|record| record.position().to_string()).collect();
    assert_eq!(positions, ["1.1", "2.1", "3.1", "4.1", "5.1", "6.1", "7.1", "8.1", "9.1"]);
    let head = log.head(stream).await.unwrap();
    assert_eq!((head.last.get(), head.outcome, head.epoch().get()), (9, Some(Outcome::Cancelled), 1));
}

pub(crate) async fn a_name_is_taken_once(place: &Place) {
    let log = place.open().await;
    let stream = place.name();
    assert!(log.head(stream).await.unwrap_err().is_not_found());
    assert!(log.tail(stream).await.unwrap_err().is_not_found());
    assert!(log.append(stream, Fence::NEW, &[event(1)]).await.unwrap_err().is_not_found());
    assert!(log.takeover(stream, Epoch::FIRST, &request()).await.unwrap_err().is_not_found());
    assert!(log.delete(stream).await.unwrap_err().is_not_found());

    log.create(stream, None, &[request()]).await.unwrap();
    assert!(log.create(stream, None, &[event(2)]).await.unwrap_err().is_existing());
    assert_eq!(records(&log, stream, "0").await.unwrap().len(), 1);
    // A stream may be made with all it will ever have.
    let whole = place.name();
    log.create(whole, None, &[request(), end()]).await.unwrap();
    assert!(log.create(whole, None, &[request()]).await.unwrap_err().is_existing());
    assert_eq!(records(&log, whole, "0").await.unwrap().len(), 2);
}

pub(crate) async fn a_false_fence_writes_nothing(place: &Place) {
    let log = place.open().await;
    let stream = place.name();
    let head = log.create(stream, None, &[request(), event(1)]).await.unwrap();
    let (epoch, seq) = (|n| Epoch::new(n).unwrap(), |n| Seq::new(n).unwrap());
    for (e, s) in [(1, 1), (1, 2), (1, 4), (2, 3), (2, 1), (7, 3)] {
        let fence = Fence { epoch: epoch(e), next: seq(s) };
        let error = log.append(stream, fence, &[event(9)]).await.unwrap_err();
        assert!(error.is_fenced(), "{fence:?}: {error}");
        assert_eq!(error.fence(), Some(head.fence()));
    }
    assert_eq!(log.head(stream).await.unwrap(), head);
    let head = log.append(stream, head.fence(), &[event(3)]).await.unwrap();
    assert_eq!(head.last, seq(3));
    assert_eq!(records(&log, stream, "0").await.unwrap().len(), 3);
}

pub(crate) async fn a_bad_batch_writes_nothing(place: &Place) {
    let log = place.open().await;
    let stream = place.name();
    let head = log.create(stream, None, &[request()]).await.unwrap();
    let large = Entry::event(vec![b'x'; MaxBatchBytes::MOST.get() / 2 + 1]);
    let cases: [&[Entry]; 7] = [
        &[],
        &[event(1), end(), event(2)],
        &[end(), end()],
        &[event(1), Entry::new(Kind::Takeover, "")],
        &[Entry::new(Kind::Other(0), "")],
        &[Entry::new(Kind::Other(17), "")],
        &[large.clone(), large],
    ];
    for entries in cases {
        let error = log.append(stream, head.fence(), entries).await.unwrap_err();
        assert!(error.is_refused(), "{error}");
        assert!(log.create(place.name(), None, entries).await.unwrap_err().is_refused());
    }
    assert_eq!(log.head(stream).await.unwrap(), head);
    assert_eq!(log.list(None, 10).await.unwrap().heads.len(), 1);
}

pub(crate) async fn one_of_many_writers_wins_each_record(place: &Place) {
    const WRITERS: usize = 8;
    const ROUNDS: u64 = 20;
    let log = place.open().await;
    let stream = place.name();
    log.create(stream, None, &[request()]).await.unwrap();
    let mut tasks = tokio::task::JoinSet::new();
    for writer in 0..WRITERS {
        let log = log.clone();
        tasks.spawn(async move {
            let mut won = Vec::new();
            for next in 2..2 + ROUNDS {
                let fence = Fence { epoch: Epoch::FIRST, next: Seq::new(next).unwrap() };
                match log.append(stream, fence, &[event(writer)]).await {
                    Ok(head) => won.push((head.last.get(), writer)),
                    // Whoever loses knows that the record is there.
                    Err(error) => assert!(error.fence().unwrap().next > fence.next, "{error}"),
                }
            }
            won
        });
    }
    let mut won: Vec<(u64, usize)> = tasks.join_all().await.concat();
    won.sort_unstable();
    assert_eq!(won.iter().map(|(seq, _)| *seq).collect::<Vec<_>>(), (2..2 + ROUNDS).collect::<Vec<_>>());
    let found = records(&log, stream, "0").await.unwrap();
    for (seq, writer) in won {
        assert_eq!(found[usize::try_from(seq).unwrap() - 1].payload, event(writer).payload);
    }
}

pub(crate) async fn taking_over_fences_the_writer_before(place: &Place) {
    let log = place.open().await;
    let mut old = place.writer(&log).await;
    let stream = old.stream();
    old.append(&[event(1)]).await.unwrap();

    let wrong = Writer::takeover(&log, stream, Epoch::new(2).unwrap(), b"").await.unwrap_err();
    assert_eq!(wrong.fence(), Some(old.fence()));
    let mut new = Writer::takeover(&log, stream, Epoch::FIRST, b"because").await.unwrap();
    assert_eq!((new.fence().epoch.get(), new.fence().next.get()), (2, 4));

    let error = old.append(&[event(2)]).await.unwrap_err();
    assert_eq!(error.fence(), Some(new.fence()));
    assert!(old.append(&[end()]).await.unwrap_err().is_fenced());
    new.append(&[event(3), end()]).await.unwrap();

    let found = records(&log, stream, "0").await.unwrap();
    let positions: Vec<String> = found.iter().map(|record| record.position().to_string()).collect();
    assert_eq!(positions, ["1.1", "2.1", "3.2", "4.2", "5.2"]);
    assert_eq!((found[2].kind, &found[2].payload[..]), (Kind::Takeover, &b"because"[..]));
    assert_eq!(found[3].payload, event(3).payload);
}

pub(crate) async fn one_of_many_takes_over(place: &Place) {
    let log = place.open().await;
    let stream = place.writer(&log).await.stream();
    for term in 1..6 {
        let from = Epoch::new(term).unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for _ in 0..8 {
            let log = log.clone();
            tasks.spawn(async move { Writer::takeover(&log, stream, from, b"").await.is_ok() });
        }
        assert_eq!(tasks.join_all().await.into_iter().filter(|won| *won).count(), 1);
    }
    let head = log.head(stream).await.unwrap();
    assert_eq!((head.epoch().get(), head.last.get()), (6, 6));
}

pub(crate) async fn a_stream_ends_once(place: &Place) {
    let log = place.open().await;
    let mut writer = place.writer(&log).await;
    let stream = writer.stream();
    let ended = writer.append(&[event(1), Entry::terminal(Outcome::Failed, "")]).await.unwrap();
    let head = log.head(stream).await.unwrap();
    for entries in [vec![event(2)], vec![end()]] {
        let error = writer.append(&entries).await.unwrap_err();
        assert_eq!(error.outcome(), Some(Outcome::Failed), "{error}");
        let old = Fence { epoch: Epoch::FIRST, next: Seq::new(2).unwrap() };
        assert!(log.append(stream, old, &entries).await.unwrap_err().is_closed());
    }
    assert!(log.takeover(stream, Epoch::FIRST, &event(0)).await.unwrap_err().is_closed());
    let log = if place.is_durable() { place.reopen(log).await } else { log };
    assert!(log.append(stream, head.fence(), &[event(2)]).await.unwrap_err().is_closed());
    assert!(log.takeover(stream, Epoch::FIRST, &event(0)).await.unwrap_err().is_closed());
    assert_eq!(log.head(stream).await.unwrap().position(), ended);
    assert_eq!(records(&log, stream, "0").await.unwrap().len(), 3);
}

/// The writer that was interrupted does nothing any more; whoever takes over finds all of the append or nothing of it.
pub(crate) async fn a_dropped_append_leaves_no_doubt(place: &Place) {
    let log = place.open().await;
    for polls in 0..4 {
        let mut writer = place.writer(&log).await;
        let stream = writer.stream();
        let done = {
            let entries = [event(1), event(2)];
            let mut append = std::pin::pin!(writer.append(&entries));
            let mut polled = 0;
            std::future::poll_fn(|context| {
                polled += 1;
                match append.as_mut().poll(context) {
                    std::task::Poll::Ready(answer) => std::task::Poll::Ready(answer.is_ok()),
                    std::task::Poll::Pending if polled > polls => std::task::Poll::Ready(false),
                    std::task::Poll::Pending => std::task::Poll::Pending,
                }
            })
            .await
        };
        if !done {
            assert!(writer.append(&[event(3)]).await.unwrap_err().is_unknown());
        }
        let mut next = Writer::takeover(&log, stream, Epoch::FIRST, b"").await.unwrap();
        next.append(&[end()]).await.unwrap();
        let found = records(&log, stream, "0").await.unwrap();
        assert!(found.len() == 5 || (!done && found.len() == 3), "{} records, done: {done}", found.len());
    }
}

/// A writer that does not wait for answers: the fence lets through what comes in order.
pub(crate) async fn appends_in_flight_keep_their_order(place: &Place) {
    const COUNT: usize = 50;
    let log = place.open().await;
    let streams: Vec<StreamId> = (0..4).map(|_| place.name()).collect();
    for &stream in &streams {
        log.create(stream, None, &[request()]).await.unwrap();
    }
    let batches: Vec<[Entry; 1]> = (0..COUNT).map(|number| [event(number)]).collect();
    for &stream in &streams {
        let mut flying = Vec::new();
        for (number, batch) in batches.iter().enumerate() {
            let fence = Fence { epoch: Epoch::FIRST, next: Seq::FIRST.plus(number + 1) };
            let mut append = log.append(stream, fence, batch);
            // Polled once, so that it is on its way before the next one is made.
            let answer = std::future::poll_fn(|context| match append.as_mut().poll(context) {
                std::task::Poll::Ready(answer) => std::task::Poll::Ready(Some(answer)),
                std::task::Poll::Pending => std::task::Poll::Ready(None),
            })
            .await;
            flying.push((append, answer));
        }
        for (append, answer) in flying {
            let answer = if let Some(answer) = answer { answer } else { append.await };
            answer.unwrap();
        }
    }
    for stream in streams {
        let found = records(&log, stream, "1.1").await.unwrap();
        let expected: Vec<_> = (0..COUNT).map(|number| event(number).payload).collect();
        assert_eq!(found.into_iter().map(|record| record.payload).collect::<Vec<_>>(), expected);
    }
}

/// What is judged while the end is on its way is judged by it.
pub(crate) async fn nothing_follows_an_end_in_flight(place: &Place) {
    let log = place.open().await;
    for round in 0..20 {
        let stream = place.name();
        let head = log.create(stream, None, &[request()]).await.unwrap();
        let (last, more) = ([end()], [event(round)]);
        let after = Fence { next: head.fence().next.plus(1), ..head.fence() };
        let (entry, again) = (request(), [request()]);
        // Polled in this order: they are on their way together.
        let (ended, same, next, taken, made) = tokio::join!(
            biased;
            log.append(stream, head.fence(), &last),
            log.append(stream, head.fence(), &more),
            log.append(stream, after, &more),
            log.takeover(stream, Epoch::FIRST, &entry),
            log.create(stream, None, &again),
        );
        assert_eq!(ended.unwrap().last.get(), 2);
        for error in [same.unwrap_err(), next.unwrap_err(), taken.unwrap_err()] {
            assert_eq!(error.outcome(), Some(Outcome::Completed), "{error}");
        }
        assert!(made.unwrap_err().is_existing());

        let other = place.name();
        let (made, deleted, grown, again) = tokio::join!(
            biased;
            log.create(other, None, &again),
            log.delete(other),
            log.append(other, head.fence(), &more),
            log.create(other, None, &again),
        );
        made.unwrap();
        deleted.unwrap();
        assert!(grown.unwrap_err().is_gone());
        assert!(again.unwrap_err().is_gone());
        assert_eq!(records(&log, stream, "0").await.unwrap().len(), 2);
    }
}
