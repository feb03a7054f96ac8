//! What is kept of an answer that is stopped since it went round in circles: what came before, and one copy.
//!
//! The stream in its log stays as it came. Only the turn is another one, and with it what goes up with the next question.

use perennial_history::Content;
use perennial_protocol::Repetition;
use serde::Deserialize;
use serde_json::value::RawValue;

/// What was told of as a loop is one at the end too if it is said so often in a row there, the last time maybe not to its end.
const LEAST_TIMES: usize = 3;

/// What is kept of an answer that is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Keep {
    Everything,
    /// What was said again and again at its end, once.
    OneCopy,
}

#[derive(Deserialize)]
struct Block {
    #[serde(rename = "type")]
    kind: String,
    text: Option<String>,
}

/// The content with one copy only of what its last text ends with; `None` where that is no loop. The other blocks stay to the byte.
pub(super) fn trimmed(content: &Content) -> Option<Content> {
    let blocks = content.blocks();
    let (last, before) = blocks.split_last()?;
    let known: Block = serde_json::from_str(last).ok()?;
    let text = known.text.filter(|_| known.kind == "text")?;
    let once = once(&text)?;
    let mut block: serde_json::Map<String, serde_json::Value> = serde_json::from_str(last).ok()?;
    block.insert("text".to_owned(), once.into());
    let block = serde_json::to_string(&block).ok()?;
    let blocks: Vec<&RawValue> = before
        .iter()
        .copied()
        .chain([block.as_str()])
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()
        .ok()?;
    Content::of(&blocks).ok()
}

/// The text up to the end of the first copy of what it ends with.
fn once(text: &str) -> Option<&str> {
    // As the guard watched it; of several loops one may be over.
    let mut watch = Repetition::default();
    let told = text.split_inclusive(char::is_whitespace).filter_map(|word| watch.push(word));
    let (unit, run) = told
        .map(|found| (found.unit, run(text.as_bytes(), found.unit)))
        .filter(|(unit, run)| *run >= LEAST_TIMES * unit)
        .max_by_key(|(_, run)| *run)?;
    // What stood before may end as the unit does: a copy begins with a word.
    let from = text.len() - run;
    let places = || (from..from + unit).filter(|at| text.is_char_boundary(*at));
    let begin = places().find(|at| begins_a_word(text, *at)).or_else(|| places().next())?;
    text.get(..begin + unit)
}

/// So many bytes at the end have this period.
fn run(text: &[u8], period: usize) -> usize {
    let pairs = text.iter().rev().zip(text.iter().rev().skip(period));
    period + pairs.take_while(|(late, early)| late == early).count()
}

fn begins_a_word(text: &str, at: usize) -> bool {
    let (before, behind) = text.split_at(at);
    behind.starts_with(char::is_alphanumeric) && !before.ends_with(char::is_alphanumeric)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_loop_at_the_end_is_said_once() {
        let unit = "the rain fell in torrents, and the wind blew; ";
        for (before, times, part, kept) in [
            (
                "It was a dark night: ",
                30,
                "",
                Some("It was a dark night: the rain fell in torrents, and the wind blew; "),
            ),
            (
                "It was a dark night: ",
                30,
                "the ra",
                Some("It was a dark night: the rain fell in torrents, and the wind blew; "),
            ),
            ("", 30, "", Some("the rain fell in torrents, and the wind blew; ")),
            ("Twice is a refrain: ", 2, "", None),
            ("", 30, "And then it went on with something else, and so it is no end.", None),
            ("", 0, "Nothing comes again here, and so everything stays.", None),
            ("", 0, "", None),
        ] {
            let text = format!("{before}{}{part}", unit.repeat(times));
            assert_eq!(once(&text), kept, "{times} times after {before:?}");
        }
    }

    #[test]
    fn what_is_in_the_unit_is_no_unit_and_letters_stay_whole() {
        let ruled = format!("A list. {}", format!("words {} ", "-".repeat(120)).repeat(12));
        assert_eq!(once(&ruled), Some(format!("A list. words {} ", "-".repeat(120)).as_str()));
        let unit = "川は流れる、海へ。";
        let text = format!("山。{}", unit.repeat(50));
        let kept = once(&text).unwrap();
        assert_eq!(kept.matches("流れる").count(), 1);
        assert!(kept.chars().count() <= 2 + unit.chars().count(), "{kept}");
    }

    #[test]
    fn only_the_last_text_is_another_one() {
        let text = "again and again and again, ".repeat(60);
        let thinking = r#"{ "type":"thinking","thinking":"a a a", "signature":"s" }"#;
        let content =
            Content::from_json(format!(r#"[{thinking},{{"type":"text","text":"{text}"}}]"#)).unwrap();
        let kept = trimmed(&content).unwrap();
        assert_eq!(kept.blocks()[0], thinking);
        assert_eq!(kept.visible_text(), "again and again and again, ");
        let call =
            Content::from_json(format!(r#"[{{"type":"text","text":"{text}"}},{{"type":"tool_use"}}]"#));
        assert!(trimmed(&call.unwrap()).is_none());
    }
}
