//! Words about an answer: the end of what is thought or sent, a span of time.

use std::time::Duration;

use crate::terminal::width;

/// How much of what the model says to itself is kept to be shown.
const KEPT: usize = 1024;

/// A span of time as one says it.
pub(super) fn span(span: Duration) -> String {
    match span.as_secs() {
        seconds @ 0..60 => format!("{seconds} s"),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

/// Appends, and forgets what is long gone.
pub(super) fn keep(kept: &mut String, more: &str) {
    kept.push_str(more);
    if kept.len() > 2 * KEPT {
        let from = (kept.len() - KEPT..kept.len()).find(|at| kept.is_char_boundary(*at));
        kept.drain(..from.unwrap_or_default());
    }
}

/// The end of a text, in at most so many columns, from a word's beginning where there is one.
pub(super) fn last_words(text: &str, room: usize) -> &str {
    let mut from = text.len();
    let mut columns = 0;
    for (at, c) in text.char_indices().rev() {
        columns += width(c.encode_utf8(&mut [0; 4]));
        if columns > room {
            break;
        }
        from = at;
    }
    let tail = &text[from..];
    if from == 0 {
        return tail;
    }
    tail.find(' ').map_or(tail, |blank| &tail[blank + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_end_of_a_long_thought_is_kept() {
        let mut kept = String::new();
        for _ in 0..1000 {
            keep(&mut kept, "日本語 ");
        }
        assert!(kept.len() <= 2 * KEPT && kept.ends_with("日本語 "));
    }

    #[test]
    fn the_last_words_begin_with_a_word() {
        assert_eq!(last_words("I should look at the code", 10), "the code");
        assert_eq!(last_words("short", 10), "short");
        assert_eq!(last_words("日本語です", 4), "です");
    }
}
