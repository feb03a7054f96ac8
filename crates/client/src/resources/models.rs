//! The models that a key may use.

use futures_core::Stream;
use http::Method;

use super::call::{Call, segment};
use super::page::{self, Page, PageRequest};
use super::received::received;
use crate::{Client, Error};

/// The models of one client; see [`Client::models`].
#[derive(Debug, Clone)]
#[must_use]
pub struct Models {
    client: Client,
}

received! {
    /// A model.
    pub struct ModelInfo {
        /// What to ask for.
        pub id: String,
        /// What to call it.
        pub display_name: String,
        /// When it came out, RFC 3339.
        pub created_at: String,
        /// `active`, `deprecated` or `retired`.
        pub lifecycle: Option<String>,
        /// When it goes, RFC 3339, where that is known.
        pub retires_at: Option<String>,
        /// The size of its context window.
        pub max_input_tokens: Option<u64>,
        /// The most that `max_tokens` may be.
        pub max_tokens: Option<u64>,
    }
}

impl Client {
    /// The models that the key may use.
    pub fn models(&self) -> Models {
        Models { client: self.clone() }
    }
}

impl Models {
    /// One page of models, newest first.
    ///
    /// # Errors
    /// Where the service cannot be asked.
    pub async fn list(&self, page: PageRequest) -> Result<Page<ModelInfo>, Error> {
        let target = page.target("/v1/models")?;
        Call::new(&self.client, self.client.options(), Method::GET, &target, None).json().await
    }

    /// All models, newest first, page after page as they are read.
    pub fn all(&self) -> impl Stream<Item = Result<ModelInfo, Error>> + Send + use<> {
        let models = self.clone();
        page::all(PageRequest::first(), move |page| {
            let models = models.clone();
            async move { models.list(page).await }
        })
    }

    /// One model. An alias gives the model it stands for.
    ///
    /// # Errors
    /// Where there is no such model or the service cannot be asked.
    pub async fn get(&self, id: &str) -> Result<ModelInfo, Error> {
        let target = format!("/v1/models/{}", segment(id)?);
        Call::new(&self.client, self.client.options(), Method::GET, &target, None).json().await
    }
}
