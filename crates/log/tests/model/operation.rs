//! What can be done to a log, at random.

use perennial_log::{Entry, Kind, Outcome, Time};
use proptest::{collection::vec, prelude::*};

/// One thing to do. Streams and readers are numbers, taken modulo how many there are.
#[derive(Clone, Debug)]
pub(crate) enum Operation {
    Create {
        entries: Vec<Entry>,
    },
    CreateAgain {
        stream: usize,
    },
    /// `epoch` and `next` are how far the fence is off.
    Append {
        stream: usize,
        epoch: i8,
        next: i8,
        entries: Vec<Entry>,
    },
    Takeover {
        stream: usize,
        epoch: i8,
    },
    Delete {
        stream: usize,
    },
    Read {
        stream: usize,
        from: u64,
        most: usize,
    },
    Attach {
        reader: usize,
        stream: usize,
        after: u64,
    },
    Pull {
        reader: usize,
    },
    Advance {
        seconds: u64,
    },
    ClockBack {
        seconds: u64,
    },
    Reopen,
    List {
        most: usize,
    },
}

pub(crate) fn operations() -> impl Strategy<Value = Vec<Operation>> {
    vec(operation(), 1..120)
}

fn operation() -> impl Strategy<Value = Operation> {
    let stream = 0_usize..100;
    // Mostly right: a log of refusals is short.
    let off = || prop_oneof![8 => Just(0_i8), 1 => -2_i8..=2];
    prop_oneof![
        8 => entries(1, 4).prop_map(|entries| Operation::Create { entries }),
        1 => stream.clone().prop_map(|stream| Operation::CreateAgain { stream }),
        30 => (stream.clone(), off(), off(), entries(1, 12)).prop_map(|(stream, epoch, next, entries)| Operation::Append {
            stream,
            epoch,
            next,
            entries
        }),
        4 => (stream.clone(), off()).prop_map(|(stream, epoch)| Operation::Takeover { stream, epoch }),
        1 => stream.clone().prop_map(|stream| Operation::Delete { stream }),
        6 => (stream.clone(), 1_u64..40, prop_oneof![Just(1), Just(300), Just(100_000)])
            .prop_map(|(stream, from, most)| Operation::Read { stream, from, most }),
        6 => (0_usize..6, stream, 0_u64..20).prop_map(|(reader, stream, after)| Operation::Attach { reader, stream, after }),
        20 => (0_usize..6).prop_map(|reader| Operation::Pull { reader }),
        3 => prop_oneof![4 => 1_u64..600, 1 => 600_u64..8000].prop_map(|seconds| Operation::Advance { seconds }),
        1 => (1_u64..200).prop_map(|seconds| Operation::ClockBack { seconds }),
        1 => Just(Operation::Reopen),
        2 => (1_usize..6).prop_map(|most| Operation::List { most }),
    ]
}

/// Events and others; the last one may end the stream.
fn entries(least: usize, most: usize) -> impl Strategy<Value = Vec<Entry>> {
    let kind = prop_oneof![10 => Just(Kind::Event), 1 => Just(Kind::Seam), 1 => Just(Kind::Cancel), 1 => Just(Kind::Other(77))];
    let payload = prop_oneof![5 => vec(any::<u8>(), 0..40), 1 => vec(any::<u8>(), 500..900)];
    let entry = (kind, payload, any::<u32>())
        .prop_map(|(kind, payload, time)| Entry::new(kind, payload).at(Time::from_micros(u64::from(time))));
    let outcome = prop_oneof![
        Just(Outcome::Completed),
        Just(Outcome::Cancelled),
        Just(Outcome::Failed),
        Just(Outcome::Interrupted)
    ];
    let end = prop_oneof![12 => Just(None), 1 => outcome.prop_map(Some)];
    (vec(entry, least..=most), end).prop_map(|(mut entries, end)| {
        entries.extend(end.map(|outcome| Entry::terminal(outcome, "end").at(Time::default())));
        entries
    })
}
