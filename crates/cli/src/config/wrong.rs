//! What is wrong with a configuration, and where.

use std::fmt;

use crate::exit::{Exit, Failure, say};

/// One thing that is wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Wrong {
    at: String,
    what: String,
}

/// All that is wrong.
#[derive(Debug)]
pub(crate) struct Wrongs(pub(crate) Vec<Wrong>);

impl Wrong {
    pub(crate) fn new(at: impl Into<String>, what: impl Into<String>) -> Self {
        Self { at: at.into(), what: what.into() }
    }
}

impl fmt::Display for Wrong {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.at, self.what)
    }
}

impl Wrongs {
    /// Says each in a line; the last one is the failure.
    pub(crate) fn failure(mut self) -> Failure {
        let last = self.0.pop();
        for wrong in &self.0 {
            say(wrong);
        }
        Failure::new(Exit::Configuration, last.map(|wrong| wrong.to_string()).unwrap_or_default())
    }
}

impl From<Wrong> for Wrongs {
    fn from(wrong: Wrong) -> Self {
        Self(vec![wrong])
    }
}
