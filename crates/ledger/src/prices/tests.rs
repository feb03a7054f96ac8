use super::*;

fn day(text: &str) -> Date {
    text.parse().unwrap()
}

const FILE: &str = r#"
[[model]]
names = ["m", "m-2*"]
from = 2026-01-01
input = "1"
cache_write_5m = "1.25"
cache_write_1h = "2"
cache_read = "0.1"
output = "5"
up_to = 100
above = { input = "5", cache_write_5m = "6.25", cache_write_1h = "10", cache_read = "0.5", output = "25" }
geo = { us = "1.1" }
source = "a test"

[[model]]
names = ["m"]
from = 2026-06-01
input = "2"
cache_write_5m = "2.5"
cache_write_1h = "4"
cache_read = "0.2"
output = "10"
up_to = 100
source = "a test"

[[web_search]]
from = 2026-01-01
per_thousand = "10"
source = "a test"
"#;

fn ours() -> Prices {
    Prices { tables: vec![Table::read(FILE).unwrap()] }
}

#[test]
fn the_embedded_table_is_whole_and_knows_the_models_of_the_day() {
    let table = Table::read(EMBEDDED).unwrap();
    assert!(!table.entries.is_empty() && !table.searches.is_empty());
    let one = Tokens { input: 1_000_000, ..Tokens::default() };
    for (model, input) in [
        ("claude-fable-5-2", "8"),
        ("claude-fable-5-1", "10"),
        ("claude-opus-5-5", "4"),
        ("claude-opus-5", "5"),
        ("claude-opus-4-6", "5"),
        ("claude-sonnet-5-5", "2"),
        ("claude-sonnet-4-6", "3"),
        ("claude-haiku-5-5", "0.5"),
        ("claude-haiku-4-5-20251001", "1"),
    ] {
        let cost = Prices::embedded().cost(model, &one, day("2026-11-20"));
        assert_eq!(cost.map(|cost| cost.to_string()).as_deref(), Some(input), "{model}");
    }
    for unknown in ["claude-opus-5-6", "claude-opus-4", "anthropic.claude-opus-5-5", "gpt-6", ""] {
        assert_eq!(Prices::embedded().cost(unknown, &one, day("2026-11-20")), None, "{unknown}");
    }
}

#[test]
fn each_kind_has_its_price() {
    let tokens = Tokens {
        input: 1,
        cache_write_5m: 2,
        cache_write_1h: 3,
        cache_read: 4,
        output: 5,
        thinking: 5,
        web_searches: 1,
        web_fetches: 9,
    };
    // 1 + 2.5 + 6 + 0.4 + 25 millionths, and a hundredth.
    assert_eq!(ours().cost("m", &tokens, day("2026-02-01")).unwrap().to_string(), "0.0100349");
}

#[test]
fn a_price_depends_on_the_name_the_day_the_length_and_the_place() {
    let many = Tokens { input: 100, output: 1, ..Tokens::default() };
    let more = Tokens { input: 101, output: 1, ..Tokens::default() };
    let geo = |place: &str| Terms { geo: Some(place.to_owned()), ..Terms::default() };
    let none = Terms::default();
    for (model, date, tokens, terms, cost) in [
        ("m", "2026-01-01", many, none.clone(), Some(105)),
        ("m", "2025-12-31", many, none.clone(), None),
        ("m", "2026-06-01", many, none.clone(), Some(210)),
        ("m-2026", "2026-06-01", many, none.clone(), Some(105)),
        ("m-x", "2026-06-01", many, none.clone(), None),
        ("m", "2026-01-01", more, none.clone(), Some(530)),
        ("m", "2026-06-01", more, none, None),
        ("m", "2026-01-01", many, geo("global"), Some(105)),
        ("m", "2026-01-01", many, geo("not_available"), Some(105)),
        ("m", "2026-01-01", many, geo("mars"), None),
    ] {
        let priced = ours().price(model, &tokens, &terms, day(date)).map(|priced| priced.cost / 1_000_000);
        assert_eq!(priced, cost, "{model} {date} {terms:?}");
    }
    let us = ours().price("m", &many, &geo("us"), day("2026-01-01")).unwrap().cost;
    assert_eq!(us, 115_500_000);
}

#[test]
fn tiers_and_speeds_without_a_list_price_are_unknown() {
    let tokens = Tokens { input: 1, ..Tokens::default() };
    for (tier, speed, known) in [
        (None, None, true),
        (Some("standard"), Some("standard"), true),
        (Some("priority"), None, false),
        (Some("batch"), None, false),
        (None, Some("fast"), false),
        (Some("new"), None, false),
    ] {
        let terms =
            Terms { tier: tier.map(str::to_owned), speed: speed.map(str::to_owned), ..Terms::default() };
        assert_eq!(ours().price("m", &tokens, &terms, day("2026-02-01")).is_some(), known, "{terms:?}");
    }
}

#[test]
fn the_operators_own_prices_go_first() {
    let own = FILE.replace("input = \"1\"", "input = \"7\"").replace("\"m-2*\"", "\"claude-opus-5*\"");
    let prices = Prices::embedded().overridden(&own).unwrap();
    let one = Tokens { input: 1, ..Tokens::default() };
    let cost = |model| prices.cost(model, &one, day("2026-11-20")).map(|cost| cost.to_string());
    assert_eq!(cost("claude-opus-5-5").as_deref(), Some("0.000007"));
    assert_eq!(cost("claude-opus-4-8").as_deref(), Some("0.000005"), "what it does not know is as it was");
}

#[test]
fn a_wrong_table_is_refused_with_its_place() {
    for (from, to, word) in [
        ("input = \"1\"", "input = 1.0", "input"),
        ("input = \"1\"", "input = \"-1\"", "`input`"),
        ("input = \"1\"", "input = \"0.0000001\"", "`input`"),
        ("input = \"1\"", "inputs = \"1\"", "inputs"),
        ("\"m-2*\"", "\"m*2\"", "`*`"),
        ("us = \"1.1\"", "us = \"1.0001\"", "geo.us"),
        ("from = 2026-06-01", "from = \"soon\"", "from"),
        ("source = \"a test\"", "", "source"),
        ("names = [\"m\"]", "names = []", "names"),
    ] {
        let error = Table::read(&FILE.replacen(from, to, 1)).unwrap_err();
        assert!(error.is_invalid() && error.to_string().contains(word), "{to}: {error}");
    }
}

#[test]
fn the_worst_case_is_the_dearest_input_and_all_of_the_output() {
    let worst =
        |searches| ours().worst("m", 100, 10, searches, &Terms::default(), day("2026-02-01")).unwrap();
    assert_eq!(worst(0), 250_000_000);
    assert_eq!(worst(2) - worst(0), 2 * 10_000_000_000);
    assert_eq!(ours().worst("x", 1, 1, 0, &Terms::default(), day("2026-02-01")), None);
}

#[test]
fn the_page_about_money_shows_a_table_that_is_one() {
    let page = include_str!("../../../../docs/money.md");
    let (_, rest) = page.split_once("```toml\n").unwrap();
    let (example, _) = rest.split_once("```").unwrap();
    let uncommented = example.replace("# up_to", "up_to").replace("# above", "above");
    for text in [example, &uncommented] {
        let prices = Prices::embedded().overridden(text).unwrap();
        let one = Tokens { input: 1_000_000, ..Tokens::default() };
        let cost = prices.cost("our-opus-1", &one, day("2026-12-01")).unwrap().to_string();
        assert_eq!(cost, if text == example { "3.6" } else { "7.2" });
    }
}
