//! Proof that the work is linear, by counting it.

use std::cell::Cell;

use super::{MaxDepth, PartialJson};

thread_local! {
    static SPENT: Cell<usize> = const { Cell::new(0) };
}

pub(super) fn spend(steps: usize) {
    SPENT.set(SPENT.get() + steps);
}

/// The work that `text` costs in pieces of `piece` bytes, with value and changes looked at after each of them.
fn work(text: &str, piece: usize) -> usize {
    SPENT.set(0);
    let mut json = PartialJson::with_max_depth(MaxDepth::new(255));
    for fragment in pieces(text, piece) {
        let growth = json.push(fragment);
        spend(growth.changes().map(|change| 1 + change.text().len()).sum());
        assert!(growth.value().is_some() || json.error().is_none());
    }
    SPENT.get()
}

fn pieces(text: &str, piece: usize) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let cut = rest.ceil_char_boundary(piece.min(rest.len()));
        let (fragment, after) = rest.split_at(cut);
        rest = after;
        (!fragment.is_empty()).then_some(fragment)
    })
}

/// Holds the work for an input against `most` steps per byte, in pieces of several sizes, at two sizes of the input: a
/// bound that does not move when the input is sixteen times as long.
fn check(name: &str, make: impl Fn(usize) -> String, most: usize) {
    for text in [make(1 << 12), make(1 << 16)] {
        for piece in [1, 7, 10, 1000, usize::MAX] {
            let steps = work(&text, piece);
            assert!(steps <= most * text.len(), "{name} by {piece}: {steps} steps for {} bytes", text.len());
        }
    }
}

fn repeat(unit: &str, bytes: usize) -> String {
    unit.repeat(bytes / unit.len())
}

#[test]
fn long_values() {
    check("one string", |n| format!("{{\"a\":\"{}\"}}", "x".repeat(n)), 4);
    check("escapes", |n| format!("[\"{}\"]", repeat("\\u00e9\\n\\ud83d\\ude00", n)), 4);
    check("lone surrogates", |n| format!("[\"{}\"]", repeat("\\ud83d", n)), 4);
    check("one number", |n| format!("[0.{}]", "1".repeat(n)), 4);
    check("white space", |n| format!("[1{}]", " ".repeat(n)), 4);
    check("one key", |n| format!("{{\"{}\":1}}", "k".repeat(n)), 4);
}

#[test]
fn many_values() {
    check("numbers", |n| format!("[{}0]", repeat("1,", n)), 4);
    check("small objects", |n| format!("[{}0]", repeat(r#"{"id":1,"name":"x"},"#, n)), 4);
    check(
        "keys",
        |n| format!("{{{}\"\":0}}", (0..n / 12).map(|i| format!("\"{i:08}\":1,")).collect::<String>()),
        4,
    );
    check(
        "one long key over many values",
        |n| format!("{{\"{}\":[{}0]}}", "k".repeat(n / 2), repeat("1,", n / 2)),
        4,
    );
    check(
        "one long key over many members",
        |n| format!("{{\"{}\":{{{}\"\":0}}}}", "k".repeat(n / 2), repeat(r#""m":1,"#, n / 2)),
        4,
    );
}

#[test]
fn repeated_keys() {
    check("numbers", |n| format!("{{{}\"a\":0}}", repeat(r#""a":1,"#, n)), 4);
    check("strings", |n| format!("{{{}\"a\":0}}", repeat(r#""a":"b","#, n)), 4);
    check(
        "after many others",
        |n| {
            let others: String = (0..n / 24).map(|i| format!("\"{i:08}\":1,")).collect();
            format!("{{{others}{}\"a\":0}}", repeat(r#""00000000":[],"#, n / 2))
        },
        4,
    );
    check(
        "a long key last",
        |n| format!("{{\"a\":1,\"{}\":2,{}\"a\":0}}", "k".repeat(n / 2), repeat(r#""a":"","#, n / 2)),
        4,
    );
}

/// Depth has a price, but a bounded one: never more than the limit for each byte.
#[test]
fn deep_values() {
    let deep = |inside: &dyn Fn(usize) -> String, n: usize| {
        format!("{}{}{}", "[".repeat(250), inside(n), "]".repeat(250))
    };
    check("numbers", |n| deep(&|n| format!("{}0", repeat("1,", n)), n), 520);
    check("containers", |n| deep(&|n| format!("{}0", repeat("[],", n)), n), 520);
    check("a string", |n| deep(&|n| format!("\"{}\"", "x".repeat(n)), n), 520);
}
