//! An answer that is a Rust type.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use perennial::request::models;
use perennial::{MessageRequest, ParseOutput as _};
use schemars::JsonSchema;
use serde::Deserialize;

mod support;

/// A recipe.
#[derive(Deserialize, JsonSchema)]
struct Recipe {
    /// What it is called.
    name: String,
    /// How long it takes.
    minutes: u32,
    /// What one needs.
    ingredients: Vec<String>,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024)
        .output::<Recipe>()
        .user("A recipe for pancakes.");
    let message = service.client.messages().create(request).await?;
    match message.parse_output::<Recipe>() {
        Ok(Recipe { name, minutes, ingredients }) => {
            println!("{name}, {minutes} minutes, {} ingredients", ingredients.len());
        }
        // Refused, or cut at `max_tokens`: a part of the JSON is never read as if it were the whole.
        Err(error) => println!("no recipe: {error}"),
    }
    Ok(())
}
