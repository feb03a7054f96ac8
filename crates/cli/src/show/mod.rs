//! One answer on a terminal or in a pipe, while it comes: its text, and what is said beside it.
//!
//! Standard output only ever grows. What may still change waits; what waits too long is shown as it stands. Everything else goes to
//! standard error: whole lines, and on a terminal one line that tells what goes on while there is nothing to read. Nothing here
//! knows of a command's arguments: `ask` shows one answer with it.

mod code;
mod document;
mod doing;
mod drive;
mod footer;
mod look;
mod note;
mod out;
mod page;
mod sources;
mod status;
mod strip;
mod tally;
mod thought;
mod tools;
pub(crate) mod verdict;
mod words;

use std::time::Duration;

use perennial::{MessageStream, StreamEvent, Transcript};
use perennial_protocol::ContentBlock;
use tokio::sync::mpsc::UnboundedReceiver;
use tokio::time::Instant;

use self::doing::Doing;
use self::sources::Sources;
use self::status::Status;
use self::strip::Kind;
use self::tally::Tally;
use self::thought::Thought;
use crate::exit::Failure;
use crate::listen::Pauses;

pub(crate) use self::code::Which;
pub(crate) use self::drive::{read, read_frames};
pub(crate) use self::footer::Paid;
pub(crate) use self::look::{Color, Look, Thinking, Wishes, Wrap};
pub(crate) use self::page::Delivery;

/// After so long without more, what is held back is shown.
const REVEAL: Duration = Duration::from_millis(250);

#[derive(Debug)]
pub(crate) struct Show {
    look: Look,
    live: bool,
    page: page::Page,
    status: Status,
    tally: Tally,
    sources: Sources,
    doing: Doing,
    thought: Thought,
    /// When text came last.
    texted: Instant,
    /// When a sign of life came last.
    alive: Instant,
    /// When the status line was drawn last.
    drawn: Instant,
    /// The present silence was told of in a line.
    told: bool,
    /// What others have to say beside the answer.
    asides: Option<UnboundedReceiver<String>>,
}

impl Show {
    pub(crate) fn new(look: Look, delivery: Delivery) -> Self {
        let now = Instant::now();
        Self {
            look,
            live: delivery == Delivery::AsItComes,
            page: page::Page::new(&look, delivery),
            status: Status::new(look.notes),
            tally: Tally::new(),
            sources: Sources::default(),
            doing: Doing::Waiting,
            thought: Thought::new(&look),
            texted: now,
            alive: now,
            drawn: now,
            told: false,
            asides: None,
        }
    }

    /// What comes from there is said in lines beside the answer.
    pub(crate) fn hear(&mut self, asides: UnboundedReceiver<String>) {
        self.asides = Some(asides);
    }

    /// The next of what others have to say.
    async fn aside(&mut self) -> String {
        match &mut self.asides {
            Some(asides) => match asides.recv().await {
                Some(words) => words,
                None => std::future::pending().await,
            },
            None => std::future::pending().await,
        }
    }

    /// One event, with the transcript that has it.
    pub(crate) async fn event(
        &mut self,
        event: &StreamEvent,
        transcript: &Transcript,
    ) -> Result<(), Failure> {
        self.alive = Instant::now();
        match event {
            StreamEvent::Text { delta, .. } => {
                self.came(Kind::Text, delta.len());
                self.doing = Doing::Writing;
                self.texted = Instant::now();
                return self.advance(transcript).await;
            }
            StreamEvent::Thinking { delta, .. } => {
                self.came(Kind::Thinking, delta.len());
                if self.thought.shows_all() {
                    if !self.thought.is_open() {
                        self.begin_note();
                    }
                    self.thought.print(delta);
                } else {
                    self.thought.hear(delta);
                }
            }
            StreamEvent::InputJson { delta, .. } => {
                self.came(Kind::Tool, delta.len());
                self.doing.hear(delta);
            }
            StreamEvent::BlockStarted { block, .. } => self.block_started(block, transcript).await?,
            StreamEvent::BlockFinished { block, .. } => self.block_finished(block, transcript).await?,
            StreamEvent::Retrying(again) => {
                self.note(&format!(
                    "{}; attempt {} in {:.1} s",
                    verdict::what(&again.cause),
                    again.attempt,
                    again.delay.as_secs_f64()
                ));
                self.doing = Doing::Again { attempt: again.attempt, at: Instant::now() + again.delay };
            }
            StreamEvent::Continuing(again) => {
                let what = verdict::what(&again.cause);
                self.note(&format!("{what}; attempt {} asks for the rest", again.attempt));
                self.doing = Doing::Again { attempt: again.attempt, at: Instant::now() + again.delay };
            }
            StreamEvent::Log(event) => {
                if let Some(words) = note::of_log(event) {
                    self.note(&words);
                }
            }
            StreamEvent::MessageFinished(_) => {
                self.doing = Doing::Over;
                self.status.wipe();
                self.advance(transcript).await?;
            }
            _ => {}
        }
        self.draw(false);
        Ok(())
    }

    /// When [`tick`](Self::tick) is to be called, if nothing comes before.
    pub(crate) fn due(&self) -> Instant {
        let reveal = self.page.holds().then(|| self.texted + REVEAL);
        let draw = self.drawn + self.doing.rate(&self.thought);
        reveal.map_or(draw, |reveal| reveal.min(draw))
    }

    /// Time has passed.
    pub(crate) async fn tick(&mut self) -> Result<(), Failure> {
        if self.page.holds() && self.texted.elapsed() >= REVEAL {
            self.status.wipe();
            self.page.reveal().await?;
        }
        if self.thought.is_open() {
            self.thought.reveal();
        }
        self.draw(true);
        Ok(())
    }

    /// The shell is to have its screen: the status line goes, and this process pauses. Its own line is drawn again when it goes on.
    pub(crate) fn pause(&mut self) {
        self.status.wipe();
        Pauses::pause();
    }

    /// The answer is over, or what there is of it: what is left is shown.
    pub(crate) async fn end(&mut self, transcript: &Transcript) -> Result<(), Failure> {
        self.tally.end();
        self.doing = Doing::Over;
        self.status.wipe();
        self.end_thought();
        // The answer's last words, which waited for more.
        self.page.advance(transcript).await?;
        if let Some(words) = self.page.end(transcript).await? {
            self.note(words);
        }
        for line in self.sources.lines().collect::<Vec<_>>() {
            self.note(&line);
        }
        Ok(())
    }

    /// What the answer took, after its end.
    pub(crate) fn footer(&mut self, stream: &MessageStream, paid: Paid, failed: bool) {
        for line in footer::lines(stream, &self.tally, &self.look.notes, paid, failed) {
            self.begin_note();
            note::print_ours(&self.look.notes, &line);
        }
    }

    /// A line about the answer, unless nothing is to be said.
    pub(crate) fn note(&mut self, words: &str) {
        if self.look.notes.quiet {
            return;
        }
        self.begin_note();
        note::print(&self.look.notes, words);
    }

    /// A line on standard error follows: it begins at the beginning of one.
    pub(crate) fn begin_note(&mut self) {
        self.status.wipe();
        self.thought.end_line();
        if self.look.shares_screen() {
            self.page.make_room();
        }
    }

    /// The answer in another form than its text.
    pub(crate) async fn raw(&mut self, bytes: &[u8]) -> Result<(), Failure> {
        self.doing = Doing::Writing;
        self.alive = Instant::now();
        self.status.wipe();
        self.page.raw(bytes).await
    }

    fn came(&mut self, kind: Kind, bytes: usize) {
        self.told = false;
        self.tally.came(kind, bytes);
    }

    async fn advance(&mut self, transcript: &Transcript) -> Result<(), Failure> {
        self.status.wipe();
        self.page.advance(transcript).await
    }

    async fn block_started(&mut self, block: &ContentBlock, transcript: &Transcript) -> Result<(), Failure> {
        // All text up to here stands on the page before anything else does.
        self.advance(transcript).await?;
        if !matches!(block, ContentBlock::Text(_)) {
            self.page.part().await?;
        }
        match block {
            ContentBlock::Text(_) => self.doing = Doing::Writing,
            ContentBlock::Thinking(_) | ContentBlock::RedactedThinking(_) => {
                self.doing = Doing::Thinking;
                if self.thought.begin() {
                    self.note("thinking");
                }
            }
            ContentBlock::ServerToolResult(result) => {
                self.doing = Doing::Waiting;
                if let Some(words) = tools::failure(result) {
                    self.note(&words);
                }
            }
            ContentBlock::Fallback(fallback) => {
                self.note(&format!("{} declined; {} answers", fallback.from.model, fallback.to.model));
            }
            ContentBlock::Compaction(_) => self.note("the conversation is made shorter"),
            block => {
                if let Some(name) = tools::name(block) {
                    self.doing = Doing::tool(name);
                }
            }
        }
        Ok(())
    }

    async fn block_finished(&mut self, block: &ContentBlock, transcript: &Transcript) -> Result<(), Failure> {
        match block {
            ContentBlock::Thinking(_) | ContentBlock::RedactedThinking(_) => self.end_thought(),
            ContentBlock::Text(text) => {
                self.advance(transcript).await?;
                if let Some(citations) = text.citations.as_ref().filter(|citations| !citations.is_empty()) {
                    let numbers = self.sources.cite(citations);
                    self.page.mark(&numbers).await?;
                }
            }
            block => {
                if let Some(words) = tools::line(block) {
                    self.note(&words);
                }
            }
        }
        self.doing = Doing::Waiting;
        Ok(())
    }

    fn end_thought(&mut self) {
        self.status.wipe();
        if let Some(words) = self.thought.end() {
            self.note(&words);
        }
    }

    /// Draws the status line where it is time to, or says once what it would.
    fn draw(&mut self, now: bool) {
        let rate = self.doing.rate(&self.thought);
        if !now && self.drawn.elapsed() < rate {
            return;
        }
        self.drawn = Instant::now();
        let silence = doing::Silence {
            waited: self.tally.elapsed(),
            silent: self.tally.silent(),
            came: self.tally.first().is_some(),
            alive: self.alive.elapsed() < self.tally.silent() / 2,
            live: self.live,
        };
        if !self.status.exists() {
            if !self.told
                && let Some(words) = self.doing.line(&silence)
            {
                self.told = true;
                self.note(&words);
            }
            return;
        }
        // What reads a pipe may write to this screen itself.
        let free = self.look.out_is_terminal || !self.look.out_is_pipe || !self.page.began();
        // A thought that is printed, and a form that comes line by line, have the lines for themselves.
        let free = free && !self.thought.is_open() && (self.live || !self.page.began());
        let column = if self.look.out_is_terminal { self.page.column() } else { 0 };
        match self.doing.words(&silence, &self.thought, self.look.notes.columns).filter(|_| free) {
            Some(words) => self.status.show(&words, column),
            None => self.status.wipe(),
        }
    }
}
