//! `/tools`: which of a gateway's tools a conversation that it keeps has.

use perennial_history::{Conversation, Json, Patch};
use serde::Deserialize;
use serde_json::{Value, json};

use super::book::Book;
use super::session::{Session, tell};
use super::words;
use crate::exit::{Exit, Failure, say};
use crate::history::failure;
use crate::terminal;

/// What a gateway says of itself.
#[derive(Deserialize)]
struct Told {
    tools: Vec<Tool>,
}

/// A tool of a gateway's.
#[derive(Deserialize)]
pub(super) struct Tool {
    pub(super) name: String,
    #[serde(default)]
    pub(super) description: String,
}

impl Session {
    /// Lists them, or switches some on or off; without a name, all of them.
    pub(super) async fn tools(&mut self, what: Option<&str>) -> Result<(), Failure> {
        let wrong = |message: String| Failure::new(Exit::Usage, message);
        let Book::There(gateway) = &self.book else {
            let message = "only a gateway has tools, and this conversation is kept in this terminal: perennial serve, and chat --base-url http://127.0.0.1:8787";
            return Err(wrong(message.to_owned()));
        };
        let known = gateway.get::<Told>("/v1/session").await?.tools;
        if let Some(conversation) = &self.conversation {
            // It may have been changed on its page.
            let conversation = self.book.get(&conversation.id).await?;
            self.tools = tools_of(&conversation);
            self.conversation = Some(conversation);
        }
        let Some(what) = what else {
            tell(&words::tools(&known, &self.tools, terminal::stderr_columns()));
            return Ok(());
        };
        let (switch, names) = what.split_once(char::is_whitespace).unwrap_or((what, ""));
        let named: Vec<&str> = names.split([' ', '\t', '\n', ',']).filter(|name| !name.is_empty()).collect();
        let is_known = |name: &&&str| known.iter().any(|tool| tool.name == **name);
        if let Some(unknown) = named.iter().find(|name| !is_known(name)) {
            return Err(wrong(format!("there is no tool `{unknown}`; /tools lists what there is")));
        }
        let is_named = |name: &str| named.is_empty() || named.contains(&name);
        let is_on = match switch {
            "on" => true,
            "off" => false,
            _ => {
                return Err(wrong(
                    "`/tools on NAME` or `/tools off NAME`; without a name, all of them".to_owned(),
                ));
            }
        };
        let (had, names) = (std::mem::take(&mut self.tools), known.into_iter().map(|tool| tool.name));
        self.tools = names.filter(|name| if is_named(name) { is_on } else { had.contains(name) }).collect();
        self.keep_tools().await.inspect_err(|_| self.tools = had)?;
        match &*self.tools {
            [] => say("there are no tools from now on"),
            tools => say(format_args!("tools from now on: {}", tools.join(", "))),
        }
        Ok(())
    }

    /// The settings of a conversation are changed as a whole.
    async fn keep_tools(&mut self) -> Result<(), Failure> {
        let Some(conversation) = &self.conversation else { return Ok(()) };
        let mut settings: Value = conversation.settings.read().map_err(|error| failure(&error))?;
        settings["tools"] = json!(self.tools);
        let mut patch = Patch::default();
        patch.settings = Some(Json::of(&settings).map_err(|error| failure(&error))?);
        self.patch(&patch).await
    }
}

/// The names of the tools that a conversation has.
pub(super) fn tools_of(conversation: &Conversation) -> Vec<String> {
    let settings: Value = conversation.settings.read().unwrap_or_default();
    serde_json::from_value(settings["tools"].clone()).unwrap_or_default()
}
