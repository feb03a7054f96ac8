//! The question: what is sent, made of words, context, files and settings. Nothing here knows of a command's arguments.

mod attachment;
mod content;
mod options;
mod schema;
mod source;
mod stdin;
mod template;
mod thinking;

use perennial::RequestBody;
use serde::ser::{Serialize, SerializeMap as _, Serializer};
use serde_json::value::{RawValue, to_raw_value};
use serde_json::{Map, Value, json};

use crate::exit::{Exit, Failure};

pub(crate) use self::content::Words;
pub(crate) use self::schema::Schema;
pub(crate) use self::source::Fetcher;
pub(crate) use self::stdin::context;
pub(crate) use self::template::{Parameter, Template};

/// The model that is asked where none is named.
pub(crate) const DEFAULT_MODEL: &str = "claude-sonnet-5-5";
/// The most tokens of an answer where nobody says.
pub(crate) const DEFAULT_MAX_TOKENS: u64 = 16_000;

/// What a request has besides its messages.
#[derive(Clone, Debug, Default)]
pub(crate) struct Settings {
    pub(crate) model: String,
    pub(crate) max_tokens: u64,
    pub(crate) system: Option<String>,
    pub(crate) thinking: bool,
    pub(crate) schema: Option<Value>,
    /// What was said is said again with the next question, so the service keeps it.
    pub(crate) cached: bool,
    /// `KEY=VALUE`, put over everything else.
    pub(crate) options: Vec<String>,
}

/// A request, whose messages are sent as they stand here.
#[derive(Debug)]
pub(crate) struct Request {
    fields: Map<String, Value>,
    messages: Box<RawValue>,
}

/// A conversation that begins.
pub(crate) fn first(content: &Value) -> Result<Box<RawValue>, Failure> {
    to_raw_value(&json!([{"role": "user", "content": content}]))
        .map_err(|error| Failure::new(Exit::Other, format!("the question cannot be written: {error}")))
}

/// The request with these messages.
pub(crate) fn request(settings: &Settings, messages: Box<RawValue>) -> Result<Request, Failure> {
    let mut request = Map::new();
    request.insert("model".to_owned(), json!(settings.model));
    request.insert("max_tokens".to_owned(), json!(settings.max_tokens));
    if let Some(system) = &settings.system {
        request.insert("system".to_owned(), json!(system));
    }
    if settings.thinking {
        request.insert("thinking".to_owned(), thinking::of(&settings.model, settings.max_tokens));
    }
    if let Some(schema) = &settings.schema {
        request
            .insert("output_config".to_owned(), json!({"format": {"type": "json_schema", "schema": schema}}));
    }
    if settings.cached {
        request.insert("cache_control".to_owned(), json!({"type": "ephemeral"}));
    }
    for option in &settings.options {
        options::set(&mut request, option)?;
    }
    Ok(Request { fields: request, messages })
}

impl Request {
    /// The body that is sent.
    pub(crate) fn body(&self) -> Result<RequestBody, perennial::Error> {
        RequestBody::serialize(self)
    }
}

impl Serialize for Request {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (name, value) in &self.fields {
            map.serialize_entry(name, value)?;
        }
        // An option may name them.
        if !self.fields.contains_key("messages") {
            map.serialize_entry("messages", &self.messages)?;
        }
        map.end()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_come_last_and_into_objects() {
        let settings = Settings {
            model: "claude-sonnet-5-5".to_owned(),
            max_tokens: 10,
            system: Some("be brief".to_owned()),
            thinking: true,
            schema: Some(json!({"type": "object"})),
            cached: true,
            options: vec!["max_tokens=7".to_owned(), "output_config.effort=high".to_owned()],
        };
        let request = request(&settings, first(&json!("x")).unwrap()).unwrap();
        let request = serde_json::to_value(&request).unwrap();
        assert_eq!(request["messages"], json!([{"role": "user", "content": "x"}]));
        assert_eq!(request["max_tokens"], json!(7));
        assert_eq!(request["system"], json!("be brief"));
        assert_eq!(request["thinking"]["type"], json!("adaptive"));
        assert_eq!(request["output_config"]["format"]["type"], json!("json_schema"));
        assert_eq!(request["output_config"]["effort"], json!("high"));
        assert_eq!(request["cache_control"], json!({"type": "ephemeral"}));
    }
}
