//! A reader of event streams of our own, after the WHATWG rules: whoever checks a decoder must not use it.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) id: Option<String>,
    pub(crate) name: String,
    pub(crate) data: Vec<u8>,
    pub(crate) has_data: bool,
}

/// Bytes in, events out.
#[derive(Debug, Default)]
pub(crate) struct Events {
    line: Vec<u8>,
    open: Event,
    /// The last byte was a CR, so that an LF would belong to it.
    after_cr: bool,
    /// No line has ended yet.
    begun: bool,
    bytes: u64,
}

impl Events {
    /// The events that are whole with these bytes.
    pub(crate) fn take(&mut self, mut bytes: &[u8]) -> Vec<Event> {
        let mut events = Vec::new();
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr) && bytes[0] == b'\n' {
                bytes = &bytes[1..];
                continue;
            }
            let Some(at) = memchr::memchr2(b'\r', b'\n', bytes) else {
                self.line.extend_from_slice(bytes);
                break;
            };
            self.line.extend_from_slice(&bytes[..at]);
            self.after_cr = bytes[at] == b'\r';
            bytes = &bytes[at + 1..];
            let line = std::mem::take(&mut self.line);
            events.extend(self.line_ended(&line));
        }
        events
    }

    /// Whether something stands after the last blank line.
    pub(crate) fn is_in_event(&self) -> bool {
        !self.line.is_empty() || self.open != Event::default()
    }

    fn line_ended(&mut self, line: &[u8]) -> Option<Event> {
        let line = if std::mem::replace(&mut self.begun, true) {
            line
        } else {
            line.strip_prefix(b"\xef\xbb\xbf").unwrap_or(line)
        };
        if line.is_empty() {
            let event = std::mem::take(&mut self.open);
            return event.has_data.then_some(event);
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(at) => (&line[..at], line[at + 1..].strip_prefix(b" ").unwrap_or(&line[at + 1..])),
            None => (line, &b""[..]),
        };
        match field {
            b"event" => self.open.name = String::from_utf8_lossy(value).into_owned(),
            b"id" => self.open.id = Some(String::from_utf8_lossy(value).into_owned()),
            b"data" => {
                if self.open.has_data {
                    self.open.data.push(b'\n');
                }
                self.open.data.extend_from_slice(value);
                self.open.has_data = true;
            }
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8], size: usize) -> Vec<(String, String)> {
        let mut events = Events::default();
        let all: Vec<Event> = text.chunks(size).flat_map(|piece| events.take(piece)).collect();
        all.into_iter().map(|event| (event.name, String::from_utf8_lossy(&event.data).into_owned())).collect()
    }

    #[test]
    fn line_ends_and_pieces_do_not_matter() {
        let text =
            "\u{feff}: hello\n\nevent: a\ndata: 1\ndata: 2\n\nid: 7\ndata:3\n\nevent: none\n\ndata: cut";
        for ends in ["\n", "\r\n", "\r"] {
            let text = text.replace('\n', ends);
            for size in 1..text.len() {
                let expected = vec![("a".to_owned(), "1\n2".to_owned()), (String::new(), "3".to_owned())];
                assert_eq!(read(text.as_bytes(), size), expected, "{ends:?} {size}");
            }
        }
    }
}
