//! `perennial usage`: what was used and what it cost.

use clap::Args;
use jiff::Timestamp;
use perennial_ledger::{By, Decimal, Ledger, UsageQuery, UsageSum};

use crate::exit::{Exit, Failure, say};
use crate::ledger::{LedgerArgs, failure};
use crate::moment::{self, Moment};
use crate::output::Answer;
use crate::table::{Side, table};
use crate::{Run, listen};

#[derive(Debug, Args)]
pub(crate) struct UsageArgs {
    /// What is summed up together: key, model, day, upstream or outcome
    #[arg(long, value_name = "WHAT", default_value = "model")]
    by: By,
    /// What ended from then on: 7d before now, or a UTC day
    #[arg(long, value_name = "WHEN", default_value = "30d", value_parser = moment::moment)]
    since: Moment,
    /// What ended before then
    #[arg(long, value_name = "WHEN", value_parser = moment::moment)]
    until: Option<Moment>,
    /// Only what this key used, by its id
    #[arg(long, value_name = "ID")]
    key: Option<String>,
    /// JSON, one line for each sum
    #[arg(long, conflicts_with = "csv")]
    json: bool,
    /// Values with commas between, under a line of names
    #[arg(long)]
    csv: bool,
    #[command(flatten)]
    place: LedgerArgs,
}

pub(crate) fn run(args: &UsageArgs) -> Run {
    listen::runtime()?.block_on(async {
        let ledger = args.place.open().await?;
        let told = tell(args, &ledger).await;
        drop(ledger.close().await);
        told.map(|()| Exit::Done)
    })
}

async fn tell(args: &UsageArgs, ledger: &Ledger) -> Result<(), Failure> {
    let now = Timestamp::now();
    let mut query = UsageQuery::by(args.by);
    query.since = Some(args.since.before(now));
    query.until = args.until.map(|until| until.before(now));
    query.key.clone_from(&args.key);
    let sums = ledger.usage(&query).await.map_err(|error| failure(&error))?;
    let mut answer = Answer::new();
    if args.json {
        sums.iter().try_for_each(|sum| answer.json(sum))?;
    } else if args.csv {
        answer.write(csv(&sums).as_bytes())?;
    } else {
        answer.write(people(&sums, args.by, ledger).as_bytes())?;
        if sums.is_empty() {
            say("nothing was used in that time");
        }
    }
    answer.flush()
}

/// The columns after the name.
const FIGURES: [&str; 13] = [
    "attempts",
    "input",
    "cache_write_5m",
    "cache_write_1h",
    "cache_read",
    "output",
    "thinking",
    "web_searches",
    "web_fetches",
    "cost_measured",
    "cost_estimated",
    "estimated",
    "unknown",
];

fn figures(sum: &UsageSum) -> [String; FIGURES.len()] {
    let tokens = &sum.tokens;
    [
        sum.attempts.to_string(),
        tokens.input.to_string(),
        tokens.cache_write_5m.to_string(),
        tokens.cache_write_1h.to_string(),
        tokens.cache_read.to_string(),
        tokens.output.to_string(),
        tokens.thinking.to_string(),
        tokens.web_searches.to_string(),
        tokens.web_fetches.to_string(),
        sum.cost_measured.to_string(),
        sum.cost_estimated.to_string(),
        sum.estimated.to_string(),
        sum.unknown.to_string(),
    ]
}

fn csv(sums: &[UsageSum]) -> String {
    let mut out = format!("name,{}\n", FIGURES.join(","));
    for sum in sums {
        out.push_str(&format!("{},{}\n", quoted(&sum.name), figures(sum).join(",")));
    }
    out
}

/// A value as RFC 4180 has it.
fn quoted(text: &str) -> String {
    if text.contains([',', '"', '\n', '\r']) {
        format!("\"{}\"", text.replace('"', "\"\""))
    } else {
        text.to_owned()
    }
}

fn people(sums: &[UsageSum], by: By, ledger: &Ledger) -> String {
    let name = match by {
        By::Model => "MODEL",
        By::Day => "DAY",
        By::Upstream => "UPSTREAM",
        By::Outcome => "OUTCOME",
        _ => "KEY",
    };
    let mut columns = vec![(name, Side::Left)];
    columns.extend(
        ["ATTEMPTS", "INPUT", "CACHE WRITE", "CACHE READ", "OUTPUT", "SEARCHES", "COST"]
            .map(|name| (name, Side::Right)),
    );
    let mut rows: Vec<_> = sums.iter().map(|sum| row(label(sum, by, ledger), sum)).collect();
    if sums.len() > 1 {
        rows.push(row("all".to_owned(), &total(sums)));
    }
    if sums.is_empty() { String::new() } else { table(&columns, &rows) }
}

/// Keys by name too: ids are for programs.
fn label(sum: &UsageSum, by: By, ledger: &Ledger) -> String {
    match (by, sum.name.as_str()) {
        (By::Key, "") => "(without a key)".to_owned(),
        (By::Key, id) => {
            ledger.keys().get(id).map_or_else(|| id.to_owned(), |key| format!("{} {id}", key.name))
        }
        (_, name) => name.to_owned(),
    }
}

fn row(label: String, sum: &UsageSum) -> Vec<String> {
    let tokens = &sum.tokens;
    vec![
        label,
        sum.attempts.to_string(),
        tokens.input.to_string(),
        (tokens.cache_write_5m + tokens.cache_write_1h).to_string(),
        tokens.cache_read.to_string(),
        tokens.output.to_string(),
        tokens.web_searches.to_string(),
        cost(sum),
    ]
}

/// What is known, what of it is an estimate, and how much is unknown: three things, never one.
fn cost(sum: &UsageSum) -> String {
    let mut words = vec![format!("${}", sum.cost_measured)];
    if sum.cost_estimated > Decimal::ZERO || sum.estimated > 0 {
        words.push(format!("+ ~${} estimated", sum.cost_estimated));
    }
    if sum.unknown > 0 {
        words.push(format!("+ {} unknown", sum.unknown));
    }
    words.join(" ")
}

fn total(sums: &[UsageSum]) -> UsageSum {
    let mut total = sums[0].clone();
    for sum in &sums[1..] {
        total.attempts += sum.attempts;
        total.estimated += sum.estimated;
        total.unknown += sum.unknown;
        total.tokens += sum.tokens;
        total.cost_measured += sum.cost_measured;
        total.cost_estimated += sum.cost_estimated;
    }
    total
}
