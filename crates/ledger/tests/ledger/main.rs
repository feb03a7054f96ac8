//! The ledger on each database that it runs on: one suite, held against all of them.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it skipped")]

mod outage;
#[path = "../../../../tests/rigs/postgres.rs"]
mod postgres;
mod suite;

use postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_on_sqlite_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = |case: &str| format!("sqlite:{}", folder.path().join(format!("{case} 100%?.db")).display());
    suite::run(url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_on_postgres() {
    let Some(postgres) = Postgres::start() else { return };
    let mut urls = std::collections::HashMap::new();
    for case in suite::names() {
        urls.insert(case, postgres.database(case).await);
    }
    suite::run(|case| urls[case].clone()).await;
}
