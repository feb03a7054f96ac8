//! How fjall is set up: its own limits, and the keyspaces.

use std::path::Path;

use fjall::{CompressionType, Database, Keyspace, KeyspaceCreateOptions};

use super::layout;

// The journal's limit is the least that fjall allows; with the other it bounds memory and the time that a start takes.
const CACHE_BYTES: u64 = 16 << 20;
const JOURNAL_BYTES: u64 = 64 << 20;
pub(super) const MEMTABLE_BYTES: u64 = 16 << 20;
const WORKERS: usize = 2;

pub(super) fn database(path: &Path) -> fjall::Result<Database> {
    Database::builder(path)
        .cache_size(CACHE_BYTES)
        .max_journaling_size(JOURNAL_BYTES)
        // Records are compressed when they leave the first levels; doing it here too would be on the way to the reader.
        .journal_compression(CompressionType::None)
        .worker_threads(WORKERS)
        .open()
}

pub(super) fn general(db: &Database) -> fjall::Result<Keyspace> {
    db.keyspace("general", || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES / 16))
}

pub(super) fn open(db: &Database) -> fjall::Result<Keyspace> {
    db.keyspace("open", || KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES / 16))
}

pub(super) fn bucket(db: &Database, index: u64) -> fjall::Result<Keyspace> {
    db.keyspace(&layout::bucket_name(index), || {
        KeyspaceCreateOptions::default().max_memtable_size(MEMTABLE_BYTES)
    })
}
