//! One answer: asked for, shown while it comes, kept.

use std::io::Write as _;

use perennial_history::{Content, NewTurn, Role, Turn};
use serde_json::{Value, json};

use super::session::Session;
use super::{Flow, LAST_WORDS, lines};
use crate::exit::{Exit, Failure, say};
use crate::history::failure;
use crate::listen::Signals;
use crate::question;
use crate::record::{self, Ending, Recorder};
use crate::show::verdict::{self, Verdict};
use crate::show::{self, Delivery, Show};

impl Session {
    /// What the user says, and the answer to it.
    pub(super) async fn ask(&mut self, words: &str, signals: &mut Signals) -> Result<Flow, Failure> {
        let before = self.branch().await?;
        let question = NewTurn::user(Content::text(words));
        self.answer(&before, Some(question), &json!(words), signals).await
    }

    /// Another answer to the last question.
    pub(super) async fn retry(&mut self, signals: &mut Signals) -> Result<Flow, Failure> {
        let (before, question) = self.last_question().await?;
        let content: Value = serde_json::from_str(question.content.as_str())
            .map_err(|error| Failure::new(Exit::Other, format!("the question cannot be read: {error}")))?;
        let mut branch = before;
        // The question stands already: only its answer is new.
        branch.push(question);
        self.answer(&branch, None, &content, signals).await
    }

    /// The last question, changed in an editor, on a branch of its own.
    pub(super) async fn edit(&mut self, signals: &mut Signals) -> Result<Flow, Failure> {
        let (before, question) = self.last_question().await?;
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
        let question = NewTurn::user(Content::text(words));
        self.answer(&before, Some(question), &json!(words), signals).await
    }

    /// The last thing that the user said on this branch, and what stood before it.
    async fn last_question(&self) -> Result<(Vec<Turn>, Turn), Failure> {
        let mut branch = self.branch().await?;
        while let Some(turn) = branch.pop() {
            if turn.role == Role::User && turn.by.is_none() {
                return Ok((branch, turn));
            }
        }
        Err(Failure::new(Exit::Usage, "nothing was asked yet"))
    }

    /// `branch` is what stands before the answer, without `question`, if that is new; `content` is what the user says last.
    async fn answer(
        &mut self,
        branch: &[Turn],
        question: Option<NewTurn>,
        content: &Value,
        signals: &mut Signals,
    ) -> Result<Flow, Failure> {
        let wrong = |error: perennial_history::Error| failure(&error);
        if branch.last().is_some_and(|turn| !turn.state.is_end()) {
            let message = "the last answer of this conversation is still being written, by another process";
            return Err(Failure::new(Exit::Usage, message));
        }
        let before = if question.is_some() { branch } else { &branch[..branch.len().saturating_sub(1)] };
        let messages = record::messages(before, content).map_err(|error| {
            Failure::new(Exit::Other, format!("the conversation cannot be read: {error}"))
        })?;
        let request = question::request(&self.settings, messages)?;
        let body = request.body().map_err(|error| Failure::new(Exit::Usage, error))?;

        let conversation = self.conversation().await?;
        let parent = branch.last().map(|turn| turn.id.clone());
        let answer = NewTurn::assistant(&self.settings.model);
        let turn = answer.id.clone();
        let new: Vec<NewTurn> = question.into_iter().chain([answer]).collect();
        self.of().append(&conversation.id, parent.as_deref(), &new).await.map_err(wrong)?;

        let mut recorder = Some(Recorder::over(self.of().clone(), turn));
        let mut show = Show::new(self.look, Delivery::AsItComes);
        let mut stream = self.service.client.messages().stream(body);
        space(&self.look);
        let hears = |transcript: &perennial::Transcript| {
            if let Some(recorder) = &mut recorder {
                recorder.hear(transcript);
            }
        };
        let read = tokio::select! {
            read = show::read(&mut stream, &mut show, hears) => Some(read),
            () = signals.next() => None,
        };
        let ending = match &read {
            None => Ending::Stopped,
            Some(Ok(Ok(()))) => Ending::Whole,
            Some(Ok(Err(error))) => Ending::Failed(error),
            Some(Err(_)) => Ending::Interrupted,
        };
        let cost = self.service.paid.cost(&stream);
        let kept = async {
            match recorder.take() {
                Some(recorder) => recorder.end(&stream, ending, cost).await,
                None => Ok(String::new()),
            }
        };
        // A second Ctrl-C does not wait for the history.
        let kept = tokio::select! {
            kept = kept => kept,
            () = signals.next() => return Ok(Flow::Leave(Exit::Interrupted)),
        };
        if let Err(why) = kept {
            show.note(&format!("the answer is not kept: {why}"));
        }
        let flow = match read {
            None => {
                drop(tokio::time::timeout(LAST_WORDS, show.end(stream.transcript())).await);
                show.note("stopped; what came is kept");
                Flow::Stopped
            }
            Some(read) => {
                let read = read?;
                show.end(stream.transcript()).await?;
                match &read {
                    Ok(()) => match verdict::ended(&stream) {
                        Verdict::Whole => {}
                        Verdict::Note(words) | Verdict::Cut(words) | Verdict::Refused(words) => {
                            show.note(&words);
                        }
                    },
                    Err(error) => {
                        show.begin_note();
                        say(verdict::failed(error).0);
                    }
                }
                if self.tells_usage {
                    show.footer(&stream, self.service.paid, read.is_err());
                }
                Flow::On
            }
        };
        space(&self.look);
        Ok(flow)
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
