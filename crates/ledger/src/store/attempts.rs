//! Rows in and out of the database, and what keys spent.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt::Write as _;

use jiff::civil::Date;
use sqlx::any::AnyRow;
use sqlx::{AnyConnection, AssertSqlSafe, Row as _};

use super::{Store, count, maybe_number, maybe_text, text, time, unreadable};
use crate::error::{Error, Result};
use crate::money::Pico;
use crate::row::{Accuracy, Row, Terms};
use crate::tokens::{Bill, Tokens};

/// The columns of a row, in the order in which they are bound.
const COLUMNS: &str = "stream, attempt, key_id, model, upstream, started_us, ended_us, day, outcome, accuracy, \
    input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, cache_read_tokens, output_tokens, thinking_tokens, \
    web_searches, web_fetches, cost_pico, charged_pico, currency, prices_from, request_id, stop_reason, service_tier, \
    speed, inference_geo";
const COLUMN_COUNT: usize = 27;

/// So many rows go into one statement. Few sizes, so that each statement is prepared once.
const RUNS: [usize; 3] = [64, 8, 1];

impl Store {
    /// Writes rows, all or none, and says of each whether it was new. A row whose name is there already is left as it was.
    pub(crate) async fn write(&self, rows: &[Row]) -> Result<Vec<bool>> {
        let failed = |error| Error::database("rows cannot be written to the ledger", error);
        let mut transaction = self.pool.begin().await.map_err(failed)?;
        let mut new = HashSet::new();
        let mut rest = rows;
        while !rest.is_empty() {
            let run = RUNS.into_iter().find(|run| *run <= rest.len()).unwrap_or(1);
            let (now, later) = rest.split_at(run);
            new.extend(insert(&mut transaction, now).await.map_err(failed)?);
            rest = later;
        }
        let mut written = Vec::with_capacity(rows.len());
        // In the order of keys and days, so that two nodes never wait for each other.
        let mut spent: BTreeMap<(&str, Date), Pico> = BTreeMap::new();
        for row in rows {
            // A row that is twice in the batch is new once.
            let is_new = new.remove(&(row.stream.clone(), i64::from(row.attempt)));
            written.push(is_new);
            if let (true, Some(key)) = (is_new, &row.key) {
                *spent.entry((key, row.day())).or_default() += row.charged;
            }
        }
        for ((key, day), amount) in spent {
            sqlx::query(
                "INSERT INTO spending (key_id, day, pico) VALUES ($1, $2, $3) \
                 ON CONFLICT (key_id, day) DO UPDATE SET pico = spending.pico + excluded.pico",
            )
            .bind(key)
            .bind(day.to_string())
            .bind(saturated(amount))
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)?;
        Ok(written)
    }

    /// What each key spent, by the day, since `from`.
    pub(crate) async fn spending(&self, from: Date) -> Result<HashMap<String, BTreeMap<Date, Pico>>> {
        let rows = sqlx::query("SELECT key_id, day, pico FROM spending WHERE day >= $1")
            .bind(from.to_string())
            .fetch_all(&self.pool)
            .await
            .map_err(|error| Error::database("the ledger's sums cannot be read", error))?;
        let mut spending: HashMap<String, BTreeMap<Date, Pico>> = HashMap::new();
        for row in &rows {
            let pico: i64 = row.try_get("pico").map_err(unreadable)?;
            spending
                .entry(text(row, "key_id")?)
                .or_default()
                .insert(date(&text(row, "day")?)?, Pico::from(pico));
        }
        Ok(spending)
    }

    /// The rows of one stream, in the order of its attempts.
    pub(crate) async fn attempts(&self, stream: &str) -> Result<Vec<Row>> {
        let select = format!("SELECT {COLUMNS} FROM attempts WHERE stream = $1 ORDER BY attempt");
        let rows = sqlx::query(AssertSqlSafe(select)).bind(stream).fetch_all(&self.pool).await;
        let rows = rows.map_err(|error| Error::database("the ledger's rows cannot be read", error))?;
        rows.iter().map(read).collect()
    }
}

/// Inserts rows and gives the names of those that were new.
async fn insert(connection: &mut AnyConnection, rows: &[Row]) -> sqlx::Result<Vec<(String, i64)>> {
    let mut statement = format!("INSERT INTO attempts ({COLUMNS}) VALUES ");
    // SQLite looks for the name of each by going through all of them, but for those that have none; PostgreSQL has only those with a number.
    let is_numbered = connection.backend_name() == "PostgreSQL";
    for row in 0..rows.len() {
        statement.push_str(if row == 0 { "(" } else { ", (" });
        for column in 1..=COLUMN_COUNT {
            statement.push_str(if column == 1 { "" } else { ", " });
            if is_numbered {
                // Writing to a text does not fail.
                let _ = write!(statement, "${}", row * COLUMN_COUNT + column);
            } else {
                statement.push('?');
            }
        }
        statement.push(')');
    }
    statement.push_str(" ON CONFLICT (stream, attempt) DO NOTHING RETURNING stream, attempt");
    let mut query = sqlx::query(AssertSqlSafe(statement));
    for row in rows {
        let tokens = &row.tokens;
        query = query
            .bind(&row.stream)
            .bind(i64::from(row.attempt))
            .bind(row.key.as_deref())
            .bind(&row.model)
            .bind(&row.upstream)
            .bind(row.started.as_microsecond())
            .bind(row.ended.as_microsecond())
            .bind(row.day().to_string())
            .bind(row.outcome.as_str())
            .bind(row.accuracy.as_str());
        for tokens in [
            tokens.input,
            tokens.cache_write_5m,
            tokens.cache_write_1h,
            tokens.cache_read,
            tokens.output,
            tokens.thinking,
            tokens.web_searches,
            tokens.web_fetches,
        ] {
            query = query.bind(i64::try_from(tokens).unwrap_or(i64::MAX));
        }
        query = query
            .bind(row.cost.map(saturated))
            .bind(saturated(row.charged))
            .bind("USD")
            .bind(row.prices.map(|from| from.to_string()))
            .bind(row.request_id.as_deref())
            .bind(row.stop_reason.as_deref())
            .bind(row.terms.tier.as_deref())
            .bind(row.terms.speed.as_deref())
            .bind(row.terms.geo.as_deref());
    }
    let new = query.fetch_all(connection).await?;
    new.iter().map(|row| Ok((row.try_get("stream")?, row.try_get("attempt")?))).collect()
}

fn read(row: &AnyRow) -> Result<Row> {
    let wrong = |what: &str| Error::invalid(format!("the ledger has a row whose {what} cannot be read"));
    let tokens = Tokens {
        input: count(row, "input_tokens")?,
        cache_write_5m: count(row, "cache_write_5m_tokens")?,
        cache_write_1h: count(row, "cache_write_1h_tokens")?,
        cache_read: count(row, "cache_read_tokens")?,
        output: count(row, "output_tokens")?,
        thinking: count(row, "thinking_tokens")?,
        web_searches: count(row, "web_searches")?,
        web_fetches: count(row, "web_fetches")?,
    };
    Ok(Row {
        stream: text(row, "stream")?,
        attempt: u32::try_from(count(row, "attempt")?).map_err(|_| wrong("attempt"))?,
        key: maybe_text(row, "key_id")?,
        model: text(row, "model")?,
        upstream: text(row, "upstream")?,
        started: time(row, "started_us")?,
        ended: time(row, "ended_us")?,
        outcome: text(row, "outcome")?.parse().map_err(|_| wrong("outcome"))?,
        request_id: maybe_text(row, "request_id")?,
        stop_reason: maybe_text(row, "stop_reason")?,
        accuracy: match text(row, "accuracy")?.as_str() {
            "measured" => Accuracy::Measured,
            _ => Accuracy::Estimated,
        },
        tokens,
        bill: Bill { own: tokens, others: Vec::new(), is_whole: true },
        terms: Terms {
            tier: maybe_text(row, "service_tier")?,
            speed: maybe_text(row, "speed")?,
            geo: maybe_text(row, "inference_geo")?,
        },
        cost: maybe_number(row, "cost_pico")?.map(Pico::from),
        prices: maybe_text(row, "prices_from")?.map(|from| date(&from)).transpose()?,
        charged: Pico::from(maybe_number(row, "charged_pico")?.unwrap_or(0)),
    })
}

fn date(text: &str) -> Result<Date> {
    text.parse().map_err(|_| Error::invalid("the ledger has a day that cannot be read"))
}

/// What 64 bits hold; nine million dollars for one row.
fn saturated(amount: Pico) -> i64 {
    i64::try_from(amount).unwrap_or(i64::MAX)
}
