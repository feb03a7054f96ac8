//! Directories that are locked, full, foreign, damaged or of another version; disks that fill up or go away while the log runs.
#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a test may panic, and say what it skipped")]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use perennial_log::{
    After, DiskLog, DiskOptions, Entry, Epoch, Kind, Log, OpenError, Outcome, ReadBytes, Reader, Record,
    ReserveBytes, Seq, StreamId, Writer,
};

fn options() -> DiskOptions {
    DiskOptions::new().reserve(ReserveBytes::new(0))
}

async fn open(directory: &Path) -> Result<Arc<dyn Log>, OpenError> {
    let log = DiskLog::open(directory, options()).await?;
    Ok(Arc::new(log))
}

async fn refused(directory: &Path) -> OpenError {
    open(directory).await.map(drop).unwrap_err()
}

fn event(number: usize) -> Entry {
    Entry::event(format!("event: content_block_delta\ndata: {{\"number\":{number}}}\n\n"))
}

/// Some streams of some batches, in a directory that is closed again. Gives their records back.
async fn written(directory: &Path) -> Vec<(StreamId, Vec<Record>)> {
    let log = open(directory).await.unwrap();
    let mut streams = Vec::new();
    for number in 0..5 {
        let stream = StreamId::new();
        let mut writer =
            Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
        for batch in 0..10 {
            writer.append(&[event(batch), event(batch * 100)]).await.unwrap();
        }
        if number % 2 == 0 {
            writer.append(&[Entry::terminal(Outcome::Completed, "")]).await.unwrap();
        }
        streams.push((stream, records(&log, stream).await.unwrap()));
    }
    log.close().await.unwrap();
    streams
}

async fn records(log: &Arc<dyn Log>, stream: StreamId) -> Result<Vec<Record>, perennial_log::Error> {
    let head = log.head(stream).await?;
    let mut reader = Reader::attach(log, stream, After::Start).await?;
    let mut records = Vec::new();
    while reader.position() <= head.last
        && let Some(run) = reader.next().await?
    {
        records.extend_from_slice(&run);
    }
    Ok(records)
}

fn journal(directory: &Path) -> PathBuf {
    let store = directory.join("log/store");
    let mut journals: Vec<PathBuf> = fs::read_dir(store).unwrap().map(|file| file.unwrap().path()).collect();
    journals.retain(|path| path.extension().is_some_and(|extension| extension == "jnl"));
    journals.pop().unwrap()
}

/// The bytes of a journal up to the zeros that it was made with.
fn filled(journal: &Path) -> Vec<u8> {
    let mut bytes = fs::read(journal).unwrap();
    let end = bytes
        .chunks(4096)
        .rposition(|piece| piece.iter().any(|byte| *byte != 0))
        .map_or(0, |piece| (piece + 1) * 4096);
    bytes.truncate(end);
    bytes
}

#[tokio::test]
async fn a_directory_is_opened_once() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).await.unwrap();
    let error = refused(directory.path()).await;
    assert!(error.is_locked(), "{error}");
    assert!(error.to_string().contains(&format!("process {}", std::process::id())), "{error}");
    log.close().await.unwrap();
    open(directory.path()).await.unwrap().close().await.unwrap();
}

#[tokio::test]
async fn another_version_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let streams = written(directory.path()).await;
    let version = directory.path().join("log/version");
    let right = fs::read_to_string(&version).unwrap();
    for (wrong, other) in
        [("perennial-log 1\n", true), ("perennial-log 77\nwhatever", true), ("", false), ("hello\n", false)]
    {
        fs::write(&version, wrong).unwrap();
        let error = refused(directory.path()).await;
        assert_eq!((error.is_other_version(), error.is_damaged()), (other, !other), "{wrong:?}: {error}");
    }
    fs::remove_file(&version).unwrap();
    assert!(refused(directory.path()).await.is_damaged());
    fs::write(&version, right).unwrap();
    let log = open(directory.path()).await.unwrap();
    for (stream, expected) in streams {
        assert_eq!(records(&log, stream).await.unwrap(), expected);
    }
}

#[tokio::test]
async fn a_foreign_directory_is_left_alone() {
    let directory = tempfile::tempdir().unwrap();
    fs::write(directory.path().join("thesis.txt"), "years of work").unwrap();
    let error = refused(directory.path()).await;
    assert!(error.is_not_a_log(), "{error}");
    assert_eq!(fs::read_to_string(directory.path().join("thesis.txt")).unwrap(), "years of work");

    let file = directory.path().join("thesis.txt");
    let error = refused(&file).await;
    assert!(error.to_string().contains("thesis.txt"), "{error}");

    // What was said to be there may be.
    let options = DiskOptions::new().neighbours(&["thesis"]);
    DiskLog::open(directory.path(), options).await.unwrap().close().await.unwrap();
    assert!(file.exists());
}

/// A start that was cut off while the store was made leaves nothing that the next start stumbles over.
#[tokio::test]
async fn a_half_made_store_is_made_again() {
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir_all(directory.path().join("log.new/store/keyspaces")).unwrap();
    fs::write(directory.path().join("log.new/store/0.jnl"), "half").unwrap();
    written(directory.path()).await;
    assert!(!directory.path().join("log.new").exists());
}

#[tokio::test]
async fn too_little_space_is_no_start() {
    let directory = tempfile::tempdir().unwrap();
    let streams = written(directory.path()).await;
    let greedy = DiskOptions::new().reserve(ReserveBytes::new(u64::MAX));
    let error = DiskLog::open(directory.path(), greedy).await.map(drop).unwrap_err();
    assert!(error.is_full(), "{error}");
    let log = open(directory.path()).await.unwrap();
    assert_eq!(records(&log, streams[0].0).await.unwrap(), streams[0].1);
}

#[cfg(unix)]
#[tokio::test]
async fn a_read_only_directory_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let directory = tempfile::tempdir().unwrap();
    written(directory.path()).await;
    let permit = |mode| fs::set_permissions(directory.path(), fs::Permissions::from_mode(mode)).unwrap();
    permit(0o500);
    if fs::write(directory.path().join("probe"), "").is_ok() {
        println!("skipped: permissions do not bind this user");
        return;
    }
    let fresh = directory.path().join("new");
    let error = refused(&fresh).await;
    permit(0o700);
    assert!(!error.is_damaged() && !error.is_locked(), "{error}");
}

/// Without its journal fjall would begin anew and say nothing.
#[tokio::test]
async fn a_missing_part_is_told_or_not_missed() {
    let mut told = 0;
    for part in [
        "0.jnl",
        "version",
        "lock",
        "keyspaces/0/current",
        "keyspaces/1/current",
        "keyspaces/3/current",
        "keyspaces/3",
    ] {
        let directory = tempfile::tempdir().unwrap();
        let streams = written(directory.path()).await;
        let path = directory.path().join("log/store").join(part);
        assert!(path.exists(), "{part}");
        if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) }.unwrap();
        match open(directory.path()).await {
            Err(error) => {
                assert!(error.is_damaged(), "{part}: {error}");
                told += 1;
            }
            // Whether the store had flushed anything into that part when it was closed is a matter of time. If it had not, a journal has all of it.
            Ok(log) => {
                for (stream, expected) in &streams {
                    assert_eq!(records(&log, *stream).await.unwrap(), *expected, "without {part}");
                }
                log.close().await.unwrap();
            }
        }
    }
    assert!(told >= 3, "only {told} missing parts were told");
}

/// A store that has lost the end of its journal, or in which a bit has changed, is made whole from our own journal where that reaches
/// back so far; else it is refused, with nothing changed.
#[tokio::test]
async fn a_broken_store_is_made_whole_or_refused() {
    let directory = tempfile::tempdir().unwrap();
    let streams = written(directory.path()).await;
    let bytes = filled(&journal(directory.path()));
    let used = bytes.iter().rposition(|byte| *byte != 0).unwrap() + 1;
    let mut random = fastrand::Rng::with_seed(7);
    let (mut refused, mut whole) = (0, 0);
    for round in 0..18 {
        let mut wrong = bytes.clone();
        let index = match round {
            0 => used,
            // Before anything that our own journal would have.
            3..=5 => 100,
            _ => random.usize(..used),
        };
        match round % 3 {
            0 => wrong.truncate(index),
            // As a file that was made long and then filled.
            1 => wrong[index..].fill(0),
            _ => wrong[index] ^= 1 << random.u8(..8),
        }
        let copy = copied(directory.path());
        let journal = journal(copy.path());
        fs::write(&journal, &wrong).unwrap();
        match open(copy.path()).await {
            Ok(log) => {
                for (stream, expected) in &streams {
                    assert_eq!(records(&log, *stream).await.unwrap(), *expected, "round {round} at {index}");
                }
                log.close().await.unwrap();
                whole += 1;
            }
            Err(error) => {
                assert!(error.is_damaged(), "round {round} at {index}: {error}");
                assert_eq!(fs::read(&journal).unwrap(), wrong, "a refused start changes nothing");
                refused += 1;
            }
        }
    }
    assert!(whole >= 6 && refused >= 1, "{whole} whole, {refused} refused");
}

/// Where the entries of a segment end, by the lengths that they say.
fn ends(segment: &[u8]) -> Vec<usize> {
    let mut at = 64;
    let mut ends = vec![at];
    loop {
        let word = |at: usize| u32::from_le_bytes(segment[at..at + 4].try_into().unwrap());
        // Neither its sum nor its place is zero.
        if word(at) == 0 {
            return ends;
        }
        at += 17 + usize::try_from(word(at + 4)).unwrap();
        ends.push(at);
    }
}

/// A process that was killed before anything was moved into the store: everything is in our own journal. Then that is broken at each byte,
/// in turn: by a cut, or by a bit.
#[tokio::test]
async fn a_journal_broken_anywhere_is_told_or_ends_there() {
    let directory = tempfile::tempdir().unwrap();
    // As it is when nothing was written yet.
    open(directory.path()).await.unwrap().close().await.unwrap();
    let log = open(directory.path()).await.unwrap();
    let killed = tempfile::tempdir().unwrap();
    copy(directory.path(), killed.path());
    let mut streams = Vec::new();
    for number in 0..2 {
        let stream = StreamId::new();
        let mut writer =
            Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
        writer.append(&[event(number), event(7)]).await.unwrap();
        let mut writer = Writer::takeover(&log, stream, Epoch::FIRST, b"").await.unwrap();
        if number == 0 {
            writer.append(&[event(8), Entry::terminal(Outcome::Completed, "")]).await.unwrap();
        } else {
            writer.append(&[event(9)]).await.unwrap();
        }
        streams.push((stream, records(&log, stream).await.unwrap()));
    }
    // Only our own journal is what it was at the end.
    let journal = segment(directory.path());
    let bytes = fs::read(&journal).unwrap();
    drop(log);
    let journal = killed.path().join("log/journal").join(journal.file_name().unwrap());
    let ends = ends(&bytes);
    let used = *ends.last().unwrap();
    // A takeover is synced before it is answered, and what is synced is noted down next: so much of it must be there.
    let mut random = fastrand::Rng::with_seed(5);
    let (mut refused, mut cut) = (0, 0);
    // A prime, so that all places in an entry come up.
    for index in (0..=used).step_by(13) {
        for flip in [false, true] {
            let copy = copied(killed.path());
            let journal = copy.path().join(journal.strip_prefix(killed.path()).unwrap());
            let mut wrong = bytes.clone();
            if flip {
                wrong[index] ^= 1 << random.u8(..8);
            } else {
                wrong[index..].fill(0);
            }
            fs::write(&journal, &wrong).unwrap();
            let log = match open(copy.path()).await {
                Ok(log) => log,
                Err(error) => {
                    assert!(error.is_damaged(), "byte {index}: {error}");
                    assert!(fs::read(&journal).unwrap() == wrong, "a refused start changes nothing");
                    refused += 1;
                    continue;
                }
            };
            // What is whole before it is there, and nothing of what is broken.
            let whole = ends.iter().filter(|end| **end <= index).count();
            let mut found = 0;
            for (stream, expected) in &streams {
                let Ok(read) = records(&log, *stream).await else { continue };
                assert_eq!(read[..], expected[..read.len()], "byte {index}");
                found += read.len();
            }
            assert!(found >= whole.saturating_sub(1).min(4) / 2, "byte {index}: {found} of {whole} entries");
            cut += 1;
            log.close().await.unwrap();
        }
    }
    println!("{refused} refused, {cut} cut");
    assert!(refused > 10 && cut > 10, "{refused} refused, {cut} cut");
}

/// The one segment of our own journal.
fn segment(directory: &Path) -> PathBuf {
    let found = files(&directory.join("log/journal"));
    assert_eq!(found.len(), 1, "{found:?}");
    found.into_iter().next().unwrap()
}

fn copied(directory: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy(directory, to.path());
    to
}

/// Copies what is in a directory; zeros at the end of a file stay holes.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let to = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &to);
        } else {
            fs::write(&to, filled(&path)).unwrap();
            fs::File::options()
                .write(true)
                .open(&to)
                .unwrap()
                .set_len(fs::metadata(&path).unwrap().len())
                .unwrap();
        }
    }
}

/// Records that have left the journal are in files of their own, with checksums of their own.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn damage_in_a_flushed_file_is_not_served() {
    let directory = tempfile::tempdir().unwrap();
    let log = open(directory.path()).await.unwrap();
    let stream = StreamId::new();
    let mut writer = Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
    let mut random = fastrand::Rng::with_seed(3);
    for _ in 0..40 {
        // More than a memtable holds; noise, so that nothing is compressed away.
        let noise: Vec<u8> = std::iter::repeat_with(|| random.u8(..)).take(1 << 20).collect();
        writer.append(&[Entry::event(noise)]).await.unwrap();
    }
    let whole = records(&log, stream).await.unwrap();
    log.close().await.unwrap();

    let tables: Vec<PathBuf> = files(&directory.path().join("log/store/keyspaces"));
    let largest = tables.iter().max_by_key(|path| fs::metadata(path).unwrap().len()).unwrap();
    let right = fs::read(largest).unwrap();
    assert!(right.len() > 4 << 20, "nothing was flushed: {} is the largest", largest.display());
    let mut noticed = 0;
    for round in 0..10 {
        let mut wrong = right.clone();
        let index = right.len() / 10 * round + random.usize(..right.len() / 10);
        wrong[index] ^= 4;
        fs::write(largest, wrong).unwrap();
        match open(directory.path()).await {
            Err(error) => {
                assert!(error.is_damaged(), "{error}");
                noticed += 1;
            }
            Ok(log) => {
                let mut next = Seq::FIRST;
                loop {
                    match log.read(stream, next, ReadBytes::default()).await {
                        Ok(runs) if runs.is_empty() => break,
                        Ok(runs) => {
                            for record in runs.iter().flatten() {
                                assert_eq!(record, &whole[usize::try_from(record.seq.get()).unwrap() - 1]);
                                next = record.seq.plus(1);
                            }
                        }
                        Err(error) => {
                            assert!(error.is_damaged(), "{error}");
                            noticed += 1;
                            break;
                        }
                    }
                }
                log.close().await.unwrap();
            }
        }
    }
    assert!(noticed >= 8, "{noticed} of 10");
    fs::write(largest, right).unwrap();
    let log = open(directory.path()).await.unwrap();
    assert_eq!(records(&log, stream).await.unwrap(), whole);
}

fn files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { found.extend(files(&path)) } else { found.push(path) }
    }
    found
}

/// Below the reserve only endings are written; with space again, all is as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_ends_streams_and_serves_reads() {
    // Where there is less than the reserve; and where there is more, but not enough for another segment.
    for reserve in [30, 16] {
        fill_and_end(ReserveBytes::new(reserve << 20)).await;
    }
}

async fn fill_and_end(reserve: ReserveBytes) {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: no small disk can be mounted here");
        return;
    };
    let directory = disk.0.path().join("data");
    let log: Arc<dyn Log> =
        Arc::new(DiskLog::open(&directory, DiskOptions::new().reserve(reserve)).await.unwrap());
    let stream = StreamId::new();
    let mut writer = Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
    let mut written = 1;
    let full = loop {
        match writer.append(&[Entry::event(vec![b'x'; 1 << 20])]).await {
            Ok(_) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 200, "the disk is never full");
    };
    assert!(full.is_full() && !full.is_unavailable(), "{full}");
    assert!(
        log.create(StreamId::new(), None, &[Entry::event(vec![b'x'; 1 << 20])]).await.unwrap_err().is_full()
    );
    let ended = writer.append(&[Entry::terminal(Outcome::Interrupted, "the disk is full")]).await.unwrap();
    assert_eq!(ended.seq.get(), written + 1);
    assert_eq!(records(&log, stream).await.unwrap().len() as u64, written + 1);
    // More than the disk has, whatever of it is given back meanwhile.
    let reserve = ReserveBytes::new(1 << 40);
    let other = DiskLog::open(disk.0.path().join("other"), DiskOptions::new().reserve(reserve));
    assert!(other.await.unwrap_err().is_full());
    log.close().await.unwrap();
}

/// With no reserve the disk itself says no: the log takes nothing more, says why, and serves what it has.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_says_no_stops_the_log() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: no small disk can be mounted here");
        return;
    };
    let directory = disk.0.path().join("data");
    let log = open(&directory).await.unwrap();
    let stream = StreamId::new();
    let mut writer = Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
    let mut waiting = Reader::attach(&log, stream, "1.1".parse().unwrap()).await.unwrap();
    // Somebody else uses up what is left, at once. The journal has its room already, the store has not.
    let mut greedy = fs::File::create(disk.0.path().join("greedy")).unwrap();
    while std::io::Write::write_all(&mut greedy, &[1; 1 << 16]).is_ok() {}
    drop(greedy);
    let mut acknowledged = 1;
    let full = loop {
        match writer.append(&[Entry::event(vec![b'x'; 1 << 20])]).await {
            Ok(_) => acknowledged += 1,
            Err(error) => break error,
        }
        assert!(acknowledged < 200, "the disk is never full");
    };
    assert!(full.is_full() && full.is_unavailable(), "{full}");
    assert!(writer.append(&[event(1)]).await.unwrap_err().is_unavailable());
    // Everything that was acknowledged is given, then the reader is told.
    let mut seen = 1;
    let error = loop {
        match waiting.next().await {
            Ok(run) => seen += run.unwrap().len(),
            Err(error) => break error,
        }
    };
    assert_eq!(seen, acknowledged);
    assert!(error.is_unavailable() && error.is_full(), "{error}");
    assert_eq!(records(&log, stream).await.unwrap().len(), acknowledged);
    let _ = log.close().await;
    drop((log, writer, waiting));

    fs::remove_file(disk.0.path().join("ballast")).unwrap();
    fs::remove_file(disk.0.path().join("greedy")).unwrap();
    let log = open(&directory).await.unwrap();
    let found = records(&log, stream).await.unwrap();
    assert!((acknowledged..=acknowledged + 1).contains(&found.len()), "{} of {acknowledged}", found.len());
    let mut next = Writer::takeover(&log, stream, Epoch::FIRST, b"").await.unwrap();
    next.append(&[Entry::terminal(Outcome::Interrupted, "")]).await.unwrap();
    log.close().await.unwrap();
}

/// What the store will not take while the log is closed stands in the journal: it is closed, and nothing is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_disk_that_says_no_at_the_end_costs_nothing() {
    let Some(disk) = SmallDisk::mount() else {
        println!("skipped: no small disk can be mounted here");
        return;
    };
    let directory = disk.0.path().join("data");
    let log = open(&directory).await.unwrap();
    let stream = StreamId::new();
    let mut writer = Writer::create(&log, stream, None, &[Entry::new(Kind::Request, "{}")]).await.unwrap();
    let mut greedy = fs::File::create(disk.0.path().join("greedy")).unwrap();
    while std::io::Write::write_all(&mut greedy, &[1; 1 << 12]).is_ok() {}
    drop(greedy);
    for _ in 0..4 {
        writer.append(&[Entry::event(vec![b'x'; 1 << 20])]).await.unwrap();
    }
    log.close().await.unwrap();
    drop((log, writer));

    fs::remove_file(disk.0.path().join("ballast")).unwrap();
    fs::remove_file(disk.0.path().join("greedy")).unwrap();
    let log = open(&directory).await.unwrap();
    assert_eq!(records(&log, stream).await.unwrap().len(), 5);
    log.close().await.unwrap();
}

/// A file system of 80 MiB with some ballast; needs the right to mount.
struct SmallDisk(tempfile::TempDir);

impl SmallDisk {
    fn mount() -> Option<Self> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let mounted = std::process::Command::new("mount")
            .args(["-t", "tmpfs", "-o", "size=80m", "none"])
            .arg(directory.path())
            .stderr(std::process::Stdio::null())
            .status();
        let disk = mounted.is_ok_and(|status| status.success()).then(|| Self(directory))?;
        fs::write(disk.0.path().join("ballast"), vec![1; 30 << 20]).unwrap();
        Some(disk)
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(self.0.path()).status();
    }
}
