//! The database: SQLite or PostgreSQL, behind one set of statements.

mod attempts;
mod schema;

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{AnyConnection, AnyPool, Connection as _, Executor as _, Row as _};

use crate::error::{Error, Result};

/// Connections to a PostgreSQL; one of them is the writer's.
const POSTGRES_CONNECTIONS: u32 = 5;

/// Connections to a file; one may write at a time, the others read meanwhile.
const SQLITE_CONNECTIONS: u32 = 4;

/// How long one waits for a connection, and how long SQLite waits for another process's lock.
const PATIENCE: Duration = Duration::from_secs(5);

/// So many steps another process may be ahead.
const TRIES: usize = 3;

/// An open database of the current layout.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pub(crate) pool: AnyPool,
}

enum Place<'a> {
    Memory,
    File(&'a Path),
    Postgres,
}

impl Store {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        sqlx::any::install_default_drivers();
        let place = Place::of(url)?;
        let options = AnyPoolOptions::new().acquire_timeout(PATIENCE).idle_timeout(None).max_lifetime(None);
        let pool = match place {
            // Each connection would be a database of its own.
            Place::Memory => options.max_connections(1).connect("sqlite::memory:").await,
            Place::File(path) => {
                make_private(path).map_err(|error| {
                    Error::invalid(format!("the ledger {} cannot be made: {error}", path.display()))
                })?;
                let url = sqlite_url(path)?;
                // The pool would try a file that is no database again and again, and then say that it does not answer.
                let unusable = |error| {
                    Error::database(&format!("the ledger {} cannot be opened", path.display()), error)
                };
                let mut first = AnyConnection::connect(&url).await.map_err(unusable)?;
                prepare(&mut first).await.map_err(unusable)?;
                drop(first.close().await);
                let options = options
                    .max_connections(SQLITE_CONNECTIONS)
                    .after_connect(|connection, _| Box::pin(prepare(connection)));
                options.connect(&url).await
            }
            Place::Postgres => options.max_connections(POSTGRES_CONNECTIONS).connect(url).await,
        };
        let pool = pool.map_err(|error| Error::database("the ledger cannot be opened", error))?;
        let store = Self { pool };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<()> {
        let migrator = schema::migrator();
        let failed = |error: sqlx::migrate::MigrateError| match error {
            sqlx::migrate::MigrateError::VersionMissing(_) => {
                Error::invalid("the ledger was written by a later version of this program")
            }
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                Error::database("the ledger's tables cannot be made", error)
            }
            other => Error::invalid(format!("the ledger's tables cannot be made: {other}")),
        };
        // Other processes may make them at the same moment, and SQLite has no lock for that: whoever comes second fails
        // at a step that is made meanwhile, and finds it there next time.
        for _ in 0..TRIES {
            if migrator.run(&self.pool).await.is_ok() {
                return Ok(());
            }
        }
        migrator.run(&self.pool).await.map_err(failed)
    }

    pub(crate) async fn close(&self) {
        self.pool.close().await;
    }
}

/// Readers and the writer do not wait for each other. A commit is on the disk when it returns.
async fn prepare(connection: &mut AnyConnection) -> sqlx::Result<()> {
    let pragmas = format!(
        "PRAGMA busy_timeout = {}; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL",
        PATIENCE.as_millis()
    );
    connection.execute(sqlx::AssertSqlSafe(pragmas)).await.map(|_| ())
}

impl<'a> Place<'a> {
    fn of(url: &'a str) -> Result<Self> {
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Self::Postgres);
        }
        match url.strip_prefix("sqlite:") {
            Some(":memory:") => Ok(Self::Memory),
            Some(path) if !path.is_empty() => Ok(Self::File(Path::new(path))),
            _ => Err(Error::invalid(
                "the address of a ledger is sqlite:FILE, sqlite::memory: or postgres://USER:PASSWORD@HOST/DATABASE",
            )),
        }
    }
}

/// The file as an address that means it, whatever characters are in its name.
fn sqlite_url(path: &Path) -> Result<String> {
    let path = path.to_str().ok_or_else(|| Error::invalid("the ledger's file must have a name in UTF-8"))?;
    let mut url = "sqlite:".to_owned();
    for character in path.chars() {
        match character {
            '%' => url.push_str("%25"),
            '?' => url.push_str("%3F"),
            '#' => url.push_str("%23"),
            other => url.push(other),
        }
    }
    Ok(url + "?mode=rwc")
}

/// Who asked what at which cost is nobody else's business.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        let mut builder = std::fs::DirBuilder::new();
        builder.recursive(true);
        #[cfg(unix)]
        {
            use std::os::unix::fs::DirBuilderExt as _;
            builder.mode(0o700);
        }
        // One that is there keeps the mode that somebody gave it.
        builder.create(folder)?;
    }
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    match options.open(path) {
        Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => Err(error),
        _ => Ok(()),
    }
}

/// A number that cannot be negative.
pub(crate) fn count(row: &AnyRow, column: &str) -> Result<u64> {
    let number: i64 = row.try_get(column).map_err(unreadable)?;
    Ok(u64::try_from(number).unwrap_or(0))
}

pub(crate) fn text(row: &AnyRow, column: &str) -> Result<String> {
    row.try_get(column).map_err(unreadable)
}

pub(crate) fn maybe_text(row: &AnyRow, column: &str) -> Result<Option<String>> {
    row.try_get(column).map_err(unreadable)
}

pub(crate) fn maybe_number(row: &AnyRow, column: &str) -> Result<Option<i64>> {
    row.try_get(column).map_err(unreadable)
}

pub(crate) fn time(row: &AnyRow, column: &str) -> Result<Timestamp> {
    maybe_time(row, column)?.ok_or_else(|| Error::invalid(format!("the ledger has no {column} in a row")))
}

pub(crate) fn maybe_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>> {
    let micros: Option<i64> = maybe_number(row, column)?;
    let read = micros.map(Timestamp::from_microsecond).transpose();
    read.map_err(|_| Error::invalid(format!("the ledger has a time in {column} that is none")))
}

pub(crate) fn unreadable(error: sqlx::Error) -> Error {
    Error::database("the ledger has a row that cannot be read", error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_names_are_taken_as_they_are() {
        assert!(matches!(Place::of("sqlite::memory:"), Ok(Place::Memory)));
        assert!(matches!(Place::of("postgres://u@h/d"), Ok(Place::Postgres)));
        assert!(matches!(Place::of("sqlite:a b?.db"), Ok(Place::File(path)) if path == Path::new("a b?.db")));
        for wrong in ["", "sqlite:", "mysql://h/d", "ledger.db"] {
            assert!(Place::of(wrong).is_err_and(|error| error.is_invalid()), "{wrong}");
        }
        assert_eq!(sqlite_url(Path::new("a%?#.db")).unwrap(), "sqlite:a%25%3F%23.db?mode=rwc");
    }
}
