//! One attempt: a request up, its answer judged, and its events into the log.

use std::future::poll_fn;

use http::Method;
use http::response::Parts;
use perennial_log::{Entry, Outcome, Time};
use perennial_protocol::{ErrorKind, Usage};
use tokio::time::Instant;

use super::bill::{self, Over};
use super::failure::{Failure, Why};
use super::intake::{Intake, Joining};
use super::mending::Ask;
use super::reading::{ERROR_BYTES, Halt, MESSAGE_BYTES, ReadClocks, whole};
use super::{Generation, Opened, Progress, cancel};
use crate::fallback::KeptBody;
use crate::headers;
use crate::record::{AttemptNote, Cut, EndError};
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;
use crate::upstream::{Permit, UpstreamBody, UpstreamFailure, events_of_message};

/// An attempt that is under way.
#[derive(Debug)]
pub(super) struct Asked {
    pub(super) upstream: usize,
    /// Its name, or that of what stands in.
    name: Box<str>,
    /// None for what stands in.
    permit: Option<Permit>,
    pub(super) number: u32,
    since: Instant,
    pub(super) started: jiff::Timestamp,
    /// Of the upstream's answer.
    pub(super) request_id: Option<String>,
    pub(super) stop_reason: Option<String>,
    pub(super) usage: Option<Usage>,
    pub(super) usage_is_final: bool,
}

/// What an attempt came to.
#[derive(Debug)]
pub(super) enum Done {
    /// The stream has its last record.
    Ended,
    /// It was stopped before an answer came.
    Stopped(Cut),
    Failed(Failure),
}

impl Asked {
    pub(super) fn new(upstream: usize, name: &str, permit: Option<Permit>, number: u32) -> Self {
        Self {
            upstream,
            name: name.into(),
            permit,
            number,
            since: Instant::now(),
            started: jiff::Timestamp::now(),
            request_id: None,
            stop_reason: None,
            usage: None,
            usage_is_final: false,
        }
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    /// Whether an upstream is asked, so that it costs something.
    pub(super) fn is_of_an_upstream(&self) -> bool {
        self.permit.is_some()
    }

    /// What is noted of it; with a failure, what that means for its upstream.
    pub(super) fn note(&mut self, failure: Option<&Failure>) -> AttemptNote {
        let breaker = match (failure, &mut self.permit) {
            (Some(failure), Some(permit)) if failure.is_the_upstreams() => permit.bad(),
            _ => None,
        };
        if let Some(state) = breaker {
            tracing::warn!(upstream = &*self.name, %state, "a breaker changes");
        }
        AttemptNote {
            attempt: self.number,
            upstream: self.name.to_string(),
            elapsed_ms: u64::try_from(self.since.elapsed().as_millis()).unwrap_or(u64::MAX),
            status: failure.and_then(Failure::status),
            request_id: self.request_id.clone(),
            failure: failure.map(Failure::word),
            because: match failure {
                Some(Failure::NoProof(reason)) => Some(reason.clone()),
                _ => None,
            },
            breaker: breaker.map(|state| state.to_string()),
            usage: failure.and(self.usage.clone()),
            next: None,
        }
    }
}

impl Generation {
    pub(super) async fn attempt(&mut self, asked: &mut Asked, ask: &mut Ask) -> Done {
        // 1. Ask. What asking takes is given back before the answer comes, which may take its time.
        let asking = {
            let (service, client) = (std::sync::Arc::clone(&self.service), &self.course.credential);
            let mut headers = ask.order.headers.clone();
            headers.extend(service.fleet.credential(asked.upstream, client));
            let (upstream, path, body) = (asked.upstream, ask.order.path.clone(), ask.body());
            Box::pin(async move { service.ask(upstream, Method::POST, &path, headers, body).await })
        };
        let answer = match self.absence.or(asking).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(failure)) => {
                tracing::warn!(stream = %self.running.id, upstream = asked.name(), error = %failure, cause = %failure.root(), "the upstream cannot be asked");
                return Done::Failed(unasked(&failure, &self.service));
            }
            Err(cut) => return Done::Stopped(cut),
        };
        let (mut head, mut body) = answer.into_parts();
        let id = RequestId::of(&head.headers, &self.course.id);
        asked.request_id = Some(id.to_string());
        headers::set_attempts(&mut head.headers, asked.number);

        // 2. Judge the answer. Only a stream of events can be kept.
        if let Some(refusal) = unusable(&head) {
            return Done::Failed(Failure::Refused(refusal, Why::Lasting));
        }
        if !head.status.is_success() {
            return self.error_answer(head, body).await;
        }
        if headers::kind(&head.headers) == headers::Kind::Json && headers::is_plain(&head.headers) {
            body = match self.in_one_piece(&mut head, body).await {
                Ok(body) => body,
                Err(done) => return done,
            };
        }
        if headers::kind(&head.headers) != headers::Kind::Events {
            return Box::pin(self.other_answer(asked, head, body, &id)).await;
        }

        // 3. Read it to its end, append what comes. From here on the log has what there is; of the request nothing is needed.
        let begun = AttemptNote { status: Some(head.status.as_u16()), ..asked.note(None) }.entry();
        let joining = ask.joining.take();
        ask.forget();
        self.course.heard = true;
        if self.course.opened.is_some() {
            // The one that the client gets to see.
            self.course.id = id;
        }
        self.tell(Opened::Stream(Box::new(head)));
        self.read(asked, body, begun, joining).await
    }

    /// An error of the upstream: its words, if they come whole.
    async fn error_answer(&mut self, head: Parts, body: UpstreamBody) -> Done {
        let read = tokio::time::timeout(self.service.clocks.silence, whole(body, ERROR_BYTES));
        match self.absence.or(read).await {
            Ok(Ok(Some(body))) => Done::Failed(Failure::Answer(Box::new(head), body)),
            Ok(_) => {
                let status = head.status.as_u16();
                let message = format!("the upstream answered {status}, and its words did not come whole");
                let why = if status >= 500 { Why::Connection } else { Why::Lasting };
                Done::Failed(Failure::Refused(Refusal::new(502, ErrorKind::Api, message), why))
            }
            Err(cut) => Done::Stopped(cut),
        }
    }

    /// An answer in one piece: a message becomes the stream that was asked for, anything else stays as it is.
    async fn in_one_piece(&mut self, head: &mut Parts, body: UpstreamBody) -> Result<UpstreamBody, Done> {
        let read = tokio::time::timeout(self.service.clocks.silence, whole(body, MESSAGE_BYTES));
        let body = match self.absence.or(read).await {
            Ok(Ok(Some(body))) => body,
            Ok(_) => {
                let message = "the upstream answered in one piece, and that did not come whole";
                let refusal = Refusal::new(502, ErrorKind::Api, message);
                return Err(Done::Failed(Failure::Refused(refusal, Why::Connection)));
            }
            Err(cut) => return Err(Done::Stopped(cut)),
        };
        let events = events_of_message(&body).inspect(|_| headers::set_events(&mut head.headers));
        Ok(UpstreamBody::Kept(Box::new(KeptBody::at_once(events.unwrap_or_else(|| vec![body])))))
    }

    /// Something that is neither a stream nor an error: whoever asked first may make something of it.
    async fn other_answer(
        &mut self,
        asked: &mut Asked,
        head: Parts,
        body: UpstreamBody,
        id: &RequestId,
    ) -> Done {
        let message =
            "the upstream did not answer with a stream of events: its answer was passed on, and not kept";
        let refusal = Refusal::new(502, ErrorKind::Api, message);
        if self.course.opened.is_none() {
            return Done::Failed(Failure::Refused(refusal, Why::Lasting));
        }
        // What is JSON, or packed, may be an answer that is paid for; a page of a proxy is none.
        let over = match headers::kind(&head.headers) {
            headers::Kind::Other => Over::Unanswered(perennial_ledger::Outcome::Failed),
            _ => Over::Begun(perennial_ledger::Outcome::Failed),
        };
        self.bill(asked, over).await;
        let error = EndError::of_refusal(&refusal, id);
        let failure = Failure::Refused(refusal, Why::Lasting);
        let note = asked.note(Some(&failure));
        let end = super::End { outcome: Outcome::Failed, error, event: None };
        self.end(end, crate::record::Ending::default(), note).await;
        self.tell(Opened::Other(Box::new(http::Response::from_parts(head, body))));
        Done::Ended
    }

    /// Appends a stream's frames as they come; at its end the last record.
    pub(super) async fn read(
        &mut self,
        asked: &mut Asked,
        mut body: UpstreamBody,
        note: Entry,
        joining: Option<Box<Joining>>,
    ) -> Done {
        let mut intake = Intake::new(joining, self.course.guard).paced(self.service.clocks.floor.is_some());
        intake.add(note);
        let mut clocks = ReadClocks::new(&self.service.clocks, self.service.limits.floor);
        let labels = self.service.metrics.labels(self.running.model.as_deref(), asked.name());
        let (mut runs, mut heard) = (0_u32, None::<Instant>);
        loop {
            let halt = poll_fn(|cx| clocks.poll(cx, &mut self.absence, &mut body, &mut intake)).await;
            if let Some((usage, is_final)) = intake.news() {
                self.running.set_progress(Progress { usage, is_final });
            }
            if intake.has_content() && !std::mem::replace(&mut self.course.has_content, true) {
                self.service.metrics.first_token(&labels, self.course.since.elapsed());
            }
            let Some(halt) = halt else {
                if self.append_gathered(&mut intake).await.is_err() {
                    return Done::Ended;
                }
                // One of sixteen is looked at, so that what is counted costs nothing that counts.
                if runs & 15 == 1
                    && let Some(heard) = heard
                {
                    self.service.metrics.chunk(&labels, heard.elapsed());
                }
                if runs & 15 == 0 {
                    heard = Some(Instant::now());
                }
                runs = runs.wrapping_add(1);
                if intake.has_content() {
                    self.goes_on(asked);
                }
                continue;
            };
            // Closed before the end is told: whoever stops a stream knows that the upstream knows.
            match halt {
                Halt::Over => body.finish(),
                Halt::Cut(_) | Halt::NoProof(_) => drop(body),
            }
            if let Halt::Cut(cut) = &halt
                && !matches!(cut, Cut::Upstream)
            {
                self.service.metrics.upstream_cancelled();
            }
            return Box::pin(self.halted(asked, intake, halt)).await;
        }
    }

    /// Content has come.
    fn goes_on(&self, asked: &mut Asked) {
        if let Some(permit) = asked.permit.as_mut().filter(|permit| permit.is_probe()) {
            // Others wait for what becomes of it, and an answer may take minutes.
            permit.good();
        }
        if self.running.is_recovering() {
            self.running.set_recovering(false);
        }
    }

    /// The answer is whole: it may stand in for another.
    fn remember(&self) {
        if let Some(key) = self.course.cache_key {
            self.service.cache.remember(key, self.running.id);
        }
    }

    async fn halted(&mut self, asked: &mut Asked, mut intake: Intake, halt: Halt) -> Done {
        // The last bytes may hold the end, which lacks its blank line. Who stops a stream wants nothing more of it, whole or not.
        if let Halt::Over | Halt::Cut(Cut::Upstream | Cut::Silence | Cut::Progress | Cut::Slow) = halt {
            intake.finish(Time::now());
        }
        (asked.usage, asked.stop_reason) = (intake.usage().cloned(), intake.stop_reason());
        asked.usage_is_final = intake.usage_is_final();
        let failure = match (halt, intake.error()) {
            (Halt::NoProof(reason), _) => {
                self.service.metrics.seam_refused();
                Some(Failure::NoProof(reason))
            }
            (_, Some(error)) => {
                let error = Box::new(error.clone());
                intake.error_frame().map(|frame| Failure::InBand(error, frame))
            }
            (Halt::Cut(cut), None) if cut.may_be_mended() && !intake.is_over() => Some(Failure::Cut(cut)),
            (Halt::Cut(cut), None) if !intake.is_over() => return self.cut(asked, intake, cut).await,
            _ => None,
        };
        if let Some(failure) = failure {
            if self.append_gathered(&mut intake).await.is_err() {
                return Done::Ended;
            }
            return Done::Failed(failure);
        }
        if let Some(permit) = &mut asked.permit {
            permit.good();
            self.remember();
        }
        if !asked.usage_is_final && self.append_gathered(&mut intake).await.is_err() {
            return Done::Ended;
        }
        self.bill(asked, Over::Begun(bill::of(intake.stop_reason().as_deref()))).await;
        intake.add(intake.ending().entry(Outcome::Completed));
        // What went wrong with it was said, and there is nobody else to tell.
        drop(self.append_gathered(&mut intake).await);
        Done::Ended
    }

    /// Ends it as it was wished, or as it must: nothing of it is to be mended.
    async fn cut(&mut self, asked: &Asked, mut intake: Intake, cut: Cut) -> Done {
        if cut == Cut::Left {
            self.service.metrics.client_gone();
        }
        tracing::info!(stream = %self.running.id, ?cut, "the stream is cut; its readers are told");
        let mut ending = intake.ending();
        if let Some(cancel) = cancel(cut) {
            intake.add(cancel);
        }
        ending.error = Some(cut.error(Some(&self.course.id)));
        let kept = self.append_gathered(&mut intake).await.is_ok();
        // From what is in the log by now.
        self.bill(asked, Over::Begun(bill::by(cut))).await;
        if kept {
            drop(self.append(&[ending.entry(cut.outcome())]).await);
        }
        Done::Ended
    }

    async fn append_gathered(&mut self, intake: &mut Intake) -> Result<(), perennial_log::Error> {
        if intake.is_empty() {
            return Ok(());
        }
        let entries = intake.entries();
        self.append(&entries).await?;
        intake.give_back(entries);
        Ok(())
    }
}

/// The failure that it is when nobody answers.
fn unasked(failure: &UpstreamFailure, service: &Service) -> Failure {
    let why = match failure {
        UpstreamFailure::Address => Why::Lasting,
        UpstreamFailure::FirstByte => Why::FirstByte,
        _ => Why::Connection,
    };
    Failure::Refused(service.refusal(failure), why)
}

/// A client that follows a redirect would take its key, or one of this gateway's, to another host; and nobody here changes protocols.
fn unusable(head: &Parts) -> Option<Refusal> {
    crate::service::unusable(head.status, &head.headers)
}
