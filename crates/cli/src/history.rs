//! The terminal's own conversations: in which file they are, and whether anything is written there.

use std::path::PathBuf;

use perennial_history::{Conversations, Error, History};

use crate::exit::{Exit, Failure};
use crate::store;

/// Whose conversations they are, in a database that could have those of others too.
const OWNER: &str = "terminal";

/// Names another file. Empty: there is no history.
pub(crate) const VARIABLE: &str = "PERENNIAL_HISTORY";

/// Where the conversations are.
#[derive(Clone, Debug)]
pub(crate) struct Place {
    /// `None`: this run has none.
    file: Option<PathBuf>,
}

/// The opened history.
#[derive(Debug)]
pub(crate) struct Opened {
    history: History,
    /// The conversations of this terminal.
    pub(crate) conversations: Conversations,
}

impl Place {
    /// What the environment names, else a file in the system's folder for data.
    pub(crate) fn find() -> Result<Self, Failure> {
        let file = match std::env::var_os(VARIABLE) {
            Some(file) if file.is_empty() => None,
            Some(file) => Some(PathBuf::from(file)),
            None => Some(store::folder(None)?.join(store::HISTORY)),
        };
        Ok(Self { file })
    }

    pub(crate) fn file(&self) -> Result<&PathBuf, Failure> {
        self.file.as_ref().ok_or_else(|| {
            Failure::new(Exit::Configuration, format!("there is no history: {VARIABLE} is empty"))
        })
    }

    /// Whether conversations are to be written.
    pub(crate) fn is_on(&self) -> bool {
        self.file.is_some() && self.mark().is_ok_and(|mark| !mark.exists())
    }

    /// From now on conversations are written, or are not. What is there stays.
    pub(crate) fn switch(&self, on: bool) -> Result<(), Failure> {
        let mark = self.mark()?;
        let done = if on {
            std::fs::remove_file(&mark)
        } else {
            let folder = mark.parent().map_or(Ok(()), store::make_private);
            folder.and_then(|()| std::fs::write(&mark, ""))
        };
        match done {
            Err(error) if on && error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            done => done.map_err(|error| {
                Failure::new(Exit::Configuration, format!("{} cannot be changed: {error}", mark.display()))
            }),
        }
    }

    /// Opens it, made if it is not there. What an earlier process left in the middle is interrupted from then on.
    pub(crate) async fn open(&self) -> Result<Opened, Failure> {
        let opened = async {
            let history = History::open_file(self.file()?).await.map_err(|error| failure(&error))?;
            let conversations = history.of(OWNER);
            conversations.settle_lost().await.map_err(|error| failure(&error))?;
            Ok(Opened { history, conversations })
        };
        opened.await
    }

    /// The file that says that nothing is written.
    fn mark(&self) -> Result<PathBuf, Failure> {
        let mut name = self.file()?.clone().into_os_string();
        name.push("-off");
        Ok(name.into())
    }
}

impl Opened {
    /// One that is forgotten with this process.
    pub(crate) async fn in_memory() -> Result<Self, Failure> {
        let history = History::open("sqlite::memory:").await.map_err(|error| failure(&error))?;
        Ok(Self { conversations: history.of(OWNER), history })
    }

    pub(crate) async fn close(self) {
        self.history.close().await;
    }
}

/// A failure of the history.
pub(crate) fn failure(error: &Error) -> Failure {
    let exit = if error.is_invalid() || error.is_not_found() || error.is_conflict() {
        Exit::Usage
    } else {
        Exit::Configuration
    };
    Failure::new(exit, error)
}
