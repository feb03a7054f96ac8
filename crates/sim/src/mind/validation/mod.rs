//! What the service refuses, in its words.
//!
//! First the shape of the request, field by field, then the model, then what holds between fields. The first thing that
//! is wrong is the one that is reported, as the service does. Messages follow recorded ones where there are recordings;
//! `docs` and SDKs name the rules of the others, and their wording is ours in the same style.

mod blocks;
mod cache_control;
mod messages;
mod output;
mod sampling;
mod thinking;
mod tools;

use http::HeaderMap;
use serde_json::{Map, Value};

use super::cache;
use super::conversation::Request;
use super::models::Model;
use crate::answer::Refused;

type Checked = Result<(), Refused>;

/// The first version of the API that rejects sampling parameters.
const STRICT_VERSION: &str = "2026-10-21";
const VERSIONS: &[&str] = &["2023-01-01", "2023-06-01", STRICT_VERSION];
/// The most messages of one request.
const MOST_MESSAGES: usize = 100_000;

/// Fields of a request that every client may send.
const FIELDS: &[&str] = &[
    "model",
    "messages",
    "max_tokens",
    "system",
    "metadata",
    "stop_sequences",
    "stream",
    "temperature",
    "top_k",
    "top_p",
    "thinking",
    "tools",
    "tool_choice",
    "service_tier",
    "container",
    "output_config",
    "output_format",
    "inference_geo",
    "cache_control",
    "diagnostics",
];

/// Fields that need a beta header, with what its value begins with.
const BETA_FIELDS: &[(&str, &[&str])] = &[
    ("context_management", &["context-management-", "compact-"]),
    ("compaction", &["compact-"]),
    ("fallbacks", &["server-side-fallback-"]),
    ("fallback_credit_token", &["fallback-credit-", "server-side-fallback-"]),
    ("mcp_servers", &["mcp-client-"]),
    ("thread", &["message-threads-"]),
    ("speed", &["fast-mode-"]),
    ("billing_policy", &[""]),
    ("user_profile_id", &[""]),
];

/// What the rules look at.
struct Case<'a> {
    request: Request<'a>,
    model: &'static Model,
    strict_version: bool,
    betas: Vec<&'a str>,
    /// `count_tokens` has no limit on output.
    counting: bool,
}

/// Refuses what `POST /v1/messages` would refuse.
pub(super) fn check(seed: u64, request: &Value, headers: &HeaderMap) -> Checked {
    check_as(seed, request, headers, false)
}

/// Refuses what `POST /v1/messages/count_tokens` would refuse.
pub(super) fn check_count(seed: u64, request: &Value, headers: &HeaderMap) -> Checked {
    check_as(seed, request, headers, true)
}

/// Refuses what `POST /v1/messages/batches` would refuse at once; the requests in it are checked when they run.
pub(super) fn check_batch(body: &Value, headers: &HeaderMap) -> Checked {
    version(headers)?;
    let requests = required(object(body, "")?, "requests", "")?;
    let requests =
        requests.as_array().ok_or_else(|| Refused::invalid("requests: Input should be a valid list"))?;
    if requests.is_empty() {
        return Err(Refused::invalid("requests: List should have at least 1 item after validation, not 0"));
    }
    let mut seen = std::collections::HashSet::new();
    for (at, request) in requests.iter().enumerate() {
        let path = format!("requests.{at}");
        let request = object(request, &path)?;
        let id = required(request, "custom_id", &path)?.as_str().unwrap_or_default();
        let fits = (1..=64).contains(&id.len())
            && id.bytes().all(|c| c.is_ascii_alphanumeric() || b"_-".contains(&c));
        if !fits {
            return refuse(format!(
                "{path}.custom_id: String should match pattern '^[a-zA-Z0-9_-]{{1,64}}$'"
            ));
        }
        if !seen.insert(id) {
            return refuse(format!("{path}.custom_id: custom_id must be unique within a batch: {id}"));
        }
        let params = object(required(request, "params", &path)?, &format!("{path}.params"))?;
        if params.get("stream").is_some_and(|stream| *stream != false) {
            return refuse(format!("{path}.params.stream: Streaming is not supported in batches"));
        }
    }
    Ok(())
}

fn check_as(seed: u64, request: &Value, headers: &HeaderMap, counting: bool) -> Checked {
    let strict_version = version(headers)? == STRICT_VERSION;
    let betas: Vec<&str> = headers
        .get_all("anthropic-beta")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .map(str::trim)
        .collect();
    let fields = object(request, "")?;
    let Some(name) = required(fields, "model", "")?.as_str() else {
        return refuse("model: Input should be a valid string");
    };
    // Names with a colon belong to the wire half, which has rules of its own.
    if name.starts_with("replay:") || name.starts_with("bench:") {
        return Ok(());
    }
    if !counting {
        integer(required(fields, "max_tokens", "")?, "max_tokens", 0)?;
    }
    required(fields, "messages", "")?;
    let case = Case {
        request: Request::new(request),
        model: Model::for_request(name),
        strict_version,
        betas,
        counting,
    };
    case.known_fields(fields)?;
    case.plain_fields()?;
    sampling::check(&case)?;
    thinking::check_shape(&case)?;
    tools::check(&case)?;
    messages::check_system(&case)?;
    messages::check_shape(&case)?;
    cache_control::check(&case)?;
    output::check_shape(&case)?;
    if Model::find(name).is_none() {
        return Err(Refused::not_found(format!("model: {name}")));
    }
    thinking::check_model(&case)?;
    tools::check_model(&case)?;
    output::check_model(&case)?;
    messages::check_order(&case)?;
    thinking::check_history(&case, seed)?;
    case.limits()
}

impl Case<'_> {
    fn beta(&self, prefix: &str) -> bool {
        self.betas.iter().any(|beta| beta.starts_with(prefix))
    }

    fn known_fields(&self, fields: &Map<String, Value>) -> Checked {
        for name in fields.keys() {
            let beta = BETA_FIELDS.iter().find(|(field, _)| field == name);
            let known = FIELDS.contains(&name.as_str())
                || beta.is_some_and(|(_, prefixes)| prefixes.iter().any(|prefix| self.beta(prefix)));
            if !known {
                return extra(name);
            }
        }
        if self.request.get("thread").is_some_and(|thread| thread["type"] == "continue") {
            // Threads are kept as long as the service likes; this one keeps none, so clients replay the history.
            return Err(Refused::not_found("thread_not_found: The thread was not found or has expired"));
        }
        Ok(())
    }

    /// Fields with rules of their own and no others.
    fn plain_fields(&self) -> Checked {
        if self.request.get("stream").is_some_and(|stream| !stream.is_boolean()) {
            return refuse("stream: Input should be a valid boolean");
        }
        if let Some(stops) = self.request.get("stop_sequences") {
            let Some(stops) = stops.as_array() else {
                return refuse("stop_sequences: Input should be a valid list");
            };
            for (at, stop) in stops.iter().enumerate() {
                match stop.as_str() {
                    None => return refuse(format!("stop_sequences.{at}: Input should be a valid string")),
                    Some(stop) if stop.trim().is_empty() => {
                        return refuse("stop_sequences: each stop sequence must contain non-whitespace");
                    }
                    Some(_) => {}
                }
            }
        }
        if let Some(metadata) = self.request.get("metadata") {
            let metadata = object(metadata, "metadata")?;
            if let Some(name) = metadata.keys().find(|name| *name != "user_id") {
                return extra(format!("metadata.{name}"));
            }
            if let Some(id) = metadata.get("user_id").filter(|id| !id.is_null()) {
                match id.as_str() {
                    None => return refuse("metadata.user_id: Input should be a valid string"),
                    Some(id) if id.chars().count() > 256 => {
                        return refuse("metadata.user_id: String should have at most 256 characters");
                    }
                    Some(_) => {}
                }
            }
        }
        one_of(self.request.get("service_tier"), "service_tier", &["auto", "standard_only"])?;
        one_of(self.request.get("speed"), "speed", &["standard", "fast"])
    }

    fn limits(&self) -> Checked {
        let (model, most) = (self.model.id, self.model.max_output);
        if let Some(asked) = self.request.max_tokens().filter(|asked| *asked > most) {
            return refuse(format!(
                "max_tokens: {asked} > {most}, which is the maximum allowed number of output tokens for {model}"
            ));
        }
        let (tokens, window) = (cache::prompt_tokens(self.model, self.request), self.model.context_window);
        if tokens > window {
            return refuse(format!("prompt is too long: {tokens} tokens > {window} maximum"));
        }
        Ok(())
    }
}

fn version(headers: &HeaderMap) -> Result<&str, Refused> {
    let Some(version) = headers.get("anthropic-version") else {
        return Err(Refused::invalid("anthropic-version: header is required"));
    };
    let version = version.to_str().unwrap_or_default();
    if VERSIONS.contains(&version) {
        Ok(version)
    } else {
        Err(Refused::invalid(format!(
            "anthropic-version: \"{version}\" is not a valid version. Valid versions: {}",
            VERSIONS.join(", ")
        )))
    }
}

fn refuse<T>(message: impl Into<String>) -> Result<T, Refused> {
    Err(Refused::invalid(message))
}

fn extra<T>(path: impl std::fmt::Display) -> Result<T, Refused> {
    refuse(format!("{path}: Extra inputs are not permitted"))
}

fn object<'v>(value: &'v Value, path: &str) -> Result<&'v Map<String, Value>, Refused> {
    let lead = if path.is_empty() { String::new() } else { format!("{path}: ") };
    value.as_object().ok_or_else(|| Refused::invalid(format!("{lead}Input should be a valid dictionary")))
}

fn required<'v>(fields: &'v Map<String, Value>, name: &str, path: &str) -> Result<&'v Value, Refused> {
    let dot = if path.is_empty() { "" } else { "." };
    fields.get(name).ok_or_else(|| Refused::invalid(format!("{path}{dot}{name}: Field required")))
}

fn integer(value: &Value, path: &str, least: u64) -> Result<u64, Refused> {
    if value.is_i64() && value.as_i64() < Some(0) || value.as_u64().is_some_and(|n| n < least) {
        return refuse(format!("{path}: Input should be greater than or equal to {least}"));
    }
    value.as_u64().ok_or_else(|| Refused::invalid(format!("{path}: Input should be a valid integer")))
}

fn one_of(value: Option<&Value>, path: &str, allowed: &[&str]) -> Checked {
    match value {
        Some(value) if !value.as_str().is_some_and(|text| allowed.contains(&text)) => {
            refuse(format!("{path}: Input should be {}", listed(allowed)))
        }
        _ => Ok(()),
    }
}

/// `'a', 'b' or 'c'`.
fn listed(names: &[&str]) -> String {
    let quoted: Vec<_> = names.iter().map(|name| format!("'{name}'")).collect();
    match quoted.split_last() {
        Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
        _ => quoted.concat(),
    }
}

fn unknown_tag<T>(path: &str, tag: &str, tags: &[&str]) -> Result<T, Refused> {
    let tags: Vec<_> = tags.iter().map(|tag| format!("'{tag}'")).collect();
    refuse(format!(
        "{path}: Input tag '{tag}' found using 'type' does not match any of the expected tags: {}",
        tags.join(", ")
    ))
}

#[cfg(test)]
mod tests;
