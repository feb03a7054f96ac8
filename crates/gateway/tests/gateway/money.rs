//! Virtual keys and the ledger, through the gateway: who may ask, and that the rows are what the simulator billed.

use std::sync::Arc;
use std::time::Duration;

use perennial_gateway::{Builder, Key};
use perennial_ledger::{Accuracy, By, Ledger, NewKey, Outcome, Rules, Shown, UsageQuery, VirtualKey};

use crate::rig::{Answer, MODEL, PATIENCE, Rig, question, quick, receive, simulator};

struct Bank {
    rig: Rig,
    ledger: Arc<Ledger>,
}

impl Bank {
    async fn new() -> Self {
        let ledger = Arc::new(Ledger::open("sqlite::memory:").await.unwrap());
        let given = Arc::clone(&ledger);
        let up = Key::new("sk-test").unwrap();
        let change = |gateway: Builder| gateway.clocks(quick()).upstream_key(up).ledger(given);
        let rig = Rig::with(simulator(), change).await;
        Self { rig, ledger }
    }

    async fn key(&self, change: impl FnOnce(&mut Rules)) -> (Arc<VirtualKey>, Shown) {
        let mut new = NewKey::named("test");
        change(&mut new.rules);
        self.ledger.create_key(&new).await.unwrap()
    }

    fn post(&self, secret: &Shown, path: &str, body: String) -> reqwest::RequestBuilder {
        self.rig
            .http
            .post(format!("{}{path}", self.rig.gateway.url()))
            .header("x-api-key", secret.expose())
            .header("anthropic-version", "2026-10-21")
            .body(body)
    }

    async fn ask(&self, secret: &Shown, model: &str, stream: bool) -> Answer {
        receive(self.post(secret, "/v1/messages", question(model, stream).to_string())).await
    }

    /// Until nothing runs or is held for a key: a generation may end after its readers have their end.
    async fn settled(&self, key: &VirtualKey) {
        let settled = async {
            loop {
                let spending = self.ledger.spending(&key.id);
                if spending.streams == 0 {
                    assert_eq!(spending.held.to_string(), "0", "nothing runs, so nothing is held");
                    return;
                }
                tokio::time::sleep(Duration::from_millis(2)).await;
            }
        };
        tokio::time::timeout(PATIENCE, settled).await.expect("all that began ends");
        self.ledger.flush().await.unwrap();
    }
}

fn error_type(answer: &Answer) -> String {
    answer.json()["error"]["type"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn the_ledger_is_what_the_simulator_billed() {
    let bank = Bank::new().await;
    let (key, secret) = bank.key(|_| {}).await;
    for (number, model) in [MODEL, "claude-haiku-4-5", MODEL, "claude-sonnet-4-6"].into_iter().enumerate() {
        let answer = bank.ask(&secret, model, number % 2 == 0).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    bank.settled(&key).await;
    let billed: Vec<_> = bank.rig.sim.journal().entries().iter().map(|entry| entry.billed).collect();
    let sums = bank.ledger.usage(&UsageQuery::by(By::Key)).await.unwrap();
    let [sum] = &sums[..] else { panic!("{sums:?}") };
    assert_eq!((&sum.name, sum.attempts, sum.estimated, sum.unknown), (&key.id, 4, 0, 0));
    assert_eq!(sum.tokens.input, billed.iter().map(|billed| billed.input_tokens).sum::<u64>());
    assert_eq!(sum.tokens.output, billed.iter().map(|billed| billed.output_tokens).sum::<u64>());
    assert_eq!(sum.cost_measured, bank.ledger.spending(&key.id).day);
}

#[tokio::test]
async fn a_budget_is_held_and_told_as_the_service_would() {
    let bank = Bank::new().await;
    // The answer of 300 tokens at most is held with three quarters of a cent; the prompt with less than a tenth.
    let (key, secret) = bank.key(|rules| rules.usd_per_day = Some("0.0085".parse().unwrap())).await;
    assert_eq!(bank.ask(&secret, MODEL, true).await.status, 200);
    bank.settled(&key).await;
    let refused = bank.ask(&secret, MODEL, true).await;
    assert_eq!((refused.status, error_type(&refused).as_str()), (402, "billing_error"));
    assert_eq!(refused.header("retry-after"), "");
    assert!(refused.text().contains("budget"), "{}", refused.text());
    assert_eq!(bank.rig.sim.journal().entries().len(), 1, "nothing went up");
}

#[tokio::test]
async fn rules_hold_on_every_way_in() {
    let bank = Bank::new().await;
    let (key, secret) = bank
        .key(|rules| {
            rules.models = vec!["claude-haiku-*".to_owned()];
            rules.requests_per_minute = Some(2);
        })
        .await;
    for path in ["/v1/messages", "/v1/streams"] {
        let answer = receive(bank.post(&secret, path, question(MODEL, true).to_string())).await;
        assert_eq!((answer.status, error_type(&answer).as_str()), (403, "permission_error"), "{path}");
    }
    let batch = receive(bank.post(&secret, "/v1/messages/batches", "{}".to_owned())).await;
    assert_eq!(batch.status, 403, "{}", batch.text());
    // What was refused did not use up the rate.
    for _ in 0..2 {
        assert_eq!(bank.ask(&secret, "claude-haiku-4-5", true).await.status, 200);
    }
    let limited = bank.ask(&secret, "claude-haiku-4-5", true).await;
    assert_eq!((limited.status, error_type(&limited).as_str()), (429, "rate_limit_error"));
    assert!((1..=30).contains(&limited.header("retry-after").parse::<u64>().unwrap()));
    bank.ledger.revoke_key(&key.id).await.unwrap();
    assert_eq!(bank.ask(&secret, "claude-haiku-4-5", true).await.status, 401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_that_leave_leave_nothing_held() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let bank = Arc::new(Bank::new().await);
    let (key, secret) = bank.key(|rules| rules.usd_per_day = Some("50".parse().unwrap())).await;
    let secret = Arc::new(secret);
    // As long as an answer takes here, whatever else the machine does.
    let began = tokio::time::Instant::now();
    bank.ask(&secret, MODEL, true).await;
    let whole = began.elapsed().as_micros().max(1);
    let tasks: Vec<_> = (0..60_u64)
        .map(|number| {
            let (bank, secret) = (Arc::clone(&bank), Arc::clone(&secret));
            let part = u128::from(seed.wrapping_mul(number + 1)) % whole;
            let patience = Duration::from_micros(u64::try_from(part).unwrap());
            tokio::spawn(async move {
                // Gone in the middle of it, wherever that is.
                drop(tokio::time::timeout(patience, bank.ask(&secret, MODEL, true)).await);
            })
        })
        .collect();
    for task in tasks {
        task.await.unwrap();
    }
    bank.settled(&key).await;
    let sums = bank.ledger.usage(&UsageQuery::by(By::Key)).await.unwrap();
    let rows: u64 = sums.iter().map(|sum| sum.attempts).sum();
    let asked = bank.rig.sim.journal().entries().len() as u64;
    assert!(asked > 0 && rows >= asked, "{asked} reached the simulator, {rows} have rows");
}

/// Every request that reached the simulator has its row, found by its id. Where the upstream said the figures they are its own; else they are an estimate of what
/// came, and say so.
#[tokio::test]
async fn every_attempt_has_its_row_whatever_became_of_it() {
    let ledger = Arc::new(Ledger::open("sqlite::memory:").await.unwrap());
    let given = Arc::clone(&ledger);
    let change = |gateway: Builder| {
        gateway
            .clocks(quick())
            .recovery(crate::retry::hasty())
            .breaker(crate::retry::unbroken())
            .ledger(given)
    };
    let rig = Rig::with(simulator(), change).await;
    let mut streams = Vec::new();
    for (number, orders) in [
        "",
        "status=529,times=2",
        "fin@event=1,times=1",
        "error=overloaded_error@event=2,times=1",
        "fin@event=20,times=1",
        "fin@byte=2500,times=2",
        "error=api_error@event=30,times=1",
        "end@after=message_delta,times=1",
        "fin@event=20",
        "fin@event=12,times=1; continuation=reword",
        "refuse=middle",
        "no-usage",
    ]
    .into_iter()
    .enumerate()
    {
        let request = rig
            .post(&rig.gateway.url(), question(MODEL, true).to_string(), orders)
            .header("perennial-sim-key", number.to_string());
        streams.push(receive(request).await.header("perennial-stream").to_owned());
    }
    // Its client leaves.
    let left = rig.post(&rig.gateway.url(), question(MODEL, true).to_string(), "stall@event=25");
    let mut left = left.send().await.unwrap();
    streams.push(left.headers()["perennial-stream"].to_str().unwrap().to_owned());
    left.chunk().await.unwrap();
    drop(left);
    rig.sim.journal().wait_for(|entry| entry.outcome == perennial_sim::Outcome::ClientLeft).await;
    let url = rig.gateway.url();
    for stream in &streams {
        receive(rig.http.get(format!("{url}/v1/streams/{stream}/events"))).await;
    }
    ledger.flush().await.unwrap();
    let mut rows = Vec::new();
    for stream in &streams {
        rows.extend(ledger.attempts(stream).await.unwrap());
    }
    let entries = rig.sim.journal().entries();
    assert_eq!(rows.len(), entries.len(), "{rows:#?}");
    for entry in &entries {
        let row = rows.iter().find(|row| row.request_id.as_deref() == Some(&entry.request_id));
        let row = row.unwrap_or_else(|| panic!("no row for {} ({})", entry.request_id, entry.faults));
        let (tokens, billed) = (row.tokens(), entry.billed);
        if entry.faults.contains("no-usage") {
            assert!(row.accuracy() == Accuracy::Estimated && tokens.input > 0, "{row:?}");
            continue;
        }
        assert_eq!(tokens.input, billed.input_tokens, "{}: {row:?}", entry.faults);
        match row.accuracy() {
            Accuracy::Measured => {
                assert_eq!(tokens.output, billed.output_tokens, "{}: {row:?}", entry.faults);
            }
            // We left: what was on its way to us nobody can know.
            _ if entry.outcome != perennial_sim::Outcome::Faulted => {
                assert!(tokens.output <= billed.output_tokens, "{row:?}");
            }
            _ => {
                assert!(row.outcome == Outcome::Cut || row.outcome == Outcome::Cancelled, "{row:?}");
                let difference = tokens.output.abs_diff(billed.output_tokens);
                assert!(difference <= 8, "{}: {} of {}", entry.faults, tokens.output, billed.output_tokens);
            }
        }
    }
    ledger.close().await.unwrap();
}
