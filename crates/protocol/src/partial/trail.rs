//! Where in the tree a change happened, kept so that nobody pays for a path unless it is looked at.
//!
//! Each value touched by a push is one step with a link to the step above it; a path is walked upwards when it is asked
//! for. Steps and keys that are no longer needed go at the next push, at a cost that what was added has paid for.

use std::fmt;

use serde_json::Value;

use super::{spend, tree::Shape};

/// One step of a [`JsonPath`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Segment<'a> {
    /// The key of an object's member.
    Key(&'a str),
    /// The position in an array, counted from 0.
    Index(usize),
}

/// The way from the root to a value. It shows as a JSON pointer (RFC 6901): `/items/3/name`, empty for the root.
#[derive(Clone, Copy)]
pub struct JsonPath<'a> {
    trail: &'a Trail,
    step: usize,
}

/// The steps to everything that is open or was touched by the latest push.
#[derive(Clone, Debug, Default)]
pub(super) struct Trail {
    steps: Vec<Step>,
    /// The steps of the open values, root first: containers, and the string being read.
    open: Vec<usize>,
    /// All keys that steps refer to, one after the other.
    keys: String,
    /// The key read last, or being read.
    key: Span,
    /// Length of `keys` when it was last tidied.
    tidied: usize,
}

#[derive(Clone, Copy, Debug)]
struct Step {
    parent: usize,
    place: Place,
}

#[derive(Clone, Copy, Debug)]
enum Place {
    Root,
    Index(usize),
    Key(Span),
}

/// A range of bytes of a text.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Span {
    pub(super) start: usize,
    pub(super) end: usize,
}

impl<'a> JsonPath<'a> {
    pub(super) fn new(trail: &'a Trail, step: usize) -> Self {
        Self { trail, step }
    }

    /// The steps from the root on; none for the root itself.
    ///
    /// A slice of them can be matched: `[Segment::Key("items"), Segment::Index(i), ..]`.
    pub fn segments(&self) -> Vec<Segment<'a>> {
        let mut segments = Vec::new();
        let mut at = self.step;
        loop {
            let step = &self.trail.steps[at];
            segments.push(match step.place {
                Place::Root => break,
                Place::Index(index) => Segment::Index(index),
                Place::Key(span) => Segment::Key(&self.trail.keys[span.start..span.end]),
            });
            at = step.parent;
        }
        segments.reverse();
        segments
    }

    /// What `value` holds at this path.
    pub fn find<'v>(&self, value: &'v Value) -> Option<&'v Value> {
        self.segments().iter().try_fold(value, |value, segment| match segment {
            Segment::Key(key) => value.as_object()?.get(*key),
            Segment::Index(index) => value.as_array()?.get(*index),
        })
    }
}

impl fmt::Display for JsonPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.segments().iter().try_for_each(|segment| write!(f, "/{segment}"))
    }
}

impl fmt::Debug for JsonPath<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "JsonPath({:?})", self.to_string())
    }
}

/// As in a JSON pointer: `~` is `~0`, `/` is `~1`.
impl fmt::Display for Segment<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Key(key) => f.write_str(&key.replace('~', "~0").replace('/', "~1")),
            Self::Index(index) => index.fmt(f),
        }
    }
}

impl Trail {
    /// Forgets what only the push before this one touched.
    pub(super) fn tidy(&mut self) {
        if self.steps.len() > self.open.len() {
            spend(self.open.len());
            for (at, step) in self.open.iter_mut().enumerate() {
                // A step is made after its parent, so that no step is overwritten before it was moved.
                self.steps[at] = Step { parent: at.saturating_sub(1), ..self.steps[*step] };
                *step = at;
            }
            self.steps.truncate(self.open.len());
        }
        // Doubling pays for the copy: keys that stay are not copied again before as many new bytes have come.
        if self.keys.len() > 2 * self.tidied + 1024 {
            spend(self.keys.len());
            let all = std::mem::take(&mut self.keys);
            let spans = self.steps.iter_mut().filter_map(|step| match &mut step.place {
                Place::Key(span) => Some(span),
                Place::Root | Place::Index(_) => None,
            });
            for span in spans.chain([&mut self.key]) {
                let start = self.keys.len();
                self.keys.push_str(&all[span.start..span.end]);
                *span = Span { start, end: self.keys.len() };
            }
            self.tidied = self.keys.len();
        }
    }

    /// Begins a new key.
    pub(super) fn open_key(&mut self) {
        self.key = Span { start: self.keys.len(), end: self.keys.len() };
    }

    /// Lets `read` append to the key, which is the last of all.
    pub(super) fn grow_key<T>(&mut self, read: impl FnOnce(&mut String) -> T) -> T {
        let result = read(&mut self.keys);
        self.key.end = self.keys.len();
        result
    }

    /// The key read last.
    pub(super) fn key(&self) -> &str {
        &self.keys[self.key.start..self.key.end]
    }

    /// Makes the step to a value in the innermost open container, of the given shape.
    pub(super) fn step(&mut self, container: Option<Shape>, position: usize) -> usize {
        let place = match container {
            None => Place::Root,
            Some(Shape::Array) => Place::Index(position),
            Some(Shape::Object) => Place::Key(self.key),
        };
        self.steps.push(Step { parent: self.innermost(), place });
        self.steps.len() - 1
    }

    /// Marks the value of a step as open.
    pub(super) fn enter(&mut self, step: usize) {
        self.open.push(step);
    }

    /// Marks the innermost open value as closed, and returns its step.
    pub(super) fn leave(&mut self) -> usize {
        let step = self.innermost();
        self.open.pop();
        step
    }

    /// The step of the innermost open value.
    pub(super) fn innermost(&self) -> usize {
        self.open.last().copied().unwrap_or_default()
    }
}
