//! Why a data directory was not opened.

use std::{
    error::Error as StdError,
    fmt, io,
    path::{Path, PathBuf},
};

use crate::ReserveBytes;

/// Why a data directory was not opened. No record in it was changed.
pub struct OpenError {
    directory: PathBuf,
    kind: Kind,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

#[derive(Debug)]
enum Kind {
    Locked { owner: Option<u32> },
    Damaged(String),
    OtherVersion(u32),
    NotALog,
    Full { available: u64, reserve: ReserveBytes },
    TooManyBuckets,
    Io(&'static str),
}

impl OpenError {
    /// Another process has it open.
    #[must_use]
    pub fn is_locked(&self) -> bool {
        matches!(self.kind, Kind::Locked { .. })
    }

    /// What is in it is not what was written.
    #[must_use]
    pub fn is_damaged(&self) -> bool {
        matches!(self.kind, Kind::Damaged(_))
    }

    /// It was written by another version of this program, in a layout that this one does not know.
    #[must_use]
    pub fn is_other_version(&self) -> bool {
        matches!(self.kind, Kind::OtherVersion(_))
    }

    /// It holds something else.
    #[must_use]
    pub fn is_not_a_log(&self) -> bool {
        matches!(self.kind, Kind::NotALog)
    }

    /// There is too little room to begin.
    #[must_use]
    pub fn is_full(&self) -> bool {
        matches!(self.kind, Kind::Full { .. })
    }

    /// The directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    pub(super) fn locked(directory: &Path, owner: Option<u32>) -> Self {
        Self::of(directory, Kind::Locked { owner })
    }

    pub(super) fn damaged(directory: &Path, what: impl Into<String>) -> Self {
        Self::of(directory, Kind::Damaged(what.into()))
    }

    pub(super) fn other_version(directory: &Path, found: u32) -> Self {
        Self::of(directory, Kind::OtherVersion(found))
    }

    pub(super) fn not_a_log(directory: &Path) -> Self {
        Self::of(directory, Kind::NotALog)
    }

    pub(super) fn full(directory: &Path, available: u64, reserve: ReserveBytes) -> Self {
        Self::of(directory, Kind::Full { available, reserve })
    }

    pub(super) fn too_many_buckets(directory: &Path) -> Self {
        Self::of(directory, Kind::TooManyBuckets)
    }

    /// `doing` says what failed: "cannot ...".
    pub(super) fn io(directory: &Path, doing: &'static str, source: io::Error) -> Self {
        Self::of(directory, Kind::Io(doing)).because(source)
    }

    pub(super) fn because(mut self, source: impl StdError + Send + Sync + 'static) -> Self {
        self.source = Some(Box::new(source));
        self
    }

    fn of(directory: &Path, kind: Kind) -> Self {
        Self { directory: directory.to_owned(), kind, source: None }
    }
}

impl fmt::Display for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the stream log in {} was not opened: ", self.directory.display())?;
        match &self.kind {
            Kind::Locked { owner: Some(owner) } => {
                write!(
                    f,
                    "process {owner} has it open; end that process, or give this one a directory of its own"
                )
            }
            Kind::Locked { owner: None } => f.write_str(
                "another process has it open; end that process, or give this one a directory of its own",
            ),
            Kind::Damaged(what) => {
                write!(
                    f,
                    "it is damaged ({what}); nothing was changed: restore it from a copy, or move it away to begin anew"
                )
            }
            Kind::OtherVersion(found) => write!(
                f,
                "it has layout {found}, and this version reads layout {}; use the version that wrote it, or another directory",
                super::directory::LAYOUT
            ),
            Kind::NotALog => f.write_str("the directory holds something else; give it an empty one"),
            Kind::Full { available, reserve } => write!(
                f,
                "there are {} MiB left where at least {} MiB are to stay free; free some space, or lower the reserve",
                available >> 20,
                reserve.get() >> 20
            ),
            Kind::TooManyBuckets => f.write_str(
                "it was made for a much shorter retention; keep to that, or begin a new directory",
            ),
            Kind::Io(doing) => match &self.source {
                Some(source) => write!(f, "{doing}: {source}"),
                None => f.write_str(doing),
            },
        }
    }
}

impl fmt::Debug for OpenError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OpenError")
            .field("directory", &self.directory)
            .field("kind", &self.kind)
            .field("source", &self.source)
            .finish()
    }
}

impl StdError for OpenError {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
