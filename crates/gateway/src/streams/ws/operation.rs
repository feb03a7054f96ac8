//! Operations: what a frame comes to that needs the log.

use std::sync::Arc;

use axum::extract::ws::Utf8Bytes;
use bytes::Bytes;
use http::header::{AUTHORIZATION, HOST, ORIGIN};
use http::{HeaderMap, HeaderName};
use perennial_log::{After, StreamId};
use perennial_protocol::ErrorKind;
use serde_json::{Value, json};

use super::frame::{Echo, Op};
use super::subscription::Subscription;
use crate::access::Scope;
use crate::refusal::Refusal;
use crate::service::Service;
use crate::streams::create::begin;
use crate::streams::events::{Attach, after_text, attach, diverged_data};
use crate::streams::lookup;
use crate::streams::object::Object;
use crate::streams::stop::stop;

/// An answer, and a subscription if that was asked for.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) answer: Utf8Bytes,
    pub(super) subscription: Option<Box<Subscription>>,
}

/// Why an operation is refused, and what there is to say beside.
#[derive(Debug)]
struct Refused(Refusal, Value);

impl From<Refusal> for Refused {
    fn from(refusal: Refusal) -> Self {
        Self(refusal, Value::Null)
    }
}

/// Does what a frame asks. `before` is a subscription of the same stream that this one takes the place of: it is present until the new one is.
pub(super) async fn perform(
    service: Arc<Service>,
    handshake: Arc<HeaderMap>,
    echo: Echo,
    op: Op,
    before: Option<Subscription>,
) -> Done {
    let done = match op {
        Op::Subscribe { stream, after, cap } => {
            subscribe(&service, &handshake, &echo, stream, after, cap.as_deref()).await
        }
        Op::Create { body, headers } => create(&service, &handshake, &echo, headers, &body).await,
        Op::Cancel { stream, cap } => cancel(&service, &handshake, &echo, stream, cap.as_deref()).await,
        Op::Unsubscribe { .. } => Ok(Done::said(echo.answer("unsubscribed", json!({})))),
        Op::Ping => Ok(Done::said(echo.answer("pong", json!({})))),
    };
    drop(before);
    done.unwrap_or_else(|Refused(refusal, more)| Done::said(echo.refused(&refusal, more)))
}

async fn subscribe(
    service: &Service,
    handshake: &HeaderMap,
    echo: &Echo,
    stream: StreamId,
    after: After,
    cap: Option<&str>,
) -> Result<Done, Refused> {
    lookup::allowed(service, handshake, cap, stream, Scope::Read).await?;
    let attached = attach(service, stream, after).await.map_err(|refused| {
        let refusal = refused.refusal();
        match refused {
            Attach::Log(error) if error.is_diverged() => Refused(refusal, diverged_data(after, &error)),
            _ => refusal.into(),
        }
    })?;
    let outcome = attached.reader.head().and_then(|head| head.outcome);
    let state = match (outcome, service.live.get(stream)) {
        (Some(outcome), _) => outcome.to_string(),
        (None, Some(running)) if running.is_recovering() => "recovering".to_owned(),
        (None, _) => "running".to_owned(),
    };
    let answer = echo.answer("subscribed", json!({"after": after_text(after), "state": state}));
    Ok(Done { answer, subscription: Some(Box::new(Subscription::new(stream, attached))) })
}

async fn create(
    service: &Arc<Service>,
    handshake: &HeaderMap,
    echo: &Echo,
    headers: HeaderMap,
    body: &Bytes,
) -> Result<Done, Refused> {
    if service.draining.is_cancelled() {
        let message = "the gateway is shutting down; make the stream elsewhere, or later";
        return Err(Refusal::new(503, ErrorKind::Overloaded, message).into());
    }
    if body.len() > service.limits.body.0 {
        let message =
            format!("the body is larger than this gateway's limit of {} bytes", service.limits.body.0);
        return Err(Refusal::new(413, ErrorKind::RequestTooLarge, message).into());
    }
    let headers = over(handshake, headers);
    let caller = service.access.admit(&headers)?;
    let (stream, _) = begin(service, &caller, &headers, None, body).await?;
    Ok(Done::said(echo.answer("created", json!({"stream": stream.to_string()}))))
}

async fn cancel(
    service: &Service,
    handshake: &HeaderMap,
    echo: &Echo,
    stream: StreamId,
    cap: Option<&str>,
) -> Result<Done, Refused> {
    lookup::allowed(service, handshake, cap, stream, Scope::Cancel).await?;
    stop(service, stream).await?;
    let state = Object::of(service, stream).await?.state;
    Ok(Done::said(echo.answer("cancelled", json!({"state": state}))))
}

/// The headers of a request in a frame: a key in it goes before that of the handshake; where it comes from is the handshake's alone to say.
fn over(handshake: &HeaderMap, mut headers: HeaderMap) -> HeaderMap {
    let keys = [HeaderName::from_static("x-api-key"), AUTHORIZATION];
    let has_key = keys.iter().any(|name| headers.contains_key(name));
    for name in [HOST, ORIGIN] {
        headers.remove(name);
    }
    for (name, value) in handshake {
        if !(has_key && keys.contains(name)) {
            headers.insert(name, value.clone());
        }
    }
    headers
}

impl Done {
    fn said(answer: Utf8Bytes) -> Self {
        Self { answer, subscription: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_may_bring_a_key_and_not_another_origin() {
        let headers = |pairs: &[(&'static str, &'static str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()))
                .collect()
        };
        let handshake =
            headers(&[("host", "a"), ("origin", "https://evil.example"), ("authorization", "Bearer one")]);
        let plain = over(
            &handshake,
            headers(&[("origin", "http://localhost"), ("host", "b"), ("anthropic-version", "v")]),
        );
        assert_eq!((&plain["origin"], &plain["host"]), (&handshake["origin"], &handshake["host"]));
        assert_eq!(
            (&plain["authorization"], plain["anthropic-version"].to_str().unwrap()),
            (&handshake["authorization"], "v")
        );
        let keyed = over(&handshake, headers(&[("x-api-key", "two")]));
        assert_eq!(keyed["x-api-key"], "two");
        assert!(!keyed.contains_key("authorization"), "one key counts");
        assert!(!over(&headers(&[("host", "a")]), headers(&[("origin", "b")])).contains_key("origin"));
    }
}
