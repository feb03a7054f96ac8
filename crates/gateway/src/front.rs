//! What is at the gateway's address: the chat for browsers, and for everything else a short text that says what this is.

use std::sync::Arc;

use axum::extract::State;
use axum::response::{IntoResponse as _, Response};
use http::HeaderMap;
use http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HOST, X_CONTENT_TYPE_OPTIONS};

use crate::service::Service;

const HEADERS: [(http::HeaderName, &str); 4] = [
    (CONTENT_TYPE, "text/plain; charset=utf-8"),
    (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (CACHE_CONTROL, "no-store"),
];

/// The text of `GET /`.
pub(crate) async fn page(State(service): State<Arc<Service>>, headers: HeaderMap) -> Response {
    let base = format!("http://{}", host(&headers));
    let key = match (service.access.asks_for_keys(), service.fleet.has_credential()) {
        (true, _) => "A-KEY-OF-THIS-GATEWAY",
        (false, true) => "any",
        (false, false) => "$ANTHROPIC_API_KEY",
    };
    let answers = &service.answers;
    let version = env!("CARGO_PKG_VERSION");
    let page = format!(
        r#"This is the gateway of Perennial {version}: streams from Claude that do not break.
It speaks the Messages API; applications talk to it instead of the Claude API.

Answers come from {answers}.

Try it:

  curl -N {base}/v1/messages \
    -H "content-type: application/json" -H "anthropic-version: 2026-10-21" -H "x-api-key: {key}" \
    -d '{{"model": "claude-sonnet-5-5", "max_tokens": 1000, "stream": true,
         "messages": [{{"role": "user", "content": "Why is the sky blue?"}}]}}'

An application, Claude Code or an official SDK is pointed here by its environment:

  export ANTHROPIC_BASE_URL={base}

A stream that outlives its reader, and can be read from anywhere (docs/streams.md, GET /openapi.json):

  curl {base}/v1/streams -H "content-type: application/json" ... (the same body)
  curl -N {base}/v1/streams/strm_.../events

Others: GET /v1/models, POST /v1/messages/count_tokens, /v1/messages/batches, GET /healthz, GET /readyz.
"#
    );
    (HEADERS, page).into_response()
}

/// The host that the reader used, if it is one that may be pasted into a shell.
fn host(headers: &HeaderMap) -> &str {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b".-:[]".contains(&byte);
    let host = headers.get(HOST).and_then(|host| host.to_str().ok());
    host.filter(|host| !host.is_empty() && host.bytes().all(plain)).unwrap_or("HOST:PORT")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_plain_host_is_repeated() {
        for (sent, shown) in [
            ("127.0.0.1:8787", "127.0.0.1:8787"),
            ("[::1]:80", "[::1]:80"),
            ("a.example", "a.example"),
            ("x$(rm)", "HOST:PORT"),
            ("", "HOST:PORT"),
        ] {
            let headers = [(HOST, sent.parse().unwrap())].into_iter().collect();
            assert_eq!(host(&headers), shown);
        }
    }
}
