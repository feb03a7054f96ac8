//! What the API has beside messages: counts of tokens, models, message batches, and the streams of a gateway.

mod batch;
mod batch_results;
mod batches;
mod call;
mod lines;
mod models;
mod page;
mod received;
mod stream_info;
mod streams;
mod token_count;

pub use batch::{Batch, BatchOutcome, BatchResult, BatchStatus, RequestCounts};
pub use batch_results::BatchResults;
pub use batches::Batches;
pub use lines::MaxLineBytes;
pub use models::{ModelInfo, Models};
pub use page::{Page, PageRequest};
pub use stream_info::{LinkScope, StreamInfo, StreamLink, StreamMessage, StreamOutcome, StreamState};
pub use streams::Streams;
pub use token_count::TokenCount;
