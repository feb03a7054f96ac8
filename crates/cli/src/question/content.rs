//! The content of a user's message: attachments and fragments first, the context, then the words.

use serde_json::{Value, json};

use super::attachment;
use super::source::Fetcher;
use crate::exit::{Exit, Failure};

/// What a user's message is made of.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words {
    /// The instruction.
    pub(crate) prompt: String,
    /// What came by standard input without being named.
    pub(crate) context: Option<String>,
    /// Paths, addresses or `-` of texts.
    pub(crate) fragments: Vec<String>,
    /// Paths, addresses or `-` of images and PDFs.
    pub(crate) attachments: Vec<String>,
}

impl Words {
    /// The content. What stands before the instruction is sent as blocks of its own, so that the model takes neither for the other.
    pub(crate) async fn content(&self, fetcher: &mut Fetcher) -> Result<Value, Failure> {
        let mut blocks = Vec::new();
        for name in &self.attachments {
            blocks.push(attachment::block(fetcher, name).await?);
        }
        for name in &self.fragments {
            let text = fetcher.text("-f", name).await?;
            let source = if name == "-" { "standard input" } else { name };
            let source = source.replace(['"', '<', '>', '\n'], " ");
            blocks.push(text_block(&format!(
                "<fragment source=\"{source}\">\n{}\n</fragment>",
                text.trim_end_matches('\n')
            )));
        }
        let prompt = self.prompt.trim();
        match (&self.context, prompt.is_empty()) {
            (Some(context), true) => blocks.push(text_block(context)),
            (Some(context), false) => {
                blocks.push(text_block(&format!("<stdin>\n{}\n</stdin>", context.trim_end_matches('\n'))));
                blocks.push(text_block(&self.prompt));
            }
            (None, false) => blocks.push(text_block(&self.prompt)),
            (None, true) => {}
        }
        match &blocks[..] {
            [] => Err(Failure::new(Exit::Usage, "nothing to ask: give a prompt, or text on standard input")),
            [only] if only["type"] == "text" && self.fragments.is_empty() => Ok(only["text"].clone()),
            _ => Ok(Value::Array(blocks)),
        }
    }
}

fn text_block(text: &str) -> Value {
    json!({"type": "text", "text": text})
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(words: &Words) -> Result<Value, String> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let content = runtime.block_on(words.content(&mut Fetcher::default()));
        content.map_err(|failure| format!("{failure:?}"))
    }

    #[test]
    fn the_context_is_kept_apart_from_the_instruction() {
        let words = |prompt: &str, context: Option<&str>| Words {
            prompt: prompt.to_owned(),
            context: context.map(str::to_owned),
            ..Words::default()
        };
        assert_eq!(content(&words("What is it?", None)).unwrap(), json!("What is it?"));
        assert_eq!(content(&words("", Some("What?\n"))).unwrap(), json!("What?\n"));
        assert_eq!(
            content(&words("Sum up", Some("long\n"))).unwrap(),
            json!([{"type": "text", "text": "<stdin>\nlong\n</stdin>"}, {"type": "text", "text": "Sum up"}])
        );
        assert!(content(&words(" ", None)).unwrap_err().contains("nothing to ask"));
    }

    #[test]
    fn files_come_before_the_words() {
        let folder = tempfile::tempdir().unwrap();
        let text = folder.path().join("notes.md");
        std::fs::write(&text, "some notes\n").unwrap();
        let image = folder.path().join("image.of-any-name");
        std::fs::write(&image, b"\x89PNG\r\n\x1a\n").unwrap();
        let words = Words {
            prompt: "What is it?".to_owned(),
            context: None,
            fragments: vec![text.display().to_string()],
            attachments: vec![image.display().to_string(), "https://a.example/paper.pdf".to_owned()],
        };
        let blocks = content(&words).unwrap();
        assert_eq!(blocks[0]["source"]["media_type"], json!("image/png"));
        assert_eq!(
            blocks[1],
            json!({"type": "document", "source": {"type": "url", "url": "https://a.example/paper.pdf"}})
        );
        let fragment = blocks[2]["text"].as_str().unwrap();
        assert!(
            fragment.starts_with("<fragment source=\"") && fragment.ends_with(">\nsome notes\n</fragment>")
        );
        assert_eq!(blocks[3]["text"], json!("What is it?"));

        let wrong = Words { attachments: vec![text.display().to_string()], ..words.clone() };
        assert!(content(&wrong).unwrap_err().contains("-f sends text"));
        let wrong = Words { fragments: vec!["no/such/file".to_owned()], ..words };
        assert!(content(&wrong).unwrap_err().contains("-f no/such/file"));
    }
}
