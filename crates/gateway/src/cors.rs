//! Which web pages of other origins may read answers: those that were allowed, and no others.

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{HeaderName, HeaderValue, Method};
use tower_http::cors::{AllowHeaders, AllowOrigin, CorsLayer};

/// How long a browser may keep what it was told.
const MAX_AGE: Duration = Duration::from_secs(600);

pub(crate) fn layer(origins: &[HeaderValue]) -> Option<CorsLayer> {
    let name = HeaderName::from_static;
    let layer = CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().cloned()))
        .allow_methods([Method::GET, Method::POST, Method::PATCH, Method::DELETE])
        // Whatever the page wants to send: new headers of the service come every year.
        .allow_headers(AllowHeaders::mirror_request())
        .expose_headers([
            name("request-id"),
            name("perennial-stream"),
            name("perennial-position"),
            name("perennial-state"),
            RETRY_AFTER,
            name("x-should-retry"),
            name("anthropic-ratelimit-requests-remaining"),
            name("anthropic-ratelimit-tokens-remaining"),
        ])
        .max_age(MAX_AGE);
    (!origins.is_empty()).then_some(layer)
}
