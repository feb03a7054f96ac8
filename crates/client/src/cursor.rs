//! The cursor: where the reader of a gateway's stream stands, and what becomes of each record of its log.
//!
//! Connections come and go; this stays. A record counts once, by its number. What tells how the stream ends waits for the log's own word: an `error`
//! may be followed by another attempt, and only `perennial.terminal` says that `message_stop` was the end.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue};
use perennial_protocol::sse::Frame;
use perennial_protocol::{ApiError, Effect, ErrorKind, Event, Message, UnknownEvent};
use serde::Deserialize;

use crate::reading::Step;
use crate::told::{Queued, Told};
use crate::view::{Fold, Moment, View};
use crate::watch::Watch;
use crate::{Error, Position};

/// How long to wait for the log's last word after `message_stop`. Nothing else can follow, so that it is a formality.
const AFTER_STOP: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
pub(crate) struct Cursor {
    /// The answer is read as it was asked for, with positions: without the log's own events, so that it ends as any other does.
    drop_in: bool,
    /// Of the last record taken in, and of the one before.
    latest: Position,
    previous: Position,
    /// The reader has everything up to here from another time; it has not been met yet.
    after: Option<Position>,
    /// The last position on the way there that the reader and the log certainly have in common.
    common: Option<Position>,
    /// The bytes of `message_stop`, which waits for the terminal record.
    stop: Option<Bytes>,
    /// The upstream's last error.
    error: Option<Box<ApiError>>,
    /// Why somebody asked to stop.
    cancel: Option<String>,
    /// The envelope of an attempt that another one follows.
    restarted: Option<Box<Message>>,
    retry: Option<Duration>,
    /// A record came that was not known before.
    fruitful: bool,
}

/// What a record is to the reader.
enum Follow {
    Had,
    /// To be folded in, not to be shown.
    Known,
    New,
    Diverged {
        after: Position,
        last_common: Option<Position>,
    },
}

#[derive(Deserialize)]
struct Terminal<'a> {
    #[serde(borrow)]
    outcome: Cow<'a, str>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Cancel {
    reason: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Seam {
    mode: Option<String>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Diverged {
    after: Option<Position>,
    last_common: Option<Position>,
}

impl Cursor {
    /// The cursor of an answer that was asked for.
    pub(crate) fn drop_in() -> Self {
        Self { drop_in: true, ..Self::default() }
    }

    /// From here on the log itself is read.
    pub(crate) fn attach(&mut self) {
        self.drop_in = false;
    }

    /// What is handed out is to begin after this.
    pub(crate) fn after(&mut self, position: Position) {
        self.after = Some(position).filter(|position| position.seq() > 0);
    }

    /// What has been received.
    pub(crate) fn latest(&self) -> Position {
        self.latest
    }

    /// What has been handed out; `in_hand` while something of the latest record is still to be.
    pub(crate) fn shown(&self, in_hand: bool) -> Position {
        match self.after {
            Some(after) => after,
            None if in_hand || self.stop.is_some() => self.previous,
            None => self.latest,
        }
    }

    /// Whether the answer is whole, and only the log's last word on it is missing.
    pub(crate) fn is_whole(&self) -> bool {
        self.stop.is_some()
    }

    /// Says in a request where to go on.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        if self.latest.seq() > 0
            && let Ok(position) = HeaderValue::try_from(self.latest.to_string())
        {
            headers.insert("last-event-id", position);
        }
    }

    /// The wait between connections that the gateway asked for.
    pub(crate) fn retry(&self) -> Option<Duration> {
        self.retry
    }

    /// Whether something new has come since this was asked.
    pub(crate) fn take_fruitful(&mut self) -> bool {
        std::mem::take(&mut self.fruitful)
    }

    fn follow(&mut self, position: Position) -> Follow {
        if position.seq() <= self.latest.seq() {
            return Follow::Had;
        }
        let before = std::mem::replace(&mut self.latest, position);
        self.previous = before;
        self.fruitful = true;
        let Some(after) = self.after else { return Follow::New };
        let later = |one: Position, other: Position| matches!((one.epoch(), other.epoch()), (Some(one), Some(other)) if one > other);
        let agrees = match position.seq().cmp(&after.seq()) {
            std::cmp::Ordering::Less => !later(position, after),
            std::cmp::Ordering::Equal => position.is_of(after),
            // It is a record without an event, such as the request. Epochs only rise, so these tell.
            std::cmp::Ordering::Greater => !later(before, after) && !later(after, position),
        };
        if !agrees {
            return Follow::Diverged { after, last_common: self.common };
        }
        if position.seq() >= after.seq() {
            self.after = None;
        }
        if position.seq() > after.seq() {
            self.previous = after;
            return Follow::New;
        }
        self.common = Some(position);
        Follow::Known
    }
}

impl Told {
    /// Takes in a frame of a gateway's log.
    pub(crate) fn recorded<V: View>(
        &mut self,
        frame: Frame<'_>,
        event: Option<Event<'_>>,
        watch: &mut Watch,
        view: &mut V,
    ) -> Result<Option<Step<V::Item>>, Error> {
        let Some(cursor) = self.cursor.as_deref_mut() else { return Ok(None) };
        if let Some(millis) = frame.retry() {
            cursor.retry = Some(Duration::from_millis(millis));
        }
        let position = frame.id().and_then(|id| std::str::from_utf8(id).ok()?.parse().ok());
        let Some(position) = position else {
            return match event {
                Some(event) if cursor.drop_in => self.event(frame.raw(), event, watch, view),
                event => self.unnumbered(frame, event, view),
            };
        };
        let raw = without_position(frame.raw());
        match cursor.follow(position) {
            Follow::Had => Ok(None),
            Follow::New => self.take_record(&raw, event, watch, view),
            Follow::Known => {
                let step = self.take_record(&raw, event, watch, &mut Fold)?;
                self.queue.clear();
                Ok(match step {
                    Some(Step::Finished(_)) => Some(Step::Finished(None)),
                    Some(Step::Failed(error)) => Some(Step::Failed(error)),
                    Some(Step::Item(nothing)) => match nothing {},
                    Some(Step::Queued) | None => None,
                })
            }
            Follow::Diverged { after, last_common } => Err(Error::diverged(after, last_common, self.phase())),
        }
    }

    /// The answer is complete.
    pub(crate) fn complete<T>(&mut self) -> Result<Step<T>, Error> {
        let phase = self.phase();
        let stop = self.cursor.as_deref_mut().and_then(|cursor| cursor.stop.take());
        let left_open: Vec<u64> = self.transcript.open_blocks().collect();
        let Some(raw) = stop else { return Err(Error::incomplete(&self.transcript.end(), phase)) };
        let effect = self.transcript.apply(&Event::MessageStop);
        if effect != Effect::Finished {
            return Err(Error::incomplete(&self.transcript.end(), phase));
        }
        if self.transcript.envelope().stop_reason.is_none() {
            return Err(Error::no_stop_reason(phase));
        }
        self.queue.extend(left_open.into_iter().map(Queued::Finished));
        self.queue.push_back(Queued::Received { raw, event: Event::MessageStop, effect });
        Ok(Step::Finished(None))
    }

    /// A frame that is no record: the gateway speaks for itself.
    fn unnumbered<V: View>(
        &mut self,
        frame: Frame<'_>,
        event: Option<Event<'_>>,
        view: &mut V,
    ) -> Result<Option<Step<V::Item>>, Error> {
        let phase = self.phase();
        match event {
            None if frame.comments() == 0 => Ok(None),
            None => Ok(self.alive(b"", view)),
            Some(Event::Unknown(event)) if event.name == "perennial.diverged" => {
                let Diverged { after, last_common } = data(&event);
                let had = self.cursor.as_deref().map(Cursor::latest).unwrap_or_default();
                Err(Error::diverged(after.unwrap_or(had), last_common, phase))
            }
            Some(Event::Unknown(event)) if event.name == "perennial.broken" => {
                Err(Error::unreadable(ApiError::from_body(&event.data), phase))
            }
            Some(event @ Event::Unknown(_)) if is_of_the_log(&event) => Ok(self.show(event, view)),
            Some(event) => Err(Error::not_a_log(
                format!("`{}` came without a position: this is not a stream of a gateway", event.name()),
                phase,
            )),
        }
    }

    fn take_record<V: View>(
        &mut self,
        raw: &[u8],
        event: Option<Event<'_>>,
        watch: &mut Watch,
        view: &mut V,
    ) -> Result<Option<Step<V::Item>>, Error> {
        let Some(cursor) = self.cursor.as_deref_mut() else { return Ok(None) };
        match event {
            None => Ok(self.alive(raw, view)),
            Some(event) if cursor.drop_in => self.event(raw, event, watch, view),
            Some(Event::Unknown(event)) if event.name == "perennial.terminal" => self.terminal(&event),
            Some(Event::Unknown(event)) if event.name == "perennial.seam" => {
                if data::<Seam>(&event).mode.as_deref() == Some("restart") {
                    self.restart();
                }
                Ok(self.show(Event::Unknown(event), view))
            }
            Some(Event::Unknown(event)) if event.name == "perennial.cancel" => {
                cursor.cancel = data::<Cancel>(&event).reason;
                Ok(self.show(Event::Unknown(event), view))
            }
            Some(event) if is_of_the_log(&event) => Ok(self.show(event, view)),
            Some(Event::MessageStop) => {
                cursor.stop.get_or_insert_with(|| Bytes::copy_from_slice(raw));
                watch.hurry(AFTER_STOP);
                Ok(None)
            }
            Some(Event::Error(error)) => {
                cursor.error = Some(error);
                Ok(None)
            }
            // An answer ends with its first `message_stop`.
            Some(_) if cursor.stop.is_some() => Ok(None),
            Some(event) => {
                if cursor.restarted.is_some() {
                    self.start_again(&event);
                }
                self.event(raw, event, watch, view)
            }
        }
    }

    /// The last record says how the stream ended.
    fn terminal<T>(&mut self, event: &UnknownEvent<'_>) -> Result<Option<Step<T>>, Error> {
        let phase = self.phase();
        let Some(cursor) = self.cursor.as_deref_mut() else { return Ok(None) };
        if let Some(after) = cursor.after {
            return Err(Error::diverged(after, cursor.common, phase));
        }
        let terminal: Terminal<'_> = serde_json::from_str(&event.data).map_err(|source| {
            Error::not_a_log("the last record does not say how the stream ended", phase).caused_by(source)
        })?;
        let api = cursor.error.take().map(|error| *error).or_else(|| ApiError::from_body(&event.data));
        match &*terminal.outcome {
            "completed" => self.complete().map(Some),
            "cancelled" => Err(Error::cancelled(cursor.cancel.as_deref(), phase)),
            "interrupted" => Err(Error::interrupted(api, phase)),
            "failed" => {
                let api = api.unwrap_or_else(|| ApiError::new(ErrorKind::Api, "no reason was given"));
                self.transcript.apply(&Event::Error(Box::new(api.clone())));
                Err(Error::in_stream(api, phase))
            }
            other => Err(Error::not_a_log(format!("the stream ended as `{other}`, which is unknown"), phase)),
        }
    }

    /// Another attempt follows one that brought no content.
    fn restart(&mut self) {
        let envelope = self.transcript.envelope().clone();
        self.transcript = self.new_transcript();
        if let Some(cursor) = self.cursor.as_deref_mut() {
            cursor.error = None;
            if self.started {
                cursor.restarted.get_or_insert_with(|| Box::new(envelope));
            }
        }
    }

    /// The first event of another attempt. Readers have seen a `message_start`, so that its own may be missing.
    fn start_again(&mut self, event: &Event<'_>) {
        let envelope = self.cursor.as_deref_mut().and_then(|cursor| cursor.restarted.take());
        if let Some(envelope) = envelope
            && !matches!(event, Event::MessageStart(_))
        {
            self.transcript.apply(&Event::MessageStart(envelope));
        }
    }

    /// Shows an event of the log, which is nothing that the upstream sent.
    fn show<V: View>(&self, event: Event<'_>, view: &mut V) -> Option<Step<V::Item>> {
        let moment = Moment::Received { raw: b"", event, effect: Effect::Nothing };
        view.see(moment, &self.transcript).map(Step::Item)
    }
}

fn is_of_the_log(event: &Event<'_>) -> bool {
    matches!(event, Event::Unknown(event) if event.name.starts_with("perennial."))
}

/// The data of an event of the log, as far as it can be read.
fn data<T: Default + serde::de::DeserializeOwned>(event: &UnknownEvent<'_>) -> T {
    serde_json::from_str(&event.data).unwrap_or_default()
}

/// The bytes of a record as the upstream sent them: without the line of its position. That is the first; after an id of the upstream's own it
/// is the last, since the last one counts.
fn without_position(raw: &[u8]) -> Cow<'_, [u8]> {
    // The LF of a CRLF pair that was cut ends the frame before, which has it already.
    let raw = raw.strip_prefix(b"\n").unwrap_or(raw);
    let end = raw.trim_ascii_end().len();
    let last = memchr::memrchr2(b'\n', b'\r', &raw[..end]).map_or(0, |at| at + 1);
    if last > 0 && raw[last..].starts_with(b"id:") {
        return Cow::Owned([&raw[..last], b"\n"].concat());
    }
    let first = memchr::memchr(b'\n', raw).map_or(0, |at| at + 1);
    let rest = &raw[first..];
    // The other side of that cut. Where the connection breaks there, the LF never comes.
    if rest.ends_with(b"\r\n\r") { Cow::Owned([rest, b"\n"].concat()) } else { Cow::Borrowed(rest) }
}
