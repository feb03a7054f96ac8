//! Fetching a page: only from hosts that the operator named, one at a time, within limits.
//!
//! Whoever writes to a conversation may make the model ask for any address. So none is fetched but those on the list, redirects lead nowhere else, and nothing of
//! the gateway's own, no key and no cookie, goes along.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::header::{CONTENT_TYPE, LOCATION};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use super::Given;

const PATIENCE: Duration = Duration::from_secs(15);
const MAX_BYTES: usize = 512 * 1024;
const MAX_REDIRECTS: usize = 3;

/// From where the tool `fetch` may fetch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct FetchPolicy {
    /// Hosts, `example.com` or `example.com:8080`, and `*.example.com` for all hosts below one. None by default.
    pub hosts: Vec<String>,
}

impl FetchPolicy {
    /// These hosts.
    #[must_use]
    pub fn of(hosts: impl IntoIterator<Item = String>) -> Self {
        Self {
            hosts: hosts
                .into_iter()
                .map(|host| host.trim().to_ascii_lowercase())
                .filter(|host| !host.is_empty())
                .collect(),
        }
    }

    fn allows(&self, url: &Url) -> bool {
        let Some(host) = url.host_str().map(str::to_ascii_lowercase) else { return false };
        let port = url.port();
        self.hosts.iter().any(|allowed| {
            let (name, allowed_port) = match allowed.rsplit_once(':') {
                Some((name, digits)) if digits.parse::<u16>().is_ok() && !name.ends_with(':') => {
                    (name, digits.parse().ok())
                }
                _ => (allowed.as_str(), None),
            };
            let is_host = match name.strip_prefix("*.") {
                Some(parent) => {
                    host.strip_suffix(parent).is_some_and(|rest| rest.len() > 1 && rest.ends_with('.'))
                }
                None => host == name,
            };
            is_host && port == allowed_port
        })
    }

    fn check(&self, text: &str) -> Result<Url, String> {
        let url = Url::parse(text).map_err(|_| format!("`{text:.200}` is no address."))?;
        if !matches!(url.scheme(), "http" | "https") {
            return Err("Only addresses with http or https are fetched.".to_owned());
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err("An address with a name or a password in it is not fetched.".to_owned());
        }
        if self.hosts.is_empty() {
            return Err(
                "Nothing can be fetched: the operator of this gateway has allowed no hosts.".to_owned()
            );
        }
        if !self.allows(&url) {
            return Err(format!("This host is not allowed. Allowed are: {}.", self.hosts.join(", ")));
        }
        Ok(url)
    }
}

/// The text at an address.
pub(super) async fn fetch(policy: &FetchPolicy, address: &str) -> Given {
    tokio::time::timeout(PATIENCE, get(policy, address))
        .await
        .unwrap_or_else(|_| Err(format!("The host did not answer within {} seconds.", PATIENCE.as_secs())))
}

async fn get(policy: &FetchPolicy, address: &str) -> Given {
    let mut url = policy.check(address)?;
    // It reads the system's certificates from the disk.
    let client =
        tokio::task::spawn_blocking(|| Client::builder().redirect(Policy::none()).no_proxy().build()).await;
    let client = client.ok().and_then(Result::ok).ok_or("Nothing can be fetched at the moment.")?;
    for _ in 0..=MAX_REDIRECTS {
        let answer = client.get(url.clone()).header("accept", "text/*, application/json").send().await;
        let answer = answer.map_err(|_| "The host cannot be reached.".to_owned())?;
        let status = answer.status();
        if status.is_redirection()
            && let Some(to) = answer.headers().get(LOCATION).and_then(|to| to.to_str().ok())
        {
            let to =
                url.join(to).map_err(|_| "The host leads to something that is no address.".to_owned())?;
            url = policy.check(to.as_str())?;
            continue;
        }
        if !status.is_success() {
            return Err(format!("The host answered {}.", status.as_u16()));
        }
        let media =
            answer.headers().get(CONTENT_TYPE).and_then(|media| media.to_str().ok()).unwrap_or_default();
        let media = media.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
        let is_text = media.is_empty()
            || media.starts_with("text/")
            || media.ends_with("json")
            || media.ends_with("xml");
        if !is_text {
            return Err(format!("What stands there is no text but {media:.60}."));
        }
        return body(answer).await;
    }
    Err("The host leads from one address to the next without an end.".to_owned())
}

async fn body(answer: reqwest::Response) -> Given {
    let mut bytes = Vec::new();
    let mut pieces = answer.bytes_stream();
    while let Some(piece) = pieces.next().await {
        let piece = piece.map_err(|_| "The host broke off in the middle of its answer.".to_owned())?;
        let room = MAX_BYTES - bytes.len();
        bytes.extend_from_slice(&piece[..piece.len().min(room)]);
        if bytes.len() == MAX_BYTES {
            break;
        }
    }
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_on_the_list_is_fetched() {
        let policy = FetchPolicy::of(["example.com", "*.docs.example", "127.0.0.1:8080"].map(str::to_owned));
        for (address, allowed) in [
            ("https://example.com/a?b", true),
            ("http://EXAMPLE.com", true),
            ("https://a.docs.example/", true),
            ("https://docs.example/", false),
            ("https://evildocs.example/", false),
            ("https://example.com.evil.example/", false),
            ("https://example.com:8443/", false),
            ("http://127.0.0.1:8080/", true),
            ("http://127.0.0.1/", false),
            ("http://127.0.0.1:8081/", false),
            ("file:///etc/passwd", false),
            ("http://example.com@evil.example/", false),
            ("http://user:pw@example.com/", false),
            ("no address", false),
        ] {
            assert_eq!(policy.check(address).is_ok(), allowed, "{address}");
        }
        assert!(FetchPolicy::default().check("https://example.com").unwrap_err().contains("no hosts"));
    }
}
