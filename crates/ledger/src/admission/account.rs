//! The account of one key: what it spent, what is held for what runs, and how fast it went. Pure: the time is told.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::time::Instant;

use super::bucket::Bucket;
use crate::denied::{Denied, Why};
use crate::keys::{Rules, VirtualKey};
use crate::money::{self, Pico};
use crate::tokens::Tokens;

/// When something happens: by the calendar for budgets, by the clock for rates.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Moment {
    pub(crate) wall: Timestamp,
    pub(crate) clock: Instant,
}

/// What a request could use at most.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Most {
    /// `None` where a price is unknown.
    pub(crate) cost: Option<Pico>,
    pub(crate) input: u64,
    pub(crate) output: u64,
    pub(crate) detached: bool,
}

/// What is held for one attempt; given back or spent in the account that it was taken from, and nowhere else.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use]
pub(crate) struct Hold {
    pub(crate) cost: Pico,
    input: u64,
    output: u64,
}

/// The account of one key.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Spent by the day, as the database has it.
    written: BTreeMap<Date, Pico>,
    /// Spent by the day, not in the database yet.
    unwritten: BTreeMap<Date, Pico>,
    held: Pico,
    streams: u64,
    requests: Option<Bucket>,
    input: Option<Bucket>,
    output: Option<Bucket>,
}

/// A rate at which nobody waits for a number that is unknown: how long a stream runs.
const WAIT_FOR_A_STREAM: Duration = Duration::from_secs(1);

impl Account {
    /// Takes a request on: a place among the streams, and what its first attempt could use at most.
    pub(crate) fn begin(&mut self, key: &VirtualKey, most: Most, now: Moment) -> Result<Hold, Denied> {
        let rules = &key.rules;
        self.set_limits(rules, now.clock);
        if let Some(limit) = rules.max_streams
            && self.streams >= limit
        {
            let message = format!(
                "this key has as many streams running as it may, {limit}; wait for one to end, or stop one"
            );
            return Err(Denied::for_now(Why::Rate, message, WAIT_FOR_A_STREAM));
        }
        for (bucket, amount, what) in [
            (&mut self.requests, 1, "requests"),
            (&mut self.input, most.input, "input tokens"),
            (&mut self.output, most.output, "output tokens"),
        ] {
            let wait = bucket.as_mut().map_or(Duration::ZERO, |bucket| bucket.wait_for(amount, now.clock));
            if !wait.is_zero() {
                let message =
                    format!("this key has used up its {what} of this minute; wait, or ask for less");
                return Err(Denied::for_now(Why::Rate, message, wait));
            }
        }
        let cost = self.affordable(rules, most, now.wall)?;
        self.streams += 1;
        if let Some(requests) = &mut self.requests {
            requests.take(1, now.clock);
        }
        Ok(self.hold(cost, most, now.clock))
    }

    /// Takes on another attempt of a stream that runs. Only money can stand in its way: a rate is for those who ask.
    pub(crate) fn again(&mut self, key: &VirtualKey, most: Most, now: Moment) -> Result<Hold, Denied> {
        self.set_limits(&key.rules, now.clock);
        let cost = self.affordable(&key.rules, most, now.wall)?;
        Ok(self.hold(cost, most, now.clock))
    }

    /// Gives back what was held for an attempt that used nothing, or of which nothing is known.
    #[expect(clippy::needless_pass_by_value, reason = "what is given back is not there any more")]
    pub(crate) fn release(&mut self, hold: Hold, now: Instant) {
        self.held -= hold.cost;
        for (bucket, amount) in [(&mut self.input, hold.input), (&mut self.output, hold.output)] {
            if let Some(bucket) = bucket {
                bucket.give_back(amount, now);
            }
        }
    }

    /// Puts what an attempt used in the place of what was held for it.
    pub(crate) fn settle(&mut self, hold: Hold, used: &Tokens, now: Instant) {
        self.release(hold, now);
        self.use_tokens(used, now);
    }

    /// Counts tokens that nothing was held for.
    pub(crate) fn use_tokens(&mut self, used: &Tokens, now: Instant) {
        for (bucket, amount) in [(&mut self.input, used.fresh_input()), (&mut self.output, used.output)] {
            if let Some(bucket) = bucket {
                bucket.take(amount, now);
            }
        }
    }

    /// One stream less.
    pub(crate) fn end(&mut self) {
        self.streams -= 1;
    }

    /// Spent, and on its way to the database.
    pub(crate) fn spend(&mut self, day: Date, amount: Pico) {
        *self.unwritten.entry(day).or_default() += amount;
    }

    /// In the database now; `is_new`: it was not there before.
    pub(crate) fn written(&mut self, day: Date, amount: Pico, is_new: bool) {
        if let Some(unwritten) = self.unwritten.get_mut(&day) {
            *unwritten -= amount;
            if *unwritten == 0 {
                self.unwritten.remove(&day);
            }
        }
        if is_new {
            *self.written.entry(day).or_default() += amount;
        }
    }

    /// What the database has, of all who write to it.
    pub(crate) fn refresh(&mut self, written: BTreeMap<Date, Pico>) {
        self.written = written;
    }

    pub(crate) fn spent_on(&self, day: Date) -> Pico {
        let of = |spent: &BTreeMap<Date, Pico>| spent.get(&day).copied().unwrap_or(0);
        of(&self.written) + of(&self.unwritten)
    }

    pub(crate) fn spent_in_month(&self, day: Date) -> Pico {
        let days = day.first_of_month()..=day.last_of_month();
        let of =
            |spent: &BTreeMap<Date, Pico>| spent.range(days.clone()).map(|(_, spent)| spent).sum::<Pico>();
        of(&self.written) + of(&self.unwritten)
    }

    pub(crate) fn held(&self) -> Pico {
        self.held
    }

    pub(crate) fn streams(&self) -> u64 {
        self.streams
    }

    /// What of the worst case has to be held, if there is so much money left.
    fn affordable(&self, rules: &Rules, most: Most, wall: Timestamp) -> Result<Pico, Denied> {
        if let (true, Some(cap)) = (most.detached, rules.detached_usd) {
            let cap_pico = money::from_usd(cap).unwrap_or(0);
            if most.cost.is_none_or(|cost| cost > cap_pico) {
                let message = format!(
                    "a request that runs on without a reader may cost {cap} US dollars with this key, and this one could cost {}: lower max_tokens, or ask for `grace=SECONDS`",
                    dollars(most.cost)
                );
                return Err(Denied::new(Why::Forbidden, message));
            }
        }
        if !rules.limits_money() {
            return Ok(most.cost.unwrap_or(0));
        }
        let Some(cost) = most.cost else {
            let message = "this key has a budget, and what the request would cost is not known here: ask another model or tier, or have its price put into the gateway's price table";
            return Err(Denied::new(Why::Forbidden, message));
        };
        let today = crate::day_of(wall);
        for (budget, spent, span, next) in [
            (rules.usd_per_day, self.spent_on(today), "day", "at midnight UTC"),
            (rules.usd_per_month, self.spent_in_month(today), "month", "on the first of the month, UTC"),
        ] {
            let Some(budget) = budget else { continue };
            let left = money::from_usd(budget).unwrap_or(0) - spent - self.held;
            if cost > left {
                let message = format!(
                    "the budget of this key is {budget} US dollars a {span}, of which {} are spent and {} are held for streams that run; this request could cost {}. The next {span} begins {next}",
                    money::to_usd(spent),
                    money::to_usd(self.held),
                    money::to_usd(cost)
                );
                return Err(Denied::new(Why::Budget, message));
            }
        }
        Ok(cost)
    }

    fn hold(&mut self, cost: Pico, most: Most, now: Instant) -> Hold {
        self.held += cost;
        for (bucket, amount) in [(&mut self.input, most.input), (&mut self.output, most.output)] {
            if let Some(bucket) = bucket {
                bucket.take(amount, now);
            }
        }
        Hold { cost, input: most.input, output: most.output }
    }

    fn set_limits(&mut self, rules: &Rules, now: Instant) {
        for (bucket, limit) in [
            (&mut self.requests, rules.requests_per_minute),
            (&mut self.input, rules.input_tokens_per_minute),
            (&mut self.output, rules.output_tokens_per_minute),
        ] {
            match (bucket.as_mut(), limit) {
                (Some(bucket), Some(limit)) => bucket.set_limit(limit, now),
                (_, limit) => *bucket = limit.map(|limit| Bucket::new(limit, now)),
            }
        }
    }
}

fn dollars(cost: Option<Pico>) -> String {
    cost.map_or_else(|| "an amount that is not known".to_owned(), |cost| money::to_usd(cost).to_string())
}
