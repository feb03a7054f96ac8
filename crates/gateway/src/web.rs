//! The module for browsers, embedded in the binary: `web/perennial.js` and those that it imports.

use std::sync::Arc;

use axum::Router;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};

use crate::service::Service;

/// A file of `web/` under its own name.
macro_rules! modules {
    ($($name:literal),* $(,)?) => {
        &[$((concat!("/", $name), include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/", $name)))),*]
    };
}

const MODULES: &[(&str, &str)] = modules![
    "perennial.js",
    "perennial-connection.js",
    "perennial-error.js",
    "perennial-events.js",
    "perennial-fold.js",
    "perennial-many.js",
    "perennial-patience.js",
    "perennial-reading.js",
    "perennial-stream.js",
];

const HEADERS: [(http::HeaderName, &str); 3] = [
    (CONTENT_TYPE, "text/javascript; charset=utf-8"),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    // A gateway and its module are of one version; a browser asks again.
    (CACHE_CONTROL, "no-cache"),
];

pub(crate) fn routes(router: Router<Arc<Service>>) -> Router<Arc<Service>> {
    MODULES
        .iter()
        .fold(router, |router, (path, text)| router.route(path, get(move || async move { module(text) })))
}

fn module(text: &'static str) -> Response {
    (HEADERS, text).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_module_that_is_there_is_served() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../web");
        let mut there: Vec<String> = std::fs::read_dir(folder)
            .unwrap()
            .map(|file| format!("/{}", file.unwrap().file_name().to_str().unwrap()))
            .filter(|name| name.ends_with(".js"))
            .collect();
        there.sort_unstable();
        let mut served: Vec<&str> = MODULES.iter().map(|(path, _)| *path).collect();
        served.sort_unstable();
        assert_eq!(served, there);
    }
}
