//! The list of streams, looked at again and again: which are new, which are over.

use std::collections::HashMap;

use perennial::Error;
use perennial::resources::{PageRequest, StreamInfo, Streams};

/// Streams of one page.
const PAGE: u32 = 100;

/// Pages that are looked through at the beginning for streams that run already.
const FIRST_PAGES: usize = 10;

/// What is told of a gateway.
#[derive(Debug)]
pub(super) struct Watch {
    streams: Streams,
    /// Those that had not ended when they were looked at last.
    running: HashMap<String, StreamInfo>,
    /// The newest that was ever seen: names are in the order in which they were made. `None` before the first look.
    newest: Option<String>,
}

/// What is new, each in its order.
#[derive(Debug, Default)]
pub(super) struct Look {
    pub(super) begun: Vec<StreamInfo>,
    pub(super) ended: Vec<StreamInfo>,
}

impl Watch {
    pub(super) fn new(streams: Streams) -> Self {
        Self { streams, running: HashMap::new(), newest: None }
    }

    /// Whether the gateway has answered once.
    pub(super) fn has_looked(&self) -> bool {
        self.newest.is_some()
    }

    pub(super) async fn look(&mut self) -> Result<Look, Error> {
        let mut look = Look::default();
        let listed = self.listed().await?;
        let newest = listed.first().map(|info| info.id.clone());
        let mut gone: Vec<String> = Vec::new();
        for info in listed.into_iter().rev() {
            let is_new = self.newest.as_ref().is_some_and(|newest| info.id > *newest);
            let is_known = self.running.contains_key(&info.id);
            if info.state.is_ended() {
                if is_new {
                    look.begun.push(info.clone());
                }
                if is_new || is_known {
                    gone.push(info.id);
                }
            } else if !is_known {
                look.begun.push(info.clone());
                self.running.insert(info.id.clone(), info);
            }
        }
        // Where there was none, the next one is new.
        self.newest = newest.max(self.newest.take()).or(Some(String::new()));
        // Old ones are not on the pages that were looked at.
        let asked: Vec<String> = self.running.keys().filter(|id| !gone.contains(id)).cloned().collect();
        for id in asked {
            if self.is_over(&id).await? {
                gone.push(id);
            }
        }
        gone.sort();
        for id in gone {
            look.ended.extend(self.end_of(&id).await);
        }
        Ok(look)
    }

    /// How a stream ended; `None` if it is not there any more.
    pub(super) async fn end_of(&mut self, id: &str) -> Option<StreamInfo> {
        self.running.remove(id);
        self.streams.get(id).await.ok()
    }

    async fn is_over(&self, id: &str) -> Result<bool, Error> {
        match self.streams.get(id).await {
            Ok(info) => Ok(info.state.is_ended()),
            // Deleted.
            Err(error) if matches!(error.status(), Some(404 | 410)) => Ok(true),
            Err(error) => Err(error),
        }
    }

    /// The newest streams, down to those that were seen before.
    async fn listed(&self) -> Result<Vec<StreamInfo>, Error> {
        let mut listed = Vec::new();
        let mut page = PageRequest::first().limit(PAGE);
        for number in 1.. {
            let found = self.streams.list(page).await?;
            let next = found.after();
            let reaches =
                found.data.last().zip(self.newest.as_ref()).is_some_and(|(last, seen)| last.id <= *seen);
            listed.extend(found.data);
            match next {
                Some(next) if !reaches && (self.newest.is_some() || number < FIRST_PAGES) => {
                    page = next.limit(PAGE);
                }
                _ => break,
            }
        }
        Ok(listed)
    }
}
