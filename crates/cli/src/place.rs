//! Where a stream is: a gateway, the stream's name there, and the right to read it.

use clap::Args;
use perennial::resources::Streams;
use perennial::{Client, RetryPolicy};
use serde::Deserialize;

use crate::exit::{Exit, Failure};
use crate::gateway::Gateway;

/// The gateway, and the key for it.
#[derive(Debug, Args)]
pub(crate) struct GatewayArgs {
    /// Where the gateway is, without /v1
    #[arg(
        long = "url",
        visible_alias = "gateway",
        value_name = "URL",
        default_value = "http://127.0.0.1:8787",
        env = "PERENNIAL_GATEWAY"
    )]
    pub(crate) url: String,
    /// The key that streams were asked for with, or an operator's (better in the environment than here)
    #[arg(long, value_name = "KEY", env = "PERENNIAL_KEY", hide_env_values = true)]
    pub(crate) key: Option<String>,
}

/// One stream.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) gateway: String,
    pub(crate) stream: String,
    pub(crate) capability: Option<String>,
}

impl GatewayArgs {
    /// A client of the gateway at `url`.
    pub(crate) fn client(&self, url: &str) -> Result<Client, Failure> {
        let mut builder = Client::builder().base_url(url).retries(RetryPolicy::default());
        if let Some(key) = self.key.as_deref().map(str::trim).filter(|key| !key.is_empty()) {
            builder = builder.api_key(key);
        }
        builder.build().map_err(|error| Failure::new(Exit::Configuration, error))
    }

    /// The gateway at `url`, for what is no stream.
    pub(crate) fn asked(&self, url: &str) -> Result<Gateway, Failure> {
        Gateway::with_key(url, self.key.as_deref())
    }

    /// The streams of this gateway.
    pub(crate) fn streams(&self) -> Result<Streams, Failure> {
        Ok(self.client(&self.url)?.streams())
    }
}

/// What is looked at of a conversation.
#[derive(Deserialize)]
struct Conversation {
    live: Option<String>,
    head: Option<String>,
    turns: Vec<Turn>,
}

#[derive(Deserialize)]
struct Turn {
    id: String,
    parent: Option<String>,
    stream: Option<String>,
}

impl Place {
    /// A stream by its name or a link to it; or that of an answer, by the conversation or its page.
    pub(crate) async fn find(text: &str, args: &GatewayArgs) -> Result<Self, Failure> {
        let Some((gateway, id)) = conversation(text, &args.url) else { return Self::of(text, &args.url) };
        let conversation: Conversation = args.asked(gateway)?.get(&format!("/v1/conversations/{id}")).await?;
        let stream = conversation.stream().ok_or_else(|| {
            Failure::new(Exit::Usage, format!("nothing was answered yet in the conversation {id}"))
        })?;
        Self::of(&stream, gateway)
    }

    /// A stream by its name, or by a link to it with the right that is in the link.
    fn of(stream: &str, gateway: &str) -> Result<Self, Failure> {
        let (mut gateway, mut path) = (gateway.trim_end_matches('/'), stream.trim());
        if let Some((before, after)) = path.split_once("/v1/streams/") {
            (gateway, path) = (if before.is_empty() { gateway } else { before }, after);
        }
        let (stream, query) = name(path);
        if !is_name(stream, "strm_") {
            let message = "a stream is named strm_..., a conversation conv_...; the header `perennial-stream` of an answer, \
                           or the address of a page, says how";
            return Err(Failure::new(Exit::Usage, message));
        }
        let capability = query.split('&').find_map(|pair| pair.strip_prefix("cap=")).map(str::to_owned);
        Ok(Self { gateway: gateway.to_owned(), stream: stream.to_owned(), capability })
    }

    /// The path of something about the stream, with the right to it.
    pub(crate) fn path(&self, below: &str) -> String {
        let right =
            self.capability.as_ref().map(|capability| format!("?cap={capability}")).unwrap_or_default();
        format!("/v1/streams/{}/{below}{right}", self.stream)
    }
}

impl Conversation {
    /// The stream of the answer that comes, else of the last one on the branch that is shown.
    fn stream(&self) -> Option<String> {
        let mut next = self.head.as_deref();
        let behind = std::iter::from_fn(|| {
            let turn = self.turns.iter().find(|turn| Some(turn.id.as_str()) == next)?;
            next = turn.parent.as_deref();
            Some(turn)
        });
        // A tree has no rings; whoever wrote one is not followed for ever.
        let last = behind.take(self.turns.len()).find_map(|turn| turn.stream.clone());
        self.live.clone().or(last)
    }
}

/// The gateway and the id of a conversation, where one is named: by the id, by its page, or by its address.
fn conversation<'a>(text: &'a str, gateway: &'a str) -> Option<(&'a str, &'a str)> {
    let text = text.trim();
    let (before, after) =
        ["/v1/conversations/", "/c/"].iter().find_map(|path| text.split_once(path)).unwrap_or(("", text));
    let (id, _) = name(after);
    let gateway = if before.is_empty() { gateway.trim_end_matches('/') } else { before };
    is_name(id, "conv_").then_some((gateway, id))
}

/// The first part of a path, and what is asked for it.
fn name(path: &str) -> (&str, &str) {
    let (path, query) = path.split_once(['?', '#']).unwrap_or((path, ""));
    (path.split('/').next().unwrap_or_default(), query)
}

fn is_name(text: &str, begins: &str) -> bool {
    text.starts_with(begins) && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_-".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_named_by_its_id_or_by_a_link() {
        let place = |text: &str| {
            Place::of(text, "http://g:1/")
                .map(|place| format!("{}{}", place.gateway, place.path("timeline")))
                .ok()
        };
        for (text, url) in [
            ("strm_01", Some("http://g:1/v1/streams/strm_01/timeline")),
            (" strm_01\n", Some("http://g:1/v1/streams/strm_01/timeline")),
            ("/v1/streams/strm_01/events?cap=a.b", Some("http://g:1/v1/streams/strm_01/timeline?cap=a.b")),
            (
                "https://x.example/p/v1/streams/strm_01/events?after=1.1&cap=a",
                Some("https://x.example/p/v1/streams/strm_01/timeline?cap=a"),
            ),
            ("01", None),
            ("strm_01/../../x", Some("http://g:1/v1/streams/strm_01/timeline")),
            ("strm_%2e", None),
            ("", None),
        ] {
            assert_eq!(place(text).as_deref(), url, "{text}");
        }
    }

    #[test]
    fn a_conversation_is_named_by_its_id_or_its_page() {
        for (text, named) in [
            ("conv_01", Some(("http://g:1", "conv_01"))),
            (" http://x.example:8787/c/conv_01\n", Some(("http://x.example:8787", "conv_01"))),
            ("/c/conv_01?at=3#turn", Some(("http://g:1", "conv_01"))),
            ("https://x.example/p/v1/conversations/conv_01", Some(("https://x.example/p", "conv_01"))),
            ("http://x.example/c/", None),
            ("http://x.example/c/../conv_01", None),
            ("strm_01", None),
            ("conv_%2e", None),
        ] {
            assert_eq!(conversation(text, "http://g:1/"), named, "{text}");
        }
    }

    #[test]
    fn of_a_conversation_the_answer_that_comes_is_meant_else_the_last_one_of_its_branch() {
        let read = |live: &str| {
            let text = format!(
                r#"{{"live":{live},"head":"t4","turns":[{{"id":"t1","parent":null,"stream":null}},{{"id":"t2","parent":"t1","stream":"strm_a"}},
                {{"id":"t3","parent":"t1","stream":"strm_b"}},{{"id":"t4","parent":"t2","stream":null}}]}}"#
            );
            serde_json::from_str::<Conversation>(&text).unwrap().stream()
        };
        assert_eq!(read("null").as_deref(), Some("strm_a"));
        assert_eq!(read("\"strm_c\"").as_deref(), Some("strm_c"));
    }
}
