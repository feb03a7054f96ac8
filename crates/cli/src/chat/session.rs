//! A session: the conversation that goes on, and what the next request is to be like.

use std::collections::VecDeque;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use perennial_history::{Conversation, Patch, State, Turn};
use serde_json::{Value, json};

use super::book::Book;
use super::command::Command;
use super::lines::Line;
use super::tools::tools_of;
use super::{ChatArgs, Flow, words};
use crate::exit::{Exit, Failure, say};
use crate::history::{Opened, Place};
use crate::listen::Signals;
use crate::logging::INDENT;
use crate::logs::shown;
use crate::output::Answer;
use crate::question::{DEFAULT_MAX_TOKENS, DEFAULT_MODEL, Settings};
use crate::record::Past;
use crate::service::Service;
use crate::show::{Look, Paid};
use crate::terminal;

/// So many conversations `/open` lists.
const LISTED: usize = 10;

pub(super) struct Session {
    pub(super) book: Book,
    /// The file for the arrow keys, where anything is kept.
    lines: Option<PathBuf>,
    /// `None` until something is said.
    pub(super) conversation: Option<Conversation>,
    pub(super) settings: Settings,
    /// Which of a gateway's tools a conversation has that it keeps.
    pub(super) tools: Vec<String>,
    pub(super) service: Service,
    pub(super) look: Look,
    /// Whether each answer's figures are said.
    pub(super) tells_usage: bool,
    /// Whether somebody types, in a terminal.
    pub(super) is_typed: bool,
    /// Lines that were typed while an answer came.
    pub(super) typed: VecDeque<String>,
}

impl Session {
    pub(super) async fn open(args: &ChatArgs) -> Result<Self, Failure> {
        let place = Place::find()?;
        let goes_on = args.goes_on || args.cid.is_some();
        let is_kept = place.is_on() && !args.no_log;
        let lines = if is_kept { Some(beside(place.file()?, "-lines")) } else { None };
        let mut service = args.service.open().await?;
        let gateway = if is_kept && args.is_for_a_gateway() { args.service.gateway().await? } else { None };
        let (book, conversation) = match gateway {
            Some((gateway, paid)) => {
                service.paid = paid;
                let book = Book::There(gateway);
                let found = if goes_on { Some(book.find(args.cid.as_deref()).await?) } else { None };
                (book, found)
            }
            None if goes_on => {
                let past = Past::find(&place, args.cid.as_deref()).await?;
                (Book::Here(past.opened), Some(past.conversation))
            }
            None if is_kept => (Book::Here(place.open().await?), None),
            None => (Book::Here(Opened::in_memory().await?), None),
        };
        let mut session = Self {
            book,
            lines,
            conversation: None,
            tools: Vec::new(),
            settings: Settings {
                model: args.model.clone().unwrap_or_else(|| DEFAULT_MODEL.to_owned()),
                max_tokens: args.max_tokens.unwrap_or(DEFAULT_MAX_TOKENS),
                system: args.system.clone(),
                thinking: args.thinking.is_some(),
                schema: None,
                cached: true,
                options: args.options.clone(),
            },
            service,
            look: Look::of(&args.wishes()),
            tells_usage: args.usage,
            is_typed: false,
            typed: VecDeque::new(),
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

    /// The next of the lines that were typed while an answer came, shown now, since it was not then.
    pub(super) fn typed_before(&mut self) -> Option<Line> {
        let line = self.typed.pop_front()?;
        tell(&format!("> {line}"));
        Some(Line::Text(line))
    }

    /// Shows the answer that still comes in this conversation, where a gateway makes one.
    pub(super) async fn rejoin(&mut self, signals: &mut Signals) -> Result<Flow, Failure> {
        if matches!(self.book, Book::Here(_)) {
            return Ok(Flow::On);
        }
        match self.branch().await?.pop().filter(|turn| turn.state == State::Running) {
            Some(turn) => {
                let coming = self.coming(turn)?;
                self.follow(coming, signals).await
            }
            None => Ok(Flow::On),
        }
    }

    /// The file of earlier lines.
    pub(super) fn history_of_lines(&self) -> Option<PathBuf> {
        self.lines.clone()
    }

    /// What a reader should know before the first line.
    pub(super) fn greet(&mut self, is_typed: bool) {
        self.is_typed = is_typed;
        if let Book::There(gateway) = &self.book {
            let simulated = if self.service.paid == Paid::Nobody { ", by its simulator" } else { "" };
            say(format_args!(
                "the gateway at {} answers{simulated}, and keeps what is said",
                gateway.url("")
            ));
        } else if let Some(notice) = self.service.notice {
            say(notice);
        } else if self.service.paid == Paid::Nobody {
            say("the embedded simulator answers");
        }
        if let Some(conversation) = &self.conversation {
            let title = Some(&conversation.title).filter(|title| !title.is_empty());
            let title = title.map(|title| format!(": {title}")).unwrap_or_default();
            say(format_args!("going on with {}{title}", conversation.id));
        }
        if is_typed {
            say(format_args!("{} answers; /help lists commands, Ctrl-D leaves", self.settings.model));
        }
    }

    /// The conversation, made if nothing was said yet; as it stands now.
    pub(super) async fn conversation(&mut self) -> Result<Conversation, Failure> {
        let conversation = match &self.conversation {
            Some(conversation) => self.book.get(&conversation.id).await?,
            None => self.book.create(&self.settings, &self.tools).await?,
        };
        self.conversation = Some(conversation.clone());
        Ok(conversation)
    }

    /// The turns of the branch that is spoken on.
    pub(super) async fn branch(&self) -> Result<Vec<Turn>, Failure> {
        match &self.conversation {
            Some(conversation) => self.book.branch(&conversation.id).await,
            None => Ok(Vec::new()),
        }
    }

    pub(super) async fn close(self) {
        if let Some(conversation) = self.conversation.as_ref().filter(|_| self.lines.is_some()) {
            say(format_args!("{}: chat -c goes on", conversation.id));
        }
        self.book.close().await;
    }

    /// The commands that ask nobody.
    pub(super) async fn set(&mut self, command: Command) -> Result<(), Failure> {
        match command {
            Command::Help => tell(&words::help(terminal::stderr_columns())),
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
                self.book.patch(&conversation.id, &Patch::head(&chosen.id)).await?;
                tell(&words::exchange(&self.branch().await?));
            }
            Command::Tools(what) => self.tools(what.as_deref()).await?,
            Command::Usage => tell(&words::usage(&self.turns().await?, self.service.paid)),
            Command::Save(file) => self.save(file.as_deref()).await?,
            Command::Open => self.show_page()?.iter().for_each(say),
            Command::Chats(None) => match &*self.book.list(LISTED).await? {
                [] => tell("there is no conversation yet"),
                listed => tell(&shown::list(listed, terminal::stderr_columns())),
            },
            Command::Chats(Some(id)) => {
                let conversation = self.book.find(Some(&id)).await?;
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
        self.tools = tools_of(&conversation);
        self.conversation = Some(conversation);
    }

    pub(super) async fn patch(&mut self, patch: &Patch) -> Result<(), Failure> {
        let Some(conversation) = &self.conversation else { return Ok(()) };
        self.conversation = Some(self.book.patch(&conversation.id, patch).await?);
        Ok(())
    }

    async fn turns(&self) -> Result<Vec<Turn>, Failure> {
        let Some(conversation) = &self.conversation else { return Ok(Vec::new()) };
        self.book.turns(&conversation.id).await
    }

    async fn head(&self) -> Result<Option<String>, Failure> {
        let Some(conversation) = &self.conversation else { return Ok(None) };
        Ok(self.book.get(&conversation.id).await?.head)
    }

    async fn save(&self, file: Option<&str>) -> Result<(), Failure> {
        let Some(file) = file else {
            return Err(Failure::new(Exit::Usage, "/save needs the name of a file"));
        };
        let Some(conversation) = &self.conversation else {
            return Err(Failure::new(Exit::Usage, "nothing was said yet"));
        };
        let text = if Path::new(file).extension().is_some_and(|ending| ending.eq_ignore_ascii_case("json")) {
            self.book.exported(&conversation.id).await?
        } else {
            let conversation = self.book.get(&conversation.id).await?;
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
pub(super) fn tell(text: &str) {
    let columns = terminal::stderr_columns();
    let mut err = std::io::stderr().lock();
    for line in terminal::harmless(text.trim_end_matches('\n')).split('\n') {
        // That nobody reads it is no reason to fail.
        drop(writeln!(err, "{}", terminal::folded(line, columns, INDENT)));
    }
}

fn beside(file: &Path, ending: &str) -> PathBuf {
    let mut name = file.as_os_str().to_owned();
    name.push(ending);
    name.into()
}
