//! The database: SQLite or PostgreSQL, behind one set of statements.

mod conversations;
mod schema;
mod search;
mod steps;
mod transfer;
mod turns;

use std::path::{Path, PathBuf};
use std::time::Duration;

use jiff::Timestamp;
use sqlx::any::{AnyPoolOptions, AnyRow};
use sqlx::{Any, AnyConnection, AnyPool, Connection as _, Executor as _, Row as _, Transaction};

use crate::error::{Error, Result};
use crate::holder::Holders;

/// Connections to a PostgreSQL.
const POSTGRES_CONNECTIONS: u32 = 8;

/// Connections to a file; one may write at a time, the others read meanwhile.
const SQLITE_CONNECTIONS: u32 = 4;

/// How long one waits for a connection, and how long SQLite waits for another process's lock.
const PATIENCE: Duration = Duration::from_secs(10);

/// An open database of the current layout.
#[derive(Clone, Debug)]
pub(crate) struct Store {
    pool: AnyPool,
    kind: Kind,
    pub(crate) holders: Holders,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Sqlite,
    Postgres,
}

enum Place<'a> {
    Memory,
    File(&'a Path),
    Postgres,
}

impl Store {
    pub(crate) async fn open(url: &str) -> Result<Self> {
        match Place::of(url)? {
            // Each connection would be a database of its own.
            Place::Memory => {
                let pool = options().max_connections(1).connect("sqlite::memory:").await;
                Self::over(pool, Kind::Sqlite, Holders::default()).await
            }
            Place::File(path) => Self::open_file(path).await,
            Place::Postgres => {
                let pool = options().max_connections(POSTGRES_CONNECTIONS).connect(url).await;
                Self::over(pool, Kind::Postgres, Holders::default()).await
            }
        }
    }

    pub(crate) async fn open_file(path: &Path) -> Result<Self> {
        make_private(path).map_err(|error| {
            Error::invalid(format!("the history {} cannot be made: {error}", path.display()))
        })?;
        let url = sqlite_url(path)?;
        sqlx::any::install_default_drivers();
        // The pool would try a file that is no database again and again, and then say that it does not answer.
        let unusable =
            |error| Error::database(&format!("the history {} cannot be opened", path.display()), error);
        let mut first = AnyConnection::connect(&url).await.map_err(unusable)?;
        prepare(&mut first).await.map_err(unusable)?;
        drop(first.close().await);
        let options = options()
            .max_connections(SQLITE_CONNECTIONS)
            .after_connect(|connection, _| Box::pin(prepare(connection)));
        let pool = options.connect(&url).await;
        Self::over(pool, Kind::Sqlite, Holders::beside(path)).await
    }

    async fn over(pool: sqlx::Result<AnyPool>, kind: Kind, holders: Holders) -> Result<Self> {
        let pool = pool.map_err(|error| Error::database("the history cannot be opened", error))?;
        let store = Self { pool, kind, holders };
        store.migrate().await?;
        Ok(store)
    }

    async fn migrate(&self) -> Result<()> {
        let migrator = schema::migrator(self.kind);
        let failed = |error: sqlx::migrate::MigrateError| match error {
            sqlx::migrate::MigrateError::VersionMissing(_) => {
                Error::invalid("the history was written by a later version of this program")
            }
            sqlx::migrate::MigrateError::Execute(error)
            | sqlx::migrate::MigrateError::ExecuteMigration(error, _) => {
                Error::database("the tables of the history cannot be made", error)
            }
            other => Error::invalid(format!("the tables of the history cannot be made: {other}")),
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

    /// A transaction that writes. SQLite's lock is taken at once: one that read first and wrote later would be refused without a wait.
    async fn write(&self) -> Result<Transaction<'static, Any>> {
        let begin = match self.kind {
            Kind::Sqlite => "BEGIN IMMEDIATE",
            Kind::Postgres => "BEGIN",
        };
        self.pool.begin_with(begin).await.map_err(unwritable)
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

/// So many steps another process may be ahead.
const TRIES: usize = 3;

fn options() -> AnyPoolOptions {
    sqlx::any::install_default_drivers();
    AnyPoolOptions::new().acquire_timeout(PATIENCE).idle_timeout(None).max_lifetime(None)
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
                "the address of a history is sqlite:FILE, sqlite::memory: or postgres://USER:PASSWORD@HOST/DATABASE",
            )),
        }
    }
}

/// The file as an address that means it, whatever characters are in its name.
fn sqlite_url(path: &Path) -> Result<String> {
    let path = path.to_str().ok_or_else(|| Error::invalid("the history's file must have a name in UTF-8"))?;
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

/// What people asked and were told is nobody else's business. What SQLite keeps beside the file takes over its mode.
fn make_private(path: &Path) -> std::io::Result<()> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        private_folder(folder)?;
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

/// A folder that is there keeps the mode that somebody gave it.
pub(crate) fn private_folder(folder: &Path) -> std::io::Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::DirBuilderExt as _;
        builder.mode(0o700);
    }
    builder.create(folder)
}

/// The file's name with something behind it.
pub(crate) fn beside(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

fn unwritable(error: sqlx::Error) -> Error {
    Error::database("the history cannot be written", error)
}

fn unreadable(error: sqlx::Error) -> Error {
    Error::database("the history cannot be read", error)
}

fn wrong(what: &str) -> Error {
    Error::invalid(format!("the history has a row whose {what} cannot be read"))
}

fn text(row: &AnyRow, column: &str) -> Result<String> {
    row.try_get(column).map_err(unreadable)
}

fn maybe_text(row: &AnyRow, column: &str) -> Result<Option<String>> {
    row.try_get(column).map_err(unreadable)
}

fn number(row: &AnyRow, column: &str) -> Result<i64> {
    row.try_get(column).map_err(unreadable)
}

fn time(row: &AnyRow, column: &str) -> Result<Timestamp> {
    Timestamp::from_microsecond(number(row, column)?).map_err(|_| wrong(column))
}

fn maybe_time(row: &AnyRow, column: &str) -> Result<Option<Timestamp>> {
    let micros: Option<i64> = row.try_get(column).map_err(unreadable)?;
    micros.map(Timestamp::from_microsecond).transpose().map_err(|_| wrong(column))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn addresses_are_read_and_names_are_taken_as_they_are() {
        assert!(matches!(Place::of("sqlite::memory:"), Ok(Place::Memory)));
        assert!(matches!(Place::of("postgres://a@b/c"), Ok(Place::Postgres)));
        assert!(matches!(Place::of("sqlite:a b.db"), Ok(Place::File(path)) if path == Path::new("a b.db")));
        for wrong in ["", "sqlite:", "mysql://a/b", "history.db"] {
            assert!(Place::of(wrong).err().is_some_and(|error| error.is_invalid()), "{wrong}");
        }
        assert_eq!(sqlite_url(Path::new("100%?#.db")).unwrap(), "sqlite:100%25%3F%23.db?mode=rwc");
    }
}
