//! What is in a segment, to the byte. Documented in `docs/log.md`; a change raises the directory's version.
//!
//! Pure: bytes in, bytes out.

use crate::Time;

/// A segment begins with so many bytes about itself.
pub(in crate::disk) const HEADER: usize = 64;
/// An entry has so many bytes beside its body: sum, length, position, what it is.
pub(in crate::disk) const ENTRY: usize = 4 + 4 + 8 + 1;
/// The length of a segment, unless one entry needs more.
pub(in crate::disk) const SEGMENT_BYTES: u64 = 16 << 20;
/// From this length on a body is not copied before it is written.
pub(in crate::disk) const LARGE: usize = 64 * 1024;

const MAGIC: [u8; 8] = *b"PRNLJRN1";

/// What an entry says.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::disk) enum What {
    /// A new stream: when it expires (u64), then its first run.
    Create = 1,
    /// A run of frames: an append, or a takeover.
    Run = 2,
    /// The name of a stream that is deleted.
    Delete = 3,
    /// The time up to which streams have expired for good (u64).
    Floor = 4,
    /// The position up to which the journal was synced (u64).
    Synced = 5,
    /// The segment is full; another one follows.
    Seal = 6,
}

/// What a segment says about itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::disk) struct Header {
    pub(in crate::disk) number: u64,
    /// The position of the segment's first byte.
    pub(in crate::disk) start: u64,
    pub(in crate::disk) len: u64,
    /// Chosen anew for each use of a file. It goes into every sum, so that neither what is left over from an earlier use nor what
    /// somebody puts into a payload is ever taken for an entry.
    pub(in crate::disk) salt: u64,
}

/// A part of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::disk) enum Piece {
    Entry {
        position: u64,
        what: What,
        /// Where its body is in the segment.
        from: usize,
        to: usize,
    },
    /// Bytes that are no entry, with an entry after them.
    Broken { from: u64, to: u64 },
}

/// The entries of a segment, one after another.
pub(in crate::disk) struct Pieces<'a> {
    bytes: &'a [u8],
    /// After this there are only zeros.
    used: usize,
    start: u64,
    seed: u32,
    at: usize,
}

impl What {
    fn from_code(code: u8) -> Option<Self> {
        [Self::Create, Self::Run, Self::Delete, Self::Floor, Self::Synced, Self::Seal]
            .into_iter()
            .find(|what| *what as u8 == code)
    }
}

impl Header {
    pub(in crate::disk) fn encode(&self) -> [u8; HEADER] {
        let mut bytes = [0; HEADER];
        bytes[..8].copy_from_slice(&MAGIC);
        for (index, number) in [self.number, self.start, self.len, self.salt].into_iter().enumerate() {
            bytes[8 * (index + 1)..8 * (index + 2)].copy_from_slice(&number.to_le_bytes());
        }
        let sum = crc32c::crc32c(&bytes[..40]);
        bytes[40..44].copy_from_slice(&sum.to_le_bytes());
        bytes
    }

    /// The header that `bytes` begin with, if it is whole.
    pub(in crate::disk) fn decode(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; HEADER] = bytes.first_chunk()?;
        let number = |index: usize| u64_at(bytes, 8 * index);
        let header = Self { number: number(1)?, start: number(2)?, len: number(3)?, salt: number(4)? };
        (header.encode() == *bytes).then_some(header)
    }

    pub(in crate::disk) fn seed(&self) -> u32 {
        crc32c::crc32c(&self.salt.to_le_bytes())
    }

    /// What is in the segment, of which these are the bytes.
    pub(in crate::disk) fn pieces<'a>(&self, bytes: &'a [u8]) -> Pieces<'a> {
        Pieces { bytes, used: used(bytes), start: self.start, seed: self.seed(), at: HEADER }
    }
}

/// Puts the beginning of an entry into `into`: all of it but `body`.
pub(in crate::disk) fn entry(
    into: &mut Vec<u8>,
    seed: u32,
    position: u64,
    what: What,
    before: &[u8],
    body: &[u8],
) {
    // A batch is at most 64 MiB and 65,536 records, far from the end of the number.
    let len = u32::try_from(before.len() + body.len()).unwrap_or(u32::MAX);
    into.clear();
    into.extend_from_slice(&[0; 4]);
    into.extend_from_slice(&len.to_le_bytes());
    into.extend_from_slice(&position.to_le_bytes());
    into.push(what as u8);
    into.extend_from_slice(before);
    let sum = crc32c::crc32c_append(crc32c::crc32c_append(seed, &into[4..]), body);
    into[..4].copy_from_slice(&sum.to_le_bytes());
}

pub(in crate::disk) fn time(bytes: &[u8]) -> Option<Time> {
    u64_at(bytes, 0).map(Time::from_micros)
}

pub(in crate::disk) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_le_bytes(*bytes))
}

/// Where the zeros begin that a segment ends with, about.
fn used(bytes: &[u8]) -> usize {
    static ZEROS: [u8; 4096] = [0; 4096];
    let zeros: usize =
        bytes.rchunks(ZEROS.len()).take_while(|piece| **piece == ZEROS[..piece.len()]).map(<[u8]>::len).sum();
    bytes.len() - zeros
}

impl Pieces<'_> {
    /// The position after the last entry that was given.
    pub(in crate::disk) fn end(&self) -> u64 {
        self.start + self.at as u64
    }

    /// The entry at `at`, if a whole one is there: what it is, and where its body ends.
    fn entry(&self, at: usize) -> Option<(What, usize)> {
        let bytes = self.bytes.get(at..)?;
        // First what is cheap, and nearly always enough to say no.
        if u64_at(bytes, 8)? != self.start + at as u64 {
            return None;
        }
        let (sum, rest) = bytes.split_first_chunk()?;
        let (len, _) = rest.split_first_chunk()?;
        let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
        let summed = rest.get(..(ENTRY - 4).checked_add(len)?)?;
        let whole = crc32c::crc32c_append(self.seed, summed) == u32::from_le_bytes(*sum);
        whole.then_some(())?;
        Some((What::from_code(bytes[ENTRY - 1])?, at + ENTRY + len))
    }
}

impl Iterator for Pieces<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        if let Some((what, to)) = self.entry(self.at) {
            let from = self.at + ENTRY;
            let position = self.end();
            self.at = to;
            return Some(Piece::Entry { position, what, from, to });
        }
        let next = (self.at + 1..self.used).find(|at| self.entry(*at).is_some())?;
        let from = self.end();
        self.at = next;
        Some(Piece::Broken { from, to: self.end() })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER_OF_ALL: Header = Header { number: 2, start: 1 << 24, len: 1 << 24, salt: 77 };

    /// A segment with these entries, and where each ends.
    fn segment(header: &Header, bodies: &[&[u8]]) -> (Vec<u8>, Vec<usize>) {
        let mut bytes = header.encode().to_vec();
        let mut ends = vec![HEADER];
        for body in bodies {
            let mut beginning = Vec::new();
            let position = header.start + bytes.len() as u64;
            entry(&mut beginning, header.seed(), position, What::Run, b"ab", body);
            bytes.extend(beginning);
            bytes.extend_from_slice(body);
            ends.push(bytes.len());
        }
        bytes.resize(bytes.len() + 10_000, 0);
        (bytes, ends)
    }

    fn bodies(header: &Header, bytes: &[u8]) -> Vec<Vec<u8>> {
        let entries = header.pieces(bytes).filter_map(|piece| match piece {
            Piece::Entry { from, to, .. } => Some(bytes[from + 2..to].to_vec()),
            Piece::Broken { .. } => None,
        });
        entries.collect()
    }

    /// The bytes that are promised in `docs/log.md`.
    #[test]
    fn the_layout_is_the_documented_one() {
        let header = HEADER_OF_ALL.encode();
        let hex = |bytes: &[u8]| bytes.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(&header[..8], b"PRNLJRN1");
        assert_eq!(hex(&header[8..40]), "0200000000000000000000010000000000000001000000004d00000000000000");
        assert_eq!(header[40..44], crc32c::crc32c(&header[..40]).to_le_bytes());
        assert_eq!(header[44..], [0; 20]);
        let (bytes, ends) = segment(&HEADER_OF_ALL, &[b"hi"]);
        assert_eq!(hex(&bytes[HEADER + 4..ends[1]]), "040000004000000100000000026162".to_owned() + "6869");
        let mut summed = 77_u64.to_le_bytes().to_vec();
        summed.extend_from_slice(&bytes[HEADER + 4..ends[1]]);
        assert_eq!(bytes[HEADER..HEADER + 4], crc32c::crc32c(&summed).to_le_bytes());
    }

    #[test]
    fn no_damage_goes_unnoticed_and_what_follows_is_found() {
        let all: [&[u8]; 4] = [b"one", b"", &[0; 50], b"four"];
        let (right, ends) = segment(&HEADER_OF_ALL, &all);
        assert_eq!(bodies(&HEADER_OF_ALL, &right), all);
        for index in 0..HEADER {
            let mut wrong = right.clone();
            wrong[index] ^= 1;
            assert_eq!(Header::decode(&wrong), None, "byte {index}");
        }
        for index in HEADER..ends[4] {
            let hit = ends.iter().filter(|end| **end <= index).count() - 1;
            for bit in 0..8 {
                let mut wrong = right.clone();
                wrong[index] ^= 1 << bit;
                let mut left = all.to_vec();
                left.remove(hit);
                assert_eq!(bodies(&HEADER_OF_ALL, &wrong), left, "bit {bit} of byte {index}");
                let broken = HEADER_OF_ALL.pieces(&wrong).any(|piece| matches!(piece, Piece::Broken { .. }));
                assert_eq!(broken, hit < 3, "byte {index}");
            }
            let whole = if ends.contains(&index) { hit } else { hit.min(3) };
            assert_eq!(bodies(&HEADER_OF_ALL, &right[..index]), all[..whole], "cut at {index}");
        }
    }

    /// A file that is used again, and a payload that looks like an entry.
    #[test]
    fn what_is_left_over_is_no_entry() {
        let (old, _) = segment(&HEADER_OF_ALL, &[b"one", b"two", b"three"]);
        for again in [
            Header { salt: 78, ..HEADER_OF_ALL },
            Header { number: 9, start: 9 << 24, salt: 99, ..HEADER_OF_ALL },
        ] {
            let (new, ends) = segment(&again, &[b"one"]);
            let mut file = old.clone();
            file[..ends[1]].copy_from_slice(&new[..ends[1]]);
            assert_eq!(bodies(&again, &file), [b"one"]);
        }
        let (mut file, _) = segment(&HEADER_OF_ALL, &[&old[HEADER..]]);
        file[HEADER] ^= 1;
        assert!(bodies(&HEADER_OF_ALL, &file).is_empty(), "none is where it says that it is");
    }
}
