//! The reader: a state machine that is driven by fragments and never looks back.

use serde_json::Value;

use super::{
    Growth, JsonKind, MaxDepth, PartialError,
    error::Fault,
    growth::{Event, Touched},
    number::{self, Digits, Step},
    spend,
    string::{Quoted, Read},
    trail::Trail,
    tree::{Shape, Tree},
};

/// JSON that arrives in fragments, as a value that can be read after each of them.
///
/// - Strings show what has arrived of them. Keys, numbers and literals show once they are certain: a key with the first
///   sign of its value, a number with the byte after it. Containers show from their opening bracket on.
/// - A repeated key replaces the earlier value at once. As long as its new value is open, the order of that object's
///   members is not theirs in the text; when the object closes, it is what `serde_json` makes of it.
/// - Half a surrogate pair becomes U+FFFD. Everything else is refused exactly where `serde_json` refuses it.
///
/// Fragments may be cut anywhere. The total work is linear in their bytes, for any input; memory is that of the value,
/// and of the changes of one push.
///
/// ```
/// # use perennial_protocol::PartialJson;
/// let mut input = PartialJson::new();
/// input.push(r#"{"path": "a.txt", "content": "One li"#);
/// assert_eq!(input.value().unwrap()["content"], "One li");
///
/// for change in input.push(r#"ne\n"}"#) {
///     println!("{} + {:?}", change.path(), change.text()); // /content + "ne\n"
/// }
/// assert!(input.is_complete());
/// ```
#[derive(Clone, Debug, Default)]
pub struct PartialJson {
    state: State,
    tree: Tree,
    trail: Trail,
    touched: Touched,
    /// The number being read.
    digits: String,
    /// Bytes of all fragments before the current one.
    offset: usize,
    max_depth: MaxDepth,
    error: Option<PartialError>,
}

#[derive(Clone, Debug)]
enum State {
    Wants(Want),
    Key(Quoted),
    Text(Quoted),
    Number(Digits),
    Literal { word: &'static str, read: usize },
}

/// What may come next, apart from white space.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Want {
    Value,
    FirstItem,
    FirstKey,
    Key,
    Colon,
    ItemEnd,
    MemberEnd,
    Nothing,
}

impl PartialJson {
    /// Nothing has arrived yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// As [`new`](Self::new), with a limit of one's own.
    pub fn with_max_depth(max_depth: MaxDepth) -> Self {
        Self { max_depth, ..Self::default() }
    }

    /// Takes the next fragment, and tells what it changed.
    ///
    /// After an [`error`](Self::error), fragments change nothing.
    pub fn push(&mut self, fragment: &str) -> Growth<'_> {
        self.forget();
        if self.error.is_none() {
            self.error = self.read(fragment).err();
        }
        self.offset += fragment.len();
        Growth::new(self)
    }

    /// Says that nothing more will come. A value that is not complete by then has the error
    /// [`Truncated`](super::PartialErrorKind::Truncated).
    ///
    /// Only a number that is the whole text changes by it: until then it could have had more digits.
    pub fn finish(&mut self) -> Growth<'_> {
        self.forget();
        if self.error.is_none() {
            self.error = self.end().err();
        }
        Growth::new(self)
    }

    /// The value so far; `None` before anything can be shown.
    pub fn value(&self) -> Option<&Value> {
        self.tree.root()
    }

    /// The value so far, owned.
    pub fn into_value(self) -> Option<Value> {
        self.tree.into_root()
    }

    /// True if the text so far is a whole JSON text. It is no more if anything but white space follows.
    pub fn is_complete(&self) -> bool {
        matches!(self.state, State::Wants(Want::Nothing)) && self.error.is_none()
    }

    /// Why reading stopped, if it did. The value stays as the bytes before made it.
    pub fn error(&self) -> Option<&PartialError> {
        self.error.as_ref()
    }

    /// What the latest [`push`](Self::push) or [`finish`](Self::finish) changed.
    pub fn growth(&self) -> Growth<'_> {
        Growth::new(self)
    }

    pub(super) fn trail(&self) -> &Trail {
        &self.trail
    }

    pub(super) fn touched(&self) -> &Touched {
        &self.touched
    }

    fn forget(&mut self) {
        self.touched.clear();
        self.trail.tidy();
    }

    fn read(&mut self, fragment: &str) -> Result<(), PartialError> {
        let mut at = 0;
        while let Some(&byte) = fragment.as_bytes().get(at) {
            let next = match &self.state {
                State::Wants(_) if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') => at + 1,
                State::Wants(want) => self.take(*want, byte, fragment, at)?,
                State::Key(_) => self.read_key(fragment, at)?,
                State::Text(_) => self.read_text(fragment, at)?,
                State::Number(digits) => self.read_number(*digits, fragment, at)?,
                State::Literal { word, read } => self.read_literal(word, *read, fragment, at)?,
            };
            spend(next - at);
            at = next;
        }
        Ok(())
    }

    /// Takes a byte between strings, numbers and literals.
    fn take(&mut self, want: Want, byte: u8, fragment: &str, at: usize) -> Result<usize, PartialError> {
        match (want, byte) {
            (Want::FirstItem | Want::ItemEnd, b']') => self.close(JsonKind::Array),
            (Want::FirstKey | Want::MemberEnd, b'}') => self.close(JsonKind::Object),
            (Want::FirstKey | Want::Key, b'"') => {
                self.trail.open_key();
                self.state = State::Key(Quoted::default());
            }
            (Want::Colon, b':') | (Want::ItemEnd, b',') => self.state = State::Wants(Want::Value),
            (Want::MemberEnd, b',') => self.state = State::Wants(Want::Key),
            (Want::Value | Want::FirstItem, _) => return self.begin(want, byte, fragment, at),
            _ => return Err(self.unexpected(fragment, at, want.words())),
        }
        Ok(at + 1)
    }

    /// Takes the first byte of a value.
    fn begin(&mut self, want: Want, byte: u8, fragment: &str, at: usize) -> Result<usize, PartialError> {
        match byte {
            b'{' => self.open(Shape::Object, at)?,
            b'[' => self.open(Shape::Array, at)?,
            b'"' => {
                let shape = self.tree.shape();
                let position = self.tree.open_string(self.trail.key());
                self.enter(shape, position, JsonKind::String);
                self.state = State::Text(Quoted::default());
            }
            b't' => self.state = State::Literal { word: "true", read: 1 },
            b'f' => self.state = State::Literal { word: "false", read: 1 },
            b'n' => self.state = State::Literal { word: "null", read: 1 },
            _ => {
                let Some(digits) = Digits::start(byte) else {
                    return Err(self.unexpected(fragment, at, want.words()));
                };
                self.digits.clear();
                self.digits.push(char::from(byte));
                self.state = State::Number(digits);
            }
        }
        Ok(at + 1)
    }

    fn read_key(&mut self, fragment: &str, at: usize) -> Result<usize, PartialError> {
        let State::Key(quoted) = &mut self.state else { return Ok(at) };
        match self.trail.grow_key(|key| quoted.read(fragment, at, key)) {
            Read::All => Ok(fragment.len()),
            Read::Closed(next) => {
                self.state = State::Wants(Want::Colon);
                Ok(next)
            }
            Read::Bad(bad, wanted) => Err(self.unexpected(fragment, bad, wanted)),
        }
    }

    fn read_text(&mut self, fragment: &str, at: usize) -> Result<usize, PartialError> {
        let State::Text(quoted) = &mut self.state else { return Ok(at) };
        let start = self.touched.text.len();
        let read = quoted.read(fragment, at, &mut self.touched.text);
        if self.touched.text.len() > start {
            self.tree.append(&self.touched.text[start..]);
            self.touched.note(self.trail.innermost(), JsonKind::String, Event::Grew, start);
        }
        match read {
            Read::All => Ok(fragment.len()),
            Read::Closed(next) => {
                let step = self.trail.leave();
                self.touched.note(step, JsonKind::String, Event::Closed, self.touched.text.len());
                self.after_value();
                Ok(next)
            }
            Read::Bad(bad, wanted) => Err(self.unexpected(fragment, bad, wanted)),
        }
    }

    fn read_number(&mut self, mut digits: Digits, fragment: &str, at: usize) -> Result<usize, PartialError> {
        let mut end = at;
        let mut ended = false;
        for &byte in &fragment.as_bytes()[at..] {
            match digits.step(byte) {
                Step::Part(next) => digits = next,
                Step::End => {
                    ended = true;
                    break;
                }
                Step::Bad => return Err(self.unexpected(fragment, end, digits.wanted())),
            }
            end += 1;
        }
        self.digits.push_str(&fragment[at..end]);
        self.state = State::Number(digits);
        if ended {
            self.end_number(self.offset + end)?;
        }
        Ok(end)
    }

    fn end_number(&mut self, end: usize) -> Result<(), PartialError> {
        let value = number::value(&self.digits)
            .ok_or_else(|| PartialError::new(end - self.digits.len(), Fault::Huge))?;
        self.add(value);
        Ok(())
    }

    fn read_literal(
        &mut self,
        word: &'static str,
        read: usize,
        fragment: &str,
        at: usize,
    ) -> Result<usize, PartialError> {
        if fragment.as_bytes()[at] != word.as_bytes()[read] {
            return Err(self.unexpected(fragment, at, word));
        }
        if read + 1 < word.len() {
            self.state = State::Literal { word, read: read + 1 };
        } else {
            self.add(match word {
                "true" => Value::Bool(true),
                "false" => Value::Bool(false),
                _ => Value::Null,
            });
        }
        Ok(at + 1)
    }

    fn end(&mut self) -> Result<(), PartialError> {
        if let State::Number(digits) = self.state
            && digits.may_end()
            && self.tree.depth() == 0
        {
            self.end_number(self.offset)?;
        }
        if self.is_complete() { Ok(()) } else { Err(PartialError::new(self.offset, Fault::Truncated)) }
    }

    /// Adds a number or literal.
    fn add(&mut self, value: Value) {
        let shape = self.tree.shape();
        let position = self.tree.add(self.trail.key(), value);
        self.enter(shape, position, JsonKind::Scalar);
        let step = self.trail.leave();
        self.touched.note(step, JsonKind::Scalar, Event::Closed, self.touched.text.len());
        self.after_value();
    }

    fn open(&mut self, shape: Shape, at: usize) -> Result<(), PartialError> {
        if self.tree.depth() >= usize::from(self.max_depth.levels()) {
            return Err(PartialError::new(self.offset + at, Fault::Deep(self.max_depth)));
        }
        let outer = self.tree.shape();
        let position = self.tree.open(self.trail.key(), shape);
        let (kind, want) = match shape {
            Shape::Array => (JsonKind::Array, Want::FirstItem),
            Shape::Object => (JsonKind::Object, Want::FirstKey),
        };
        self.enter(outer, position, kind);
        self.state = State::Wants(want);
        Ok(())
    }

    /// Notes a value that was just put into a container of the given shape.
    fn enter(&mut self, container: Option<Shape>, position: usize, kind: JsonKind) {
        let step = self.trail.step(container, position);
        self.trail.enter(step);
        self.touched.note(step, kind, Event::Opened, self.touched.text.len());
    }

    fn close(&mut self, kind: JsonKind) {
        self.tree.close();
        let step = self.trail.leave();
        self.touched.note(step, kind, Event::Closed, self.touched.text.len());
        self.after_value();
    }

    fn after_value(&mut self) {
        self.state = State::Wants(match self.tree.shape() {
            None => Want::Nothing,
            Some(Shape::Array) => Want::ItemEnd,
            Some(Shape::Object) => Want::MemberEnd,
        });
    }

    fn unexpected(&self, fragment: &str, at: usize, wanted: &'static str) -> PartialError {
        // Only ASCII is ever accepted outside of runs of text, so that the byte in question begins a character.
        let found = fragment[at..].chars().next().unwrap_or(char::REPLACEMENT_CHARACTER);
        PartialError::new(self.offset + at, Fault::Unexpected { found, wanted })
    }
}

impl Want {
    fn words(self) -> &'static str {
        match self {
            Self::Value => "a value",
            Self::FirstItem => "a value or ]",
            Self::FirstKey => "a key in quotes or }",
            Self::Key => "a key in quotes",
            Self::Colon => "a colon after the key",
            Self::ItemEnd => "a comma or ]",
            Self::MemberEnd => "a comma or }",
            Self::Nothing => "nothing after the value",
        }
    }
}

impl Default for State {
    fn default() -> Self {
        Self::Wants(Want::Value)
    }
}
