//! Recorded streams: model `replay:NAME` is answered with the bytes of `DIR/NAME.sse`, verbatim.

use std::io;
use std::path::{Path, PathBuf};

use bytes::Bytes;
use perennial_sse::{Decoder, MaxEventBytes};
use serde_json::Value;

use crate::answer::{Refused, Usage};
use crate::frame::Frame;
use crate::nearest::nearest;

/// Names shown in the message about a recording that does not exist.
const MOST_NAMES: usize = 40;

/// A folder of recordings.
#[derive(Clone, Debug)]
pub(crate) struct Recordings {
    folder: PathBuf,
}

/// One recording, cut at its events.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) frames: Vec<Frame>,
    pub(crate) message_id: Option<String>,
    pub(crate) usage: Usage,
}

impl Recordings {
    /// Fails where `folder` cannot be read.
    pub(crate) fn open(folder: &Path) -> io::Result<Self> {
        std::fs::read_dir(folder)?;
        Ok(Self { folder: folder.to_owned() })
    }

    /// Reads a recording; blocks.
    pub(crate) fn load(&self, name: &str) -> Result<Recorded, Refused> {
        if !is_plain(name) {
            return Err(Refused::invalid(format!(
                "model: replay:{name}: a recording is named by letters, digits, `-`, `_` and `.`, without a folder"
            )));
        }
        match std::fs::read(self.folder.join(format!("{name}.sse"))) {
            Ok(bytes) => Ok(Recorded::cut(&bytes.into())),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Err(self.unknown(name)),
            Err(error) => {
                Err(Refused::new(500, "api_error", format!("replay:{name} cannot be read: {error}")))
            }
        }
    }

    /// The folded message that lies beside a recording, if any; blocks.
    pub(crate) fn message(&self, name: &str) -> Option<Value> {
        let bytes =
            std::fs::read(self.folder.join(format!("{name}.json"))).ok().filter(|_| is_plain(name))?;
        serde_json::from_slice(&bytes).ok()
    }

    fn names(&self) -> Vec<String> {
        let Ok(entries) = std::fs::read_dir(&self.folder) else { return Vec::new() };
        let mut names: Vec<String> = entries
            .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".sse").map(str::to_owned))
            .collect();
        names.sort();
        names
    }

    fn unknown(&self, name: &str) -> Refused {
        let names = self.names();
        let mut message = format!("model: replay:{name}: no such recording");
        if let Some(near) = nearest(name, names.iter().map(String::as_str)) {
            message.push_str(&format!("; did you mean replay:{near}?"));
        }
        if names.is_empty() {
            message.push_str("; the folder has no .sse files");
        } else {
            message.push_str(&format!(
                "; there are {}: {}",
                names.len(),
                names[..names.len().min(MOST_NAMES)].join(", ")
            ));
        }
        if names.len() > MOST_NAMES {
            message.push_str(", ...");
        }
        Refused::not_found(message)
    }
}

impl Recorded {
    fn cut(bytes: &Bytes) -> Self {
        let mut decoder = Decoder::with_limit(MaxEventBytes::new(usize::MAX));
        let mut input = &bytes[..];
        let mut recorded = Self { frames: Vec::new(), message_id: None, usage: Usage::default() };
        let mut at = 0;
        while let Some(Ok(frame)) = decoder.next_frame(&mut input) {
            at = recorded.take(bytes, at, &frame);
        }
        if let Some(frame) = decoder.finish() {
            recorded.take(bytes, at, &frame);
        }
        recorded
    }

    fn take(&mut self, bytes: &Bytes, at: usize, frame: &perennial_sse::Frame<'_>) -> usize {
        let end = at + frame.raw().len();
        let data = frame.data().unwrap_or_default();
        let name = frame.event_lossy();
        if name.starts_with("message_") {
            self.learn(data);
        }
        self.frames.push(Frame::foreign(&name, data, bytes.slice(at..end)));
        end
    }

    /// Takes the figures of `message_start` and `message_delta`, for the journal.
    fn learn(&mut self, data: &[u8]) {
        let Ok(event) = serde_json::from_slice::<Value>(data) else { return };
        let message = event.get("message").unwrap_or(&event);
        if let Some(id) = message.get("id").and_then(Value::as_str) {
            self.message_id = Some(id.to_owned());
        }
        let Some(usage) = message.get("usage") else { return };
        let figure = |pointer: &str, into: &mut u64| {
            if let Some(tokens) = usage.pointer(pointer).and_then(Value::as_u64) {
                *into = tokens;
            }
        };
        figure("/input_tokens", &mut self.usage.input_tokens);
        figure("/output_tokens", &mut self.usage.output_tokens);
        figure("/cache_read_input_tokens", &mut self.usage.cache_read);
        figure("/cache_creation/ephemeral_1h_input_tokens", &mut self.usage.cache_creation_1h);
        let mut written = self.usage.cache_creation_5m + self.usage.cache_creation_1h;
        figure("/cache_creation_input_tokens", &mut written);
        self.usage.cache_creation_5m = written.saturating_sub(self.usage.cache_creation_1h);
    }
}

fn is_plain(name: &str) -> bool {
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.chars().all(allowed)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_folder() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("one.sse"), "event: ping\ndata: {}\n\n").unwrap();
        let recordings = Recordings::open(folder.path()).unwrap();
        assert_eq!(recordings.load("one").unwrap().frames.len(), 1);
        for name in ["", ".", "..", "../one", "a/../one", "/etc/passwd", "one\0", ".hidden", "a\\b"] {
            let refused = recordings.load(name).unwrap_err();
            assert_eq!(refused.status, 400, "{name}");
        }
        let refused = recordings.load("onee").unwrap_err();
        assert_eq!(refused.status, 404);
        assert!(refused.message.contains("did you mean replay:one?"), "{}", refused.message);
    }

    #[test]
    fn cutting_keeps_every_byte() {
        for text in ["", "data: 1\r\n\r\ndata: 2\r\r: x\n\n\n", "\u{feff}event: a\ndata: b\n\nevent: cut"] {
            let recorded = Recorded::cut(&Bytes::from(text));
            let joined: Vec<u8> = recorded.frames.iter().flat_map(|frame| frame.bytes.to_vec()).collect();
            assert_eq!(joined, text.as_bytes(), "{text:?}");
        }
    }
}
