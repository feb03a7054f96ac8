//! `GET /openapi.json`: what the gateway takes and gives, for machines.
//!
//! The document is written by hand, since it is a promise and no picture of the code; tests hold the routes and real answers against it.

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};

const DOCUMENT: &str = include_str!("openapi.json");

pub(crate) async fn document() -> Response {
    ([(CONTENT_TYPE, "application/json"), (CACHE_CONTROL, "no-cache")], DOCUMENT).into_response()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::Value;

    use super::*;
    use crate::routes::ROUTES;

    fn read() -> Value {
        serde_json::from_str(DOCUMENT).unwrap()
    }

    #[test]
    fn every_route_is_in_the_document_and_nothing_else_is() {
        let document = read();
        let paths = document["paths"].as_object().unwrap();
        let documented: BTreeSet<_> = paths
            .iter()
            .flat_map(|(path, item)| {
                item.as_object().unwrap().keys().map(move |method| (method.as_str(), path.as_str()))
            })
            .collect();
        assert_eq!(documented, ROUTES.iter().copied().collect());
        assert_eq!(ROUTES.len(), documented.len(), "each once");
    }

    #[test]
    fn it_is_of_this_version_and_refers_to_what_is_there() {
        let document = read();
        assert_eq!(document["info"]["version"], env!("CARGO_PKG_VERSION"));
        let mut used = BTreeSet::new();
        refer(&document, &mut used);
        assert!(used.len() > 30);
        for reference in &used {
            let pointer = reference.strip_prefix('#').unwrap();
            assert!(document.pointer(pointer).is_some(), "{reference} is not there");
        }
        for (kind, parts) in document["components"].as_object().unwrap() {
            for name in parts.as_object().unwrap().keys().filter(|_| kind != "securitySchemes") {
                assert!(used.contains(&format!("#/components/{kind}/{name}")), "nothing uses {kind}/{name}");
            }
        }
    }

    fn refer(value: &Value, used: &mut BTreeSet<String>) {
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    match value {
                        Value::String(reference) if name == "$ref" => drop(used.insert(reference.clone())),
                        _ => refer(value, used),
                    }
                }
            }
            Value::Array(values) => values.iter().for_each(|value| refer(value, used)),
            _ => {}
        }
    }
}
