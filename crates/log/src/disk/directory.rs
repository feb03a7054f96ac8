//! The data directory: one lock, one version, and a store that is either whole or not there.
//!
//! ```text
//! DIR/lock          held by the process that has it open; its number inside
//! DIR/log/version   layout and bucket width; with it the store is complete
//! DIR/log/journal/  what was written last
//! DIR/log/store/    fjall's
//! DIR/log.new/      a store being made; removed at the next start
//! ```

use std::{
    fs::{self, File, TryLockError},
    io::{self, Read, Seek, Write},
    path::{Path, PathBuf},
    time::Duration,
};

use super::{OpenError, journal::folder::Folder};
use crate::{ReserveBytes, Retention};

/// The layout that this version writes and reads.
pub(super) const LAYOUT: u32 = 2;

/// So many buckets make up the retention for which a directory is made.
const BUCKETS: u32 = 24;
/// So many there may be, where the retention was lengthened afterwards.
const MOST_BUCKETS: u128 = 1024;

/// A data directory that this process has for itself.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    pub(super) bucket: Duration,
    // Held for its lock.
    _lock: File,
}

impl Directory {
    /// Locks `path` and makes it ready, with a store made by `make` if there is none yet.
    pub(super) fn open(
        path: &Path,
        retention: Retention,
        reserve: ReserveBytes,
        neighbours: &[&str],
        make: impl FnOnce(&Path) -> Result<(), OpenError>,
    ) -> Result<Self, OpenError> {
        fs::create_dir_all(path)
            .map_err(|error| OpenError::io(path, "the directory cannot be made", error))?;
        let lock = lock(path)?;
        let available = fs4::available_space(path)
            .map_err(|error| OpenError::io(path, "the space that is left cannot be found out", error))?;
        if available < reserve.get() {
            return Err(OpenError::full(path, available, reserve));
        }
        let whole = path.join("log");
        if !exists(path, &whole)? {
            let bucket = (retention.get() / BUCKETS).max(Duration::from_secs(1));
            create(path, &whole, bucket, neighbours, make)?;
        }
        let bucket = read_version(path, &whole.join("version"))?;
        if retention.get().as_millis() / bucket.as_millis() > MOST_BUCKETS {
            return Err(OpenError::too_many_buckets(path));
        }
        Ok(Self { path: path.to_owned(), bucket, _lock: lock })
    }

    pub(super) fn store(&self) -> PathBuf {
        self.path.join("log").join("store")
    }

    pub(super) fn journal(&self) -> PathBuf {
        self.path.join("log").join("journal")
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }
}

/// Makes the store beside its place and moves it there whole, so that a start that was cut off leaves nothing half-made.
fn create(
    path: &Path,
    whole: &Path,
    bucket: Duration,
    neighbours: &[&str],
    make: impl FnOnce(&Path) -> Result<(), OpenError>,
) -> Result<(), OpenError> {
    let io = |doing| move |error| OpenError::io(path, doing, error);
    let new = path.join("log.new");
    if exists(path, &new)? {
        fs::remove_dir_all(&new).map_err(io("what an earlier start left cannot be removed"))?;
    }
    for found in fs::read_dir(path).map_err(io("the directory cannot be read"))? {
        let found = found.map_err(io("the directory cannot be read"))?;
        let name = found.file_name();
        let is_neighbour = |name: &str| neighbours.iter().any(|beginning| name.starts_with(beginning));
        if name != "lock" && !name.to_str().is_some_and(is_neighbour) {
            return Err(OpenError::not_a_log(path));
        }
    }
    fs::create_dir(&new).map_err(io("the directory cannot be written to"))?;
    Folder::make(&new.join("journal")).map_err(io("the journal cannot be made"))?;
    make(&new.join("store"))?;
    let version = format!("perennial-log {LAYOUT}\nbucket-milliseconds {}\n", bucket.as_millis());
    write_synced(&new.join("version"), &version).map_err(io("the version cannot be written"))?;
    sync_directory(&new).map_err(io("the directory cannot be synced"))?;
    fs::rename(&new, whole).map_err(io("the store cannot be moved to its place"))?;
    sync_directory(path).map_err(io("the directory cannot be synced"))
}

fn lock(path: &Path) -> Result<File, OpenError> {
    let mut file = File::options()
        .create(true)
        .truncate(false)
        .read(true)
        .write(true)
        .open(path.join("lock"))
        .map_err(|error| OpenError::io(path, "the lock cannot be taken", error))?;
    match file.try_lock() {
        Ok(()) => {}
        Err(TryLockError::WouldBlock) => {
            let mut owner = String::new();
            let _ = file.read_to_string(&mut owner);
            return Err(OpenError::locked(path, owner.trim().parse().ok()));
        }
        Err(TryLockError::Error(error)) => {
            return Err(OpenError::io(path, "the lock cannot be taken", error));
        }
    }
    let owner = format!("{}\n", std::process::id());
    file.set_len(0)
        .and_then(|()| file.rewind())
        .and_then(|()| file.write_all(owner.as_bytes()))
        .map_err(|error| OpenError::io(path, "the lock cannot be written", error))?;
    Ok(file)
}

/// The width of the buckets, if the layout is ours.
fn read_version(path: &Path, file: &Path) -> Result<Duration, OpenError> {
    let text = match fs::read_to_string(file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            return Err(OpenError::damaged(path, "its version is missing").because(error));
        }
        Err(error) => return Err(OpenError::io(path, "its version cannot be read", error)),
    };
    let damaged = || OpenError::damaged(path, "its version makes no sense");
    let (layout, rest) = text.split_once('\n').ok_or_else(damaged)?;
    let layout: u32 =
        layout.strip_prefix("perennial-log ").and_then(|n| n.parse().ok()).ok_or_else(damaged)?;
    if layout != LAYOUT {
        return Err(OpenError::other_version(path, layout));
    }
    let bucket = rest
        .trim_end()
        .strip_prefix("bucket-milliseconds ")
        .and_then(|n| n.parse().ok())
        .ok_or_else(damaged)?;
    if bucket == 0 { Err(damaged()) } else { Ok(Duration::from_millis(bucket)) }
}

fn exists(path: &Path, what: &Path) -> Result<bool, OpenError> {
    what.try_exists().map_err(|error| OpenError::io(path, "the directory cannot be read", error))
}

fn write_synced(path: &Path, text: &str) -> io::Result<()> {
    let mut file = File::create(path)?;
    file.write_all(text.as_bytes())?;
    file.sync_all()
}

/// A new or renamed file is only there after a power cut if its directory was synced. Windows cannot, and need not.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    if cfg!(windows) { Ok(()) } else { File::open(path)?.sync_all() }
}
