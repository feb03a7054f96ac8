//! The log's own journal: where an append is written first, with one positional write and nothing else.
//!
//! It is a row of files of a fixed length, the segments, whose room is reserved before they are used: a write into one changes no
//! metadata that a sync would have to carry, and cannot fail for lack of room. What was written is moved into the store a little later
//! (`mover.rs`); a segment of which the store has everything, and has it synced, is used again or removed.
//!
//! A *position* is a place in the row: where a segment begins and the offset in it. Every entry says its own, so that nothing that
//! lies in the wrong place, or is left over from an earlier use of the file, is taken for an entry.

pub(super) mod folder;
pub(super) mod layout;
pub(super) mod recovery;

use std::{collections::VecDeque, io, sync::Arc};

pub(super) use self::layout::What;
use self::{
    folder::Segment,
    layout::{ENTRY, HEADER, LARGE, SEGMENT_BYTES},
};

/// The end of the journal, where entries are added. It is part of what the front's lock guards.
pub(super) struct Journal {
    active: Arc<Segment>,
    /// Where the next entry goes.
    end: u64,
    /// The segment to go on with, made ready ahead.
    next: Option<Arc<Segment>>,
    /// Segments that are full and of which the store may not have everything.
    sealed: VecDeque<Arc<Segment>>,
    /// Segments that are full and not synced yet.
    unsynced: Vec<Arc<Segment>>,
    /// Something was written since the last sync.
    dirty: bool,
    scratch: Vec<u8>,
}

/// Why an entry was not written.
pub(super) enum Unwritten {
    /// A segment with so much room must be made ready first.
    NoRoom(u64),
    Failed(io::Error),
}

/// What a sync has to cover.
pub(super) struct Unsynced {
    segments: Vec<Arc<Segment>>,
    until: u64,
}

impl Journal {
    pub(super) fn new(active: Arc<Segment>) -> Self {
        Self {
            end: active.start + HEADER as u64,
            active,
            next: None,
            sealed: VecDeque::new(),
            unsynced: Vec::new(),
            dirty: false,
            scratch: Vec::new(),
        }
    }

    /// Where the next entry goes: all that was written is before it.
    pub(super) fn end(&self) -> u64 {
        self.end
    }

    /// Adds an entry and hands it to the operating system; says where it is.
    pub(super) fn write(&mut self, what: What, before: &[u8], body: &[u8]) -> Result<u64, Unwritten> {
        let len = (ENTRY + before.len() + body.len()) as u64;
        if !self.fits(len) {
            if self.next.is_some() {
                self.turn().map_err(Unwritten::Failed)?;
            }
            if !self.fits(len) {
                return Err(Unwritten::NoRoom(len));
            }
        }
        let position = self.end;
        self.put(what, before, body).map_err(Unwritten::Failed)?;
        self.dirty = true;
        Ok(position)
    }

    /// Is there room for an entry of this length, and for the seal that comes last?
    fn fits(&self, len: u64) -> bool {
        self.end + len + ENTRY as u64 <= self.active.end()
    }

    fn put(&mut self, what: What, before: &[u8], body: &[u8]) -> io::Result<()> {
        let offset = self.end - self.active.start;
        layout::entry(&mut self.scratch, self.active.seed, self.end, what, before, body);
        let mut len = self.scratch.len();
        if body.len() < LARGE {
            self.scratch.extend_from_slice(body);
            len = self.scratch.len();
        } else {
            // Not copied. The beginning last, since without it there is no entry.
            self.active.write(body, offset + len as u64)?;
        }
        self.active.write(&self.scratch, offset)?;
        if body.len() >= LARGE {
            len += body.len();
        }
        self.end += len as u64;
        Ok(())
    }

    /// Seals the segment and goes on with the next one.
    fn turn(&mut self) -> io::Result<()> {
        let Some(next) = self.next.take() else { return Ok(()) };
        self.put(What::Seal, &[], &[])?;
        self.end = next.start + HEADER as u64;
        let full = std::mem::replace(&mut self.active, next);
        self.unsynced.push(Arc::clone(&full));
        self.sealed.push_back(full);
        Ok(())
    }

    /// What the next segment must be, if it is time to make one: half of this one is used, or `room` is wanted now.
    pub(super) fn wanted(&self, room: u64) -> Option<folder::Wanted> {
        let half = self.active.start + self.active.len() / 2;
        let wanted = self.next.is_none() && (room > 0 || self.end > half);
        let len = (room + (HEADER + ENTRY) as u64).max(SEGMENT_BYTES);
        wanted.then(|| folder::Wanted { number: self.active.number + 1, start: self.active.end(), len })
    }

    pub(super) fn prepared(&mut self, next: Arc<Segment>) {
        debug_assert_eq!(next.start, self.active.end());
        self.next = Some(next);
    }

    pub(super) fn is_dirty(&self) -> bool {
        self.dirty
    }

    /// What is to be synced now, if anything is.
    pub(super) fn unsynced(&mut self) -> Option<Unsynced> {
        if !std::mem::take(&mut self.dirty) {
            return None;
        }
        let mut segments = std::mem::take(&mut self.unsynced);
        segments.push(Arc::clone(&self.active));
        Some(Unsynced { segments, until: self.end })
    }

    /// Notes down in the journal what is synced, for a start that finds it broken: what was synced must be there.
    pub(super) fn synced(&mut self, done: &Unsynced) -> io::Result<()> {
        // A mark is worth no segment.
        if !self.fits((ENTRY + 8) as u64) {
            return Ok(());
        }
        self.put(What::Synced, &done.until.to_le_bytes(), &[])
    }

    /// The segments of which everything is before `position`; they are not part of the journal any more.
    pub(super) fn passed(&mut self, position: u64) -> Vec<Arc<Segment>> {
        let passed = self.sealed.iter().take_while(|segment| segment.end() <= position).count();
        self.sealed.drain(..passed).collect()
    }

    pub(super) fn has_passed(&self, position: u64) -> bool {
        self.sealed.front().is_some_and(|segment| segment.end() <= position)
    }
}

impl Unsynced {
    pub(super) fn sync(&self) -> io::Result<()> {
        self.segments.iter().try_for_each(|segment| segment.sync())
    }
}
