//! Conversations as one JSON document: what an export gives and an import takes.

use std::collections::{HashMap, HashSet};

use serde::{Deserialize, Serialize};

use crate::conversation::Conversation;
use crate::error::{Error, Result};
use crate::turn::Turn;

/// The number of the form. A later one that older versions cannot read gets another.
const FORMAT: u32 = 1;

/// Conversations with everything: all turns of all branches, contents to the byte.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename = "perennial_conversations")]
#[non_exhaustive]
pub struct Document {
    format: u32,
    /// In any order.
    pub conversations: Vec<Exported>,
}

/// One conversation with its turns.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Exported {
    /// The conversation.
    pub conversation: Conversation,
    /// All its turns.
    pub turns: Vec<Turn>,
}

/// A conversation that was taken in.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct Imported {
    /// Its id in the document.
    pub was: String,
    /// Its id now: the same, if it was free.
    pub id: String,
}

impl Document {
    /// A document of these.
    #[must_use]
    pub fn new(conversations: Vec<Exported>) -> Self {
        Self { format: FORMAT, conversations }
    }

    /// Reads the text of a document.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid): it is none, or one of a later form.
    pub fn from_json(text: &str) -> Result<Self> {
        #[derive(Deserialize)]
        struct Form {
            #[serde(rename = "type")]
            kind: String,
            format: u32,
        }
        let wrong =
            |error: serde_json::Error| Error::invalid(format!("this is no export of conversations: {error}"));
        let form: Form = serde_json::from_str(text).map_err(wrong)?;
        if form.kind != "perennial_conversations" {
            return Err(Error::invalid(format!("this is no export of conversations but `{}`", form.kind)));
        }
        if form.format > FORMAT {
            let message =
                format!("this export has the form {}; this version reads up to {FORMAT}", form.format);
            return Err(Error::invalid(message));
        }
        serde_json::from_str(text).map_err(wrong)
    }

    /// The text of the document.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid), in theory.
    pub fn to_json(&self) -> Result<String> {
        serde_json::to_string(self)
            .map_err(|error| Error::invalid(format!("this cannot be written: {error}")))
    }
}

impl Exported {
    /// The turns with each behind its parent, if they are trees and the head is one of them.
    pub(crate) fn in_order(&self) -> Result<Vec<&Turn>> {
        let id = &self.conversation.id;
        let wrong = |what: String| Error::invalid(format!("the conversation `{id}` of the export {what}"));
        let mut children: HashMap<Option<&str>, Vec<&Turn>> = HashMap::new();
        let mut names = HashSet::new();
        for turn in &self.turns {
            if !names.insert(turn.id.as_str()) {
                return Err(wrong(format!("has the turn `{}` twice", turn.id)));
            }
            children.entry(turn.parent.as_deref()).or_default().push(turn);
        }
        if let Some(head) = self.conversation.head.as_deref().filter(|head| !names.contains(head)) {
            return Err(wrong(format!("lacks its head `{head}`")));
        }
        let mut ordered = Vec::with_capacity(self.turns.len());
        let mut next: Vec<_> = children.remove(&None).unwrap_or_default();
        next.reverse();
        while let Some(turn) = next.pop() {
            ordered.push(turn);
            next.extend(children.remove(&Some(turn.id.as_str())).unwrap_or_default().into_iter().rev());
        }
        // What is not reached hangs on a turn that is not there, or in a ring.
        match children.values().flatten().next() {
            Some(lost) => Err(wrong(format!("has a turn `{}` whose parent is missing", lost.id))),
            None => Ok(ordered),
        }
    }
}
