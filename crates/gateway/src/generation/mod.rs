//! Generations: the tasks that make streams. Exactly one owns a stream at a time; it calls upstreams and appends to the log.
//!
//! It knows no reader: whoever reads, reads the log. So no reader can delay it, and it goes on, or stops, by the policy of the
//! request and not by the fate of a connection.

mod absence;
mod attempt;
mod bill;
mod failure;
mod guard;
mod intake;
mod legible;
mod live;
mod mending;
mod pace;
mod promise;
mod reading;
mod running;
mod seen;
mod settle;

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::HeaderMap;
use http::response::Parts;
use perennial_ledger::{Ask as Price, Reservation};
use perennial_log::{Entry, Kind, Outcome, Writer};
use perennial_protocol::ErrorKind;
use tokio::sync::oneshot;
use tokio::time::Instant;

use self::absence::Absence;
use self::attempt::{Asked, Done};
use self::bill::Over;
use self::failure::{End, Failure, Why};
use self::live::Place;
use self::mending::{Ask, Left, Remedy};
use crate::fallback::{self, CacheKey};
use crate::record::{AttemptNote, Cut, Ending, Next, Order, SeamNote};
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;
use crate::upstream::{Choice, Permit, Tried, UpstreamBody};

pub use self::guard::Guard;
pub(crate) use self::live::{Begun, Live};
pub use self::mending::{MaxRecoveryTokens, OnClock, Recovery};
pub(crate) use self::promise::Promise;
pub(crate) use self::running::{Progress, Running, Stop};
pub(crate) use self::settle::settle;

/// So many records are appended at once; the log takes twice as many.
const APPEND_RECORDS: usize = 32_768;
/// The most attempts for one answer, whatever else allows more.
const MOST_ATTEMPTS: u32 = 16;

/// The task that owns a stream.
#[derive(Debug)]
pub(crate) struct Generation {
    service: Arc<Service>,
    running: Arc<Running>,
    writer: Writer,
    absence: Absence,
    /// Given up last: who waits for the end finds the last record.
    _place: Place,
    /// What was tried.
    course: Course,
}

/// What came of asking the upstream; what follows, if it is a stream, is in the log.
#[derive(Debug)]
pub(crate) enum Opened {
    /// A stream of events, with this head.
    Stream(Box<Parts>),
    /// An error of the upstream, as it came.
    Error(Box<Parts>, Bytes),
    /// Neither a stream nor an error: JSON, or something that cannot be seen into. It is not kept.
    Other(Box<http::Response<UpstreamBody>>),
    /// The upstream could not be asked, or was not waited for.
    Refused(Refusal),
}

/// What was tried for an answer so far.
#[derive(Debug)]
struct Course {
    /// Stands for the upstream's id where there is none.
    id: RequestId,
    /// What the client showed, for the upstream that it is meant for.
    credential: HeaderMap,
    /// Who waits for the answer to begin.
    opened: Option<oneshot::Sender<Opened>>,
    /// When the request came, or this process took the stream over.
    since: Instant,
    tried: Tried,
    attempts: u32,
    /// Readers have something of an answer, if only its `message_start`: what goes on must go on from there.
    heard: bool,
    /// What is held for it.
    reservation: Option<Reservation>,
    /// Something of the answer's content has come.
    has_content: bool,
    /// Under which the answer may be found again.
    cache_key: Option<CacheKey>,
    /// Whether its text is watched.
    guard: Guard,
    /// How it would have ended when its content first broke: that is what readers are told if nothing helps.
    broken: Option<End>,
}

/// Whose turn it is.
enum Turn {
    Ask(usize, Permit),
    /// There is nobody to ask.
    Nobody(Option<Instant>),
    Stop(Cut),
}

impl Generation {
    pub(crate) fn new(
        place: Place,
        writer: Writer,
        credential: HeaderMap,
        reservation: Option<Reservation>,
        opened: Option<oneshot::Sender<Opened>>,
    ) -> Box<Self> {
        let (service, running) = (Arc::clone(place.service()), Arc::clone(place.running()));
        let absence = Absence::new(Arc::clone(&running), &service);
        let course = Course {
            id: RequestId::new(),
            credential,
            opened,
            since: Instant::now(),
            tried: Tried::default(),
            attempts: 0,
            heard: false,
            has_content: false,
            cache_key: None,
            reservation,
            guard: Guard::Off,
            broken: None,
        };
        Box::new(Self { service, running, writer, absence, _place: place, course })
    }

    /// Makes the stream, from the request to its last record; without one, from what a process before this one left in the log.
    ///
    /// What most streams never come to stands in boxes of its own, made when it is needed: as part of this it would be room that every stream holds while it runs.
    pub(crate) async fn run(mut self: Box<Self>, order: Option<Box<Order>>) {
        let mut ask = match order {
            Some(order) => {
                self.service.retries.request();
                self.course.cache_key = fallback::cache_key(&self.service, &order);
                Box::new(Ask::new(*order))
            }
            None => match Box::pin(self.go_on()).await {
                Some(ask) => ask,
                None => return,
            },
        };
        self.course.guard = self.service.guard.of_answer(ask.order.in_conversation);
        loop {
            // 1. Whose turn it is: the next upstream that has the model and is not known to be down, as soon as it may be asked.
            let (upstream, permit) = match self.turn(ask.order.model.as_deref()).await {
                Turn::Ask(upstream, permit) => (upstream, permit),
                Turn::Stop(cut) => return Box::pin(self.stop(cut)).await,
                Turn::Nobody(until) => return Box::pin(self.nobody(&ask, until)).await,
            };
            self.course.attempts += 1;
            let name = self.service.fleet.name(upstream);
            let mut asked = Asked::new(upstream, name, Some(permit), self.course.attempts);

            // 2. One attempt, to its end: the request up, the answer judged, its events into the log.
            let failure = match Box::pin(self.attempt(&mut asked, &mut ask)).await {
                Done::Ended => return,
                Done::Stopped(cut) => {
                    Box::pin(self.bill(&asked, Over::Begun(bill::by(cut)))).await;
                    return Box::pin(self.stop(cut)).await;
                }
                Done::Failed(failure) => failure,
            };

            // 3. What next. Where readers have nothing of the answer the same is asked again; else what the log has decides.
            let mut note = asked.note(Some(&failure));
            Box::pin(self.bill(&asked, Over::of(&failure))).await;
            if let Err(because) = self.may_try_again(&failure, &asked, ask.order.model.as_deref()) {
                return Box::pin(self.give_up(&ask, failure, note, &because)).await;
            }
            self.service.metrics.retry(&failure.word());
            if self.course.heard {
                drop(asked);
                ask = match Box::pin(self.mend(failure, note)).await {
                    Some(ask) => ask,
                    None => return,
                };
            } else {
                note.next = Some(Next::Retry);
                if Box::pin(self.append(&[note.entry()])).await.is_err() {
                    return;
                }
            }
            if let Some(reservation) = &mut self.course.reservation
                && let Err(denied) = reservation.renew(&Price::of(&ask.body()))
            {
                let failure = Failure::Refused(Refusal::of_denied(&denied), Why::Lasting);
                let (note, because) = (AttemptNote::default(), denied.message());
                return Box::pin(self.give_up(&ask, failure, note, because)).await;
            }
        }
    }

    /// What goes on with a stream that a process before this one left.
    async fn go_on(&mut self) -> Option<Box<Ask>> {
        let running = Arc::clone(&self.running);
        let left = bill::bill_left(&self.service, running.id, &running.owner, running.model.as_deref()).await;
        let attempt = match left {
            Ok(attempt) => attempt,
            Err(error) => {
                self.cannot_be_kept(&error);
                return None;
            }
        };
        // It was made, whatever came of it: the next one is another.
        self.course.attempts = attempt;
        let failure = Failure::Cut(Cut::Crash);
        let note = AttemptNote { attempt, failure: Some(failure.word()), ..AttemptNote::default() };
        self.mend(failure, note).await
    }

    async fn turn(&mut self, model: Option<&str>) -> Turn {
        loop {
            match self.service.fleet.choose(model, &self.course.tried) {
                Choice::Ask(upstream, permit) => return Turn::Ask(upstream, permit),
                Choice::Wait(until) => {
                    if let Err(cut) = self.absence.or(tokio::time::sleep_until(until)).await {
                        return Turn::Stop(cut);
                    }
                }
                Choice::Down(until) => return Turn::Nobody(Some(until)),
                Choice::None => return Turn::Nobody(None),
            }
        }
    }

    /// Whether there may be another attempt, and from when; if not, why.
    fn may_try_again(&mut self, failure: &Failure, asked: &Asked, model: Option<&str>) -> Result<(), String> {
        let recovery = &self.service.recovery;
        if !failure.may_be_mended(recovery) {
            return Err(String::new());
        }
        if self.course.attempts >= MOST_ATTEMPTS {
            return Err(format!("{MOST_ATTEMPTS} attempts were made"));
        }
        let (fleet, tried) = (&self.service.fleet, &mut self.course.tried);
        let failures = tried.failures(asked.upstream);
        let delay =
            if failure.action(recovery) == OnClock::FallBack && fleet.has_another(asked.upstream, model) {
                None
            } else if matches!(failure, Failure::Cut(_) | Failure::NoProof(_))
                && failures == 0
                && recovery.hops.0 > 0
            {
                // Readers wait in the middle of a sentence, and a connection that broke says nothing about load.
                Some(Duration::ZERO)
            } else {
                recovery.retries.delay(failures, failure.asked_wait())
            };
        tried.failed(asked.upstream, delay);
        if fleet.is_exhausted(model, tried) {
            return Err(format!("{} attempts were made", self.course.attempts));
        }
        if !self.service.retries.retry() {
            return Err("too much of the traffic is retries at the moment".to_owned());
        }
        Ok(())
    }

    /// What goes on with an answer that readers have a part of; `None` where the stream has ended.
    async fn mend(&mut self, failure: Failure, mut note: AttemptNote) -> Option<Box<Ask>> {
        let mut left = match Left::read(&self.service.log, self.running.id).await {
            Ok(left) => left,
            Err(error) => {
                self.cannot_be_kept(&error);
                return None;
            }
        };
        self.course.heard = left.told.has_started();
        // Of the last one nothing may be noted.
        left.attempts = self.course.attempts;
        let ending = left.ending();
        let end = failure.end(&self.course.id);
        let end = if left.told.has_content() { self.course.broken.take().unwrap_or(end) } else { end };
        let attempt = left.attempts + 1;
        match left.remedy(&self.service.recovery, &failure.word()) {
            Remedy::Ask(ask, next) => {
                note.next = Some(next);
                self.course.broken = Some(end);
                self.running.set_recovering(true);
                tracing::info!(stream = %self.running.id, reason = %failure.word(), ?next, "the stream goes on with another attempt");
                self.append(&[note.entry()]).await.ok().map(|()| ask)
            }
            Remedy::Finish(frame) => {
                note.next = Some(Next::Finish);
                let reason = failure.word();
                let seam = SeamNote { attempt, reason, mode: "finish".to_owned(), cut: 0, overlap: 0 };
                let entries =
                    [note.entry(), seam.entry(), Entry::event(frame), ending.entry(Outcome::Completed)];
                drop(self.append(&entries).await);
                None
            }
            Remedy::None(because) => {
                self.end(end.because(&because), ending, note.with(Next::GiveUp, &because)).await;
                None
            }
        }
    }

    /// Nobody can be asked.
    async fn nobody(&mut self, ask: &Ask, until: Option<Instant>) {
        let refusal = match until {
            Some(until) => {
                let message = "the upstreams for this model are failing, and are left alone for a while";
                let wait = until.saturating_duration_since(Instant::now());
                Refusal::new(503, ErrorKind::Overloaded, message).after(wait)
            }
            None => Refusal::new(404, ErrorKind::NotFound, "no upstream of this gateway has this model"),
        };
        let why = if until.is_some() { Why::Down } else { Why::Lasting };
        let note = AttemptNote { attempt: self.course.attempts, ..AttemptNote::default() };
        let because = "no upstream can be asked".to_owned();
        self.give_up(ask, Failure::Refused(refusal, why), note, &because).await;
    }

    /// No attempt is left. Something kept may stand in for the answer; else the stream ends with an error.
    async fn give_up(&mut self, ask: &Ask, failure: Failure, note: AttemptNote, because: &str) {
        let note = AttemptNote { failure: Some(failure.word()), ..note.with(Next::GiveUp, because) };
        if failure.is_trouble() && self.stand_in(ask, &note).await {
            return;
        }
        let end = failure.end(&self.course.id);
        if !self.course.heard {
            self.end(end, Ending::default(), note).await;
            return self.tell(failure.opened(&self.course.id));
        }
        match Left::read(&self.service.log, self.running.id).await {
            Ok(left) => {
                let end =
                    if left.told.has_content() { self.course.broken.take().unwrap_or(end) } else { end };
                self.end(end.because(because), left.ending(), note).await;
            }
            Err(error) => self.cannot_be_kept(&error),
        }
    }

    /// Whether something kept has stood in for the answer. Readers must have nothing of its content.
    async fn stand_in(&mut self, ask: &Ask, note: &AttemptNote) -> bool {
        let Some(standing) = fallback::stand_in(&self.service, self.course.cache_key, &ask.order).await
        else {
            return false;
        };
        let joining = match self.course.heard {
            false => None,
            true => match Left::read(&self.service.log, self.running.id).await {
                Ok(left) if !left.told.has_content() => match left.remedy(&self.service.recovery, "stand_in")
                {
                    Remedy::Ask(ask, Next::Retry) => ask.joining,
                    _ => return false,
                },
                _ => return false,
            },
        };
        self.service.metrics.stood_in(standing.kind);
        tracing::warn!(stream = %self.running.id, kind = standing.kind, "something kept stands in for the answer");
        let notice = serde_json::json!({"reason": "stand_in", "kind": standing.kind}).to_string();
        if self.append(&[note.entry(), Entry::new(Kind::Notice, notice)]).await.is_err() {
            return true;
        }
        self.course.attempts += 1;
        let mut asked = Asked::new(usize::MAX, standing.kind, None, self.course.attempts);
        self.tell(Opened::Stream(Box::new(standing.head())));
        let begun = asked.note(None).entry();
        let body = UpstreamBody::Kept(Box::new(standing.body));
        let done = Box::pin(self.read(&mut asked, body, begun, joining)).await;
        if let Done::Failed(failure) = done {
            let end = failure.end(&self.course.id);
            self.end(end, Ending::default(), asked.note(Some(&failure)).with(Next::GiveUp, "")).await;
        }
        true
    }

    async fn end(&mut self, end: End, ending: Ending, note: AttemptNote) {
        tracing::info!(stream = %self.running.id, outcome = %end.outcome, error = %end.error.kind, "the stream ends too early");
        let mut entries = vec![note.entry()];
        entries.extend(end.entries(ending));
        drop(self.append(&entries).await);
    }

    /// Stopped from outside, while nothing of an answer comes.
    async fn stop(&mut self, cut: Cut) {
        if cut == Cut::Left {
            self.service.metrics.client_gone();
        }
        let error = cut.error(Some(&self.course.id));
        let ending = Ending { error: Some(error), usage: self.running.progress().usage, ..Ending::default() };
        let entries: Vec<Entry> = cancel(cut).into_iter().chain([ending.entry(cut.outcome())]).collect();
        drop(self.append(&entries).await);
        self.tell(Opened::Refused(cut.refusal()));
    }

    async fn append(&mut self, entries: &[Entry]) -> Result<(), perennial_log::Error> {
        for part in entries.chunks(APPEND_RECORDS) {
            if let Err(error) = self.writer.append(part).await {
                self.not_appended(&error).await;
                return Err(error);
            }
        }
        self.count(entries);
        Ok(())
    }

    /// What is in the log is counted.
    fn count(&self, entries: &[Entry]) {
        let metrics = &self.service.metrics;
        let mut bytes = 0;
        for entry in entries {
            bytes += entry.payload.len();
            match entry.kind {
                Kind::Seam => metrics.recovered(SeamNote::decode(&entry.payload).mode),
                Kind::Terminal(outcome) => {
                    let labels = metrics.labels(self.running.model.as_deref(), "");
                    metrics.ended(&labels, outcome, self.course.since.elapsed());
                }
                _ => {}
            }
        }
        metrics.log_bytes.inc_by(bytes as u64);
    }

    /// The log does not take what came. What could not be kept was not shown either; the stream ends, in words if that is still possible.
    async fn not_appended(&mut self, error: &perennial_log::Error) {
        self.cannot_be_kept(error);
        if error.is_full() && !error.is_unavailable() {
            let ending = Ending::failed(Cut::Full.error(None));
            if let Err(error) = self.writer.append(&[ending.entry(Cut::Full.outcome())]).await {
                self.cannot_be_kept(&error);
            }
        }
    }

    fn cannot_be_kept(&self, error: &perennial_log::Error) {
        tracing::error!(stream = %self.running.id, %error, "the stream cannot be kept");
    }

    /// Tells whoever waits for the answer to begin; they may have left, or know already.
    fn tell(&mut self, what: Opened) {
        if let Some(opened) = self.course.opened.take() {
            drop(opened.send(what));
        }
    }
}

/// The record of a wish to stop, where that is what cut the stream.
fn cancel(cut: Cut) -> Option<Entry> {
    let reason = match cut {
        Cut::Asked => "asked",
        Cut::Left => "unread",
        _ => return None,
    };
    Some(Entry::new(Kind::Cancel, serde_json::json!({"reason": reason}).to_string()))
}
