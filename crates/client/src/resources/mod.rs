//! What the API has beside streams: counts of tokens, models, message batches.

mod batch;
mod batch_results;
mod batches;
mod call;
mod lines;
mod models;
mod page;
mod received;
mod token_count;

pub use batch::{Batch, BatchOutcome, BatchResult, BatchStatus, RequestCounts};
pub use batch_results::BatchResults;
pub use batches::Batches;
pub use lines::MaxLineBytes;
pub use models::{ModelInfo, Models};
pub use page::{Page, PageRequest};
pub use token_count::TokenCount;
