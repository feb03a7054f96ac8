//! Where texts and tool inputs are cut into deltas.

use crate::mind::tokens;

/// Most tokens that the service puts into one text delta of a stream at full speed.
const MOST_TOKENS: usize = 4;
/// Most characters of an eager fragment of tool input.
const MOST_FRAGMENT: usize = 12;

/// One to four tokens at a time.
pub(super) fn words(text: String, seed: u64) -> impl Iterator<Item = String> + Send {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut at = 0;
    std::iter::from_fn(move || {
        let rest = &text[at..];
        let length: usize = tokens::pieces(rest).take(rng.usize(1..=MOST_TOKENS)).map(str::len).sum();
        at += length;
        (length > 0).then(|| rest[..length].to_owned())
    })
}

/// One line at a time, line end included.
pub(super) fn lines(text: String) -> impl Iterator<Item = String> + Send {
    let mut at = 0;
    std::iter::from_fn(move || {
        let line = text[at..].split_inclusive('\n').next()?.to_owned();
        at += line.len();
        Some(line)
    })
}

/// Small pieces that care for characters only, as with eager input streaming.
pub(super) fn fragments(input: String, seed: u64) -> Box<dyn Iterator<Item = String> + Send> {
    let mut rng = fastrand::Rng::with_seed(seed);
    let mut at = 0;
    Box::new(std::iter::from_fn(move || {
        let piece: String = input[at..].chars().take(rng.usize(1..=MOST_FRAGMENT)).collect();
        at += piece.len();
        (!piece.is_empty()).then_some(piece)
    }))
}

/// One complete key and value of the top level at a time, then the closing brace; nothing for an empty object.
pub(super) fn pairs(input: &str) -> Box<dyn Iterator<Item = String> + Send> {
    if input.trim().len() <= 2 {
        // What the placeholder in the start says already.
        return Box::new((input.trim() != "{}" && !input.is_empty()).then(|| input.to_owned()).into_iter());
    }
    let mut cuts = Vec::new();
    let (mut depth, mut quoted, mut escaped) = (0u32, false, false);
    for (at, byte) in input.bytes().enumerate() {
        if quoted {
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => quoted = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    cuts.push(at);
                }
            }
            b',' if depth == 1 => cuts.push(at),
            _ => {}
        }
    }
    cuts.push(input.len());
    let mut from = 0;
    let pieces: Vec<String> = cuts
        .into_iter()
        .filter_map(|cut| {
            let piece = input.get(from..cut)?;
            from = cut;
            (!piece.is_empty()).then(|| piece.to_owned())
        })
        .collect();
    Box::new(pieces.into_iter())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(input: &str, expected: &[&str]) {
        let pieces: Vec<String> = pairs(input).collect();
        assert_eq!(pieces, expected, "{input}");
        assert!(input == "{}" || pieces.concat() == input);
    }

    #[test]
    fn a_pair_is_never_split() {
        check("{}", &[]);
        check("", &[]);
        check(r#"{"a":1}"#, &[r#"{"a":1"#, "}"]);
        check(
            r#"{"a": [1, {"b": 2}], "c": "x,}\"{"}"#,
            &[r#"{"a": [1, {"b": 2}]"#, r#", "c": "x,}\"{""#, "}"],
        );
        check(r#"{"cut": "in a str"#, &[r#"{"cut": "in a str"#]);
        check("[1,2]", &["[1", ",2", "]"]);
        check("17", &["17"]);
    }

    #[test]
    fn pieces_join_to_the_whole() {
        let text = "Grüße, 世界! 🎉\n\n- one\n- two\n";
        assert_eq!(words(text.to_owned(), 3).collect::<String>(), text);
        assert_eq!(lines(text.to_owned()).collect::<String>(), text);
        assert_eq!(fragments(text.to_owned(), 3).collect::<String>(), text);
    }
}
