//! Conversations with Claude in SQL: trees of turns, kept to the byte, searched, exported and imported.
//!
//! A [`Conversation`] is a tree of [`Turn`]s. A branch is a turn and the way back from it to the root; the branch that is shown ends at the
//! conversation's `head`. An answer that comes is a turn that runs: what has come of it is written again and again, and it ends once. The
//! terminal keeps its conversations in a file of SQLite, the gateway in one too or in PostgreSQL.
//!
//! # A question and its answer
//!
//! ```
//! use perennial_history::{Content, Ended, History, NewConversation, NewTurn, Query, State};
//!
//! # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
//! # runtime.block_on(async {
//! # let folder = tempfile::tempdir()?;
//! let history = History::open_file(folder.path().join("history.db")).await?;
//! // Every operation is about the conversations of one owner.
//! let conversations = history.of("local");
//! // What a process left behind that was killed while it wrote.
//! conversations.settle_lost().await?;
//!
//! let conversation = conversations.create(&NewConversation::with_model("claude-sonnet-5-5")).await?;
//! let question = NewTurn::user(Content::text("Why is the sky blue?"));
//! let answer = NewTurn::assistant("claude-sonnet-5-5");
//! let turns = conversations.append(&conversation.id, None, &[question, answer]).await?;
//!
//! // The answer comes: what there is of it is written a few times in a second.
//! let answer = &turns[1].id;
//! conversations.update(answer, &Content::text("Because of")).await?;
//! let mut ended = Ended::new(State::Completed);
//! ended.content = Some(Content::text("Because of Rayleigh scattering."));
//! ended.stop_reason = Some("end_turn".to_owned());
//! ended.cost = Some("0.000123".parse()?);
//! conversations.end(answer, &ended).await?;
//!
//! // The messages of the next request: the branch to go on with, from its root.
//! let conversation = conversations.get(&conversation.id).await?;
//! assert_eq!(conversation.title, "Why is the sky blue?");
//! let head = conversation.head.as_deref().unwrap_or_default();
//! let branch = conversations.path(head).await?;
//! assert_eq!(branch[1].content.visible_text(), "Because of Rayleigh scattering.");
//!
//! let found = conversations.search("rayleigh scat", &Query::default()).await?;
//! assert_eq!(found.data[0].conversation.id, conversation.id);
//! assert_eq!(found.data[0].snippet, "Because of Rayleigh scattering.");
//! history.close().await;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # })?;
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! A second answer to the same question is another turn behind the same parent; an edited question likewise. Both are
//! [`append`](Conversations::append), and the old branch stays.
//!
//! # What it promises
//!
//! - The content of a turn is given back byte for byte as it was written: a signature of a thinking block covers these bytes.
//! - A process that is killed loses no more of an answer than what it had not written yet. What it leaves running is found
//!   ([`History::running`]), and settled by the next one ([`Conversations::settle_lost`]).
//! - Several processes may use one file at once. A change is whole or is not; two changes of one conversation come one after the other, and
//!   each makes its `version` greater.
//! - Nobody sees the conversations of another owner, and no error says whether they are there.
//! - What is found by a search is what stands there: titles, and the visible text of turns that have ended (256 KiB of each).
#![forbid(unsafe_code)]

mod conversation;
mod document;
mod error;
mod history;
mod holder;
mod id;
mod json;
mod store;
mod turn;

pub use conversation::{Conversation, Hit, NewConversation, Page, Patch, Query};
pub use document::{Document, Exported, Imported};
pub use error::{Error, Result};
pub use history::{Conversations, History, Running};
pub use holder::Holder;
pub use json::{Content, Json, MAX_CONTENT_BYTES};
pub use rust_decimal::Decimal;
pub use turn::{Ended, InvalidWord, NewTurn, Role, State, Turn};
