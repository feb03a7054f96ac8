//! Attachments: images and PDFs, told by their first bytes and not by their names.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use super::source::{Fetcher, is_address};
use crate::exit::{Exit, Failure};

/// The block for what `-a` names: a path, an address, or `-`.
pub(super) async fn block(fetcher: &mut Fetcher, name: &str) -> Result<Value, Failure> {
    // What an address plainly is, the service fetches itself.
    if is_address(name)
        && let Some(media) = by_extension(name)
    {
        return Ok(json!({"type": kind(media), "source": {"type": "url", "url": name}}));
    }
    let bytes = fetcher.bytes("-a", name).await?;
    let media = by_content(&bytes).ok_or_else(|| {
        let message = format!("-a {name}: it is no PNG, JPEG, GIF, WebP or PDF; -f sends text");
        Failure::new(Exit::Usage, message)
    })?;
    let data = STANDARD.encode(&bytes);
    Ok(json!({"type": kind(media), "source": {"type": "base64", "media_type": media, "data": data}}))
}

fn kind(media: &str) -> &'static str {
    if media == "application/pdf" { "document" } else { "image" }
}

fn by_content(bytes: &[u8]) -> Option<&'static str> {
    match bytes {
        [0x89, b'P', b'N', b'G', ..] => Some("image/png"),
        [0xff, 0xd8, 0xff, ..] => Some("image/jpeg"),
        [b'G', b'I', b'F', b'8', ..] => Some("image/gif"),
        [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'E', b'B', b'P', ..] => Some("image/webp"),
        [b'%', b'P', b'D', b'F', b'-', ..] => Some("application/pdf"),
        _ => None,
    }
}

fn by_extension(address: &str) -> Option<&'static str> {
    let path = address.split(['?', '#']).next().unwrap_or_default();
    let (_, extension) = path.rsplit_once('.')?;
    match extension.to_ascii_lowercase().as_str() {
        "png" => Some("image/png"),
        "jpg" | "jpeg" => Some("image/jpeg"),
        "gif" => Some("image/gif"),
        "webp" => Some("image/webp"),
        "pdf" => Some("application/pdf"),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn content_tells_what_it_is() {
        for (bytes, media) in [
            (&b"\x89PNG\r\n\x1a\n"[..], Some("image/png")),
            (b"\xff\xd8\xff\xe0", Some("image/jpeg")),
            (b"GIF89a", Some("image/gif")),
            (b"RIFF\x01\x02\x03\x04WEBPVP8 ", Some("image/webp")),
            (b"RIFF\x01\x02\x03\x04WAVE", None),
            (b"%PDF-1.7", Some("application/pdf")),
            (b"plain", None),
            (b"", None),
        ] {
            assert_eq!(by_content(bytes), media, "{bytes:?}");
        }
    }

    #[test]
    fn an_address_tells_by_its_path() {
        for (address, media) in [
            ("https://a.example/x.PNG?size=1", Some("image/png")),
            ("https://a.example/paper.pdf#page=2", Some("application/pdf")),
            ("https://a.example/x", None),
            ("https://a.example/?file=x.png", None),
        ] {
            assert_eq!(by_extension(address), media, "{address}");
        }
    }
}
