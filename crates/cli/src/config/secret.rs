//! Secrets: literal, or where they are. Never shown.

use std::fmt;
use std::path::{Path, PathBuf};

use super::wrong::Wrong;

/// A secret, or where it is: `env:NAME` or `file:PATH`. Looked up when it is needed, so that a file may be changed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    from: From,
    /// The setting, and where it was made, for errors.
    at: String,
}

#[derive(Clone, PartialEq, Eq)]
enum From {
    Literal(String),
    Env(String),
    File(PathBuf),
}

impl Secret {
    /// From the text of a setting; files are looked for in `folder`. `None` where nothing is named.
    pub(crate) fn read(text: &str, folder: &Path, at: &str) -> Option<Self> {
        let text = text.trim();
        let from = match (text.strip_prefix("env:"), text.strip_prefix("file:")) {
            (Some(name), _) => From::Env(name.trim().to_owned()),
            (_, Some(file)) => From::File(folder.join(file.trim())),
            _ => From::Literal(text.to_owned()),
        };
        let is_empty = matches!(text.split_once(':'), Some(("env" | "file", name)) if name.trim().is_empty());
        (!text.is_empty() && !is_empty).then(|| Self { from, at: at.to_owned() })
    }

    /// What it is.
    pub(crate) fn reveal(&self) -> Result<String, Wrong> {
        let wrong = |what: String| Wrong::new(&self.at, what);
        let text = match &self.from {
            From::Literal(text) => return Ok(text.clone()),
            From::Env(name) => std::env::var(name)
                .map_err(|_| wrong(format!("the environment has no variable {name} that is text")))?,
            From::File(file) => std::fs::read_to_string(file)
                .map_err(|error| wrong(format!("{} cannot be read: {error}", file.display())))?,
        };
        match text.trim() {
            "" => Err(wrong("there is nothing in what it names".to_owned())),
            text => Ok(text.to_owned()),
        }
    }

    /// Whether it is what this variable of the environment holds.
    pub(crate) fn is_variable(&self, name: &str) -> bool {
        matches!(&self.from, From::Env(own) if own == name)
    }

    /// The same, as a key that can be sent.
    pub(crate) fn key(&self) -> Result<perennial_gateway::Key, Wrong> {
        perennial_gateway::Key::new(&self.reveal()?)
            .ok_or_else(|| Wrong::new(&self.at, "it holds something that cannot be sent as a key".to_owned()))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_is_where_it_says_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("key"), "sk-of-a-file\n").unwrap();
        std::fs::write(folder.path().join("empty"), "\n").unwrap();
        let read = |text| Secret::read(text, folder.path(), "it").unwrap();
        assert_eq!(read("sk-literal").reveal().unwrap(), "sk-literal");
        assert_eq!(read("file:key").reveal().unwrap(), "sk-of-a-file");
        assert_eq!(read("env:PATH").reveal().unwrap(), std::env::var("PATH").unwrap().trim());
        assert!(!format!("{:?}", read("sk-literal")).contains("sk-"));
        for (wrong, part) in [
            ("env:NO_SUCH_VARIABLE", "NO_SUCH_VARIABLE"),
            ("file:nowhere", "nowhere"),
            ("file:empty", "nothing"),
        ] {
            let error = read(wrong).reveal().unwrap_err().to_string();
            assert!(error.starts_with("it: ") && error.contains(part), "{error}");
        }
        let error = read("sk-with\u{7}bell").key().unwrap_err().to_string();
        assert!(!error.contains("bell"), "{error}");
        for nothing in ["", " ", "env:", "file: "] {
            assert!(Secret::read(nothing, folder.path(), "it").is_none(), "{nothing}");
        }
    }
}
