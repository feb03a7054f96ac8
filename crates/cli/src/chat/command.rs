//! What a line says: a message, or a command that begins with a slash.

/// A command with what stands behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Command {
    Help,
    Model(Option<String>),
    System(Option<String>),
    Retry,
    Edit,
    Branch(Option<String>),
    Usage,
    Tools(Option<String>),
    Save(Option<String>),
    Open,
    Chats(Option<String>),
    New,
    Copy,
    Quit,
}

/// A line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Input {
    Nothing,
    Say(String),
    Command(Command),
    /// A command that there is not, by its name.
    Unknown(String),
}

/// As `/help` shows them.
pub(super) const HELP: [(&str, &str); 15] = [
    ("/help", "this"),
    ("/model [NAME]", "the model of the next answers"),
    ("/system [TEXT]", "the system prompt from now on; `-` takes it away"),
    ("/retry", "another answer to the last question; the first one stays on its branch"),
    ("/edit", "change the last question in an editor and ask it anew, on a branch of its own"),
    ("/branch [N]", "the branches, or go to one of them"),
    (
        "/tools [on|off]",
        "the gateway's tools, or which of them this conversation has: `/tools on fetch`, `/tools off`",
    ),
    ("/usage", "tokens and cost of this conversation"),
    ("/save FILE", "write this branch as markdown, or everything as JSON (FILE.json)"),
    ("/open", "this conversation in the browser, an answer that comes included"),
    ("/chats [ID]", "the conversations, or go on with one of them"),
    ("/new", "begin another conversation"),
    ("/copy", "put the last answer on the clipboard of the terminal"),
    ("/quit", "leave; so do Ctrl-D, and Ctrl-C twice"),
    ("//...", "a message that begins with a slash"),
];

impl Input {
    pub(super) fn read(line: &str) -> Self {
        let line = line.trim();
        let Some(rest) = line.strip_prefix('/') else {
            return if line.is_empty() { Self::Nothing } else { Self::Say(line.to_owned()) };
        };
        if rest.starts_with('/') {
            return Self::Say(rest.to_owned());
        }
        let (name, rest) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
        let rest = Some(rest.trim().to_owned()).filter(|rest| !rest.is_empty());
        Self::Command(match name {
            "help" | "?" => Command::Help,
            "model" => Command::Model(rest),
            "system" => Command::System(rest),
            "retry" => Command::Retry,
            "edit" => Command::Edit,
            "branch" => Command::Branch(rest),
            "usage" => Command::Usage,
            "tools" => Command::Tools(rest),
            "save" => Command::Save(rest),
            "open" => Command::Open,
            "chats" => Command::Chats(rest),
            "new" => Command::New,
            "copy" => Command::Copy,
            "quit" | "exit" => Command::Quit,
            name => return Self::Unknown(name.to_owned()),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slash_begins_a_command_and_two_a_message() {
        for (line, input) in [
            ("", Input::Nothing),
            (" \n ", Input::Nothing),
            (" hello \n", Input::Say("hello".to_owned())),
            ("//etc is a folder", Input::Say("/etc is a folder".to_owned())),
            ("/model  claude-x ", Input::Command(Command::Model(Some("claude-x".to_owned())))),
            ("/model", Input::Command(Command::Model(None))),
            (
                "/system Be brief.\nAnd kind.",
                Input::Command(Command::System(Some("Be brief.\nAnd kind.".to_owned()))),
            ),
            ("/quit now", Input::Command(Command::Quit)),
            ("/etc/passwd", Input::Unknown("etc/passwd".to_owned())),
        ] {
            assert_eq!(Input::read(line), input, "{line:?}");
        }
        // What is promised is there.
        for (name, _) in &HELP[..HELP.len() - 1] {
            let name = name.split_whitespace().next().unwrap();
            assert!(matches!(Input::read(name), Input::Command(_)), "{name}");
        }
    }
}
