//! The history on each database that it runs on: one suite, held against all of them; and what only a file has.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it skipped")]

mod file;
#[path = "../../../../tests/rigs/postgres.rs"]
mod postgres;
mod suite;
mod transfer;
mod tree;

use postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_on_sqlite_in_a_file() {
    let folder = tempfile::tempdir().unwrap();
    let url = |case: &str| format!("sqlite:{}", folder.path().join(format!("{case} 100%?.db")).display());
    suite::run(url).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_suite_on_sqlite_in_memory() {
    suite::run(|_| "sqlite::memory:".to_owned()).await;
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
