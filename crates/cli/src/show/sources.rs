//! Sources: what the text rests on, each with a number, once.

use perennial_protocol::{Citation, CitationLocation};

/// How much of a title or address is shown.
const LONGEST: usize = 200;

#[derive(Debug, Default)]
pub(crate) struct Sources {
    /// What tells a source from others, and what is said of it.
    known: Vec<(String, String)>,
}

impl Sources {
    /// The numbers of what a block of text rests on, as markdown: `[1][2]`.
    pub(crate) fn cite(&mut self, citations: &[Citation]) -> String {
        let mut numbers: Vec<usize> = Vec::new();
        for citation in citations {
            let number = self.number(&citation.location);
            if !numbers.contains(&number) {
                numbers.push(number);
            }
        }
        // Escaped, or a definition of the model's own could make a link of it.
        numbers.iter().map(|number| format!("\\[{number}\\]")).collect()
    }

    /// One line for each.
    pub(crate) fn lines(&self) -> impl Iterator<Item = String> {
        self.known.iter().zip(1..).map(|((_, words), number)| format!("[{number}] {words}"))
    }

    fn number(&mut self, location: &CitationLocation) -> usize {
        let (key, words) = described(location);
        if let Some(at) = self.known.iter().position(|(known, _)| *known == key) {
            return at + 1;
        }
        self.known.push((key, words));
        self.known.len()
    }
}

fn described(location: &CitationLocation) -> (String, String) {
    let document = |index: &u64, title: &Option<String>, place: String| {
        let name = title.as_deref().map_or_else(|| format!("document {}", index + 1), short);
        (
            format!("document {index} {place}"),
            if place.is_empty() { name } else { format!("{name}, {place}") },
        )
    };
    match location {
        CitationLocation::CharLocation { document_index, document_title, .. }
        | CitationLocation::ContentBlockLocation { document_index, document_title, .. } => {
            document(document_index, document_title, String::new())
        }
        CitationLocation::PageLocation {
            document_index,
            document_title,
            start_page_number,
            end_page_number,
        } => {
            let last = end_page_number.saturating_sub(1).max(*start_page_number);
            let pages = if last > *start_page_number {
                format!("pages {start_page_number} to {last}")
            } else {
                format!("page {start_page_number}")
            };
            document(document_index, document_title, pages)
        }
        CitationLocation::WebSearchResultLocation { url, title } => {
            let title = title.as_deref().filter(|title| !title.is_empty());
            (
                url.clone(),
                title.map_or_else(|| short(url), |title| format!("{} {}", short(title), short(url))),
            )
        }
        CitationLocation::SearchResultLocation { source, title, .. } => {
            let title = title.as_deref().filter(|title| !title.is_empty());
            (
                format!("search {source}"),
                title.map_or_else(|| short(source), |title| format!("{} {}", short(title), short(source))),
            )
        }
        _ => ("unknown".to_owned(), "a source of a kind that this version does not know".to_owned()),
    }
}

fn short(text: &str) -> String {
    text.chars().take(LONGEST).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_source_has_one_number_however_often_it_is_cited() {
        let citations = |json: &str| serde_json::from_str::<Vec<Citation>>(json).unwrap();
        let mut sources = Sources::default();
        let web = r#"{"type":"web_search_result_location","url":"https://a.example/x","title":"A","cited_text":"a","encrypted_index":"e"}"#;
        let page = r#"{"type":"page_location","cited_text":"b","document_index":0,"document_title":"B","start_page_number":2,"end_page_number":3}"#;
        assert_eq!(sources.cite(&citations(&format!("[{web},{page},{web}]"))), "\\[1\\]\\[2\\]");
        assert_eq!(sources.cite(&citations(&format!("[{page}]"))), "\\[2\\]");
        assert_eq!(sources.lines().collect::<Vec<_>>(), ["[1] A https://a.example/x", "[2] B, page 2"]);
    }
}
