//! Responses as the service makes them: its headers, its error bodies.

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use http::{HeaderMap, HeaderName, HeaderValue, StatusCode};
use jiff::{Timestamp, Unit};
use serde_json::{Value, json};

use crate::answer::Refused;
use crate::fault::{ErrorBody, Status};

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

/// A web page, as a proxy in between makes them.
pub(crate) const PAGE: &str = "<html>\r\n<head><title>Something is in the way</title></head>\r\n<body>\r\n<center><h1>Something \
    is in the way</h1></center>\r\n<hr><center>proxy</center>\r\n</body>\r\n</html>\r\n";

/// The error that a fault asks for.
pub(crate) fn fault(fault: &Status, request_id: &str) -> Response {
    let (kind, message) = kind_of(fault.code);
    let mut refused = Refused::new(fault.code, kind, message);
    refused.details = fault.error_code.as_ref().map(|code| json!({"error_code": code}));
    let mut response = refusal(&refused, request_id);
    if let Some(kind) = &fault.error_type {
        let body = error_body(kind, message, refused.details.as_ref(), request_id);
        *response.body_mut() = Body::from(body.to_string());
    }
    match fault.body {
        ErrorBody::Json => {}
        ErrorBody::Html => {
            *response.body_mut() = Body::from(PAGE);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html"));
            response.headers_mut().remove("request-id");
            response.headers_mut().remove("x-should-retry");
        }
        ErrorBody::Empty => {
            *response.body_mut() = Body::empty();
            response.headers_mut().remove(CONTENT_TYPE);
        }
    }
    let should_retry = fault.should_retry.map(|retry| retry.to_string());
    for (name, value) in [
        ("retry-after", fault.retry_after.as_ref()),
        ("retry-after-ms", fault.retry_after_ms.as_ref()),
        ("x-should-retry", should_retry.as_ref()),
    ] {
        if let Some(value) = value.and_then(|value| HeaderValue::from_str(value).ok()) {
            response.headers_mut().insert(name, value);
        }
    }
    if fault.code == 429 {
        rate_limits(response.headers_mut());
    }
    response
}

/// The `error.type` and a message for a status, as the service has them.
fn kind_of(status: u16) -> (&'static str, &'static str) {
    match status {
        401 => ("authentication_error", "invalid x-api-key"),
        402 => ("billing_error", "Your credit balance is too low to access the Anthropic API."),
        403 => ("permission_error", "Your API key does not have permission to use the specified resource."),
        404 => ("not_found_error", "Not found"),
        408 | 504 => ("timeout_error", "The request timed out while processing."),
        409 => ("conflict_error", "The request conflicts with another one."),
        413 => ("request_too_large", "Request exceeds the maximum size"),
        429 => ("rate_limit_error", "This request would exceed the rate limit for your organization."),
        529 => ("overloaded_error", "Overloaded"),
        500.. => ("api_error", "Internal server error"),
        _ => ("invalid_request_error", "The simulator was asked to refuse this request."),
    }
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
