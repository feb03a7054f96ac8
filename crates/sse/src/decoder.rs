//! The decoder: bytes in pieces of any size to frames.
//!
//! A frame that lies within one piece is borrowed from that piece; only a frame that spans pieces is put together in a
//! buffer, each byte copied once and looked at once. Field positions are kept relative to the frame's first byte, so they
//! stay right when the frame moves from the piece to the buffer. That is why the time is linear for any input and any pieces.

use std::ops::Range;

use memchr::memchr2;

use crate::usual::{Usual, usual};
use crate::{EventTooLarge, Frame, MaxEventBytes};

const BOM: &[u8] = b"\xef\xbb\xbf";

/// A buffer that grew beyond this for one large event is given back afterwards.
const KEPT_CAPACITY: usize = 64 * 1024;

/// Turns bytes into [`Frame`]s, whatever the pieces they arrive in.
#[derive(Debug, Default)]
pub struct Decoder {
    limit: MaxEventBytes,
    /// The frame that began in an earlier piece, so far.
    held: Vec<u8>,
    /// The data of a frame with several `data:` lines.
    joined: Vec<u8>,
    scan: Scan,
    last_event_id: Vec<u8>,
    /// The frame in `held` was handed out by the last call; its memory is free again.
    handed_out: bool,
    /// The last piece ended with CR, which ended a line: an LF that comes first now belongs to it.
    skip_lf: bool,
    past_first_line: bool,
    /// An event over the limit was reported and is being skipped up to its blank line.
    skipping: bool,
}

/// What is known of the frame being read; positions count from the frame's first byte.
#[derive(Debug, Default, Clone)]
struct Scan {
    /// Up to here the bytes have been looked at.
    position: usize,
    /// Where the current line begins.
    line: usize,
    /// Size of the lines so far, one byte for each line end: the same for any pieces, unlike `position`.
    measure: usize,
    event: Range<usize>,
    data: Option<Range<usize>>,
    data_joined: bool,
    id: Option<Range<usize>>,
    retry: Option<u64>,
    comments: u32,
}

/// What became of looking at one piece.
enum Found {
    /// The frame ends here.
    End(usize),
    /// The piece is used up within the frame.
    More,
    /// The frame is over the limit; reading goes on at this position.
    TooLarge(usize),
}

impl Decoder {
    /// A decoder with the default limit.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A decoder that gives up events larger than `limit`.
    #[must_use]
    pub fn with_limit(limit: MaxEventBytes) -> Self {
        Self { limit, ..Self::default() }
    }

    /// The next frame that `input` completes; `None` when `input` is used up.
    ///
    /// `input` is moved past what was read, so what is left unread stays with the caller. Call it until `None` before
    /// the next piece.
    ///
    /// # Errors
    /// [`EventTooLarge`], once for each event over the limit; reading on gives the events after it.
    #[inline]
    pub fn next_frame<'d, 'c: 'd>(
        &'d mut self,
        input: &mut &'c [u8],
    ) -> Option<Result<Frame<'d>, EventTooLarge>> {
        if self.handed_out {
            self.release();
        }
        if self.held.is_empty() && !self.skipping && !self.skip_lf {
            match usual(input, self.limit) {
                Usual::Whole(end, frame) => {
                    self.past_first_line = true;
                    *input = &input[end..];
                    return Some(Ok(frame));
                }
                Usual::Cut => {
                    // Looked at when the rest is there.
                    self.held.extend_from_slice(input);
                    *input = &[];
                    return None;
                }
                Usual::Other => {}
            }
        }
        self.next_of_any_form(input)
    }

    /// The next frame, if it stands whole at the head of `input`, begins with `head` and has data that `read` knows; else `None`, with nothing
    /// taken and nothing changed.
    ///
    /// For a reader who knows the form of most events to the byte: reading the data finds its end as well, so the bytes are looked at once. `head` is the
    /// `event:` line and the beginning of the `data:` line, such as `event: ping\ndata: `. `read` gets what follows and answers what it read and how
    /// long the data is; the data must not have line ends.
    #[inline]
    pub fn next_known<'c, T>(
        &mut self,
        input: &mut &'c [u8],
        head: &[u8],
        read: impl FnOnce(&'c [u8]) -> Option<(T, usize)>,
    ) -> Option<(Frame<'c>, T)> {
        const EVENT: &[u8] = b"event: ";
        const DATA: &[u8] = b"\ndata: ";
        let fresh = (self.held.is_empty() || self.handed_out) && !self.skipping && !self.skip_lf;
        let data = input.strip_prefix(head).filter(|_| fresh)?;
        let (value, length) = read(data)?;
        let end = head.len() + length + 2;
        if !data[length..].starts_with(b"\n\n") || end - 1 > self.limit.get() {
            return None;
        }
        debug_assert!(memchr2(b'\n', b'\r', &data[..length]).is_none(), "data has no line ends");
        if self.handed_out {
            self.release();
        }
        self.past_first_line = true;
        let raw = &input[..end];
        *input = &input[end..];
        let event = &raw[EVENT.len()..head.len() - DATA.len()];
        Some((Frame { raw, event, data: Some(&data[..length]), id: None, retry: None, comments: 0 }, value))
    }

    /// [`next_frame`](Self::next_frame) without the short cut for the usual form.
    fn next_of_any_form<'d, 'c: 'd>(
        &'d mut self,
        input: &mut &'c [u8],
    ) -> Option<Result<Frame<'d>, EventTooLarge>> {
        if self.skip_lf && !input.is_empty() {
            self.skip_lf = false;
            if input[0] == b'\n' {
                self.take_lf(input);
            }
        }
        if self.skipping && !self.skip(input) {
            return None;
        }
        if !self.held.is_empty() {
            return self.next_held(input);
        }
        let piece = *input;
        match self.look(piece) {
            Found::End(end) => {
                *input = &piece[end..];
                let scan = std::mem::take(&mut self.scan);
                if let Some(id) = scan.id.clone() {
                    keep(&mut self.last_event_id, &piece[id]);
                }
                Some(Ok(frame(&scan, &piece[..end], &self.joined)))
            }
            Found::More => {
                self.held.extend_from_slice(piece);
                *input = &[];
                None
            }
            Found::TooLarge(position) => {
                *input = &piece[position..];
                Some(Err(self.give_up()))
            }
        }
    }

    /// The end of the input: what stands after the last blank line, as if a blank line had followed, or `None` when nothing does.
    ///
    /// The standard drops such an incomplete event. It is handed out here because a reader may know better (a complete
    /// `message_stop` that lacks only its blank line) and because a relay owes these bytes to its reader.
    ///
    /// The decoder then stands at the beginning of a new stream; [`last_event_id`](Self::last_event_id) is kept for it.
    pub fn finish(&mut self) -> Option<Frame<'_>> {
        if self.handed_out {
            self.release();
        }
        if std::mem::take(&mut self.skipping) || self.held.is_empty() {
            self.release();
            self.skip_lf = false;
            self.past_first_line = false;
            return None;
        }
        let held = std::mem::take(&mut self.held);
        // A frame that was held at first sight has not been looked at. It has no blank line, and one over the limit is handed out all the
        // same, since nothing follows that would have to be found again.
        let _ = self.look(&held);
        if self.scan.line < held.len() {
            self.take_line(&held, held.len());
        }
        self.held = held;
        self.handed_out = true;
        self.skip_lf = false;
        self.past_first_line = false;
        let scan = std::mem::take(&mut self.scan);
        Some(frame(&scan, &self.held, &self.joined))
    }

    /// The last event id received, as `Last-Event-ID` wants it; empty where there was none.
    #[must_use]
    pub fn last_event_id(&self) -> &[u8] {
        &self.last_event_id
    }

    /// Goes on with the frame in `held`: takes over the piece line by line, so that no byte of a later frame is copied.
    fn next_held<'d, 'c: 'd>(&'d mut self, input: &mut &'c [u8]) -> Option<Result<Frame<'d>, EventTooLarge>> {
        if self.complete_held(input) {
            self.handed_out = true;
            // The borrow of the check must end before the frame is handed out.
            return usual(&self.held, self.limit).whole().map(|(_, frame)| Ok(frame));
        }
        while !input.is_empty() {
            let take = match memchr2(b'\n', b'\r', input) {
                Some(at) if input[at] == b'\r' && input.get(at + 1) == Some(&b'\n') => at + 2,
                Some(at) => at + 1,
                None => input.len(),
            };
            self.held.extend_from_slice(&input[..take]);
            *input = &input[take..];
            let held = std::mem::take(&mut self.held);
            let found = self.look(&held);
            self.held = held;
            // A CR taken from the middle of the piece was not followed by LF, or the LF came along.
            self.skip_lf &= input.is_empty();
            match found {
                Found::End(_) => {
                    self.handed_out = true;
                    let scan = std::mem::take(&mut self.scan);
                    if let Some(id) = scan.id.clone() {
                        keep(&mut self.last_event_id, &self.held[id]);
                    }
                    return Some(Ok(frame(&scan, &self.held, &self.joined)));
                }
                Found::More => {}
                Found::TooLarge(_) => return Some(Err(self.give_up())),
            }
        }
        None
    }

    /// Takes over the rest of a frame of the usual form, blank line included; false, with nothing taken, for any other.
    fn complete_held(&mut self, input: &mut &[u8]) -> bool {
        // The blank line is looked for in the piece alone, so it must not begin in `held`.
        if self.held.last() == Some(&b'\n') || !self.held.starts_with(b"e") {
            return false;
        }
        let mut end = 0;
        loop {
            match memchr2(b'\n', b'\r', &input[end..]) {
                Some(found) if input[end + found] == b'\n' => end += found + 1,
                _ => return false,
            }
            if input.get(end) == Some(&b'\n') {
                end += 1;
                break;
            }
        }
        let before = self.held.len();
        self.held.extend_from_slice(&input[..end]);
        let whole = usual(&self.held, self.limit).whole().is_some_and(|(found, _)| found == before + end);
        if whole {
            *input = &input[end..];
            self.scan = Scan::default();
            self.past_first_line = true;
        } else {
            self.held.truncate(before);
        }
        whole
    }

    /// Reads the frame's lines on from where the last look stopped.
    fn look(&mut self, bytes: &[u8]) -> Found {
        loop {
            let Some(found) = memchr2(b'\n', b'\r', &bytes[self.scan.position..]) else {
                self.scan.position = bytes.len();
                let partial = bytes.len() - self.scan.line;
                if self.scan.measure + partial > self.limit.get() {
                    return Found::TooLarge(bytes.len());
                }
                return Found::More;
            };
            let end = self.scan.position + found;
            let mut next = end + 1;
            if bytes[end] == b'\r' {
                match bytes.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => self.skip_lf = true,
                }
            }
            let blank = self.is_blank(bytes, end);
            if !blank {
                self.take_line(bytes, end);
            }
            self.past_first_line = true;
            self.scan.position = next;
            self.scan.line = next;
            if self.scan.measure > self.limit.get() {
                // The blank line of this frame is still to come unless it is this one.
                self.skipping = !blank;
                return Found::TooLarge(next);
            }
            if blank {
                return Found::End(next);
            }
        }
    }

    fn is_blank(&self, bytes: &[u8], end: usize) -> bool {
        let line = &bytes[self.scan.line..end];
        line.is_empty() || (!self.past_first_line && line == BOM)
    }

    /// Reads one line, `self.scan.line..end`, which is not blank.
    fn take_line(&mut self, bytes: &[u8], end: usize) {
        let mut start = self.scan.line;
        self.scan.measure += end - start + 1;
        if !self.past_first_line && bytes[start..end].starts_with(BOM) {
            start += BOM.len();
        }
        let line = &bytes[start..end];
        // The two fields that every event has come first; the split by colon serves the rest.
        if let Some(rest) = line.strip_prefix(b"data:") {
            self.take_data(bytes, value(rest, end));
        } else if let Some(rest) = line.strip_prefix(b"event:") {
            self.scan.event = value(rest, end);
        } else {
            self.take_other(bytes, line, end);
        }
    }

    fn take_other(&mut self, bytes: &[u8], line: &[u8], end: usize) {
        let (name, range) = match memchr::memchr(b':', line) {
            Some(0) => {
                self.scan.comments = self.scan.comments.saturating_add(1);
                return;
            }
            Some(colon) => (&line[..colon], value(&line[colon + 1..], end)),
            None => (line, end..end),
        };
        match name {
            b"data" => self.take_data(bytes, range),
            b"event" => self.scan.event = range,
            b"id" if !bytes[range.clone()].contains(&0) => self.scan.id = Some(range),
            b"retry" => {
                let digits = &bytes[range];
                if !digits.is_empty() && digits.iter().all(u8::is_ascii_digit) {
                    let text = std::str::from_utf8(digits).unwrap_or_default();
                    self.scan.retry = text.parse().ok().or(self.scan.retry);
                }
            }
            // Unknown fields are ignored, as the standard says; they stay in the raw bytes.
            _ => {}
        }
    }

    fn take_data(&mut self, bytes: &[u8], range: Range<usize>) {
        match &self.scan.data {
            None => self.scan.data = Some(range),
            Some(first) => {
                if !self.scan.data_joined {
                    self.scan.data_joined = true;
                    self.joined.clear();
                    self.joined.extend_from_slice(&bytes[first.clone()]);
                }
                self.joined.push(b'\n');
                self.joined.extend_from_slice(&bytes[range]);
            }
        }
    }

    /// An LF whose CR ended the last piece: it belongs to the bytes of the frame that is being read, and ends no line.
    fn take_lf(&mut self, input: &mut &[u8]) {
        *input = &input[1..];
        if !self.skipping {
            self.held.push(b'\n');
            self.scan.position += 1;
            self.scan.line += 1;
        }
    }

    fn give_up(&mut self) -> EventTooLarge {
        // `look` cleared the flag only where the blank line itself was read.
        let open_line = self.scan.position - self.scan.line;
        let ended = !self.skipping && open_line == 0;
        self.release();
        self.skipping = !ended;
        self.past_first_line = true;
        // While skipping, `position` tells whether the current line has bytes: it is blank only when it has none.
        self.scan.position = usize::from(open_line > 0);
        EventTooLarge { limit: self.limit }
    }

    /// Skips the rest of an event over the limit; true when its blank line was read.
    fn skip(&mut self, input: &mut &[u8]) -> bool {
        while !input.is_empty() {
            let Some(end) = memchr2(b'\n', b'\r', input) else {
                self.scan.position = 1;
                *input = &[];
                return false;
            };
            let blank = end == 0 && self.scan.position == 0;
            let mut next = end + 1;
            if input[end] == b'\r' {
                match input.get(next) {
                    Some(b'\n') => next += 1,
                    Some(_) => {}
                    None => self.skip_lf = true,
                }
            }
            *input = &input[next..];
            self.scan.position = 0;
            if blank {
                self.skipping = false;
                return true;
            }
        }
        false
    }

    fn release(&mut self) {
        self.handed_out = false;
        self.scan = Scan::default();
        for buffer in [&mut self.held, &mut self.joined] {
            if buffer.capacity() > KEPT_CAPACITY {
                *buffer = Vec::new();
            } else {
                buffer.clear();
            }
        }
    }
}

/// Where the value stands that ends at `end` and follows the colon: one space after the colon is not part of it.
fn value(after_colon: &[u8], end: usize) -> Range<usize> {
    let length = after_colon.len() - usize::from(after_colon.first() == Some(&b' '));
    end - length..end
}

fn keep(kept: &mut Vec<u8>, id: &[u8]) {
    kept.clear();
    kept.extend_from_slice(id);
}

fn frame<'a>(scan: &Scan, raw: &'a [u8], joined: &'a [u8]) -> Frame<'a> {
    Frame {
        raw,
        event: &raw[scan.event.clone()],
        data: if scan.data_joined { Some(joined) } else { scan.data.clone().map(|range| &raw[range]) },
        id: scan.id.clone().map(|range| &raw[range]),
        retry: scan.retry,
        comments: scan.comments,
    }
}
