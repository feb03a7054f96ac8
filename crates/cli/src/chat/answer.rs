//! One answer: asked for, shown while it comes, kept.

use std::io::Write as _;

use perennial::{MessageStream, StopReason, Transcript};
use perennial_history::{Content, NewTurn, Role, Turn};
use tokio::sync::mpsc::unbounded_channel;

use super::book::Book;
use super::session::{Session, tell};
use super::typed::Typed;
use super::{Flow, LAST_WORDS, lines};
use crate::exit::{Exit, Failure, say};
use crate::listen::Signals;
use crate::reading;
use crate::record::{Ending, Recorder};
use crate::show::verdict::{self, Verdict};
use crate::show::{self, Delivery, Show};

/// An answer that comes, and who keeps it.
pub(super) struct Coming {
    pub(super) stream: MessageStream,
    pub(super) keeper: Keeper,
}

pub(super) enum Keeper {
    /// This process.
    Here(Recorder),
    /// The gateway, as this turn. It goes on whether anybody reads here or not.
    There(String),
}

/// What is asked.
pub(super) enum Question<'a> {
    New(&'a str),
    /// Another answer to the last of the turns, beside this one.
    Again(Option<&'a str>),
}

impl Session {
    /// What the user says, and the answer to it.
    pub(super) async fn ask(&mut self, words: &str, signals: &mut Signals) -> Result<Flow, Failure> {
        // One that was asked for elsewhere stands before it.
        let flow = self.rejoin(signals).await?;
        if flow != Flow::On {
            return Ok(flow);
        }
        let before = self.branch().await?;
        self.answer(&before, Question::New(words), signals).await
    }

    /// Another answer to the last question.
    pub(super) async fn retry(&mut self, signals: &mut Signals) -> Result<Flow, Failure> {
        let Last { before, question, answer } = self.last_question().await?;
        let mut branch = before;
        // The question stands already: only its answer is new.
        branch.push(question);
        self.answer(&branch, Question::Again(answer.as_deref()), signals).await
    }

    /// The last question, changed in an editor, on a branch of its own.
    pub(super) async fn edit(&mut self, signals: &mut Signals) -> Result<Flow, Failure> {
        let Last { before, question, .. } = self.last_question().await?;
        let said = question.content.visible_text();
        let file = lines::draft(self.history_of_lines().as_deref());
        let changed = edited(&file, &said);
        drop(std::fs::remove_file(&file));
        let changed = changed?;
        let words = changed.trim();
        if words.is_empty() || words == said.trim() {
            say("nothing was changed, so nothing is asked");
            return Ok(Flow::On);
        }
        // What is asked now stands nowhere else on the screen.
        tell(&format!("> {words}"));
        self.answer(&before, Question::New(words), signals).await
    }

    /// The last thing that the user said on this branch, and what stands around it.
    async fn last_question(&self) -> Result<Last, Failure> {
        let mut before = self.branch().await?;
        let mut answer = None;
        while let Some(turn) = before.pop() {
            if turn.role == Role::User && turn.by.is_none() {
                return Ok(Last { before, question: turn, answer });
            }
            answer = Some(turn.id);
        }
        Err(Failure::new(Exit::Usage, "nothing was asked yet"))
    }

    /// `branch` is what stands before the answer, without a question that is new.
    async fn answer(
        &mut self,
        branch: &[Turn],
        question: Question<'_>,
        signals: &mut Signals,
    ) -> Result<Flow, Failure> {
        if branch.last().is_some_and(|turn| !turn.state.is_end()) {
            let message = match self.book {
                Book::Here(_) => {
                    "the last answer of this conversation is still being written, by another process"
                }
                Book::There(_) => "the last answer of this conversation still comes, asked for elsewhere",
            };
            return Err(Failure::new(Exit::Usage, message));
        }
        let coming = self.begin(branch, question).await?;
        self.follow(coming, signals).await
    }

    /// Shows the answer that comes, and those that its tools lead to.
    pub(super) async fn follow(
        &mut self,
        mut coming: Coming,
        signals: &mut Signals,
    ) -> Result<Flow, Failure> {
        loop {
            let asked = match &coming.keeper {
                Keeper::There(turn) => Some(turn.clone()),
                Keeper::Here(_) => None,
            };
            let (flow, wants_tools) = self.show(coming, signals).await?;
            let Some(turn) = asked.filter(|_| flow == Flow::On) else { return Ok(flow) };
            self.settled(&turn, signals).await?;
            let step = if wants_tools { self.step_behind(&turn, signals).await? } else { None };
            match step {
                Some(step) => coming = step,
                None => return Ok(flow),
            }
        }
    }

    /// Shows one answer to its end; whether it ended since it wants tools.
    async fn show(&mut self, coming: Coming, signals: &mut Signals) -> Result<(Flow, bool), Failure> {
        let Coming { mut stream, keeper } = coming;
        let (asked, mut recorder) = match keeper {
            Keeper::Here(recorder) => (None, Some(recorder)),
            Keeper::There(turn) => (Some(turn), None),
        };
        let mut show = Show::new(self.look, Delivery::AsItComes);
        let (aside, asides) = unbounded_channel();
        show.hear(asides);
        space(&self.look);
        let hears = |transcript: &Transcript| {
            if let Some(recorder) = &mut recorder {
                recorder.hear(transcript);
            }
        };
        let mut typed = if self.is_typed { Typed::listen() } else { None };
        let read = tokio::select! {
            read = show::read(&mut stream, &mut show, hears) => Some(read),
            () = signals.next() => None,
            never = self.listen(typed.as_mut(), &aside) => match never {},
        };
        if let Some(typed) = typed {
            self.typed.extend(typed.end().into_iter().filter(|line| !line.is_empty()));
        }
        let kept = async {
            match (recorder, &asked, &read) {
                (Some(recorder), ..) => {
                    let ending = match &read {
                        None => Ending::Stopped,
                        Some(Ok(Ok(()))) => Ending::Whole,
                        Some(Ok(Err(error))) => Ending::Failed(error),
                        Some(Err(_)) => Ending::Interrupted,
                    };
                    let cost = self.service.paid.cost(&stream);
                    let kept = recorder.end(&stream, ending, cost).await;
                    kept.map(drop).map_err(|why| format!("the answer is not kept: {why}"))
                }
                (None, Some(turn), None) => {
                    let stopped = self.stop(turn).await;
                    stopped.map_err(|failure| format!("the answer goes on: {}", failure.line()))
                }
                _ => Ok(()),
            }
        };
        // A second Ctrl-C does not wait for the history.
        let kept = tokio::select! {
            kept = kept => kept,
            () = signals.next() => return Ok((Flow::Leave(Exit::Interrupted), false)),
        };
        let Some(read) = read else {
            drop(tokio::time::timeout(LAST_WORDS, show.end(stream.transcript())).await);
            show.note(&kept.err().unwrap_or_else(|| "stopped; what came is kept".to_owned()));
            self.typed.clear();
            space(&self.look);
            return Ok((Flow::Stopped, false));
        };
        if let Err(why) = kept {
            show.note(&why);
        }
        let read = read?;
        show.end(stream.transcript()).await?;
        let mut wants_tools = false;
        match &read {
            Ok(()) => {
                wants_tools = stream.transcript().message().stop_reason == Some(StopReason::ToolUse);
                match verdict::ended(&stream) {
                    Verdict::Whole => {}
                    // The gateway runs it.
                    Verdict::Note(_) if wants_tools && asked.is_some() => {}
                    Verdict::Note(words) | Verdict::Cut(words) | Verdict::Refused(words) => {
                        show.note(&words);
                    }
                }
            }
            Err(error) => {
                show.begin_note();
                say(if asked.is_some() { reading::words(error).0 } else { verdict::failed(error).0 });
            }
        }
        if self.tells_usage {
            show.footer(&stream, self.service.paid, read.is_err());
        }
        space(&self.look);
        Ok((Flow::On, wants_tools))
    }
}

/// The last thing that the user said, what stands before it, and the turn behind it.
struct Last {
    before: Vec<Turn>,
    question: Turn,
    answer: Option<String>,
}

impl Question<'_> {
    /// As a turn of the user's, where it is new.
    pub(super) fn turn(&self) -> Option<NewTurn> {
        match self {
            Self::New(words) => Some(NewTurn::user(Content::text(words))),
            Self::Again(_) => None,
        }
    }
}

/// An empty line between what the user says and what comes; a program that reads gets the answers only.
fn space(look: &show::Look) {
    if look.shares_screen() {
        drop(std::io::stderr().write_all(b"\n"));
    }
}

/// The text as the user leaves it.
fn edited(file: &std::path::Path, text: &str) -> Result<String, Failure> {
    let wrong = |error: std::io::Error| {
        Failure::new(Exit::Other, format!("{} cannot be edited: {error}", file.display()))
    };
    lines::private(file).map_err(wrong)?;
    std::fs::write(file, text).map_err(wrong)?;
    let mut editor = lines::editor_of_texts(Some(file))
        .ok_or_else(|| Failure::new(Exit::Configuration, "no editor is named: set VISUAL or EDITOR"))?;
    let ended = editor.status().map_err(|error| {
        Failure::new(
            Exit::Configuration,
            format!("the editor cannot be started: {error}; set VISUAL or EDITOR"),
        )
    })?;
    if !ended.success() {
        return Err(Failure::new(Exit::Other, "the editor failed, so nothing is asked"));
    }
    std::fs::read_to_string(file).map_err(wrong)
}
