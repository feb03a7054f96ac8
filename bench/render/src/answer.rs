//! A long answer as models write them: headings, prose with emphasis, lists, code, tables, quotes.

const WORDS: &[&str] = &[
    "the", "stream", "of", "a", "reader", "keeps", "what", "came", "before", "and", "after", "each", "event", "is", "written", "once",
    "**bold words**", "*emphasis*", "`code_span()`", "[a link](https://example.com/page)", "connection", "until", "retry", "budget",
];

/// So many bytes of it, or a few more; the same for the same seed.
pub(crate) fn answer(bytes: usize, seed: u64) -> String {
    let mut random = fastrand::Rng::with_seed(seed);
    let mut text = String::with_capacity(bytes + 1024);
    while text.len() < bytes {
        part(&mut random, &mut text);
        text.push('\n');
    }
    text
}

fn part(random: &mut fastrand::Rng, text: &mut String) {
    match random.u8(..10) {
        0 => text.push_str(&format!("## {}\n", words(random, 4))),
        1 | 2 => (0..random.usize(3..7)).for_each(|_| text.push_str(&format!("- {}\n", words(random, 12)))),
        3 => {
            text.push_str("```rust\n");
            for line in 0..random.usize(5..25) {
                text.push_str(&format!("    let value_{line} = compute({line}, \"text\"); // {}\n", random.u32(..)));
            }
            text.push_str("```\n");
        }
        4 => {
            text.push_str("| what | how | when |\n|---|---|---|\n");
            for _ in 0..random.usize(3..8) {
                text.push_str(&format!("| {} | {} | {} |\n", words(random, 2), words(random, 3), words(random, 1)));
            }
        }
        5 => text.push_str(&format!("> {}\n", words(random, 20))),
        _ => text.push_str(&format!("{}.\n", words(random, 60))),
    }
}

fn words(random: &mut fastrand::Rng, count: usize) -> String {
    (0..count).map(|_| WORDS[random.usize(..WORDS.len())]).collect::<Vec<_>>().join(" ")
}
