//! What is held for a stream that runs.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use parking_lot::Mutex;
use rust_decimal::Decimal;
use tokio::time::Instant;

use crate::admission::{Account, Ask, Hold, Moment, Most};
use crate::denied::{Denied, Why};
use crate::keys::{self, Rules, VirtualKey};
use crate::money;
use crate::row::Row;
use crate::shared::Shared;

/// A stream's right to run: its place among the streams of its key, and what its present attempt could use at most.
///
/// Dropped, it gives back all that was not [settled](Self::settle), on every path: a future that is dropped, a task that ends, a panic.
#[must_use = "dropped, it gives everything back at once"]
pub struct Reservation {
    shared: Arc<Shared>,
    /// For a request without a virtual key nothing is held.
    seat: Option<Seat>,
}

struct Seat {
    key: Arc<VirtualKey>,
    account: Arc<Mutex<Account>>,
    hold: Option<Hold>,
}

impl Reservation {
    pub(crate) fn begin(
        shared: &Arc<Shared>,
        key: Option<&Arc<VirtualKey>>,
        ask: &Ask,
        now: Moment,
    ) -> Result<Self, Denied> {
        shared.queue.admits()?;
        let Some(key) = key else { return Ok(Self { shared: Arc::clone(shared), seat: None }) };
        keys::usable(key, now.wall)?;
        may_ask(&key.rules, ask)?;
        let account = shared.accounts.of(&key.id);
        let most = most(shared, ask, now.wall);
        let hold = account.lock().begin(key, most, now)?;
        let seat = Seat { key: Arc::clone(key), account, hold: Some(hold) };
        Ok(Self { shared: Arc::clone(shared), seat: Some(seat) })
    }

    /// Records the row of the attempt that is over, and puts what it used in the place of what was held for it.
    ///
    /// The row is priced here and gets the key's id. Where its cost is unknown, the key's budgets are charged what was held: else a tier without
    /// a price would be a way around them. It never waits and never fails; see [`Ledger::record`](crate::Ledger::record).
    pub fn settle(&mut self, mut row: Row) {
        self.shared.prices().put_on(&mut row);
        row.charged = row.cost.unwrap_or(0);
        if let Some(seat) = &mut self.seat {
            row.key = Some(seat.key.id.clone());
            let now = Instant::now();
            let mut account = seat.account.lock();
            match seat.hold.take() {
                Some(hold) => {
                    row.charged = row.cost.unwrap_or(hold.cost);
                    account.settle(hold, &row.tokens, now);
                }
                None => account.use_tokens(&row.tokens, now),
            }
            // Before it is in the queue: the writer takes it out of what is unwritten.
            account.spend(row.day(), row.charged);
        }
        self.shared.queue.push(row);
    }

    /// Holds what another attempt of the same stream could use at most: a recovery, a fallback. What was held before is given back.
    ///
    /// # Errors
    /// As [`Ledger::reserve`](crate::Ledger::reserve), but only money and the key's own end stand in the way, not rates: it is the gateway
    /// that asks again, not the client.
    pub fn renew(&mut self, ask: &Ask) -> Result<(), Denied> {
        self.renew_at(ask, Moment { wall: Timestamp::now(), clock: Instant::now() })
    }

    pub(crate) fn renew_at(&mut self, ask: &Ask, now: Moment) -> Result<(), Denied> {
        let Some(seat) = &mut self.seat else { return Ok(()) };
        let most = most(&self.shared, ask, now.wall);
        let mut account = seat.account.lock();
        if let Some(hold) = seat.hold.take() {
            account.release(hold, now.clock);
        }
        // The key may have changed since.
        let key = self.shared.keys.get(&seat.key.id).unwrap_or_else(|| Arc::clone(&seat.key));
        keys::usable(&key, now.wall)?;
        may_ask(&key.rules, ask)?;
        seat.hold = Some(account.again(&key, most, now)?);
        Ok(())
    }

    /// How much money is held, in US dollars.
    #[must_use]
    pub fn held(&self) -> Decimal {
        let hold = self.seat.as_ref().and_then(|seat| seat.hold.as_ref());
        money::to_usd(hold.map_or(0, |hold| hold.cost))
    }

    /// Whose stream it is, where a virtual key was shown.
    #[must_use]
    pub fn key(&self) -> Option<&Arc<VirtualKey>> {
        self.seat.as_ref().map(|seat| &seat.key)
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        if let Some(seat) = &mut self.seat {
            let mut account = seat.account.lock();
            if let Some(hold) = seat.hold.take() {
                account.release(hold, Instant::now());
            }
            account.end();
        }
    }
}

impl fmt::Debug for Reservation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let key = self.key().map(|key| &key.id);
        f.debug_struct("Reservation").field("key", &key).field("held", &self.held()).finish()
    }
}

fn may_ask(rules: &Rules, ask: &Ask) -> Result<(), Denied> {
    if let Some(model) = ask.models().find(|model| !rules.allows_model(model)) {
        return Err(Denied::new(Why::Forbidden, format!("this key may not ask the model `{model}`")));
    }
    if ask.any_model && !rules.models.is_empty() {
        let message = "this key may ask certain models only, and the request leaves the choice of another to the service: name the `fallbacks`";
        return Err(Denied::new(Why::Forbidden, message));
    }
    Ok(())
}

/// What a request could use at most: where several models may have a part in it, each of them all of it.
fn most(shared: &Shared, ask: &Ask, wall: Timestamp) -> Most {
    let day = crate::day_of(wall);
    let prices = shared.prices();
    let of = |model| prices.worst(model, ask.input_tokens, ask.max_tokens, ask.web_searches, &ask.terms, day);
    let cost = if ask.any_model { None } else { ask.models().map(of).sum() };
    Most { cost, input: ask.input_tokens, output: ask.max_tokens, detached: ask.detached }
}

#[cfg(test)]
mod tests;
