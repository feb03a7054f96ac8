//! Message batches: work that nobody waits for.

use std::collections::HashSet;
use std::time::Duration;

use bytes::Bytes;
use futures_core::Stream;
use http::Method;
use perennial_protocol::Raw;
use serde::Serialize;
use tokio::time::sleep;

use super::batch::Batch;
use super::batch_results::BatchResults;
use super::call::{Call, Repeat, segment};
use super::lines::MaxLineBytes;
use super::page::{self, Page, PageRequest};
use crate::{Client, Error, IntoRequest, Messages, RequestOptions};

const PATH: &str = "/v1/messages/batches";

/// The message batches of one client; see [`Messages::batches`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Batches {
    client: Client,
    options: RequestOptions,
    max_line: MaxLineBytes,
}

#[derive(Serialize)]
struct Entry {
    custom_id: String,
    params: Raw,
}

#[derive(Serialize)]
struct Entries {
    requests: Vec<Entry>,
}

impl Messages {
    /// Message batches: many requests, worked off within a day, at half the price.
    ///
    /// ```no_run
    /// # async fn example() -> Result<(), perennial::Error> {
    /// use std::time::Duration;
    ///
    /// use futures_util::StreamExt as _;
    /// use perennial::request::models;
    /// use perennial::{Client, MessageRequest};
    ///
    /// let batches = Client::from_env()?.messages().batches();
    /// let ask = |city: &str| MessageRequest::new(models::CLAUDE_HAIKU_5_5, 512).user(format!("Describe {city}."));
    /// let batch = batches.create([("oslo", ask("Oslo")), ("rome", ask("Rome"))]).await?;
    /// let batch = batches.wait(&batch.id, Duration::from_secs(60)).await?;
    /// let mut results = batches.results(&batch).await?;
    /// while let Some(result) = results.next().await {
    ///     let result = result?;
    ///     println!("{}: {:?}", result.custom_id, result.outcome.message().map(|message| message.text()));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batches(&self) -> Batches {
        Batches {
            client: self.client().clone(),
            options: self.options().clone(),
            max_line: MaxLineBytes::default(),
        }
    }
}

impl Batches {
    /// Sets the longest result that is read.
    pub fn max_line_bytes(mut self, limit: MaxLineBytes) -> Self {
        self.max_line = limit;
        self
    }

    /// Makes a batch of requests, each with an id of the caller's choice to know its result by.
    ///
    /// It is sent again only where the service certainly did not take it: a batch that exists twice costs twice.
    ///
    /// # Errors
    /// Where there is no request, an id occurs twice, a request is wrong, or the service does not take it.
    pub async fn create<I, R>(&self, requests: impl IntoIterator<Item = (I, R)>) -> Result<Batch, Error>
    where
        I: Into<String>,
        R: IntoRequest,
    {
        let mut options = self.options.clone();
        let body = write(requests, &mut options)?;
        Call::new(&self.client, &options, Method::POST, PATH, Some(body))
            .repeat(Repeat::IfRefused)
            .json()
            .await
    }

    /// One batch.
    ///
    /// # Errors
    /// Where there is none of that id or the service cannot be asked.
    pub async fn get(&self, id: &str) -> Result<Batch, Error> {
        self.call(Method::GET, &segment(id)?).json().await
    }

    /// Asks `every` so often until the batch has ended. Dropping this leaves the batch as it is.
    ///
    /// # Errors
    /// As [`get`](Self::get).
    pub async fn wait(&self, id: &str, every: Duration) -> Result<Batch, Error> {
        loop {
            let batch = self.get(id).await?;
            if batch.is_ended() {
                return Ok(batch);
            }
            sleep(every).await;
        }
    }

    /// One page of batches, newest first.
    ///
    /// # Errors
    /// Where the service cannot be asked.
    pub async fn list(&self, page: PageRequest) -> Result<Page<Batch>, Error> {
        let target = page.target(PATH)?;
        Call::new(&self.client, &self.options, Method::GET, &target, None).json().await
    }

    /// All batches, newest first, page after page as they are read.
    pub fn all(&self) -> impl Stream<Item = Result<Batch, Error>> + Send + use<> {
        let batches = self.clone();
        page::all(PageRequest::first(), move |page| {
            let batches = batches.clone();
            async move { batches.list(page).await }
        })
    }

    /// Cancels a batch. Requests that have begun may still end; the batch is over when its status says so.
    ///
    /// # Errors
    /// Where there is none of that id or the service cannot be asked.
    pub async fn cancel(&self, id: &str) -> Result<Batch, Error> {
        self.call(Method::POST, &format!("{}/cancel", segment(id)?)).json().await
    }

    /// Deletes a batch that has ended, and its results.
    ///
    /// # Errors
    /// Where there is none of that id, it has not ended, or the service cannot be asked.
    pub async fn delete(&self, id: &str) -> Result<(), Error> {
        self.call(Method::DELETE, &segment(id)?).json::<serde::de::IgnoredAny>().await?;
        Ok(())
    }

    /// The results of a batch that has ended, decoded while they arrive.
    ///
    /// # Errors
    /// Where the batch has not ended or the service cannot be asked.
    pub async fn results(&self, batch: &Batch) -> Result<BatchResults, Error> {
        if !batch.is_ended() {
            let text =
                format!("batch {} has not ended, so that it has no results; `wait` for it first", batch.id);
            return Err(Error::request(text));
        }
        // Not `results_url`: the key goes to the base URL only, and a gateway must see this request as well.
        let opened = self.call(Method::GET, &format!("{}/results", segment(&batch.id)?)).open().await?;
        let deadlines = self.options.deadlines.unwrap_or_default();
        Ok(BatchResults::new(opened, deadlines, batch.request_counts.total(), self.max_line))
    }

    fn call(&self, method: Method, below: &str) -> Call<'_> {
        Call::new(&self.client, &self.options, method, &format!("{PATH}/{below}"), None)
    }
}

/// The body of a new batch. The betas that its requests need are added to `options`.
fn write<I: Into<String>, R: IntoRequest>(
    requests: impl IntoIterator<Item = (I, R)>,
    options: &mut RequestOptions,
) -> Result<Bytes, Error> {
    let mut ids = HashSet::new();
    let mut entries = Vec::new();
    for (custom_id, request) in requests {
        let custom_id = custom_id.into();
        if !ids.insert(custom_id.clone()) {
            return Err(Error::request(format!("the id `{custom_id}` occurs twice in the batch")));
        }
        let body = request.into_request()?;
        options.betas.extend(body.betas().iter().cloned());
        let params: Raw = serde_json::from_slice(body.json())
            .map_err(|source| Error::request("a request is not JSON").caused_by(source))?;
        entries.push(Entry { custom_id, params });
    }
    if entries.is_empty() {
        return Err(Error::request("the batch has no requests; add at least one"));
    }
    let body = serde_json::to_vec(&Entries { requests: entries })
        .map_err(|source| Error::request("the batch cannot be written as JSON").caused_by(source))?;
    Ok(body.into())
}
