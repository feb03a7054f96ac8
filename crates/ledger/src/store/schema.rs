//! The tables, and how they came to be.
//!
//! The same statements for both databases, so only what both have: integers of 64 bits and text. Times are microseconds since 1970, UTC.

use std::borrow::Cow;

use sqlx::SqlSafeStr as _;
use sqlx::migrate::{Migration, MigrationType, Migrator};

/// Each with its number for ever: what has run somewhere is not changed, another is added.
const STEPS: [(i64, &str, &str); 1] = [(1, "attempts, spending, keys", FIRST)];

const FIRST: &str = "
CREATE TABLE attempts (
    stream TEXT NOT NULL,
    attempt BIGINT NOT NULL,
    key_id TEXT,
    model TEXT NOT NULL,
    upstream TEXT NOT NULL,
    started_us BIGINT NOT NULL,
    ended_us BIGINT NOT NULL,
    day TEXT NOT NULL,
    outcome TEXT NOT NULL,
    accuracy TEXT NOT NULL,
    input_tokens BIGINT NOT NULL,
    cache_write_5m_tokens BIGINT NOT NULL,
    cache_write_1h_tokens BIGINT NOT NULL,
    cache_read_tokens BIGINT NOT NULL,
    output_tokens BIGINT NOT NULL,
    thinking_tokens BIGINT NOT NULL,
    web_searches BIGINT NOT NULL,
    web_fetches BIGINT NOT NULL,
    cost_pico BIGINT,
    charged_pico BIGINT NOT NULL,
    currency TEXT NOT NULL,
    prices_from TEXT,
    request_id TEXT,
    stop_reason TEXT,
    service_tier TEXT,
    speed TEXT,
    inference_geo TEXT,
    PRIMARY KEY (stream, attempt)
);
CREATE INDEX attempts_by_end ON attempts (ended_us);
CREATE TABLE spending (
    key_id TEXT NOT NULL,
    day TEXT NOT NULL,
    pico BIGINT NOT NULL,
    PRIMARY KEY (key_id, day)
);
CREATE INDEX spending_by_day ON spending (day);
CREATE TABLE virtual_keys (
    id TEXT PRIMARY KEY,
    name TEXT NOT NULL,
    owner TEXT,
    rules TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT,
    revoked_us BIGINT
);
CREATE TABLE secrets (
    hash TEXT PRIMARY KEY,
    key_id TEXT NOT NULL,
    prefix TEXT NOT NULL,
    created_us BIGINT NOT NULL,
    expires_us BIGINT,
    rotated_from TEXT
);
CREATE TABLE versions (
    name TEXT PRIMARY KEY,
    version BIGINT NOT NULL
);
INSERT INTO versions (name, version) VALUES ('keys', 1);
";

pub(super) fn migrator() -> Migrator {
    let steps = STEPS.iter().map(|(number, about, sql)| {
        let sql = sqlx::AssertSqlSafe(*sql).into_sql_str();
        Migration::new(*number, Cow::Borrowed(about), MigrationType::Simple, sql, false)
    });
    let mut migrator = Migrator::with_migrations(steps.collect());
    migrator.dangerous_set_table_name("perennial_migrations");
    migrator
}
