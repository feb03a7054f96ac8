//! Lines of the user: edited in a terminal, as they come from anywhere else.

use std::borrow::Cow;
use std::io::{self, BufRead as _, IsTerminal as _, Write as _};
use std::path::PathBuf;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use parking_lot::Mutex;
use reedline::{
    EditMode, Emacs, FileBackedHistory, KeyCode, KeyModifiers, Keybindings, Prompt, PromptEditMode,
    PromptHistorySearch, PromptHistorySearchStatus, Reedline, ReedlineEvent, ReedlineRawEvent, Signal,
    ValidationResult, Validator, default_emacs_keybindings,
};
use tokio::runtime::Runtime;

use crate::exit::{Exit, Failure};
use crate::listen::Signals;
use crate::{store, terminal};

/// So many lines are remembered for the arrow keys.
const REMEMBERED: usize = 1_000;

/// What Ctrl-X comes to, until the next key.
const CHORD: &str = "ctrl-x";

/// What the user did.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line {
    /// A message or a command, of one line or several.
    Text(String),
    /// Ctrl-C on a line; what stood there is dropped.
    Interrupted,
    /// Ctrl-D on an empty line, or the end of the input.
    End,
    /// This process was told to end.
    Left,
}

pub(super) enum Lines {
    Edited {
        editor: Box<Reedline>,
        draft: PathBuf,
        joints: Joints,
    },
    /// As the terminal edits them, or as they come from elsewhere.
    Plain {
        prompts: bool,
    },
}

impl Lines {
    /// `history` is the file for the arrow keys, and the place for drafts; `None` remembers nothing. `leaving` ends the editing of a line. An editor draws its line
    /// anew with every key; where nothing may be wiped off (`redraws`) there is none.
    pub(super) fn new(
        history: Option<PathBuf>,
        leaving: Arc<AtomicBool>,
        redraws: bool,
    ) -> Result<Self, Failure> {
        let prompts = io::stdin().is_terminal() && io::stderr().is_terminal();
        if !prompts || !redraws {
            return Ok(Self::Plain { prompts });
        }
        let (draft, joints) = (draft(history.as_deref()), Joints::default());
        let mut editor = Reedline::create()
            .use_bracketed_paste(true)
            .with_ansi_colors(terminal::stderr_colour())
            .with_break_signal(leaving)
            .with_validator(Box::new(joints.clone()))
            .with_edit_mode(Box::new(Chords::new()));
        if let Some(command) = editor_of_texts(None) {
            let mut command = command;
            command.arg(&draft);
            editor = editor.with_buffer_editor(command, draft.clone());
        }
        if let Some(file) = history {
            let unusable = |error: &dyn std::fmt::Display| {
                Failure::new(Exit::Configuration, format!("{} cannot be used: {error}", file.display()))
            };
            private(&file).map_err(|error| unusable(&error))?;
            let lines =
                FileBackedHistory::with_file(REMEMBERED, file.clone()).map_err(|error| unusable(&error))?;
            editor = editor.with_history(Box::new(lines));
        }
        Ok(Self::Edited { editor: Box::new(editor), draft, joints })
    }

    /// Whether an editor has the keyboard between two answers.
    pub(super) fn are_edited(&self) -> bool {
        matches!(self, Self::Edited { .. })
    }

    /// Whether somebody types them.
    pub(super) fn are_typed(&self) -> bool {
        matches!(self, Self::Edited { .. } | Self::Plain { prompts: true })
    }

    /// The next one. Nothing else reads the keyboard meanwhile, or draws.
    pub(super) fn next(&mut self, runtime: &Runtime, signals: &mut Signals) -> Result<Line, Failure> {
        let failed = |error: &dyn std::fmt::Display| {
            Failure::new(Exit::Other, format!("nothing can be read from the terminal: {error}"))
        };
        match self {
            Self::Edited { editor, joints, .. } => {
                joints.0.lock().clear();
                let read = editor.read_line(&Mark).map_err(|error| failed(&error))?;
                drop(editor.sync_history());
                Ok(match read {
                    Signal::Success(text) => Line::Text(joints.join(&text)),
                    Signal::CtrlC => Line::Interrupted,
                    Signal::ExternalBreak(_) => Line::Left,
                    _ => Line::End,
                })
            }
            // Nobody edits, so the terminal sends a signal for Ctrl-C, and it ends the session.
            Self::Plain { prompts } => runtime.block_on(async {
                let prompts = *prompts;
                tokio::select! {
                    read = tokio::task::spawn_blocking(move || plain(prompts)) => {
                        read.map_err(|error| failed(&error))?.map_err(|error| failed(&error))
                    }
                    () = signals.next() => Ok(Line::Left),
                }
            }),
        }
    }
}

/// Lines as they come; one that ends with a backslash goes on with the next.
fn plain(prompts: bool) -> io::Result<Line> {
    let mut text = String::new();
    loop {
        if prompts {
            let mark = if text.is_empty() { Mark::FIRST } else { Mark::NEXT };
            // That nobody sees it is no reason to fail.
            drop(io::stderr().write_all(mark.as_bytes()));
        }
        let mut line = String::new();
        if io::stdin().lock().read_line(&mut line)? == 0 {
            if prompts {
                drop(io::stderr().write_all(b"\n"));
            }
            return Ok(if text.is_empty() { Line::End } else { Line::Text(text) });
        }
        let line = line.trim_end_matches(['\n', '\r']);
        if !is_continued(line) {
            return Ok(Line::Text(text + line));
        }
        text.push_str(&line[..line.len() - 1]);
        text.push('\n');
    }
}

impl Drop for Lines {
    fn drop(&mut self) {
        if let Self::Edited { draft, .. } = self {
            drop(std::fs::remove_file(draft));
        }
    }
}

/// The editor that the user has chosen, with a file to open, if that is named here.
pub(super) fn editor_of_texts(file: Option<&std::path::Path>) -> Option<Command> {
    let named = ["VISUAL", "EDITOR"]
        .into_iter()
        .find_map(|name| std::env::var(name).ok().filter(|editor| !editor.trim().is_empty()));
    let named = named.unwrap_or_else(|| if cfg!(windows) { "notepad" } else { "vi" }.to_owned());
    // It may come with arguments of its own: `code --wait`.
    let mut words = named.split_whitespace();
    let mut command = Command::new(words.next()?);
    command.args(words).args(file);
    Some(command)
}

/// A file for texts that are being edited, private as all that is said.
pub(super) fn draft(beside: Option<&std::path::Path>) -> PathBuf {
    let name = format!("-draft-{}.md", std::process::id());
    match beside {
        Some(history) => {
            let mut path = history.as_os_str().to_owned();
            path.push(name);
            path.into()
        }
        None => std::env::temp_dir().join(format!("perennial{name}")),
    }
}

/// Makes the file, and the folder for it, for their owner only, if they are not there.
pub(super) fn private(file: &std::path::Path) -> io::Result<()> {
    let folder = file.parent().filter(|folder| !folder.as_os_str().is_empty());
    folder.map_or(Ok(()), store::make_private)?;
    let mut options = std::fs::OpenOptions::new();
    options.append(true).create(true);
    #[cfg(unix)]
    {
        use std::os::unix::fs::OpenOptionsExt as _;
        options.mode(0o600);
    }
    options.open(file).map(|_| ())
}

/// A line ends with a backslash that is not itself behind one.
fn is_continued(text: &str) -> bool {
    text.chars().rev().take_while(|c| *c == '\\').count() % 2 == 1
}

/// Where Enter behind a backslash began another line: what stood there each time.
///
/// The backslash there is the user's word to this editor. Others, as in a command that was pasted, are part of the message.
#[derive(Clone, Debug, Default)]
pub(super) struct Joints(Arc<Mutex<Vec<String>>>);

impl Joints {
    fn join(&self, text: &str) -> String {
        let joints = self.0.lock();
        let ends = joints
            .iter()
            .filter(|joint| text.strip_prefix(joint.as_str()).is_some_and(|rest| rest.starts_with('\n')));
        let mut backslashes: Vec<usize> = ends.map(|joint| joint.len() - 1).collect();
        backslashes.sort_unstable();
        backslashes.dedup();
        let mut joined = String::with_capacity(text.len());
        let mut at = 0;
        for backslash in backslashes {
            joined.push_str(&text[at..backslash]);
            at = backslash + 1;
        }
        joined + &text[at..]
    }
}

impl Validator for Joints {
    fn validate(&self, line: &str) -> ValidationResult {
        if !is_continued(line) {
            return ValidationResult::Complete;
        }
        self.0.lock().push(line.to_owned());
        ValidationResult::Incomplete
    }
}

/// The keys of a shell, and Ctrl-X Ctrl-E with them.
struct Chords {
    usual: Emacs,
    behind: Emacs,
    is_behind: bool,
}

impl Chords {
    fn new() -> Self {
        let mut usual = default_emacs_keybindings();
        let chord = ReedlineEvent::ExecuteHostCommand(CHORD.to_owned());
        usual.add_binding(KeyModifiers::CONTROL, KeyCode::Char('x'), chord);
        let mut behind = Keybindings::new();
        behind.add_binding(KeyModifiers::CONTROL, KeyCode::Char('e'), ReedlineEvent::OpenEditor);
        Self { usual: Emacs::new(usual), behind: Emacs::new(behind), is_behind: false }
    }
}

impl EditMode for Chords {
    fn parse_event(&mut self, event: ReedlineRawEvent) -> ReedlineEvent {
        if std::mem::take(&mut self.is_behind) {
            return match self.behind.parse_event(event) {
                ReedlineEvent::OpenEditor => ReedlineEvent::OpenEditor,
                _ => ReedlineEvent::None,
            };
        }
        match self.usual.parse_event(event) {
            ReedlineEvent::ExecuteHostCommand(command) if command == CHORD => {
                self.is_behind = true;
                ReedlineEvent::None
            }
            event => event,
        }
    }

    fn edit_mode(&self) -> PromptEditMode {
        PromptEditMode::Emacs
    }
}

/// What stands before the line.
struct Mark;

impl Mark {
    const FIRST: &str = "> ";
    /// Before a line that goes on with the one before.
    const NEXT: &str = ". ";
}

impl Prompt for Mark {
    fn render_prompt_left(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_right(&self) -> Cow<'_, str> {
        Cow::Borrowed("")
    }

    fn render_prompt_indicator(&self, _: PromptEditMode) -> Cow<'_, str> {
        Cow::Borrowed(Self::FIRST)
    }

    fn render_prompt_multiline_indicator(&self) -> Cow<'_, str> {
        Cow::Borrowed(Self::NEXT)
    }

    fn render_prompt_history_search_indicator(&self, search: PromptHistorySearch) -> Cow<'_, str> {
        let failed =
            if matches!(search.status, PromptHistorySearchStatus::Failing) { "nothing has " } else { "" };
        Cow::Owned(format!("({failed}{}) ", search.term))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_backslash_at_the_end_joins_lines() {
        for (text, is_on) in [("a", false), ("a\\", true), ("a\\\\", false), ("\\", true), ("a\\\nb", false)]
        {
            assert_eq!(is_continued(text), is_on, "{text:?}");
        }
        let joints = Joints::default();
        for typed in ["a\\", "a\\\nb\\", "gone\\"] {
            assert!(matches!(joints.validate(typed), ValidationResult::Incomplete), "{typed:?}");
        }
        assert!(matches!(joints.validate("a\\\nb"), ValidationResult::Complete));
        // What was pasted keeps its own.
        assert_eq!(joints.join("a\\\nb\\\nrun \\\n it"), "a\nb\nrun \\\n it");
        assert_eq!(joints.join("a\\"), "a\\");
    }
}
