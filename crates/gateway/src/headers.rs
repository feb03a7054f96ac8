//! Which headers go up and which come down. Both are open lists: what is not named here passes.

use http::header::{
    ACCEPT_ENCODING, AUTHORIZATION, CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, CONTENT_TYPE, COOKIE, EXPECT,
    FORWARDED, HOST, HeaderName, ORIGIN, PROXY_AUTHENTICATE, PROXY_AUTHORIZATION, REFERER, SET_COOKIE,
    STRICT_TRANSPORT_SECURITY, TE, TRAILER, TRANSFER_ENCODING, UPGRADE,
};
use http::{HeaderMap, HeaderValue};

/// In answers: the name of the stream.
pub(crate) const STREAM: HeaderName = HeaderName::from_static("perennial-stream");
/// In requests: what becomes of the stream when nobody reads it.
pub(crate) const ON_DISCONNECT: HeaderName = HeaderName::from_static("perennial-on-disconnect");
/// In requests for a message: `on` for `id:` lines.
pub(crate) const EVENT_IDS: HeaderName = HeaderName::from_static("perennial-event-ids");

/// In requests: `off` where what broke is not to be gone on with.
pub(crate) const RECOVERY: HeaderName = HeaderName::from_static("perennial-recovery");
/// In answers: how often upstreams were asked for it until it began.
const ATTEMPTS: HeaderName = HeaderName::from_static("perennial-attempts");

/// In answers: what stands in for an upstream's, `cache` or `default`.
const STAND_IN: HeaderName = HeaderName::from_static("perennial-stand-in");

/// What concerns one connection and never goes further (RFC 9110, 7.6.1).
const HOP_BY_HOP: [HeaderName; 9] = [
    CONNECTION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    PROXY_AUTHENTICATE,
    PROXY_AUTHORIZATION,
    TE,
    TRAILER,
    TRANSFER_ENCODING,
    UPGRADE,
];

/// What is meant for the gateway: its credentials and its host, and what a browser or a proxy tells about the person behind it.
const NOT_UP: [HeaderName; 16] = [
    HOST,
    CONTENT_LENGTH,
    EXPECT,
    ACCEPT_ENCODING,
    AUTHORIZATION,
    HeaderName::from_static("x-api-key"),
    COOKIE,
    ORIGIN,
    REFERER,
    FORWARDED,
    HeaderName::from_static("x-forwarded-for"),
    HeaderName::from_static("x-forwarded-host"),
    HeaderName::from_static("x-real-ip"),
    ON_DISCONNECT,
    EVENT_IDS,
    RECOVERY,
];

/// What the upstream says about its own host, which is not ours.
const NOT_DOWN: [HeaderName; 3] = [SET_COOKIE, STRICT_TRANSPORT_SECURITY, HeaderName::from_static("alt-svc")];

/// The headers of a request that goes up, without a credential. Compressed answers are not asked for: their events could not be seen.
pub(crate) fn up(headers: &HeaderMap) -> HeaderMap {
    let mut up = passed(headers, &NOT_UP);
    up.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    up
}

/// The headers of an answer that is passed on as it is.
pub(crate) fn down(headers: &HeaderMap) -> HeaderMap {
    passed(headers, &NOT_DOWN)
}

/// The headers of a stream that is passed on: its length is not known, and nothing on the way may keep or change it.
pub(crate) fn down_streaming(headers: &HeaderMap) -> HeaderMap {
    let mut down = down(headers);
    down.remove(CONTENT_LENGTH);
    unbuffered(&mut down);
    down
}

/// Nothing on the way may keep or change what grows.
pub(crate) fn unbuffered(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache, no-transform"));
    headers.insert("x-accel-buffering", HeaderValue::from_static("no"));
}

/// The headers of a message that was folded from a stream.
pub(crate) fn down_folded(headers: &HeaderMap) -> HeaderMap {
    let mut down = down_streaming(headers);
    down.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    down
}

/// What the body of a successful answer to a request for a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    /// A stream of events that can be read as it passes.
    Events,
    /// One that cannot.
    CompressedEvents,
    Json,
    Other,
}

pub(crate) fn kind(headers: &HeaderMap) -> Kind {
    let media = content_type(headers).to_ascii_lowercase();
    match media.as_str() {
        "text/event-stream" if is_plain(headers) => Kind::Events,
        "text/event-stream" => Kind::CompressedEvents,
        media if media.ends_with("/json") || media.ends_with("+json") => Kind::Json,
        _ => Kind::Other,
    }
}

/// The media type without its parameters; empty where there is none.
pub(crate) fn content_type(headers: &HeaderMap) -> &str {
    let media = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    media.split(';').next().unwrap_or_default().trim()
}

/// What was an answer in one piece is a stream of events.
pub(crate) fn set_events(headers: &mut HeaderMap) {
    headers.remove(CONTENT_LENGTH);
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("text/event-stream; charset=utf-8"));
}

/// The head of an answer that is opened although no upstream has answered yet.
pub(crate) fn early() -> http::response::Parts {
    let content_type = HeaderValue::from_static("text/event-stream; charset=utf-8");
    http::Response::builder().header(CONTENT_TYPE, content_type).body(()).unwrap_or_default().into_parts().0
}

/// Writes into an answer's headers how often upstreams were asked for it.
pub(crate) fn set_attempts(headers: &mut HeaderMap, attempts: u32) {
    headers.insert(ATTEMPTS, attempts.into());
}

/// Writes into an answer's headers what stands in for an upstream's.
pub(crate) fn set_stand_in(headers: &mut HeaderMap, kind: &'static str) {
    headers.insert(STAND_IN, HeaderValue::from_static(kind));
}

/// Whether the body is not compressed.
pub(crate) fn is_plain(headers: &HeaderMap) -> bool {
    headers
        .get_all(http::header::CONTENT_ENCODING)
        .iter()
        .all(|value| value.as_bytes().eq_ignore_ascii_case(b"identity"))
}

fn passed(headers: &HeaderMap, but: &[HeaderName]) -> HeaderMap {
    let named: Vec<HeaderName> = headers
        .get_all(CONNECTION)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .filter_map(|name| name.trim().parse().ok())
        .collect();
    headers
        .iter()
        .filter(|(name, _)| !HOP_BY_HOP.contains(name) && !but.contains(name) && !named.contains(name))
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &'static str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (HeaderName::from_static(name), HeaderValue::from_static(value)))
            .collect()
    }

    #[test]
    fn what_is_not_known_passes_and_what_is_ours_does_not() {
        let up = up(&headers(&[
            ("host", "gateway"),
            ("anthropic-version", "2026-10-21"),
            ("anthropic-beta", "a,b"),
            ("anthropic-new-thing", "1"),
            ("x-stainless-lang", "python"),
            ("user-agent", "Anthropic/Python"),
            ("connection", "keep-alive, x-hop"),
            ("x-hop", "1"),
            ("te", "trailers"),
            ("accept-encoding", "gzip"),
            ("x-api-key", "secret"),
            ("authorization", "Bearer secret"),
            ("cookie", "a=b"),
            ("content-length", "3"),
        ]));
        let mut names: Vec<_> = up.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = [
            "accept-encoding",
            "anthropic-beta",
            "anthropic-new-thing",
            "anthropic-version",
            "user-agent",
            "x-stainless-lang",
        ];
        assert_eq!(names, expected);
        assert_eq!(up["accept-encoding"], "identity");
    }

    #[test]
    fn what_the_upstream_says_comes_down() {
        let down = down_streaming(&headers(&[
            ("request-id", "req_1"),
            ("anthropic-ratelimit-requests-remaining", "1"),
            ("retry-after", "7"),
            ("x-should-retry", "true"),
            ("content-type", "text/event-stream; charset=utf-8"),
            ("content-length", "10"),
            ("transfer-encoding", "chunked"),
            ("set-cookie", "a=b"),
            ("cache-control", "no-cache"),
        ]));
        let mut names: Vec<_> = down.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        let expected = [
            "anthropic-ratelimit-requests-remaining",
            "cache-control",
            "content-type",
            "request-id",
            "retry-after",
            "x-accel-buffering",
            "x-should-retry",
        ];
        assert_eq!(names, expected);
        assert_eq!(down["cache-control"], "no-cache, no-transform");
    }

    #[test]
    fn the_kind_of_an_answer_is_read_from_its_headers() {
        for (pairs, expected) in [
            (&[("content-type", "text/event-stream; charset=utf-8")][..], Kind::Events),
            (&[("content-type", "Text/Event-Stream"), ("content-encoding", "identity")], Kind::Events),
            (&[("content-type", "text/event-stream"), ("content-encoding", "gzip")], Kind::CompressedEvents),
            (&[("content-type", "application/json")], Kind::Json),
            (&[("content-type", "application/problem+json;x"), ("content-encoding", "br")], Kind::Json),
            (&[("content-type", "text/html")], Kind::Other),
            (&[], Kind::Other),
        ] {
            assert_eq!(kind(&headers(pairs)), expected, "{pairs:?}");
        }
    }
}
