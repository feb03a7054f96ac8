//! Which process writes a turn, and whether it is still there.
//!
//! A process number says nothing after a restart of the machine, and somebody else may have it. A lock that the system takes back at the
//! process's end, however it ends, cannot be wrong: each process that has a turn running holds a file locked, and the turn has its name.
//!
//! No lock of a database elsewhere says as much: it is gone with the connection, and the process is not. But a process may say at which place it is, one that no two
//! have at a time, such as the folder of a gateway's log: whoever has the place next knows that the one before is gone.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};

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
    /// One that was at [this place](crate::History::at) before, and is gone.
    Before,
    /// One that is gone, from wherever it was.
    Gone,
    /// Nobody can tell: the database is not a file of this machine, and whoever it is was at another place, or said none.
    Unknown,
}

/// How those that write know each other.
#[derive(Clone, Debug, Default)]
pub(crate) struct Holders {
    /// Beside a file only.
    files: Option<Arc<Files>>,
    place: Option<Place>,
}

/// The place of this process, and its name there where no file has one.
#[derive(Clone, Debug)]
struct Place {
    place: Arc<str>,
    name: Uuid,
}

/// The files of those that write, in a folder beside the database.
#[derive(Debug)]
struct Files {
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

impl Holder {
    /// Whether it is certain that the process is there no more.
    #[must_use]
    pub fn is_gone(self) -> bool {
        matches!(self, Self::Gone | Self::Before)
    }
}

impl Holders {
    pub(crate) fn beside(database: &Path) -> Self {
        let files = Files { folder: beside(database, "-writers"), own: OnceLock::new() };
        Self { files: Some(Arc::new(files)), place: None }
    }

    pub(crate) fn at(self, place: &str) -> Self {
        Self { place: Some(Place { place: place.into(), name: Uuid::now_v7() }), ..self }
    }

    /// The name under which this one writes, if there is anything that tells others who it is.
    pub(crate) fn name(&self) -> io::Result<Option<String>> {
        let file = self.files.as_ref().map(|files| files.name()).transpose()?;
        Ok(match (&self.place, file) {
            (Some(Place { place, .. }), Some(file)) => Some(format!("{place}/{file}")),
            (Some(Place { place, name }), None) => Some(format!("{place}/{}", name.simple())),
            (None, file) => file.map(str::to_owned),
        })
    }

    pub(crate) fn look(&self, name: &str) -> Holder {
        let (place, name) = match name.rsplit_once('/') {
            Some((place, name)) => (Some(place), name),
            None => (None, name),
        };
        let here = self.place.as_ref().filter(|here| place == Some(&*here.place));
        match (&self.files, here) {
            (Some(files), here) => match files.look(name) {
                Holder::Gone if here.is_some() => Holder::Before,
                holder => holder,
            },
            (None, Some(here)) if Uuid::try_parse(name) == Ok(here.name) => Holder::This,
            (None, Some(_)) => Holder::Before,
            (None, None) => Holder::Unknown,
        }
    }
}

impl Files {
    /// The name of this one's file, which is made at the first call.
    fn name(&self) -> io::Result<&str> {
        if let Some(own) = self.own.get() {
            return Ok(&own.name);
        }
        let made = Own::make(&self.folder)?;
        // Of two at once one is dropped, and its file with it.
        Ok(&self.own.get_or_init(|| made).name)
    }

    fn look(&self, name: &str) -> Holder {
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
        let name = one.name().unwrap().unwrap();
        assert_eq!(one.name().unwrap().unwrap(), name);
        assert_eq!((one.look(&name), other.look(&name)), (Holder::This, Holder::Other));
        drop(one);
        assert_eq!(other.look(&name), Holder::Gone);
        for wrong in ["", "../history.db", "x"] {
            assert_eq!(other.look(wrong), Holder::Gone, "{wrong}");
        }
        assert_eq!(std::fs::read_dir(folder.path().join("history.db-writers")).unwrap().count(), 0);
    }

    #[test]
    fn whoever_has_a_place_knows_that_the_one_before_is_gone() {
        let at = |place| Holders::default().at(place);
        let (one, next, elsewhere) = (at("a/b"), at("a/b"), at("a"));
        let name = one.name().unwrap().unwrap();
        assert_eq!((one.look(&name), next.look(&name)), (Holder::This, Holder::Before));
        assert_eq!(elsewhere.look(&name), Holder::Unknown);
        // Who said no place, and what it wrote.
        assert_eq!(
            (Holders::default().look(&name), Holders::default().name().unwrap()),
            (Holder::Unknown, None)
        );
        for other in ["", "b", "018f0000000070008000000000000000"] {
            assert_eq!(one.look(other), Holder::Unknown, "{other}");
        }
    }

    #[test]
    fn beside_a_file_a_lock_says_who_is_gone_and_the_place_whether_it_was_here() {
        let folder = tempfile::tempdir().unwrap();
        let database = folder.path().join("history.db");
        let beside = || Holders::beside(&database);
        let (one, next, elsewhere, nowhere) =
            (beside().at("a"), beside().at("a"), beside().at("b"), beside());
        let name = one.name().unwrap().unwrap();
        let all = [&one, &next, &elsewhere, &nowhere].map(|holders| holders.look(&name));
        assert_eq!(all, [Holder::This, Holder::Other, Holder::Other, Holder::Other]);
        drop(one);
        let all = [&next, &elsewhere, &nowhere].map(|holders| holders.look(&name));
        assert_eq!(all, [Holder::Before, Holder::Gone, Holder::Gone]);
    }
}
