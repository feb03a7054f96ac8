//! A timer that wakes an event loop to the microsecond.
//!
//! The time limit of `epoll_wait` is whole milliseconds, which would gather the events of many streams into bunches that a real
//! service does not send, and bunches are cheaper to pass on.

use std::io;
use std::os::fd::{AsRawFd as _, OwnedFd};

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};
use rustix::time::{
    Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec, timerfd_create, timerfd_settime,
};

#[derive(Debug)]
pub struct Alarm {
    timer: OwnedFd,
}

impl Alarm {
    pub fn new(registry: &Registry, token: Token) -> io::Result<Self> {
        let timer =
            timerfd_create(TimerfdClockId::Monotonic, TimerfdFlags::NONBLOCK | TimerfdFlags::CLOEXEC)?;
        registry.register(&mut SourceFd(&timer.as_raw_fd()), token, Interest::READABLE)?;
        Ok(Self { timer })
    }

    /// Wakes the loop once, at this time of [`crate::now`]. It need not be read: setting it anew clears it.
    pub fn set(&self, at: u64) -> io::Result<()> {
        let second = 1_000_000_000;
        let timer = Itimerspec {
            it_interval: Timespec { tv_sec: 0, tv_nsec: 0 },
            // A time of 0 would turn it off.
            it_value: Timespec { tv_sec: (at / second) as i64, tv_nsec: ((at % second) as i64).max(1) },
        };
        timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &timer)?;
        Ok(())
    }
}
