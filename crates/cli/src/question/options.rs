//! Any field of a request, by name: `KEY=VALUE`.

use serde_json::{Map, Value, json};

use crate::exit::{Exit, Failure};

/// Puts an option into a request: JSON or else text; dots go into objects.
pub(super) fn set(request: &mut Map<String, Value>, option: &str) -> Result<(), Failure> {
    let wrong = |why: &str| Failure::new(Exit::Usage, format!("--option `{option}`: {why}"));
    let (path, value) = option.split_once('=').ok_or_else(|| wrong("it is not KEY=VALUE"))?;
    let value = serde_json::from_str(value).unwrap_or_else(|_| json!(value));
    let mut names = path.split('.').map(str::trim).collect::<Vec<_>>();
    let last = names.pop().filter(|last| !last.is_empty()).ok_or_else(|| wrong("the key is empty"))?;
    if last == "stream" && names.is_empty() {
        return Err(wrong("an answer is always read from a stream; --no-stream prints it at the end"));
    }
    let mut object = request;
    for name in names {
        object = object
            .entry(name)
            .or_insert_with(|| json!({}))
            .as_object_mut()
            .ok_or_else(|| wrong(&format!("`{name}` is no object")))?;
    }
    object.insert(last.to_owned(), value);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_json_or_text() {
        let mut request = Map::new();
        for option in ["temperature=0.5", "output_config.effort=high", "metadata={\"user_id\":\"u\"}"] {
            set(&mut request, option).unwrap();
        }
        let request = Value::Object(request);
        assert_eq!(request["temperature"], json!(0.5));
        assert_eq!(request["output_config"], json!({"effort": "high"}));
        assert_eq!(request["metadata"]["user_id"], json!("u"));
    }

    #[test]
    fn what_is_no_option_is_refused_in_words() {
        for (option, part) in [
            ("temperature", "not KEY=VALUE"),
            ("=1", "the key is empty"),
            ("stream=false", "--no-stream"),
            ("model.x=1", "`model` is no object"),
        ] {
            let mut request = Map::from_iter([("model".to_owned(), json!("m"))]);
            let message = format!("{:?}", set(&mut request, option).unwrap_err());
            assert!(message.contains(part), "{option}: {message}");
        }
    }
}
