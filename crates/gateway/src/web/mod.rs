//! The pages and the modules for browsers: `web/`, embedded in the binary, each file under its own name.
//!
//! No build step and nothing from elsewhere: what is in the folder is what the browser gets, but for remarks in scripts, and the policy that goes with it lets
//! it load nothing else.

mod asset;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::Path;
use axum::response::Response;
use axum::routing::get;
use http::header::{ACCEPT, CACHE_CONTROL};
use http::{HeaderMap, HeaderValue, StatusCode};
use sha2::{Digest as _, Sha256};

use self::asset::Asset;
pub(crate) use self::asset::POLICY;
use crate::service::Service;

/// Files of `web/` under their own names.
macro_rules! files {
    ($($name:literal),* $(,)?) => {
        &[$((concat!("/", $name), include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/", $name)))),*]
    };
}

const FILES: &[(&str, &str)] = files![
    "chat/announcer.js",
    "chat/api.js",
    "chat/attachments.js",
    "chat/chat.css",
    "chat/chat.js",
    "chat/composer.js",
    "chat/keys.js",
    "chat/meter.js",
    "chat/pager.js",
    "chat/plain.css",
    "chat/presence.js",
    "chat/scroll.js",
    "chat/settings.js",
    "chat/sidebar.js",
    "chat/thread.js",
    "chat/turn.js",
    "chat/user-turn.js",
    "chat/waiting.js",
    "demo/beside.js",
    "demo/controls.js",
    "demo/demo.css",
    "demo/demo.js",
    "demo/run.js",
    "demo/scenes.js",
    "live/hub.js",
    "live/live.js",
    "live/worker.js",
    "perennial-connection.js",
    "perennial-error.js",
    "perennial-events.js",
    "perennial-fold.js",
    "perennial-many.js",
    "perennial-patience.js",
    "perennial-reading.js",
    "perennial-stream.js",
    "perennial.js",
    "shell/elements.js",
    "shell/icons.svg",
    "shell/mark.svg",
    "shell/prose.css",
    "shell/shell.css",
    "shell/shell.js",
    "shell/theme.js",
    "stream/answer-view.js",
    "stream/answer.css",
    "stream/citations.js",
    "stream/pace.js",
    "stream/stream-strip.js",
    "stream/tape-view.js",
    "stream/thinking-panel.js",
    "stream/tool-card.js",
    "stream/trouble.js",
];

/// What both pages begin with.
const BAR: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/shell/bar.html"));
/// Behind this stands what browsers without scripts see.
const PLAIN_GOES_HERE: &str = "<noscript>\n";
const BAR_GOES_HERE: &str = "<!-- bar -->\n";

const CHAT: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/chat/chat.html"));
const DEMO: &str = include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web/demo/demo.html"));

/// Where the files are under a name that changes with them, so that a browser keeps them and never mixes two versions. Modules name each other relative
/// to themselves; so it is enough that pages name them so.
static PREFIX: LazyLock<String> = LazyLock::new(|| {
    let digest =
        FILES.iter().fold(Sha256::new(), |digest, (path, text)| digest.chain_update(path).chain_update(text));
    digest.finalize().iter().take(8).fold("/assets/".to_owned(), |prefix, byte| format!("{prefix}{byte:02x}"))
});

static ASSETS: LazyLock<HashMap<&str, Asset>> = LazyLock::new(|| {
    let pages = [("/chat/chat.html", CHAT), ("/demo/demo.html", DEMO)];
    let pages = pages.map(|(path, text)| (path, Asset::new(path, &page(text))));
    FILES.iter().map(|(path, text)| (*path, Asset::new(path, text))).chain(pages).collect()
});

/// A page as it is sent: with the bar, and with the files' changing names.
fn page(text: &str) -> String {
    let whole = text.replacen(BAR_GOES_HERE, BAR, 1);
    FILES.iter().fold(whole, |page, (path, _)| {
        ["\"", "#"].iter().fold(page, |page, end| {
            page.replace(&format!("\"{path}{end}"), &format!("\"{}{path}{end}", *PREFIX))
        })
    })
}

pub(crate) fn routes(router: Router<Arc<Service>>) -> Router<Arc<Service>> {
    FILES
        .iter()
        .fold(router, |router, (path, _)| {
            router.route(path, get(move |headers: HeaderMap| async move { served(path, &headers) }))
        })
        .route("/assets/{version}/{*path}", get(kept))
        .route("/demo", get(|headers: HeaderMap| async move { served("/demo/demo.html", &headers) }))
}

/// A file under its changing name. A page of another version gets what there is now, and does not keep it.
async fn kept(Path((version, path)): Path<(String, String)>, headers: HeaderMap) -> Response {
    let mut response = served(&format!("/{path}"), &headers);
    if PREFIX.ends_with(&format!("/{version}")) && response.status() != StatusCode::NOT_FOUND {
        response
            .headers_mut()
            .insert(CACHE_CONTROL, HeaderValue::from_static("public, max-age=31536000, immutable"));
    }
    response
}

/// The page of the chat.
pub(crate) fn chat(headers: &HeaderMap) -> Response {
    served("/chat/chat.html", headers)
}

/// The same, with what a browser without scripts is to see of it.
pub(crate) fn chat_with(plain: &str) -> String {
    page(CHAT).replacen(PLAIN_GOES_HERE, &format!("{PLAIN_GOES_HERE}{plain}"), 1)
}

/// Whether who asks wants a page, as browsers do and programs do not.
pub(crate) fn wants_page(headers: &HeaderMap) -> bool {
    let accept = headers.get(ACCEPT).and_then(|accept| accept.to_str().ok()).unwrap_or_default();
    accept.split(',').any(|kind| kind.split(';').next().is_some_and(|kind| kind.trim() == "text/html"))
}

fn served(path: &str, headers: &HeaderMap) -> Response {
    ASSETS.get(path).map_or_else(Asset::missing, |asset| asset.answer(headers))
}

#[cfg(test)]
mod tests {
    use std::path::Path as Folder;

    use super::*;

    fn below(folder: &Folder, prefix: &str, found: &mut Vec<String>) {
        for file in std::fs::read_dir(folder).unwrap() {
            let file = file.unwrap();
            let name = format!("{prefix}/{}", file.file_name().to_str().unwrap());
            if file.file_type().unwrap().is_dir() {
                below(&file.path(), &name, found);
            } else if !["json", "html"].iter().any(|kind| name.ends_with(kind)) {
                found.push(name);
            }
        }
    }

    #[test]
    fn every_file_that_is_there_is_served() {
        let mut there = Vec::new();
        below(Folder::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../web")), "", &mut there);
        there.sort_unstable();
        let mut served: Vec<&str> = FILES.iter().map(|(path, _)| *path).collect();
        served.sort_unstable();
        assert_eq!(served, there);
    }

    #[test]
    fn pages_have_a_bar_and_nothing_inline() {
        for page in [CHAT, DEMO] {
            assert_eq!(page.matches(BAR_GOES_HERE).count(), 1);
            let whole = page.replacen(BAR_GOES_HERE, BAR, 1);
            for forbidden in ["<style", " style=", " onclick=", "javascript:", "//cdn", "http://", "https://"]
            {
                assert!(!whole.contains(forbidden), "{forbidden}");
            }
            for script in whole.split("<script").skip(1) {
                assert!(script.contains(" src=\"/") && script.contains("></script>"), "{script}");
            }
        }
    }

    /// A browser says that a page is loaded while a module of it still waits, and then there is a page on which nothing works.
    #[test]
    fn no_script_waits_before_it_has_run() {
        for (path, text) in FILES.iter().filter(|(path, _)| path.ends_with(".js")) {
            let waits = |line: &&str| {
                line.contains("await ") && !line.contains("async") && !line.starts_with([' ', '/', '*'])
            };
            assert_eq!(text.lines().find(waits), None, "{path}");
        }
    }

    #[test]
    fn what_pages_name_is_there() {
        for page in [CHAT, DEMO, BAR] {
            for part in
                page.split(['"', '#']).filter(|part| part.starts_with("/shell/") || part.ends_with(".css"))
            {
                assert!(ASSETS.contains_key(part), "{part}");
            }
        }
    }

    #[tokio::test]
    async fn files_under_their_changing_name_are_kept_and_those_of_another_version_are_not() {
        let whole = page(CHAT);
        assert!(!whole.contains("\"/chat/chat.js\"") && !whole.contains("\"/shell/icons.svg#"));
        let name = whole.split('"').find(|part| part.ends_with("/chat/chat.js")).unwrap();
        let version = name.trim_start_matches("/assets/").split('/').next().unwrap().to_owned();
        let asked = |version: String, path: &str| kept(Path((version, path.to_owned())), HeaderMap::new());
        let now = asked(version.clone(), "chat/chat.js").await;
        assert_eq!(now.headers()[CACHE_CONTROL], "public, max-age=31536000, immutable");
        assert_eq!(asked("0123".to_owned(), "chat/chat.js").await.headers()[CACHE_CONTROL], "no-cache");
        assert_eq!(asked(version, "chat/nothing.js").await.status(), StatusCode::NOT_FOUND);
    }

    #[test]
    fn browsers_want_pages_and_programs_do_not() {
        for (accept, wanted) in [
            ("text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8", true),
            ("application/json, text/html;q=0.5", true),
            ("*/*", false),
            ("text/plain", false),
            ("text/event-stream", false),
        ] {
            let headers = [(ACCEPT, HeaderValue::from_static(accept))].into_iter().collect();
            assert_eq!(wants_page(&headers), wanted, "{accept}");
        }
        assert!(!wants_page(&HeaderMap::new()));
    }
}
