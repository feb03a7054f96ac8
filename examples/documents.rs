//! Documents and images in a question, citations in the answer.
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "an example talks to its reader")]

use perennial::request::{Block, Source, models};
use perennial::{ContentBlock, MessageRequest};

mod support;

/// A PNG of one red pixel.
const PIXEL: [u8; 69] = [
    137, 80, 78, 71, 13, 10, 26, 10, 0, 0, 0, 13, 73, 72, 68, 82, 0, 0, 0, 1, 0, 0, 0, 1, 8, 2, 0, 0, 0, 144,
    119, 83, 222, 0, 0, 0, 12, 73, 68, 65, 84, 8, 215, 99, 248, 207, 192, 0, 0, 3, 1, 1, 0, 24, 221, 141,
    176, 0, 0, 0, 0, 73, 69, 78, 68, 174, 66, 96, 130,
];

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let service = support::connect().await?;
    let request = MessageRequest::new(models::CLAUDE_SONNET_5_5, 1024).user([
        Block::image(Source::bytes("image/png", PIXEL)),
        Block::document(Source::text("The grass is green. The sky is blue.")).title("Colours").citations(),
        Block::text("What colour is the sky?"),
    ]);
    let message = service.client.messages().create(request).await?;
    for block in &message.content {
        let ContentBlock::Text(text) = block else { continue };
        println!("{}", text.text);
        for citation in text.citations.iter().flatten() {
            println!("    from the text: {:?}", citation.cited_text);
        }
    }
    Ok(())
}
