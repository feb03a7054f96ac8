//! Counting tokens before they are spent.

use bytes::Bytes;
use http::Method;

use super::call::Call;
use super::received::received;
use crate::{Error, MessageRequest, Messages};

received! {
    /// How many tokens a request has, by the service's own count.
    pub struct TokenCount {
        /// The input, tools and system prompt included.
        pub input_tokens: u64,
    }
}

impl Messages {
    /// Counts the input tokens of a request without sending it to a model. Free of charge, but rate-limited.
    ///
    /// Fields that have no bearing on the count (`max_tokens`, stop sequences, ...) are left out, since the service refuses them here.
    ///
    /// # Errors
    /// Where the request is wrong or the service cannot be asked.
    pub async fn count_tokens(&self, request: &MessageRequest) -> Result<TokenCount, Error> {
        request.check()?;
        let mut options = self.options().clone();
        options.betas.extend(request.betas().map(str::to_owned));
        let body = serde_json::to_vec(&request.for_count()).map_err(|source| {
            Error::request(format!("the request cannot be written as JSON: {source}")).caused_by(source)
        })?;
        let target = "/v1/messages/count_tokens";
        Call::new(self.client(), &options, Method::POST, target, Some(Bytes::from(body))).json().await
    }
}
