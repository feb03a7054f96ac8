//! Search in the conversation.

use perennial_history::{Conversations, Role};

use super::Given;

/// The most places that are given.
const MAX_PLACES: usize = 12;
/// Characters around a place.
const AROUND: usize = 160;
const MAX_WORDS: usize = 16;

/// The places of a conversation where all the words stand in one turn.
pub(super) async fn search(conversations: &Conversations, conversation: &str, words: &str) -> Given {
    let turns =
        conversations.turns(conversation).await.map_err(|_| "The history does not answer.".to_owned())?;
    let words: Vec<String> = words.split_whitespace().take(MAX_WORDS).map(str::to_lowercase).collect();
    if words.is_empty() {
        return Err("`query` has no words.".to_owned());
    }
    let mut places = Vec::new();
    for turn in &turns {
        let text = turn.content.visible_text();
        let lower = text.to_lowercase();
        if words.iter().all(|word| lower.contains(word.as_str())) {
            let who = if turn.role == Role::User { "user" } else { "assistant" };
            places.push(format!("[{who}, {}] {}", turn.created, around(&text, &lower, &words[0])));
        }
        if places.len() == MAX_PLACES {
            break;
        }
    }
    Ok(if places.is_empty() {
        "Nothing in this conversation has these words.".to_owned()
    } else {
        places.join("\n\n")
    })
}

/// The text around the first place of a word, on one line.
fn around(text: &str, lower: &str, word: &str) -> String {
    // Characters and not bytes: the lower case of some has another length.
    let before = lower.find(word).map_or(0, |at| lower[..at].chars().count());
    let from = before.saturating_sub(AROUND);
    let some: String = text.chars().skip(from).take(2 * AROUND + word.chars().count()).collect();
    let some = some.split_whitespace().collect::<Vec<_>>().join(" ");
    let lead = if from > 0 { "…" } else { "" };
    format!("{lead}{some}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_around_a_word_is_on_one_line() {
        let text = format!("{} the\nNeedle is here", "hay ".repeat(100));
        let found = around(&text, &text.to_lowercase(), "needle");
        assert!(found.starts_with('…') && found.ends_with("the Needle is here"), "{found}");
    }
}
