//! One file for browsers: its bytes, the same compressed, and the headers that go with both.

use std::io::Write as _;

use axum::response::{IntoResponse as _, Response};
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG,
    IF_NONE_MATCH, REFERRER_POLICY, VARY, X_CONTENT_TYPE_OPTIONS,
};
use http::{HeaderMap, HeaderName, StatusCode};
use sha2::{Digest as _, Sha256};

/// Nothing that is not of this origin, nothing inline, in nobody's frame. On scripts too: a worker is held to what came with its own.
pub(crate) const POLICY: &str =
    "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; object-src 'none'";

pub(super) struct Asset {
    plain: Bytes,
    /// Compressed once, as well as can be; absent where that does not pay.
    gzip: Option<Bytes>,
    /// Weak, since both forms have it.
    tag: String,
    content_type: &'static str,
}

impl Asset {
    pub(super) fn new(path: &str, text: &str) -> Self {
        let content_type = content_type(path);
        let plain = if path.ends_with(".js") {
            without_remarks(text).into()
        } else {
            Bytes::copy_from_slice(text.as_bytes())
        };
        let digest = Sha256::digest(&plain);
        let tag =
            digest.iter().take(8).fold("W/\"".to_owned(), |tag, byte| format!("{tag}{byte:02x}")) + "\"";
        let gzip = compressed(&plain).filter(|gzip| gzip.len() < plain.len());
        Self { plain, gzip, tag, content_type }
    }

    pub(super) fn answer(&self, headers: &HeaderMap) -> Response {
        let asked =
            |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let head = [
            (CONTENT_TYPE, self.content_type),
            (ETAG, self.tag.as_str()),
            // A gateway and its pages are of one version; a browser asks again, and mostly hears that nothing is new.
            (CACHE_CONTROL, "no-cache"),
            (VARY, "accept-encoding"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CONTENT_SECURITY_POLICY, POLICY),
            (REFERRER_POLICY, "same-origin"),
        ];
        if asked(IF_NONE_MATCH).split(',').any(|known| known.trim() == self.tag) {
            return (StatusCode::NOT_MODIFIED, head).into_response();
        }
        let takes_gzip = asked(ACCEPT_ENCODING).split(',').any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("gzip") && !parts.any(|part| part == "q=0")
        });
        match &self.gzip {
            Some(gzip) if takes_gzip => (head, [(CONTENT_ENCODING, "gzip")], gzip.clone()).into_response(),
            _ => (head, self.plain.clone()).into_response(),
        }
    }

    pub(super) fn missing() -> Response {
        StatusCode::NOT_FOUND.into_response()
    }
}

/// A script without its remarks: they are for readers of the source, and a third of it. Each leaves its line, so that what a browser says of
/// line 40 is about line 40.
fn without_remarks(script: &str) -> String {
    let mut out = String::with_capacity(script.len());
    let mut inside = false;
    for line in script.lines() {
        let text = line.trim();
        let begins = text.starts_with("/**") && (text.ends_with("*/") || !text.contains("*/"));
        if !(inside || begins || text.starts_with("//")) {
            out.push_str(&without_types(line));
        }
        inside = (inside || begins) && !text.ends_with("*/");
        out.push('\n');
    }
    out
}

/// A line of code without the types in it.
fn without_types(line: &str) -> String {
    let mut parts = line.split("/** @");
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        match part.split_once("*/") {
            Some((_, code)) => out.push_str(code.strip_prefix(' ').unwrap_or(code)),
            None => out.extend(["/** @", part]),
        }
    }
    out
}

fn compressed(bytes: &[u8]) -> Option<Bytes> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    Some(encoder.finish().ok()?.into())
}

fn content_type(path: &str) -> &'static str {
    match path.rsplit('.').next() {
        Some("js") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("html") => "text/html; charset=utf-8",
        Some("svg") => "image/svg+xml",
        _ => "text/plain; charset=utf-8",
    }
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use http::HeaderValue;

    use super::*;

    fn asked(pairs: &[(HeaderName, &str)]) -> HeaderMap {
        pairs.iter().map(|(name, value)| (name.clone(), HeaderValue::from_str(value).unwrap())).collect()
    }

    async fn body(response: Response) -> Vec<u8> {
        use http_body_util::BodyExt as _;
        response.into_body().collect().await.unwrap().to_bytes().to_vec()
    }

    #[tokio::test]
    async fn who_takes_gzip_gets_it_and_it_is_the_same() {
        let text = "let answer = 42;\n".repeat(100);
        let asset = Asset::new("/a.js", &text);
        let gzip = asset.answer(&asked(&[(ACCEPT_ENCODING, "br, gzip;q=0.9")]));
        assert_eq!(gzip.headers()[CONTENT_ENCODING], "gzip");
        let mut unpacked = String::new();
        flate2::read::GzDecoder::new(&*body(gzip).await).read_to_string(&mut unpacked).unwrap();
        assert_eq!(unpacked, text);
        for refused in ["", "br", "gzip;q=0"] {
            let plain = asset.answer(&asked(&[(ACCEPT_ENCODING, refused)]));
            assert!(!plain.headers().contains_key(CONTENT_ENCODING));
            assert_eq!(body(plain).await, text.as_bytes());
        }
    }

    #[test]
    fn remarks_leave_their_lines_and_code_stays() {
        let script = "// What it is.\n\n/** One. */\nconst a = 1; // stays\n/**\n * More\n */\nuse(/** @type {any} */ (a), /** @type {B} */ (b));\n  /** @type {any} */ (b).c();\n";
        let expected = "\n\n\nconst a = 1; // stays\n\n\n\nuse((a), (b));\n  (b).c();\n";
        assert_eq!(without_remarks(script), expected);
    }

    #[tokio::test]
    async fn what_the_browser_has_is_not_sent_again() {
        let asset = Asset::new("/a.css", "p { margin: 0; }\n");
        let first = asset.answer(&HeaderMap::new());
        assert_eq!(first.headers()[CONTENT_TYPE], "text/css; charset=utf-8");
        assert_eq!(first.headers()[CONTENT_SECURITY_POLICY], POLICY);
        let tag = first.headers()[ETAG].to_str().unwrap().to_owned();
        let again = asset.answer(&asked(&[(IF_NONE_MATCH, &format!("\"other\", {tag}"))]));
        assert_eq!(again.status(), StatusCode::NOT_MODIFIED);
        assert!(body(again).await.is_empty());
        let other = Asset::new("/a.css", "p { margin: 1; }\n").answer(&asked(&[(IF_NONE_MATCH, &tag)]));
        assert_eq!(other.status(), StatusCode::OK);
    }
}
