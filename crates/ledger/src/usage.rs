//! What was used and what it cost, summed up.

use std::str::FromStr;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::Serialize;
use sqlx::AssertSqlSafe;

use crate::error::{Error, Result};
use crate::money::{self, Pico};
use crate::store::{Store, count, maybe_number, text};
use crate::tokens::Tokens;

/// What sums are made by.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum By {
    /// The key, by id.
    #[default]
    Key,
    /// The model.
    Model,
    /// The UTC day.
    Day,
    /// The upstream.
    Upstream,
    /// How attempts ended.
    Outcome,
}

/// A text that is none of what sums are made by.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("key, model, day, upstream or outcome")]
#[non_exhaustive]
pub struct InvalidBy;

/// Which attempts are summed up: those that ended in a span of time.
#[derive(Clone, Debug, Default)]
#[non_exhaustive]
pub struct UsageQuery {
    /// What sums are made by.
    pub by: By,
    /// From this on.
    pub since: Option<Timestamp>,
    /// Before this.
    pub until: Option<Timestamp>,
    /// Only of this key, by id.
    pub key: Option<String>,
}

/// The sums of one key, model, day, upstream or outcome.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[non_exhaustive]
pub struct UsageSum {
    /// The key's id, the model, ...; empty where no key was shown.
    pub name: String,
    /// How many attempts there were.
    pub attempts: u64,
    /// How many of them have figures that are estimates.
    pub estimated: u64,
    /// How many of them cost what is not known; none of the two costs has a part of them.
    pub unknown: u64,
    /// What they used.
    pub tokens: Tokens,
    /// What the measured ones cost, in US dollars.
    pub cost_measured: Decimal,
    /// What the estimated ones cost, in US dollars.
    pub cost_estimated: Decimal,
}

impl By {
    fn column(self) -> &'static str {
        match self {
            Self::Key => "COALESCE(key_id, '')",
            Self::Model => "model",
            Self::Day => "day",
            Self::Upstream => "upstream",
            Self::Outcome => "outcome",
        }
    }
}

impl FromStr for By {
    type Err = InvalidBy;

    fn from_str(word: &str) -> Result<Self, InvalidBy> {
        match word {
            "key" => Ok(Self::Key),
            "model" => Ok(Self::Model),
            "day" => Ok(Self::Day),
            "upstream" => Ok(Self::Upstream),
            "outcome" => Ok(Self::Outcome),
            _ => Err(InvalidBy),
        }
    }
}

impl UsageQuery {
    /// Of everything.
    #[must_use]
    pub fn by(by: By) -> Self {
        Self { by, ..Self::default() }
    }
}

/// Sums stay below 64 bits when the parts above and below a millionth of a dollar are summed apart.
const SPLIT: Pico = 1_000_000;

impl Store {
    pub(crate) async fn usage(&self, query: &UsageQuery) -> Result<Vec<UsageSum>> {
        let sums = [
            "input_tokens",
            "cache_write_5m_tokens",
            "cache_write_1h_tokens",
            "cache_read_tokens",
            "output_tokens",
            "thinking_tokens",
            "web_searches",
            "web_fetches",
        ];
        let sums = sums.map(|sum| format!("CAST(SUM({sum}) AS BIGINT) AS {sum}")).join(", ");
        let costs = ["measured", "estimated"].map(|accuracy| {
            let of = |part: &str, name: &str| {
                format!(
                    "CAST(COALESCE(SUM(CASE WHEN accuracy = '{accuracy}' THEN cost_pico {part} {SPLIT} END), 0) AS BIGINT) \
                     AS {accuracy}_{name}"
                )
            };
            format!("{}, {}", of("/", "whole"), of("%", "rest"))
        });
        let select = format!(
            "SELECT {} AS name, CAST(COUNT(*) AS BIGINT) AS attempts, \
             CAST(SUM(CASE WHEN accuracy = 'estimated' THEN 1 ELSE 0 END) AS BIGINT) AS estimated, \
             CAST(SUM(CASE WHEN cost_pico IS NULL THEN 1 ELSE 0 END) AS BIGINT) AS unknown, {sums}, {} \
             FROM attempts WHERE ended_us >= $1 AND ended_us < $2 AND ($3 = '' OR key_id = $3) \
             GROUP BY 1 ORDER BY 1",
            query.by.column(),
            costs.join(", ")
        );
        let rows = sqlx::query(AssertSqlSafe(select))
            .bind(query.since.map_or(i64::MIN, Timestamp::as_microsecond))
            .bind(query.until.map_or(i64::MAX, Timestamp::as_microsecond))
            .bind(query.key.as_deref().unwrap_or(""))
            .fetch_all(&self.pool)
            .await
            .map_err(|error| Error::database("the ledger cannot be summed up", error))?;
        rows.iter().map(read).collect()
    }
}

fn read(row: &sqlx::any::AnyRow) -> Result<UsageSum> {
    let cost = |accuracy: &str| {
        let part = |name: &str| maybe_number(row, &format!("{accuracy}_{name}"));
        let (whole, rest) = (part("whole")?.unwrap_or(0), part("rest")?.unwrap_or(0));
        Ok(money::to_usd(Pico::from(whole) * SPLIT + Pico::from(rest)))
    };
    Ok(UsageSum {
        name: text(row, "name")?,
        attempts: count(row, "attempts")?,
        estimated: count(row, "estimated")?,
        unknown: count(row, "unknown")?,
        tokens: Tokens {
            input: count(row, "input_tokens")?,
            cache_write_5m: count(row, "cache_write_5m_tokens")?,
            cache_write_1h: count(row, "cache_write_1h_tokens")?,
            cache_read: count(row, "cache_read_tokens")?,
            output: count(row, "output_tokens")?,
            thinking: count(row, "thinking_tokens")?,
            web_searches: count(row, "web_searches")?,
            web_fetches: count(row, "web_fetches")?,
        },
        cost_measured: cost("measured")?,
        cost_estimated: cost("estimated")?,
    })
}
