//! What streams cost, and who may spend: a ledger of every attempt in SQL, dated prices, virtual keys, budgets.
//!
//! Every attempt has a [`Row`], whatever became of it, with its tokens by kind, `measured` or `estimated`, and its exact cost, or none where
//! that is not known. [`VirtualKey`]s have budgets and limits; a request [reserves](Ledger::reserve) what it could use at most before it
//! begins, and each attempt [settles](Reservation::settle) after it is over. What is held is given back on every path.
//!
//! # In a gateway
//!
//! ```
//! use std::sync::Arc;
//! use perennial_ledger::{Ask, Ledger, NewKey, Outcome, Row};
//! use perennial_protocol::Usage;
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! let ledger = Arc::new(Ledger::open("sqlite::memory:").await?);
//! let mut new = NewKey::named("search team");
//! new.rules.usd_per_day = Some("25".parse()?);
//! let (_, secret) = ledger.create_key(&new).await?;
//!
//! // A request comes in: who is it, and may it begin? Nothing here waits.
//! let key = ledger.keys().find(secret.expose().as_bytes())?.expect("it was just made");
//! let body = br#"{"model":"claude-sonnet-5-5","max_tokens":1000,"messages":[]}"#;
//! let mut reservation = ledger.reserve(Some(&key), &Ask::of(body))?;
//!
//! // An attempt is over.
//! let usage: Usage = serde_json::from_str(r#"{"input_tokens":12,"output_tokens":340}"#)?;
//! let mut row = Row::new("strm_0197", 1, "claude-sonnet-5-5", "claude");
//! row.outcome = Outcome::Completed;
//! row.measured(&usage);
//! reservation.settle(row);
//!
//! // Another attempt of the same stream would be: `reservation.renew(&ask)?`, and `settle` again. Then the stream is over:
//! drop(reservation);
//! assert_eq!(ledger.spending(&key.id).day.to_string(), "0.003424");
//! ledger.close().await?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # What it promises
//!
//! - A row is in the ledger once, however often it is recorded. It is never thrown away: it waits for the database, and if that never answers
//!   it is written to the log.
//! - Amounts are exact: whole numbers of 10^-12 dollars inside, decimals outside. What has no price is unknown, not zero and not a guess.
//! - What is spent and held of a key never exceeds a budget, however many ask at once in one process. Processes that share a PostgreSQL know
//!   of each other's spending after [`Options::refresh`]; by what they let begin meanwhile a budget can be exceeded.
//! - A secret is shown once and kept as a hash.
#![forbid(unsafe_code)]

mod admission;
mod denied;
mod error;
mod keys;
mod ledger;
mod money;
mod prices;
mod queue;
mod reservation;
mod row;
mod shared;
mod store;
mod tokens;
mod usage;
mod writer;

pub use admission::{Ask, MAX_OUTPUT_TOKENS, UNLIMITED_SEARCHES};
pub use denied::Denied;
pub use error::{Error, Result};
pub use keys::{Keys, NewKey, Rules, SecretInfo, Shown, VirtualKey};
pub use ledger::{Ledger, Options, Spending};
pub use prices::Prices;
pub use queue::MaxUnwritten;
pub use reservation::Reservation;
pub use row::{Accuracy, InvalidOutcome, Outcome, Row};
pub use rust_decimal::Decimal;
pub use tokens::Tokens;
pub use usage::{By, InvalidBy, UsageQuery, UsageSum};

/// The UTC day of a time.
pub(crate) fn day_of(time: jiff::Timestamp) -> jiff::civil::Date {
    time.to_zoned(jiff::tz::TimeZone::UTC).date()
}
