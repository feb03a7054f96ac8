//! Cases about readers: resuming, waiting, falling behind, knowing another history.

use std::{
    sync::Arc,
    task::{Context, Poll, Waker},
};

use perennial_log::{
    After, Entry, Epoch, Kind, Log, Outcome, ReadBytes, Reader, Record, Seq, StreamId, Writer,
};

use crate::place::{Place, end, event, records, request};

/// A stream of three epochs in runs of different lengths, longer than the ring.
async fn long_stream(place: &Place, log: &Arc<dyn Log>) -> StreamId {
    let mut writer = place.writer(log).await;
    for round in 0..30 {
        let batch: Vec<Entry> = (0..=round % 7).map(|number| event(100 * round + number)).collect();
        writer.append(&batch).await.unwrap();
        if round % 10 == 9 {
            writer = Writer::takeover(log, writer.stream(), writer.fence().epoch, b"").await.unwrap();
        }
    }
    writer.append(&[event(7), end()]).await.unwrap();
    writer.stream()
}

async fn rest(reader: &mut Reader) -> Vec<Record> {
    let mut records = Vec::new();
    while let Some(run) = reader.next().await.unwrap() {
        records.extend_from_slice(&run);
    }
    assert!(reader.next().await.unwrap().is_none());
    records
}

pub(crate) async fn resuming_anywhere_gives_the_rest(place: &Place) {
    let log = place.open().await;
    let stream = long_stream(place, &log).await;
    let all = rest(&mut Reader::attach(&log, stream, After::Start).await.unwrap()).await;
    assert_eq!(
        all.iter().map(|record| record.seq.get()).collect::<Vec<_>>(),
        (1..=all.len() as u64).collect::<Vec<_>>()
    );
    assert!(all.windows(2).all(|pair| pair[0].epoch <= pair[1].epoch));
    for (k, record) in all.iter().enumerate() {
        for after in [After::Position(record.position()), After::Seq(record.seq)] {
            let mut reader = Reader::attach(&log, stream, after).await.unwrap().fetching(ReadBytes::new(300));
            assert_eq!(rest(&mut reader).await, all[k + 1..], "after {after:?}");
        }
    }
}

pub(crate) async fn a_waiting_reader_is_woken(place: &Place) {
    let log = place.open().await;
    let mut writer = place.writer(&log).await;
    let mut reader = Reader::attach(&log, writer.stream(), "1.1".parse().unwrap()).await.unwrap();
    assert!(reader.try_next().is_none());
    for number in 0..50 {
        let (read, written) = tokio::join!(reader.next(), async {
            tokio::task::yield_now().await;
            writer.append(&[event(number)]).await.unwrap()
        });
        let run = read.unwrap().unwrap();
        assert_eq!((run.len(), run[0].position()), (1, written));
    }
    let last = [end()];
    let (read, ended) = tokio::join!(reader.next(), writer.append(&last));
    assert_eq!(read.unwrap().unwrap()[0].position(), ended.unwrap());
    assert!(reader.next().await.unwrap().is_none());
}

/// A reader inside of something that is polled: polled for nothing, given up and asked again, by another task, it misses nothing.
pub(crate) async fn a_polled_reader_misses_nothing(place: &Place) {
    let log = place.open().await;
    let mut writer = place.writer(&log).await;
    let mut reader = Reader::attach(&log, writer.stream(), After::Start).await.unwrap();
    // Nobody ever hears of it again.
    let mut deaf = Context::from_waker(Waker::noop());
    let mut seen = 0;
    for round in 0..40 {
        // More than the ring keeps, now and then, so that some of it is fetched.
        let many = if round % 8 == 7 { 30 } else { round % 3 };
        for number in 0..many {
            writer.append(&[Entry::event(vec![b'x'; 200 * (number % 2)]), event(number)]).await.unwrap();
        }
        for _ in 0..3 {
            if let Poll::Ready(run) = reader.poll_next(&mut deaf) {
                seen += run.unwrap().unwrap().len();
            }
        }
        let left = Reader::attach(&log, writer.stream(), After::Seq(Seq::FIRST)).await.unwrap();
        while reader.position() <= left.head().unwrap().last {
            // Awaited in a task of its own.
            let task = tokio::spawn(async move {
                let run = reader.next().await.unwrap().unwrap();
                (reader, run)
            });
            let run;
            (reader, run) = task.await.unwrap();
            assert_eq!(run[0].seq.get(), seen as u64 + 1);
            seen += run.len();
        }
        assert!(reader.poll_next(&mut deaf).is_pending());
    }
    let last = [end()];
    let (read, ended) = tokio::join!(reader.next(), writer.append(&last));
    assert_eq!(read.unwrap().unwrap()[0].position(), ended.unwrap());
    assert!(matches!(reader.poll_next(&mut deaf), Poll::Ready(Ok(None))));
    assert_eq!(seen as u64 + 1, log.head(writer.stream()).await.unwrap().last.get());
}

pub(crate) async fn a_thousand_readers_see_the_same(place: &Place) {
    let log = place.open().await;
    let mut writer = place.writer(&log).await;
    let stream = writer.stream();
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..1000_u64 {
        let log = log.clone();
        readers.spawn(async move {
            let mut reader = Reader::attach(&log, stream, After::Start).await.unwrap();
            let mut sum = 0;
            while let Some(run) = reader.next().await.unwrap() {
                for record in &run {
                    sum = crc_of(sum, record);
                }
                // Some are slow, and fall behind what is kept in memory.
                if number % 10 == 0 {
                    tokio::task::yield_now().await;
                }
            }
            sum
        });
    }
    for number in 0..200 {
        writer.append(&[event(number), event(number + 1000)]).await.unwrap();
    }
    writer.append(&[end()]).await.unwrap();
    let sums = readers.join_all().await;
    let expected = records(&log, stream, "0").await.unwrap().iter().fold(0, crc_of);
    assert_eq!(sums.len(), 1000);
    assert!(sums.iter().all(|sum| *sum == expected));
}

fn crc_of(sum: u64, record: &Record) -> u64 {
    let payload =
        record.payload.iter().fold(0_u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
    sum.wrapping_mul(1_000_003).wrapping_add(record.seq.get()).wrapping_mul(31).wrapping_add(payload)
}

pub(crate) async fn a_slow_reader_misses_nothing(place: &Place) {
    let log = place.open().await;
    let mut writer = place.writer(&log).await;
    let stream = writer.stream();
    let mut slow = Reader::attach(&log, stream, After::Start).await.unwrap().fetching(ReadBytes::new(1));
    let mut seen = slow.next().await.unwrap().unwrap().len();
    // Each round is more than the ring keeps.
    for round in 0..5 {
        for number in 0..20 {
            writer.append(&[Entry::event(vec![b'a' + round; 1000]), event(number)]).await.unwrap();
        }
        let run = slow.next().await.unwrap().unwrap();
        assert_eq!(run[0].seq.get(), seen as u64 + 1);
        seen += run.len();
    }
    writer.append(&[end()]).await.unwrap();
    seen += rest(&mut slow).await.len();
    assert_eq!(seen as u64, log.head(stream).await.unwrap().last.get());
}

pub(crate) async fn another_history_is_told_apart(place: &Place) {
    let log = place.open().await;
    let mut writer = place.writer(&log).await;
    let stream = writer.stream();
    writer.append(&[event(1), event(2)]).await.unwrap();
    let mut writer = Writer::takeover(&log, stream, Epoch::FIRST, b"").await.unwrap();
    writer.append(&[event(3)]).await.unwrap();
    // 1.1 2.1 3.1 4.2 5.2
    let check = async |log: &Arc<dyn Log>, after: &str, common: Result<(), &str>| {
        let attached = Reader::attach(log, stream, after.parse().unwrap()).await;
        match (attached, common) {
            (Ok(_), Ok(())) => {}
            (Err(error), Err(common)) => {
                assert!(error.is_diverged(), "{after}: {error}");
                assert_eq!(error.last_common().unwrap().to_string(), common, "{after}");
            }
            (attached, _) => panic!("{after}: {attached:?}"),
        }
    };
    let log = if place.is_durable() { place.reopen(log).await } else { log };
    for after in ["0", "1", "5", "1.1", "3.1", "4.2", "5.2"] {
        check(&log, after, Ok(())).await;
    }
    for (after, common) in
        [("4.1", "3.1"), ("9.1", "3.1"), ("6.2", "5.2"), ("6", "5.2"), ("9.3", "5.2"), ("3.2", "2.1")]
    {
        check(&log, after, Err(common)).await;
    }
}

pub(crate) async fn a_read_is_bounded(place: &Place) {
    let log = place.open().await;
    let stream = long_stream(place, &log).await;
    let last = log.head(stream).await.unwrap().last;
    for most in [1, 100, 1000, 100_000] {
        let mut next = Seq::FIRST;
        loop {
            let runs = log.read(stream, next, ReadBytes::new(most)).await.unwrap();
            let Some(longest) = runs.iter().map(perennial_log::Run::payload_bytes).max() else { break };
            let bytes: usize = runs.iter().map(perennial_log::Run::payload_bytes).sum();
            assert!(bytes < most + longest || runs.len() == 1, "{bytes} of {most}");
            for record in runs.iter().flatten() {
                assert_eq!(record.seq, next);
                next = next.plus(1);
            }
        }
        assert_eq!(next, last.plus(1));
    }
    assert!(log.read(stream, last.plus(5), ReadBytes::default()).await.unwrap().is_empty());
}

/// Attaching and appending at the same time: nobody misses the record in between.
pub(crate) async fn a_reader_may_attach_before_each_record(place: &Place) {
    let log = place.open().await;
    let mut writer = place.writer(&log).await;
    let stream = writer.stream();
    let mut readers = tokio::task::JoinSet::new();
    for number in 0..100 {
        let log = log.clone();
        readers.spawn(async move {
            rest(&mut Reader::attach(&log, stream, After::Start).await.unwrap()).await.len()
        });
        writer.append(&[event(number)]).await.unwrap();
    }
    writer.append(&[Entry::new(Kind::Cancel, ""), Entry::terminal(Outcome::Cancelled, "")]).await.unwrap();
    assert!(readers.join_all().await.into_iter().all(|seen| seen == 103));
    // And of a stream that is only made while somebody asks for it.
    for _ in 0..50 {
        let stream = place.name();
        let made = [request()];
        let (tail, head) = tokio::join!(log.tail(stream), log.create(stream, None, &made));
        let head = head.unwrap();
        if let Ok(tail) = tail {
            assert_eq!(tail.head(), Some(head));
        }
    }
}
