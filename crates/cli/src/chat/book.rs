//! Where the conversations of a chat are: in this terminal's own history, or in the gateway that answers, whose pages show the same ones.

use perennial_history::{Conversation, Document, Json, NewConversation, Patch, Query, Turn};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::exit::{Exit, Failure};
use crate::gateway::Gateway;
use crate::history::{Opened, failure};
use crate::question::Settings;

/// A conversation of a gateway is looked for by a part of its id among so many.
const LOOKED_THROUGH: usize = 1_000;

#[derive(Debug)]
pub(super) enum Book {
    Here(Opened),
    There(Gateway),
}

#[derive(Deserialize)]
struct Listed {
    data: Vec<Conversation>,
}

#[derive(Deserialize)]
struct Turns {
    turns: Vec<Turn>,
}

impl Book {
    /// A conversation in which nothing was said yet.
    pub(super) async fn create(
        &self,
        settings: &Settings,
        tools: &[String],
    ) -> Result<Conversation, Failure> {
        match self {
            Self::Here(opened) => {
                let wrong = |error| failure(&error);
                let mut new = NewConversation::with_model(&settings.model);
                new.system.clone_from(&settings.system);
                let lasting = json!({"thinking": settings.thinking, "options": settings.options});
                new.settings = Json::of(&lasting).map_err(wrong)?;
                opened.conversations.create(&new).await.map_err(wrong)
            }
            Self::There(gateway) => {
                let new = json!({
                    "model": settings.model,
                    "system": settings.system,
                    "settings": {"thinking": settings.thinking, "max_tokens": settings.max_tokens, "tools": tools},
                });
                gateway.send(Method::POST, "/v1/conversations", &new).await
            }
        }
    }

    pub(super) async fn get(&self, id: &str) -> Result<Conversation, Failure> {
        match self {
            Self::Here(opened) => opened.conversations.get(id).await.map_err(|error| failure(&error)),
            Self::There(gateway) => gateway.get(&path(id)).await,
        }
    }

    /// Its turns, of all branches.
    pub(super) async fn turns(&self, id: &str) -> Result<Vec<Turn>, Failure> {
        match self {
            Self::Here(opened) => opened.conversations.turns(id).await.map_err(|error| failure(&error)),
            Self::There(gateway) => Ok(gateway.get::<Turns>(&path(id)).await?.turns),
        }
    }

    /// The turns of the branch that is spoken on.
    pub(super) async fn branch(&self, id: &str) -> Result<Vec<Turn>, Failure> {
        match self {
            Self::Here(opened) => {
                let wrong = |error| failure(&error);
                let of = &opened.conversations;
                match of.get(id).await.map_err(wrong)?.head {
                    Some(head) => of.path(&head).await.map_err(wrong),
                    None => Ok(Vec::new()),
                }
            }
            Self::There(_) => {
                let (conversation, turns) = self.whole(id).await?;
                Ok(branch(turns, conversation.head))
            }
        }
    }

    /// The conversation and its turns, of all branches.
    pub(super) async fn whole(&self, id: &str) -> Result<(Conversation, Vec<Turn>), Failure> {
        match self {
            Self::Here(_) => Ok((self.get(id).await?, self.turns(id).await?)),
            Self::There(gateway) => {
                // Both of one answer, so that they are of one moment.
                let whole = gateway.text(&path(id)).await?;
                Ok((gateway.read(&whole)?, gateway.read::<Turns>(&whole)?.turns))
            }
        }
    }

    pub(super) async fn patch(&self, id: &str, patch: &Patch) -> Result<Conversation, Failure> {
        match self {
            Self::Here(opened) => {
                opened.conversations.patch(id, patch).await.map_err(|error| failure(&error))
            }
            Self::There(gateway) => {
                let mut changes = serde_json::Map::new();
                if let Some(model) = &patch.model {
                    changes.insert("model".to_owned(), json!(model));
                }
                if let Some(system) = &patch.system {
                    changes.insert("system".to_owned(), json!(system));
                }
                if let Some(settings) = &patch.settings {
                    changes.insert("settings".to_owned(), json!(settings));
                }
                if let Some(head) = &patch.head {
                    changes.insert("head".to_owned(), json!(head));
                }
                gateway.send(Method::PATCH, &path(id), &Value::Object(changes)).await
            }
        }
    }

    /// The conversations, those changed last first.
    pub(super) async fn list(&self, most: usize) -> Result<Vec<Conversation>, Failure> {
        match self {
            Self::Here(opened) => {
                let mut query = Query::default();
                query.limit = most;
                let page = opened.conversations.list(&query).await.map_err(|error| failure(&error))?;
                Ok(page.data)
            }
            Self::There(gateway) => {
                let listed: Listed = gateway.get(&format!("/v1/conversations?limit={most}")).await?;
                Ok(listed.data)
            }
        }
    }

    /// That one, by its id or the beginning of it; the one that was changed last where none is named.
    pub(super) async fn find(&self, id: Option<&str>) -> Result<Conversation, Failure> {
        let none = |message: String| Failure::new(Exit::Usage, message);
        let Some(id) = id else {
            let last = self.list(1).await?.into_iter().next();
            return last.ok_or_else(|| none("there is no conversation yet that could go on".to_owned()));
        };
        if let Self::Here(opened) = self {
            return opened.conversations.find(id).await.map_err(|error| failure(&error));
        }
        let bare = id.strip_prefix("conv_").unwrap_or(id);
        let begins = |one: &Conversation| one.id.strip_prefix("conv_").is_some_and(|id| id.starts_with(bare));
        let mut found = self.list(LOOKED_THROUGH).await?;
        found.retain(begins);
        match (found.pop(), found.len()) {
            (Some(one), 0) => Ok(one),
            (Some(_), _) => Err(none(format!("several conversations begin with `{id}`: say more of it"))),
            (None, _) => Err(none(format!("there is no conversation `{id}`"))),
        }
    }

    /// The conversation with everything, as a document that `logs import` and gateways take.
    pub(super) async fn exported(&self, id: &str) -> Result<String, Failure> {
        match self {
            Self::Here(opened) => {
                let exported = opened.conversations.exported(id).await.map_err(|error| failure(&error))?;
                Document::new(vec![exported]).to_json().map_err(|error| failure(&error))
            }
            Self::There(gateway) => gateway.text(&format!("{}/export", path(id))).await,
        }
    }

    /// The address of its page, where it has one.
    pub(super) fn page(&self, id: &str) -> Option<String> {
        match self {
            Self::Here(_) => None,
            Self::There(gateway) => Some(gateway.url(&format!("/c/{id}"))),
        }
    }

    pub(super) async fn close(self) {
        if let Self::Here(opened) = self {
            opened.close().await;
        }
    }
}

/// Where a gateway has a conversation.
pub(super) fn path(id: &str) -> String {
    format!("/v1/conversations/{id}")
}

/// The turns from the root to this one.
fn branch(mut turns: Vec<Turn>, head: Option<String>) -> Vec<Turn> {
    let (mut branch, mut next) = (Vec::new(), head);
    while let Some(at) = next.and_then(|id| turns.iter().position(|turn| turn.id == id)) {
        // Each is taken once, so a ring of turns is no trap.
        let turn = turns.swap_remove(at);
        next = turn.parent.clone();
        branch.push(turn);
    }
    branch.reverse();
    branch
}
