//! Money: what the simulator would have billed for each request, and what the ledger says of it, to the token.

use std::collections::HashMap;
use std::path::Path;

use anyhow::Result;
use perennial_sim::{Billed, Entry, Outcome};
use serde::Serialize;
use sqlx::sqlite::{SqliteConnectOptions, SqlitePool, SqlitePoolOptions};

/// An estimate may be off by so much of what was billed,
const OFF: f64 = 0.05;
/// and by so many tokens: the event in which a cut fell was made, and is billed, and nobody has it. Of a tool's input that is a whole member.
const OFF_TOKENS: u64 = 16;
/// So many differences are kept in words.
const KEPT: usize = 5;

/// Tokens of one attempt or of many, by price.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub(crate) struct Sums {
    pub(crate) input: u64,
    pub(crate) cache_write_5m: u64,
    pub(crate) cache_write_1h: u64,
    pub(crate) cache_read: u64,
    pub(crate) output: u64,
}

/// What was compared.
#[derive(Debug, Default, Serialize)]
pub(crate) struct Books {
    /// Requests that the simulator would bill.
    pub(crate) billed: u64,
    pub(crate) journal: Sums,
    /// Of these requests.
    pub(crate) ledger: Sums,
    /// Rows that say that they are exact: how many are, and of how many.
    pub(crate) measured: (u64, u64),
    /// Rows that say that they are estimates, of attempts that the upstream broke off: how many are near enough, and of how many.
    pub(crate) estimated: (u64, u64),
    /// The same of attempts that the gateway ended, or lost with their head: what the upstream wrote behind that nobody saw.
    pub(crate) unseen: u64,
    /// Requests that were billed and have no row.
    pub(crate) missing: u64,
    /// Rows without a request's id.
    headless: u64,
    pub(crate) differences: Vec<String>,
}

/// The ledger's file.
pub(crate) struct LedgerFile {
    pool: SqlitePool,
    last: i64,
}

/// One row, as it stands there.
#[derive(Debug)]
pub(crate) struct Row {
    request_id: Option<String>,
    outcome: String,
    accuracy: String,
    tokens: Sums,
}

/// The columns of a row, in the order of the query.
type Columns = (i64, Option<String>, String, String, i64, i64, i64, i64, i64);

impl LedgerFile {
    pub(crate) fn open(path: &Path) -> Self {
        let options = SqliteConnectOptions::new().filename(path).read_only(true);
        Self { pool: SqlitePoolOptions::new().max_connections(1).connect_lazy_with(options), last: 0 }
    }

    /// The rows since the last look.
    pub(crate) async fn news(&mut self) -> Result<Vec<Row>> {
        let columns = "rowid, request_id, outcome, accuracy, input_tokens, cache_write_5m_tokens, cache_write_1h_tokens, \
                       cache_read_tokens, output_tokens";
        let query = format!("SELECT {columns} FROM attempts WHERE rowid > {} ORDER BY rowid", self.last);
        let rows: Vec<Columns> = sqlx::query_as(sqlx::AssertSqlSafe(query)).fetch_all(&self.pool).await?;
        self.last = rows.last().map_or(self.last, |row| row.0);
        Ok(rows.into_iter().map(Row::of).collect())
    }
}

impl Sums {
    fn add(&mut self, other: &Self) {
        self.input += other.input;
        self.cache_write_5m += other.cache_write_5m;
        self.cache_write_1h += other.cache_write_1h;
        self.cache_read += other.cache_read;
        self.output += other.output;
    }

    fn of_entry(entry: &Entry) -> Self {
        let Billed { input_tokens, cache_creation_5m, cache_creation_1h, cache_read, output_tokens, .. } =
            entry.billed;
        Self {
            input: input_tokens,
            cache_write_5m: cache_creation_5m,
            cache_write_1h: cache_creation_1h,
            cache_read,
            output: output_tokens,
        }
    }

    /// Whether this is as near to `billed` as an estimate has to be.
    fn is_near(&self, billed: &Self) -> bool {
        let near = |one: u64, other: u64| {
            let off = one.abs_diff(other);
            off <= OFF_TOKENS || off as f64 <= other as f64 * OFF
        };
        near(self.input, billed.input) && near(self.output, billed.output)
    }
}

impl Row {
    fn of((_, request_id, outcome, accuracy, input, short, long, read, output): Columns) -> Self {
        let count = |tokens: i64| u64::try_from(tokens).unwrap_or(0);
        let tokens = Sums {
            input: count(input),
            cache_write_5m: count(short),
            cache_write_1h: count(long),
            cache_read: count(read),
            output: count(output),
        };
        Self { request_id, outcome, accuracy, tokens }
    }
}

impl Books {
    /// Rows that are new. Where a head was lost with its connection, nobody but the upstream knows the request's id.
    pub(crate) fn note(&mut self, news: &[Row]) {
        self.headless += news.iter().filter(|row| row.request_id.is_none()).count() as u64;
    }

    /// Compares rows with what the journal says of the same requests, and gives back those that have no row (yet).
    pub(crate) fn compare(
        &mut self,
        entries: Vec<Entry>,
        rows: &[Row],
        is_honest: impl Fn(&Entry) -> bool,
    ) -> Vec<Entry> {
        let by_id: HashMap<&str, &Row> =
            rows.iter().filter_map(|row| Some((row.request_id.as_deref()?, row))).collect();
        let mut open = Vec::new();
        for entry in entries {
            let billed = Sums::of_entry(&entry);
            match by_id.get(entry.request_id.as_str()) {
                Some(row) => self.row(&entry, &billed, row, is_honest(&entry)),
                None if billed == Sums::default() => {}
                None => open.push(entry),
            }
        }
        open
    }

    fn row(&mut self, entry: &Entry, billed: &Sums, row: &Row, is_honest: bool) {
        if *billed == Sums::default() && row.tokens == Sums::default() {
            return;
        }
        self.billed += 1;
        self.journal.add(billed);
        self.ledger.add(&row.tokens);
        let is_exact = row.accuracy == "measured";
        let holds = if is_exact { row.tokens == *billed } else { row.tokens.is_near(billed) };
        // What is no answer at all bills nothing here, and whoever got it cannot know that.
        let is_nothing = *billed == Sums::default();
        // A reset takes along what was on its way.
        let is_seen = entry.outcome == Outcome::Faulted && !entry.faults.contains("rst") && is_honest;
        if !is_exact && (!is_seen || is_nothing) {
            self.unseen += 1;
            return;
        }
        let (kept, of) = if is_exact { &mut self.measured } else { &mut self.estimated };
        *of += 1;
        *kept += u64::from(holds);
        if !holds {
            self.differs(&row.accuracy, entry, billed, Some(row));
        }
    }

    /// The run is over: these have no row.
    pub(crate) fn close(&mut self, entries: &[Entry]) {
        for entry in entries {
            let billed = Sums::of_entry(entry);
            self.billed += 1;
            self.journal.add(&billed);
            // A head is lost by a reset, and by who leaves before it has come.
            let is_lost = entry.faults.contains("rst") || entry.outcome == Outcome::ClientLeft;
            if self.headless > 0 && is_lost {
                self.headless -= 1;
                self.unseen += 1;
            } else {
                self.missing += 1;
                self.differs("no row", entry, &billed, None);
            }
        }
    }

    /// What of it is a breach.
    pub(crate) fn wrong(&self) -> u64 {
        (self.measured.1 - self.measured.0) + (self.estimated.1 - self.estimated.0) + self.missing
    }

    fn differs(&mut self, what: &str, entry: &Entry, billed: &Sums, row: Option<&Row>) {
        let key = entry.headers.iter().find(|(name, _)| name == perennial_sim::ATTEMPT_HEADER);
        let key = key.map_or("", |(_, key)| key.as_str());
        let said = row.map_or_else(String::new, |row| {
            let said = row.tokens;
            format!(" {}: {} in, {} out", row.outcome, said.input, said.output)
        });
        let line = format!(
            "{what}{said}; billed {} in, {} out; `{}`, {:?} in {:?}, stream {key}",
            billed.input, billed.output, entry.faults, entry.outcome, entry.phase
        );
        // One of each kind says enough.
        let kind = |line: &str| line.split(['@', '=']).next().unwrap_or_default().len();
        if self.differences.len() < KEPT * 8
            && self.differences.iter().filter(|kept| kind(kept) == kind(&line)).count() < KEPT
        {
            println!("BREACH ledger as journal: {line}");
            self.differences.push(line);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_estimate_is_near_or_it_is_not() {
        let billed = Sums { input: 1000, output: 200, ..Sums::default() };
        for (output, near) in [(200, true), (216, true), (184, true), (217, false), (0, false)] {
            assert_eq!(Sums { output, ..billed }.is_near(&billed), near, "{output}");
        }
        assert!(Sums { output: 5, input: 1000, ..Sums::default() }.is_near(&Sums {
            output: 12,
            input: 1000,
            ..Sums::default()
        }));
    }
}
