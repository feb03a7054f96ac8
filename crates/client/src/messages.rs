//! Messages: the resource that streams.

use perennial_protocol::Message;

use crate::{Client, Error, IntoRequest, MessageStream, RequestOptions};

/// Messages of one client, with options; see [`Client::messages`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Messages {
    client: Client,
    options: RequestOptions,
}

impl Messages {
    pub(crate) fn new(client: Client) -> Self {
        let options = client.options().clone();
        Self { client, options }
    }

    /// The same with options over those of the client.
    pub fn with(mut self, options: &RequestOptions) -> Self {
        self.options = self.options.overridden_by(options);
        self
    }

    /// Opens a stream. Nothing is sent until it is read for the first time.
    ///
    /// What is wrong with the request is the stream's first and only item.
    ///
    /// ```no_run
    /// # async fn run(request: serde_json::Value) -> Result<(), perennial::Error> {
    /// use futures_util::StreamExt as _;
    ///
    /// let client = perennial::Client::from_env()?;
    /// let mut stream = client.messages().stream(request);
    /// let mut text = stream.text_stream();
    /// while let Some(piece) = text.next().await {
    ///     print!("{}", piece?);
    /// }
    /// let message = stream.final_message().await?;
    /// println!("\n{:?} {:?}", message.stop_reason, message.usage.output_tokens);
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self, request: impl IntoRequest) -> MessageStream {
        MessageStream::new(self.client.clone(), &self.options, request.into_request())
    }

    /// The whole answer at once.
    ///
    /// It is read from a stream all the same, so that a long answer does not die of a timeout on its way.
    ///
    /// # Errors
    /// Whatever keeps the answer from being complete. A refusal or a cut by `max_tokens` is no error: look at the stop reason.
    pub async fn create(&self, request: impl IntoRequest) -> Result<Message, Error> {
        self.stream(request).final_message().await
    }

    /// The client.
    #[must_use]
    pub fn client(&self) -> &Client {
        &self.client
    }

    pub(crate) fn options(&self) -> &RequestOptions {
        &self.options
    }
}
