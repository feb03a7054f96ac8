//! Row T10: nothing that a model says reaches the terminal's controls.

use crate::pane::{Pane, assert_append_only};
use crate::streaming::{ask, saying};

#[test]
fn t10_escapes_are_harmless() {
    // The title, the clipboard, a false link, the cursor, the screen, the bell, colours, and the same in eight bits.
    let hostile = "start \x1b]0;owned\x07 \x1b]52;c;b3duZWQ=\x07 \x1b]8;;https://evil.example\x1b\\link\x1b]8;;\x1b\\ \
        \x1b[2J\x1b[H\x1b[5A\x1b[31mred \x07\x08\x08\x7f \u{9b}31m\u{9d}0;owned\u{9c} over\rwritten \x1bc end";
    let code = format!("{hostile}\n\n```\n{hostile}\n```\n\n| {hostile} |\n|---|\n| {hostile} |\n");
    for text in [hostile.to_owned(), code] {
        // One character a piece: no sequence comes whole.
        let sim = saying(&text, "instant,burst=1");
        for flags in ["", "--raw", "--color never", "--no-stream", "--json", "--events", "--sse"] {
            let line = ask(&sim, &format!("-m claude-opus-4-6 -q {flags} Hi"));
            let line = format!("echo above; {line}");
            let Some(mut pane) = Pane::run(80, 40, &line) else { return };
            pane.tmux(&["set-option", "-s", "set-clipboard", "on"]);
            let title = pane.tmux(&["display-message", "-p", "#{pane_title}"]);
            assert_eq!(pane.end(), 0, "{flags}");
            let written = pane.written();
            assert_append_only(&written);
            assert!(!written.contains("\x1b[31m"), "{flags}: a colour of the model's own");
            assert_eq!(pane.tmux(&["display-message", "-p", "#{pane_title}"]), title, "{flags}");
            assert_eq!(pane.tmux(&["list-buffers"]), "", "{flags}");
            let screen = pane.screen();
            assert!(screen.starts_with("above\n") && screen.contains("end"), "{flags}: {screen}");
        }
    }
}
