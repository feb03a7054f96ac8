//! What is printed: a line for each thing that happens.

use std::collections::HashMap;
use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use perennial::resources::StreamInfo;
use serde::Serialize;

use crate::exit::Failure;
use crate::output::Answer;

/// So many characters are printed at a blank, though their line has not ended.
const LONGEST: usize = 160;

/// More than this is not waited for a blank in.
const MOST_BYTES: usize = 4_096;

/// So many letters at the end of a name tell streams apart: the beginnings are the time.
const LETTERS: usize = 6;

pub(super) struct Lines {
    out: Answer,
    json: bool,
    /// What came of each stream that is not a whole line yet.
    open: HashMap<String, String>,
}

#[derive(Serialize)]
#[serde(tag = "event", rename_all = "lowercase")]
enum Line<'a> {
    Begun {
        time: Timestamp,
        stream: &'a str,
        model: &'a str,
        created_at: &'a str,
    },
    Text {
        stream: &'a str,
        text: &'a str,
    },
    Ended {
        time: Timestamp,
        stream: &'a str,
        state: &'a str,
        stop_reason: Option<&'a str>,
        input_tokens: Option<u64>,
        output_tokens: Option<u64>,
    },
}

impl Lines {
    pub(super) fn new(json: bool) -> Self {
        Self { out: Answer::new(), json, open: HashMap::new() }
    }

    pub(super) fn begun(&mut self, info: &StreamInfo) -> Result<(), Failure> {
        let (stream, model) = (info.id.as_str(), info.model.as_str());
        if self.json {
            self.out.json(&Line::Begun {
                time: Timestamp::now(),
                stream,
                model,
                created_at: &info.created_at,
            })?;
        } else {
            self.out.write(format!("{}  {stream}  begun  {model}\n", clock()).as_bytes())?;
        }
        self.out.flush()
    }

    pub(super) fn ended(&mut self, info: &StreamInfo) -> Result<(), Failure> {
        if let Some(rest) = self.open.remove(&info.id) {
            self.line(&info.id, &rest)?;
        }
        let stream = info.id.as_str();
        let outcome = info.outcome.as_ref();
        let stop_reason = outcome.and_then(|outcome| outcome.stop_reason.as_ref()).map(ToString::to_string);
        let stop_reason = stop_reason.as_deref();
        let state = outcome.map_or_else(|| info.state.as_str(), |outcome| outcome.state.as_str());
        let tokens = info.usage.as_ref();
        let input_tokens = tokens.and_then(|usage| usage.input_tokens);
        let output_tokens = tokens.filter(|_| info.usage_is_final).and_then(|usage| usage.output_tokens);
        if self.json {
            let time = Timestamp::now();
            self.out.json(&Line::Ended { time, stream, state, stop_reason, input_tokens, output_tokens })?;
        } else {
            let mut line = format!("{}  {stream}  {state}", clock());
            // Writing to a text does not fail.
            if let Some(reason) = stop_reason {
                let _ = write!(line, "  {reason}");
            }
            if let (Some(input), Some(output)) = (input_tokens, output_tokens) {
                let _ = write!(line, "  {input} in, {output} out");
            }
            line.push('\n');
            self.out.write(line.as_bytes())?;
        }
        self.out.flush()
    }

    /// Text of a stream. On a terminal lines of several streams would run into each other, so only whole ones are printed.
    pub(super) fn text(&mut self, stream: &str, text: &str) -> Result<(), Failure> {
        if self.json {
            self.out.json(&Line::Text { stream, text })?;
            return self.out.flush();
        }
        let mut open = self.open.remove(stream).unwrap_or_default();
        open.push_str(text);
        let mut rest = open.as_str();
        while let Some((line, after)) = cut(rest) {
            self.line(stream, line)?;
            rest = after;
        }
        if !rest.is_empty() {
            self.open.insert(stream.to_owned(), rest.to_owned());
        }
        self.out.flush()
    }

    fn line(&mut self, stream: &str, line: &str) -> Result<(), Failure> {
        if line.is_empty() {
            return Ok(());
        }
        let name = stream.get(stream.len().saturating_sub(LETTERS)..).unwrap_or(stream);
        self.out.write(format!("[{name}] {line}\n").as_bytes())
    }
}

/// A line that is whole or long enough, and what follows it.
fn cut(text: &str) -> Option<(&str, &str)> {
    if let Some((line, rest)) = text.split_once('\n') {
        return Some((line.trim_end_matches('\r'), rest));
    }
    let (end, _) = text.char_indices().nth(LONGEST)?;
    match text[..end].rfind(' ') {
        Some(blank) => Some((&text[..blank], &text[blank + 1..])),
        None => (text.len() > MOST_BYTES).then(|| text.split_at(end)),
    }
}

/// The time of day of this machine.
fn clock() -> String {
    Timestamp::now().to_zoned(TimeZone::system()).strftime("%H:%M:%S").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_cut_at_their_ends_or_at_a_blank() {
        assert_eq!(cut("one\ntwo"), Some(("one", "two")));
        assert_eq!(cut("one\r\n"), Some(("one", "")));
        assert_eq!(cut("one two"), None);
        let long = "word ".repeat(40);
        let (line, rest) = cut(&long).unwrap();
        assert!(line.ends_with("word") && line.len() <= LONGEST && format!("{line} {rest}") == long);
        assert_eq!(cut(&"x".repeat(500)), None);
        assert_eq!(cut(&"x".repeat(5_000)).unwrap().0.len(), LONGEST);
    }
}
