//! Time: what it costs to go on with a long text grows as its length does.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it does")]

mod stage;

use std::time::Duration;

use perennial_recovery::Plan;
use rustix::time::{ClockId, clock_gettime};

use self::stage::{NEW, Reader, block_stop, message_end, message_start, request, text_delta, text_start};

/// What this thread has used of a processor, whatever else the machine does.
fn used() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
}

/// Words that do not repeat for long.
fn prose(bytes: usize) -> String {
    let mut dice = fastrand::Rng::with_seed(1);
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        text.extend((0..dice.usize(2..9)).map(|_| dice.lowercase()));
        text.push(' ');
    }
    text
}

/// What it takes to go on with a text of so many bytes, of which the last `again` are said again, character by character.
fn cost(bytes: usize, again: usize) -> Duration {
    let text = prose(bytes);
    let mut reader = Reader::of(&[message_start("msg_1"), text_start(0), text_delta(0, &text)]);
    let request = request(NEW, "Go", 2_000_000);
    let mut frames = vec![message_start("msg_2"), text_start(0)];
    frames.extend(text[text.len() - again..].chars().map(|c| text_delta(0, &c.to_string())));
    frames.extend([text_delta(0, "The end."), block_stop(0)]);
    frames.extend(message_end("end_turn", 9));
    let before = used();
    let Plan::Continue { splice, .. } = reader.plan(&request) else { panic!("it can be gone on with") };
    reader.join(splice, &frames).unwrap();
    let cost = used() - before;
    assert_eq!(reader.joints[0].overlap, again as u64);
    assert!(reader.text() == format!("{text}The end."));
    cost
}

/// The least of some tries, which end as soon as one is below `limit`. What is a hundred times the work is so each time; what a machine that is shared takes away
/// meanwhile, and calls ours, it does not take away twenty times.
fn least(bytes: usize, again: usize, limit: Duration) -> Duration {
    let mut least = Duration::MAX;
    for _ in 0..20 {
        least = least.min(cost(bytes, again));
        if least < limit {
            break;
        }
    }
    least
}

/// The least of a few.
fn first(bytes: usize, again: usize) -> Duration {
    (0..3).map(|_| cost(bytes, again)).min().unwrap()
}

#[test]
fn a_long_text_costs_as_much_as_its_length() {
    let short = first(100_000, 100);
    let long = least(1_000_000, 100, short * 40);
    println!("100 kB: {short:?}, 1 MB: {long:?}");
    assert!(long < short * 40, "{short:?} for 100 kB, {long:?} for 1 MB");
}

#[test]
fn a_long_repetition_costs_as_much_as_its_length() {
    let short = first(70_000, 6_000);
    let long = least(70_000, 60_000, short * 30);
    println!("6 kB again: {short:?}, 60 kB again: {long:?}");
    assert!(long < short * 30, "{short:?} for 6 kB, {long:?} for 60 kB");
}
