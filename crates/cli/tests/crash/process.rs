//! The gateway as a process: killed and started again, with the same folder and at the same address.

use std::fs::File;
use std::io::{BufRead as _, BufReader};
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use parking_lot::Mutex;
use tempfile::TempDir;
use tokio::sync::watch;

use crate::world::PATIENCE;

/// A file tells nobody when it grows.
const LOOK_AGAIN: Duration = Duration::from_millis(20);

/// `perennial serve` on a folder of its own.
pub(crate) struct Gateway {
    folder: TempDir,
    address: SocketAddr,
    upstream: String,
    durability: &'static str,
    child: Mutex<Option<Child>>,
    /// Which start this is; even while it is down.
    starts: watch::Sender<u32>,
}

impl Gateway {
    pub(crate) fn new(upstream: String, durability: &'static str) -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            address: free_address(),
            upstream,
            durability,
            child: Mutex::default(),
            starts: watch::Sender::new(0),
        }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The command, to be started at its own address or at another.
    pub(crate) fn command(&self, listen: SocketAddr) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy();
            let ours = name.starts_with("ANTHROPIC_") || name.starts_with("PERENNIAL_");
            if ours || name.to_lowercase().ends_with("_proxy") {
                command.env_remove(&*name);
            }
        }
        let data = self.folder.path().join("data");
        command.args(["serve", "--listen", &listen.to_string(), "--upstream", &self.upstream]);
        command.args(["--durability", self.durability, "--drain", "60"]).arg("--data").arg(data);
        // Without a key of its own it could ask for nothing again.
        command.env("ANTHROPIC_API_KEY", "sk-ant-secret-key");
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// Starts it, and returns when it answers.
    pub(crate) async fn start(&self) {
        let mut command = self.command(self.address);
        let said = self.folder.path().join("said");
        command.stderr(File::options().create(true).append(true).open(&said).unwrap());
        let started = tokio::task::spawn_blocking(move || {
            let mut child = command.spawn().unwrap();
            let mut line = String::new();
            BufReader::new(child.stdout.take().unwrap()).read_line(&mut line).unwrap();
            (child, line)
        });
        let (child, line) = tokio::time::timeout(PATIENCE, started).await.expect("it starts").unwrap();
        let said = || std::fs::read_to_string(&said).unwrap();
        assert!(line.starts_with("listening on "), "it did not start: {line}{}", said());
        *self.child.lock() = Some(child);
        self.starts.send_modify(|starts| *starts += 1);
    }

    /// `kill -9`.
    pub(crate) async fn kill(&self) {
        self.starts.send_modify(|starts| *starts += 1);
        let mut child = self.take();
        child.kill().unwrap();
        tokio::task::spawn_blocking(move || child.wait().unwrap()).await.unwrap();
    }

    /// The process, to do something else with it.
    pub(crate) fn take(&self) -> Child {
        self.child.lock().take().expect("it runs")
    }

    /// After it has ended by itself.
    pub(crate) async fn start_after_end(&self) {
        self.starts.send_modify(|starts| *starts += 1);
        self.start().await;
    }

    /// Waits until it has said this on standard error.
    pub(crate) async fn has_said(&self, word: &str) {
        let said = self.folder.path().join("said");
        let waited = async {
            while !std::fs::read_to_string(&said).unwrap().contains(word) {
                tokio::time::sleep(LOOK_AGAIN).await;
            }
        };
        tokio::time::timeout(PATIENCE, waited).await.unwrap_or_else(|_| panic!("it does not say {word}"));
    }

    /// Waits until it is up, and says which start that is.
    pub(crate) async fn up(&self) -> u32 {
        let mut starts = self.starts.subscribe();
        let up = starts.wait_for(|starts| starts % 2 == 1);
        *tokio::time::timeout(PATIENCE, up).await.expect("it is started again").unwrap()
    }

    /// Something broke in this start: that was a kill, or the test is over.
    pub(crate) async fn killed(&self, start: u32, what: &str) {
        let mut starts = self.starts.subscribe();
        let killed = starts.wait_for(|starts| *starts != start);
        let killed = tokio::time::timeout(PATIENCE, killed).await;
        assert!(killed.is_ok(), "nobody killed the gateway, and yet: {what}");
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if let Some(mut child) = self.child.lock().take() {
            drop(child.kill());
            drop(child.wait());
        }
    }
}

/// An address that nobody else takes while the gateway is down: not among the ports that outgoing connections are given.
fn free_address() -> SocketAddr {
    loop {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, fastrand::u16(20_000..32_000)));
        if TcpListener::bind(address).is_ok() {
            return address;
        }
    }
}
