//! The query of a request; one that cannot be read is refused as everything else is.

use axum::extract::FromRequestParts;
use axum::response::Response;
use http::request::Parts;
use serde::de::DeserializeOwned;

use crate::refusal::Refusal;
use crate::request_id::RequestId;

/// axum's own, with a refusal of ours.
#[derive(Debug)]
pub(crate) struct Query<T>(pub(crate) T);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Response;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Response> {
        let read = axum::extract::Query::try_from_uri(&parts.uri);
        read.map(|axum::extract::Query(query)| Self(query)).map_err(|rejection| {
            let text = rejection.body_text();
            let text = text.rsplit_once("query string: ").map_or(&*text, |(_, what)| what);
            Refusal::invalid(format!("the query cannot be read: {text}")).response(&RequestId::new())
        })
    }
}
