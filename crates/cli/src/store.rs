//! Where the gateway keeps its streams: a folder, opened by one process at a time, or memory.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use perennial_gateway::Secret;
use perennial_log::{DiskLog, DiskOptions, Durability, Log, MemoryLog, MemoryOptions, Retention};

use crate::config;
use crate::exit::{Exit, Failure};

/// The ledger's file in the folder; what the database keeps beside it has names that begin so.
pub(crate) const LEDGER: &str = "ledger.db";

/// The same of the terminal's conversations, which are in the system's folder for data, as the gateway's are if no other is named.
pub(crate) const HISTORY: &str = "history.db";

/// The same of the gateway's conversations.
pub(crate) const CONVERSATIONS: &str = "conversations.db";

#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// The folder for streams; without it `perennial` in the system's folder for data
    #[arg(long, value_name = "DIR", env = "PERENNIAL_DATA")]
    data: Option<PathBuf>,
    /// What a stream survives: `memory` nothing, `process` the end of this process, `always` power cuts too [default: process]
    #[arg(long, value_name = "WORD", env = "PERENNIAL_DURABILITY")]
    durability: Option<Durability>,
    /// Hours that a stream is kept after it was made [default: 24]
    #[arg(long, value_name = "HOURS", value_parser = clap::value_parser!(u64).range(1..=8784))]
    retention: Option<u64>,
}

/// The opened store.
pub(crate) struct Store {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) secret: Secret,
}

impl StoreArgs {
    /// Takes what is said here over what is there.
    pub(crate) fn over(&self, there: &mut config::Store) {
        if let Some(data) = self.data.as_ref().filter(|data| !data.as_os_str().is_empty()) {
            there.data = Some(data.clone());
        }
        there.durability = self.durability.unwrap_or(there.durability);
        there.retention = self.retention.map_or(there.retention, |hours| Duration::from_secs(hours * 3600));
    }
}

impl config::Store {
    pub(crate) fn is_memory(&self) -> bool {
        self.durability == Durability::Memory
    }

    pub(crate) fn data(&self) -> Option<&Path> {
        self.data.as_deref()
    }

    pub(crate) async fn open(&self) -> Result<Store, Failure> {
        let retention = Retention::new(self.retention);
        if self.is_memory() {
            let options = MemoryOptions { retention, ..MemoryOptions::default() };
            let secret = Secret::random().map_err(|error| Failure::new(Exit::Other, error))?;
            return Ok(Store { log: Arc::new(MemoryLog::new(options)), secret });
        }
        let folder = folder(self.data())?;
        let unusable =
            |error: io::Error| Failure::new(Exit::Configuration, format!("{}: {error}", folder.display()));
        make_private(&folder).map_err(unusable)?;
        let options = DiskOptions::new()
            .retention(retention)
            .always_sync(self.durability == Durability::Always)
            .neighbours(&[LEDGER, HISTORY, CONVERSATIONS]);
        let log = DiskLog::open(&folder, options).await.map_err(|error| {
            let hint =
                if error.is_locked() { "; or give this one a folder of its own with --data" } else { "" };
            Failure::new(Exit::Configuration, format!("{error}{hint}"))
        })?;
        let secret = kept_secret(&folder.join("secret")).map_err(unusable)?;
        Ok(Store { log: Arc::new(log), secret })
    }
}

/// The folder that was named, else the one that the system has for data.
pub(crate) fn folder(named: Option<&Path>) -> Result<PathBuf, Failure> {
    if let Some(folder) = named.filter(|folder| !folder.as_os_str().is_empty()) {
        return Ok(folder.to_owned());
    }
    let data = dirs::data_local_dir().ok_or_else(|| {
        let message = "this system names no folder for data: say where it is kept with --data DIR";
        Failure::new(Exit::Configuration, message)
    })?;
    Ok(data.join("perennial"))
}

/// Streams are what people asked and were told: nobody else's business.
pub(crate) fn make_private(folder: &Path) -> io::Result<()> {
    if folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        fs::set_permissions(folder, fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// The secret of this folder, made if there is none, so that capability URLs survive a restart.
fn kept_secret(file: &Path) -> io::Result<Secret> {
    match fs::read(file) {
        Ok(bytes) => {
            let bytes = <[u8; 32]>::try_from(bytes).map_err(|_| {
                io::Error::other(format!("{} is damaged; without it a new one is made", file.display()))
            })?;
            Ok(Secret::new(bytes))
        }
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            let secret = Secret::random()?;
            let mut options = OpenOptions::new();
            options.write(true).create_new(true);
            #[cfg(unix)]
            {
                use std::os::unix::fs::OpenOptionsExt as _;
                options.mode(0o600);
            }
            // Written aside and renamed: a process that is killed here leaves no half of a secret.
            let aside = file.with_extension("new");
            drop(fs::remove_file(&aside));
            let mut made = options.open(&aside)?;
            made.write_all(secret.expose())?;
            made.sync_all()?;
            fs::rename(&aside, file)?;
            Ok(secret)
        }
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_made_once_and_kept_private() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("secret");
        let first = *kept_secret(&file).unwrap().expose();
        assert_eq!(*kept_secret(&file).unwrap().expose(), first);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        fs::write(&file, b"short").unwrap();
        assert!(kept_secret(&file).unwrap_err().to_string().contains("damaged"));
    }
}
