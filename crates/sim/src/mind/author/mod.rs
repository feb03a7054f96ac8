//! The author: useful markdown about what was asked, the same for the same conversation.
//!
//! The text depends on the seed and on what was said, never on the model, its limits or the form of the request; so the
//! same conversation, asked again of another model after a cut, has the same answer to go on with.

mod arithmetic;
mod code;
mod context;
mod outline;
mod phrases;
mod prose;
mod question;
mod short;
mod smalltalk;
mod tongues;
mod topics;
mod trips;
mod verse;
mod wrapped;
mod writer;

use self::context::Reply;
use self::question::{Length, Question};
use self::tongues::Tongue;
use self::wrapped::Said;
use self::writer::Writer;
use super::conversation::{Role, Turn, content_text};
use super::digest::Dice;
use super::manners::Manners;

/// The text of an answer to these turns.
pub(crate) fn write(hash: u64, turns: &[Turn<'_>], manners: &Manners) -> String {
    if let Some(text) = &manners.answer {
        return text.clone();
    }
    let said = Said::read(&last_words(turns));
    let first = !turns.iter().any(|turn| turn.role == Role::Assistant);
    let mut dice = Dice::new(hash);
    let reply = context::reply(&said);
    let asked = match &reply {
        Some(Reply::Question(asked)) => asked,
        _ => &said.instruction,
    };
    let mut question = Question::read(asked);
    if let Some(n) = manners.tokens {
        question.length = Some(Length::Tokens(n));
    } else if question.length.is_none() {
        question.length = Question::read(&said.instruction).length;
    }
    let tongue = Tongue::of(asked).filter(|_| !matches!(reply, Some(Reply::Text(_))));
    if let Some(tongue) = tongue {
        return tongue.write(&mut dice, asked, question.length.map(Length::tokens), first);
    }
    let mut writer = Writer { dice, question, earlier: earlier_questions(turns), first };
    let text = match reply {
        Some(Reply::Text(text)) => writer.fit(text),
        _ if first
            && said.texts.is_empty()
            && context::wants_a_text(&said.instruction)
            && !brings_blocks(turns) =>
        {
            short::nothing_came()
        }
        _ => writer.answer(turns),
    };
    match attachments(turns) {
        Some(note) => format!("{note}\n\n{text}"),
        None => text,
    }
}

/// What the user last asked in words, without the wrapping of what came along; that itself where there is no instruction.
pub(crate) fn last_question(turns: &[Turn<'_>]) -> String {
    question_in(&last_words(turns))
}

fn question_in(words: &str) -> String {
    let said = Said::read(words);
    match context::reply(&said) {
        Some(Reply::Question(asked)) => asked,
        _ => said.gist().to_owned(),
    }
}

/// All that the user last said in words.
pub(crate) fn last_words(turns: &[Turn<'_>]) -> String {
    let mut users = turns.iter().rev().filter(|turn| turn.role == Role::User);
    users.find_map(|turn| Some(turn.paragraphs()).filter(|text| !text.trim().is_empty())).unwrap_or_default()
}

/// The answer after tools have run: what they found, in prose.
pub(crate) fn report(hash: u64, turns: &[Turn<'_>], manners: &Manners) -> String {
    if let Some(text) = &manners.answer {
        return text.clone();
    }
    let mut dice = Dice::new(hash);
    let results = turns.last().map(|turn| turn.blocks("tool_result").collect::<Vec<_>>()).unwrap_or_default();
    let calls = turns.iter().rev().find(|turn| turn.role == Role::Assistant);
    let mut text = String::new();
    for result in &results {
        let call =
            calls.and_then(|turn| turn.blocks("tool_use").find(|call| call["id"] == result["tool_use_id"]));
        let mut name = format!("`{}`", call.and_then(|call| call["name"].as_str()).unwrap_or("the tool"));
        // Of several calls of one tool, each is told apart by what it was about.
        let about =
            call.and_then(|call| call["input"].as_object()?.values().find_map(serde_json::Value::as_str));
        if let Some(about) = about.filter(|about| results.len() > 1 && about.len() <= 60) {
            name.push_str(&format!(" for {about}"));
        }
        let said = short::finding(&content_text(result));
        let line = match (result["is_error"].as_bool(), said.is_empty()) {
            (Some(true), _) => format!("{name} failed: {said}"),
            (_, true) => format!("{name} ran and returned nothing."),
            (_, false) => format!("{name} says: {said}"),
        };
        if results.len() > 1 {
            text.push_str("- ");
        }
        text.push_str(&line);
        text.push('\n');
    }
    let failed = results.iter().any(|result| result["is_error"] == true);
    let lead = match (results.len(), failed) {
        (1, false) => dice.pick(&["Here is what I found.", "That worked.", "I have the result."]),
        (1, true) => "That did not work as hoped.",
        (_, false) => {
            dice.pick(&["Here is what came back.", "All results are in.", "Together they say this."])
        }
        (_, true) => "Not everything worked.",
    };
    let question = Question::read(&last_question(turns));
    let close = match failed {
        true => "Shall I try again with other arguments?".to_owned(),
        false if question.subject.is_empty() => "Is there anything else to look up?".to_owned(),
        false => format!("That answers the question about *{}*.", question.subject),
    };
    format!("{lead}\n\n{}\n\n{close}", text.trim_end())
}

/// A paragraph about something else.
pub(crate) fn aside(hash: u64) -> String {
    prose::paragraph(&mut Dice::new(hash), "", 5)
}

fn earlier_questions(turns: &[Turn<'_>]) -> Vec<String> {
    let mut asked: Vec<_> = turns
        .iter()
        .filter(|turn| turn.role == Role::User)
        .map(Turn::paragraphs)
        .filter(|text| !text.trim().is_empty())
        .map(|text| question_in(&text))
        .collect();
    asked.pop();
    asked
}

/// Whether the last turn of the user has more than words.
fn brings_blocks(turns: &[Turn<'_>]) -> bool {
    let last = turns.iter().rev().find(|turn| turn.role == Role::User);
    last.is_some_and(|turn| turn.parts.iter().any(|part| part.text().is_none()))
}

/// What came along with the last question, in words: the simulator does not look into pictures.
fn attachments(turns: &[Turn<'_>]) -> Option<String> {
    let turn = turns.iter().rev().find(|turn| turn.role == Role::User)?;
    let mut received = Vec::new();
    for image in turn.blocks("image") {
        let source = &image["source"];
        received.push(
            match (source["media_type"].as_str(), source["data"].as_str(), source["url"].as_str()) {
                (Some(kind), Some(data), _) => format!("an image (`{kind}`, {} bytes)", data.len() / 4 * 3),
                (_, _, Some(url)) => format!("an image by reference (`{url}`)"),
                _ => "an image".to_owned(),
            },
        );
    }
    for document in turn.blocks("document") {
        let title = document["title"].as_str().map(|title| format!(" “{title}”")).unwrap_or_default();
        let source = &document["source"];
        received.push(match (source["media_type"].as_str(), source["data"].as_str()) {
            (Some("text/plain"), Some(data)) => {
                format!("a text document{title} ({} characters)", data.chars().count())
            }
            (Some(kind), Some(data)) => format!("a document{title} (`{kind}`, {} bytes)", data.len() / 4 * 3),
            _ => format!("a document{title}"),
        });
    }
    if received.is_empty() {
        return None;
    }
    let images = if turn.has("image") {
        " This simulator does not look into pictures; it only sees that they came."
    } else {
        ""
    };
    Some(format!("I received {}.{images}", received.join(" and ")))
}

#[cfg(test)]
mod tests;
