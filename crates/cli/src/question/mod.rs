//! The question: what is sent, made of words, context, files and settings. Nothing here knows of a command's arguments.

mod attachment;
mod content;
mod options;
mod schema;
mod source;
mod stdin;
mod template;
mod thinking;

use serde_json::{Map, Value, json};

use crate::exit::Failure;

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
    /// `KEY=VALUE`, put over everything else.
    pub(crate) options: Vec<String>,
}

/// The request with these messages.
pub(crate) fn request(settings: &Settings, messages: Vec<Value>) -> Result<Value, Failure> {
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
    request.insert("messages".to_owned(), Value::Array(messages));
    for option in &settings.options {
        options::set(&mut request, option)?;
    }
    Ok(Value::Object(request))
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
            options: vec!["max_tokens=7".to_owned(), "output_config.effort=high".to_owned()],
        };
        let request = request(&settings, vec![json!({"role": "user", "content": "x"})]).unwrap();
        assert_eq!(request["max_tokens"], json!(7));
        assert_eq!(request["system"], json!("be brief"));
        assert_eq!(request["thinking"]["type"], json!("adaptive"));
        assert_eq!(request["output_config"]["format"]["type"], json!("json_schema"));
        assert_eq!(request["output_config"]["effort"], json!("high"));
    }
}
