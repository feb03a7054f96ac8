//! From a request to an order: what is kept of it, and what its policy is.

use bytes::Bytes;
use http::HeaderMap;
use serde::Deserialize;

use crate::access::Owner;
use crate::headers;
use crate::policy::OnDisconnect;
use crate::record::Order;
use crate::refusal::Refusal;
use crate::service::Service;

/// What of a body matters to the gateway. Whether it is a proper request is the upstream's to judge.
#[derive(Default, Deserialize)]
#[serde(default)]
struct Envelope<'a> {
    #[serde(borrow)]
    model: Option<std::borrow::Cow<'a, str>>,
    max_tokens: Option<u64>,
}

/// The order that a request with these headers makes.
pub(crate) fn ordered(
    service: &Service,
    headers: &HeaderMap,
    owner: Owner,
    path: String,
    body: Bytes,
    default: OnDisconnect,
) -> Result<Order, Refusal> {
    let envelope: Envelope<'_> = serde_json::from_slice(&body).unwrap_or_default();
    let policy = policy(service, headers, default, envelope.max_tokens)?;
    let model = envelope.model.map(std::borrow::Cow::into_owned);
    let recover = recover(headers)?;
    let headers = headers::up(headers);
    let (in_conversation, idempotency) = (false, None);
    Ok(Order { owner, policy, recover, in_conversation, model, idempotency, path, headers, body })
}

fn recover(headers: &HeaderMap) -> Result<bool, Refusal> {
    match headers.get(headers::RECOVERY).map(http::HeaderValue::as_bytes) {
        None | Some(b"on") => Ok(true),
        Some(b"off") => Ok(false),
        Some(_) => Err(Refusal::invalid(format!("{}: `on` or `off`", headers::RECOVERY))),
    }
}

fn policy(
    service: &Service,
    headers: &HeaderMap,
    default: OnDisconnect,
    max_tokens: Option<u64>,
) -> Result<OnDisconnect, Refusal> {
    let wrong = |what: String| Refusal::invalid(format!("{}: {what}", headers::ON_DISCONNECT));
    let policy = match headers.get(headers::ON_DISCONNECT) {
        None => default,
        Some(value) => {
            let policy = value.to_str().ok().and_then(|value| value.parse().ok());
            policy.ok_or_else(|| wrong(crate::policy::InvalidPolicy.to_string()))?
        }
    };
    let most = service.limits.grace.0;
    if let OnDisconnect::Grace(span) = policy
        && span > most
    {
        return Err(wrong(format!("a grace is at most {} s here", most.as_secs())));
    }
    let most = service.limits.detached_tokens.0;
    if policy == OnDisconnect::Detach && max_tokens.is_some_and(|tokens| tokens > most) {
        return Err(wrong(format!(
            "a request with max_tokens over {most} cannot be detached here: lower it, or ask for `grace=SECONDS`"
        )));
    }
    Ok(policy)
}
