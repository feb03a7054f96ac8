//! Breakers: an upstream that keeps failing for a model is left alone for a while.
//!
//! A breaker opens on a share of failures over a minimum volume, never on one blip: whoever opens on one turns a blip into an outage. What counts is the
//! upstream's failing: clients that leave, and requests that it rightly refuses, do not. When its time is over one request goes through as a
//! probe, and its fate decides for all.

use std::collections::HashMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use parking_lot::Mutex;
use tokio::time::Instant;

/// When a breaker opens, and for how long. There is one for each upstream and model.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub struct BreakerPolicy {
    /// Over which time attempts are counted. 30 s.
    pub window: Duration,
    /// So many attempts must have ended within it. 20.
    pub min_attempts: u32,
    /// This share of them must have failed. 0.5.
    pub failure_rate: f64,
    /// How long it stays open at first; twice as long after each probe that fails. 5 s.
    pub cooldown: Duration,
    /// Where the doubling ends. 60 s.
    pub max_cooldown: Duration,
}

impl Default for BreakerPolicy {
    fn default() -> Self {
        Self {
            window: Duration::from_secs(30),
            min_attempts: 20,
            failure_rate: 0.5,
            cooldown: Duration::from_secs(5),
            max_cooldown: Duration::from_secs(60),
        }
    }
}

/// Models are whatever clients write; beyond so many they share a breaker.
const MOST_BREAKERS: usize = 1024;
/// The parts of the window, so that it moves and does not jump.
const PARTS: u32 = 10;

/// All breakers of a gateway.
#[derive(Debug)]
pub(crate) struct Breakers {
    policy: BreakerPolicy,
    all: Mutex<HashMap<Key, Breaker>>,
}

type Key = (usize, Box<str>);

/// How a breaker stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    Closed,
    /// Nothing goes through until then.
    Open {
        until: Instant,
    },
    /// One request is, or may be, under way to find out.
    HalfOpen {
        probing: bool,
    },
}

impl fmt::Display for State {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Closed => "closed",
            Self::Open { .. } => "open",
            Self::HalfOpen { .. } => "half_open",
        })
    }
}

#[derive(Clone, Debug)]
struct Breaker {
    state: State,
    cooldown: Duration,
    parts: [Part; PARTS as usize],
}

#[derive(Clone, Copy, Debug, Default)]
struct Part {
    /// Which part of time this counts.
    number: u64,
    good: u32,
    bad: u32,
}

/// Leave to ask. What came of it is told; dropped without a word it counts for nothing.
#[derive(Debug)]
pub(crate) struct Permit {
    breakers: Arc<Breakers>,
    key: Key,
    is_probe: bool,
    told: bool,
}

impl Breakers {
    pub(crate) fn new(policy: BreakerPolicy) -> Arc<Self> {
        Arc::new(Self { policy, all: Mutex::default() })
    }

    /// These under other numbers of upstreams; `moved` gives an old one's new number. Under another policy all begin anew.
    pub(crate) fn renumbered(
        &self,
        policy: BreakerPolicy,
        moved: impl Fn(usize) -> Option<usize>,
    ) -> Arc<Self> {
        let mut all = HashMap::new();
        if policy == self.policy {
            for ((upstream, model), breaker) in &*self.all.lock() {
                let Some(number) = moved(*upstream) else { continue };
                let mut breaker = breaker.clone();
                // The probe that is under way tells the old one.
                if let State::HalfOpen { probing } = &mut breaker.state {
                    *probing = false;
                }
                all.insert((number, model.clone()), breaker);
            }
        }
        Arc::new(Self { policy, all: Mutex::new(all) })
    }

    pub(crate) fn has_policy(&self, policy: BreakerPolicy) -> bool {
        self.policy == policy
    }

    /// Leave to ask an upstream for a model, or when to come back.
    pub(crate) fn permit(self: &Arc<Self>, upstream: usize, model: &str) -> Result<Permit, Instant> {
        let now = Instant::now();
        let mut all = self.all.lock();
        let key = key(&all, upstream, model);
        let mut is_probe = false;
        if let Some(breaker) = all.get_mut(&key) {
            if let State::Open { until } = breaker.state {
                if now < until {
                    return Err(until);
                }
                breaker.state = State::HalfOpen { probing: false };
            }
            if let State::HalfOpen { probing } = &mut breaker.state {
                if std::mem::replace(probing, true) {
                    return Err(now + self.policy.cooldown);
                }
                is_probe = true;
            }
        }
        drop(all);
        Ok(Permit { breakers: Arc::clone(self), key, is_probe, told: false })
    }

    /// How each breaker stands that has seen anything of late.
    pub(crate) fn states(&self) -> Vec<(usize, Box<str>, State)> {
        let all = self.all.lock();
        all.iter().map(|((upstream, model), breaker)| (*upstream, model.clone(), breaker.state)).collect()
    }

    fn note(&self, key: &Key, is_probe: bool, good: bool) -> Option<State> {
        let now = Instant::now();
        let mut all = self.all.lock();
        let breaker = all.entry(key.clone()).or_insert_with(|| Breaker::new(&self.policy));
        let before = breaker.state;
        breaker.count(now, &self.policy, good);
        match (breaker.state, is_probe, good) {
            (State::HalfOpen { .. }, true, true) => *breaker = Breaker::new(&self.policy),
            (State::HalfOpen { .. }, true, false) => {
                breaker.cooldown = (breaker.cooldown * 2).min(self.policy.max_cooldown);
                breaker.state = State::Open { until: now + breaker.cooldown };
            }
            (State::Closed, _, false) if breaker.fails(now, &self.policy) => {
                breaker.state = State::Open { until: now + breaker.cooldown };
            }
            // What was under way when it opened changes nothing: the probe decides.
            _ => {}
        }
        let after = breaker.state;
        (std::mem::discriminant(&before) != std::mem::discriminant(&after)).then_some(after)
    }

    fn give_back(&self, key: &Key) {
        if let Some(breaker) = self.all.lock().get_mut(key)
            && let State::HalfOpen { probing } = &mut breaker.state
        {
            *probing = false;
        }
    }
}

/// The breaker's name; one for all models where there are too many.
fn key(all: &HashMap<Key, Breaker>, upstream: usize, model: &str) -> Key {
    let own = (upstream, model.into());
    if all.len() < MOST_BREAKERS || all.contains_key(&own) { own } else { (upstream, "".into()) }
}

impl Permit {
    /// Whether others wait for what becomes of it.
    pub(crate) fn is_probe(&self) -> bool {
        self.is_probe && !self.told
    }

    /// The upstream did what it is for. Says how the breaker stands, where that has changed.
    pub(crate) fn good(&mut self) -> Option<State> {
        self.tell(true)
    }

    /// The upstream failed.
    pub(crate) fn bad(&mut self) -> Option<State> {
        self.tell(false)
    }

    fn tell(&mut self, good: bool) -> Option<State> {
        if std::mem::replace(&mut self.told, true) {
            return None;
        }
        self.breakers.note(&self.key, self.is_probe, good)
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        if self.is_probe && !self.told {
            self.breakers.give_back(&self.key);
        }
    }
}

impl Breaker {
    fn new(policy: &BreakerPolicy) -> Self {
        Self { state: State::Closed, cooldown: policy.cooldown, parts: [Part::default(); PARTS as usize] }
    }

    fn count(&mut self, now: Instant, policy: &BreakerPolicy, good: bool) {
        let number = number(now, policy);
        let part = &mut self.parts[slot(number)];
        if part.number != number {
            *part = Part { number, good: 0, bad: 0 };
        }
        let count = if good { &mut part.good } else { &mut part.bad };
        *count = count.saturating_add(1);
    }

    fn fails(&self, now: Instant, policy: &BreakerPolicy) -> bool {
        let number = number(now, policy);
        let recent = self.parts.iter().filter(|part| part.number + u64::from(PARTS) > number);
        let (good, bad) = recent.fold((0_u32, 0_u32), |(good, bad), part| {
            (good.saturating_add(part.good), bad.saturating_add(part.bad))
        });
        let all = good.saturating_add(bad);
        all >= policy.min_attempts && f64::from(bad) >= policy.failure_rate * f64::from(all)
    }
}

/// Which part of time it is; the first is not 0, which an empty part has.
fn number(now: Instant, policy: &BreakerPolicy) -> u64 {
    static BEGIN: std::sync::OnceLock<Instant> = std::sync::OnceLock::new();
    let begin = *BEGIN.get_or_init(|| now);
    let part = (policy.window / PARTS).max(Duration::from_millis(1));
    let parts = now.saturating_duration_since(begin).as_millis() / part.as_millis().max(1);
    u64::try_from(parts).unwrap_or(u64::MAX - u64::from(PARTS) - 1) + u64::from(PARTS) + 1
}

fn slot(number: u64) -> usize {
    usize::try_from(number % u64::from(PARTS)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn policy() -> BreakerPolicy {
        BreakerPolicy { min_attempts: 4, ..BreakerPolicy::default() }
    }

    fn fail(breakers: &Arc<Breakers>, times: usize) {
        for _ in 0..times {
            breakers.permit(0, "m").unwrap().bad();
        }
    }

    #[tokio::test(start_paused = true)]
    async fn it_opens_on_a_share_over_a_volume_and_never_on_a_blip() {
        let breakers = Breakers::new(policy());
        fail(&breakers, 3);
        assert!(breakers.permit(0, "m").is_ok(), "three are no volume");
        for _ in 0..5 {
            breakers.permit(0, "m").unwrap().good();
        }
        fail(&breakers, 1);
        assert!(breakers.permit(0, "m").is_ok(), "4 of 9");
        fail(&breakers, 1);
        assert!(breakers.permit(0, "m").is_err(), "5 of 10");
        assert!(breakers.permit(0, "other").is_ok());
        assert!(breakers.permit(1, "m").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn clients_that_leave_do_not_count() {
        let breakers = Breakers::new(policy());
        for _ in 0..100 {
            drop(breakers.permit(0, "m").unwrap());
        }
        fail(&breakers, 3);
        assert!(breakers.permit(0, "m").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn what_was_long_ago_does_not_count() {
        let breakers = Breakers::new(policy());
        fail(&breakers, 3);
        tokio::time::advance(Duration::from_secs(31)).await;
        fail(&breakers, 3);
        assert!(breakers.permit(0, "m").is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn one_probe_decides() {
        let breakers = Breakers::new(policy());
        fail(&breakers, 4);
        let until = breakers.permit(0, "m").unwrap_err();
        assert_eq!(until - Instant::now(), Duration::from_secs(5));
        tokio::time::advance(Duration::from_secs(5)).await;
        let mut probe = breakers.permit(0, "m").unwrap();
        assert!(breakers.permit(0, "m").is_err(), "one at a time");
        assert!(matches!(probe.bad(), Some(State::Open { .. })));
        tokio::time::advance(Duration::from_secs(9)).await;
        assert!(breakers.permit(0, "m").is_err(), "twice as long");
        tokio::time::advance(Duration::from_secs(1)).await;
        drop(breakers.permit(0, "m").unwrap());
        let mut probe = breakers.permit(0, "m").expect("one that was given up leaves its place to another");
        assert_eq!(probe.good(), Some(State::Closed));
        fail(&breakers, 3);
        assert!(breakers.permit(0, "m").is_ok(), "begins anew");
    }

    #[tokio::test(start_paused = true)]
    async fn models_that_clients_invent_do_not_fill_the_memory() {
        let breakers = Breakers::new(policy());
        for number in 0..5_000 {
            breakers.permit(0, &format!("model-{number}")).unwrap().good();
        }
        assert!(breakers.states().len() <= MOST_BREAKERS + 1);
    }
}
