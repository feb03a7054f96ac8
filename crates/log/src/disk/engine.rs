//! A look at fjall's files before fjall opens them: is what is there whole?
//!
//! fjall reads a journal up to the first thing that it does not understand. Where that is a marker, it cuts the rest off in silence,
//! acknowledged records included; where it is a checksum, it refuses to start, even if all that is wrong is the last write before a
//! power cut. Both are the wrong way round for a log. So this module reads the journals first (the layout is that of fjall's disk format 3,
//! which this program pins): what is broken at the very end and followed by nothing whole was never synced, and is cut off. What is broken
//! anywhere else was not synced either, or is damage; it is cut off where our own journal has everything that goes with it, which the
//! position says that each generation carries, and else the start is refused with nothing changed.

use std::{
    fs,
    io::{self, Read},
    path::Path,
};

use xxhash_rust::xxh3::xxh3_64;

use super::{OpenError, layout::MOVED};

const START: u8 = 1;
const ITEM: u8 = 2;
const END: u8 = 3;
const CLEAR: u8 = 4;
const TRAILER: [u8; 4] = *b"FJL\x03";

static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];

/// Checks that nothing is missing that fjall would not miss, and cuts off a last write that did not come to its end.
/// `kept` is the position from which on our own journal has everything.
pub(super) fn check(directory: &Path, store: &Path, kept: u64) -> Result<(), OpenError> {
    check_manifests(directory, store)?;
    let io = |error| OpenError::io(directory, "the journals cannot be read", error);
    let mut journals = Vec::new();
    for file in fs::read_dir(store).map_err(io)? {
        let path = file.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "jnl") {
            let number: Option<u64> =
                path.file_stem().and_then(|stem| stem.to_str()).and_then(|stem| stem.parse().ok());
            let number = number.ok_or_else(|| OpenError::damaged(directory, "a journal has no number"))?;
            journals.push((number, path));
        }
    }
    journals.sort_unstable();
    // A store that is whole has one, always; without it fjall would begin anew and say nothing.
    let Some((last, _)) = journals.last() else {
        return Err(OpenError::damaged(directory, "its journal is missing"));
    };
    let last = *last;
    for (number, path) in &journals {
        let bytes = read(path).map_err(io)?;
        let verdict = Verdict::of(&bytes);
        let is_kept = |from| moved(&bytes[..from]).map(|moved| moved >= kept);
        match verdict {
            Verdict::Whole => {}
            Verdict::Torn { from } if *number == last && is_kept(from) != Some(false) => {
                tracing::warn!(
                    journal = number,
                    from,
                    "the last write before the end was not finished: cutting it off"
                );
                cut(path, from).map_err(io)?;
            }
            Verdict::Damaged { from } if *number == last && is_kept(from) == Some(true) => {
                tracing::warn!(
                    journal = number,
                    from,
                    "the store is broken: making it again from the journal"
                );
                cut(path, from).map_err(io)?;
            }
            Verdict::Torn { from } | Verdict::Damaged { from } => {
                return Err(OpenError::damaged(
                    directory,
                    format!("journal {number} is broken at byte {from}"),
                ));
            }
        }
    }
    Ok(())
}

/// Without its version fjall takes the store for a new one; a keyspace without its manifest it takes for one whose making was cut
/// off, and removes it.
fn check_manifests(directory: &Path, store: &Path) -> Result<(), OpenError> {
    let io = |error| OpenError::io(directory, "the store cannot be read", error);
    let missing = |what| Err(OpenError::damaged(directory, what));
    if !store.join("version").try_exists().map_err(io)? {
        return missing("the store's version is missing");
    }
    for keyspace in fs::read_dir(store.join("keyspaces")).map_err(io)? {
        let path = keyspace.map_err(io)?.path();
        let has_tables = fs::read_dir(path.join("tables")).is_ok_and(|mut tables| tables.next().is_some());
        if has_tables && !path.join("current").try_exists().map_err(io)? {
            return missing("a manifest is missing");
        }
    }
    Ok(())
}

#[derive(Debug, PartialEq, Eq)]
enum Verdict {
    /// Whole batches, then nothing or zeros.
    Whole,
    /// What begins here is no batch, and nothing after it is one.
    Torn { from: usize },
    /// What begins here is no batch, but there are batches after it.
    Damaged { from: usize },
}

impl Verdict {
    fn of(bytes: &[u8]) -> Self {
        let mut from = 0;
        let mut newest = None;
        while let Some(batch) = Batch::at(&bytes[from..]) {
            // fjall's numbers are not summed, but they rise.
            if newest.is_some_and(|newest| batch.seqno <= newest) {
                return Self::Damaged { from };
            }
            newest = Some(batch.seqno);
            from += batch.len;
        }
        let rest = &bytes[from..];
        if rest.chunks(ZEROS.len()).all(|piece| *piece == ZEROS[..piece.len()]) {
            return Self::Whole;
        }
        let later = |start: &usize| Batch::at(&rest[*start..]).is_some();
        if (1..rest.len()).find(later).is_some() { Self::Damaged { from } } else { Self::Torn { from } }
    }
}

struct Batch {
    len: usize,
    seqno: u64,
    /// How far our own journal was moved with it, if it says so.
    moved: Option<u64>,
}

/// How far our own journal was moved with these batches, if they say so.
fn moved(bytes: &[u8]) -> Option<u64> {
    let mut from = 0;
    let mut moved = None;
    while let Some(batch) = Batch::at(&bytes[from..]) {
        moved = batch.moved.or(moved);
        from += batch.len;
    }
    moved
}

impl Batch {
    /// The batch that `bytes` begin with, if it is whole and its checksum is right.
    fn at(bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes.strip_prefix(&[START])?;
        let count = u32::from_le_bytes(take(&mut rest)?);
        let seqno = u64::from_le_bytes(take(&mut rest)?);
        let items = rest;
        let mut moved = None;
        for _ in 0..count {
            let [tag] = take(&mut rest)?;
            match tag {
                ITEM => moved = item(&mut rest)?.or(moved),
                CLEAR => {
                    let _keyspace: [u8; 8] = take(&mut rest)?;
                }
                _ => return None,
            }
        }
        let items = &items[..items.len() - rest.len()];
        let [tag] = take(&mut rest)?;
        let sum = u64::from_le_bytes(take(&mut rest)?);
        let whole = tag == END && take(&mut rest)? == TRAILER && sum == xxh3_64(items);
        whole.then(|| Self { len: bytes.len() - rest.len(), seqno, moved })
    }
}

/// `type | compression | keyspace | key length | value length | stored length | key | value`, after the tag. Gives the value of
/// the key that says how far our own journal was moved.
fn item(rest: &mut &[u8]) -> Option<Option<u64>> {
    let _type_compression_keyspace: [u8; 10] = take(rest)?;
    let key = usize::from(u16::from_le_bytes(take(rest)?));
    let _value: [u8; 4] = take(rest)?;
    let stored = usize::try_from(u32::from_le_bytes(take(rest)?)).ok()?;
    let (item, left) = rest.split_at_checked(key.checked_add(stored)?)?;
    *rest = left;
    let (key, value) = item.split_at(key);
    // No other key of ours has this length and these letters.
    Some((key == MOVED).then_some(value).and_then(|value| value.try_into().ok()).map(u64::from_be_bytes))
}

fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
    let (taken, left) = rest.split_first_chunk()?;
    *rest = left;
    Some(*taken)
}

/// What is in a file, without the zeros at its end: fjall makes a journal of 64 MB and then fills it.
fn read(path: &Path) -> io::Result<Vec<u8>> {
    let mut file = fs::File::open(path)?;
    let mut bytes = Vec::new();
    let mut zeros = 0;
    let mut piece = Vec::with_capacity(ZEROS.len());
    while file.by_ref().take(ZEROS.len() as u64).read_to_end(&mut piece)? > 0 {
        if piece == ZEROS[..piece.len()] {
            zeros += piece.len();
        } else {
            bytes.resize(bytes.len() + std::mem::take(&mut zeros), 0);
            bytes.extend_from_slice(&piece);
        }
        piece.clear();
    }
    Ok(bytes)
}

fn cut(path: &Path, len: usize) -> io::Result<()> {
    let file = fs::File::options().write(true).open(path)?;
    file.set_len(len as u64)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use fjall::{CompressionType, Database, KeyspaceCreateOptions, PersistMode};

    use super::*;

    /// A journal that fjall has written, and where its batches end.
    fn journal() -> (Vec<u8>, Vec<usize>) {
        let directory = tempfile::tempdir().unwrap();
        let db =
            Database::builder(directory.path()).journal_compression(CompressionType::None).open().unwrap();
        let keyspace = db.keyspace("k", KeyspaceCreateOptions::default).unwrap();
        let mut ends = vec![0];
        for number in 0..20_u8 {
            let mut batch = db.batch();
            for item in 0..=number % 3 {
                batch.insert(&keyspace, [number, item], vec![number; usize::from(number) * 5]);
            }
            batch.remove(&keyspace, [number, 9]);
            batch.durability(Some(PersistMode::Buffer)).commit().unwrap();
            let bytes = read(&directory.path().join("0.jnl")).unwrap();
            ends.push(bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1);
        }
        let mut bytes = read(&directory.path().join("0.jnl")).unwrap();
        bytes.resize(ends[20] + 100, 0);
        (bytes, ends)
    }

    #[test]
    fn what_fjall_writes_is_whole() {
        let (bytes, ends) = journal();
        assert_eq!(Verdict::of(&bytes), Verdict::Whole);
        for end in ends {
            assert_eq!(Verdict::of(&bytes[..end]), Verdict::Whole);
        }
        assert_eq!(Verdict::of(&[]), Verdict::Whole);
        assert_eq!(Verdict::of(&[0; 1000]), Verdict::Whole);
    }

    #[test]
    fn a_cut_last_write_is_torn() {
        let (bytes, ends) = journal();
        let (before, end) = (ends[19], ends[20]);
        for len in before + 1..end {
            assert_eq!(Verdict::of(&bytes[..len]), Verdict::Torn { from: before }, "cut at {len}");
            // As it is in a file that was made long before it was filled.
            let mut zeros = bytes.clone();
            zeros[len..].fill(0);
            let verdict = Verdict::of(&zeros);
            let same = zeros == bytes;
            assert!(
                verdict == Verdict::Torn { from: before } || (same && verdict == Verdict::Whole),
                "{len}: {verdict:?}"
            );
        }
        // The end came to the disk before the beginning.
        let mut hole = bytes;
        hole[before..before + 50].fill(0);
        assert_eq!(Verdict::of(&hole), Verdict::Torn { from: before });
    }

    #[test]
    fn damage_before_the_end_is_damage() {
        let (bytes, ends) = journal();
        for index in 0..ends[19] {
            let mut wrong = bytes.clone();
            wrong[index] ^= 0x10;
            let from = *ends.iter().rev().find(|end| **end <= index).unwrap();
            // A number that has grown is only found out by the next one.
            let next = *ends.iter().find(|end| **end > index).unwrap();
            let verdict = Verdict::of(&wrong);
            let in_number = (from + 5..from + 13).contains(&index);
            let found = verdict == Verdict::Damaged { from }
                || (in_number && verdict == Verdict::Damaged { from: next });
            assert!(found, "{index}: {verdict:?}");
        }
    }
}
