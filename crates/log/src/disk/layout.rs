//! Keys and small values of the store: what is where. Documented byte by byte in `docs/log.md`.

use crate::{Epoch, Head, Kind, Seq, StreamId, Term, Time};

/// What the first byte of a bucket's key says.
const HEAD: u8 = 0;
const RUN: u8 = 1;

const OPEN: u8 = 0;
const DELETED: u8 = 255;

/// The key, among the general ones, of the time up to which streams have expired.
pub(super) const FLOOR: &[u8] = b"floor";

/// The key, among the general ones, of the position in the journal before which the store has everything.
pub(super) const MOVED: &[u8] = b"moved";

/// What is stored of a stream beside its records.
#[derive(Debug)]
pub(super) enum Stored {
    /// Its head. As long as the stream is open, its last record is to be looked up.
    Head(Head),
    /// The stream was deleted, and its name is remembered.
    Deleted,
}

pub(super) fn bucket_name(index: u64) -> String {
    format!("bucket-{index:016x}")
}

pub(super) fn bucket_index(name: &str) -> Option<u64> {
    u64::from_str_radix(name.strip_prefix("bucket-")?, 16).ok()
}

/// What the keys, among the general ones, of the times until which buckets are kept begin with.
pub(super) const KEEP: &[u8] = b"keep";

pub(super) fn keep_key(bucket: u64) -> [u8; 12] {
    let mut key = *b"keep00000000";
    key[4..].copy_from_slice(&bucket.to_be_bytes());
    key
}

pub(super) fn bucket_of_keep_key(key: &[u8]) -> Option<u64> {
    Some(u64::from_be_bytes(key.strip_prefix(KEEP)?.try_into().ok()?))
}

pub(super) fn head_key(stream: StreamId) -> [u8; 17] {
    let mut key = [HEAD; 17];
    key[1..].copy_from_slice(stream.as_bytes());
    key
}

pub(super) fn head_keys() -> std::ops::Range<[u8; 1]> {
    [HEAD]..[RUN]
}

pub(super) fn stream_of_head_key(key: &[u8]) -> Option<StreamId> {
    stream_of(key.strip_prefix(&[HEAD])?)
}

pub(super) fn stream_of(bytes: &[u8]) -> Option<StreamId> {
    StreamId::from_bytes(bytes.try_into().ok()?)
}

/// The key of the run that begins with record `first`.
pub(super) fn run_key(stream: StreamId, first: Seq) -> [u8; 25] {
    let mut key = [RUN; 25];
    key[1..17].copy_from_slice(stream.as_bytes());
    key[17..].copy_from_slice(&first.get().to_be_bytes());
    key
}

/// The first record of the run that has this key.
pub(super) fn first_of(stream: StreamId, key: &[u8]) -> Option<Seq> {
    let first = key.strip_prefix(&[RUN])?.strip_prefix(stream.as_bytes())?;
    Seq::new(u64::from_be_bytes(first.try_into().ok()?))
}

pub(super) fn encode_time(time: Time) -> [u8; 8] {
    time.as_micros().to_be_bytes()
}

pub(super) fn decode_time(bytes: &[u8]) -> Option<Time> {
    Some(Time::from_micros(u64::from_be_bytes(bytes.try_into().ok()?)))
}

/// `crc32c | state | expires | last | (epoch | first)*`; the sum is over the stream's name and all that follows.
pub(super) fn encode_head(head: &Head) -> Vec<u8> {
    let state = head.outcome.map_or(OPEN, |outcome| Kind::Terminal(outcome).code());
    let mut bytes = vec![0; 4];
    bytes.push(state);
    bytes.extend(encode_time(head.expires));
    bytes.extend(head.last.get().to_be_bytes());
    for term in head.terms() {
        bytes.extend(term.epoch.get().to_be_bytes());
        bytes.extend(term.first.get().to_be_bytes());
    }
    seal(head.stream, bytes)
}

pub(super) fn encode_deleted(stream: StreamId) -> Vec<u8> {
    seal(stream, vec![0, 0, 0, 0, DELETED])
}

/// What is stored in a head, if it is what was written.
pub(super) fn decode_head(stream: StreamId, bytes: &[u8]) -> Option<Stored> {
    let (sum, body) = bytes.split_first_chunk()?;
    if u32::from_be_bytes(*sum) != checksum(stream, body) {
        return None;
    }
    let (&state, rest) = body.split_first()?;
    if state == DELETED {
        return Some(Stored::Deleted);
    }
    let outcome = match state {
        OPEN => None,
        code => Some(Kind::from_code(code)?.outcome()?),
    };
    let (expires, rest) = rest.split_first_chunk::<8>()?;
    let (last, rest) = rest.split_first_chunk::<8>()?;
    let terms: Option<Vec<Term>> = rest.chunks(12).map(decode_term).collect();
    let terms = terms.filter(|terms| terms.first().is_some_and(|term| term.first == Seq::FIRST))?;
    let last = Seq::new(u64::from_be_bytes(*last))?;
    Some(Stored::Head(Head::new(stream, terms, last, outcome, decode_time(expires)?)))
}

fn decode_term(bytes: &[u8]) -> Option<Term> {
    let (epoch, first) = bytes.split_first_chunk()?;
    let epoch = Epoch::new(u32::from_be_bytes(*epoch))?;
    Some(Term { epoch, first: Seq::new(u64::from_be_bytes(first.try_into().ok()?))? })
}

fn seal(stream: StreamId, mut bytes: Vec<u8>) -> Vec<u8> {
    let sum = checksum(stream, &bytes[4..]);
    bytes[..4].copy_from_slice(&sum.to_be_bytes());
    bytes
}

fn checksum(stream: StreamId, body: &[u8]) -> u32 {
    crc32c::crc32c_append(crc32c::crc32c(stream.as_bytes()), body)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    fn head(outcome: Option<Outcome>) -> Head {
        let term = |epoch, first| Term { epoch: Epoch::new(epoch).unwrap(), first: Seq::new(first).unwrap() };
        let last = Seq::new(99).unwrap();
        Head::new(StreamId::new(), vec![term(1, 1), term(3, 70)], last, outcome, Time::from_micros(77))
    }

    #[test]
    fn heads_are_read_as_written_and_no_damage_goes_unnoticed() {
        for outcome in [None, Some(Outcome::Completed), Some(Outcome::Interrupted)] {
            let head = head(outcome);
            let bytes = encode_head(&head);
            assert!(matches!(decode_head(head.stream, &bytes), Some(Stored::Head(read)) if read == head));
            assert!(decode_head(StreamId::new(), &bytes).is_none());
            for index in 0..bytes.len() {
                for bit in 0..8 {
                    let mut wrong = bytes.clone();
                    wrong[index] ^= 1 << bit;
                    assert!(decode_head(head.stream, &wrong).is_none(), "bit {bit} of byte {index}");
                }
                assert!(decode_head(head.stream, &bytes[..index]).is_none(), "cut to {index}");
            }
        }
        let stream = StreamId::new();
        assert!(matches!(decode_head(stream, &encode_deleted(stream)), Some(Stored::Deleted)));
    }

    #[test]
    fn keys_sort_as_streams_and_records_do() {
        let (one, two) = (StreamId::at(Time::from_micros(1_000)), StreamId::at(Time::from_micros(2_000)));
        let seq = |n| Seq::new(n).unwrap();
        let keys =
            [run_key(one, seq(1)), run_key(one, seq(256)), run_key(one, seq(65_536)), run_key(two, seq(1))];
        assert!(keys.is_sorted());
        assert!(head_key(two)[..] < keys[0][..]);
        assert_eq!(first_of(one, &keys[1]), Some(seq(256)));
        assert_eq!(first_of(two, &keys[1]), None);
        assert_eq!(stream_of_head_key(&head_key(one)), Some(one));
        assert_eq!(bucket_index(&bucket_name(487_123)), Some(487_123));
        assert_eq!(bucket_of_keep_key(&keep_key(487_123)), Some(487_123));
    }
}
