//! Laws of partial tool input, on random JSON cut anywhere. `jiter` in partial mode is the oracle before the end of the
//! text, `serde_json` at its end and for what is not JSON.
//!
//! Where we differ on purpose:
//!
//! | text | they | we |
//! |---|---|---|
//! | `[1, 23`, cut | jiter shows 23 | wait for the byte after the number: it may be 230 |
//! | `"\ud83d"`, half a pair | both refuse | U+FFFD |
//! | an integer beyond 64 bits | jiter without `num-bigint` refuses | a float, as `serde_json` |
//! | a repeated key | jiter keeps both | the last one, as `serde_json` |
//! | `{} x` | jiter in partial mode does not look | refuse, as `serde_json` |
//! | `"\u00g` | serde_json looks at four bytes at once | refuse at the `g` |
//! | `[1e400`, cut | serde_json refuses | wait for the byte after the number: `e-400` may follow `1000` |

#![allow(clippy::unwrap_used)]

use std::collections::BTreeSet;

use jiter::{JsonValue, PartialMode};
use perennial_protocol::{Change, JsonKind, PartialErrorKind, PartialJson, Segment};
use proptest::{prelude::*, sample::Index};
use serde_json::{Map, Number, Value};

/// A string literal, with or without halves of surrogate pairs.
fn literal(lone: bool) -> BoxedStrategy<String> {
    let escapes = [
        "\\n",
        "\\\"",
        "\\\\",
        "\\/",
        "\\b",
        "\\t",
        "\\u00e9",
        "\\u0000",
        "\\uD83D\\uDE00",
        "\\udbff\\uDFFF",
        "\\u2028",
    ];
    let halves = ["\\ud83d", "\\uDE00", "\\udbff"];
    let escapes = escapes.iter().chain(if lone { &halves[..] } else { &[] }).copied().collect::<Vec<_>>();
    let piece = prop_oneof![
        4 => "[a-z ,:{}\\[\\]0-9-]{0,12}",
        1 => "[é😀\u{7f}\u{85}語]{1,3}",
        3 => prop::sample::select(escapes).prop_map(str::to_owned),
    ];
    prop::collection::vec(piece, 0..5).prop_map(|pieces| format!("\"{}\"", pieces.concat())).boxed()
}

fn space() -> BoxedStrategy<String> {
    prop_oneof![3 => Just(String::new()), 1 => "[ \n\r\t]{1,3}"].boxed()
}

/// A JSON text.
fn document(lone: bool) -> BoxedStrategy<String> {
    let leaf = prop_oneof![
        1 => prop::sample::select(vec!["true", "false", "null", "{}", "[ ]", "\"\""]).prop_map(str::to_owned),
        2 => "-?(0|[1-9][0-9]{0,17})",
        1 => "-?(0|[1-9][0-9]{0,5})(\\.[0-9]{1,7})?([eE][+-]?[0-9]{1,2})?",
        2 => literal(lone),
    ];
    let key = prop_oneof![2 => "\"[abc]\"", 1 => literal(lone)];
    leaf.prop_recursive(5, 60, 6, move |inner| {
        let item = (space(), inner, space()).prop_map(|(before, item, after)| before + &item + &after);
        let member = (space(), key.clone(), space(), item.clone())
            .prop_map(|(before, key, after, item)| format!("{before}{key}{after}:{item}"));
        prop_oneof![
            prop::collection::vec(item, 1..6).prop_map(|items| format!("[{}]", items.join(","))),
            prop::collection::vec(member, 1..6).prop_map(|members| format!("{{{}}}", members.join(","))),
        ]
    })
    .boxed()
}

/// A JSON text with some characters replaced, put in or taken out.
fn broken() -> impl Strategy<Value = String> {
    let other = prop::sample::select("{}[]:,\"\\eE+-.01tfnu x\u{1}é".chars().collect::<Vec<_>>());
    let edits = prop::collection::vec((any::<Index>(), 0..3u8, other), 1..4);
    (document(true), edits).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (place, edit, char) in edits {
            let at = place.index(chars.len() + 1);
            match edit {
                0 => chars.insert(at, char),
                1 if at < chars.len() => chars[at] = char,
                _ if at < chars.len() => _ = chars.remove(at),
                _ => {}
            }
        }
        chars.into_iter().collect()
    })
}

/// The text in pieces, cut at some of its characters.
fn cut<'a>(text: &'a str, cuts: &[Index]) -> Vec<&'a str> {
    let places: BTreeSet<usize> =
        cuts.iter().map(|cut| text.floor_char_boundary(cut.index(text.len() + 1))).collect();
    let ends = places.iter().copied().chain([text.len()]);
    let starts = [0].into_iter().chain(places.iter().copied());
    starts.zip(ends).map(|(start, end)| &text[start..end]).collect()
}

fn read(pieces: &[&str]) -> PartialJson {
    let mut json = PartialJson::new();
    for piece in pieces {
        json.push(piece);
    }
    json
}

fn prefixes(text: &str) -> impl Iterator<Item = &str> {
    (0..=text.len()).filter(|&end| text.is_char_boundary(end)).map(|end| &text[..end])
}

/// What jiter makes of a text that was cut, without a number at its very end.
fn oracle(text: &str) -> Option<Value> {
    let bytes = &text.as_bytes()[..text.len() - open_number(text)];
    JsonValue::parse_with_config(bytes, false, PartialMode::TrailingStrings).ok().map(|value| convert(&value))
}

/// Length of the number that a cut text ends with.
fn open_number(text: &str) -> usize {
    let (mut inside, mut escaped) = (false, false);
    for byte in text.bytes() {
        (inside, escaped) = match byte {
            _ if escaped => (inside, false),
            b'\\' => (inside, inside),
            b'"' => (!inside, false),
            _ => (inside, false),
        };
    }
    let start =
        text.trim_end_matches(['0', '1', '2', '3', '4', '5', '6', '7', '8', '9', '.', 'e', 'E', '+', '-']);
    let tail = &text[start.len()..];
    if inside || tail.starts_with(['e', 'E']) { 0 } else { tail.len() }
}

fn convert(value: &JsonValue<'_>) -> Value {
    match value {
        JsonValue::Null => Value::Null,
        JsonValue::Bool(bool) => Value::Bool(*bool),
        JsonValue::Int(int) => Value::from(*int),
        JsonValue::Float(float) => {
            Value::Number(Number::from_f64(*float).expect("jiter was told to refuse infinity"))
        }
        JsonValue::Str(text) => Value::String(text.to_string()),
        JsonValue::Array(items) => items.iter().map(convert).collect(),
        JsonValue::Object(members) => {
            Value::Object(members.iter().map(|(key, value)| (key.to_string(), convert(value))).collect())
        }
    }
}

/// Equal, but for the last bit of floats: `serde_json` without `float_roundtrip` does not always get it right.
fn alike(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            a == b || (a - b).abs() <= a.abs() * 4.0 * f64::EPSILON
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| alike(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(key, a)| b.get(key).is_some_and(|b| alike(a, b)))
        }
        _ => a == b,
    }
}

/// Changes without the borrow, neighbours joined that only the cut had parted.
#[derive(Clone, Debug, PartialEq)]
struct Told {
    path: Vec<String>,
    kind: JsonKind,
    new: bool,
    text: String,
    last: bool,
}

fn tell(told: &mut Vec<Told>, change: &Change<'_>) {
    let path: Vec<String> = change.path().segments().iter().map(|segment| format!("{segment:?}")).collect();
    match told.last_mut() {
        Some(before) if before.path == path && !before.last => {
            before.text.push_str(change.text());
            before.last = change.is_final();
        }
        _ => told.push(Told {
            path,
            kind: change.kind(),
            new: change.is_new(),
            text: change.text().to_owned(),
            last: change.is_final(),
        }),
    }
}

/// Makes the change to a value of one's own.
fn replay(value: &mut Option<Value>, change: &Change<'_>) {
    let segments = change.path().segments();
    let scalar = change.value().cloned();
    let new = match change.kind() {
        JsonKind::Object => Value::Object(Map::new()),
        JsonKind::Array => Value::Array(Vec::new()),
        JsonKind::String => Value::String(String::new()),
        // Replaced within the same push: its successor comes.
        JsonKind::Scalar => scalar.unwrap_or_default(),
    };
    let place = segments.iter().fold(value.get_or_insert_default(), |value, segment| match segment {
        Segment::Key(key) => value.as_object_mut().unwrap().entry(*key).or_insert(Value::Null),
        Segment::Index(index) => {
            let items = value.as_array_mut().unwrap();
            if items.len() == *index {
                items.push(Value::Null);
            }
            &mut items[*index]
        }
    });
    if change.is_new() {
        *place = new;
    }
    if let Value::String(string) = place {
        string.push_str(change.text());
    }
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    /// Before the end: what jiter shows of the same bytes.
    #[test]
    fn every_prefix_shows_what_jiter_shows(text in document(false), cuts in prop::collection::vec(any::<Index>(), 0..6)) {
        for prefix in prefixes(&text) {
            let json = read(&cut(prefix, &cuts));
            let (ours, theirs) = (json.value(), oracle(prefix));
            prop_assert!(json.error().is_none(), "{prefix:?}: {:?}", json.error());
            let same = match (ours, &theirs) {
                (Some(ours), Some(theirs)) => alike(ours, theirs),
                (None, None) => true,
                _ => false,
            };
            prop_assert!(same, "{prefix:?}: we {ours:?}, jiter {theirs:?}");
        }
    }

    /// At the end: what serde_json makes of the whole, to the order of the members.
    #[test]
    fn the_end_is_what_serde_json_makes_of_it(text in document(false), cuts in prop::collection::vec(any::<Index>(), 0..9)) {
        let mut json = read(&cut(&text, &cuts));
        json.finish();
        let whole: Value = serde_json::from_str(&text).unwrap();
        prop_assert!(json.is_complete(), "{:?}", json.error());
        prop_assert_eq!(json.value().unwrap().to_string(), whole.to_string());
    }

    /// What serde_json refuses is refused at the same byte, and is complete at no time.
    #[test]
    fn what_is_not_json_is_refused_where_serde_json_refuses_it(text in broken()) {
        let mut json = PartialJson::new();
        for prefix in prefixes(&text) {
            if let Some(last) = prefix.chars().next_back() {
                json.push(last.encode_utf8(&mut [0; 4]));
            }
            let theirs = serde_json::from_str::<Value>(prefix);
            let ended = open_number(prefix) > 0 && json.error().is_none() && {
                let mut json = json.clone();
                json.finish();
                json.is_complete()
            };
            match (theirs, json.error()) {
                (Ok(value), None) => {
                    prop_assert!(json.is_complete() || ended, "{prefix:?}");
                    prop_assert!(ended || json.value() == Some(&value), "{prefix:?}: {:?}", json.value());
                }
                (Err(theirs), None) if theirs.is_eof() => prop_assert!(!json.is_complete() && !ended, "{prefix:?}"),
                (Err(theirs), None) => {
                    prop_assert!(!ended);
                    let words = theirs.to_string();
                    let known = words.contains("surrogate") || words.contains("end of hex escape")
                        || (words.contains("number out of range") && open_number(prefix) > 0);
                    prop_assert!(known, "{prefix:?}: only serde_json: {theirs}");
                    // From here on the two read different texts.
                    if !words.contains("out of range") {
                        break;
                    }
                }
                (Ok(_), Some(ours)) => prop_assert!(false, "{prefix:?}: only we: {ours}"),
                (Err(theirs), Some(ours)) => {
                    prop_assert!(!json.is_complete());
                    // serde_json wants four bytes before it looks at an escape.
                    let waits = theirs.is_eof() && ours.to_string().contains("hexadecimal");
                    prop_assert!(waits || !theirs.is_eof(), "{prefix:?}: we {ours}, serde_json {theirs}");
                    if ours.kind() == PartialErrorKind::Syntax {
                        prop_assert_eq!(text[ours.offset()..].chars().next(), prefix.chars().next_back());
                    }
                    break;
                }
            }
        }
    }

    /// Any chunking gives the same value, error and growth; the growth builds the value.
    #[test]
    fn any_chunking_gives_the_same(
        text in prop_oneof![document(true), broken()],
        cuts in prop::collection::vec(any::<Index>(), 0..12),
    ) {
        let mut whole = PartialJson::new();
        let mut told = Vec::new();
        whole.push(&text).into_iter().for_each(|change| tell(&mut told, &change));

        let mut json = PartialJson::new();
        let (mut told_in_pieces, mut built) = (Vec::new(), None);
        for piece in cut(&text, &cuts) {
            for change in json.push(piece) {
                tell(&mut told_in_pieces, &change);
                replay(&mut built, &change);
            }
            prop_assert_eq!(json.value(), built.as_ref(), "after {:?}", piece);
        }
        prop_assert_eq!(json.value(), whole.value());
        prop_assert_eq!(json.error(), whole.error());
        prop_assert_eq!(json.is_complete(), whole.is_complete());
        prop_assert_eq!(told_in_pieces, told);
    }

    /// A value once shown stays: strings only get longer, containers only get more. A repeated key ends the law.
    #[test]
    fn nothing_shown_is_taken_back(text in document(true)) {
        let mut json = PartialJson::new();
        let (mut before, mut paths) = (Value::Null, BTreeSet::new());
        for char in text.chars() {
            let growth = json.push(char.encode_utf8(&mut [0; 4]));
            let mut new = growth.changes().filter(Change::is_new);
            if !new.all(|change| paths.insert(change.path().to_string())) {
                break;
            }
            if let Some(now) = growth.value() {
                prop_assert!(before.is_null() || grew(&before, now), "{before} became {now}");
                before = now.clone();
            }
        }
    }
}

/// True if `now` is `before` or more.
fn grew(before: &Value, now: &Value) -> bool {
    match (before, now) {
        (Value::String(before), Value::String(now)) => now.starts_with(before.as_str()),
        (Value::Array(before), Value::Array(now)) => {
            before.len() <= now.len() && before.iter().zip(now).all(|(before, now)| grew(before, now))
        }
        (Value::Object(before), Value::Object(now)) => {
            before.iter().all(|(key, before)| now.get(key).is_some_and(|now| grew(before, now)))
        }
        _ => before == now,
    }
}
