//! What is rendered of streams: one run of the renderer for each stream that somebody views, shared by all its viewers.
//!
//! It is there while somebody views the stream, and made anew from the log when it is not: the log is the only copy. What was written is kept for the
//! viewers that are behind, up to a limit; one that is further behind renders for itself until it has caught up.

use std::collections::{HashMap, VecDeque};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use perennial_log::{After, Error, Log, Reader, Record, Run, Seq, StreamId};

use super::tape::Renderers;

/// How much of what was written is kept for the viewers of one stream, about.
pub(crate) const MAX_RENDERED_BYTES: usize = 4 * 1024 * 1024;
/// How much is kept for all streams together; above it each keeps only [`LEAST_RENDERED_BYTES`].
pub(crate) const MAX_RENDERED_BYTES_OF_ALL: usize = 256 * 1024 * 1024;
const LEAST_RENDERED_BYTES: usize = 64 * 1024;
/// What a record costs beside its payload.
const RECORD_BYTES: usize = 96;
/// So much is rendered before others on the same thread get a turn.
const TURN_BYTES: usize = 64 * 1024;

/// The streams that are viewed.
#[derive(Debug, Default)]
pub(crate) struct Renderings {
    viewed: Mutex<HashMap<StreamId, Weak<Rendering>>>,
    bytes: AtomicUsize,
}

/// A stream that is viewed.
#[derive(Debug)]
pub(crate) struct Rendering {
    all: Arc<Renderings>,
    log: Arc<dyn Log>,
    stream: StreamId,
    most: usize,
    kept: Mutex<Kept>,
}

/// A run of the renderer, and the last that it wrote.
#[derive(Debug)]
struct Kept {
    head: Head,
    records: VecDeque<Record>,
    bytes: usize,
}

/// A run of the renderer: what it knows, and which record comes next.
#[derive(Debug)]
pub(super) struct Head {
    renderers: Renderers,
    pub(super) next: Seq,
}

/// What the shared run has for a viewer.
#[derive(Debug)]
pub(super) enum Found {
    Written(Run),
    /// It has to be brought to the viewer's place first.
    Behind,
    /// It is past it, and does not have this any more.
    Gone,
}

impl Renderings {
    /// The shared rendering of a stream.
    pub(crate) fn of(self: &Arc<Self>, log: &Arc<dyn Log>, stream: StreamId) -> Arc<Rendering> {
        self.with_limit(log, stream, MAX_RENDERED_BYTES)
    }

    pub(super) fn with_limit(
        self: &Arc<Self>,
        log: &Arc<dyn Log>,
        stream: StreamId,
        most: usize,
    ) -> Arc<Rendering> {
        let mut viewed = self.viewed.lock();
        if let Some(rendering) = viewed.get(&stream).and_then(Weak::upgrade) {
            return rendering;
        }
        let rendering = Arc::new(Rendering {
            all: Arc::clone(self),
            log: Arc::clone(log),
            stream,
            most,
            kept: Mutex::new(Kept { head: Head::default(), records: VecDeque::new(), bytes: 0 }),
        });
        viewed.insert(stream, Arc::downgrade(&rendering));
        rendering
    }
}

impl Rendering {
    /// A run as the face shows it, if the shared run of the renderer has it or comes to it next.
    pub(super) fn written(&self, run: &Run) -> Found {
        let mut kept = self.kept.lock();
        let Some(first) = run.first() else { return Found::Written(run.clone()) };
        if first.seq > kept.head.next {
            return Found::Behind;
        }
        let mut written = Vec::with_capacity(run.len());
        for record in run {
            match kept.find(record.seq) {
                Some(record) => written.push(record),
                None if record.seq == kept.head.next => written.push(self.write(&mut kept, record)),
                None => return Found::Gone,
            }
        }
        Found::Written(Run::new(written))
    }

    /// Whether the shared run has what follows, so that nobody needs one of its own.
    pub(super) fn has(&self, next: Seq) -> bool {
        let kept = self.kept.lock();
        next <= kept.head.next && kept.first() <= next
    }

    /// Brings the shared run to a place.
    pub(super) async fn bring_to(self: Arc<Self>, place: Seq) -> Result<(), Error> {
        let from = self.kept.lock().head.next;
        read(&self.log, self.stream, from, place, |record| {
            let mut kept = self.kept.lock();
            // Another viewer may have brought it further.
            if record.seq == kept.head.next {
                self.write(&mut kept, record);
            }
        })
        .await
    }

    /// A run of its own for a viewer that is far behind.
    pub(super) async fn own(self: Arc<Self>, place: Seq) -> Result<Head, Error> {
        let mut head = Head::default();
        read(&self.log, self.stream, Seq::FIRST, place, |record| {
            head.write(record);
        })
        .await?;
        Ok(head)
    }

    fn write(&self, kept: &mut Kept, record: &Record) -> Record {
        let written = kept.head.write(record);
        let before = kept.bytes;
        kept.bytes += written.payload.len() + RECORD_BYTES;
        kept.records.push_back(written.clone());
        let others = self.all.bytes.load(Ordering::Relaxed);
        let most = if others > MAX_RENDERED_BYTES_OF_ALL { LEAST_RENDERED_BYTES } else { self.most };
        while kept.bytes > most.min(self.most) {
            let Some(old) = kept.records.pop_front() else { break };
            kept.bytes -= old.payload.len() + RECORD_BYTES;
        }
        self.all.bytes.fetch_add(kept.bytes, Ordering::Relaxed);
        self.all.bytes.fetch_sub(before, Ordering::Relaxed);
        written
    }
}

impl Drop for Rendering {
    fn drop(&mut self) {
        self.all.bytes.fetch_sub(self.kept.get_mut().bytes, Ordering::Relaxed);
        let mut viewed = self.all.viewed.lock();
        // Another may have taken its place already.
        if viewed.get(&self.stream).is_some_and(|there| there.strong_count() == 0) {
            viewed.remove(&self.stream);
        }
    }
}

impl Kept {
    fn first(&self) -> Seq {
        self.records.front().map_or(self.head.next, |record| record.seq)
    }

    fn find(&self, seq: Seq) -> Option<Record> {
        let place = seq.get().checked_sub(self.first().get())?;
        self.records.get(usize::try_from(place).ok()?).cloned()
    }
}

impl Default for Head {
    fn default() -> Self {
        Self { renderers: Renderers::default(), next: Seq::FIRST }
    }
}

impl Head {
    pub(super) fn write(&mut self, record: &Record) -> Record {
        self.next = record.seq.plus(1);
        self.renderers.write(record)
    }
}

/// Hands the records from one place up to another to `each`. They are in the log already.
async fn read(
    log: &Arc<dyn Log>,
    stream: StreamId,
    from: Seq,
    place: Seq,
    mut each: impl FnMut(&Record),
) -> Result<(), Error> {
    let after = from.before().map_or(After::Start, After::Seq);
    let mut reader = Reader::attach(log, stream, after).await?;
    let mut bytes = 0;
    while reader.position() < place {
        let Some(run) = reader.next().await? else { break };
        for record in run.iter().take_while(|record| record.seq < place) {
            each(record);
            bytes += record.payload.len();
            if bytes >= TURN_BYTES {
                bytes = 0;
                tokio::task::yield_now().await;
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use futures_util::future::join_all;
    use perennial_log::{Entry, Kind, MemoryLog, MemoryOptions, Outcome, Writer};

    use super::super::Cursor;
    use super::super::tests::run;
    use super::*;

    const START: &str = "event: content_block_start\ndata: {\"type\":\"content_block_start\",\"index\":0,\"content_block\":{\"type\":\"text\",\"text\":\"\"}}\n\n";
    const DELTA: &str = "event: content_block_delta\ndata: {\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"text_delta\",\"text\":\"some words \"}}\n\n";

    /// What a stream's viewer reads, to its end.
    async fn viewed(renderings: &Arc<Renderings>, log: &Arc<dyn Log>, deltas: usize, most: usize) -> usize {
        let stream = StreamId::new();
        let mut entries = vec![Entry::new(Kind::Request, "{}"), Entry::event(START)];
        entries.extend((0..deltas).map(|_| Entry::event(DELTA)));
        entries.push(Entry::terminal(Outcome::Completed, "{}"));
        Writer::create(log, stream, None, &entries).await.unwrap();
        let reader = Reader::attach(log, stream, After::Start).await.unwrap();
        let mut cursor = Cursor::new(reader, Some(renderings.with_limit(log, stream, most)));
        let mut records = 0;
        while let Some(run) = cursor.next().await.unwrap() {
            records += run.len();
            assert!(renderings.viewed.lock().contains_key(&stream));
            assert!(renderings.bytes.load(Ordering::Relaxed) > 0 || most == 0);
        }
        let kept = renderings.of(log, stream);
        let kept = kept.kept.lock();
        let bytes: usize = kept.records.iter().map(|record| record.payload.len() + RECORD_BYTES).sum();
        assert!(bytes == kept.bytes && bytes <= most, "{bytes} of {most}");
        records
    }

    #[test]
    fn nothing_is_left_of_streams_that_nobody_views() {
        run(async {
            let log: Arc<dyn Log> = Arc::new(MemoryLog::new(MemoryOptions::default()));
            let renderings = Arc::new(Renderings::default());
            let viewers = (0..1_000).map(|_| viewed(&renderings, &log, 3, MAX_RENDERED_BYTES));
            assert_eq!(join_all(viewers).await, [6; 1_000]);
            assert!(renderings.viewed.lock().is_empty());
            assert_eq!(renderings.bytes.load(Ordering::Relaxed), 0);
        });
    }

    #[test]
    fn no_more_is_kept_than_it_may() {
        run(async {
            let log: Arc<dyn Log> = Arc::new(MemoryLog::new(MemoryOptions::default()));
            let renderings = Arc::new(Renderings::default());
            for most in [0, 1_000, 100_000] {
                assert_eq!(viewed(&renderings, &log, 2_000, most).await, 2_003);
            }
        });
    }
}
