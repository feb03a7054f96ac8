//! The fleet: all upstreams of a gateway, and which of them is asked next.

use std::sync::Arc;
use std::time::Duration;

use http::HeaderMap;
use tokio::time::Instant;

use super::breaker::{BreakerPolicy, Breakers, Permit, State};
use super::{NotAnUpstream, Upstream};
use crate::access::{Credential, Key};

/// One of the places that requests can go to.
///
/// ```
/// use perennial_gateway::{Gateway, UpstreamOptions};
///
/// let backup = UpstreamOptions::new("backup", "https://claude.example").order(1).models(["claude-haiku-*"]);
/// let gateway = Gateway::builder("https://api.anthropic.com").upstream(backup).build()?;
/// # Ok::<(), perennial_gateway::BuildError>(())
/// ```
#[derive(Clone, Debug)]
pub struct UpstreamOptions {
    pub(crate) name: String,
    pub(crate) url: String,
    pub(crate) credential: Option<Credential>,
    pub(crate) models: Vec<String>,
    pub(crate) order: u32,
    pub(crate) weight: u32,
}

impl UpstreamOptions {
    /// An upstream at `url` under a `name` for people: order 0, weight 1, every model, no credential of its own.
    #[must_use]
    pub fn new(name: impl Into<String>, url: impl Into<String>) -> Self {
        Self { name: name.into(), url: url.into(), credential: None, models: Vec::new(), order: 0, weight: 1 }
    }

    /// The key that goes up, as `x-api-key`.
    #[must_use]
    pub fn key(mut self, key: Key) -> Self {
        self.credential = Some(Credential::ApiKey(key));
        self
    }

    /// The token that goes up, as `Authorization: Bearer`.
    #[must_use]
    pub fn token(mut self, token: Key) -> Self {
        self.credential = Some(Credential::Token(token));
        self
    }

    /// The models that it is asked for: names, or beginnings of names with a `*` at the end. Without any, all.
    #[must_use]
    pub fn models<S: Into<String>>(mut self, models: impl IntoIterator<Item = S>) -> Self {
        self.models = models.into_iter().map(Into::into).collect();
        self
    }

    /// Upstreams of a lower order are asked first; those of a higher one where they fail.
    #[must_use]
    pub fn order(mut self, order: u32) -> Self {
        self.order = order;
        self
    }

    /// Its share among those of the same order. With 0 it is asked only where the others fail.
    #[must_use]
    pub fn weight(mut self, weight: u32) -> Self {
        self.weight = weight;
        self
    }
}

/// All upstreams, in the order in which they were given.
#[derive(Debug)]
pub(crate) struct Fleet {
    members: Vec<Member>,
    pub(crate) breakers: Arc<Breakers>,
    connect: Duration,
}

/// One upstream of the fleet.
#[derive(Debug)]
pub(crate) struct Member {
    pub(crate) name: Box<str>,
    url: Box<str>,
    pub(crate) upstream: Arc<Upstream>,
    credential: Option<Credential>,
    models: Vec<String>,
    order: u32,
    weight: u32,
}

/// The next to be asked.
#[derive(Debug)]
pub(crate) enum Choice {
    /// This one, now.
    Ask(usize, Permit),
    /// One of them, but not before.
    Wait(Instant),
    /// All that have the model are known to be down, until then at least.
    Down(Instant),
    /// None has the model, or all have been tried enough.
    None,
}

/// What has been tried for one answer.
#[derive(Debug, Default)]
pub(crate) struct Tried {
    of: Vec<Trial>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Trial {
    failures: u32,
    /// Not before then; never again without one.
    again: Option<Option<Instant>>,
}

impl Fleet {
    /// With a fleet `before` this one, connections and breakers of what is the same in both are kept.
    pub(crate) fn new(
        members: Vec<UpstreamOptions>,
        connect: Duration,
        breaker: BreakerPolicy,
        before: Option<&Self>,
    ) -> Result<Self, (String, NotAnUpstream)> {
        let reachable = before.filter(|before| before.connect == connect);
        let member = |options: UpstreamOptions| {
            let known = reachable.and_then(|before| {
                let same = before.members.iter().find(|member| *member.url == *options.url)?;
                Some(Arc::clone(&same.upstream))
            });
            let upstream = match known {
                Some(known) => known,
                None => match Upstream::new(&options.url, connect) {
                    Ok(upstream) => Arc::new(upstream),
                    Err(reason) => return Err((options.url, reason)),
                },
            };
            Ok(Member {
                name: options.name.into(),
                url: options.url.into(),
                upstream,
                credential: options.credential,
                models: options.models,
                order: options.order,
                weight: options.weight,
            })
        };
        let members = members.into_iter().map(member).collect::<Result<Vec<_>, _>>()?;
        let breakers = match before {
            None => Breakers::new(breaker),
            // Probes that are under way go on to count.
            Some(before) if before.breakers.has_policy(breaker) && same(&before.members, &members) => {
                Arc::clone(&before.breakers)
            }
            Some(before) => before.breakers.renumbered(breaker, |number| {
                let old = before.members.get(number)?;
                members.iter().position(|member| member.is(old))
            }),
        };
        Ok(Self { members, breakers, connect })
    }

    /// The one for requests that are no streams.
    pub(crate) fn first(&self) -> usize {
        let first = self.members.iter().enumerate().min_by_key(|(_, member)| member.order);
        first.map_or(0, |(index, _)| index)
    }

    pub(crate) fn get(&self, index: usize) -> Option<&Member> {
        self.members.get(index)
    }

    pub(crate) fn name(&self, index: usize) -> &str {
        self.members.get(index).map_or("", |member| &member.name)
    }

    /// Whether any can be asked without a client's credential.
    pub(crate) fn has_credential(&self) -> bool {
        self.members.iter().any(|member| member.credential.is_some())
    }

    /// The credential for one of them: its own, else the client's. A client's key goes to the first upstream only, which is the one that its owner
    /// has it from.
    pub(crate) fn credential(&self, index: usize, client: &HeaderMap) -> HeaderMap {
        match self.members.get(index).and_then(|member| member.credential.as_ref()) {
            Some(own) => own.headers(),
            None if index == 0 => client.clone(),
            None => HeaderMap::new(),
        }
    }

    /// How each breaker stands that has seen anything: upstream, model, and 0 for closed, 1 for half open, 2 for open.
    pub(crate) fn breakers(&self) -> Vec<(String, Box<str>, i64)> {
        let level = |state| match state {
            State::Closed => 0,
            State::HalfOpen { .. } => 1,
            State::Open { .. } => 2,
        };
        let states = self.breakers.states().into_iter();
        states.map(|(index, model, state)| (self.name(index).to_owned(), model, level(state))).collect()
    }

    /// Whether another than this one has the model.
    pub(crate) fn has_another(&self, than: usize, model: Option<&str>) -> bool {
        let model = model.unwrap_or_default();
        self.members.iter().enumerate().any(|(index, member)| index != than && member.has(model))
    }

    /// Whether all that have the model have been tried enough.
    pub(crate) fn is_exhausted(&self, model: Option<&str>, tried: &Tried) -> bool {
        let model = model.unwrap_or_default();
        let left = |index: usize| tried.of.get(index).is_none_or(|trial| trial.again != Some(None));
        !self.members.iter().enumerate().any(|(index, member)| member.has(model) && left(index))
    }

    /// Who is asked next. Of those that may be asked now: the lowest order, by weight; a breaker that is open is passed over.
    pub(crate) fn choose(&self, model: Option<&str>, tried: &Tried) -> Choice {
        let model = model.unwrap_or_default();
        let now = Instant::now();
        let (mut wait, mut down) = (None, None);
        let soonest = |at: &mut Option<Instant>, other: Instant| {
            *at = Some(at.map_or(other, |at| at.min(other)));
        };
        let mut ready: Vec<(usize, &Member)> = Vec::new();
        for (index, member) in self.members.iter().enumerate().filter(|(_, member)| member.has(model)) {
            match tried.of.get(index).and_then(|trial| trial.again) {
                Some(None) => {}
                Some(Some(again)) if again > now => soonest(&mut wait, again),
                _ => ready.push((index, member)),
            }
        }
        while !ready.is_empty() {
            let (at, index) = pick(&ready);
            match self.breakers.permit(index, model) {
                Ok(permit) => return Choice::Ask(index, permit),
                Err(until) => soonest(&mut down, until),
            }
            ready.swap_remove(at);
        }
        match (wait, down) {
            (Some(again), _) => Choice::Wait(again),
            (None, Some(until)) => Choice::Down(until),
            (None, None) => Choice::None,
        }
    }
}

/// One of the lowest order, by weight: its place in the list, and its number.
fn pick(ready: &[(usize, &Member)]) -> (usize, usize) {
    let lowest = ready.iter().map(|(_, member)| member.order).min().unwrap_or_default();
    let peers = || ready.iter().enumerate().filter(|(_, (_, member))| member.order == lowest);
    let total: u64 = peers().map(|(_, (_, member))| u64::from(member.weight)).sum();
    let mut mark = if total == 0 { 0 } else { fastrand::u64(..total) };
    for (at, (index, member)) in peers() {
        let weight = u64::from(member.weight);
        if mark < weight || total == 0 {
            return (at, *index);
        }
        mark -= weight;
    }
    (0, ready[0].0)
}

/// Whether the same upstreams have the same numbers.
fn same(before: &[Member], after: &[Member]) -> bool {
    before.len() == after.len() && before.iter().zip(after).all(|(before, after)| before.is(after))
}

impl Member {
    fn is(&self, other: &Self) -> bool {
        self.name == other.name && self.url == other.url
    }

    fn has(&self, model: &str) -> bool {
        self.models.is_empty() || self.models.iter().any(|pattern| matches(pattern, model))
    }
}

/// Whether a name, or a beginning with `*` after it, stands for this model.
fn matches(pattern: &str, model: &str) -> bool {
    match pattern.strip_suffix('*') {
        Some(beginning) => model.starts_with(beginning),
        None => model == pattern,
    }
}

impl Tried {
    /// How often this one has failed.
    pub(crate) fn failures(&self, index: usize) -> u32 {
        self.of.get(index).map_or(0, |trial| trial.failures)
    }

    /// It failed, and may be asked again `after` that time; never again without one.
    pub(crate) fn failed(&mut self, index: usize, after: Option<Duration>) {
        if self.of.len() <= index {
            self.of.resize(index + 1, Trial::default());
        }
        let trial = &mut self.of[index];
        trial.failures += 1;
        trial.again = Some(after.map(|after| Instant::now() + after));
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn fleet(members: &[(&str, u32, u32, &[&str])]) -> Fleet {
        let options = members.iter().map(|(name, order, weight, models)| {
            UpstreamOptions::new(*name, "http://127.0.0.1:1")
                .order(*order)
                .weight(*weight)
                .models(models.iter().copied())
        });
        let breaker = BreakerPolicy { min_attempts: 1, ..BreakerPolicy::default() };
        Fleet::new(options.collect(), Duration::from_secs(1), breaker, None).unwrap()
    }

    fn chosen(fleet: &Fleet, model: &str, tried: &Tried) -> Option<String> {
        match fleet.choose(Some(model), tried) {
            Choice::Ask(index, _) => Some(fleet.name(index).to_owned()),
            _ => None,
        }
    }

    #[tokio::test(start_paused = true)]
    async fn the_next_one_is_asked_at_once_and_the_first_again_in_time() {
        let fleet = fleet(&[("a", 0, 1, &[]), ("b", 1, 1, &[])]);
        let mut tried = Tried::default();
        assert_eq!(chosen(&fleet, "m", &tried).as_deref(), Some("a"));
        tried.failed(0, Some(Duration::from_secs(2)));
        assert_eq!(chosen(&fleet, "m", &tried).as_deref(), Some("b"));
        tried.failed(1, Some(Duration::from_secs(9)));
        let now = Instant::now();
        assert!(
            matches!(fleet.choose(Some("m"), &tried), Choice::Wait(at) if at - now == Duration::from_secs(2))
        );
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(chosen(&fleet, "m", &tried).as_deref(), Some("a"));
        tried.failed(0, None);
        tried.failed(1, None);
        assert!(matches!(fleet.choose(Some("m"), &tried), Choice::None));
        assert_eq!((tried.failures(0), tried.failures(1)), (2, 2));
    }

    #[tokio::test(start_paused = true)]
    async fn models_and_breakers_are_heeded() {
        let fleet = fleet(&[("a", 0, 1, &["claude-haiku-*"]), ("b", 0, 1, &["claude-opus-4-8"])]);
        let tried = Tried::default();
        assert_eq!(chosen(&fleet, "claude-haiku-4-5", &tried).as_deref(), Some("a"));
        assert_eq!(chosen(&fleet, "claude-opus-4-8", &tried).as_deref(), Some("b"));
        assert!(matches!(fleet.choose(Some("claude-opus-4"), &tried), Choice::None));
        fleet.breakers.permit(0, "claude-haiku-4-5").unwrap().bad();
        assert!(matches!(fleet.choose(Some("claude-haiku-4-5"), &tried), Choice::Down(_)));
    }

    #[tokio::test(start_paused = true)]
    async fn shares_are_those_of_the_weights() {
        fastrand::seed(7);
        let fleet = fleet(&[("a", 0, 3, &[]), ("b", 0, 1, &[]), ("c", 0, 0, &[])]);
        let mut counts = [0; 3];
        for _ in 0..4_000 {
            let Choice::Ask(index, _) = fleet.choose(None, &Tried::default()) else { panic!("none") };
            counts[index] += 1;
        }
        assert!((2_850..3_150).contains(&counts[0]), "seed 7: {counts:?}");
        assert_eq!(counts[2], 0);
    }

    #[test]
    fn a_clients_key_goes_to_the_first_only() {
        let own = Key::new("own").unwrap();
        let options = vec![
            UpstreamOptions::new("a", "http://127.0.0.1:1"),
            UpstreamOptions::new("b", "http://127.0.0.1:1"),
            UpstreamOptions::new("c", "http://127.0.0.1:1").key(own),
        ];
        let fleet = Fleet::new(options, Duration::from_secs(1), BreakerPolicy::default(), None).unwrap();
        let client: HeaderMap =
            [(http::header::AUTHORIZATION, HeaderValue::from_static("Bearer theirs"))].into_iter().collect();
        let sent = |index| fleet.credential(index, &client);
        assert_eq!(sent(0)["authorization"], "Bearer theirs");
        assert!(sent(1).is_empty());
        assert_eq!(sent(2)["x-api-key"], "own");
        assert!(!sent(2).contains_key("authorization"));
    }
}
