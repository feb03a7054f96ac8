//! Streams as things of their own: made, shown, listed, read, stopped, forgotten.
//!
//! What is answered here is what the log has, together with what its generation knows while it runs.

mod create;
mod events;
mod idempotency;
mod links;
mod list;
mod lookup;
mod many;
mod object;
mod order;
mod query;
mod stop;
mod timeline;
mod ws;

pub(crate) use self::create::create;
pub(crate) use self::events::{Attach, Attached, COME_BACK, attach, events};
pub(crate) use self::idempotency::IdempotencyKeys;
pub(crate) use self::links::link;
pub(crate) use self::list::list;
pub(crate) use self::lookup::order as order_of;
pub(crate) use self::many::events as many_events;
pub(crate) use self::object::{json, message, show};
pub(crate) use self::order::ordered;
pub(crate) use self::query::Query;
pub(crate) use self::stop::{cancel, delete, stop as halt};
pub(crate) use self::timeline::timeline;
pub(crate) use self::ws::socket;
