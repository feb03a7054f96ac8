//! Citations: what a text block rests on.

use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::Raw;

/// One citation. What it points at is [`location`](Self::location); the JSON it came as is kept and written again as it was.
#[derive(Debug, Clone, PartialEq)]
pub struct Citation {
    raw: Raw,
    /// The words cited; empty where the kind has none.
    pub cited_text: String,
    /// What is cited.
    pub location: CitationLocation,
}

/// What a citation points at. Indices count from 0 unless said otherwise.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
#[non_exhaustive]
pub enum CitationLocation {
    /// Characters of a plain-text document, end exclusive.
    CharLocation {
        /// Which document of the request.
        document_index: u64,
        /// Its title.
        document_title: Option<String>,
        /// First character.
        start_char_index: u64,
        /// One past the last character.
        end_char_index: u64,
    },
    /// Pages of a PDF, counted from 1, end exclusive.
    PageLocation {
        /// Which document of the request.
        document_index: u64,
        /// Its title.
        document_title: Option<String>,
        /// First page.
        start_page_number: u64,
        /// One past the last page.
        end_page_number: u64,
    },
    /// Blocks of a document with custom content, end exclusive.
    ContentBlockLocation {
        /// Which document of the request.
        document_index: u64,
        /// Its title.
        document_title: Option<String>,
        /// First block.
        start_block_index: u64,
        /// One past the last block.
        end_block_index: u64,
    },
    /// A page found by web search.
    WebSearchResultLocation {
        /// Where it is.
        url: String,
        /// Its title.
        title: Option<String>,
    },
    /// A search result that the request brought.
    SearchResultLocation {
        /// Which result of the request.
        search_result_index: u64,
        /// Where it comes from.
        source: String,
        /// Its title.
        title: Option<String>,
        /// First block.
        start_block_index: u64,
        /// One past the last block.
        end_block_index: u64,
    },
    /// A kind that came after this version, or a known one in another shape; see [`Citation::raw`].
    #[serde(skip)]
    Other,
}

impl Citation {
    /// The citation as received.
    #[must_use]
    pub fn raw(&self) -> &Raw {
        &self.raw
    }
}

impl Serialize for Citation {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.raw.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Citation {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Cited {
            #[serde(default)]
            cited_text: Option<String>,
        }
        let raw = Raw::deserialize(deserializer)?;
        let cited_text = raw.parse::<Cited>().ok().and_then(|cited| cited.cited_text).unwrap_or_default();
        let location = raw.parse().unwrap_or(CitationLocation::Other);
        Ok(Self { raw, cited_text, location })
    }
}
