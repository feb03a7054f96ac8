//! The gateway under test: in this process, or the program as users have it.

use std::path::Path;
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use perennial_gateway::{BreakerPolicy, Clocks, Gateway, Handle, Key, Recovery};
use perennial_ledger::Ledger;
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::ledger::LedgerFile;
use crate::world::{CLIENT_KEY, UPSTREAM_KEY};

/// An upstream that says nothing for so long is given up. Long enough for a machine that does other things.
pub(crate) const SILENCE: Duration = Duration::from_secs(3);
/// The same for the head of its answer.
const FIRST_BYTE: Duration = Duration::from_secs(4);
/// The same for content, where pings go on.
const PROGRESS: Duration = Duration::from_secs(5);

const LINGER: Duration = Duration::from_millis(100);
const FIRST_DELAY: Duration = Duration::from_millis(200);
/// Here nearly every request fails: what keeps a service that is down from being asked would keep everything from being tested.
const NEVER: u32 = 1_000_000;
const SHARE: f64 = 10.0;

/// A gateway that runs.
pub(crate) struct Gate {
    which: Which,
    url: String,
    folder: TempDir,
}

enum Which {
    /// It stops with its handle.
    Inside(#[allow(dead_code, reason = "kept for its end")] Handle, Arc<Ledger>),
    Program(Child),
}

/// What is other than by default, as the program reads it.
fn settings() -> String {
    let seconds = |span: Duration| span.as_secs_f64();
    format!(
        "[clocks]\nsilence = {}\nfirst_byte = {}\nprogress = {}\nlinger = {}\n\
         [retry]\nfirst_delay = {}\nshare = {SHARE:?}\nreserve = {NEVER}.0\n\
         [breaker]\nmin_attempts = {NEVER}\n",
        seconds(SILENCE),
        seconds(FIRST_BYTE),
        seconds(PROGRESS),
        seconds(LINGER),
        seconds(FIRST_DELAY)
    )
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Holdings {
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    /// Of that what is no file's: the rest is the program itself, as far as it was needed.
    pub(crate) own: u64,
    /// Open files and sockets.
    pub(crate) files: usize,
}

impl Gate {
    /// In this process, with a log in memory.
    pub(crate) async fn inside(upstream: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let ledger =
            Arc::new(Ledger::open(&format!("sqlite:{}", folder.path().join("ledger.db").display())).await?);
        let mut clocks = Clocks::default();
        (clocks.silence, clocks.first_byte, clocks.progress) = (SILENCE, FIRST_BYTE, PROGRESS);
        clocks.linger = LINGER;
        let mut breaker = BreakerPolicy::default();
        breaker.min_attempts = NEVER;
        let mut recovery = Recovery::default();
        (recovery.budget.share, recovery.budget.reserve) = (SHARE, f64::from(NEVER));
        recovery.retries.first_delay = FIRST_DELAY;
        let key = |key| Key::new(key).context("a key");
        let builder =
            Gateway::builder(upstream).upstream_key(key(UPSTREAM_KEY)?).client_key(key(CLIENT_KEY)?);
        let builder = builder.clocks(clocks).breaker(breaker).recovery(recovery).ledger(Arc::clone(&ledger));
        let handle = builder.build()?.spawn().await?;
        Ok(Self { url: handle.url(), which: Which::Inside(handle, ledger), folder })
    }

    /// The program at `path`, with a log on disk and the same settings.
    pub(crate) async fn program(path: &Path, upstream: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        // A log shares its folder with nothing.
        let file = tempfile::NamedTempFile::new()?;
        std::fs::write(file.path(), settings())?;
        let mut child = Command::new(path)
            .args(["serve", "--listen", "127.0.0.1:0", "--upstream", upstream])
            .arg("--config")
            .arg(file.path())
            .arg("--data")
            .arg(folder.path())
            .env("ANTHROPIC_API_KEY", UPSTREAM_KEY)
            .env("PERENNIAL_CLIENT_KEYS", CLIENT_KEY)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .with_context(|| format!("{} cannot be started", path.display()))?;
        let mut lines = BufReader::new(child.stdout.take().context("its output")?).lines();
        let line = lines.next_line().await?.unwrap_or_default();
        let url = line.strip_prefix("listening on ").map(str::to_owned);
        ensure!(url.is_some(), "{} does not say where it listens: {line}", path.display());
        Ok(Self { url: url.unwrap_or_default(), which: Which::Program(child), folder })
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    pub(crate) fn is_program(&self) -> bool {
        matches!(self.which, Which::Program(_))
    }

    /// Its ledger, as anybody can read it.
    pub(crate) fn ledger(&self) -> LedgerFile {
        LedgerFile::open(&self.folder.path().join("ledger.db"))
    }

    /// Waits until the ledger has what is to be in it; of a program nobody can know when.
    pub(crate) async fn flush_ledger(&self) -> Result<()> {
        match &self.which {
            Which::Inside(_, ledger) => ledger.flush().await?,
            Which::Program(_) => tokio::time::sleep(Duration::from_millis(500)).await,
        }
        Ok(())
    }

    /// What its process holds; of the process that all are in, where it is in this one.
    pub(crate) fn holdings(&self) -> Result<Holdings> {
        let id = match &self.which {
            Which::Inside(..) => std::process::id(),
            Which::Program(child) => child.id().context("it has ended")?,
        };
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let of = |name| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            let kilobytes = line.and_then(|words| words.split_whitespace().next()?.parse::<u64>().ok());
            Ok::<_, anyhow::Error>(kilobytes.context(name)? * 1024)
        };
        let files = std::fs::read_dir(format!("/proc/{id}/fd"))?.count();
        Ok(Holdings { resident: of("VmRSS:")?, own: of("RssAnon:")?, files })
    }

    /// Whether its process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        match &mut self.which {
            Which::Inside(..) => true,
            Which::Program(child) => matches!(child.try_wait(), Ok(None)),
        }
    }
}
