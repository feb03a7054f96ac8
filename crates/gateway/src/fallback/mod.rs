//! Fallback: what stands in for an answer when no upstream gives one. First what an identical request was answered before, then words of the operator's.
//!
//! Both are proper streams and say that they stand in: in a header while there may be headers, and in a record. Nothing stands in for an answer
//! of which readers have a part, nor where the request itself was at fault.

mod cache;
mod kept;
mod stand_in;

use std::sync::Arc;

use http::HeaderMap;

pub(crate) use self::cache::{Cache, CacheKey};
pub use self::cache::{CachePolicy, MaxCachedAnswers, MaxCachedBytes};
pub(crate) use self::kept::KeptBody;
use crate::headers;
use crate::record::Order;
use crate::service::Service;

/// What may stand in for an answer. By default nothing does.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fallback {
    /// Answers that were given before, to the same key for the same request.
    pub cache: Option<CachePolicy>,
    /// A text of the operator's.
    pub answer: Option<String>,
}

/// Something that stands in.
#[derive(Debug)]
pub(crate) struct StandIn {
    /// `cache` or `default`.
    pub(crate) kind: &'static str,
    pub(crate) body: KeptBody,
}

/// What stands in for the answer to this request, if anything does.
pub(crate) async fn stand_in(
    service: &Arc<Service>,
    key: Option<CacheKey>,
    order: &Order,
) -> Option<StandIn> {
    if let Some(key) = key
        && let Some(body) = service.cache.answer(&service.log, key).await
    {
        return Some(StandIn { kind: "cache", body });
    }
    let text = service.fallback.answer.as_deref()?;
    let model = order.model.as_deref().unwrap_or_default();
    Some(StandIn { kind: "default", body: stand_in::body(text, model) })
}

impl StandIn {
    /// The head that it has in place of an upstream's.
    pub(crate) fn head(&self) -> http::response::Parts {
        let mut head = headers::early();
        headers::set_stand_in(&mut head.headers, self.kind);
        head
    }
}

/// The key under which an answer to this request is kept, where answers are.
pub(crate) fn cache_key(service: &Service, order: &Order) -> Option<CacheKey> {
    service.fallback.cache.map(|_| CacheKey::of(order))
}

/// The headers that make another request of the same body.
fn telling(headers: &HeaderMap) -> impl Iterator<Item = (&str, &[u8])> {
    ["anthropic-version", "anthropic-beta"]
        .into_iter()
        .flat_map(|name| headers.get_all(name).iter().map(move |value| (name, value.as_bytes())))
}
