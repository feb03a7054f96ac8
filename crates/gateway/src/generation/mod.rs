//! Generations: the tasks that make streams. Exactly one owns a stream at a time; it calls the upstream and appends to the log.
//!
//! It knows no reader: whoever reads, reads the log. So no reader can delay it, and it goes on, or stops, by the policy of the
//! request and not by the fate of a connection.

mod absence;
mod ending;
mod intake;
mod live;
mod order;
mod policy;
mod running;
mod settle;

use std::future::poll_fn;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::response::Parts;
use http::{HeaderMap, Method};
use perennial_log::{Entry, Kind, Outcome, Time, Writer};
use perennial_protocol::ErrorKind;
use tokio::sync::oneshot;

use self::absence::Absence;
use self::intake::Intake;
use self::live::Place;
use crate::clock::Clock;
use crate::headers;
use crate::refusal::{Refusal, RequestId};
use crate::service::Service;
use crate::upstream::UpstreamBody;

pub(crate) use self::ending::{Cut, EndError, Ending};
pub(crate) use self::live::{Begun, Live};
pub(crate) use self::order::{Idempotency, Order};
pub use self::policy::{InvalidPolicy, OnDisconnect};
pub(crate) use self::running::{Presence, Progress, Running, Stop};
pub(crate) use self::settle::settle;

/// The most that is gathered before it is appended: enough to make appends rare at full speed, too little to be felt as memory.
const GATHER_BYTES: usize = 32 * 1024;
/// So many records are appended at once; the log takes twice as many.
const APPEND_RECORDS: usize = 32_768;
/// The most of an upstream's error that is kept.
const ERROR_BYTES: usize = 1024 * 1024;

/// The task that owns a stream.
#[derive(Debug)]
pub(crate) struct Generation {
    service: Arc<Service>,
    running: Arc<Running>,
    writer: Writer,
    absence: Absence,
    /// Given up last: who waits for the end finds the last record.
    _place: Place,
    /// Readers have a `message_start` of an attempt before this one.
    started_before: bool,
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

impl Generation {
    pub(crate) fn new(place: Place, writer: Writer, started_before: bool) -> Self {
        let (service, running) = (Arc::clone(place.service()), Arc::clone(place.running()));
        let absence = Absence::new(Arc::clone(&running), running.policy.patience(&service.limits));
        Self { service, running, writer, absence, _place: place, started_before }
    }

    /// Makes the stream, from the request to its last record. `opened` learns what the upstream answered.
    pub(crate) async fn run(mut self, order: Order, credential: HeaderMap, opened: oneshot::Sender<Opened>) {
        let id = RequestId::new();

        // 1. Ask. The request is in the log already, so that nothing of it need be kept here; and what asking takes is given back before the
        //    answer comes, which may take its time.
        let asking = {
            let (service, Order { mut headers, path, body, .. }) = (Arc::clone(&self.service), order);
            headers.extend(credential);
            Box::pin(async move { service.up(Method::POST, &path, headers, body).await })
        };
        let answer = match self.absence.or(asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(refusal)) => {
                self.end(Outcome::Failed, Ending::failed(EndError::of_refusal(&refusal, &id))).await;
                return tell(opened, Opened::Refused(refusal));
            }
            Err(cut) => {
                self.end_cut(cut, &id).await;
                return tell(opened, Opened::Refused(Refusal::of_cut(cut)));
            }
        };
        let (head, body) = answer.into_parts();
        let id = RequestId::of(&head.headers, &id);

        // 2. Judge the answer. Only a stream of events can be kept.
        if !head.status.is_success() {
            return self.pass_error(head, body, &id, opened).await;
        }
        if headers::kind(&head.headers) != headers::Kind::Events {
            let message =
                "the upstream did not answer with a stream of events: its answer was passed on, and not kept";
            let refusal = Refusal::new(502, ErrorKind::Api, message);
            self.end(Outcome::Failed, Ending::failed(EndError::of_refusal(&refusal, &id))).await;
            return tell(opened, Opened::Other(Box::new(http::Response::from_parts(head, body))));
        }

        // 3. Read it to its end, append what comes.
        let attempt = attempt(&head, &id);
        tell(opened, Opened::Stream(Box::new(head)));
        self.read(body, attempt, &id).await;
    }

    /// Appends a stream's frames as they come; at its end the last record.
    async fn read(&mut self, mut body: UpstreamBody, attempt: Entry, id: &RequestId) {
        let mut intake = Intake::new(self.started_before);
        intake.add(attempt);
        let mut clocks = ReadClocks {
            silence: Clock::new(self.service.clocks.silence),
            linger: None,
            linger_span: self.service.clocks.linger,
        };
        loop {
            let halt = poll_fn(|cx| clocks.poll(cx, &mut self.absence, &mut body, &mut intake)).await;
            if let Some((usage, is_final)) = intake.news() {
                self.running.set_progress(Progress { usage, is_final });
            }
            let Some(halt) = halt else {
                if self.append(&mut intake).await.is_err() {
                    return;
                }
                continue;
            };
            // Closed before the end is told: whoever stops a stream knows that the upstream knows.
            match halt {
                Halt::Over => body.finish(),
                Halt::Cut(_) => drop(body),
            }
            let cut = match halt {
                Halt::Over => None,
                Halt::Cut(cut) => Some(cut),
            };
            // The last bytes may hold the end, which lacks its blank line. Who stops a stream wants nothing more of it, whole or not.
            if cut.is_none_or(|cut| cut.outcome() == Outcome::Interrupted) {
                intake.finish(Time::now());
            }
            let cut = cut.filter(|_| !intake.is_over());
            return self.last(&mut intake, cut, id).await;
        }
    }

    /// Appends what is left and the last record, at once.
    async fn last(&mut self, intake: &mut Intake, cut: Option<Cut>, id: &RequestId) {
        let mut ending = intake.ending();
        let outcome = match cut {
            Some(cut) => {
                tracing::info!(stream = %self.running.id, ?cut, "the stream is cut; its readers are told");
                if let Some(cancel) = cancel(cut) {
                    intake.add(cancel);
                }
                ending.error = Some(cut.error(Some(id)));
                cut.outcome()
            }
            None if ending.error.is_some() => Outcome::Failed,
            None => Outcome::Completed,
        };
        intake.add(ending.entry(outcome));
        // What went wrong with it was said, and there is nobody else to tell.
        drop(self.append(intake).await);
    }

    async fn append(&mut self, intake: &mut Intake) -> Result<(), perennial_log::Error> {
        if intake.is_empty() {
            return Ok(());
        }
        let entries = intake.entries();
        for part in entries.chunks(APPEND_RECORDS) {
            if let Err(error) = self.writer.append(part).await {
                self.not_appended(&error).await;
                return Err(error);
            }
        }
        intake.give_back(entries);
        Ok(())
    }

    /// The log does not take what came. What could not be kept was not shown either; the stream ends, in words if that is still possible.
    async fn not_appended(&mut self, error: &perennial_log::Error) {
        tracing::error!(stream = %self.running.id, %error, "the stream cannot be kept");
        if error.is_full() && !error.is_unavailable() {
            self.end(Cut::Full.outcome(), Ending::failed(Cut::Full.error(None))).await;
        }
    }

    /// An error of the upstream: kept in short, passed on as it is.
    async fn pass_error(
        &mut self,
        head: Parts,
        body: UpstreamBody,
        id: &RequestId,
        opened: oneshot::Sender<Opened>,
    ) {
        let read = tokio::time::timeout(self.service.clocks.silence, whole(body));
        let (ending, outcome, told) = match self.absence.or(read).await {
            Ok(Ok(Some(body))) => {
                let error = EndError::of_answer(head.status.as_u16(), &body, id);
                (Ending::failed(error), Outcome::Failed, Opened::Error(Box::new(head), body))
            }
            Ok(_) => {
                let status = head.status.as_u16();
                let message = format!("the upstream answered {status}, and its words did not come whole");
                let refusal = Refusal::new(502, ErrorKind::Api, message);
                let error = EndError::of_refusal(&refusal, id);
                (Ending::failed(error), Outcome::Failed, Opened::Refused(refusal))
            }
            Err(cut) => {
                self.end_cut(cut, id).await;
                return tell(opened, Opened::Refused(Refusal::of_cut(cut)));
            }
        };
        self.end(outcome, ending).await;
        tell(opened, told);
    }

    async fn end(&mut self, outcome: Outcome, ending: Ending) {
        self.append_end(&[ending.entry(outcome)]).await;
    }

    /// Nothing of the answer has come.
    async fn end_cut(&mut self, cut: Cut, id: &RequestId) {
        let ending = Ending::failed(cut.error(Some(id)));
        let entries = cancel(cut).into_iter().chain([ending.entry(cut.outcome())]);
        self.append_end(&entries.collect::<Vec<_>>()).await;
    }

    async fn append_end(&mut self, entries: &[Entry]) {
        if let Err(error) = self.writer.append(entries).await {
            tracing::error!(stream = %self.running.id, %error, "the end of the stream cannot be kept");
        }
    }
}

/// Why reading stops.
#[derive(Clone, Copy, Debug)]
enum Halt {
    /// The upstream has said all.
    Over,
    Cut(Cut),
}

/// The clocks of one upstream's body, each with its one meaning.
struct ReadClocks {
    silence: Clock,
    /// Runs once the answer is over: some servers leave the connection open.
    linger: Option<Clock>,
    linger_span: std::time::Duration,
}

impl ReadClocks {
    /// Ready with `None` where there is something to append, else with why reading stops (and maybe something to append before).
    fn poll(
        &mut self,
        cx: &mut Context<'_>,
        absence: &mut Absence,
        body: &mut UpstreamBody,
        intake: &mut Intake,
    ) -> Poll<Option<Halt>> {
        // A wish to stop goes before everything: nobody wants what else there is.
        let stop = absence.poll(cx).map(Halt::Cut);
        if !intake.is_over()
            && let Poll::Ready(halt) = stop
        {
            return Poll::Ready(Some(halt));
        }
        // What has come goes into the log, before any clock is looked at.
        let (came, halt) = gather(cx, body, intake);
        if halt.is_some() {
            return Poll::Ready(halt);
        }
        if came {
            self.silence.set_back();
            if !intake.is_empty() {
                return Poll::Ready(None);
            }
        }
        if intake.is_over() {
            let span = self.linger_span;
            let linger = self.linger.get_or_insert_with(|| Clock::new(span));
            return linger.poll(cx).map(|()| Some(Halt::Over));
        }
        self.silence.poll(cx).map(|()| Some(Halt::Cut(Cut::Silence)))
    }
}

/// Takes everything that the upstream has ready, up to a measure: whether there was something, and whether that was the end.
fn gather(cx: &mut Context<'_>, body: &mut UpstreamBody, intake: &mut Intake) -> (bool, Option<Halt>) {
    let mut bytes = 0;
    let mut time = None;
    while bytes < GATHER_BYTES {
        match body.poll_data(cx) {
            Poll::Pending => break,
            Poll::Ready(Some(Ok(piece))) => {
                bytes += piece.len();
                // The one place where bytes of a stream are seen.
                if intake.take(&piece, *time.get_or_insert_with(Time::now)).is_err() {
                    return (true, Some(Halt::Cut(Cut::EventTooLarge)));
                }
            }
            Poll::Ready(Some(Err(error))) => {
                tracing::info!(cause = %error.root(), "the upstream's stream broke");
                return (true, Some(ended(intake)));
            }
            Poll::Ready(None) => return (true, Some(ended(intake))),
        }
    }
    (bytes > 0, None)
}

/// What the end of the upstream's body means.
fn ended(intake: &Intake) -> Halt {
    if intake.is_over() { Halt::Over } else { Halt::Cut(Cut::Upstream) }
}

/// The whole body; `None` where it breaks or is too large for an error.
async fn whole(mut body: UpstreamBody) -> Option<Bytes> {
    let mut bytes = BytesMut::new();
    while let Some(piece) = poll_fn(|cx| body.poll_data(cx)).await {
        bytes.extend_from_slice(&piece.ok()?);
        if bytes.len() > ERROR_BYTES {
            return None;
        }
    }
    Some(bytes.freeze())
}

/// What an upstream answered, for those who look into the log.
fn attempt(head: &Parts, id: &RequestId) -> Entry {
    let payload =
        serde_json::json!({"attempt": 1, "status": head.status.as_u16(), "request_id": id.to_string()});
    Entry::new(Kind::Attempt, payload.to_string())
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

/// Whoever waited may have left.
fn tell(opened: oneshot::Sender<Opened>, what: Opened) {
    drop(opened.send(what));
}
