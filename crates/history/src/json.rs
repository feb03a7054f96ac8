//! JSON that is kept to the byte.
//!
//! The signature of a thinking block covers what the service sent. A value that is read and written again may differ in the order of
//! members, in a number or in an escape; a text that nobody reads cannot.

use std::borrow::Cow;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::value::RawValue;

use crate::error::{Error, Result};

/// The most bytes of one turn's content. Documents and images are in it, so it is more than any request may have.
pub const MAX_CONTENT_BYTES: usize = 64 << 20;

/// A JSON value as the text that it came as.
#[derive(Clone)]
pub struct Json(Box<RawValue>);

/// The content of a turn: a JSON array of Claude's content blocks, as the text that it came as.
///
/// ```
/// use perennial_history::Content;
///
/// let text = r#"[{"type":"thinking","thinking":"","signature":"c2ln"}, {"type":"text","text":"Hello\u0021"}]"#;
/// let content = Content::from_json(text)?;
/// assert_eq!(content.as_str(), text);
/// assert_eq!(content.visible_text(), "Hello!");
/// # Ok::<(), perennial_history::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Content(Json);

impl Json {
    /// Takes a text that is one JSON value.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid): it is none.
    pub fn from_json(text: impl Into<String>) -> Result<Self> {
        RawValue::from_string(text.into())
            .map(Self)
            .map_err(|error| Error::invalid(format!("this is no JSON: {error}")))
    }

    /// Writes a value.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid): it has no form in JSON.
    pub fn of(value: &(impl Serialize + ?Sized)) -> Result<Self> {
        serde_json::value::to_raw_value(value)
            .map(Self)
            .map_err(|error| Error::invalid(format!("this cannot be written as JSON: {error}")))
    }

    /// `{}`.
    #[must_use]
    pub fn empty() -> Self {
        Self(RawValue::from_string("{}".to_owned()).unwrap_or_default())
    }

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.get()
    }

    /// Reads it.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid): it is something else.
    pub fn read<'a, T: Deserialize<'a>>(&'a self) -> Result<T> {
        serde_json::from_str(self.as_str())
            .map_err(|error| Error::invalid(format!("this JSON is something else: {error}")))
    }
}

impl Content {
    /// One text block.
    #[must_use]
    pub fn text(text: &str) -> Self {
        let block = serde_json::json!([{ "type": "text", "text": text }]);
        Self(RawValue::from_string(block.to_string()).map_or_else(|_| Json::empty(), Json))
    }

    /// No block yet.
    #[must_use]
    pub fn empty() -> Self {
        Self(RawValue::from_string("[]".to_owned()).map_or_else(|_| Json::empty(), Json))
    }

    /// Takes the text of a JSON array of objects.
    ///
    /// # Errors
    /// [`is_invalid`](Error::is_invalid): it is something else, or more than [`MAX_CONTENT_BYTES`].
    pub fn from_json(text: impl Into<String>) -> Result<Self> {
        Self::checked(Json::from_json(text)?)
    }

    /// Writes blocks, any values that become a JSON array of objects.
    ///
    /// # Errors
    /// As [`from_json`](Self::from_json).
    pub fn of(blocks: &(impl Serialize + ?Sized)) -> Result<Self> {
        Self::checked(Json::of(blocks)?)
    }

    fn checked(json: Json) -> Result<Self> {
        if json.as_str().len() > MAX_CONTENT_BYTES {
            let most = MAX_CONTENT_BYTES >> 20;
            return Err(Error::invalid(format!("the content of one turn has {most} MiB at most")));
        }
        let blocks: Vec<&RawValue> = serde_json::from_str(json.as_str())
            .map_err(|_| Error::invalid("the content of a turn is a JSON array of content blocks"))?;
        match blocks.iter().find(|block| !block.get().starts_with('{')) {
            Some(_) => Err(Error::invalid("a content block is a JSON object")),
            None => Ok(Self(json)),
        }
    }

    /// The text of the array.
    #[must_use]
    pub fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// The same as a value of JSON.
    #[must_use]
    pub fn as_json(&self) -> &Json {
        &self.0
    }

    /// Each block as the text that it came as.
    #[must_use]
    pub fn blocks(&self) -> Vec<&str> {
        let blocks: Vec<&RawValue> = serde_json::from_str(self.as_str()).unwrap_or_default();
        blocks.into_iter().map(RawValue::get).collect()
    }

    /// What a reader sees: the texts of the text blocks, an empty line between two.
    #[must_use]
    pub fn visible_text(&self) -> String {
        let mut seen = String::new();
        for block in self.blocks() {
            // A text with half a surrogate pair cannot be read; it is kept all the same.
            if let Ok(Block { kind: Some(kind), text: Some(text) }) = serde_json::from_str(block)
                && kind == "text"
                && !text.is_empty()
            {
                if !seen.is_empty() {
                    seen.push_str("\n\n");
                }
                seen.push_str(&text);
            }
        }
        seen
    }
}

/// What is looked at of a block. Members of other blocks may have the same names and other types.
struct Block<'a> {
    kind: Option<Cow<'a, str>>,
    text: Option<Cow<'a, str>>,
}

impl<'de> Deserialize<'de> for Block<'de> {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        #[derive(Deserialize)]
        struct Members<'a> {
            #[serde(borrow, rename = "type")]
            kind: Option<&'a RawValue>,
            #[serde(borrow)]
            text: Option<&'a RawValue>,
        }
        let members = Members::deserialize(from)?;
        let read = |raw: Option<&'de RawValue>| raw.and_then(|raw| serde_json::from_str(raw.get()).ok());
        Ok(Self { kind: read(members.kind), text: read(members.text) })
    }
}

impl PartialEq for Json {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Json {}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl Serialize for Json {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        self.0.serialize(to)
    }
}

impl<'de> Deserialize<'de> for Json {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Box::<RawValue>::deserialize(from).map(Self)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Self::checked(Json::deserialize(from)?).map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_an_array_of_objects_is_a_content() {
        for right in ["[]", r#"[ {"type":"text"} ]"#, r#"[{"a":"\ud800"}]"#] {
            assert_eq!(Content::from_json(right).unwrap().as_str(), right);
        }
        for wrong in ["", "{}", "[1]", r#"["text"]"#, "[{}", "null"] {
            assert!(Content::from_json(wrong).unwrap_err().is_invalid(), "{wrong}");
        }
    }

    #[test]
    fn only_text_blocks_are_visible() {
        let content = Content::from_json(
            r#"[{"type":"thinking","thinking":"no"},{"text":"one","type":"text"},{"type":"tool_use","text":{"x":1}},
               {"type":"text","text":""},{"type":"text","text":"\ud800"},{"type":"text","text":"two\n"}]"#,
        );
        assert_eq!(content.unwrap().visible_text(), "one\n\ntwo\n");
        assert_eq!(Content::text("a \"b\"").visible_text(), "a \"b\"");
    }
}
