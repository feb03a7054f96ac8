//! Definitions: what the document has said so far about its link labels and footnotes.

use std::collections::{HashMap, HashSet};

use unicase::UniCase;

/// Where a label leads, and the title.
pub(crate) type Target = (String, String);

/// The definitions of the whole document; the first of each label counts.
#[derive(Debug, Default)]
pub(crate) struct Definitions {
    links: HashMap<UniCase<String>, Target>,
    footnotes: HashSet<UniCase<String>>,
}

/// One definition as it stands in the text that was parsed.
#[derive(Debug, Clone)]
pub(crate) struct Defined {
    pub(crate) label: String,
    pub(crate) target: Target,
    pub(crate) start: usize,
    pub(crate) end: usize,
}

impl Definitions {
    pub(crate) fn link(&self, label: &str) -> Option<&Target> {
        // Nearly every document has none, and the key must be a string of its own.
        if self.links.is_empty() { None } else { self.links.get(&UniCase::new(label.to_owned())) }
    }

    pub(crate) fn footnote(&self, label: &str) -> bool {
        !self.footnotes.is_empty() && self.footnotes.contains(&UniCase::new(label.to_owned()))
    }

    /// True when the label is new.
    pub(crate) fn add_link(&mut self, label: &str, target: &Target) -> bool {
        let key = UniCase::new(label.to_owned());
        if self.links.contains_key(&key) {
            return false;
        }
        self.links.insert(key, target.clone());
        true
    }

    /// True when the label is new.
    pub(crate) fn add_footnote(&mut self, label: &str) -> bool {
        self.footnotes.insert(UniCase::new(label.to_owned()))
    }
}

/// The labels of all `[^label]` in a text, wherever they stand.
pub(crate) fn footnote_labels(text: &str) -> impl Iterator<Item = &str> {
    text.match_indices("[^").filter_map(|(at, _)| {
        let rest = &text[at + 2..];
        let end = rest.find([']', '[', '\n'])?;
        (rest.as_bytes()[end] == b']').then(|| &rest[..end])
    })
}
