//! What is to be done with a text that came along with a question, and the answer to that.
//!
//! The author does not understand the text. He can count it, pick sentences out of it, find words in it and answer a question
//! that it holds; he says so where it matters.

mod deed;
mod excerpt;

pub(super) use self::deed::{Deed, wants_a_text};
use self::excerpt::{LONGEST_PICK, counts, found, quote, sentences};
pub(super) use self::excerpt::{plural, summary};
use super::code;
use super::phrases;
use super::question::{Kind, Length, Question};
use super::topics::Topic;
use super::wrapped::{Said, Wrapped};

/// Sentences or lines that stand for a whole text.
const PICKED: usize = 4;
/// A text that is no longer than this, in bytes, may be a question by itself.
const LONGEST_QUESTION: usize = 400;

/// What becomes of a turn that a text came with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Reply {
    /// This is the question that is meant.
    Question(String),
    Text(String),
}

/// The answer to a turn that texts came with. `None`: the instruction stands by itself.
pub(super) fn reply(said: &Said) -> Option<Reply> {
    let first = said.texts.first()?;
    let question = Question::read(&said.instruction);
    if said.instruction.is_empty() {
        return Some(answer(first));
    }
    let deed = Deed::of(&said.instruction);
    let by_itself = match question.kind {
        Kind::Code(..)
        | Kind::Poem
        | Kind::Haiku
        | Kind::Story
        | Kind::Json(_)
        | Kind::Trip(..)
        | Kind::Translation(_)
        | Kind::Identity
        | Kind::Greeting => true,
        Kind::Count(..) | Kind::Arithmetic(..) | Kind::List(_) | Kind::Compare(..) => {
            deed.is_none_or(|deed| deed == Deed::Tell)
        }
        _ => false,
    };
    if by_itself {
        return None;
    }
    let Some(deed) = deed else {
        if let Some(found) = found(&said.instruction, &said.texts) {
            return Some(Reply::Text(found));
        }
        let known = Topic::named_in(&said.instruction).is_some()
            || !matches!(question.kind, Kind::Explain | Kind::YesNo);
        let told = || done(Deed::Tell, &said.instruction, first, PICKED);
        return (!known).then(|| Reply::Text(format!("I find nothing about that in the text. {}", told())));
    };
    if deed == Deed::Answer {
        return Some(answer(first));
    }
    let most = match question.length {
        Some(Length::Sentences(n)) => usize::try_from(n).unwrap_or(PICKED),
        _ => PICKED,
    };
    let done: Vec<_> =
        said.texts.iter().map(|wrapped| done(deed, &said.instruction, wrapped, most)).collect();
    Some(Reply::Text(done.join("\n\n---\n\n")))
}

fn done(deed: Deed, instruction: &str, wrapped: &Wrapped, most: usize) -> String {
    let text = &wrapped.text;
    let language = code::language(wrapped);
    match (deed, language) {
        (Deed::Translate, _) => phrases::translate_text(instruction, text),
        (Deed::Count, _) => counts(instruction, text),
        (Deed::Language, Some(language)) => format!("This is **{language}**."),
        (Deed::Language, None) => {
            "This is no programming language that I know of; it reads like plain text.".to_owned()
        }
        (Deed::Quote, _) => quote(text),
        (Deed::Review, language) => code::review(text, language.is_some()),
        (_, Some(language)) => code::outline(text, language),
        (Deed::Tell, None) if text.len() <= LONGEST_PICK => quote(text),
        (_, None) => summary(text, most),
    }
}

/// A question in the text is what is meant; a text without one is told about.
fn answer(wrapped: &Wrapped) -> Reply {
    let text = &wrapped.text;
    if let Some(language) = code::language(wrapped) {
        return Reply::Text(code::outline(text, language));
    }
    if text.len() <= LONGEST_QUESTION {
        return Reply::Question(text.clone());
    }
    match sentences(text).into_iter().rev().find(|sentence| sentence.ends_with(['?', '？'])) {
        Some(question) => Reply::Question(question.to_owned()),
        None => Reply::Text(summary(text, PICKED)),
    }
}
