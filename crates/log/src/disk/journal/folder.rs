//! The folder of segments: makes them ready, uses them again, removes them.

use std::{
    fs::{self, File},
    io,
    path::{Path, PathBuf},
    sync::Arc,
};

use fs4::FileExt as _;

use super::layout::{Header, SEGMENT_BYTES};
use crate::disk::directory::sync_directory;

/// A file of the journal, open.
pub(in crate::disk) struct Segment {
    file: File,
    pub(in crate::disk) number: u64,
    pub(in crate::disk) start: u64,
    len: u64,
    pub(in crate::disk) seed: u32,
}

/// What a segment is to be.
#[derive(Clone, Copy, Debug)]
pub(in crate::disk) struct Wanted {
    pub(in crate::disk) number: u64,
    pub(in crate::disk) start: u64,
    pub(in crate::disk) len: u64,
}

/// The folder.
#[derive(Clone, Debug)]
pub(in crate::disk) struct Folder {
    path: PathBuf,
}

/// A file that is used again: what is in it says nothing.
const SPARE: &str = "spare";
/// A file that is being made.
const NEW: &str = "new";

impl Segment {
    /// The position after its last byte.
    pub(in crate::disk) fn end(&self) -> u64 {
        self.start + self.len
    }

    pub(in crate::disk) fn len(&self) -> u64 {
        self.len
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    pub(super) fn write(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        write_at(&self.file, bytes, offset)
    }
}

impl Folder {
    pub(in crate::disk) fn new(path: PathBuf) -> Self {
        Self { path }
    }

    /// Makes the folder and its first segment.
    pub(in crate::disk) fn make(path: &Path) -> io::Result<()> {
        fs::create_dir(path)?;
        let first = Wanted { number: 1, start: 0, len: SEGMENT_BYTES };
        Self::new(path.to_owned()).prepare(first)?;
        Ok(())
    }

    pub(in crate::disk) fn segment(&self, number: u64) -> PathBuf {
        self.path.join(number.to_string())
    }

    /// Makes a segment, with its room reserved. It has its name only when it is whole and synced.
    pub(in crate::disk) fn prepare(&self, wanted: Wanted) -> io::Result<Arc<Segment>> {
        let header = Header {
            number: wanted.number,
            start: wanted.start,
            len: wanted.len,
            // Random, and nobody outside can know it.
            salt: uuid::Uuid::new_v4().as_u64_pair().1,
        };
        let spare = self.path.join(SPARE);
        let (file, path) = match File::options().write(true).open(&spare) {
            Ok(file) if wanted.len == SEGMENT_BYTES => (file, spare),
            _ => {
                let new = self.path.join(NEW);
                let file = File::create(&new)?;
                if let Err(error) = reserve(&file, wanted.len) {
                    drop(file);
                    // The room that it got is wanted elsewhere; a failure to remove it is found out at the next start.
                    let _ = fs::remove_file(&new);
                    return Err(error);
                }
                (file, new)
            }
        };
        write_at(&file, &header.encode(), 0)?;
        file.sync_all()?;
        fs::rename(path, self.segment(wanted.number))?;
        sync_directory(&self.path)?;
        Ok(Arc::new(Segment {
            file,
            number: header.number,
            start: header.start,
            len: header.len,
            seed: header.seed(),
        }))
    }

    /// Does away with segments that are not needed any more; one of them is kept for the next use, if that is wanted.
    pub(in crate::disk) fn retire(&self, segments: &[Arc<Segment>], keep_spare: bool) -> io::Result<()> {
        for segment in segments {
            let (path, spare) = (self.segment(segment.number), self.path.join(SPARE));
            if keep_spare && segment.len == SEGMENT_BYTES && !spare.try_exists()? {
                fs::rename(path, spare)?;
            } else {
                fs::remove_file(path)?;
            }
        }
        // A file must have lost its old name before it gets a new header.
        sync_directory(&self.path)
    }

    /// Removes everything but segment `number`.
    pub(in crate::disk) fn clear(&self, number: u64) -> io::Result<()> {
        let kept = self.segment(number);
        for file in fs::read_dir(&self.path)? {
            let path = file?.path();
            if path != kept {
                fs::remove_file(path)?;
            }
        }
        sync_directory(&self.path)
    }
}

/// Gives a file its length and its room on the disk.
fn reserve(file: &File, len: u64) -> io::Result<()> {
    match file.allocate(len) {
        Ok(()) => file.set_len(len),
        Err(error) if error.kind() == io::ErrorKind::Unsupported => fill(file, len),
        Err(error) => Err(error),
    }
}

/// Where the file system cannot reserve room, it is taken.
fn fill(file: &File, len: u64) -> io::Result<()> {
    static ZEROS: [u8; 64 * 1024] = [0; 64 * 1024];
    let mut at = 0;
    while at < len {
        let piece = ZEROS.len().min(usize::try_from(len - at).unwrap_or(ZEROS.len()));
        write_at(file, &ZEROS[..piece], at)?;
        at += piece as u64;
    }
    Ok(())
}

#[cfg(unix)]
fn write_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
}

#[cfg(windows)]
fn write_at(file: &File, mut bytes: &[u8], mut offset: u64) -> io::Result<()> {
    while !bytes.is_empty() {
        match std::os::windows::fs::FileExt::seek_write(file, bytes, offset)? {
            0 => return Err(io::ErrorKind::WriteZero.into()),
            written => {
                bytes = &bytes[written..];
                offset += written as u64;
            }
        }
    }
    Ok(())
}
