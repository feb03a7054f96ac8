//! The streams of a gateway: answers that go on without their reader.
//!
//! Only a Perennial gateway has them, not the service itself.

use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::{HeaderValue, Method, header};
use perennial_protocol::Message;
use serde::Serialize;
use uuid::Uuid;

use super::call::{Call, segment};
use super::page::{self, Page, PageRequest};
use super::stream_info::{LinkScope, StreamInfo, StreamLink, StreamMessage, StreamState};
use crate::course::Course;
use crate::{Client, Error, IntoRequest, MessageStream, RequestOptions};

const PATH: &str = "/v1/streams";

/// The streams of one client; see [`Client::streams`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Streams {
    client: Client,
    options: RequestOptions,
    capability: Option<Capability>,
}

/// Opens a stream to whoever has it, so it is not shown.
#[derive(Clone)]
struct Capability(String);

#[derive(Serialize)]
struct LinkRequest {
    scope: &'static str,
    expires_in: u64,
}

impl Client {
    /// The streams that a gateway keeps: start an answer that nobody needs to wait for, and read it from anywhere, as often as you like.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), perennial::Error> {
    /// use perennial::request::models;
    /// use perennial::{Client, MessageRequest};
    ///
    /// let streams = Client::builder().base_url("http://127.0.0.1:8787").build()?.streams();
    /// let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024).user("Why is the sky blue?");
    /// let id = streams.create(request).await?.id;
    /// // From here on any process can read it: from its beginning, whatever breaks in between.
    /// println!("{}", streams.attach(&id).final_text().await?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn streams(&self) -> Streams {
        Streams { client: self.clone(), options: self.options().clone(), capability: None }
    }
}

impl Streams {
    /// The same with options over those of the client.
    pub fn with(mut self, options: &RequestOptions) -> Self {
        self.options = self.options.overridden_by(options);
        self
    }

    /// The same by the right of a [capability](Self::link), for a stream of somebody else.
    pub fn capability(mut self, capability: impl Into<String>) -> Self {
        self.capability = Some(Capability(capability.into()));
        self
    }

    /// Starts a stream. It goes on whether anybody reads it or not.
    ///
    /// It is never started twice: each call has an `Idempotency-Key` of its own, by which the gateway knows a request that is sent again. Set
    /// that header in the options to have it so over several calls.
    ///
    /// # Errors
    /// Where the request is wrong or the gateway cannot be asked. What becomes of the answer is said by the stream.
    pub async fn create(&self, request: impl IntoRequest) -> Result<StreamInfo, Error> {
        let body = request.into_request()?;
        let mut options = self.options.clone();
        options.betas.extend(body.betas().iter().cloned());
        let call = Call::new(&self.client, &options, Method::POST, PATH, Some(body.json().clone()));
        call.header("idempotency-key", &Uuid::now_v7().to_string()).json().await.map_err(no_gateway)
    }

    /// One stream.
    ///
    /// # Errors
    /// Where there is none of that id or the gateway cannot be asked.
    pub async fn get(&self, id: &str) -> Result<StreamInfo, Error> {
        self.call(Method::GET, &self.path(id, "")?).json().await.map_err(Error::about_a_stream)
    }

    /// One page of streams, newest first.
    ///
    /// # Errors
    /// Where the gateway cannot be asked.
    pub async fn list(&self, page: PageRequest) -> Result<Page<StreamInfo>, Error> {
        self.call(Method::GET, &page.target(PATH)?).json().await.map_err(no_gateway)
    }

    /// All streams, newest first, page after page as they are read.
    pub fn all(&self) -> impl Stream<Item = Result<StreamInfo, Error>> + Send + use<> {
        let streams = self.clone();
        page::all(PageRequest::first(), move |page| {
            let streams = streams.clone();
            async move { streams.list(page).await }
        })
    }

    /// Stops a stream. What came before is kept. Stopping what has ended changes nothing.
    ///
    /// # Errors
    /// Where there is none of that id or the gateway cannot be asked.
    pub async fn cancel(&self, id: &str) -> Result<StreamInfo, Error> {
        self.call(Method::POST, &self.path(id, "/cancel")?).json().await.map_err(Error::about_a_stream)
    }

    /// Stops a stream if it runs, and forgets it for good. To do so twice is no error.
    ///
    /// # Errors
    /// Where there is none of that id or the gateway cannot be asked.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.call(Method::DELETE, &self.path(id, "")?).open().await.map_err(Error::about_a_stream)?;
        Ok(())
    }

    /// The message of a stream, as far as it is there.
    ///
    /// # Errors
    /// Where there is none of that id or the gateway cannot be asked.
    pub async fn message(&self, id: &str) -> Result<StreamMessage, Error> {
        let call = self.call(Method::GET, &self.path(id, "/message")?);
        let (message, head) = call.json_with_head::<Message>().await.map_err(Error::about_a_stream)?;
        let state = StreamState::from(head.header("perennial-state").unwrap_or_default());
        Ok(StreamMessage { message, state })
    }

    /// A capability for one stream: whoever has it may read (and stop) it without a key, for that time.
    ///
    /// # Errors
    /// Where there is none of that id or the gateway cannot be asked.
    pub async fn link(&self, id: &str, scope: LinkScope, expires_in: Duration) -> Result<StreamLink, Error> {
        let request = LinkRequest { scope: scope.as_str(), expires_in: expires_in.as_secs() };
        let body = serde_json::to_vec(&request)
            .map_err(|source| Error::request("the link cannot be written as JSON").caused_by(source))?;
        let target = self.path(id, "/links")?;
        let call = Call::new(&self.client, &self.options, Method::POST, &target, Some(body.into()));
        call.json().await.map_err(Error::about_a_stream)
    }

    /// Reads a stream from its beginning to its end, however often the connection breaks. Nothing is sent until it is read for the first time.
    ///
    /// The reading is a [`MessageStream`] like any other: text, events, transcript, final message. Each event is handed out once and in order;
    /// breaks are not seen, see [`ReconnectPolicy`](crate::ReconnectPolicy). It ends as the stream does: after a whole answer as usual, else
    /// with an error that [says why](Error::is_cancelled). Dropping it leaves the stream alone.
    ///
    /// To go on where another process stopped, keep [`position`](MessageStream::position) and say [`after`](MessageStream::after):
    ///
    /// ```no_run
    /// # async fn example(client: perennial::Client, id: &str, kept: &str) -> Result<(), perennial::Error> {
    /// use futures_util::StreamExt as _;
    ///
    /// let mut stream = client.streams().attach(id).after(kept.parse()?);
    /// while let Some(piece) = stream.text_stream().next().await {
    ///     print!("{}", piece?);
    ///     let kept = stream.position();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn attach(&self, id: &str) -> MessageStream {
        let request = self.events(id);
        MessageStream::of(Course::attached(self.client.clone(), &self.options, request, id))
    }

    /// The request for the events of a stream.
    pub(crate) fn events(&self, id: &str) -> Result<http::Request<Bytes>, Error> {
        let target = self.path(id, "/events")?;
        let mut request = self.client.request(Method::GET, &target, None, &self.options)?;
        request.headers_mut().insert(header::ACCEPT, HeaderValue::from_static("text/event-stream"));
        Ok(request)
    }

    fn call(&self, method: Method, target: &str) -> Call<'_> {
        Call::new(&self.client, &self.options, method, target, None)
    }

    /// Path and query of something about a stream.
    fn path(&self, id: &str, below: &str) -> Result<String, Error> {
        let path = format!("{PATH}/{}{below}", segment(id)?);
        Ok(match &self.capability {
            Some(Capability(capability)) => format!("{path}?cap={}", segment(capability)?),
            None => path,
        })
    }
}

/// The service itself does not know the address.
fn no_gateway(error: Error) -> Error {
    if error.status() == Some(404) { error.about_a_stream() } else { error }
}

impl std::fmt::Debug for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("(not shown)")
    }
}
