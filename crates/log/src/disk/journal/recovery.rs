//! A start: reads what is in the journal, judges whether all is there that must be, and moves into the store what it does not have.
//!
//! What was written and not synced may be there in parts after a power cut, in any order. So an entry that is broken is where the journal
//! ends, unless something after it says that this place had been synced: then what was acknowledged is damaged, and the start is
//! refused. What the store has already is judged too as long as it is in a segment that is still needed. Nothing is
//! written before all is judged, and moving is done in steps that each note down how far they came, so a start that is cut off
//! at any moment is followed by one that goes on.

use std::{collections::HashMap, fs, io, path::Path};

use bytes::Bytes;

use super::{
    Journal, What,
    folder::{Folder, Wanted},
    layout::{self, ENTRY, HEADER, Header, Piece, SEGMENT_BYTES},
};
use crate::{
    Fence, Head, Kind, Record, Run, StreamId,
    disk::{
        OpenError,
        overlay::{Generation, Growth},
        store::Store,
    },
    frame,
    head::Batch,
};

/// So many bytes are moved in one step.
const STEP_BYTES: usize = 4 << 20;

/// A journal as it was found.
pub(in crate::disk) struct Found {
    directory: std::path::PathBuf,
    folder: Folder,
    /// The segments, each following the one before it.
    segments: Vec<Header>,
    /// How many bytes of each are of use, once they have been looked at.
    used: Vec<usize>,
}

/// Where a stream stands while entries are moved.
enum Place {
    Head(Head),
    Over,
}

impl Found {
    /// Looks at which segments there are.
    pub(in crate::disk) fn look(directory: &Path, path: &Path) -> Result<Self, OpenError> {
        let io = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => OpenError::damaged(directory, "the journal is missing").because(error),
            _ => OpenError::io(directory, "the journal cannot be read", error),
        };
        let folder = Folder::new(path.to_owned());
        let mut numbers: Vec<u64> = Vec::new();
        for file in fs::read_dir(path).map_err(io)? {
            let name = file.map_err(io)?.file_name();
            // The others are files that were being made.
            numbers.extend(name.to_str().and_then(|name| name.parse::<u64>().ok()));
        }
        numbers.sort_unstable();
        let mut segments: Vec<Header> = Vec::new();
        for number in numbers {
            let path = folder.segment(number);
            let broken = || {
                OpenError::damaged(
                    directory,
                    format!("segment {number} of the journal is broken at its beginning"),
                )
            };
            let mut bytes = [0; HEADER];
            let mut file = fs::File::open(&path).map_err(io)?;
            io::Read::read_exact(&mut file, &mut bytes).map_err(|_| broken())?;
            let header =
                Header::decode(&bytes).filter(|header| header.number == number).ok_or_else(broken)?;
            if file.metadata().map_err(io)?.len() != header.len {
                return Err(OpenError::damaged(
                    directory,
                    format!("segment {number} of the journal has lost its end"),
                ));
            }
            // An older one that comes before a gap was done away with; whether too much is missing, the store knows.
            if segments
                .last()
                .is_some_and(|last| (last.number + 1, last.start + last.len) != (number, header.start))
            {
                segments.clear();
            }
            segments.push(header);
        }
        if segments.is_empty() {
            return Err(OpenError::damaged(directory, "the journal is missing"));
        }
        let used = segments.iter().map(|_| usize::MAX).collect();
        Ok(Self { directory: directory.to_owned(), folder, segments, used })
    }

    /// The position from which on the journal is there.
    pub(in crate::disk) fn first(&self) -> u64 {
        self.segments.first().map_or(0, |first| first.start)
    }

    fn damaged(&self, what: impl Into<String>) -> OpenError {
        OpenError::damaged(&self.directory, what)
    }

    fn read(&self, index: usize) -> Result<Bytes, OpenError> {
        let mut bytes = fs::read(self.folder.segment(self.segments[index].number))
            .map_err(|error| OpenError::io(&self.directory, "the journal cannot be read", error))?;
        bytes.truncate(self.used[index]);
        Ok(bytes.into())
    }

    /// Gives all pieces to `each`, with the bytes of the segment, in order, as long as it says yes. Where a segment ends too soon there
    /// is a broken piece.
    fn pieces(
        &self,
        mut each: impl FnMut(&Bytes, Piece) -> Result<bool, OpenError>,
    ) -> Result<(), OpenError> {
        for (index, segment) in self.segments.iter().enumerate() {
            let is_last = index + 1 == self.segments.len();
            let bytes = self.read(index)?;
            let mut pieces = segment.pieces(&bytes);
            let mut sealed = false;
            for piece in pieces.by_ref() {
                sealed = matches!(piece, Piece::Entry { what: What::Seal, .. });
                if !each(&bytes, piece)? {
                    return Ok(());
                }
            }
            if sealed && is_last {
                return Err(self.damaged(format!("segment {} of the journal is missing", segment.number + 1)));
            }
            let broken = Piece::Broken { from: pieces.end(), to: segment.start + segment.len };
            if !sealed && !is_last && !each(&bytes, broken)? {
                return Ok(());
            }
        }
        Ok(())
    }

    /// Is everything there that was synced, from `moved` on?
    fn judge(&mut self, moved: u64) -> Result<(), OpenError> {
        let last = self.segments.last().map_or(0, |last| last.start + last.len);
        if moved < self.first() || moved > last {
            return Err(self.damaged(format!(
                "the journal is there from {} to {last}, and the store has everything before {moved}",
                self.first()
            )));
        }
        let mut broken = None;
        let mut synced = 0;
        let mut used = vec![HEADER; self.segments.len()];
        self.pieces(|bytes, piece| {
            match piece {
                Piece::Entry { what, position, from, to } => {
                    let index = self.segments.partition_point(|segment| segment.start <= position) - 1;
                    used[index] = to;
                    if what == What::Synced {
                        synced = synced.max(layout::u64_at(bytes, from).unwrap_or(0));
                    }
                }
                Piece::Broken { from, to } if to > moved => {
                    broken = broken.or(Some(from.max(moved)));
                }
                _ => {}
            }
            Ok(true)
        })?;
        self.used = used;
        match broken {
            Some(broken) if broken < synced => {
                Err(self.damaged(format!("the journal is broken at {broken}")))
            }
            Some(broken) => {
                tracing::warn!(broken, "what was written last was not synced: the journal ends before it");
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Moves into the store what it does not have, and begins a new segment.
    pub(in crate::disk) fn recover(mut self, store: &Store) -> Result<(Folder, Journal), OpenError> {
        let failed = |error| store.open_error(error);
        let moved = store.moved().map_err(failed)?;
        let moved = moved.ok_or_else(|| self.damaged("how far the journal was moved is not known"))?;
        self.judge(moved)?;
        let mut replay =
            Replay { found: &self, store, places: HashMap::new(), step: Generation::default(), entries: 0 };
        self.pieces(|bytes, piece| match piece {
            Piece::Broken { to, .. } => Ok(to <= moved),
            Piece::Entry { position, from, to, .. } if position < moved => {
                let end = position + (ENTRY + to - from) as u64;
                let is_between = end <= moved;
                is_between.then_some(true).ok_or_else(|| replay.found.damaged("the store has half an entry"))
            }
            Piece::Entry { position, what, from, to } => {
                if replay.step.bytes >= STEP_BYTES {
                    replay.commit(position)?;
                }
                replay.entry(what, &bytes.slice(from..to))?;
                Ok(true)
            }
        })?;
        let Some(last) = self.segments.last() else { return Err(self.damaged("the journal is missing")) };
        let wanted = Wanted { number: last.number + 1, start: last.start + last.len, len: SEGMENT_BYTES };
        replay.commit(wanted.start)?;
        if replay.entries > 0 {
            tracing::info!(entries = replay.entries, "moved what was written last into the store");
        }
        // Before anything is written to the new segment, and before the old ones go.
        store.sync().map_err(failed)?;
        let segment = self.folder.prepare(wanted).map_err(|error| failed(error.into()))?;
        self.folder.clear(wanted.number).map_err(|error| failed(error.into()))?;
        Ok((self.folder, Journal::new(segment)))
    }
}

/// Entries on their way into the store. What the store has already is left out: its numbers tell.
struct Replay<'a> {
    found: &'a Found,
    store: &'a Store,
    places: HashMap<StreamId, Place>,
    step: Generation,
    entries: usize,
}

impl Replay<'_> {
    /// Takes an entry on.
    fn entry(&mut self, what: What, body: &Bytes) -> Result<(), OpenError> {
        match what {
            What::Create => {
                let expires = layout::time(body).ok_or_else(|| self.nonsense())?;
                let value = body.slice(size_of::<u64>()..);
                let (stream, run) = self.run(&value)?;
                if self.place(stream)?.is_some() {
                    return Ok(());
                }
                let head = Head::begin(stream, expires, batch(&run));
                self.grow(head, Growth::Created, value, run);
            }
            What::Run => self.append(body)?,
            What::Delete => {
                let stream = body[..].try_into().ok().and_then(StreamId::from_bytes);
                let stream = stream.ok_or_else(|| self.nonsense())?;
                if let Some(Place::Head(_)) = self.place(stream)? {
                    self.places.insert(stream, Place::Over);
                    self.step.delete(stream);
                    self.entries += 1;
                }
            }
            What::Floor => {
                self.step.expire(layout::time(body).ok_or_else(|| self.nonsense())?);
            }
            What::Synced | What::Seal => {}
        }
        Ok(())
    }

    fn append(&mut self, value: &Bytes) -> Result<(), OpenError> {
        let (stream, run) = self.run(value)?;
        let Some(first) = run.first().cloned() else { return Ok(()) };
        let head = match self.place(stream)? {
            Some(Place::Head(head)) => head,
            Some(Place::Over) => return Ok(()),
            None => return Err(self.nonsense()),
        };
        if first.seq <= head.last {
            return Ok(());
        }
        let (grown, growth) = if first.kind == Kind::Takeover {
            (head.takeover(head.epoch()), Growth::Taken)
        } else {
            (head.grow(Fence { epoch: first.epoch, next: first.seq }, batch(&run)), Growth::Appended)
        };
        let grown = grown.map_err(|error| self.nonsense().because(error))?;
        let last = run.last().map(|last| (last.seq, last.epoch));
        if last != Some((grown.last, grown.epoch())) {
            return Err(self.nonsense());
        }
        self.grow(grown, growth, value.clone(), run);
        Ok(())
    }

    fn grow(&mut self, head: Head, growth: Growth, value: Bytes, run: Run) {
        self.step.grow(&head, growth, value, run);
        self.entries += 1;
        self.places.insert(head.stream, Place::Head(head));
    }

    /// Where a stream stands, if it was ever there.
    fn place(&self, stream: StreamId) -> Result<Option<Place>, OpenError> {
        match self.places.get(&stream) {
            Some(Place::Head(head)) => return Ok(Some(Place::Head(head.clone()))),
            Some(Place::Over) => return Ok(Some(Place::Over)),
            None => {}
        }
        match self.store.head(stream) {
            Ok(head) => Ok(Some(Place::Head(head))),
            Err(error) if error.is_gone() => Ok(Some(Place::Over)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(self.found.damaged(error.to_string()).because(error)),
        }
    }

    fn run(&self, value: &Bytes) -> Result<(StreamId, Run), OpenError> {
        let (stream, first) = frame::place(value).ok_or_else(|| self.nonsense())?;
        let run = frame::decode(stream, first, value).map_err(|error| self.nonsense().because(error))?;
        Ok((stream, run))
    }

    /// Moves the step; the store has everything before `until` then.
    fn commit(&mut self, until: u64) -> Result<(), OpenError> {
        let mut step = std::mem::take(&mut self.step);
        step.until = until;
        self.store.apply(&step).map_err(|error| self.store.open_error(error))?;
        if let Some(floor) = step.floor {
            self.store.show_floor(floor);
        }
        Ok(())
    }

    /// An entry whose sum is right, and which says something that cannot be.
    fn nonsense(&self) -> OpenError {
        self.found.damaged("an entry of the journal does not follow from what was before it")
    }
}

fn batch(run: &Run) -> Batch {
    Batch { len: run.len(), outcome: run.last().and_then(Record::outcome) }
}
