//! What can go wrong with a ledger, as an opaque error with questions.

use std::fmt;

/// Why a ledger, its keys or its prices cannot be used. Ask what it is; the text is for people.
///
/// No text of it holds a secret: neither the address of the database, which may hold a password, nor a key.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<sqlx::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// What was given makes no sense: an address, a rule, a price.
    Invalid,
    /// There is no such key.
    NotFound,
    /// The database does not do what it is told.
    Database,
}

/// What most functions of this crate give.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// Something that was given makes no sense; the text says what, and what would.
    #[must_use]
    pub fn is_invalid(&self) -> bool {
        self.kind == Kind::Invalid
    }

    /// There is no key of that name.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// The database cannot be reached, or does not do what it is told. It may be better later.
    #[must_use]
    pub fn is_database(&self) -> bool {
        self.kind == Kind::Database
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: Kind::Invalid, message: message.into(), source: None }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { kind: Kind::NotFound, message: message.into(), source: None }
    }

    /// Rows wait, and why.
    pub(crate) fn behind(why: &str) -> Self {
        let message = format!("rows wait to be written to the ledger: {why}");
        Self { kind: Kind::Database, message, source: None }
    }

    pub(crate) fn database(doing: &str, source: sqlx::Error) -> Self {
        let message = match &source {
            // The words of a server, not of the address that it was reached under.
            sqlx::Error::Database(error) => format!("{doing}: {}", error.message()),
            sqlx::Error::Io(error) => format!("{doing}: {error}"),
            sqlx::Error::PoolTimedOut => format!("{doing}: the database does not answer"),
            sqlx::Error::Configuration(_) => format!("{doing}: the address of the database cannot be read"),
            _ => format!("{doing}: the database does not do what it is told"),
        };
        Self { kind: Kind::Database, message, source: Some(source) }
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_ref().map(|source| source as _)
    }
}
