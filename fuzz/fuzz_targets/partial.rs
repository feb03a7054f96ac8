//! Any text, in any pieces: no panic, the same value, error and growth; and no other JSON than `serde_json`'s.

#![no_main]

use libfuzzer_sys::fuzz_target;
use perennial_fuzz::text_pieces;
use perennial_protocol::{JsonKind, PartialErrorKind, PartialJson};
use serde_json::Value;

fuzz_target!(|text: &str| {
    let mut whole = PartialJson::new();
    whole.push(text);

    let mut json = PartialJson::new();
    let mut grown = String::new();
    for piece in text_pieces(text) {
        let growth = json.push(piece);
        for change in growth {
            assert!(change.kind() == JsonKind::String || change.text().is_empty());
            assert!(change.is_new() || change.is_final() || !change.text().is_empty(), "a change of nothing");
            grown.push_str(change.text());
        }
    }
    assert_eq!(json.value(), whole.value());
    assert_eq!(json.error(), whole.error());
    assert_eq!(json.is_complete(), whole.is_complete());
    let told: String = whole.growth().changes().map(|change| change.text()).collect();
    assert_eq!(grown, told);

    json.finish();
    let serde = serde_json::from_str::<Value>(text);
    match (&serde, json.error()) {
        (Ok(value), None) => {
            assert!(json.is_complete());
            assert_eq!(json.value().map(Value::to_string), Some(value.to_string()));
        }
        (Ok(_), Some(error)) => panic!("only we refuse: {error}"),
        (Err(error), None) => {
            let surrogate =
                error.to_string().contains("surrogate") || error.to_string().contains("end of hex escape");
            assert!(surrogate, "only serde_json refuses: {error}");
        }
        (Err(theirs), Some(ours)) => {
            assert!(!json.is_complete());
            if theirs.is_eof() && ours.kind() == PartialErrorKind::Syntax {
                assert!(ours.to_string().contains("hexadecimal"), "we {ours}, serde_json {theirs}");
            }
        }
    }
});
