//! Runs the binary with an environment of its own.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};

use perennial_sim::{Builder, Handle, Pace, Simulator};
use serde_json::Value;
use tempfile::TempDir;
use tokio::runtime::Runtime;

/// The binary, without anything of the environment that could reach a real service.
pub(crate) fn perennial(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_perennial"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy();
        if name.starts_with("ANTHROPIC_")
            || name.starts_with("PERENNIAL_")
            || name.to_lowercase().ends_with("_proxy")
        {
            command.env_remove(&*name);
        }
    }
    // Tests run side by side; the one folder of this user is for one gateway.
    command.env("PERENNIAL_DURABILITY", "memory");
    // Nor is what they ask anything for the history of whoever runs them.
    command.env("PERENNIAL_HISTORY", "");
    command.args(arguments).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What a run came to.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl From<Output> for Ran {
    fn from(output: Output) -> Self {
        Self {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            err: String::from_utf8(output.stderr).unwrap(),
        }
    }
}

pub(crate) fn run(arguments: &[&str]) -> Ran {
    perennial(arguments).output().unwrap().into()
}

pub(crate) fn run_with_input(arguments: &[&str], input: &[u8]) -> Ran {
    let mut child = perennial(arguments).stdin(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let writing = std::thread::spawn(move || {
        // The command may end before it has read everything.
        drop(stdin.write_all(&input));
    });
    let ran = child.wait_with_output().unwrap().into();
    writing.join().unwrap();
    ran
}

/// A simulator in this process, so that its journal can be looked at.
pub(crate) struct Sim {
    pub(crate) runtime: Runtime,
    pub(crate) handle: Handle,
}

impl Sim {
    pub(crate) fn new() -> Self {
        Self::with(Simulator::builder().pace(Pace::instant()))
    }

    pub(crate) fn with(builder: Builder) -> Self {
        let runtime =
            tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
        let handle = runtime.block_on(builder.spawn()).unwrap();
        Self { runtime, handle }
    }

    /// `perennial ask` of this simulator.
    pub(crate) fn ask(&self, arguments: &[&str]) -> Command {
        let mut command = perennial(&["ask"]);
        command.args(["--base-url", &self.handle.url()]).args(arguments);
        command.env("ANTHROPIC_API_KEY", "sk-ant-secret-key");
        command
    }
}

/// A history of a test's own.
pub(crate) struct Kept {
    pub(crate) folder: TempDir,
    pub(crate) file: PathBuf,
}

impl Kept {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("data/history.db");
        Self { folder, file }
    }

    pub(crate) fn with<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        command.env("PERENNIAL_HISTORY", &self.file)
    }

    pub(crate) fn command(&self, arguments: &[&str]) -> Command {
        let mut command = perennial(arguments);
        self.with(&mut command);
        command
    }

    pub(crate) fn logs(&self, arguments: &[&str]) -> Ran {
        self.command(&[&["logs"], arguments].concat()).output().unwrap().into()
    }

    /// The conversations, that which was changed last first.
    pub(crate) fn ids(&self) -> Vec<String> {
        let listed = self.logs(&["list", "--json"]).out;
        let id = |line: &str| serde_json::from_str::<Value>(line).unwrap()["id"].as_str().unwrap().to_owned();
        listed.lines().map(id).collect()
    }

    /// The turns of a conversation.
    pub(crate) fn turns_of(&self, id: &str) -> Vec<Value> {
        let shown: Value = serde_json::from_str(&self.logs(&["show", "--json", id]).out).unwrap();
        shown["turns"].as_array().unwrap().clone()
    }
}

/// A service that runs until this is dropped.
pub(crate) struct Service {
    pub(crate) child: Child,
    pub(crate) url: String,
    pub(crate) line: String,
}

impl Service {
    pub(crate) fn start(command: &mut Command) -> Self {
        let mut child = command.spawn().unwrap();
        let mut line = String::new();
        BufReader::new(child.stdout.as_mut().unwrap()).read_line(&mut line).unwrap();
        if line.is_empty() {
            let mut said = String::new();
            child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
            panic!("the service did not start: {said}");
        }
        let url = line.trim_end().strip_prefix("listening on ").unwrap().to_owned();
        Self { child, url, line }
    }

    pub(crate) fn signal(&self, name: &str) {
        signal(&self.child, name);
    }

    /// Waits for its end; gives its code and what it said on standard error.
    pub(crate) fn end(mut self) -> (i32, String) {
        let mut said = String::new();
        self.child.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        (self.child.wait().unwrap().code().unwrap(), said)
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        // It may have ended by itself.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}

pub(crate) fn signal(child: &Child, name: &str) {
    let sent = Command::new("kill").args([format!("-{name}"), child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// Recorded streams: those of the project's surroundings where they are there, else `None` with a word about it.
pub(crate) fn fixtures(folder: &str) -> Option<PathBuf> {
    let root = std::env::var_os("PERENNIAL_FIXTURES").map_or_else(
        || PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../../shared/fixtures"),
        PathBuf::from,
    );
    let folder = root.join(folder);
    if !folder.is_dir() {
        println!("skipped: no recorded streams at {}", folder.display());
        return None;
    }
    Some(folder)
}
