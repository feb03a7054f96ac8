//! What goes wrong, and whose fault it is.

use std::fmt;

/// Why conversations cannot be read or written. Ask what it is; the text is for people.
///
/// No text of it holds the address of the database, which may hold a password.
#[derive(Debug)]
pub struct Error {
    kind: Kind,
    message: String,
    source: Option<sqlx::Error>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// What was given makes no sense: an address, a content, a document.
    Invalid,
    /// The owner has no such conversation or turn.
    NotFound,
    /// What stands there does not allow it.
    Conflict,
    /// Somebody else holds the database for too long.
    Busy,
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

    /// The owner has no conversation or turn of that name, or has it no more.
    #[must_use]
    pub fn is_not_found(&self) -> bool {
        self.kind == Kind::NotFound
    }

    /// What stands there does not allow it: the turn has ended, or the beginning of a name fits several.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        self.kind == Kind::Conflict
    }

    /// Others hold the database for too long. Trying again later is right.
    #[must_use]
    pub fn is_busy(&self) -> bool {
        self.kind == Kind::Busy
    }

    /// The database cannot be reached, or does not do what it is told. It may be better later.
    #[must_use]
    pub fn is_database(&self) -> bool {
        matches!(self.kind, Kind::Busy | Kind::Database)
    }

    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self { kind: Kind::Invalid, message: message.into(), source: None }
    }

    pub(crate) fn not_found(message: impl Into<String>) -> Self {
        Self { kind: Kind::NotFound, message: message.into(), source: None }
    }

    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self { kind: Kind::Conflict, message: message.into(), source: None }
    }

    /// `doing` is a whole sentence without its reason.
    pub(crate) fn database(doing: &str, source: sqlx::Error) -> Self {
        let (kind, why) = match &source {
            sqlx::Error::Database(error) if is_busy(error.code().as_deref()) => {
                (Kind::Busy, "another process holds it; try again".to_owned())
            }
            // The words of a server, not of the address that it was reached under.
            sqlx::Error::Database(error) => (Kind::Database, error.message().to_owned()),
            sqlx::Error::Io(error) => (Kind::Database, error.to_string()),
            sqlx::Error::PoolTimedOut => (Kind::Busy, "the database does not answer".to_owned()),
            sqlx::Error::Configuration(_) => {
                (Kind::Database, "the address of the database cannot be read".to_owned())
            }
            _ => (Kind::Database, "the database does not do what it is told".to_owned()),
        };
        Self { kind, message: format!("{doing}: {why}"), source: Some(source) }
    }
}

/// SQLite's BUSY and LOCKED in all their shades, and PostgreSQL's two ways to say that others were in the way.
fn is_busy(code: Option<&str>) -> bool {
    match code {
        Some("40001" | "40P01" | "55P03") => true,
        // PostgreSQL's codes have five characters, SQLite's are small numbers.
        Some(code) if code.len() < 5 => code.parse::<u32>().is_ok_and(|code| matches!(code & 0xff, 5 | 6)),
        _ => false,
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_passes_by_itself_is_busy() {
        for code in ["5", "6", "261", "517", "40001", "40P01"] {
            assert!(is_busy(Some(code)), "{code}");
        }
        for code in ["1", "19", "2067", "23505", "42P01"] {
            assert!(!is_busy(Some(code)), "{code}");
        }
        assert!(!is_busy(None));
    }
}
