//! The gateway under test: in this process, or the program as users have it.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use perennial_gateway::{Clocks, Gateway, Handle, Key};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt as _, BufReader};
use tokio::process::{Child, Command};

use crate::world::{CLIENT_KEY, UPSTREAM_KEY};

/// An upstream that says nothing for so long is given up.
pub(crate) const SILENCE: Duration = Duration::from_millis(800);
/// The same for the head of its answer, where that can be set.
const FIRST_BYTE: Duration = Duration::from_millis(1500);

/// A gateway that runs.
pub(crate) enum Gate {
    Inside(Handle),
    Program(Program),
}

/// The program, with a folder of its own.
pub(crate) struct Program {
    child: Child,
    url: String,
    _folder: TempDir,
}

/// What a process holds.
#[derive(Clone, Copy, Debug, Default, serde::Serialize)]
pub(crate) struct Holdings {
    /// Resident memory, in bytes.
    pub(crate) resident: u64,
    /// Open files and sockets.
    pub(crate) files: usize,
}

impl Gate {
    /// In this process, with a log in memory.
    pub(crate) async fn inside(upstream: &str) -> Result<Self> {
        let mut clocks = Clocks::default();
        (clocks.silence, clocks.first_byte, clocks.linger) =
            (SILENCE, FIRST_BYTE, Duration::from_millis(100));
        let key = |key| Key::new(key).context("a key");
        let builder =
            Gateway::builder(upstream).upstream_key(key(UPSTREAM_KEY)?).client_key(key(CLIENT_KEY)?);
        Ok(Self::Inside(builder.clocks(clocks).build()?.spawn().await?))
    }

    /// The program at `path`, with a log on disk.
    pub(crate) async fn program(path: &Path, upstream: &str) -> Result<Self> {
        let folder = tempfile::tempdir()?;
        let mut child = Command::new(path)
            .args(["serve", "--listen", "127.0.0.1:0", "--upstream", upstream])
            .args(["--silence", &SILENCE.as_secs_f64().to_string()])
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
        Ok(Self::Program(Program { child, url: url.unwrap_or_default(), _folder: folder }))
    }

    pub(crate) fn url(&self) -> String {
        match self {
            Self::Inside(handle) => handle.url(),
            Self::Program(program) => program.url.clone(),
        }
    }

    /// Whether the head of an answer is waited for no longer than a test can wait.
    pub(crate) fn gives_up_heads(&self) -> bool {
        matches!(self, Self::Inside(_))
    }

    /// What its process holds; of the process that all are in, where it is in this one.
    pub(crate) fn holdings(&self) -> Result<Holdings> {
        let id = match self {
            Self::Inside(_) => std::process::id(),
            Self::Program(program) => program.child.id().context("it has ended")?,
        };
        let status = std::fs::read_to_string(format!("/proc/{id}/status"))?;
        let resident = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kilobytes = resident.and_then(|words| words.split_whitespace().next()?.parse::<u64>().ok());
        let files = std::fs::read_dir(format!("/proc/{id}/fd"))?.count();
        Ok(Holdings { resident: kilobytes.context("VmRSS")? * 1024, files })
    }

    /// Whether its process still runs.
    pub(crate) fn is_alive(&mut self) -> bool {
        match self {
            Self::Inside(_) => true,
            Self::Program(program) => matches!(program.child.try_wait(), Ok(None)),
        }
    }
}
