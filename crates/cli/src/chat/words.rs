//! What a session says of itself, line by line.

use std::collections::HashSet;
use std::fmt::Write as _;

use perennial_history::{Role, Turn};
use perennial_ledger::Decimal;
use serde::Deserialize;

use super::command::HELP;
use super::tools::Tool;
use crate::show::Paid;
use crate::terminal::{fitting, folded};

/// So many columns of a text are shown where it is only to be known again; two of them stand on a line.
const GLIMPSE: usize = 32;

/// What is looked at of a usage.
#[derive(Deserialize)]
struct Usage {
    #[serde(default)]
    input_tokens: Option<u64>,
    #[serde(default)]
    cache_read_input_tokens: Option<u64>,
    #[serde(default)]
    cache_creation_input_tokens: Option<u64>,
    #[serde(default)]
    output_tokens: Option<u64>,
}

/// What the keys do that a line is edited with.
const KEYS: &str = "Enter sends; a backslash before it, or Alt with it, begins another line. Ctrl-X Ctrl-E opens an editor. Ctrl-C stops an answer. \
                    Lines that are typed while one comes wait for its end, but /open.";

pub(super) fn help(columns: Option<usize>) -> String {
    let mut text = String::new();
    for (name, what) in HELP {
        text.push_str(&folded(&format!("{name:<15}  {what}"), columns, 17));
        text.push('\n');
    }
    text.push_str(&folded(KEYS, columns, 0));
    text
}

/// The turns at which branches end, in the order in which they came.
pub(super) fn ends(turns: &[Turn]) -> Vec<&Turn> {
    let parents: HashSet<&str> = turns.iter().filter_map(|turn| turn.parent.as_deref()).collect();
    turns.iter().filter(|turn| !parents.contains(turn.id.as_str())).collect()
}

pub(super) fn branches(turns: &[Turn], head: Option<&str>) -> String {
    let mut text = String::new();
    for (number, end) in ends(turns).into_iter().enumerate() {
        let mark = if Some(end.id.as_str()) == head { '*' } else { ' ' };
        let question = end.parent.as_deref().and_then(|parent| turns.iter().find(|turn| turn.id == parent));
        let question = question.filter(|_| end.role == Role::Assistant).map(glimpse);
        let said = match question {
            Some(question) => format!("{question} -> {}", glimpse(end)),
            None => glimpse(end),
        };
        let _ = writeln!(text, "{mark} {}  {said}", number + 1);
    }
    if text.is_empty() { "nothing was said yet".to_owned() } else { text }
}

/// The tools that there are, and which of them the conversation has.
pub(super) fn tools(known: &[Tool], has: &[String], columns: Option<usize>) -> String {
    let width = known.iter().map(|tool| tool.name.len()).max().unwrap_or_default();
    let lines = known.iter().map(|Tool { name, description }| {
        let mark = if has.contains(name) { '*' } else { ' ' };
        folded(&format!("{mark} {name:<width$}  {description}"), columns, width + 4).into_owned()
    });
    let lines: Vec<String> = lines.collect();
    if lines.is_empty() { "the gateway has no tools".to_owned() } else { lines.join("\n") }
}

/// The last question and its answer.
pub(super) fn exchange(branch: &[Turn]) -> String {
    let last = branch.len().saturating_sub(2);
    let said = branch[last..].iter().map(|turn| format!("{}: {}", turn.role.as_str(), glimpse(turn)));
    said.collect::<Vec<_>>().join("\n")
}

/// What was used and paid, of all branches: each answer was billed.
pub(super) fn usage(turns: &[Turn], paid: Paid) -> String {
    let (mut asked, mut read, mut written, mut unknown) = (0_u64, 0_u64, 0_u64, 0_u64);
    let mut cost = Decimal::ZERO;
    for turn in turns.iter().filter(|turn| turn.role == Role::Assistant) {
        asked += 1;
        if let Some(usage) = turn.usage.as_ref().and_then(|usage| usage.read::<Usage>().ok()) {
            let parts =
                [usage.input_tokens, usage.cache_read_input_tokens, usage.cache_creation_input_tokens];
            read += parts.into_iter().flatten().sum::<u64>();
            written += usage.output_tokens.unwrap_or_default();
        }
        match turn.cost {
            Some(spent) => cost += spent,
            None => unknown += 1,
        }
    }
    let answers = |count: u64| if count == 1 { "1 answer".to_owned() } else { format!("{count} answers") };
    let mut line = format!("{}; tokens: {read} in, {written} out; ", answers(asked));
    line.push_str(&match (paid, unknown) {
        (Paid::Nobody, _) => "cost nothing (simulated)".to_owned(),
        (Paid::Service, 0) => format!("cost ${}", cost.normalize()),
        (Paid::Service, unknown) => {
            format!("cost ${} and that of {}, which is not known", cost.normalize(), answers(unknown))
        }
    });
    line
}

/// The beginning of what a turn says, on one line.
fn glimpse(turn: &Turn) -> String {
    let text = turn.content.visible_text();
    let words = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let glimpse = fitting(&words, GLIMPSE);
    match (glimpse.is_empty(), turn.state.is_end()) {
        (true, _) => format!("({})", turn.state),
        (false, _) => glimpse,
    }
}

#[cfg(test)]
mod tests {
    use perennial_history::{Content, Document};
    use serde_json::json;

    use super::*;

    fn turn(text: &str) -> Turn {
        let document = json!({"type": "perennial_conversations", "format": 1, "conversations": [{
            "conversation": {"type": "conversation", "id": "c", "title": "", "model": "", "system": null, "settings": {}, "head": null,
                "live": null, "version": 1, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z"},
            "turns": [{"type": "turn", "id": "t", "parent": null, "role": "assistant", "content": Content::text(text), "state": "completed",
                "stream": null, "stop_reason": null, "usage": null, "error": null, "model": null, "by": null, "continues": null,
                "created_at": "2026-01-01T00:00:00Z", "ended_at": null}]}]});
        Document::from_json(&document.to_string()).unwrap().conversations.remove(0).turns.remove(0)
    }

    #[test]
    fn a_glimpse_is_no_wider_than_its_room() {
        assert_eq!(glimpse(&turn("one\n two")), "one two");
        assert_eq!(glimpse(&turn(&"a".repeat(40))), format!("{}…", "a".repeat(31)));
        let wide = glimpse(&turn(&"日本".repeat(20)));
        assert!(crate::terminal::width(&wide) <= GLIMPSE && wide.ends_with('…'), "{wide}");
        assert_eq!(glimpse(&turn("")), "(completed)");
    }

    #[test]
    fn one_answer_is_no_answers() {
        let one = [turn("x")];
        assert!(usage(&one, Paid::Nobody).starts_with("1 answer; "));
        assert!(usage(&one, Paid::Service).ends_with("that of 1 answer, which is not known"));
        assert!(usage(&[], Paid::Nobody).starts_with("0 answers; "));
    }
}
