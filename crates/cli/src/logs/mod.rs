//! `perennial logs`: the conversations of this terminal.

pub(crate) mod shown;

use std::io::Read as _;
use std::path::{Path, PathBuf};

use clap::{Args, Subcommand};
use perennial_history::{Conversation, Document, Query, Turn};
use serde::Serialize;

use crate::exit::{EXIT_CODES, Exit, Failure, say};
use crate::history::{Opened, Place, failure};
use crate::output::Answer;
use crate::terminal;
use crate::{Run, listen};

/// So many are read at a time.
const PAGE: usize = 200;

#[derive(Debug, Args)]
#[command(after_help = EXIT_CODES)]
pub(crate) struct LogsArgs {
    #[command(subcommand)]
    command: Command,
    /// JSON, one line for each conversation
    #[arg(long, global = true)]
    json: bool,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// The conversations, those changed last first
    List {
        /// So many at most
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// One conversation: the branch that was spoken on last
    Show {
        /// Its id, or so much of its beginning that no other one begins so
        id: String,
        /// Every turn of every branch
        #[arg(long)]
        all: bool,
    },
    /// Conversations in which all of these words stand; the last may be only begun
    Search {
        #[arg(required = true, value_name = "TEXT")]
        text: Vec<String>,
        /// So many at most
        #[arg(short = 'n', long, value_name = "N", default_value_t = 20)]
        limit: usize,
    },
    /// Where the file is
    Path,
    /// Write no conversations from now on
    Off,
    /// Write conversations from now on
    On,
    /// Everything, or some conversations, as one JSON document
    Export {
        /// Their ids, or the beginnings of these; all, where none is named
        #[arg(value_name = "ID")]
        ids: Vec<String>,
    },
    /// Take in what was exported; `-` is standard input
    Import {
        #[arg(value_name = "FILE")]
        file: PathBuf,
    },
    /// Delete a conversation
    Delete {
        /// Its id, or so much of its beginning that no other one begins so
        id: String,
    },
}

pub(crate) fn run(args: &LogsArgs) -> Run {
    let place = Place::find()?;
    let mut out = Answer::new();
    match &args.command {
        Command::Path => out.write(format!("{}\n", place.file()?.display()).as_bytes())?,
        Command::Off => place.switch(false)?,
        Command::On => place.switch(true)?,
        command => listen::runtime()?.block_on(async {
            let opened = place.open().await?;
            if matches!(command, Command::List { .. }) && !place.is_on() {
                say("conversations are not written at present: `perennial logs on` changes that");
            }
            let done = told(command, args.json, &opened, &mut out).await;
            opened.close().await;
            done
        })?,
    }
    out.flush()?;
    Ok(Exit::Done)
}

async fn told(command: &Command, json: bool, opened: &Opened, out: &mut Answer) -> Result<(), Failure> {
    let of = &opened.conversations;
    let wrong = |error| failure(&error);
    match command {
        Command::List { limit } => {
            let listed = list(opened, *limit).await?;
            if json {
                return listed.iter().try_for_each(|conversation| out.json(conversation));
            }
            if listed.is_empty() {
                say("there are no conversations yet");
            }
            out.write(shown::list(&listed, terminal::stdout_columns()).as_bytes())
        }
        Command::Show { id, all } => {
            let conversation = of.find(id).await.map_err(wrong)?;
            let turns = of.turns(&conversation.id).await.map_err(wrong)?;
            if json {
                return out.json(&Whole { conversation: &conversation, turns: &turns });
            }
            let branch = match conversation.head.as_deref().filter(|_| !all) {
                Some(head) => of.path(head).await.map_err(wrong)?,
                None => turns.clone(),
            };
            out.write(shown::conversation(&conversation, &branch).as_bytes())?;
            let others = turns.len().saturating_sub(branch.len());
            if others > 0 {
                say(format_args!("{others} turns of other branches are not shown; --all shows them"));
            }
            Ok(())
        }
        Command::Search { text, limit } => {
            let mut query = Query::default();
            query.limit = *limit;
            let found = of.search(&text.join(" "), &query).await.map_err(wrong)?;
            if json {
                return found.data.iter().try_for_each(|hit| out.json(hit));
            }
            if found.data.is_empty() {
                say("nothing was found");
            }
            out.write_styled(&shown::hits(&found.data))
        }
        Command::Export { ids } => out.json(&export(opened, ids).await?),
        Command::Import { file } => {
            let document = Document::from_json(&read(file)?).map_err(wrong)?;
            for imported in of.import(&document).await.map_err(wrong)? {
                if json {
                    out.json(&imported)?;
                } else {
                    out.write(format!("{}\n", imported.id).as_bytes())?;
                }
            }
            Ok(())
        }
        Command::Delete { id } => {
            let conversation = of.find(id).await.map_err(wrong)?;
            of.delete(&conversation.id).await.map_err(wrong)?;
            say(format_args!("{} is deleted", conversation.id));
            Ok(())
        }
        // They need no database.
        Command::Path | Command::Off | Command::On => Ok(()),
    }
}

/// A conversation and its turns, as the gateway shows them.
#[derive(Serialize)]
struct Whole<'a> {
    #[serde(flatten)]
    conversation: &'a Conversation,
    turns: &'a [Turn],
}

async fn list(opened: &Opened, limit: usize) -> Result<Vec<Conversation>, Failure> {
    let mut listed: Vec<Conversation> = Vec::new();
    loop {
        let mut query = Query::default();
        query.limit = PAGE.min(limit - listed.len());
        query.after = listed.last().map(|last| last.id.clone());
        let page = opened.conversations.list(&query).await.map_err(|error| failure(&error))?;
        listed.extend(page.data);
        if !page.has_more || listed.len() >= limit {
            return Ok(listed);
        }
    }
}

async fn export(opened: &Opened, ids: &[String]) -> Result<Document, Failure> {
    let of = &opened.conversations;
    let wrong = |error| failure(&error);
    let mut exported = Vec::new();
    if ids.is_empty() {
        for conversation in list(opened, usize::MAX).await? {
            match of.exported(&conversation.id).await {
                Ok(one) => exported.push(one),
                // Somebody deletes meanwhile.
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(wrong(error)),
            }
        }
    }
    for id in ids {
        let conversation = of.find(id).await.map_err(wrong)?;
        exported.push(of.exported(&conversation.id).await.map_err(wrong)?);
    }
    Ok(Document::new(exported))
}

fn read(file: &Path) -> Result<String, Failure> {
    let read = if file.as_os_str() == "-" {
        let mut text = String::new();
        std::io::stdin().lock().read_to_string(&mut text).map(|_| text)
    } else {
        std::fs::read_to_string(file)
    };
    read.map_err(|error| Failure::new(Exit::Usage, format!("{} cannot be read: {error}", file.display())))
}
