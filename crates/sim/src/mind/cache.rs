//! The prompt cache, as it shows in usage.
//!
//! A prompt is a list of blocks: tools, system, messages. A mark (`cache_control`) on a block asks that everything up to
//! it be kept; a later prompt that begins the same reads it instead. What is kept here is only hashes and when they end.

use std::collections::HashMap;
use std::time::Duration;

use serde_json::Value;

use super::conversation::Request;
use super::digest;
use super::models::Model;
use super::usage;
use crate::answer::Usage;

/// How many prefixes are remembered; the ones that end first give way.
const MOST_ENTRIES: usize = 8192;
/// How many blocks before a mark are tried for a shorter prefix that was kept before.
const LOOKBACK: usize = 20;
const FIVE_MINUTES: Duration = Duration::from_secs(300);
const HOUR: Duration = Duration::from_secs(3600);

/// The prefixes that were kept, and until when.
#[derive(Debug, Default)]
pub(super) struct PromptCache {
    entries: HashMap<u64, Entry>,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    until: Duration,
    lifetime: Duration,
}

/// One block of a prompt.
#[derive(Debug, Clone, Copy)]
struct Segment {
    /// Of everything up to here.
    hash: u64,
    /// Of everything up to here.
    tokens: u64,
    mark: Option<Duration>,
}

impl PromptCache {
    /// Looks a prompt up, keeps what it asks to keep, and says what it costs.
    pub(super) fn charge(&mut self, model: &Model, request: Request<'_>, now: Duration) -> Usage {
        let segments = segments(model, request);
        let total = segments.last().map_or(0, |last| last.tokens);
        let mut usage = Usage { input_tokens: total, ..Usage::default() };
        let marks: Vec<usize> = (0..segments.len())
            .filter(|at| segments[*at].mark.is_some() && segments[*at].tokens >= model.cache_minimum)
            .collect();
        let Some(&last) = marks.last() else { return usage };
        let hit = marks.iter().rev().find_map(|mark| {
            (mark.saturating_sub(LOOKBACK)..=*mark).rev().find(|at| self.is_fresh(segments[*at].hash, now))
        });
        let mut paid = 0;
        if let Some(at) = hit {
            paid = segments[at].tokens;
            usage.cache_read = paid;
            if let Some(entry) = self.entries.get_mut(&segments[at].hash) {
                entry.until = now + entry.lifetime;
            }
        }
        for mark in marks {
            let segment = segments[mark];
            let lifetime = segment.mark.unwrap_or(FIVE_MINUTES);
            let new = segment.tokens.saturating_sub(paid);
            paid = paid.max(segment.tokens);
            if lifetime == HOUR {
                usage.cache_creation_1h += new;
            } else {
                usage.cache_creation_5m += new;
            }
            self.keep(segment.hash, lifetime, now);
        }
        usage.input_tokens = total - segments[last].tokens.max(usage.cache_read);
        usage
    }

    fn is_fresh(&self, hash: u64, now: Duration) -> bool {
        self.entries.get(&hash).is_some_and(|entry| entry.until > now)
    }

    fn keep(&mut self, hash: u64, lifetime: Duration, now: Duration) {
        if self.entries.len() >= MOST_ENTRIES && !self.entries.contains_key(&hash) {
            self.entries.retain(|_, entry| entry.until > now);
            if self.entries.len() >= MOST_ENTRIES {
                // A quarter at once, so that the work per request stays constant on average.
                let mut ends: Vec<_> = self.entries.values().map(|entry| entry.until).collect();
                let (_, border, _) = ends.select_nth_unstable(MOST_ENTRIES / 4);
                let border = *border;
                self.entries.retain(|_, entry| entry.until > border);
            }
        }
        self.entries.insert(hash, Entry { until: now + lifetime, lifetime });
    }
}

/// The tokens of the whole prompt.
pub(super) fn prompt_tokens(model: &Model, request: Request<'_>) -> u64 {
    segments(model, request).last().map_or(0, |last| last.tokens)
}

fn segments(model: &Model, request: Request<'_>) -> Vec<Segment> {
    let mut all = Segments { list: Vec::new(), hash: digest::of(0, &["cache", model.id]), tokens: 0 };
    for (at, tool) in request.list("tools").iter().enumerate() {
        let preamble = if at == 0 { usage::TOOL_PREAMBLE } else { 0 };
        all.push("tool", tool, preamble + usage::tool(tool));
    }
    if let Some(system) = request.get("system") {
        all.content("system", system, 0);
    }
    for message in request.list("messages") {
        all.content(message["role"].as_str().unwrap_or_default(), &message["content"], usage::PER_MESSAGE);
    }
    if let (Some(lifetime), Some(last)) =
        (request.get("cache_control").and_then(lifetime), all.list.last_mut())
    {
        last.mark = last.mark.or(Some(lifetime));
    }
    all.list
}

struct Segments {
    list: Vec<Segment>,
    hash: u64,
    tokens: u64,
}

impl Segments {
    fn push(&mut self, role: &str, block: &Value, tokens: u64) {
        let mark = block.get("cache_control").and_then(lifetime);
        let text = match block.as_object().filter(|_| mark.is_some()) {
            // A mark is no part of what it marks: the next prompt has it elsewhere.
            Some(fields) => {
                let mut fields = fields.clone();
                fields.shift_remove("cache_control");
                Value::Object(fields).to_string()
            }
            None => block.to_string(),
        };
        self.hash = digest::of(self.hash, &[role, &text]);
        self.tokens += tokens;
        self.list.push(Segment { hash: self.hash, tokens: self.tokens, mark });
    }

    fn content(&mut self, role: &str, content: &Value, overhead: u64) {
        match content {
            Value::String(text) => {
                let block = serde_json::json!({"type": "text", "text": text});
                self.push(role, &block, overhead + usage::block(&block));
            }
            Value::Array(blocks) => {
                for (at, block) in blocks.iter().enumerate() {
                    self.push(role, block, if at == 0 { overhead } else { 0 } + usage::block(block));
                }
            }
            _ => {}
        }
    }
}

fn lifetime(cache_control: &Value) -> Option<Duration> {
    match (cache_control["type"].as_str(), cache_control["ttl"].as_str()) {
        (Some("ephemeral"), Some("1h")) => Some(HOUR),
        (Some("ephemeral"), _) => Some(FIVE_MINUTES),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn charge(cache: &mut PromptCache, request: &Value, seconds: u64) -> (u64, u64, u64, u64) {
        let model = Model::find("claude-opus-5-5").unwrap();
        let usage = cache.charge(model, Request::new(request), Duration::from_secs(seconds));
        let all = usage.input_tokens + usage.cache_read + usage.cache_creation_5m + usage.cache_creation_1h;
        assert_eq!(all, prompt_tokens(model, Request::new(request)));
        (usage.input_tokens, usage.cache_creation_5m, usage.cache_creation_1h, usage.cache_read)
    }

    fn request(system: usize, cache_control: &Value, question: &str) -> Value {
        json!({"system": [{"type": "text", "text": "word ".repeat(system), "cache_control": cache_control}],
               "messages": [{"role": "user", "content": question}]})
    }

    #[test]
    fn a_prefix_is_written_once_and_read_while_it_lives() {
        let mut cache = PromptCache::default();
        let mark = json!({"type": "ephemeral"});
        let (input, written, _, read) = charge(&mut cache, &request(2000, &mark, "one"), 0);
        assert!(written >= 2000 && input < 20 && read == 0);
        assert_eq!(charge(&mut cache, &request(2000, &mark, "two"), 200), (input, 0, 0, written));
        // Reading made it young again.
        assert_eq!(charge(&mut cache, &request(2000, &mark, "two"), 450), (input, 0, 0, written));
        assert_eq!(charge(&mut cache, &request(2000, &mark, "two"), 900), (input, written, 0, 0));
        let (_, _, hour, read) =
            charge(&mut cache, &request(2001, &json!({"type": "ephemeral", "ttl": "1h"}), "x"), 900);
        assert!(hour > 0 && read == 0);
    }

    #[test]
    fn short_or_unmarked_prompts_are_not_kept() {
        let mut cache = PromptCache::default();
        for _ in 0..2 {
            let (_, written, hour, read) =
                charge(&mut cache, &request(500, &json!({"type": "ephemeral"}), "one"), 0);
            assert_eq!((written, hour, read), (0, 0, 0));
            let (_, written, hour, read) = charge(&mut cache, &request(2000, &Value::Null, "one"), 0);
            assert_eq!((written, hour, read), (0, 0, 0));
        }
    }

    #[test]
    fn a_growing_conversation_reads_what_the_turn_before_wrote() {
        let mut cache = PromptCache::default();
        let long = "word ".repeat(1500);
        let first =
            json!({"cache_control": {"type": "ephemeral"}, "messages": [{"role": "user", "content": long}]});
        let (input, written, _, read) = charge(&mut cache, &first, 0);
        assert_eq!((input, read), (0, 0));
        let second = json!({"cache_control": {"type": "ephemeral"}, "messages": [{"role": "user", "content": long},
            {"role": "assistant", "content": "yes"}, {"role": "user", "content": "go on then"}]});
        let (input, more, _, read) = charge(&mut cache, &second, 10);
        assert_eq!((input, read), (0, written));
        assert!(more > 0 && more < 40);
    }

    #[test]
    fn the_memory_is_bounded() {
        let mut cache = PromptCache::default();
        for n in 0..20_000u64 {
            cache.keep(n, FIVE_MINUTES, Duration::from_millis(n));
        }
        assert!(cache.entries.len() <= MOST_ENTRIES);
        assert!(cache.is_fresh(19_999, Duration::from_secs(20)));
    }
}
