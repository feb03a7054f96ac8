//! Schemas: JSON on the command line, or a file of it.

use serde_json::Value;

use super::source::Fetcher;
use crate::exit::{Exit, Failure};

/// A schema as it was named.
#[derive(Clone, Debug)]
pub(crate) struct Schema(pub(crate) String);

impl Schema {
    pub(crate) async fn read(&self, fetcher: &mut Fetcher) -> Result<Value, Failure> {
        let text = if self.0.trim_start().starts_with('{') {
            self.0.clone()
        } else {
            fetcher.text("--schema", &self.0).await?
        };
        let wrong = |why: String| Failure::new(Exit::Usage, format!("--schema: {why}"));
        let schema: Value =
            serde_json::from_str(&text).map_err(|error| wrong(format!("it is not JSON: {error}")))?;
        if schema.is_object() { Ok(schema) } else { Err(wrong("a schema is a JSON object".to_owned())) }
    }
}
