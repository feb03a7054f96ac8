//! The author: useful markdown about what was asked, the same for the same conversation.

use super::conversation::{Role, Turn};
use super::digest;
use super::manners::Manners;

/// The text of an answer to these turns.
pub(crate) fn write(seed: u64, turns: &[Turn<'_>], manners: &Manners) -> String {
    if let Some(text) = &manners.answer {
        return text.clone();
    }
    let asked = turns.iter().rev().find(|turn| turn.role == Role::User).map(Turn::text).unwrap_or_default();
    let pick = digest::of(seed, &[&asked]) % 3;
    if asked.to_lowercase().contains("hello") {
        return "Hello! I am Perennial's simulator, standing in for Claude. What shall we stream today?"
            .to_owned();
    }
    let lead = [
        "Here is a short look at it.",
        "Let us take it step by step.",
        "In short, it depends on three things.",
    ][usize::try_from(pick).expect("below three")];
    format!(
        "## {}\n\n{lead}\n\n- **First**, say what is known.\n- **Then**, say what follows from it.\n- **Last**, check it.\n\n\
         *Written by Perennial's simulator, not by Claude.*\n",
        asked.trim()
    )
}
