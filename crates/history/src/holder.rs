//! Which process writes a turn, and whether it is still there.
//!
//! A process number says nothing after a restart of the machine, and somebody else may have it. A lock that the system takes back at the
//! process's end, however it ends, cannot be wrong: each process that has a turn running holds a file locked, and the turn has its name.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use uuid::Uuid;

use crate::store::{beside, private_folder};

/// Who writes a turn.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Holder {
    /// This [`History`](crate::History).
    This,
    /// Another one that is there, in this process or another.
    Other,
    /// One that is gone.
    Gone,
    /// Nobody can tell: the database is not a file of this machine.
    Unknown,
}

/// The files of those that write, in a folder beside the database.
#[derive(Debug)]
pub(crate) struct Holders {
    folder: PathBuf,
    own: OnceLock<Own>,
}

/// A file that is locked as long as this is there.
#[derive(Debug)]
struct Own {
    name: String,
    path: PathBuf,
    _lock: File,
}

impl Holders {
    pub(crate) fn beside(database: &Path) -> Self {
        Self { folder: beside(database, "-writers"), own: OnceLock::new() }
    }

    /// The name under which this one writes. The file is made at the first call.
    pub(crate) fn name(&self) -> io::Result<&str> {
        if let Some(own) = self.own.get() {
            return Ok(&own.name);
        }
        let made = Own::make(&self.folder)?;
        // Of two at once one is dropped, and its file with it.
        Ok(&self.own.get_or_init(|| made).name)
    }

    pub(crate) fn look(&self, name: &str) -> Holder {
        if self.own.get().is_some_and(|own| own.name == name) {
            return Holder::This;
        }
        // A name of ours is no path.
        if Uuid::try_parse(name).is_err() {
            return Holder::Gone;
        }
        let path = self.folder.join(name);
        let Ok(file) = File::options().read(true).write(true).open(&path) else { return Holder::Gone };
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => Holder::Other,
            Ok(()) => {
                // Its owner left it behind, and nobody has this name again.
                drop(std::fs::remove_file(&path));
                Holder::Gone
            }
            Err(TryLockError::Error(_)) => Holder::Unknown,
        }
    }
}

impl Own {
    fn make(folder: &Path) -> io::Result<Self> {
        private_folder(folder)?;
        let name = Uuid::now_v7().simple().to_string();
        let path = folder.join(&name);
        let lock = File::options().create_new(true).read(true).write(true).open(&path)?;
        // Nobody knows the name before a turn has it, and it has it after this.
        lock.lock()?;
        Ok(Self { name, path, _lock: lock })
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        drop(std::fs::remove_file(&self.path));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_there_until_it_is_dropped() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("history.db");
        let (one, other) = (Holders::beside(&database), Holders::beside(&database));
        let name = one.name().unwrap().to_owned();
        assert_eq!(one.name().unwrap(), name);
        assert_eq!((one.look(&name), other.look(&name)), (Holder::This, Holder::Other));
        drop(one);
        assert_eq!(other.look(&name), Holder::Gone);
        for wrong in ["", "../history.db", "x"] {
            assert_eq!(other.look(wrong), Holder::Gone, "{wrong}");
        }
        assert_eq!(std::fs::read_dir(folder.path().join("history.db-writers")).unwrap().count(), 0);
    }
}
