//! A terminal: a pane of tmux, on a server of its own, whose every byte is seen.

use std::io::Read as _;
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use tempfile::TempDir;
use tokio::time::Instant;

const PATIENCE: Duration = Duration::from_secs(120);
/// Printed with the exit code behind each command.
const END: &str = "[exit ";

static NUMBER: AtomicU32 = AtomicU32::new(0);

pub(crate) struct Pane {
    socket: String,
    folder: TempDir,
    pieces: Receiver<Vec<u8>>,
    bytes: Vec<u8>,
}

impl Pane {
    /// Runs a line of shell in a terminal of this size; `None`, with a word about it, where there is no tmux.
    pub(crate) fn run(columns: u16, lines: u16, line: &str) -> Option<Self> {
        if !Command::new("tmux").arg("-V").output().is_ok_and(|ran| ran.status.success()) {
            println!("skipped: tmux is not here");
            return None;
        }
        let folder = tempfile::tempdir().unwrap();
        let socket = format!("perennial-{}-{}", std::process::id(), NUMBER.fetch_add(1, Ordering::Relaxed));
        let fifo = folder.path().join("bytes");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let (send, pieces) = channel();
        let pane = Self { socket, folder, pieces, bytes: Vec::new() };
        // It begins when its bytes are looked at. A key that ends the command does not end this.
        let script = format!("trap : INT; tmux wait-for go; {line}; echo \"{END}$?]\"; exec cat");
        let (columns, lines) = (columns.to_string(), lines.to_string());
        pane.tmux(&["-u", "new-session", "-d", "-x", &columns, "-y", &lines, &script]);
        pane.tmux(&["pipe-pane", &format!("exec cat > '{}'", fifo.display())]);
        std::thread::spawn(move || {
            let mut file = std::fs::File::open(fifo).unwrap();
            let mut piece = vec![0; 64 * 1024];
            while let Ok(count @ 1..) = file.read(&mut piece) {
                if send.send(piece[..count].to_vec()).is_err() {
                    return;
                }
            }
        });
        pane.tmux(&["wait-for", "-S", "go"]);
        Some(pane)
    }

    /// Waits until this was written.
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_until(text, |bytes| bytes.windows(text.len()).any(|window| window == text.as_bytes()));
    }

    /// Waits until the bytes that came are so.
    pub(crate) fn wait_until(&mut self, what: &str, holds: impl Fn(&[u8]) -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !holds(&self.bytes) {
            match self.pieces.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
                Ok(piece) => self.bytes.extend_from_slice(&piece),
                Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {
                    panic!("waited in vain for {what}; the screen is\n{}", self.screen());
                }
            }
        }
    }

    /// Waits for the command's end; gives its exit code.
    pub(crate) fn end(&mut self) -> i32 {
        self.wait_until("the end", |bytes| {
            let text = String::from_utf8_lossy(bytes);
            text.rfind(END).is_some_and(|at| text[at..].contains(']'))
        });
        let text = self.written();
        let code = &text[text.rfind(END).unwrap() + END.len()..];
        code.split(']').next().unwrap().parse().unwrap()
    }

    /// What was written by the command, every byte.
    pub(crate) fn written(&self) -> String {
        String::from_utf8_lossy(&self.bytes).into_owned()
    }

    /// What is to be seen, the lines that were scrolled away included, without what stands there of the end.
    pub(crate) fn screen(&self) -> String {
        let screen = self.tmux(&["capture-pane", "-p", "-S", "-"]);
        let screen = screen.split(END).next().unwrap();
        let lines: Vec<&str> = screen.lines().map(str::trim_end).collect();
        format!("{}\n", lines.join("\n").trim_end())
    }

    pub(crate) fn press(&self, key: &str) {
        self.tmux(&["send-keys", key]);
    }

    /// Asks tmux.
    pub(crate) fn tmux(&self, arguments: &[&str]) -> String {
        let mut command = Command::new("tmux");
        command.args(["-L", &self.socket, "-f", "/dev/null"]).args(arguments);
        command.env_clear();
        for name in ["PATH", "TMPDIR"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("LC_ALL", "C.UTF-8").env("SHELL", "/bin/sh").env("TERM", "xterm-256color");
        // Neither the user's settings nor the user's history.
        command.env("HOME", self.folder.path()).env("PERENNIAL_HISTORY", "");
        let ran = command.output().unwrap();
        assert!(ran.status.success(), "tmux {arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        String::from_utf8(ran.stdout).unwrap()
    }
}

impl Drop for Pane {
    fn drop(&mut self) {
        let mut command = Command::new("tmux");
        drop(command.args(["-L", &self.socket, "kill-server"]).output());
    }
}

/// The escapes in what was written: whole, each once.
pub(crate) fn escapes(written: &str) -> Vec<String> {
    let mut found: Vec<String> = Vec::new();
    let mut rest = written;
    while let Some(at) = rest.find('\x1b') {
        rest = &rest[at..];
        let end = match rest.strip_prefix("\x1b[") {
            Some(after) => 3 + after.find(|c: char| ('@'..='~').contains(&c)).unwrap_or(after.len() - 1),
            None => rest.char_indices().nth(2).map_or(rest.len(), |(at, _)| at),
        };
        let escape = rest[..end].to_owned();
        if !found.contains(&escape) {
            found.push(escape);
        }
        rest = &rest[end..];
    }
    found
}

/// Nothing was written but text, line ends and colours.
pub(crate) fn assert_append_only(written: &str) {
    for escape in escapes(written) {
        let is_color = escape.starts_with("\x1b[") && escape.ends_with('m');
        assert!(is_color, "the escape {escape:?} is no colour");
    }
    let moves = |c: char| c.is_control() && !matches!(c, '\n' | '\x1b' | '\t');
    let plain = written.replace("\r\n", "\n");
    let found: Vec<char> = plain.chars().filter(|c| moves(*c)).collect();
    assert!(found.is_empty(), "control characters {found:?} in {plain:?}");
}
