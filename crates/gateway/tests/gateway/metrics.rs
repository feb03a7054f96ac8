//! The numbers: readable for a scraper, and those that the simulator's journal has.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use perennial_gateway::Key;

use crate::retry::{hasty, unbroken};
use crate::rig::{MODEL, Rig, question, quick, receive, simulator};

/// Every sample by its name and labels. A strict reading of the exposition: types and helps before samples, no sample without a type, one end.
fn samples(page: &str) -> HashMap<String, f64> {
    let mut types = HashMap::new();
    let mut samples = HashMap::new();
    let body = page.strip_suffix("# EOF\n").expect("an end, and nothing after it");
    for line in body.lines() {
        if let Some(rest) = line.strip_prefix("# ") {
            let mut words = rest.splitn(3, ' ');
            let (what, name, said) =
                (words.next().unwrap(), words.next().unwrap(), words.next().unwrap_or(""));
            match what {
                "HELP" => assert!(!said.is_empty(), "{line}"),
                "TYPE" => assert!(types.insert(name.to_owned(), said.to_owned()).is_none(), "{line}"),
                "UNIT" => assert!(name.ends_with(said), "{line}"),
                _ => panic!("{line}"),
            }
            continue;
        }
        let (name, value) = line.rsplit_once(' ').unwrap_or_else(|| panic!("{line}"));
        let bare = name.split('{').next().unwrap();
        let family = ["_total", "_bucket", "_sum", "_count"]
            .iter()
            .find_map(|end| bare.strip_suffix(end).filter(|family| types.contains_key(*family)))
            .unwrap_or(bare);
        assert!(types.contains_key(family), "{line}: of no type");
        assert!(samples.insert(name.to_owned(), value.parse().unwrap()).is_none(), "{line}: twice");
    }
    samples
}

async fn read(rig: &Rig) -> String {
    let answer = receive(rig.http.get(format!("{}/metrics", rig.gateway.url()))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    assert!(answer.header("content-type").starts_with("application/openmetrics-text"));
    answer.text().to_owned()
}

#[tokio::test]
async fn the_numbers_are_those_of_the_journal() {
    let change =
        |gateway: perennial_gateway::Builder| gateway.clocks(quick()).recovery(hasty()).breaker(unbroken());
    let rig = Rig::with(simulator(), change).await;
    for orders in ["", "", "status=529,times=1", "fin@event=1,times=1", "fin@event=20,times=1", "status=400"]
    {
        let request = rig
            .post(&rig.gateway.url(), question(MODEL, true).to_string(), orders)
            .header("perennial-sim-key", orders);
        receive(request).await;
    }
    let page = read(&rig).await;
    let samples = samples(&page);
    let of = |name: &str| samples.get(name).copied().unwrap_or_else(|| panic!("no {name} in\n{page}"));
    let entries = rig.sim.journal().entries();
    let attempts: f64 = samples
        .iter()
        .filter(|(name, _)| name.starts_with("perennial_attempts_total"))
        .map(|(_, value)| value)
        .sum();
    assert_eq!(attempts, entries.len() as f64);
    assert_eq!(of("perennial_streams_ended_total{outcome=\"completed\"}"), 5.0);
    assert_eq!(of("perennial_streams_ended_total{outcome=\"failed\"}"), 1.0);
    assert_eq!(of("perennial_retries_total{cause=\"overloaded_error\"}"), 1.0);
    assert_eq!(of("perennial_retries_total{cause=\"cut\"}"), 2.0);
    assert_eq!(of("perennial_recoveries_total{mode=\"quote\"}"), 1.0);
    assert_eq!(of("perennial_recoveries_total{mode=\"restart\"}"), 1.0);
    let labels = format!("{{gen_ai_request_model=\"{MODEL}\",upstream=\"main\"}}");
    assert_eq!(of(&format!("gen_ai_server_time_to_first_token_seconds_count{labels}")), 5.0);
    let input: u64 = entries.iter().map(|entry| entry.billed.input_tokens).sum();
    let used = format!(
        "gen_ai_client_token_usage_total{{gen_ai_token_type=\"input\",gen_ai_request_model=\"{MODEL}\"}}"
    );
    assert_eq!(of(&used), input as f64);
    assert!(of("process_resident_memory_bytes") > 1e6);
}

#[tokio::test]
async fn metrics_are_for_operators() {
    let change = |gateway: perennial_gateway::Builder| {
        gateway.client_key(Key::new("client").unwrap()).operator_key(Key::new("chief").unwrap())
    };
    let rig = Rig::with(simulator(), change).await;
    for (key, status) in [(None, 401), (Some("client"), 403), (Some("chief"), 200)] {
        let mut request = rig.http.get(format!("{}/metrics", rig.gateway.url()));
        if let Some(key) = key {
            request = request.header("x-api-key", key);
        }
        assert_eq!(receive(request).await.status, status, "{key:?}");
    }
}

/// What the dashboard shows is what is exported, and all of ours is on it.
#[tokio::test]
async fn the_dashboard_names_what_there_is() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../dashboards/perennial.json");
    let text = fs::read_to_string(path).unwrap();
    let dashboard: serde_json::Value = serde_json::from_str(&text).unwrap();
    assert!(
        dashboard["schemaVersion"].as_u64().is_some()
            && dashboard["templating"]["list"][0]["type"] == "datasource"
    );
    // What never happened is not exported, so all of it happens.
    let mut fallback = perennial_gateway::Fallback::default();
    fallback.answer = Some("Later.".to_owned());
    let ledger = std::sync::Arc::new(perennial_ledger::Ledger::open("sqlite::memory:").await.unwrap());
    let change = |gateway: perennial_gateway::Builder| {
        gateway.clocks(quick()).recovery(hasty()).fallback(fallback).ledger(ledger)
    };
    let rig = Rig::with(simulator(), change).await;
    for orders in ["pace=real,ttft=1ms,tps=4000", "fin@event=20,times=1", "status=529"] {
        let request = rig
            .post(&rig.gateway.url(), question(MODEL, true).to_string(), orders)
            .header("perennial-sim-key", orders);
        receive(request).await;
    }
    let page = read(&rig).await;
    let exported: Vec<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    for name in &exported {
        assert!(text.contains(name), "{name} is on no panel");
    }
    let panels = dashboard["panels"].as_array().unwrap();
    let shown = panels.iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    for target in shown {
        let expression = target["expr"].as_str().unwrap();
        let words = expression.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        for word in words.filter(|word| {
            word.starts_with("perennial_")
                || word.starts_with("gen_ai_server")
                || word.starts_with("gen_ai_client")
                || word.starts_with("process_")
        }) {
            assert!(exported.iter().any(|name| word.starts_with(name)), "{word} is not exported");
        }
    }
}
