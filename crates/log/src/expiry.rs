//! When a stream is forgotten, and why its name cannot come back.
//!
//! A name says when it was made, and only a fresh name makes a stream. A store remembers every name as long as it is fresh, so
//! what was forgotten can never be made again, whatever the clock does.

use std::time::Duration;

use crate::{Error, Retention, StreamId, Time};

/// How far a new stream's name may be from the present.
pub(crate) const FRESH: Duration = Duration::from_secs(300);

/// When a stream's records go, and when its name may.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Expiry {
    pub(crate) expires: Time,
    pub(crate) forgotten: Time,
}

impl Expiry {
    /// The expiry of a stream that is made at `now`.
    pub(crate) fn of(
        stream: StreamId,
        expires: Option<Time>,
        retention: Retention,
        now: Time,
    ) -> Result<Self, Error> {
        let made = stream.time();
        if made.plus(FRESH) < now || now.plus(FRESH) < made {
            return Err(Error::refused(
                stream,
                "a stream is made within five minutes of its name: make a new name",
            ));
        }
        let expires = expires.unwrap_or(Time::MAX).min(made.plus(retention.get()));
        if expires <= now {
            return Err(Error::refused(stream, "the stream would expire before it is made"));
        }
        Ok(Self { expires, forgotten: expires.max(made.plus(2 * FRESH)) })
    }
}
