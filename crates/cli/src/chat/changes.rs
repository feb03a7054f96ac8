//! What becomes of a conversation that a gateway keeps: waited for on the gateway's feed of changes, and not asked for again and again.

use std::time::Duration;

use perennial_history::{Conversation, Turn};
use serde::Deserialize;

use super::book::Book;
use crate::exit::Failure;
use crate::gateway::Gateway;
use crate::listen::Signals;

const FEED: &str = "/v1/conversations/events";

/// Before a feed that broke is opened again.
const PAUSE: Duration = Duration::from_secs(1);

/// What an event is about; of the first one, which says that changes are told from now on, that is everything.
#[derive(Default, Deserialize)]
struct Change {
    id: Option<String>,
}

impl Book {
    /// What `find` finds in a conversation, as soon as it finds something; `None` where a signal comes before that, and where no gateway keeps it.
    pub(super) async fn once<T>(
        &self,
        id: &str,
        find: impl Fn(&Conversation, &[Turn]) -> Option<T>,
        signals: &mut Signals,
    ) -> Result<Option<T>, Failure> {
        let Self::There(gateway) = self else { return Ok(None) };
        tokio::select! {
            found = self.told(gateway, id, find) => found.map(Some),
            () = signals.next() => Ok(None),
        }
    }

    async fn told<T>(
        &self,
        gateway: &Gateway,
        id: &str,
        find: impl Fn(&Conversation, &[Turn]) -> Option<T>,
    ) -> Result<T, Failure> {
        loop {
            let mut feed = gateway.feed(FEED).await?;
            while let Some(data) = feed.next().await {
                let change: Change = serde_json::from_str(&data).unwrap_or_default();
                if change.id.is_some_and(|changed| changed != id) {
                    continue;
                }
                let (conversation, turns) = self.whole(id).await?;
                if let Some(found) = find(&conversation, &turns) {
                    return Ok(found);
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
    }
}
