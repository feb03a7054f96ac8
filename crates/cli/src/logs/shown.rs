//! Conversations in words.

use std::fmt::Write as _;

use jiff::Timestamp;
use jiff::tz::TimeZone;
use perennial_history::{Conversation, Hit, Role, State, Turn};
use serde::Deserialize;

use crate::table::{Side, table};
use crate::terminal::{fitting, harmless, stdout_colour};

/// So many digits of an id are its time to the millisecond; mostly enough to tell two apart.
const LEAST_DIGITS: usize = 12;

/// So much of a tool's input or result is shown.
const MOST_OF_A_TOOL: usize = 200;

/// What is looked at of a block.
#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type", default)]
    kind: String,
    #[serde(default)]
    name: Option<String>,
    #[serde(default)]
    input: Option<serde_json::Value>,
    #[serde(default)]
    content: Option<serde_json::Value>,
    #[serde(default)]
    text: Option<String>,
}

/// On a terminal of so many columns each is one line, its title cut to what room there is.
pub(crate) fn list(conversations: &[Conversation], columns: Option<usize>) -> String {
    if conversations.is_empty() {
        return String::new();
    }
    let names: Vec<_> = conversations.iter().map(|conversation| conversation.id.as_str()).collect();
    let digits = digits(&names);
    let rows: Vec<_> = conversations
        .iter()
        .map(|conversation| {
            vec![
                short(&conversation.id, digits).to_owned(),
                moment(conversation.updated),
                conversation.model.clone(),
                conversation.title.clone(),
            ]
        })
        .collect();
    let names = [("ID", Side::Left), ("CHANGED", Side::Left), ("MODEL", Side::Left), ("TITLE", Side::Left)];
    let table = table(&names, &rows);
    let Some(columns) = columns else { return table };
    table.lines().map(|line| fitting(line, columns) + "\n").collect()
}

pub(crate) fn conversation(conversation: &Conversation, turns: &[Turn]) -> String {
    let mut out = String::new();
    // Writing to a text does not fail.
    let _ = writeln!(
        out,
        "# {}\n",
        if conversation.title.is_empty() { "(no title)" } else { &conversation.title }
    );
    let _ = writeln!(out, "{}, {}", conversation.id, moment(conversation.created));
    if let Some(system) = &conversation.system {
        let _ = writeln!(out, "\n## system\n\n{}", system.trim_end());
    }
    for turn in turns {
        let _ = writeln!(out, "\n## {}\n", heading(turn));
        let said = said(turn);
        out.push_str(if said.is_empty() { "(nothing)" } else { said.trim_end() });
        out.push('\n');
    }
    out
}

/// Who speaks, and what is unusual about it.
fn heading(turn: &Turn) -> String {
    let who = match (turn.role, &turn.by, &turn.model) {
        (Role::User, Some(by), _) => by.clone(),
        (Role::Assistant, _, Some(model)) => model.clone(),
        (role, ..) => role.as_str().to_owned(),
    };
    let mut notes = Vec::new();
    if turn.state != State::Completed {
        notes.push(turn.state.to_string());
    }
    if let Some(reason) = turn.stop_reason.as_deref().filter(|reason| *reason != "end_turn") {
        notes.push(reason.to_owned());
    }
    if turn.continues.is_some() {
        notes.push("goes on with a turn that was cut".to_owned());
    }
    if let Some(cost) = turn.cost {
        notes.push(format!("{} USD", cost.normalize()));
    }
    if notes.is_empty() { who } else { format!("{who} ({})", notes.join(", ")) }
}

/// The text, and in brackets what is none.
fn said(turn: &Turn) -> String {
    let mut parts = Vec::new();
    for block in turn.content.blocks() {
        let Ok(block) = serde_json::from_str::<Block>(block) else { continue };
        match (block.kind.as_str(), block.text) {
            ("text", Some(text)) => parts.push(text),
            ("thinking" | "redacted_thinking", _) => {}
            (kind, _) => {
                let value = block.input.or(block.content).map(|value| match value {
                    serde_json::Value::String(text) => text,
                    value => value.to_string(),
                });
                let words = [Some(kind.to_owned()), block.name, value.map(|value| cut(&value))];
                parts.push(format!("[{}]", words.into_iter().flatten().collect::<Vec<_>>().join(" ")));
            }
        }
    }
    parts.join("\n\n")
}

pub(super) fn hits(hits: &[Hit]) -> String {
    let names: Vec<_> = hits.iter().map(|hit| hit.conversation.id.as_str()).collect();
    let (digits, colour) = (digits(&names), stdout_colour());
    let mut out = String::new();
    for hit in hits {
        let id = short(&hit.conversation.id, digits);
        let title = harmless(&hit.conversation.title);
        let _ = writeln!(out, "{id}  {}  {title}", moment(hit.conversation.updated));
        let mut snippet = String::new();
        let mut at = 0;
        for (from, to) in &hit.marks {
            let (before, found) = (&hit.snippet[at..*from], &hit.snippet[*from..*to]);
            snippet.push_str(&harmless(before));
            let found = harmless(found);
            let _ =
                if colour { write!(snippet, "\x1b[1m{found}\x1b[0m") } else { write!(snippet, "{found}") };
            at = *to;
        }
        snippet.push_str(&harmless(&hit.snippet[at..]));
        // The title stands there already.
        if hit.turn.is_some() {
            let _ = writeln!(out, "    {snippet}");
        }
    }
    out
}

/// So many digits tell all these apart.
fn digits(ids: &[&str]) -> usize {
    let mut sorted = ids.to_vec();
    sorted.sort_unstable();
    let shared = sorted.windows(2).map(|pair| {
        let same = pair[0].bytes().zip(pair[1].bytes()).take_while(|(one, other)| one == other).count();
        (same + 1).saturating_sub("conv_".len())
    });
    shared.max().unwrap_or(0).max(LEAST_DIGITS)
}

fn short(id: &str, digits: usize) -> &str {
    let id = id.strip_prefix("conv_").unwrap_or(id);
    id.get(..digits).unwrap_or(id)
}

/// In the time of this machine.
fn moment(time: Timestamp) -> String {
    time.to_zoned(TimeZone::system()).strftime("%Y-%m-%d %H:%M").to_string()
}

fn cut(text: &str) -> String {
    let mut cut: String = text.chars().take(MOST_OF_A_TOOL).collect();
    if cut.len() < text.len() {
        cut.push('…');
    }
    cut.replace('\n', " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_digits_are_shown_as_tell_ids_apart() {
        let one = "conv_0197aaaaaaaaaaaa7bbb000000000001";
        let other = "conv_0197aaaaaaaaaaaa7bbc000000000001";
        assert_eq!(digits(&[one]), 12);
        assert_eq!(digits(&[other, one]), 20);
        assert_eq!(short(one, 12), "0197aaaaaaaa");
        assert_eq!(short("conv_1", 12), "1");
    }
}
