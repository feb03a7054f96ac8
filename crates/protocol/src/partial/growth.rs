//! What a push changed.

use std::{fmt, slice};

use serde_json::Value;

use super::{
    PartialJson,
    trail::{JsonPath, Span, Trail},
};

/// What one fragment changed in the value, in the order in which it happened.
///
/// Each value that the fragment touched gives one [`Change`]; an array or object gives one when it opens and one when it
/// closes. Changes of successive pushes put together build the value again, however the text was cut.
#[derive(Clone, Copy)]
pub struct Growth<'a> {
    json: &'a PartialJson,
}

/// One value that began, grew or became final.
#[derive(Clone, Copy)]
pub struct Change<'a> {
    json: &'a PartialJson,
    touch: &'a Touch,
}

/// The changes of a [`Growth`].
#[derive(Clone, Debug)]
pub struct Changes<'a> {
    json: &'a PartialJson,
    touched: slice::Iter<'a, Touch>,
}

/// What sort of value changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum JsonKind {
    /// An object. Its members are changes of their own.
    Object,
    /// An array. Its items are changes of their own.
    Array,
    /// A string, the only value that grows by itself.
    String,
    /// A number, `true`, `false` or `null`; it is final when it is first seen.
    Scalar,
}

/// The changes of the latest push, without paths and text.
#[derive(Clone, Debug, Default)]
pub(super) struct Touched {
    list: Vec<Touch>,
    /// What was appended to strings, one after the other.
    pub(super) text: String,
}

#[derive(Clone, Debug)]
struct Touch {
    step: usize,
    kind: JsonKind,
    text: Span,
    new: bool,
    done: bool,
}

/// What happened to a value.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Event {
    Opened,
    Grew,
    Closed,
}

impl<'a> Growth<'a> {
    pub(super) fn new(json: &'a PartialJson) -> Self {
        Self { json }
    }

    /// The value so far, as [`PartialJson::value`].
    pub fn value(&self) -> Option<&'a Value> {
        self.json.value()
    }

    /// True if the value is as it was, because the fragment was empty, or ended inside something not shown yet.
    pub fn is_empty(&self) -> bool {
        self.json.touched().list.is_empty()
    }

    /// The changes, first to last.
    pub fn changes(&self) -> Changes<'a> {
        Changes { json: self.json, touched: self.json.touched().list.iter() }
    }
}

impl<'a> IntoIterator for Growth<'a> {
    type Item = Change<'a>;
    type IntoIter = Changes<'a>;

    fn into_iter(self) -> Changes<'a> {
        self.changes()
    }
}

impl<'a> Iterator for Changes<'a> {
    type Item = Change<'a>;

    fn next(&mut self) -> Option<Change<'a>> {
        self.touched.next().map(|touch| Change { json: self.json, touch })
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.touched.size_hint()
    }
}

impl ExactSizeIterator for Changes<'_> {}

impl<'a> Change<'a> {
    /// Where the value is.
    pub fn path(&self) -> JsonPath<'a> {
        JsonPath::new(self.trail(), self.touch.step)
    }

    /// What sort of value it is.
    pub fn kind(&self) -> JsonKind {
        self.touch.kind
    }

    /// True if the value was not there before this push.
    pub fn is_new(&self) -> bool {
        self.touch.new
    }

    /// The text that this push appended to a string; empty for every other kind.
    pub fn text(&self) -> &'a str {
        &self.json.touched().text[self.touch.text.start..self.touch.text.end]
    }

    /// True if the value will not change any more, unless its key is repeated.
    pub fn is_final(&self) -> bool {
        self.touch.done
    }

    /// What is at the path now, after the whole push. `None` if a repeated key has replaced it by something else.
    pub fn value(&self) -> Option<&'a Value> {
        self.path().find(self.json.value()?)
    }

    fn trail(&self) -> &'a Trail {
        self.json.trail()
    }
}

impl fmt::Debug for Growth<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.changes()).finish()
    }
}

impl fmt::Debug for Change<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Change")
            .field("path", &self.path())
            .field("kind", &self.kind())
            .field("is_new", &self.is_new())
            .field("text", &self.text())
            .field("is_final", &self.is_final())
            .finish()
    }
}

impl Touched {
    /// How many changes, and bytes of text, may keep their memory for the next push.
    const KEPT: usize = 4096;

    pub(super) fn clear(&mut self) {
        self.list.clear();
        self.list.shrink_to(Self::KEPT);
        self.text.clear();
        self.text.shrink_to(Self::KEPT);
    }

    /// Notes an event; `text` is where the text begins that the event brought.
    pub(super) fn note(&mut self, step: usize, kind: JsonKind, event: Event, text: usize) {
        let (new, done) = (event == Event::Opened, event == Event::Closed);
        let text = Span { start: text, end: self.text.len() };
        match self.list.last_mut() {
            Some(last) if last.step == step => {
                last.text.end = text.end;
                last.done = done;
            }
            _ => self.list.push(Touch { step, kind, text, new, done }),
        }
    }
}
