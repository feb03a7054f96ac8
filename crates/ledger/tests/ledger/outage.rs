//! A database that goes away and comes back: rows wait, nobody spends what cannot be written, and in the end all is there.

use std::time::Duration;

use perennial_ledger::{Ask, Ledger, MaxUnwritten, NewKey, Options, Row, UsageQuery};
use sqlx::Connection as _;

use crate::postgres::Postgres;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_wait_for_a_database_that_is_away() {
    let Some(mut postgres) = Postgres::start() else { return };
    let url = postgres.database("outage").await;
    let mut options = Options::default();
    options.max_unwritten = MaxUnwritten(10);
    options.refresh = Duration::from_millis(50);
    let ledger = Ledger::open_with(&url, options).await.unwrap();
    let (key, _) = ledger.create_key(&NewKey::named("patient")).await.unwrap();
    ledger.record(Row::new("strm_before", 1, "m", "u"));
    ledger.flush().await.unwrap();
    postgres.pause();
    for number in 0..10 {
        let mut reservation = ledger.reserve(Some(&key), &Ask::new("m", 1)).unwrap();
        reservation.settle(Row::new(format!("strm_{number}"), 1, "m", "u"));
    }
    assert!(ledger.flush().await.is_err_and(|error| error.is_database()));
    let denied = ledger.reserve(Some(&key), &Ask::new("m", 1)).unwrap_err();
    assert_eq!((denied.status(), denied.kind().as_str()), (503, "overloaded_error"));
    assert!(denied.retry_after().is_some());
    assert_eq!(ledger.reserve(None, &Ask::new("m", 1)).unwrap_err().status(), 503, "without a key too");
    assert_eq!(ledger.unwritten(), 10);
    // What runs already is recorded all the same.
    ledger.record(Row::new("strm_late", 1, "m", "u"));
    postgres.resume();
    while ledger.flush().await.is_err() {}
    assert!(ledger.reserve(Some(&key), &Ask::new("m", 1)).is_ok());
    assert_eq!(
        ledger.usage(&UsageQuery::default()).await.unwrap().iter().map(|sum| sum.attempts).sum::<u64>(),
        12
    );
    ledger.close().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_wait_for_a_file_that_another_process_holds() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    let ledger = Ledger::open(&format!("sqlite:{}", file.display())).await.unwrap();
    sqlx::any::install_default_drivers();
    let mut other = sqlx::AnyConnection::connect(&format!("sqlite:{}", file.display())).await.unwrap();
    sqlx::query("BEGIN EXCLUSIVE").execute(&mut other).await.unwrap();
    ledger.record(Row::new("strm_1", 1, "m", "u"));
    assert!(ledger.flush().await.is_err_and(|error| error.is_database()));
    assert_eq!(ledger.unwritten(), 1);
    sqlx::query("COMMIT").execute(&mut other).await.unwrap();
    while ledger.flush().await.is_err() {}
    assert_eq!(ledger.attempts("strm_1").await.unwrap().len(), 1);
    other.close().await.unwrap();
    ledger.close().await.unwrap();
}

#[tokio::test]
async fn a_file_that_is_no_ledger_is_told_at_once_and_a_new_one_is_for_its_owner_only() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ledger.db");
    std::fs::write(&file, "this is no database, however long it may be read").unwrap();
    let error = Ledger::open(&format!("sqlite:{}", file.display())).await.unwrap_err();
    assert!(error.is_database(), "{error}");
    assert!(error.to_string().contains("ledger.db cannot be opened: file is not a database"), "{error}");

    let inside = folder.path().join("data/perennial");
    let ledger = Ledger::open(&format!("sqlite:{}", inside.join("ledger.db").display())).await.unwrap();
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        let mode = |path: &std::path::Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&inside), mode(&inside.join("ledger.db"))), (0o700, 0o600));
    }
    ledger.close().await.unwrap();
}
