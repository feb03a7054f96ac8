//! What the service refuses, in its words.

use http::HeaderMap;
use serde_json::Value;

use super::models::Model;
use crate::answer::Refused;

type Checked = Result<(), Refused>;

/// Refuses what the service would refuse.
pub(super) fn check(_seed: u64, request: &Value, _headers: &HeaderMap) -> Checked {
    let Some(request) = request.as_object() else {
        return Err(Refused::invalid("Input should be a valid dictionary"));
    };
    let Some(model) = request.get("model") else { return Err(Refused::invalid("model: Field required")) };
    let Some(model) = model.as_str() else {
        return Err(Refused::invalid("model: Input should be a valid string"));
    };
    if !request.contains_key("max_tokens") {
        return Err(Refused::invalid("max_tokens: Field required"));
    }
    if !request.contains_key("messages") {
        return Err(Refused::invalid("messages: Field required"));
    }
    if Model::find(model).is_none() && !model.starts_with("replay:") && !model.starts_with("bench:") {
        return Err(Refused::not_found(format!("model: {model}")));
    }
    Ok(())
}
