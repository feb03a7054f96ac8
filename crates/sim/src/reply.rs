//! Responses as the service makes them: its headers, its error bodies.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::{Timestamp, Unit};
use serde_json::{Value, json};

use crate::answer::Refused;

/// Whom the simulator says it bills. Not an id that the real service could have given.
const ORGANIZATION: &str = "00000000-0000-4000-8000-000000000517";
const RATE_LIMITS: [(&str, u64); 4] =
    [("requests", 4_000), ("tokens", 2_400_000), ("input-tokens", 2_000_000), ("output-tokens", 400_000)];

/// JSON with a status and the id of the request.
pub(crate) fn json_body(status: StatusCode, body: &Value, request_id: &str) -> Response {
    let mut response = (status, body.to_string()).into_response();
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    identify(response.headers_mut(), request_id);
    response
}

/// 200 with the headers of an answer, rate limits included.
pub(crate) fn answer(content_type: &'static str, body: Body, request_id: &str) -> Response {
    let mut response = Response::new(body);
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    if content_type.starts_with("text/event-stream") {
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    }
    identify(headers, request_id);
    headers.insert("anthropic-organization-id", HeaderValue::from_static(ORGANIZATION));
    rate_limits(headers);
    response
}

/// The error body of the service.
pub(crate) fn refusal(refused: &Refused, request_id: &str) -> Response {
    let status = StatusCode::from_u16(refused.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let body = error_body(refused.error_type, &refused.message, refused.details.as_ref(), request_id);
    let mut response = json_body(status, &body, request_id);
    // Whether another try may help, in the service's own words.
    let retry = matches!(refused.status, 408 | 409 | 429 | 500..);
    response
        .headers_mut()
        .insert("x-should-retry", HeaderValue::from_static(if retry { "true" } else { "false" }));
    response
}

/// `{"type":"error","error":{...},"request_id":...}`
pub(crate) fn error_body(
    error_type: &str,
    message: &str,
    details: Option<&Value>,
    request_id: &str,
) -> Value {
    let mut error = json!({"type": error_type, "message": message});
    if let (Some(details), Value::Object(error)) = (details, &mut error) {
        error.insert("details".to_owned(), details.clone());
    }
    json!({"type": "error", "error": error, "request_id": request_id})
}

fn identify(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("request-id", id);
    }
}

fn rate_limits(headers: &mut HeaderMap) {
    let now = Timestamp::now();
    let reset = now.round(Unit::Second).unwrap_or(now).to_string();
    for (kind, limit) in RATE_LIMITS {
        let remaining = if kind == "requests" { limit - 1 } else { limit };
        for (what, value) in
            [("limit", limit.to_string()), ("remaining", remaining.to_string()), ("reset", reset.clone())]
        {
            let name = HeaderName::try_from(format!("anthropic-ratelimit-{kind}-{what}"));
            if let (Ok(name), Ok(value)) = (name, HeaderValue::try_from(value)) {
                headers.insert(name, value);
            }
        }
    }
}
