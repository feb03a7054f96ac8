//! Tokens by kind, as they are billed.

use std::ops::{Add, AddAssign};

use perennial_protocol::Usage;
use serde::{Deserialize, Serialize};

/// What one or many attempts used, each kind counted apart. Thinking is a part of `output`, everything else is apart.
///
/// ```
/// use perennial_ledger::Tokens;
///
/// let tokens = Tokens { input: 10, cache_read: 500, output: 20, thinking: 5, ..Tokens::default() };
/// assert_eq!(tokens.prompt(), 510);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tokens {
    /// Input that was neither read from nor written to a cache.
    pub input: u64,
    /// Input written to the cache for five minutes.
    pub cache_write_5m: u64,
    /// Input written to the cache for an hour.
    pub cache_write_1h: u64,
    /// Input read from the cache.
    pub cache_read: u64,
    /// Output, thinking included.
    pub output: u64,
    /// Thinking: the part of `output` that is told to be it.
    pub thinking: u64,
    /// Web searches by the service. Calls, not tokens.
    pub web_searches: u64,
    /// Web fetches by the service. Calls, not tokens.
    pub web_fetches: u64,
}

/// Usage as it is billed: who answered with how much.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Bill {
    /// What the model of the message used.
    pub(crate) own: Tokens,
    /// What other models used on its behalf, by name; `None` where the model is not named.
    pub(crate) others: Vec<(Option<String>, Tokens)>,
    /// Whether all of it was said: not where a cache write came without its time to live.
    pub(crate) is_whole: bool,
}

#[derive(Deserialize)]
struct Iteration {
    #[serde(rename = "type")]
    kind: String,
    model: Option<String>,
    #[serde(flatten)]
    usage: IterationUsage,
}

#[derive(Deserialize)]
struct IterationUsage {
    input_tokens: Option<u64>,
    output_tokens: Option<u64>,
    cache_creation_input_tokens: Option<u64>,
    cache_read_input_tokens: Option<u64>,
    cache_creation: Option<Split>,
}

#[derive(Clone, Copy, Default, Deserialize)]
struct Split {
    #[serde(default)]
    ephemeral_5m_input_tokens: u64,
    #[serde(default)]
    ephemeral_1h_input_tokens: u64,
}

impl Tokens {
    /// What `usage` says, rounds that its totals leave out included (compaction, advisors). What is not said counts as nothing.
    #[must_use]
    pub fn of(usage: &Usage) -> Self {
        let bill = Bill::of(usage);
        bill.others.iter().fold(bill.own, |sum, (_, tokens)| sum + *tokens)
    }

    /// All input: fresh, written to and read from the cache.
    #[must_use]
    pub fn prompt(&self) -> u64 {
        self.input
            .saturating_add(self.cache_write_5m)
            .saturating_add(self.cache_write_1h)
            .saturating_add(self.cache_read)
    }

    /// Input that counts towards a rate: what is read from the cache does not, as with the service.
    pub(crate) fn fresh_input(&self) -> u64 {
        self.prompt() - self.cache_read
    }
}

impl Add for Tokens {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self {
            input: self.input.saturating_add(other.input),
            cache_write_5m: self.cache_write_5m.saturating_add(other.cache_write_5m),
            cache_write_1h: self.cache_write_1h.saturating_add(other.cache_write_1h),
            cache_read: self.cache_read.saturating_add(other.cache_read),
            output: self.output.saturating_add(other.output),
            thinking: self.thinking.saturating_add(other.thinking),
            web_searches: self.web_searches.saturating_add(other.web_searches),
            web_fetches: self.web_fetches.saturating_add(other.web_fetches),
        }
    }
}

impl AddAssign for Tokens {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl Bill {
    pub(crate) fn of(usage: &Usage) -> Self {
        let split = usage.cache_creation.as_ref().map(|split| Split {
            ephemeral_5m_input_tokens: split.ephemeral_5m_input_tokens,
            ephemeral_1h_input_tokens: split.ephemeral_1h_input_tokens,
        });
        let (write_5m, write_1h, mut is_whole) = written(usage.cache_creation_input_tokens, split);
        let calls = usage.server_tool_use.as_ref();
        let own = Tokens {
            input: usage.input_tokens.unwrap_or(0),
            cache_write_5m: write_5m,
            cache_write_1h: write_1h,
            cache_read: usage.cache_read_input_tokens.unwrap_or(0),
            output: usage.output_tokens.unwrap_or(0),
            thinking: usage.output_tokens_details.as_ref().and_then(|of| of.thinking_tokens).unwrap_or(0),
            web_searches: calls.map_or(0, |calls| calls.web_search_requests),
            web_fetches: calls.map_or(0, |calls| calls.web_fetch_requests),
        };
        let mut bill = Self { own, others: Vec::new(), is_whole: true };
        for raw in usage.iterations.iter().flatten() {
            match serde_json::from_str::<Iteration>(raw.get()) {
                // The totals are the sum of these.
                Ok(round) if round.kind == "message" => {}
                Ok(round) => {
                    let (tokens, whole) = round.usage.tokens();
                    is_whole &= whole;
                    if round.kind == "compaction" && round.model.is_none() {
                        bill.own += tokens;
                    } else {
                        bill.others.push((round.model, tokens));
                    }
                }
                Err(_) => bill.others.push((None, Tokens::default())),
            }
        }
        bill.is_whole = is_whole;
        bill
    }
}

impl IterationUsage {
    fn tokens(&self) -> (Tokens, bool) {
        let (cache_write_5m, cache_write_1h, is_whole) =
            written(self.cache_creation_input_tokens, self.cache_creation);
        let tokens = Tokens {
            input: self.input_tokens.unwrap_or(0),
            cache_write_5m,
            cache_write_1h,
            cache_read: self.cache_read_input_tokens.unwrap_or(0),
            output: self.output_tokens.unwrap_or(0),
            ..Tokens::default()
        };
        (tokens, is_whole)
    }
}

/// Cache writes by time to live, and whether that is what was said: the split comes once, at the start, and the total may grow after it. The
/// rest is taken for five minutes, the service's own default.
fn written(total: Option<u64>, split: Option<Split>) -> (u64, u64, bool) {
    let split = split.unwrap_or_default();
    let told = split.ephemeral_5m_input_tokens.saturating_add(split.ephemeral_1h_input_tokens);
    let rest = total.unwrap_or(told).saturating_sub(told);
    (split.ephemeral_5m_input_tokens.saturating_add(rest), split.ephemeral_1h_input_tokens, rest == 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(json: &str) -> Bill {
        Bill::of(&serde_json::from_str(json).unwrap())
    }

    #[test]
    fn usage_is_read_by_kind() {
        let bill = bill(
            r#"{"input_tokens":3,"output_tokens":9,"cache_creation_input_tokens":30,"cache_read_input_tokens":7,
                "cache_creation":{"ephemeral_5m_input_tokens":10,"ephemeral_1h_input_tokens":20},
                "server_tool_use":{"web_search_requests":2,"web_fetch_requests":1},"output_tokens_details":{"thinking_tokens":4}}"#,
        );
        let tokens = Tokens {
            input: 3,
            cache_write_5m: 10,
            cache_write_1h: 20,
            cache_read: 7,
            output: 9,
            thinking: 4,
            web_searches: 2,
            web_fetches: 1,
        };
        assert_eq!(bill, Bill { own: tokens, others: Vec::new(), is_whole: true });
    }

    #[test]
    fn a_cache_write_without_its_time_to_live_says_so() {
        let bill = bill(
            r#"{"cache_creation_input_tokens":30,"cache_creation":{"ephemeral_5m_input_tokens":0,"ephemeral_1h_input_tokens":20}}"#,
        );
        assert_eq!((bill.own.cache_write_5m, bill.own.cache_write_1h, bill.is_whole), (10, 20, false));
    }

    #[test]
    fn rounds_that_the_totals_leave_out_are_counted() {
        let usage = r#"{"input_tokens":4727,"output_tokens":3391,"iterations":[
            {"type":"message","input_tokens":1051,"output_tokens":35},
            {"type":"compaction","input_tokens":100,"output_tokens":83,"cache_read_input_tokens":55096},
            {"type":"advisor_message","model":"claude-opus-4-7","input_tokens":2728,"output_tokens":3880},
            {"type":"message","input_tokens":3676,"output_tokens":3356}]}"#;
        let bill = bill(usage);
        assert_eq!((bill.own.input, bill.own.output, bill.own.cache_read), (4827, 3474, 55096));
        let advisor = Tokens { input: 2728, output: 3880, ..Tokens::default() };
        assert_eq!(bill.others, [(Some("claude-opus-4-7".to_owned()), advisor)]);
        assert_eq!(Tokens::of(&serde_json::from_str(usage).unwrap()).output, 3474 + 3880);
    }
}
