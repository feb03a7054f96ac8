use std::collections::{BTreeMap, HashMap};
use std::future::{Future as _, poll_fn};
use std::task::Poll;
use std::time::Duration;

use jiff::Timestamp;
use jiff::civil::Date;
use tokio::time::Instant;

use super::*;
use crate::keys::{NewKey, Rules, VirtualKey};
use crate::money::{Pico, from_usd, to_usd};
use crate::tokens::Tokens;
use crate::{Decimal, Ledger, Outcome, Row};

fn key(rules: Rules) -> VirtualKey {
    VirtualKey {
        id: "key_test".to_owned(),
        name: "test".to_owned(),
        owner: None,
        created: Timestamp::UNIX_EPOCH,
        expires: None,
        revoked: None,
        rules,
        secrets: Vec::new(),
    }
}

fn usd(text: &str) -> Option<Decimal> {
    Some(text.parse().unwrap())
}

fn pico(text: &str) -> Pico {
    from_usd(text.parse().unwrap()).unwrap()
}

fn at(wall: &str, clock: Instant) -> Moment {
    Moment { wall: wall.parse().unwrap(), clock }
}

fn costing(text: &str) -> Most {
    Most { cost: Some(pico(text)), ..Most::default() }
}

/// Without a word on it a hold that is forgotten stays held.
fn keep(hold: Result<Hold, Denied>) -> bool {
    hold.map(drop).is_ok()
}

#[test]
fn budgets_are_of_utc_days_and_months() {
    let mut rules = Rules::default();
    (rules.usd_per_day, rules.usd_per_month) = (usd("2"), usd("3"));
    let key = key(rules);
    let clock = Instant::now();
    let mut account = Account::default();
    let day = |text: &str| crate::day_of(text.parse().unwrap());
    account.spend(day("2026-11-29T12:00:00Z"), pico("1.5"));
    let begin = |account: &mut Account, wall, cost| {
        account.begin(&key, costing(cost), at(wall, clock)).map(|hold| account.release(hold, clock))
    };
    assert!(begin(&mut account, "2026-11-29T23:59:59Z", "0.5").is_ok());
    let denied = begin(&mut account, "2026-11-29T23:59:59Z", "0.500001").unwrap_err();
    assert_eq!((denied.status(), denied.kind().as_str(), denied.retry_after()), (402, "billing_error", None));
    assert!(denied.message().contains("2 US dollars a day, of which 1.5 are spent"), "{denied}");
    // The next day there is a day's budget again, within the month's.
    assert!(begin(&mut account, "2026-11-30T00:00:00Z", "1.5").is_ok());
    let denied = begin(&mut account, "2026-11-30T00:00:00Z", "1.6").unwrap_err();
    assert!(denied.message().contains("a month"), "{denied}");
    assert!(begin(&mut account, "2026-12-01T00:00:00Z", "2").is_ok());
}

#[test]
fn what_a_key_with_a_budget_asks_must_have_a_price() {
    let rules = Rules { usd_per_month: usd("100"), ..Rules::default() };
    let clock = Instant::now();
    let now = at("2026-11-25T00:00:00Z", clock);
    let denied = Account::default().begin(&key(rules), Most::default(), now).unwrap_err();
    assert_eq!((denied.status(), denied.kind().as_str()), (403, "permission_error"));
    assert!(
        keep(Account::default().begin(&key(Rules::default()), Most::default(), now)),
        "no budget, no price needed"
    );
}

#[test]
fn a_detached_request_has_a_cap_of_its_own() {
    let rules = Rules { detached_usd: usd("1"), ..Rules::default() };
    let (key, now) = (key(rules), at("2026-11-25T00:00:00Z", Instant::now()));
    let detached = |cost: Option<&str>| Most { cost: cost.map(pico), detached: true, ..Most::default() };
    assert!(keep(Account::default().begin(&key, detached(Some("1")), now)));
    for most in [detached(Some("1.01")), detached(None)] {
        assert_eq!(Account::default().begin(&key, most, now).unwrap_err().status(), 403);
    }
    assert!(keep(Account::default().begin(&key, costing("5"), now)));
}

#[test]
fn rates_and_streams_say_when_to_come_back() {
    let mut rules = Rules::default();
    (rules.requests_per_minute, rules.max_streams) = (Some(60), Some(3));
    (rules.input_tokens_per_minute, rules.output_tokens_per_minute) = (Some(600), Some(6000));
    let key = key(rules);
    let start = Instant::now();
    let now = |seconds: u64| at("2026-11-25T00:00:00Z", start + Duration::from_secs(seconds));
    let mut account = Account::default();
    let most = |input, output| Most { cost: None, input, output, detached: false };
    let first = account.begin(&key, most(600, 1000), now(0)).unwrap();
    let denied = account.begin(&key, most(10, 0), now(0)).unwrap_err();
    assert_eq!((denied.status(), denied.kind().as_str()), (429, "rate_limit_error"));
    assert!(denied.message().contains("input tokens"), "{denied}");
    let wait = denied.retry_after().unwrap();
    assert!(wait > Duration::from_millis(999) && wait < Duration::from_millis(1001), "{wait:?}");
    // The prompt was shorter than feared: the rest is there again. What came from the cache does not count.
    account.settle(
        first,
        &Tokens { input: 100, cache_read: 5000, output: 10, ..Tokens::default() },
        now(0).clock,
    );
    let second = account.begin(&key, most(500, 5990), now(0)).unwrap();
    assert!(account.begin(&key, most(0, 1), now(0)).unwrap_err().message().contains("output tokens"));
    account.release(second, now(0).clock);
    assert!(keep(account.begin(&key, most(0, 0), now(0))));
    let denied = account.begin(&key, most(0, 0), now(0)).unwrap_err();
    assert!(denied.status() == 429 && denied.message().contains("streams"), "{denied}");
    assert!(denied.retry_after().is_some());
    // A denied request takes nothing, of any of them: three of sixty have begun.
    account.end();
    for _ in 0..1000 {
        assert!(!keep(account.begin(&key, most(0, 6000), now(0))));
    }
    for _ in 3..60 {
        assert!(keep(account.begin(&key, most(0, 0), now(0))));
        account.end();
    }
    assert!(account.begin(&key, most(0, 0), now(0)).unwrap_err().message().contains("requests"));
}

/// Any order of what can happen to an account, against sums that are made anew from all that is there.
#[test]
fn the_sums_of_an_account_hold_in_any_order() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut chance = fastrand::Rng::with_seed(seed);
    for _ in 0..300 {
        let budget = chance.i128(1..1_000) * 1_000_000_000;
        let key = key(Rules {
            usd_per_day: Some(to_usd(budget)),
            max_streams: Some(chance.u64(1..20)),
            output_tokens_per_minute: chance.bool().then(|| chance.u64(1..100_000)),
            ..Rules::default()
        });
        let start = Instant::now();
        let mut account = Account::default();
        let mut live: Vec<Option<Hold>> = Vec::new();
        let mut queued: Vec<(Date, Pico)> = Vec::new();
        let mut spent: HashMap<Date, Pico> = HashMap::new();
        let mut wall: Timestamp = "2026-11-29T20:00:00Z".parse().unwrap();
        let mut clock = start;
        for _ in 0..chance.usize(1..200) {
            clock += Duration::from_millis(chance.u64(0..500));
            wall += Duration::from_secs(chance.u64(0..600));
            let now = Moment { wall, clock };
            let today = crate::day_of(wall);
            let most = Most {
                cost: Some(chance.i128(0..=budget / 3)),
                input: 0,
                output: chance.u64(0..50_000),
                detached: false,
            };
            let held_before = account.held();
            match chance.u8(0..7) {
                0..=2 => match account.begin(&key, most, now) {
                    Ok(hold) => live.push(Some(hold)),
                    Err(_) => assert_eq!(account.held(), held_before, "a refusal holds nothing"),
                },
                3 if !live.is_empty() => {
                    let at = chance.usize(..live.len());
                    if let Some(hold) = live[at].take() {
                        // At most what was held: the worst case is one.
                        let used = chance.i128(0..=hold.cost);
                        account.settle(
                            hold,
                            &Tokens { output: chance.u64(0..50_000), ..Tokens::default() },
                            clock,
                        );
                        account.spend(today, used);
                        queued.push((today, used));
                        *spent.entry(today).or_default() += used;
                    } else if let Ok(hold) = account.again(&key, most, now) {
                        live[at] = Some(hold);
                    }
                }
                4 if !live.is_empty() => {
                    if let Some(hold) = live.swap_remove(chance.usize(..live.len())) {
                        account.release(hold, clock);
                    }
                    account.end();
                }
                5 if !queued.is_empty() => {
                    let (day, amount) = queued.swap_remove(chance.usize(..queued.len()));
                    account.written(day, amount, true);
                }
                6 => {
                    // The database has what is not queued.
                    let mut written: BTreeMap<Date, Pico> =
                        spent.iter().map(|(day, all)| (*day, *all)).collect();
                    for (day, amount) in &queued {
                        *written.entry(*day).or_default() -= amount;
                    }
                    account.refresh(written);
                }
                _ => {}
            }
            let held: Pico = live.iter().flatten().map(|hold| hold.cost).sum();
            assert_eq!(account.held(), held);
            assert_eq!(account.streams(), live.len() as u64);
            for (day, spent) in &spent {
                assert_eq!(account.spent_on(*day), *spent, "{day}");
            }
            let of_today = spent.get(&today).copied().unwrap_or(0);
            // What is held from yesterday is paid for today.
            let yesterday: Pico =
                spent.iter().filter(|(day, _)| **day < today).map(|(_, spent)| *spent).sum();
            assert!(yesterday > 0 || of_today + held <= budget, "{of_today} + {held} > {budget}");
        }
        for hold in live.drain(..) {
            if let Some(hold) = hold {
                account.release(hold, clock);
            }
            account.end();
        }
        assert_eq!((account.held(), account.streams()), (0, 0));
    }
}

async fn ledger_with(rules: Rules) -> (Arc<Ledger>, Arc<VirtualKey>) {
    let ledger = Arc::new(Ledger::open("sqlite::memory:").await.unwrap());
    let mut new = NewKey::named("storm");
    new.rules = rules;
    let (key, _) = ledger.create_key(&new).await.unwrap();
    (ledger, key)
}

/// 1,000 output tokens of this cost a cent.
const MODEL: &str = "claude-sonnet-5-5";

fn row(stream: usize, attempt: u32, output: u64) -> Row {
    let usage = format!(r#"{{"input_tokens":0,"output_tokens":{output}}}"#);
    let mut row = Row::new(format!("strm_{stream}"), attempt, MODEL, "test");
    row.outcome = Outcome::Completed;
    row.measured(&serde_json::from_str(&usage).unwrap());
    row
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_at_once_never_overshoot() {
    // Room for 50 of 200.
    let rules = Rules { usd_per_day: usd("0.50"), ..Rules::default() };
    let (ledger, key) = ledger_with(rules).await;
    let gate = Arc::new(tokio::sync::Barrier::new(200));
    let tasks: Vec<_> = (0..200)
        .map(|stream| {
            let (ledger, key, gate) = (Arc::clone(&ledger), Arc::clone(&key), Arc::clone(&gate));
            tokio::spawn(async move {
                gate.wait().await;
                let reserved = ledger.reserve(Some(&key), &Ask::new(MODEL, 1000));
                // Nobody gives anything back before everybody has asked.
                gate.wait().await;
                let mut reservation = reserved.ok()?;
                reservation.settle(row(stream, 1, 1000));
                Some(())
            })
        })
        .collect();
    let mut admitted = 0;
    for task in tasks {
        admitted += usize::from(task.await.unwrap().is_some());
    }
    assert_eq!(admitted, 50);
    let spending = ledger.spending(&key.id);
    assert_eq!((spending.day, spending.held, spending.streams), ("0.50".parse().unwrap(), Decimal::ZERO, 0));
    assert_eq!(ledger.reserve(Some(&key), &Ask::new(MODEL, 1)).unwrap_err().status(), 402);
    ledger.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn an_abort_storm_leaks_nothing() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut rules = Rules::default();
    (rules.usd_per_day, rules.max_streams) = (usd("100"), Some(40));
    rules.output_tokens_per_minute = Some(10_000_000);
    let (ledger, key) = ledger_with(rules).await;
    let settled = Arc::new(Mutex::new(0_u64));
    let dropped = Arc::new(Mutex::new(0));
    let mut tasks = Vec::new();
    for stream in 0..2000 {
        let (ledger, key, settled) = (Arc::clone(&ledger), Arc::clone(&key), Arc::clone(&settled));
        let mut chance = fastrand::Rng::with_seed(seed ^ stream as u64);
        let (polls, dropped) = (chance.usize(0..12), Arc::clone(&dropped));
        let running = async move {
            let ask = Ask::new(MODEL, 1000);
            let mut reservation = ledger.reserve(Some(&key), &ask)?;
            for attempt in 1..=chance.u32(1..4) {
                if attempt > 1 {
                    reservation.renew(&ask)?;
                }
                for _ in 0..chance.usize(0..4) {
                    tokio::task::yield_now().await;
                }
                let output = chance.u64(0..=1000);
                // Counted and settled without a point between where the future could be dropped.
                *settled.lock() += output;
                reservation.settle(row(stream, attempt, output));
                tokio::task::yield_now().await;
            }
            Ok::<_, Denied>(())
        };
        tasks.push(tokio::spawn(async move {
            let mut running = Box::pin(running);
            for _ in 0..polls {
                if poll_fn(|cx| Poll::Ready(running.as_mut().poll(cx).is_ready())).await {
                    return;
                }
                tokio::task::yield_now().await;
            }
            // Dropped where it is: at its beginning, with something held, or between two attempts.
            *dropped.lock() += 1;
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert!(*dropped.lock() > 100, "a storm");
    ledger.flush().await.unwrap();
    let spending = ledger.spending(&key.id);
    assert_eq!((spending.held, spending.streams), (Decimal::ZERO, 0));
    let output = *settled.lock();
    assert!(output > 0);
    assert_eq!(spending.day, Decimal::from(output) / Decimal::from(100_000));
    let sums = ledger.usage(&crate::UsageQuery::default()).await.unwrap();
    assert_eq!((sums[0].tokens.output, sums[0].cost_measured), (output, spending.day));
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn an_unknown_cost_is_charged_what_was_held() {
    let rules = Rules { usd_per_day: usd("0.015"), ..Rules::default() };
    let (ledger, key) = ledger_with(rules).await;
    let mut reservation = ledger.reserve(Some(&key), &Ask::new(MODEL, 1000)).unwrap();
    assert_eq!(reservation.held().to_string(), "0.01");
    let mut row = row(1, 1, 1000);
    row.measured(&serde_json::from_str(r#"{"output_tokens":1000,"service_tier":"priority"}"#).unwrap());
    reservation.settle(row);
    drop(reservation);
    assert_eq!(ledger.spending(&key.id).day.to_string(), "0.01");
    ledger.flush().await.unwrap();
    let rows = ledger.attempts("strm_1").await.unwrap();
    assert_eq!((rows[0].cost(), rows[0].key.as_deref()), (None, Some(&*key.id)));
    assert_eq!(ledger.reserve(Some(&key), &Ask::new(MODEL, 1000)).unwrap_err().status(), 402);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn every_model_that_may_answer_is_looked_at() {
    let rules = Rules { models: vec!["claude-*".to_owned()], ..Rules::default() };
    let (ledger, key) = ledger_with(rules).await;
    let mut ask = Ask::new(MODEL, 1000);
    assert!(ledger.reserve(Some(&key), &ask).is_ok());
    ask.any_model = true;
    assert_eq!(ledger.reserve(Some(&key), &ask).unwrap_err().status(), 403);
    ask.any_model = false;
    ask.other_models.push("other".to_owned());
    let denied = ledger.reserve(Some(&key), &ask).unwrap_err();
    assert!(denied.status() == 403 && denied.message().contains("`other`"), "{denied}");
    ledger.close().await.unwrap();
    // With a budget each of them is paid for.
    let (ledger, key) = ledger_with(Rules { usd_per_day: usd("1"), ..Rules::default() }).await;
    ask.other_models = vec!["claude-opus-5-5".to_owned()];
    assert_eq!(ledger.reserve(Some(&key), &ask).unwrap().held().to_string(), "0.03");
    ask.any_model = true;
    assert_eq!(ledger.reserve(Some(&key), &ask).unwrap_err().status(), 403);
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_renewal_is_refused_where_a_new_request_would_be_for_money_or_rights() {
    let mut rules = Rules::default();
    (rules.usd_per_day, rules.requests_per_minute) = (usd("0.02"), Some(1));
    rules.models = vec!["claude-sonnet-*".to_owned()];
    let (ledger, key) = ledger_with(rules).await;
    let ask = Ask::new(MODEL, 1000);
    let mut reservation = ledger.reserve(Some(&key), &ask).unwrap();
    reservation.settle(row(1, 1, 1000));
    reservation.renew(&ask).unwrap();
    assert_eq!(reservation.renew(&Ask::new("claude-opus-5-5", 1)).unwrap_err().status(), 403);
    assert_eq!(reservation.held(), Decimal::ZERO);
    reservation.renew(&ask).unwrap();
    reservation.settle(row(1, 2, 1000));
    assert_eq!(reservation.renew(&ask).unwrap_err().status(), 402);
    ledger.revoke_key(&key.id).await.unwrap();
    assert_eq!(reservation.renew(&ask).unwrap_err().status(), 401);
    drop(reservation);
    assert_eq!(ledger.spending(&key.id).streams, 0);
    ledger.close().await.unwrap();
}
