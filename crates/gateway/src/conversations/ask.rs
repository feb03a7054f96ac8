//! With what an upstream is asked for an answer: on whose behalf, and with which headers.
//!
//! It is what came with the question, and stands for all steps that follow from it. After a restart it is read from the log, which has no credential: then the
//! gateway's own must do.

use std::sync::Arc;

use http::header::{ACCEPT, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_TYPE, USER_AGENT};
use http::{HeaderMap, HeaderName, HeaderValue};
use perennial_ledger::VirtualKey;

use crate::access::{Caller, Owner};
use crate::headers;
use crate::record::Order;
use crate::service::Service;

/// What upstreams are told where the client does not say.
const VERSION: HeaderValue = HeaderValue::from_static("2026-10-21");
/// What a browser says of itself or of its own request.
const NOT_ASKED: [HeaderName; 6] = [
    ACCEPT,
    ACCEPT_LANGUAGE,
    CONTENT_ENCODING,
    USER_AGENT,
    HeaderName::from_static("upgrade-insecure-requests"),
    HeaderName::from_static("idempotency-key"),
];

/// With what an upstream is asked.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) owner: Owner,
    pub(super) key: Option<Arc<VirtualKey>>,
    pub(super) headers: HeaderMap,
    pub(super) credential: HeaderMap,
}

impl Ask {
    pub(super) fn of(service: &Service, caller: &Caller, from: &HeaderMap) -> Self {
        // Without any credential: this is held as long as a question waits.
        let mut up = headers::up(from);
        if let Some(recovery) = from.get(headers::RECOVERY) {
            up.insert(headers::RECOVERY, recovery.clone());
        }
        for name in NOT_ASKED {
            up.remove(name);
        }
        let told: Vec<HeaderName> =
            up.keys().filter(|name| name.as_str().starts_with("sec-")).cloned().collect();
        for name in told {
            up.remove(name);
        }
        up.entry("anthropic-version").or_insert(VERSION);
        up.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        let credential = service.access.credential(from);
        Self { owner: caller.owner.clone(), key: caller.key.clone(), headers: up, credential }
    }

    /// As an order in the log says it.
    pub(super) fn of_order(service: &Service, order: &Order) -> Self {
        let mut ask = Self::of_owner(service, order.owner.clone());
        ask.headers.clone_from(&order.headers);
        if !order.recover {
            ask.headers.insert(headers::RECOVERY, HeaderValue::from_static("off"));
        }
        ask
    }

    /// Of an owner of whose request nothing is known.
    pub(super) fn of_owner(service: &Service, owner: Owner) -> Self {
        let key = service.ledger.as_ref().and_then(|ledger| ledger.keys().get(owner.name()));
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        headers.insert("anthropic-version", VERSION);
        Self { owner, key, headers, credential: HeaderMap::new() }
    }
}
