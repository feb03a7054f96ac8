//! What the fake upstream and the load client share: the manners of an answer, its events, and the clock of its stamps.
//!
//! Both are plain event loops on one thread, so that as little as possible of the machine goes to what is not measured.

pub mod alarm;
pub mod answer;
pub mod load;
pub mod manners;

use rustix::time::{ClockId, clock_gettime};

/// Nanoseconds of the clock that all processes of this machine share.
pub fn now() -> u64 {
    let time = clock_gettime(ClockId::Monotonic);
    time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64
}
