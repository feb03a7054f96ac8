//! What is kept of a question and its answer, while the answer comes.
//!
//! A task writes it, so the reading never waits for a disk, and opens the history while the service thinks. What goes wrong with it is said
//! in a line and is no failure of the answer.

mod past;
mod writer;

use std::time::Duration;

use perennial::{Error, ErrorKind, MessageStream, Transcript};
use perennial_history::{Content, Conversations, Ended, Json, State};
use perennial_ledger::Decimal;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

pub(crate) use self::past::{Past, messages};
pub(crate) use self::writer::Question;
use self::writer::Told;

/// What came is written at most so often. A process that is killed loses no more than twice that.
const EVERY: Duration = Duration::from_millis(500);

/// Keeps one answer.
#[derive(Debug)]
pub(crate) struct Recorder {
    told: watch::Sender<Told>,
    task: JoinHandle<Result<String, String>>,
    written: Instant,
}

/// How an answer ended, where its stream does not say.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Ending<'a> {
    Whole,
    Failed(&'a Error),
    /// The reader stopped it, and goes on with something else.
    Stopped,
    /// The reader left.
    Interrupted,
}

impl Recorder {
    /// Begins to keep the answer to a question.
    pub(crate) fn begin(question: Question) -> Self {
        let (told, hears) = watch::channel(Told::default());
        let task = tokio::spawn(writer::write(question, hears));
        Self { told, task, written: Instant::now() }
    }

    /// The same for an answer whose turn is there already.
    pub(crate) fn over(conversations: Conversations, turn: String) -> Self {
        let (told, hears) = watch::channel(Told::default());
        let task = tokio::spawn(async move {
            writer::follow(&conversations, &turn, hears).await?;
            Ok(turn)
        });
        Self { told, task, written: Instant::now() }
    }

    /// What there is by now; to be told often, also while nothing comes.
    pub(crate) fn hear(&mut self, transcript: &Transcript) {
        if self.written.elapsed() < EVERY {
            return;
        }
        self.written = Instant::now();
        let Ok(content) = Content::of(&transcript.message().content) else { return };
        self.told.send_if_modified(|told| {
            let is_new = told.content.as_ref() != Some(&content);
            told.content = Some(content);
            is_new
        });
    }

    /// The end. Gives the id of the conversation, or of the turn that was there already, once everything is written, or what kept it from that.
    pub(crate) async fn end(
        self,
        stream: &MessageStream,
        ending: Ending<'_>,
        cost: Option<Decimal>,
    ) -> Result<String, String> {
        let ended = ended(stream, ending, cost);
        self.told.send_modify(|told| told.ended = Some(ended));
        drop(self.told);
        self.task.await.map_err(|_| "the history was not written to its end".to_owned())?
    }
}

fn ended(stream: &MessageStream, ending: Ending<'_>, cost: Option<Decimal>) -> Ended {
    let message = stream.transcript().message();
    let refused = matches!(stream.transcript().end(), perennial::End::Refused);
    let mut ended = Ended::new(match ending {
        Ending::Whole if refused => State::Failed,
        Ending::Whole => State::Completed,
        Ending::Failed(error) if error.kind() == ErrorKind::Cancelled => State::Cancelled,
        Ending::Failed(_) => State::Failed,
        Ending::Stopped => State::Cancelled,
        Ending::Interrupted => State::Interrupted,
    });
    if let Ending::Failed(error) = ending {
        ended.error = Json::of(&serde_json::json!({"message": error.to_string()})).ok();
    }
    ended.content = Content::of(&message.content).ok();
    ended.stop_reason = message.stop_reason.as_ref().map(ToString::to_string);
    ended.model = Some(message.model.clone()).filter(|model| !model.is_empty());
    ended.usage = (ended.model.is_some()).then(|| Json::of(&message.usage).ok()).flatten();
    ended.cost = cost;
    ended
}
