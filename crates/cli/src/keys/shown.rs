//! Keys as people and programs read them.

use std::sync::Arc;

use jiff::Timestamp;
use perennial_ledger::{Decimal, Ledger, Rules, VirtualKey};
use serde::Serialize;

use crate::exit::Failure;
use crate::output::Answer;
use crate::table::{Side, table};

/// A key that was just made or rotated.
#[derive(Serialize)]
pub(super) struct WithSecret<'a> {
    pub(super) secret: &'a str,
    #[serde(flatten)]
    pub(super) key: &'a VirtualKey,
}

#[derive(Serialize)]
struct Listed<'a> {
    #[serde(flatten)]
    key: &'a VirtualKey,
    state: &'static str,
    usd_today: Decimal,
    usd_this_month: Decimal,
}

pub(super) fn list(
    answer: &mut Answer,
    ledger: &Ledger,
    keys: &[Arc<VirtualKey>],
    now: Timestamp,
    json: bool,
) -> Result<(), Failure> {
    let listed = keys.iter().map(|key| {
        let spending = ledger.spending(&key.id);
        Listed { key, state: state(key, now), usd_today: spending.day, usd_this_month: spending.month }
    });
    if json {
        return listed.into_iter().try_for_each(|listed| answer.json(&listed));
    }
    let columns = [
        ("ID", Side::Left),
        ("NAME", Side::Left),
        ("OWNER", Side::Left),
        ("SECRET", Side::Left),
        ("STATE", Side::Left),
        ("TODAY", Side::Right),
        ("MONTH", Side::Right),
        ("RULES", Side::Left),
    ];
    let rows = listed.map(|listed| {
        let secret = listed.key.secrets.first().map(|secret| format!("{}...", secret.prefix));
        vec![
            listed.key.id.clone(),
            listed.key.name.clone(),
            listed.key.owner.clone().unwrap_or_default(),
            secret.unwrap_or_default(),
            listed.state.to_owned(),
            format!("${}", listed.usd_today),
            format!("${}", listed.usd_this_month),
            in_words(&listed.key.rules),
        ]
    });
    answer.write(table(&columns, &rows.collect::<Vec<_>>()).as_bytes())
}

fn state(key: &VirtualKey, now: Timestamp) -> &'static str {
    match (key.revoked, key.is_usable(now)) {
        (Some(_), _) => "revoked",
        (None, false) => "expired",
        (None, true) => "usable",
    }
}

fn in_words(rules: &Rules) -> String {
    let usd = |amount: Option<Decimal>, span: &str| amount.map(|amount| format!("${amount}/{span}"));
    let rate = |limit: Option<u64>, what: &str| limit.map(|limit| format!("{limit} {what}"));
    let words = [
        usd(rules.usd_per_day, "day"),
        usd(rules.usd_per_month, "month"),
        rate(rules.requests_per_minute, "requests/min"),
        rate(rules.input_tokens_per_minute, "in/min"),
        rate(rules.output_tokens_per_minute, "out/min"),
        rate(rules.max_streams, "streams"),
        (!rules.models.is_empty()).then(|| rules.models.join(" ")),
        rules.on_disconnect.clone(),
        usd(rules.detached_usd, "detached"),
    ];
    words.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
