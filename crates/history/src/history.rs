//! The history: the one handle on a database, and what belongs to nobody in particular.

use std::path::Path;
use std::sync::Arc;

use crate::error::Result;
use crate::holder::Holder;
use crate::store::Store;
use crate::turn::{Ended, State, Turn};

/// Where conversations are kept. See the [crate documentation](crate).
///
/// It is cheap to clone: clones are the same history.
#[derive(Clone, Debug)]
pub struct History {
    pub(crate) store: Store,
}

/// The conversations of one owner; every operation sees these only.
///
/// It is cheap to clone.
#[derive(Clone, Debug)]
pub struct Conversations {
    pub(crate) store: Store,
    pub(crate) owner: Arc<str>,
}

/// A turn that has not ended, or behind which something is still to [follow](Conversations::follow).
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct Running {
    /// Whose conversation it is in.
    pub owner: String,
    /// The turn.
    pub turn: Turn,
    /// Who writes it, or what follows.
    pub holder: Holder,
}

impl History {
    /// Opens `sqlite:FILE` (made if it is not there), `sqlite::memory:` or `postgres://USER:PASSWORD@HOST/DATABASE`.
    ///
    /// A file is for its owner only (mode 600), and so is its folder, if it is made here (700). Several processes may have it open.
    ///
    /// # Errors
    /// [`is_invalid`](crate::Error::is_invalid): the address is none, or a later version made the tables.
    /// [`is_database`](crate::Error::is_database): the database cannot be reached, or its tables cannot be made.
    pub async fn open(url: &str) -> Result<Self> {
        Ok(Self { store: Store::open(url).await? })
    }

    /// Opens a file of SQLite, made if it is not there.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    pub async fn open_file(path: impl AsRef<Path>) -> Result<Self> {
        Ok(Self { store: Store::open_file(path.as_ref()).await? })
    }

    /// Says at which place this process is: any word of which it is certain that no two processes have it at a time, and that the next one has it again, such as
    /// the identity of a folder that is locked. Then the next one knows what [the one before it](Holder::Before) left, also in a database that several machines
    /// share, where nothing else tells whether a process is gone.
    #[must_use]
    pub fn at(mut self, place: &str) -> Self {
        self.store.holders = self.store.holders.at(place);
        self
    }

    /// The conversations of one owner, a word that the caller chooses.
    #[must_use]
    pub fn of(&self, owner: &str) -> Conversations {
        Conversations { store: self.store.clone(), owner: owner.into() }
    }

    /// All turns that run or wait to, and those that ended and owe what [follows](Conversations::follow), of all owners, the oldest first, and who
    /// writes them.
    ///
    /// Where a gateway keeps the streams, its log knows what became of those whose holder is gone.
    ///
    /// # Errors
    /// [`is_database`](crate::Error::is_database).
    pub async fn running(&self) -> Result<Vec<Running>> {
        self.store.running().await
    }

    /// Ends all connections. What was written is written.
    pub async fn close(&self) {
        self.store.close().await;
    }
}

impl Conversations {
    /// Whose they are.
    #[must_use]
    pub fn owner(&self) -> &str {
        &self.owner
    }

    /// Ends those turns as interrupted whose process is gone, with what was written of them last. Gives those that it ended.
    ///
    /// Where a gateway keeps the streams, ask its log instead ([`History::running`]): the answer may have gone on.
    ///
    /// # Errors
    /// [`is_database`](crate::Error::is_database).
    pub async fn settle_lost(&self) -> Result<Vec<Turn>> {
        let mut settled = Vec::new();
        for lost in self.store.running().await? {
            if lost.holder.is_gone() && lost.owner == *self.owner && !lost.turn.state.is_end() {
                match self.end(&lost.turn.id, &Ended::new(State::Interrupted)).await {
                    Ok(turn) => settled.push(turn),
                    // Its conversation was deleted meanwhile.
                    Err(error) if error.is_not_found() => {}
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(settled)
    }
}
