//! What a request could use at most.

use serde::Deserialize;
use serde_json::Value;

use crate::row::Terms;

/// What is held for the answer of a request that does not say how long it may be: the longest that any model gives.
pub const MAX_OUTPUT_TOKENS: u64 = 128_000;

/// What is held for the web searches of a tool that sets no limit to them.
pub const UNLIMITED_SEARCHES: u64 = 20;

/// Tokens of a picture or of pages in a request; what the service counts depends on their size in pixels, not in bytes.
const MEDIA_TOKENS: u64 = 5_000;

/// A run of so many base64 digits is a file, not text.
const FILE_BYTES: usize = 1_024;

/// Text has four to five bytes for each token in English, fewer in code and other scripts: what is held should rather be too much.
const BYTES_PER_TOKEN: u64 = 3;

/// What a request could use at most: what it says itself, and an estimate of its prompt.
///
/// ```
/// use perennial_ledger::Ask;
///
/// let ask = Ask::of(br#"{"model":"claude-haiku-5-5","max_tokens":1000,"messages":[]}"#);
/// assert_eq!(ask.model, "claude-haiku-5-5");
/// assert_eq!(ask.max_tokens, 1000);
/// assert_eq!(ask.input_tokens, 20);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Ask {
    /// The model that is asked.
    pub model: String,
    /// The longest answer, in tokens.
    pub max_tokens: u64,
    /// The prompt in tokens, estimated.
    pub input_tokens: u64,
    /// The most web searches.
    pub web_searches: u64,
    /// Whether it is to run on without a reader.
    pub detached: bool,
    /// Other models that may answer or be asked on the way: fallbacks, advisors.
    pub other_models: Vec<String>,
    /// Whether the service may choose a model that the request does not name.
    pub any_model: bool,
    pub(crate) terms: Terms,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Body {
    model: Option<String>,
    max_tokens: Option<u64>,
    service_tier: Option<String>,
    speed: Option<String>,
    inference_geo: Option<String>,
    tools: Option<Vec<Tool>>,
    fallbacks: Option<Value>,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Tool {
    #[serde(rename = "type")]
    kind: Option<String>,
    max_uses: Option<u64>,
    model: Option<String>,
}

impl Ask {
    /// For a model and an answer of at most so many tokens; no prompt, no searches.
    #[must_use]
    pub fn new(model: impl Into<String>, max_tokens: u64) -> Self {
        Self { model: model.into(), max_tokens, ..Self::default() }
    }

    /// What the body of a request to `/v1/messages` could use. Of a body that cannot be read nothing is known but its length: it is for the
    /// upstream to refuse it.
    #[must_use]
    pub fn of(body: &[u8]) -> Self {
        let read: Body = serde_json::from_slice(body).unwrap_or_default();
        let mut ask = Self {
            model: read.model.unwrap_or_default(),
            max_tokens: read.max_tokens.unwrap_or(MAX_OUTPUT_TOKENS),
            input_tokens: estimate(body),
            terms: Terms { tier: read.service_tier, speed: read.speed, geo: read.inference_geo },
            ..Self::default()
        };
        for tool in read.tools.into_iter().flatten() {
            if tool.kind.is_some_and(|kind| kind.starts_with("web_search")) {
                ask.web_searches =
                    ask.web_searches.saturating_add(tool.max_uses.unwrap_or(UNLIMITED_SEARCHES));
            }
            ask.other_models.extend(tool.model);
        }
        match read.fallbacks {
            None | Some(Value::Null) => {}
            Some(Value::Array(models)) => models.iter().for_each(|model| ask.fall_back_to(model)),
            // The service's own choice.
            Some(_) => ask.any_model = true,
        }
        ask
    }

    fn fall_back_to(&mut self, model: &Value) {
        match model.as_str().or_else(|| model.get("model")?.as_str()) {
            Some(model) => self.other_models.push(model.to_owned()),
            None => self.any_model = true,
        }
    }

    /// All models that it names, the one that is asked first.
    pub(crate) fn models(&self) -> impl Iterator<Item = &str> {
        std::iter::once(self.model.as_str()).chain(self.other_models.iter().map(String::as_str))
    }

    /// The same, to run on without a reader.
    #[must_use]
    pub fn detached(mut self, detached: bool) -> Self {
        self.detached = detached;
        self
    }

    /// The same with a prompt of so many tokens.
    #[must_use]
    pub fn input_tokens(mut self, tokens: u64) -> Self {
        self.input_tokens = tokens;
        self
    }
}

/// How many tokens a body comes to, estimated from above and in one pass: files in it count by number, the rest by length.
fn estimate(body: &[u8]) -> u64 {
    let is_digit =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/' | b'-' | b'_' | b'=');
    let (mut text, mut files) = (0_u64, 0_u64);
    for run in body.split(|byte| !is_digit(byte)) {
        if run.len() >= FILE_BYTES {
            files += 1;
        } else {
            text += run.len() as u64;
        }
        // What parted it from the next.
        text += 1;
    }
    text.saturating_sub(1).div_ceil(BYTES_PER_TOKEN) + files * MEDIA_TOKENS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_says_what_it_could_use() {
        let ask = Ask::of(
            br#"{"model":"m","max_tokens":5,"speed":"fast","service_tier":"auto","inference_geo":"us",
            "tools":[{"type":"web_search_20260209","max_uses":3},{"type":"web_search_20250305"},{"name":"mine"}]}"#,
        );
        assert_eq!((ask.max_tokens, ask.web_searches), (5, 3 + UNLIMITED_SEARCHES));
        assert_eq!(ask.terms.speed.as_deref(), Some("fast"));
        assert!(ask.other_models.is_empty() && !ask.any_model);
        assert_eq!(Ask::of(b"{}").max_tokens, MAX_OUTPUT_TOKENS);
        assert_eq!(Ask::of(b"nonsense").model, "");
    }

    #[test]
    fn models_that_may_answer_in_its_place_are_seen() {
        for (body, named, any) in [
            (r#"{"model":"a","fallbacks":null,"tools":null}"#, &["a"][..], false),
            (r#"{"model":"a","fallbacks":["b",{"model":"c"}]}"#, &["a", "b", "c"], false),
            (r#"{"model":"a","fallbacks":"default"}"#, &["a"], true),
            (r#"{"model":"a","fallbacks":[{"name":"b"}]}"#, &["a"], true),
            (r#"{"model":"a","tools":[{"type":"advisor_20260301","model":"b"}]}"#, &["a", "b"], false),
            (r#"{"model":"a","model":"b"}"#, &[""], false),
        ] {
            let ask = Ask::of(body.as_bytes());
            assert_eq!((ask.models().collect::<Vec<_>>(), ask.any_model), (named.to_vec(), any), "{body}");
        }
    }

    #[test]
    fn files_count_by_number_and_text_by_length() {
        let picture = "A1b+/9".repeat(50_000);
        let body = format!(r#"{{"data":"{picture}","text":"{}"}}"#, "four ".repeat(300));
        let tokens = estimate(body.as_bytes());
        assert!((MEDIA_TOKENS + 500..MEDIA_TOKENS + 520).contains(&tokens), "{tokens}");
        assert_eq!(estimate(b""), 0);
        assert_eq!(estimate(b"abc"), 1);
    }
}
