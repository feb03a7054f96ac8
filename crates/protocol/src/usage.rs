//! Usage: what a message cost so far, in tokens. Every figure is a total.
//!
//! The figures in `message_delta` are totals too, not increments: [`Usage::update`] overwrites and never adds, and a null or a missing
//! figure never erases one (source: the official SDKs; `protocol.md` §1.6). Nothing here is estimated.

use crate::Raw;

open_struct! {
    /// Tokens by kind, as reported. `None` means that nothing was said, which is not zero.
    pub struct Usage {
        /// Input tokens that were neither read from nor written to the cache.
        pub input_tokens: Option<u64>,
        /// Output tokens, thinking included. A small placeholder in `message_start`; the last `message_delta` has the final figure.
        pub output_tokens: Option<u64>,
        /// Input tokens written to the cache.
        pub cache_creation_input_tokens: Option<u64>,
        /// Input tokens read from the cache.
        pub cache_read_input_tokens: Option<u64>,
        /// The cache writes by time to live; only in `message_start`.
        pub cache_creation: Option<CacheCreation>,
        /// Server tool calls; billed by the call.
        pub server_tool_use: Option<ServerToolUsage>,
        /// `standard`, `priority` or `batch`.
        pub service_tier: Option<String>,
        /// `standard` or `fast`.
        pub speed: Option<String>,
        /// Where the inference ran.
        pub inference_geo: Option<String>,
        /// What the output tokens consist of.
        pub output_tokens_details: Option<OutputTokensDetails>,
        /// The sampling rounds (beta). Tokens of compaction and advisor rounds are in here only, not in the totals.
        pub iterations: Option<Vec<Raw>>,
        /// Credit for a fallback (beta).
        pub fallback_credit: Option<Raw>,
    }
}

open_struct! {
    /// Cache writes by time to live, in tokens.
    pub struct CacheCreation {
        /// Tokens kept for five minutes.
        pub ephemeral_5m_input_tokens: u64,
        /// Tokens kept for one hour.
        pub ephemeral_1h_input_tokens: u64,
    }
}

open_struct! {
    /// Calls of server tools.
    pub struct ServerToolUsage {
        /// Web searches.
        pub web_search_requests: u64,
        /// Web fetches.
        pub web_fetch_requests: u64,
    }
}

open_struct! {
    /// What the output tokens consist of.
    pub struct OutputTokensDetails {
        /// Tokens of thinking; part of `output_tokens`.
        pub thinking_tokens: Option<u64>,
    }
}

impl Usage {
    /// Takes over what `newer` says: a figure overwrites, a null or absent one leaves what was known.
    pub fn update(&mut self, newer: &Self) {
        macro_rules! overwrite {
            ($($field:ident),*) => { $(
                if newer.$field.is_some() {
                    self.$field.clone_from(&newer.$field);
                }
            )* };
        }
        overwrite!(
            input_tokens,
            output_tokens,
            cache_creation_input_tokens,
            cache_read_input_tokens,
            cache_creation,
            server_tool_use,
            service_tier,
            speed,
            inference_geo,
            output_tokens_details,
            iterations,
            fallback_credit
        );
        self.rest.add(&newer.rest);
    }

    /// Adds what another attempt for the same answer used: figures of different messages add up, as those of one message never do.
    /// What is no figure is taken from the later one.
    pub fn add(&mut self, later: &Self) {
        macro_rules! add {
            ($($field:ident),*) => { $(
                if let Some(more) = later.$field {
                    *self.$field.get_or_insert(0) += more;
                }
            )* };
        }
        let before = self.clone();
        self.update(later);
        self.input_tokens = before.input_tokens;
        self.output_tokens = before.output_tokens;
        self.cache_creation_input_tokens = before.cache_creation_input_tokens;
        self.cache_read_input_tokens = before.cache_read_input_tokens;
        add!(input_tokens, output_tokens, cache_creation_input_tokens, cache_read_input_tokens);
        if let (Some(sum), Some(earlier)) = (&mut self.cache_creation, &before.cache_creation)
            && later.cache_creation.is_some()
        {
            sum.ephemeral_5m_input_tokens += earlier.ephemeral_5m_input_tokens;
            sum.ephemeral_1h_input_tokens += earlier.ephemeral_1h_input_tokens;
        }
        if let (Some(sum), Some(earlier)) = (&mut self.server_tool_use, &before.server_tool_use)
            && later.server_tool_use.is_some()
        {
            sum.web_search_requests += earlier.web_search_requests;
            sum.web_fetch_requests += earlier.web_fetch_requests;
        }
        if let (Some(sum), Some(earlier)) = (&mut self.output_tokens_details, &before.output_tokens_details)
            && later.output_tokens_details.is_some()
            && let Some(tokens) = earlier.thinking_tokens
        {
            *sum.thinking_tokens.get_or_insert(0) += tokens;
        }
    }

    /// All input tokens: fresh, written to and read from the cache.
    #[must_use]
    pub fn total_input_tokens(&self) -> u64 {
        self.input_tokens.unwrap_or(0)
            + self.cache_creation_input_tokens.unwrap_or(0)
            + self.cache_read_input_tokens.unwrap_or(0)
    }
}
