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
mod conversation;
pub(crate) mod digest;
mod manners;
mod models;
pub mod tokens;
mod usage;
mod validation;

use http::HeaderMap;
use serde_json::Value;

use self::conversation::Request;
pub use self::manners::{Compaction, Continuation, Manners, Moment, Refusal, ToolHabit, UnknownManner};
pub use self::models::{Model, ThinkingForms};
use crate::answer::{Answer, Block, Refused};

/// A mind; see the [module](self).
#[derive(Debug)]
pub struct Mind {
    seed: u64,
}

impl Mind {
    /// A mind that answers as this seed says.
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self { seed }
    }

    /// Whether the service would take this request.
    ///
    /// # Errors
    ///
    /// With status, type and message of the service where it would not.
    pub fn validate(&self, request: &Value, headers: &HeaderMap) -> Result<(), Refused> {
        validation::check(self.seed, request, headers)
    }

    /// The whole answer to a request. A request that [`Mind::validate`] would refuse is answered as well as may be.
    #[must_use]
    pub fn answer(&self, request: &Value, manners: &Manners) -> Answer {
        let request = Request::new(request);
        let model = Model::for_request(request.model());
        let turns = request.turns();
        let hash = conversation::fingerprint(self.seed, &turns);
        let mut answer = Answer::new(digest::id("msg_", hash), model.id);
        let text = author::write(hash, &turns, manners);
        let budget = request.max_tokens().unwrap_or(model.max_output);
        let text = if tokens::count(&text) > budget {
            "max_tokens".clone_into(&mut answer.stop_reason);
            text[..tokens::offset(&text, budget)].to_owned()
        } else {
            text
        };
        answer.usage.output_tokens = tokens::count(&text);
        answer.usage.input_tokens = usage::input_tokens(request);
        if !text.is_empty() {
            answer.blocks.push(Block::Text { text, citations: Vec::new() });
        }
        answer
    }

    /// The answer of `POST /v1/messages/count_tokens`: the same figure that usage would show without a cache.
    #[must_use]
    pub fn count_tokens(&self, request: &Value) -> u64 {
        usage::input_tokens(Request::new(request))
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
