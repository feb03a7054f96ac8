//! Faults applied to the events of one answer.
//!
//! Events are numbered as the answer has them, before any fault: composing a second fault never moves the place of the first.

mod edits;
mod framing;

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::json;

use self::edits::{
    edited, garbage, message_of, not_json, padded, unknown_block, unknown_delta, unknown_event,
    with_unknown_stop_reason, without_usage,
};
use self::framing::Framing;
use super::{Fault, Pick, Place, Unknown, Which};
use crate::frame::{Frame, Frames};
use crate::line::Cut;
use crate::stream::{Act, Acts};

/// How many deltas a stuck model says again.
const REPEATED_DELTAS: usize = 6;

/// What is left to play after the faults are worked in.
pub(crate) struct Tampered {
    pub(crate) acts: Acts,
    /// Ascending.
    pub(crate) at_bytes: VecDeque<(u64, Act)>,
}

/// Works `faults` into `frames`. Pings of a `ping-stall` come every `ping`.
pub(crate) fn tamper(
    frames: Frames,
    faults: &[Fault],
    ping: Duration,
    request_id: &str,
    seed: u64,
) -> Tampered {
    let mut tamper = Tamper::new(frames);
    let mut at_bytes = Vec::new();
    let mut rng = fastrand::Rng::with_seed(seed);
    for fault in faults {
        let (place, deed) = match fault {
            Fault::Fin(place) => (place, Deed::Acts(vec![Act::Cut(Cut::Fin)])),
            Fault::Rst(place) => (place, Deed::Acts(vec![Act::Cut(Cut::Rst)])),
            Fault::End(place) => (place, Deed::Acts(vec![Act::End])),
            Fault::Stall { span, pings, place } => {
                (place, Deed::Acts(vec![Act::Stall(*span, pings.then_some(ping))]))
            }
            Fault::Error { kind, place } => {
                let frame = Frame::error(kind, message_of(kind), request_id);
                (place, Deed::Error(frame))
            }
            Fault::Garbage { bytes, place } => {
                (place, Deed::Acts(vec![Act::Send(Frame::raw(garbage(*bytes, &mut rng)))]))
            }
            Fault::Repeat { times, place } => (place, Deed::Repeat(*times)),
            other => {
                tamper.set(other);
                continue;
            }
        };
        match (place, deed) {
            (Place::Byte(Pick { from, .. }), Deed::Acts(acts)) => {
                at_bytes.extend(acts.into_iter().map(|act| (*from, act)));
            }
            (Place::Event(Pick { from, .. }), deed) => tamper.at_event.push((*from, deed)),
            (Place::After(name), deed) => tamper.after.push((name.clone(), deed)),
            // Before the headers is the business of the handler; the grammar lets nothing else through.
            (Place::Headers | Place::Byte(_), _) => {}
        }
    }
    at_bytes.sort_by_key(|(at, _)| *at);
    Tampered { acts: Box::new(tamper), at_bytes: at_bytes.into() }
}

/// What happens at a place.
enum Deed {
    Acts(Vec<Act>),
    /// Sent in the framing of the stream; then the end.
    Error(Frame),
    Repeat(u32),
}

struct Tamper {
    source: Frames,
    number: u64,
    blocks: u64,
    at_event: Vec<(u64, Deed)>,
    after: Vec<(String, Deed)>,
    edits: Vec<Edit>,
    framing: Framing,
    queue: VecDeque<Act>,
    recent: VecDeque<Frame>,
    repeating: VecDeque<Frame>,
    repeats_left: u64,
    surplus: Surplus,
    /// The whole message so far, when it is to come twice.
    copy: Option<Vec<Frame>>,
    over: bool,
}

/// A change of single events.
enum Edit {
    NotJson(u64),
    Huge(u64, usize),
    Drop(Which),
    Duplicate(Which),
    Unknown(Unknown),
    NoUsage,
    /// Did its work already.
    Done,
}

/// Tokens that a stuck model generated again. The answer does not know of them; its last usage has to.
#[derive(Clone, Copy, Default)]
struct Surplus {
    tokens: u64,
    /// Of these, thinking.
    thinking: u64,
}

impl Tamper {
    fn new(source: Frames) -> Self {
        Self {
            source,
            number: 0,
            blocks: 0,
            at_event: Vec::new(),
            after: Vec::new(),
            edits: Vec::new(),
            framing: Framing::default(),
            queue: VecDeque::new(),
            recent: VecDeque::new(),
            repeating: VecDeque::new(),
            repeats_left: 0,
            surplus: Surplus::default(),
            copy: None,
            over: false,
        }
    }

    /// Faults that are not bound to one place in time.
    fn set(&mut self, fault: &Fault) {
        match fault {
            Fault::NotJson(Place::Event(pick)) => self.edits.push(Edit::NotJson(pick.from)),
            Fault::Huge { bytes, place: Place::Event(pick) } => {
                self.edits.push(Edit::Huge(pick.from, *bytes));
            }
            Fault::Drop(which) => self.edits.push(Edit::Drop(which.clone())),
            Fault::Duplicate(which) => self.edits.push(Edit::Duplicate(which.clone())),
            Fault::Unknown(unknown) => self.edits.push(Edit::Unknown(*unknown)),
            Fault::NoUsage => self.edits.push(Edit::NoUsage),
            Fault::TwoMessages => self.copy = Some(Vec::new()),
            Fault::NoNames => self.framing.no_names = true,
            Fault::WrongNames => self.framing.wrong_names = true,
            Fault::Lines(lines) => self.framing.lines = Some(*lines),
            Fault::Bom => self.framing.bom = true,
            Fault::Comments => self.framing.comments = true,
            // Not about events: the handler and the connection see to them.
            _ => {}
        }
    }

    fn take(&mut self, mut frame: Frame) {
        let number = self.number;
        self.fire_at(number);
        self.number += 1;
        let mut copies = 1;
        let mut behind = Vec::new();
        for edit in &mut self.edits {
            match edit {
                Edit::NotJson(at) if *at == number => frame = not_json(&frame),
                Edit::Huge(at, bytes) if *at == number => frame.bytes = padded(&frame.bytes, *bytes),
                Edit::Drop(which) if which.is(number, &frame.name) => copies = 0,
                Edit::Duplicate(which) if which.is(number, &frame.name) => {
                    copies += 1;
                    *edit = Edit::Done;
                }
                Edit::NoUsage => frame = without_usage(frame),
                Edit::Unknown(Unknown::StopReason) if frame.name == "message_delta" => {
                    frame = with_unknown_stop_reason(frame);
                }
                Edit::Unknown(Unknown::Event) if frame.name == "message_start" => {
                    behind.push(unknown_event());
                    *edit = Edit::Done;
                }
                Edit::Unknown(Unknown::Delta) if frame.name == "content_block_start" => {
                    behind.push(unknown_delta(self.blocks));
                    *edit = Edit::Done;
                }
                Edit::Unknown(Unknown::Block) if frame.name == "message_delta" => {
                    for frame in unknown_block(self.blocks) {
                        self.queue.push_back(Act::Send(self.framing.dress(frame)));
                    }
                    *edit = Edit::Done;
                }
                _ => {}
            }
        }
        self.blocks += u64::from(frame.name == "content_block_start");
        if frame.name == "content_block_delta" {
            self.recent.push_back(frame.clone());
            if self.recent.len() > REPEATED_DELTAS {
                self.recent.pop_front();
            }
        }
        if let Some(copy) = &mut self.copy {
            copy.push(frame.clone());
        }
        let frame = self.surplus.added_to(frame);
        for again in 0..copies {
            // The second of two equal events was not generated twice.
            let tokens = if again == 0 { frame.tokens } else { 0 };
            self.send(Frame { tokens, ..frame.clone() });
        }
        for frame in behind {
            self.send(frame);
        }
        if copies > 0 {
            self.fire_after(&frame.name);
        }
    }

    /// The source is used up.
    fn finish(&mut self) {
        self.fire_at(self.number);
        for frame in self.copy.take().unwrap_or_default() {
            // Nor was the second of two equal messages.
            self.send(Frame { tokens: 0, total: None, ..frame });
        }
        self.over = self.queue.is_empty();
    }

    fn send(&mut self, frame: Frame) {
        let frame = self.framing.dress(frame);
        self.queue.push_back(Act::Send(frame));
    }

    fn fire_at(&mut self, number: u64) {
        let mut later = Vec::new();
        for (at, deed) in std::mem::take(&mut self.at_event) {
            if at == number {
                self.fire(deed);
            } else {
                later.push((at, deed));
            }
        }
        self.at_event = later;
    }

    fn fire_after(&mut self, name: &str) {
        let mut later = Vec::new();
        for (after, deed) in std::mem::take(&mut self.after) {
            if after == name {
                self.fire(deed);
            } else {
                later.push((after, deed));
            }
        }
        self.after = later;
    }

    fn fire(&mut self, deed: Deed) {
        match deed {
            Deed::Acts(acts) => self.queue.extend(acts),
            Deed::Error(frame) => {
                self.send(frame);
                self.queue.push_back(Act::End);
            }
            Deed::Repeat(times) => {
                self.repeating = self.recent.clone();
                self.repeats_left = u64::from(times) * self.repeating.len() as u64;
                for frame in &self.repeating {
                    self.surplus.tokens += u64::from(times) * frame.tokens;
                    if is_thought(frame) {
                        self.surplus.thinking += u64::from(times) * frame.tokens;
                    }
                }
            }
        }
    }
}

impl Iterator for Tamper {
    type Item = Act;

    fn next(&mut self) -> Option<Act> {
        loop {
            if self.repeats_left > 0 {
                self.repeats_left -= 1;
                let frame = self.repeating.pop_front()?;
                self.repeating.push_back(frame.clone());
                return Some(Act::Send(self.framing.dress(frame)));
            }
            if let Some(act) = self.queue.pop_front() {
                if matches!(act, Act::Cut(_) | Act::End) {
                    self.over = true;
                    self.queue.clear();
                }
                return Some(act);
            }
            if self.over {
                return None;
            }
            match self.source.next() {
                Some(frame) => self.take(frame),
                None => self.finish(),
            }
        }
    }
}

impl Surplus {
    /// The event that tells the total, with these tokens in it; any other as it is.
    fn added_to(self, frame: Frame) -> Frame {
        let Some(total) = frame.total.filter(|_| self.tokens > 0) else { return frame };
        let frame = edited(frame, |event| {
            for (pointer, more) in [
                ("/usage/output_tokens", self.tokens),
                ("/usage/output_tokens_details/thinking_tokens", self.thinking),
            ] {
                if let Some(figure) = event.pointer_mut(pointer) {
                    *figure = json!(figure.as_u64().unwrap_or_default() + more);
                }
            }
        });
        Frame { total: Some(total + self.tokens), ..frame }
    }
}

/// Thinking, or the signature behind it, which costs what was thought and not shown.
fn is_thought(frame: &Frame) -> bool {
    frame.piece.as_ref().is_none_or(|piece| piece.kind == "thinking")
}

impl Which {
    fn is(&self, number: u64, name: &str) -> bool {
        match self {
            Self::Named(wanted) => wanted == name,
            Self::Numbered(pick) => pick.from == number,
        }
    }
}
