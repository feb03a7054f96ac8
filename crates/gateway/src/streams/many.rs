//! `GET /v1/events`: many streams over one connection.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::State;
use axum::response::Response;
use http::{HeaderMap, StatusCode};
use perennial_log::{After, StreamId};
use serde::Deserialize;

use super::events::{Attach, Attached, attach, cursor, diverged_data, is_at_the_end};
use super::lookup;
use super::query::Query;
use crate::access::Scope;
use crate::face::{self, Face, ManyBody, Source};
use crate::limits::MAX_STREAMS_AT_ONCE;
use crate::refusal::Refusal;
use crate::request_id::RequestId;
use crate::service::Service;

#[derive(Debug, Deserialize)]
pub(crate) struct Asked {
    #[serde(default)]
    streams: String,
    format: Option<String>,
}

/// One stream of the query: `strm_…`, `strm_…:42.1` or `strm_…:42.1:CAPABILITY`.
#[derive(Debug, PartialEq, Eq)]
struct Wanted<'a> {
    name: &'a str,
    at: &'a str,
    capability: Option<&'a str>,
}

pub(crate) async fn events(
    State(service): State<Arc<Service>>,
    Query(asked): Query<Asked>,
    headers: HeaderMap,
) -> Response {
    answer(&service, &asked, &headers).await.unwrap_or_else(|refusal| refusal.response(&RequestId::new()))
}

async fn answer(service: &Service, asked: &Asked, headers: &HeaderMap) -> Result<Response, Refusal> {
    let wanted = wanted(&asked.streams, headers)?;
    let face = match asked.format.as_deref() {
        None | Some("sse") => Face::Sse,
        Some("tape") => Face::Tape,
        Some(_) => return Err(Refusal::invalid("format: `sse` or `tape` for many streams")),
    };
    // Who has no capabilities must have a key; what each stream is about is told for each by itself.
    if wanted.iter().any(|wanted| wanted.capability.is_none()) {
        service.access.admit(headers)?;
    }
    let mut sources = Vec::with_capacity(wanted.len());
    for wanted in &wanted {
        sources.push(source(service, face, headers, wanted).await);
    }
    if sources.iter().all(Source::is_ended) {
        let mut response = Response::default();
        *response.status_mut() = StatusCode::NO_CONTENT;
        return Ok(response);
    }
    let mut response = Response::new(Body::new(ManyBody::new(sources, service.clocks.ping)));
    *response.headers_mut() = face::growing(Face::Sse);
    Ok(response)
}

async fn source(service: &Service, face: Face, headers: &HeaderMap, wanted: &Wanted<'_>) -> Source {
    let opened = async {
        let stream: StreamId = lookup::named(wanted.name)?;
        let wrong = |error: perennial_log::InvalidPosition| Refusal::invalid(error.to_string());
        let after: After = wanted.at.parse().map_err(wrong)?;
        lookup::allowed(service, headers, wanted.capability, stream, Scope::Read).await?;
        Ok::<_, Refusal>((stream, after))
    };
    let (stream, after) = match opened.await {
        Ok(opened) => opened,
        Err(refusal) => return Source::refused(wanted.name, wanted.at, &refusal),
    };
    match attach(service, stream, after).await {
        Ok(attached) if is_at_the_end(&attached.reader) => Source::ended(wanted.name, wanted.at),
        Ok(Attached { reader, shelf, presence }) => {
            Source::open(stream, after, cursor(service, face, reader), shelf, presence)
        }
        Err(Attach::Log(error)) if error.is_diverged() => {
            Source::diverged(wanted.name, wanted.at, diverged_data(after, &error))
        }
        Err(refused) => Source::refused(wanted.name, wanted.at, &refused.refusal()),
    }
}

/// The streams of the query, at the positions of `Last-Event-ID` where a browser comes back.
fn wanted<'a>(streams: &'a str, headers: &'a HeaderMap) -> Result<Vec<Wanted<'a>>, Refusal> {
    let mut wanted: Vec<Wanted<'_>> = streams.split(',').filter(|part| !part.is_empty()).map(read).collect();
    if wanted.is_empty() || wanted.len() > MAX_STREAMS_AT_ONCE {
        let message = format!("streams: 1 to {MAX_STREAMS_AT_ONCE} of `strm_…:POSITION`, with commas");
        return Err(Refusal::invalid(message));
    }
    let last = headers.get("last-event-id").and_then(|id| id.to_str().ok()).filter(|id| !id.is_empty());
    if let Some(last) = last {
        let positions: Vec<&str> = last.split(',').collect();
        if positions.len() != wanted.len() {
            let message = "Last-Event-ID is not of these streams: it has a position for each, in their order";
            return Err(Refusal::invalid(message));
        }
        for (wanted, at) in wanted.iter_mut().zip(positions) {
            wanted.at = at;
        }
    }
    Ok(wanted)
}

fn read(part: &str) -> Wanted<'_> {
    let mut fields = part.splitn(3, ':');
    let name = fields.next().unwrap_or_default();
    let at = fields.next().filter(|at| !at.is_empty()).unwrap_or("0");
    Wanted { name, at, capability: fields.next() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_query_is_read_and_the_last_id_goes_first() {
        let mut headers = HeaderMap::new();
        let query = "strm_a:12.1,strm_b,strm_c:3.1:read.1.x";
        let at = |headers: &HeaderMap| {
            wanted(query, headers).map(|all| all.iter().map(|one| one.at.to_owned()).collect::<Vec<_>>())
        };
        assert_eq!(at(&headers).unwrap(), ["12.1", "0", "3.1"]);
        assert_eq!(wanted(query, &headers).unwrap()[2].capability, Some("read.1.x"));
        headers.insert("last-event-id", "13.1,2.1,3.1".parse().unwrap());
        assert_eq!(at(&headers).unwrap(), ["13.1", "2.1", "3.1"]);
        headers.insert("last-event-id", "13.1".parse().unwrap());
        assert!(at(&headers).is_err());
        assert!(wanted(",", &headers).is_err());
        assert!(wanted(&"strm_a,".repeat(65), &HeaderMap::new()).is_err());
    }
}
