//! Full-text search over titles and visible texts.
//!
//! A text fits if it has all the words, the last one perhaps only begun, in any order. Case and, in SQLite, accents make no difference.
//! Languages that put no blanks between words are found by their letters: a word with such letters is looked for as it stands.

use std::fmt::Write as _;

use sqlx::any::AnyArguments;
use sqlx::query::Query as Statement;
use sqlx::{Any, AssertSqlSafe};

use super::conversations::{COLUMNS, one_more, read};
use super::{maybe_text, number, text, unreadable};
use crate::conversation::{Conversation, Hit, MAX_PAGE, Page, Query};
use crate::error::Result;
use crate::history::Conversations;

/// So much of a turn is searched in. PostgreSQL makes no index entry of more than a mebibyte.
const SEARCHED_BYTES: usize = 256 << 10;

/// So many words of a question are looked at.
const MAX_WORDS: usize = 32;

/// Characters before and after the first thing found that a snippet shows.
const AROUND: usize = 60;

/// What is looked for.
#[derive(Debug, Default, PartialEq)]
struct Wanted {
    /// Words for the index, in lower case.
    words: Vec<String>,
    /// Pieces that no index has.
    pieces: Vec<String>,
}

impl Conversations {
    /// Conversations in which all words of `text` stand, in the title or in what one turn says; those changed last first. The last word may be
    /// only begun. Nothing but blanks and marks finds nothing.
    ///
    /// # Errors
    /// [`is_not_found`](crate::Error::is_not_found): the conversation that the page is to begin behind.
    pub async fn search(&self, text: &str, query: &Query) -> Result<Page<Hit>> {
        let wanted = Wanted::of(text);
        if wanted.is_empty() {
            return Ok(Page { data: Vec::new(), has_more: false });
        }
        let (updated, after) = self.position(query).await?;
        let limit = query.limit.min(MAX_PAGE);
        let (fits, values) = wanted.condition(self.store.is_postgres(), 5);
        let select = format!(
            "SELECT {COLUMNS}, found.number FROM conversations c JOIN ( \
                 SELECT x.conversation, MIN(x.number) AS number FROM texts x WHERE {fits} GROUP BY x.conversation \
             ) found ON found.conversation = c.id \
             WHERE c.owner = $1 AND (c.updated_us, c.id) < ($2, $3) \
             ORDER BY c.updated_us DESC, c.id DESC LIMIT $4"
        );
        let mut statement: Statement<'_, Any, AnyArguments> = sqlx::query(AssertSqlSafe(select));
        statement = statement.bind(&*self.owner).bind(updated).bind(after).bind(one_more(limit));
        for value in values {
            statement = statement.bind(value);
        }
        let rows = statement.fetch_all(&self.store.pool).await.map_err(unreadable)?;
        let mut data = Vec::with_capacity(rows.len().min(limit));
        for row in rows.iter().take(limit) {
            data.extend(self.hit(read(row)?, number(row, "number")?, &wanted).await?);
        }
        Ok(Page { data, has_more: rows.len() > limit })
    }

    /// `None` if it was deleted meanwhile.
    async fn hit(&self, conversation: Conversation, place: i64, wanted: &Wanted) -> Result<Option<Hit>> {
        let row = sqlx::query("SELECT turn, body FROM texts WHERE number = $1").bind(place);
        let Some(row) = row.fetch_optional(&self.store.pool).await.map_err(unreadable)? else {
            return Ok(None);
        };
        let (snippet, marks) = wanted.snippet(&text(&row, "body")?);
        Ok(Some(Hit { conversation, turn: maybe_text(&row, "turn")?, snippet, marks }))
    }
}

/// The part of a text that is searched in.
pub(super) fn searched(text: &str) -> String {
    let mut end = text.len().min(SEARCHED_BYTES);
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    text[..end].replace('\0', " ")
}

impl Wanted {
    fn of(text: &str) -> Self {
        let mut wanted = Self::default();
        let words =
            text.split(|character: char| !character.is_alphanumeric()).filter(|word| !word.is_empty());
        for word in words.take(MAX_WORDS) {
            if word.chars().any(is_unspaced) {
                wanted.pieces.push(word.to_owned());
            } else {
                wanted.words.push(word.to_lowercase());
            }
        }
        wanted
    }

    fn is_empty(&self) -> bool {
        self.words.is_empty() && self.pieces.is_empty()
    }

    /// What a row `x` of `texts` must fulfil, and the values of its parameters, from number `first` on.
    fn condition(&self, is_postgres: bool, first: usize) -> (String, Vec<String>) {
        let mut values = Vec::new();
        let mut parts = Vec::new();
        // Words are letters and digits only, so the quotes cannot be broken.
        if let Some((last, before)) = self.words.split_last() {
            let mut question = String::new();
            for word in before {
                // Writing to a text does not fail.
                let _ = if is_postgres {
                    write!(question, "'{word}' & ")
                } else {
                    write!(question, "\"{word}\" ")
                };
            }
            if is_postgres {
                let _ = write!(question, "'{last}':*");
                parts.push(format!("to_tsvector('simple', x.body) @@ to_tsquery('simple', ${first})"));
            } else {
                let _ = write!(question, "\"{last}\"*");
                parts.push(format!(
                    "x.number IN (SELECT rowid FROM texts_words WHERE texts_words MATCH ${first})"
                ));
            }
            values.push(question);
        }
        for piece in &self.pieces {
            let number = first + values.len();
            parts.push(if is_postgres {
                format!("strpos(x.body, ${number}) > 0")
            } else {
                format!("instr(x.body, ${number}) > 0")
            });
            values.push(piece.clone());
        }
        (parts.join(" AND "), values)
    }

    /// The words around the first thing found, and where in them something that was looked for stands.
    fn snippet(&self, body: &str) -> (String, Vec<(usize, usize)>) {
        let first = self.first(body).unwrap_or(0);
        let from = body[..first].char_indices().rev().take(AROUND).last().map_or(first, |(at, _)| at);
        let to = body[first..].char_indices().nth(2 * AROUND).map_or(body.len(), |(at, _)| first + at);
        // Not in the middle of a word, where there are words.
        let from = match body[from..first].find(char::is_whitespace) {
            Some(blank) if from > 0 => from + blank,
            _ => from,
        };
        let words: Vec<_> = body[from..to].split_whitespace().collect();
        let mut snippet = if from > 0 { "… ".to_owned() } else { String::new() };
        snippet.push_str(&words.join(" "));
        if to < body.len() {
            snippet.push_str(" …");
        }
        let marks = self.marks(&snippet);
        (snippet, marks)
    }

    fn first(&self, body: &str) -> Option<usize> {
        let words = words(body).find(|(_, word)| self.is_wanted(word)).map(|(at, _)| at);
        self.pieces.iter().filter_map(|piece| body.find(piece.as_str())).chain(words).min()
    }

    fn marks(&self, text: &str) -> Vec<(usize, usize)> {
        let words =
            words(text).filter(|(_, word)| self.is_wanted(word)).map(|(at, word)| (at, at + word.len()));
        let pieces = self
            .pieces
            .iter()
            .flat_map(|piece| text.match_indices(piece.as_str()).map(|(at, found)| (at, at + found.len())));
        let mut marks: Vec<_> = words.chain(pieces).collect();
        marks.sort_unstable();
        marks.dedup_by(|later, before| later.0 < before.1);
        marks
    }

    /// Whether a word is one of those that are looked for, or begins as the last of them.
    fn is_wanted(&self, word: &str) -> bool {
        let word = word.to_lowercase();
        self.words.contains(&word) || self.words.last().is_some_and(|last| word.starts_with(last.as_str()))
    }
}

/// The words of a text and where they begin.
fn words(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut at = 0;
    text.split(|character: char| !character.is_alphanumeric()).filter_map(move |word| {
        // Between two words is one character, of whatever length; the pieces lie in one text, so their distance says where they begin.
        let begin = at;
        at = begin + word.len();
        at += text[at..].chars().next().map_or(0, char::len_utf8);
        (!word.is_empty()).then_some((begin, word))
    })
}

/// A letter of a language without blanks between words.
fn is_unspaced(character: char) -> bool {
    matches!(u32::from(character),
        0x0e00..=0x0eff | 0x1000..=0x109f | 0x1780..=0x17ff | 0x2e80..=0x9fff | 0xac00..=0xd7af | 0xf900..=0xfaff
        | 0x20000..=0x3ffff)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_and_pieces_are_told_apart() {
        let wanted = Wanted::of("  Hello, \"wörld\" OR 東京* 1.5");
        assert_eq!(wanted.words, ["hello", "wörld", "or", "1", "5"]);
        assert_eq!(wanted.pieces, ["東京"]);
        assert!(Wanted::of(" - \"*' ").is_empty());
    }

    #[test]
    fn a_snippet_shows_the_words_around() {
        let body = format!("{}\nthe Quick\nbrown fox {}", "before ".repeat(40), "after ".repeat(40));
        let (snippet, marks) = Wanted::of("quick fo").snippet(&body);
        assert!(snippet.starts_with("… before ") && snippet.ends_with(" …"), "{snippet}");
        assert!(snippet.contains("the Quick brown fox after"), "{snippet}");
        let marked: Vec<_> = marks.iter().map(|(from, to)| &snippet[*from..*to]).collect();
        assert_eq!(marked, ["Quick", "fox"]);
        let (snippet, marks) = Wanted::of("京都").snippet("東京都へ行く");
        assert_eq!((snippet.as_str(), marks), ("東京都へ行く", vec![(3, 9)]));
        assert_eq!(Wanted::of("x").snippet("").0, "");
    }

    #[test]
    fn long_texts_are_searched_in_their_beginning() {
        let text = "é".repeat(SEARCHED_BYTES);
        assert_eq!(searched(&text).len(), SEARCHED_BYTES);
        assert_eq!(searched("a\0b"), "a b");
    }
}
