//! The mind of the simulator: what a Claude would say to a request, and what it would refuse.
//!
//! Pure: no I/O, no clock (the time comes in with [`Manners::at`]), and the same seed and request give the same answer.
//! The one thing it remembers is which prompts it has cached, because usage figures depend on that.
//!
//! ```
//! use perennial_sim::mind::{Manners, Mind};
//!
//! let mind = Mind::new(7);
//! let request = serde_json::json!({
//!     "model": "claude-opus-5-5", "max_tokens": 100,
//!     "messages": [{"role": "user", "content": "Say hello"}],
//! });
//! let answer = mind.answer(&request, &Manners::default());
//! assert_eq!(answer.stop_reason, "end_turn");
//! ```

mod author;
mod cache;
mod citations;
mod compose;
mod continuation;
mod conversation;
pub(crate) mod digest;
mod facts;
mod limits;
mod manners;
mod models;
mod plan;
mod schema;
mod server_tools;
mod thinking;
pub use perennial_tokens as tokens;
mod tools;
mod usage;
mod validation;

#[cfg(test)]
mod tests;

use http::HeaderMap;
use jiff::Timestamp;
use parking_lot::Mutex;
use serde_json::Value;

use self::cache::PromptCache;
use self::compose::Composer;
use self::conversation::Request;
pub use self::manners::{Compaction, Continuation, Manners, Moment, Refusal, ToolHabit, UnknownManner};
pub use self::models::{Model, ThinkingForms};
use crate::answer::{Answer, Block, Refused};

/// A mind; see the [module](self).
#[derive(Debug)]
pub struct Mind {
    seed: u64,
    /// What [`Manners::at`] counts from.
    since: Timestamp,
    cache: Mutex<PromptCache>,
}

impl Mind {
    /// A mind that answers as this seed says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed, since: Timestamp::UNIX_EPOCH, cache: Mutex::default() }
    }

    /// The moment that [`Manners::at`] counts from, for the dates in answers. Without it they are counted from 1970.
    #[must_use]
    pub fn since(mut self, moment: Timestamp) -> Self {
        self.since = moment;
        self
    }

    /// Whether the service would take this request.
    ///
    /// # Errors
    ///
    /// With status, type and message of the service where it would not.
    pub fn validate(&self, request: &Value, headers: &HeaderMap) -> Result<(), Refused> {
        validation::check(self.seed, request, headers)
    }

    /// Whether `POST /v1/messages/count_tokens` would take this request.
    ///
    /// # Errors
    ///
    /// As [`Mind::validate`].
    pub fn validate_count(&self, request: &Value, headers: &HeaderMap) -> Result<(), Refused> {
        validation::check_count(self.seed, request, headers)
    }

    /// Whether `POST /v1/messages/batches` would take this body. The requests in it are not looked into: the service
    /// accepts the batch and reports their errors one by one, when they run.
    ///
    /// # Errors
    ///
    /// As [`Mind::validate`].
    pub fn validate_batch(&self, body: &Value, headers: &HeaderMap) -> Result<(), Refused> {
        validation::check_batch(body, headers)
    }

    /// The whole answer to a request. A request that [`Mind::validate`] would refuse is answered as well as may be.
    #[must_use]
    pub fn answer(&self, request: &Value, manners: &Manners) -> Answer {
        let request = Request::new(request);
        let model = Model::for_request(request.model());
        let usage = self.cache.lock().charge(model, request, manners.at);
        self.composer(request, model, manners).compose(usage)
    }

    /// Signs the thinking among `blocks` as part of an answer to `request`, so that it can be sent back.
    pub(crate) fn sign(&self, request: &Value, blocks: &mut [Block]) {
        let request = Request::new(request);
        let model = Model::for_request(request.model());
        self.composer(request, model, &Manners::default()).sign(blocks);
    }

    fn composer<'a>(
        &self,
        request: Request<'a>,
        model: &'static Model,
        manners: &'a Manners,
    ) -> Composer<'a> {
        Composer { seed: self.seed, since: self.since, request, model, manners }
    }

    /// The answer of `POST /v1/messages/count_tokens`: the same figure that usage would show without a cache.
    #[must_use]
    pub fn count_tokens(&self, request: &Value) -> u64 {
        let request = Request::new(request);
        cache::prompt_tokens(Model::for_request(request.model()), request)
    }

    /// The entries of `GET /v1/models`, newest first.
    #[must_use]
    pub fn models(&self) -> Vec<Value> {
        Model::all().iter().map(Model::to_json).collect()
    }

    /// The entry of one model, by id or alias.
    #[must_use]
    pub fn model(&self, name: &str) -> Option<Value> {
        Model::find(name).map(Model::to_json)
    }
}
