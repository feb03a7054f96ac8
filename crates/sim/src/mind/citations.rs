//! Answers that cite the documents and search results of a request.

use serde_json::{Value, json};

use super::conversation::Turn;
use crate::answer::Block;

/// The most passages that one answer cites.
const MOST: usize = 3;
/// Passages shorter than this, in characters, say nothing.
const SHORTEST: usize = 12;

struct Passage {
    text: String,
    citation: Value,
    fits: usize,
}

/// Text that cites what the conversation brought along, if it asked for citations.
pub(super) fn cite(turns: &[Turn<'_>], asked: &str) -> Option<Vec<Block>> {
    let asked: Vec<String> = asked
        .to_lowercase()
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| word.len() >= 3)
        .map(str::to_owned)
        .collect();
    let mut found = Vec::new();
    let mut documents = 0u64;
    let mut results = 0u64;
    for block in turns.iter().flat_map(|turn| &turn.parts).flat_map(sources) {
        let enabled = block["citations"]["enabled"] == true;
        if block["type"] == "document" {
            if enabled {
                found.extend(document(block, documents));
            }
            documents += 1;
        } else {
            if enabled {
                found.extend(search_result(block, results));
            }
            results += 1;
        }
    }
    for passage in &mut found {
        let lower = passage.text.to_lowercase();
        passage.fits = asked.iter().filter(|word| lower.contains(word.as_str())).count();
    }
    // Stable: among equals the earlier passage stays first.
    found.sort_by_key(|passage| std::cmp::Reverse(passage.fits));
    found.truncate(MOST);
    if found.is_empty() {
        return None;
    }
    let mut blocks = vec![text("According to the sources you sent, ")];
    for (at, passage) in found.into_iter().enumerate() {
        if at > 0 {
            blocks.push(text(" It also says: "));
        }
        blocks.push(Block::Text { text: passage.text.trim().to_owned(), citations: vec![passage.citation] });
    }
    Some(blocks)
}

/// Documents and search results, also those inside of tool results.
fn sources<'a>(part: &super::conversation::Part<'a>) -> Vec<&'a Value> {
    let super::conversation::Part::Block(block) = part else { return Vec::new() };
    let is_source = |block: &Value| block["type"] == "document" || block["type"] == "search_result";
    if is_source(block) {
        return vec![block];
    }
    let inner = block["content"].as_array().filter(|_| block["type"] == "tool_result");
    inner.into_iter().flatten().filter(|block| is_source(block)).collect()
}

fn document(block: &Value, index: u64) -> Vec<Passage> {
    let source = &block["source"];
    let located = |kind: &str, text: &str, place: [(&str, usize); 2]| {
        let mut citation = json!({
            "type": kind,
            "cited_text": text,
            "document_index": index,
            "document_title": block["title"],
        });
        for (name, value) in place {
            citation[name] = json!(value);
        }
        Passage { text: text.to_owned(), citation, fits: 0 }
    };
    match (source["type"].as_str(), source["data"].as_str(), &source["content"]) {
        (Some("text"), Some(text), _) => sentences(text)
            .map(|(start, end, sentence)| {
                located("char_location", sentence, [("start_char_index", start), ("end_char_index", end)])
            })
            .collect(),
        (Some("content"), _, Value::Array(blocks)) => (0..)
            .zip(blocks)
            .filter_map(|(at, block)| Some((at, block["text"].as_str()?)))
            .map(|(at, text)| {
                located(
                    "content_block_location",
                    text,
                    [("start_block_index", at), ("end_block_index", at + 1)],
                )
            })
            .collect(),
        (Some("content"), _, Value::String(text)) => {
            vec![located("content_block_location", text, [("start_block_index", 0), ("end_block_index", 1)])]
        }
        // The simulator does not read PDFs; it can only say where something would stand.
        _ => vec![located(
            "page_location",
            "(the first page, which the simulator does not read)",
            [("start_page_number", 1), ("end_page_number", 2)],
        )],
    }
}

fn search_result(block: &Value, index: u64) -> Vec<Passage> {
    let content = block["content"].as_array();
    (0u64..)
        .zip(content.into_iter().flatten())
        .filter_map(|(at, part)| {
            let text = part["text"].as_str()?;
            let citation = json!({
                "type": "search_result_location",
                "cited_text": text,
                "search_result_index": index,
                "source": block["source"],
                "title": block["title"],
                "start_block_index": at,
                "end_block_index": at + 1,
            });
            Some(Passage { text: text.to_owned(), citation, fits: 0 })
        })
        .collect()
}

/// Sentences with the characters at which they begin and end.
fn sentences(text: &str) -> impl Iterator<Item = (usize, usize, &str)> {
    let mut chars = 0;
    text.split_inclusive(". ").flat_map(|part| part.split_inclusive('\n')).filter_map(move |sentence| {
        let start = chars;
        chars += sentence.chars().count();
        (sentence.trim().len() >= SHORTEST).then_some((start, chars, sentence))
    })
}

fn text(text: &str) -> Block {
    Block::Text { text: text.to_owned(), citations: Vec::new() }
}

#[cfg(test)]
mod tests {
    use super::super::conversation::Request;
    use super::*;

    #[test]
    fn the_passage_that_fits_is_cited_with_its_place() {
        let request = json!({"messages": [{"role": "user", "content": [
            {"type": "document", "title": "Facts", "citations": {"enabled": true},
             "source": {"type": "text", "media_type": "text/plain", "data": "Gras is grün hier. The sky is blue today. Water is wet."}},
            {"type": "text", "text": "Which colour does the sky have?"}]}]});
        let blocks = cite(&Request::new(&request).turns(), "Which colour does the sky have?").unwrap();
        let Block::Text { text, citations } = &blocks[1] else { panic!("no text") };
        assert_eq!(text, "The sky is blue today.");
        assert_eq!(citations[0]["start_char_index"], 19);
        assert_eq!(citations[0]["end_char_index"], 42);
        assert_eq!(citations[0]["document_title"], "Facts");
    }

    #[test]
    fn nothing_is_cited_unasked() {
        let request = json!({"messages": [{"role": "user", "content": [
            {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "The sky is blue today."}}]}]});
        assert_eq!(cite(&Request::new(&request).turns(), "sky"), None);
    }
}
