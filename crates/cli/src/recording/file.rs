//! The file that a recording goes to.

use std::fs::File;
use std::io;
use std::path::Path;

use crate::exit::{Exit, Failure};

/// Makes the file of a recording: what people ask is their own business.
pub(super) fn create(path: &Path) -> Result<File, Failure> {
    let mut options = File::options();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(path).map_err(|error| unwritable(path, &error))
}

pub(super) fn unwritable(path: &Path, error: &io::Error) -> Failure {
    Failure::new(Exit::Other, format!("{} cannot be written: {error}", path.display()))
}
