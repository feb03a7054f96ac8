//! A session: the conversation that goes on, and what the next request is to be like.

use std::io::Write as _;
use std::path::{Path, PathBuf};

use perennial_history::{Conversation, Conversations, Document, Json, NewConversation, Patch, Query, Turn};
use serde_json::{Value, json};

use super::ChatArgs;
use super::command::Command;
use super::words;
use crate::exit::{Exit, Failure, say};
use crate::history::{Opened, Place, failure};
use crate::logs::shown;
use crate::output::{self, Answer};
use crate::question::{DEFAULT_MAX_TOKENS, DEFAULT_MODEL, Settings};
use crate::record::Past;
use crate::service::Service;
use crate::show::{Look, Paid};

/// So many conversations `/open` lists.
const LISTED: usize = 10;

pub(super) struct Session {
    opened: Opened,
    /// The file for the arrow keys, where anything is kept.
    lines: Option<PathBuf>,
    /// `None` until something is said.
    pub(super) conversation: Option<Conversation>,
    pub(super) settings: Settings,
    pub(super) service: Service,
    pub(super) look: Look,
    /// Whether each answer's figures are said.
    pub(super) tells_usage: bool,
}

impl Session {
    pub(super) async fn open(args: &ChatArgs) -> Result<Self, Failure> {
        let place = Place::find()?;
        let goes_on = args.goes_on || args.cid.is_some();
        let is_kept = place.is_on() && !args.no_log;
        let lines = if is_kept { Some(beside(place.file()?, "-lines")) } else { None };
        let (opened, conversation) = if goes_on {
            let past = Past::find(&place, args.cid.as_deref()).await?;
            (past.opened, Some(past.conversation))
        } else if is_kept {
            (place.open().await?, None)
        } else {
            (Opened::in_memory().await?, None)
        };
        let mut session = Self {
            opened,
            lines,
            conversation: None,
            settings: Settings {
                model: args.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
                max_tokens: args.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
                system: args.system.clone(),
                thinking: args.thinking.is_some(),
                schema: None,
                options: args.options.clone(),
            },
            service: args.service.open().await?,
            look: Look::of(&args.wishes()),
            tells_usage: args.usage,
        };
        if let Some(conversation) = conversation {
            let named = (args.model.clone(), args.system.clone());
            session.go_on(conversation);
            // A flag goes before what the conversation began with.
            session.settings.model = named.0.unwrap_or(session.settings.model);
            session.settings.system = named.1.or(session.settings.system);
        }
        Ok(session)
    }

    /// The file of earlier lines.
    pub(super) fn history_of_lines(&self) -> Option<PathBuf> {
        self.lines.clone()
    }

    /// What a reader should know before the first line.
    pub(super) fn greet(&self, is_edited: bool) {
        if let Some(notice) = self.service.notice {
            say(notice);
        } else if self.service.paid == Paid::Nobody {
            say("the embedded simulator answers");
        }
        if let Some(conversation) = &self.conversation {
            say(format_args!("going on with {}: {}", conversation.id, conversation.title));
        }
        if is_edited {
            say(format_args!("{} answers; /help lists commands, Ctrl-D leaves", self.settings.model));
        }
    }

    pub(super) fn of(&self) -> &Conversations {
        &self.opened.conversations
    }

    /// The conversation, made if nothing was said yet; as it stands in the history now.
    pub(super) async fn conversation(&mut self) -> Result<Conversation, Failure> {
        let wrong = |error| failure(&error);
        let conversation = match &self.conversation {
            Some(conversation) => self.of().get(&conversation.id).await.map_err(wrong)?,
            None => {
                let mut new = NewConversation::with_model(&self.settings.model);
                new.system.clone_from(&self.settings.system);
                let lasting = json!({"thinking": self.settings.thinking, "options": self.settings.options});
                new.settings = Json::of(&lasting).map_err(wrong)?;
                self.of().create(&new).await.map_err(wrong)?
            }
        };
        self.conversation = Some(conversation.clone());
        Ok(conversation)
    }

    /// The turns of the branch that is spoken on.
    pub(super) async fn branch(&self) -> Result<Vec<Turn>, Failure> {
        let Some(conversation) = &self.conversation else { return Ok(Vec::new()) };
        let wrong = |error| failure(&error);
        let conversation = self.of().get(&conversation.id).await.map_err(wrong)?;
        match &conversation.head {
            Some(head) => self.of().path(head).await.map_err(wrong),
            None => Ok(Vec::new()),
        }
    }

    pub(super) async fn close(self) {
        if let Some(conversation) = self.conversation.as_ref().filter(|_| self.lines.is_some()) {
            say(format_args!("{}: chat -c goes on", conversation.id));
        }
        self.opened.close().await;
    }

    /// The commands that ask nobody.
    pub(super) async fn set(&mut self, command: Command) -> Result<(), Failure> {
        let wrong = |error| failure(&error);
        match command {
            Command::Help => tell(&words::help()),
            Command::Model(None) => tell(&self.settings.model),
            Command::Model(Some(model)) => {
                let mut patch = Patch::default();
                patch.model = Some(model.clone());
                self.patch(&patch).await?;
                say(format_args!("{model} answers from now on"));
                self.settings.model = model;
            }
            Command::System(None) => {
                tell(self.settings.system.as_deref().unwrap_or("there is no system prompt"));
            }
            Command::System(Some(text)) => {
                let system = Some(text).filter(|text| text != "-");
                let mut patch = Patch::default();
                patch.system = Some(system.clone());
                self.patch(&patch).await?;
                self.settings.system = system;
                say("the system prompt is another one from now on");
            }
            Command::Branch(None) => {
                tell(&words::branches(&self.turns().await?, self.head().await?.as_deref()));
            }
            Command::Branch(Some(number)) => {
                let turns = self.turns().await?;
                let ends = words::ends(&turns);
                let chosen = number.parse::<usize>().ok().and_then(|number| ends.get(number.checked_sub(1)?));
                let (Some(chosen), Some(conversation)) = (chosen, &self.conversation) else {
                    return Err(Failure::new(Exit::Usage, "there is no such branch; /branch lists them"));
                };
                self.of().set_head(&conversation.id, &chosen.id).await.map_err(wrong)?;
                tell(&words::exchange(&self.branch().await?));
            }
            Command::Usage => tell(&words::usage(&self.turns().await?, self.service.paid)),
            Command::Save(file) => self.save(file.as_deref()).await?,
            Command::Open(None) => {
                let mut query = Query::default();
                query.limit = LISTED;
                let page = self.of().list(&query).await.map_err(wrong)?;
                tell(&shown::list(&page.data));
            }
            Command::Open(Some(id)) => {
                let conversation = self.of().find(&id).await.map_err(wrong)?;
                self.go_on(conversation);
                tell(&words::exchange(&self.branch().await?));
            }
            Command::New => {
                self.conversation = None;
                say("what is said next begins another conversation");
            }
            Command::Copy => copy(&self.branch().await?)?,
            // They ask somebody, or leave.
            Command::Retry | Command::Edit | Command::Quit => {}
        }
        Ok(())
    }

    /// From here on this one is spoken on, as it began.
    fn go_on(&mut self, conversation: Conversation) {
        if !conversation.model.is_empty() {
            self.settings.model.clone_from(&conversation.model);
        }
        self.settings.system.clone_from(&conversation.system);
        let began: Value = conversation.settings.read().unwrap_or_default();
        self.settings.thinking |= began["thinking"] == json!(true);
        if let Ok(options) = serde_json::from_value::<Vec<String>>(began["options"].clone()) {
            self.settings.options = options;
        }
        self.conversation = Some(conversation);
    }

    async fn patch(&mut self, patch: &Patch) -> Result<(), Failure> {
        let Some(conversation) = &self.conversation else { return Ok(()) };
        let patched = self.of().patch(&conversation.id, patch).await.map_err(|error| failure(&error))?;
        self.conversation = Some(patched);
        Ok(())
    }

    async fn turns(&self) -> Result<Vec<Turn>, Failure> {
        let Some(conversation) = &self.conversation else { return Ok(Vec::new()) };
        self.of().turns(&conversation.id).await.map_err(|error| failure(&error))
    }

    async fn head(&self) -> Result<Option<String>, Failure> {
        let Some(conversation) = &self.conversation else { return Ok(None) };
        Ok(self.of().get(&conversation.id).await.map_err(|error| failure(&error))?.head)
    }

    async fn save(&self, file: Option<&str>) -> Result<(), Failure> {
        let Some(file) = file else {
            return Err(Failure::new(Exit::Usage, "/save needs the name of a file"));
        };
        let Some(conversation) = &self.conversation else {
            return Err(Failure::new(Exit::Usage, "nothing was said yet"));
        };
        let wrong = |error| failure(&error);
        let text = if Path::new(file).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
            let exported = self.of().exported(&conversation.id).await.map_err(wrong)?;
            Document::new(vec![exported]).to_json().map_err(wrong)?
        } else {
            let conversation = self.of().get(&conversation.id).await.map_err(wrong)?;
            shown::conversation(&conversation, &self.branch().await?)
        };
        // What is there is somebody's.
        let made = std::fs::File::options().write(true).create_new(true).open(file);
        let written = made.and_then(|mut made| made.write_all(text.as_bytes()));
        written.map_err(|error| Failure::new(Exit::Other, format!("{file} cannot be written: {error}")))?;
        say(format_args!("saved in {file}"));
        Ok(())
    }
}

/// The last answer, to the terminal's clipboard: terminals that let programs do so understand OSC 52.
fn copy(branch: &[Turn]) -> Result<(), Failure> {
    use base64::Engine as _;
    use std::io::IsTerminal as _;
    let answer = branch.iter().rev().find(|turn| turn.role == perennial_history::Role::Assistant);
    let Some(text) = answer.map(|turn| turn.content.visible_text()).filter(|text| !text.is_empty()) else {
        return Err(Failure::new(Exit::Usage, "there is no answer yet"));
    };
    if !std::io::stdout().is_terminal() {
        return Err(Failure::new(Exit::Usage, "there is no terminal whose clipboard could have it"));
    }
    let coded = base64::engine::general_purpose::STANDARD.encode(&text);
    let mut out = Answer::new();
    out.write_styled(&format!("\x1b]52;c;{coded}\x07"))?;
    out.flush()?;
    say(format_args!("{} characters were given to the terminal's clipboard", text.chars().count()));
    Ok(())
}

/// What was asked for, on standard error as it stands: standard output has the answers of the model.
fn tell(text: &str) {
    let mut err = std::io::stderr().lock();
    // That nobody reads it is no reason to fail.
    drop(writeln!(err, "{}", output::harmless(text.trim_end_matches('\n'))));
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
