//! Records as bytes: `len | crc32c | stream | seq | epoch | kind | time | payload`, one after another.
//!
//! A frame says itself which stream and place it belongs to, so one that was written well and landed in the wrong place is found
//! out too. The layout is documented byte by byte in `docs/log.md`; changing it raises the directory's version.

use bytes::{BufMut, Bytes, BytesMut};

use crate::{Entry, Epoch, Error, Fence, Kind, Record, Run, Seq, StreamId, Time};

/// What a frame has beside its payload.
pub(crate) const OVERHEAD: usize = LEN_AND_SUM + FIXED;

const LEN_AND_SUM: usize = 4 + 4;
/// Stream, seq, epoch, kind, time.
const FIXED: usize = 16 + 8 + 4 + 1 + 8;

/// The entries as records of `stream` from `fence` on: as the bytes to store, and as a run whose payloads are parts of them.
pub(crate) fn encode(stream: StreamId, fence: Fence, entries: &[Entry]) -> Result<(Bytes, Run), Error> {
    let total = entries.iter().map(|entry| OVERHEAD + entry.payload.len()).sum();
    let mut bytes = BytesMut::with_capacity(total);
    for (index, entry) in entries.iter().enumerate() {
        let start = bytes.len();
        let len = u32::try_from(FIXED + entry.payload.len())
            .map_err(|_| Error::refused(stream, "a record is smaller than 4 GiB"))?;
        bytes.put_u32_le(len);
        bytes.put_u32_le(0);
        bytes.put_slice(stream.as_bytes());
        bytes.put_u64_le(fence.next.plus(index).get());
        bytes.put_u32_le(fence.epoch.get());
        bytes.put_u8(entry.kind.code());
        bytes.put_u64_le(entry.time.as_micros());
        bytes.put_slice(&entry.payload);
        let sum = crc32c::crc32c(&bytes[start + LEN_AND_SUM..]);
        bytes[start + 4..start + LEN_AND_SUM].copy_from_slice(&sum.to_le_bytes());
    }
    let bytes = bytes.freeze();
    let mut start = 0;
    let record = |(index, entry): (usize, &Entry)| {
        let end = start + OVERHEAD + entry.payload.len();
        let payload = bytes.slice(start + OVERHEAD..end);
        start = end;
        Record {
            seq: fence.next.plus(index),
            epoch: fence.epoch,
            kind: entry.kind,
            time: entry.time,
            payload,
        }
    };
    let run = entries.iter().enumerate().map(record).collect();
    Ok((bytes, run))
}

/// The records in `bytes`, which must be those of `stream` from `first` on, whole and undamaged to the last byte.
pub(crate) fn decode(stream: StreamId, first: Seq, bytes: &Bytes) -> Result<Run, Error> {
    let mut records = Vec::new();
    let mut start = 0;
    while start < bytes.len() {
        let expected = first.plus(records.len());
        let frame = frame(&bytes[start..]).ok_or_else(|| {
            Error::damaged(stream, format!("record {expected} is cut or its checksum is wrong"))
        })?;
        let record = (frame.stream == stream.as_bytes() && frame.seq == expected.get())
            .then(|| {
                let payload = bytes.slice(start + OVERHEAD..start + frame.total);
                let epoch = Epoch::new(frame.epoch)?;
                let kind = Kind::from_code(frame.kind)?;
                Some(Record { seq: expected, epoch, kind, time: Time::from_micros(frame.time), payload })
            })
            .flatten()
            .ok_or_else(|| {
                Error::damaged(stream, format!("another record is at the place of record {expected}"))
            })?;
        records.push(record);
        start += frame.total;
    }
    if records.is_empty() {
        return Err(Error::damaged(stream, format!("record {first} is empty")));
    }
    Ok(Run::new(records))
}

/// The stream and number of the first record in `bytes`, if a whole one is there.
pub(crate) fn place(bytes: &[u8]) -> Option<(StreamId, Seq)> {
    let frame = frame(bytes)?;
    Some((StreamId::from_bytes(frame.stream.try_into().ok()?)?, Seq::new(frame.seq)?))
}

struct Frame<'a> {
    total: usize,
    stream: &'a [u8],
    seq: u64,
    epoch: u32,
    kind: u8,
    time: u64,
}

/// The frame that `bytes` begin with, if it is whole and its checksum is right.
fn frame(bytes: &[u8]) -> Option<Frame<'_>> {
    let (len, rest) = bytes.split_first_chunk()?;
    let (sum, rest) = rest.split_first_chunk()?;
    let len = usize::try_from(u32::from_le_bytes(*len)).ok()?;
    let body = rest.get(..len)?;
    if crc32c::crc32c(body) != u32::from_le_bytes(*sum) {
        return None;
    }
    let (stream, rest) = body.split_first_chunk::<16>()?;
    let (seq, rest) = rest.split_first_chunk()?;
    let (epoch, rest) = rest.split_first_chunk()?;
    let (kind, rest) = rest.split_first()?;
    let (time, _payload) = rest.split_first_chunk()?;
    Some(Frame {
        total: LEN_AND_SUM + len,
        stream,
        seq: u64::from_le_bytes(*seq),
        epoch: u32::from_le_bytes(*epoch),
        kind: *kind,
        time: u64::from_le_bytes(*time),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Outcome;

    fn entries() -> Vec<Entry> {
        let time = Time::from_micros(1_760_000_000_000_001);
        vec![
            Entry::event("event: ping\ndata: {}\n\n").at(time),
            Entry::event("").at(time),
            Entry::new(Kind::Other(200), "\0\u{7f}").at(time),
            Entry::terminal(Outcome::Failed, "{}").at(time),
        ]
    }

    #[test]
    fn records_are_read_as_written() {
        let stream = StreamId::new();
        let fence = Fence { epoch: Epoch::new(7).unwrap(), next: Seq::new(300).unwrap() };
        let (bytes, run) = encode(stream, fence, &entries()).unwrap();
        assert_eq!(decode(stream, fence.next, &bytes).unwrap(), run);
        let last = run.last().unwrap();
        assert_eq!((last.seq.get(), last.epoch.get(), last.outcome()), (303, 7, Some(Outcome::Failed)));
    }

    /// The bytes that are promised in `docs/log.md`.
    #[test]
    fn the_layout_is_the_documented_one() {
        let stream: StreamId = "strm_0190163d8694739bae99fae8b9cbd8d5".parse().unwrap();
        let fence = Fence { epoch: Epoch::new(2).unwrap(), next: Seq::new(5).unwrap() };
        let entry = Entry::event("hi").at(Time::from_micros(258));
        let (bytes, _) = encode(stream, fence, &[entry]).unwrap();
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        let sum = crc32c::crc32c(&bytes[8..]).swap_bytes();
        assert_eq!(
            hex,
            format!(
                "27000000{sum:08x}0190163d8694739bae99fae8b9cbd8d5050000000000000002000000020201000000000000{}",
                "6869"
            )
        );
    }

    #[test]
    fn no_damage_goes_unnoticed() {
        let stream = StreamId::new();
        let (bytes, _) = encode(stream, Fence::NEW, &entries()).unwrap();
        for index in 0..bytes.len() {
            for bit in 0..8 {
                let mut wrong = bytes.to_vec();
                wrong[index] ^= 1 << bit;
                let error = decode(stream, Seq::FIRST, &wrong.into()).unwrap_err();
                assert!(error.is_damaged(), "bit {bit} of byte {index}: {error}");
            }
        }
    }

    /// A cut at the end of a frame leaves whole records; the store notices by their number. Any other cut is damage.
    #[test]
    fn no_torn_record_is_read() {
        let stream = StreamId::new();
        let (bytes, run) = encode(stream, Fence::NEW, &entries()).unwrap();
        for end in 0..bytes.len() {
            if let Ok(read) = decode(stream, Seq::FIRST, &bytes.slice(..end)) {
                assert_eq!(read[..], run[..read.len()]);
                assert_eq!(read.iter().map(|record| OVERHEAD + record.payload.len()).sum::<usize>(), end);
            }
        }
    }

    #[test]
    fn a_record_at_the_wrong_place_is_damage() {
        let stream = StreamId::new();
        let (bytes, _) = encode(stream, Fence::NEW, &entries()).unwrap();
        assert!(decode(StreamId::new(), Seq::FIRST, &bytes).unwrap_err().is_damaged());
        assert!(decode(stream, Seq::new(2).unwrap(), &bytes).unwrap_err().is_damaged());
    }
}
