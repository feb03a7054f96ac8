//! The plan of one stream: everything about it follows from the seed and its number, so that it can be repeated by itself.

use std::sync::Arc;

use crate::fault::{Fault, SWEPT, catalogue};
use crate::reference::Reference;
use crate::subject::Subject;

/// Where and how a stream is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Face {
    /// `POST /v1/messages` with a stream.
    DropIn,
    /// The same, by a client that leaves in the middle and reads on from the log.
    DropInBack,
    /// `POST /v1/messages` without a stream.
    Json,
    /// Server-sent events of a kept stream, with reconnects.
    Events,
    /// Lines of JSON of one, with reconnects.
    Lines,
    /// Its text.
    Text,
    /// Its lines, polled.
    Poll,
    /// The client library, at the gateway.
    Library,
    /// The client library, at the simulator.
    Direct,
}

impl Face {
    pub(crate) const ALL: [Self; 9] = [
        Self::DropIn,
        Self::DropInBack,
        Self::Json,
        Self::Events,
        Self::Lines,
        Self::Text,
        Self::Poll,
        Self::Library,
        Self::Direct,
    ];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::DropIn => "drop-in SSE",
            Self::DropInBack => "drop-in SSE, left and read on",
            Self::Json => "drop-in JSON",
            Self::Events => "resumable SSE",
            Self::Lines => "NDJSON",
            Self::Text => "text",
            Self::Poll => "long poll",
            Self::Library => "library at the gateway",
            Self::Direct => "library at the simulator",
        }
    }
}

/// One stream.
#[derive(Clone, Debug)]
pub(crate) struct Plan {
    pub(crate) seed: u64,
    pub(crate) number: u64,
    pub(crate) subject: usize,
    pub(crate) face: Face,
    pub(crate) fault: Fault,
    /// How a request to go on is met.
    pub(crate) manner: &'static str,
    /// After so many events a reader leaves and comes back.
    pub(crate) leaves: Vec<usize>,
    /// Whether it is read once more from the beginning, to be compared.
    pub(crate) rereads: bool,
}

/// How keys begin of requests that go straight to the simulator.
pub(crate) const DIRECT: &str = "direct-";

/// One in three streams meets a fault of the catalogue, the others a swept one.
const CATALOGUE_EVERY: u64 = 3;
/// Once in so many rounds of the catalogue, what is large is really large.
const RARE_EVERY: u64 = 16;
/// Every manner that a simulator knows; the first is an honest one.
pub(crate) const MANNERS: &[&str] = &[
    "honest",
    "repeat",
    "preamble",
    "apologise",
    "reword",
    "restart",
    "skip",
    "other",
    "refuse",
    "midword",
    "empty",
];

impl Plan {
    pub(crate) fn new(seed: u64, number: u64, subjects: &[Subject], references: &[Arc<Reference>]) -> Self {
        let mut rng = fastrand::Rng::with_seed(mix(seed, number));
        let faces = Face::ALL.len() as u64;
        let (subject, face, fault);
        if number.is_multiple_of(CATALOGUE_EVERY) {
            let all = catalogue();
            let count = number / CATALOGUE_EVERY;
            let (index, round) = (count % all.len() as u64, count / all.len() as u64);
            face = Face::ALL[place((round + index) % faces)];
            let any = place((round / faces + index) % subjects.len() as u64);
            // Deltas that come again behind their block's end are no stuck model.
            let fits =
                |subject: &usize| all[place(index)].name != "repetition" || subjects[*subject].form.is_text();
            subject =
                (any..any + subjects.len()).map(|subject| subject % subjects.len()).find(fits).unwrap_or(any);
            let is_rare = round % RARE_EVERY == RARE_EVERY - 1;
            fault = Fault::named(&all[place(index)], is_rare);
        } else {
            let count = number - number / CATALOGUE_EVERY - 1;
            let kinds = SWEPT.len() as u64;
            let cell = count % (kinds * subjects.len() as u64);
            let round = count / (kinds * subjects.len() as u64);
            subject = place(cell / kinds);
            let kind = SWEPT[place(cell % kinds)];
            face = Face::ALL[place((round + cell) % faces)];
            let reference = &references[subject];
            let measure = if kind.ends_with("byte") { reference.bytes } else { reference.events };
            let at = swept(seed, cell, round, measure.total + 1);
            let times = [Some(1), Some(1), Some(1), Some(1), Some(2), None][rng.usize(..6)];
            fault = Fault::swept(kind, at, times, reference, subjects[subject].form);
        }
        // Only text is gone on with dishonestly: the simulator's other blocks do not come then, and nobody could know of them.
        let is_honest = rng.u8(..10) < 7 || !subjects[subject].form.is_text();
        let manner = if is_honest { MANNERS[0] } else { MANNERS[rng.usize(1..MANNERS.len())] };
        let mut leaves: Vec<usize> = (0..rng.usize(..4)).map(|_| rng.usize(1..60)).collect();
        if face == Face::DropInBack && leaves.is_empty() {
            leaves.push(rng.usize(1..20));
        }
        leaves.sort_unstable();
        Self { seed, number, subject, face, fault, manner, leaves, rereads: rng.u8(..4) == 0 }
    }

    /// What the simulator is told to do with it.
    pub(crate) fn orders(&self, subject: &Subject) -> String {
        let manner = if self.is_honest() { String::new() } else { format!("continuation={}", self.manner) };
        let parts = [subject.orders, &self.fault.words, &manner];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        parts.join(";")
    }

    /// By this the simulator and its journal know the attempts of this stream.
    pub(crate) fn key(&self) -> String {
        // What does not come through the gateway is in no ledger.
        let way = if self.face == Face::Direct { DIRECT } else { "" };
        format!("{way}{}-{}", self.seed, self.number)
    }

    /// Whether a request to go on is met honestly.
    pub(crate) fn is_honest(&self) -> bool {
        self.manner == MANNERS[0]
    }

    /// The command that does only this.
    pub(crate) fn repeat(&self) -> String {
        format!("bench/run chaos --seed {} --only {}", self.seed, self.number)
    }
}

/// The `round`th of all places below `total`, each of them once before any comes again.
fn swept(seed: u64, cell: u64, round: u64, total: u64) -> u64 {
    // About the golden section, which spreads them most evenly.
    let mut stride = (total * 618 / 1000).max(1);
    while gcd(stride, total) != 1 {
        stride += 1;
    }
    (mix(seed, cell) % total + round % total * stride) % total
}

fn gcd(a: u64, b: u64) -> u64 {
    if b == 0 { a } else { gcd(b, a % b) }
}

fn mix(seed: u64, number: u64) -> u64 {
    let mut x = seed ^ number.wrapping_mul(0x9e37_79b9_7f4a_7c15);
    x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

fn place(number: u64) -> usize {
    usize::try_from(number).unwrap_or(usize::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_meets_each_place_once() {
        for total in [1, 2, 7, 100, 2994, 12_434] {
            let mut seen: Vec<u64> = (0..total).map(|round| swept(7, 3, round, total)).collect();
            seen.sort_unstable();
            assert_eq!(seen, (0..total).collect::<Vec<_>>());
        }
    }
}
