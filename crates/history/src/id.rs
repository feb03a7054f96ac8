//! Names of conversations and turns: a word and a UUID of version 7, so that sorting by name is sorting by age.

use uuid::Uuid;

pub(crate) fn conversation() -> String {
    format!("conv_{}", Uuid::now_v7().simple())
}

pub(crate) fn turn() -> String {
    format!("turn_{}", Uuid::now_v7().simple())
}

/// Whether a name from elsewhere may be kept.
pub(crate) fn is_one(text: &str, word: &str) -> bool {
    text.strip_prefix(word).is_some_and(|digits| {
        digits.len() == 32 && digits.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    })
}
