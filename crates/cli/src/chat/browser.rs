//! A page, opened in the browser of whoever sits here.

use std::process::{Command, Stdio};

/// Opens a page with `$BROWSER`, or with what the desktop has for that. Whether there is any such thing; nothing waits for it.
pub(super) fn open(url: &str) -> bool {
    let Some(mut command) = browser() else { return false };
    command.arg(url).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    let Ok(mut child) = command.spawn() else { return false };
    // Some stay as long as the browser does.
    std::thread::spawn(move || child.wait());
    true
}

fn browser() -> Option<Command> {
    let set = |name: &str| std::env::var(name).ok().filter(|value| !value.trim().is_empty());
    if let Some(named) = set("BROWSER") {
        // It may come with arguments of its own.
        let mut words = named.split_whitespace();
        let mut command = Command::new(words.next()?);
        command.args(words);
        return Some(command);
    }
    let has_desktop = set("DISPLAY").is_some() || set("WAYLAND_DISPLAY").is_some();
    match std::env::consts::OS {
        "macos" => Some(Command::new("open")),
        "windows" => Some(Command::new("explorer")),
        _ if has_desktop => Some(Command::new("xdg-open")),
        _ => None,
    }
}
