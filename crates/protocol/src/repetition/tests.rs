use proptest::prelude::*;

use super::*;

/// Every loop of a text, by looking at every period at every byte: the byte after which it is told of, and the loop.
fn naive(text: &str, size: LoopSize) -> Vec<(usize, Loop)> {
    let bytes = text.as_bytes();
    let mut same = vec![0; MAX_UNIT + 1];
    let mut told = vec![false; MAX_UNIT + 1];
    let mut found = Vec::new();
    for end in 1..=bytes.len() {
        for unit in 1..=MAX_UNIT.min(end - 1) {
            if bytes[end - 1] != bytes[end - 1 - unit] {
                (same[unit], told[unit]) = (0, false);
                continue;
            }
            same[unit] += 1;
            let run = same[unit] + unit;
            if told[unit] || run < LEAST_TIMES * unit || run < LEAST_BYTES {
                continue;
            }
            if !is_primitive(&bytes[end - unit..end]) {
                // Nor will it be, as long as it goes on so.
                told[unit] = true;
            } else if run >= size.needed(last_unit(&bytes[..end], unit)) {
                told[unit] = true;
                let times = size.needed(last_unit(&bytes[..end], unit)) / unit;
                found.push((end, Loop { unit, times }));
            }
        }
    }
    found
}

/// Whether it does not consist of the same smaller thing several times.
fn is_primitive(unit: &[u8]) -> bool {
    (1..unit.len()).all(|part| !unit.len().is_multiple_of(part) || unit[part..] != unit[..unit.len() - part])
}

/// What is found in a text that comes in pieces of so many bytes, about.
fn found(text: &str, size: LoopSize, piece: usize) -> Vec<(usize, Loop)> {
    let mut repetition = Repetition::new(size);
    let (mut begin, mut found) = (0, Vec::new());
    while begin < text.len() {
        let mut end = (begin + piece).min(text.len());
        while !text.is_char_boundary(end) {
            end += 1;
        }
        found.extend(repetition.push(&text[begin..end]).map(|found| (end, found)));
        begin = end;
    }
    found
}

fn small() -> LoopSize {
    LoopSize { times: 4, bytes: 256, bytes_without_letters: 400 }
}

/// Units that are loops themselves, or nearly.
fn unit() -> BoxedStrategy<String> {
    let leaf = prop_oneof!["[ab]{1,5}", "[a-d é語\n-]{1,40}", "[a-z ]{1,600}", Just("-".to_owned())];
    leaf.prop_recursive(2, 64, 3, |inner| {
        (prop::collection::vec((inner, 1usize..8), 1..3))
            .prop_map(|parts| parts.iter().map(|(unit, times)| unit.repeat(*times)).collect())
    })
    .boxed()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn every_loop_is_found_at_its_byte_and_nothing_else(
        parts in prop::collection::vec((unit(), 1usize..40), 1..4), piece in 1usize..300,
    ) {
        let mut text: String = parts.iter().map(|(unit, times)| unit.repeat(*times)).collect();
        let end = (0..=4_000.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap();
        text.truncate(end);
        let expected = naive(&text, small());
        let by_character = found(&text, small(), 1);
        // Byte by byte as far as pieces can be: a loop that is told of inside a character is told of with its end.
        let whole = |end: usize| (end..).find(|end| text.is_char_boundary(*end)).unwrap();
        let mut at_characters: Vec<(usize, Loop)> = Vec::new();
        for (end, found) in expected {
            // Of several in one piece the first, and of several at one byte the shortest.
            if at_characters.last().is_none_or(|last| last.0 != whole(end)) {
                at_characters.push((whole(end), found));
            }
        }
        prop_assert_eq!(&by_character, &at_characters);
        // In larger pieces: the first of each.
        let in_pieces = found(&text, small(), piece);
        prop_assert_eq!(in_pieces.first().map(|(_, found)| found), at_characters.first().map(|(_, found)| found));
        let is_one = |found: &(usize, Loop)| at_characters.iter().any(|(at, other)| *at <= found.0 && other == &found.1);
        prop_assert!(in_pieces.iter().all(is_one));
    }

    #[test]
    fn what_goes_on_for_ever_is_found(before in "[a-c ]{0,200}", unit in "[a-z][a-z .,\n]{0,300}") {
        let mut repetition = Repetition::default();
        repetition.push(&before);
        let found = (0..10_000).find_map(|_| repetition.push(&unit)).expect("found in time");
        prop_assert_eq!(unit.len() % found.unit, 0);
    }
}

#[test]
fn what_answers_have_by_right_is_no_loop() {
    let numbered = |line: fn(usize) -> String, count: usize| (0..count).map(line).collect::<String>();
    let canvas = format!("{}\n", ".".repeat(79)).repeat(50);
    for (what, text) in [
        ("rows", numbered(|row| format!("| row {row} | yes | no | yes |\n"), 60)),
        ("empty rows", "| | | | |\n".repeat(100)),
        ("equal rows", "| open | none | n/a |\n".repeat(40)),
        ("rule", "-".repeat(400)),
        ("double rule", "=".repeat(2_000)),
        ("box", "\u{2500}".repeat(200)),
        ("under a table", format!("|{}\n", "---|".repeat(60))),
        ("blanks", " \n".repeat(500)),
        ("empty lines", "\n".repeat(2_000)),
        ("braces", "        }\n    }\n}\n".repeat(30)),
        ("ends", "    end\n".repeat(100)),
        ("imports", numbered(|line| format!("import {{ Thing{line} }} from './thing{line}.js';\n"), 80)),
        ("array of zeros", "0, ".repeat(28 * 28)),
        ("bytes", "0x00, ".repeat(1_024)),
        ("matrix", "[0, 0, 0, 0, 0, 0, 0, 0],\n".repeat(64)),
        ("values", "false, ".repeat(128)),
        ("boxes to tick", "- [ ] \n".repeat(100)),
        ("picture", canvas),
        ("base64", "A".repeat(4_000)),
        ("song", "la ".repeat(250)),
        ("refrain", "Row, row, row your boat, gently down the stream,\n".repeat(16)),
        (
            "verse and refrain",
            numbered(|verse| format!("Verse {verse}.\n{}", "And so we sail on, all of us.\n".repeat(3)), 30),
        ),
        ("lines to write", "I shall not talk in class.\n".repeat(30)),
    ] {
        let mut repetition = Repetition::default();
        assert_eq!(repetition.push(&text), None, "{what}");
    }
}

#[test]
fn what_nobody_asks_for_is_a_loop() {
    for (what, unit, most) in [
        ("a word", "the ", 260),
        ("a token", "!", 8_192),
        ("empty lines", "\n", 8_192),
        ("a sentence", "I apologise for the confusion. ", 40),
        ("two letters", "ha", 4_100),
        ("Japanese", "申し訳ございません。", 36),
        (
            "a paragraph",
            &"Let me think about it once more, step by step. ".repeat(2).replace("once", "1"),
            16,
        ),
        ("a page", &(0..400).map(|word| format!("{word:04} ")).collect::<String>(), 5),
    ] {
        let mut repetition = Repetition::default();
        let times = (1..=most).find(|_| repetition.push(unit).is_some());
        assert!(times.is_some(), "{what}: not in {most} times");
        assert!(times.unwrap() + 4 > most / 2, "{what}: {times:?} of {most}");
    }
}

#[test]
fn a_loop_is_told_of_once_and_another_again() {
    let mut repetition = Repetition::default();
    let found: Vec<_> = (0..200).filter_map(|_| repetition.push("I am sorry, I cannot. ")).collect();
    assert_eq!(found.len(), 1);
    assert_eq!(repetition.push("And now something else. "), None);
    assert!((0..200).any(|_| repetition.push("But I am stuck again, ").is_some()));
}

#[test]
fn memory_is_bounded() {
    let mut repetition = Repetition::default();
    for number in 0..20_000 {
        repetition.push(&format!("{number} is a number. "));
    }
    repetition.push(&"x".repeat(1 << 16));
    assert!(repetition.tail.0.capacity() <= 2 * (KEPT + SLACK), "{}", repetition.tail.0.capacity());
    assert!(repetition.runs.len() <= 16);
    assert!(!format!("{repetition:?}").contains("number"), "the text is nobody's business");
}
