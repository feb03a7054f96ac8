//! Requests with parameters of their own: numbers to count, fields of a JSON, a place and days.

use super::length::number;

/// The most numbers that are counted.
const MOST_COUNTED: u64 = 50_000;
/// The most fields of one JSON object.
const MOST_FIELDS: usize = 24;

/// What a JSON is to have.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(in super::super) struct Json {
    pub(in super::super) fields: Vec<String>,
    /// So many objects in a list; `None` is one object.
    pub(in super::super) items: Option<usize>,
    /// Without a fence and without words around it.
    pub(in super::super) bare: bool,
}

/// "Count to N", "count from M to N", "count down from N".
pub(super) fn count(words: &[&str]) -> Option<(u64, u64)> {
    let at = words.iter().position(|word| *word == "count")?;
    let behind = |name: &str| {
        let found = words[at..].iter().position(|word| *word == name)?;
        number(words.get(at + found + 1)?)
    };
    let (from, to) = match (behind("from"), behind("to"), words.contains(&"down")) {
        (Some(from), to, true) => (from, to.unwrap_or(1)),
        (from, Some(to), _) => (from.unwrap_or(1), to),
        _ => return None,
    };
    (from.abs_diff(to) < MOST_COUNTED).then_some((from, to))
}

/// "Give me JSON with name and age".
pub(super) fn json(lower: &str, words: &[&str]) -> Option<Json> {
    const MAKERS: &[&str] = &[
        "give", "write", "return", "generate", "create", "make", "output", "show", "produce", "respond",
        "reply", "answer", "want", "need",
    ];
    if !words.contains(&"json") || !words.iter().any(|word| MAKERS.contains(word)) {
        return None;
    }
    let listed = [" with ", " containing ", " fields ", " keys ", " including "]
        .iter()
        .find_map(|lead| lower.split_once(lead))
        .map(|(_, rest)| rest);
    let listed = listed.unwrap_or_default().split(['.', '?', '!', ';', '\n']).next().unwrap_or_default();
    let fields: Vec<String> = listed
        .replace(" and ", ",")
        .replace('&', ",")
        .split(',')
        .filter_map(field)
        .take(MOST_FIELDS)
        .collect();
    let several = ["array", "list", "objects", "items", "records", "entries", "people", "users"]
        .iter()
        .any(|word| words.contains(word));
    let n = words.iter().find_map(|word| number(word)).filter(|n| (1..=100).contains(n));
    let items =
        (several || n.is_some_and(|n| n > 1)).then(|| n.and_then(|n| usize::try_from(n).ok()).unwrap_or(2));
    let bare = ["only", "just", "raw", "nothing", "bare", "plain"].iter().any(|word| words.contains(word))
        || lower.contains("no markdown");
    let fields = if fields.is_empty() {
        vec!["id".to_owned(), "name".to_owned(), "description".to_owned()]
    } else {
        fields
    };
    Some(Json { fields, items, bare })
}

/// "the `first name`" is `first_name`.
fn field(text: &str) -> Option<String> {
    const NOISE: &[&str] = &[
        "a",
        "an",
        "the",
        "field",
        "fields",
        "key",
        "keys",
        "property",
        "properties",
        "named",
        "called",
        "and",
        "two",
        "three",
        "random",
        "some",
    ];
    let words: Vec<_> = text
        .split(|c: char| !(c.is_alphanumeric() || c == '_'))
        .filter(|word| !word.is_empty() && !NOISE.contains(word))
        .collect();
    (1..=3).contains(&words.len()).then(|| words.join("_"))
}

/// "Plan a trip to X": the place, empty where none is named, and the days.
pub(super) fn trip(asked: &str, lower: &str, words: &[&str]) -> Option<(String, Option<u64>)> {
    const TRIPS: &[&str] =
        &["trip", "itinerary", "vacation", "holiday", "weekend", "honeymoon", "travel", "visit", "days"];
    const MAKERS: &[&str] = &["plan", "planning", "itinerary", "organize", "organise"];
    let is_trip =
        words.iter().any(|word| TRIPS.contains(word)) && words.iter().any(|word| MAKERS.contains(word));
    if !is_trip || lower.len() != asked.len() {
        return None;
    }
    let from = TRIPS.iter().filter_map(|word| lower.find(word)).min().unwrap_or(0);
    let place = [" to ", " in ", " visit ", " for "]
        .iter()
        .find_map(|lead| lower[from..].find(lead).map(|at| from + at + lead.len()));
    let place = place.and_then(|at| asked.get(at..)).unwrap_or_default();
    let place = place.split([',', '.', '?', '!', ';', '\n']).next().unwrap_or_default();
    let end = [" for ", " with ", " in ", " on ", " next ", " this ", " and ", " over "]
        .iter()
        .filter_map(|stop| place.find(stop))
        .min()
        .unwrap_or(place.len());
    let place = place[..end].trim().trim_start_matches("the ");
    // "for 3 days" names no place.
    let place = if place.starts_with(|c: char| c.is_ascii_digit()) || place == "me" { "" } else { place };
    let days = words.iter().enumerate().find_map(|(at, word)| match word.split_once('-') {
        Some((n, "day" | "days")) => number(n),
        _ => number(word).filter(|_| matches!(words.get(at + 1), Some(&"day" | &"days"))),
    });
    let days = days
        .or_else(|| words.contains(&"weekend").then_some(2))
        .or_else(|| words.contains(&"week").then_some(7));
    Some((place.chars().take(40).collect(), days))
}

pub(super) fn is_for_a_child(lower: &str) -> bool {
    const SIGNS: &[&str] = &[
        "to a child",
        "for a child",
        "to children",
        "for children",
        "for kids",
        "to kids",
        "to a kid",
        "for a kid",
        "like i'm five",
        "like i'm 5",
        "like i am five",
        "like i am 5",
        "eli5",
        "year old",
        "year-old",
        "for beginners in primary school",
    ];
    SIGNS.iter().any(|sign| lower.contains(sign))
}

#[cfg(test)]
mod tests {
    use super::super::{Kind, Question};
    use super::*;

    fn check(text: &str, kind: &Kind) {
        assert_eq!(&Question::read(text).kind, kind, "{text:?}");
    }

    #[test]
    fn counts_have_a_beginning_and_an_end() {
        check("count from 1 to 12", &Kind::Count(1, 12));
        check("Count from 5 up to 9, please", &Kind::Count(5, 9));
        check("count down from 10", &Kind::Count(10, 1));
        check("Count to 20", &Kind::Count(1, 20));
    }

    #[test]
    fn json_has_the_fields_that_are_named() {
        let json = |fields: &[&str], items, bare| {
            Kind::Json(Json { fields: fields.iter().map(|name| (*name).to_owned()).collect(), items, bare })
        };
        check("give me JSON with name and age", &json(&["name", "age"], None, false));
        check(
            "Return only JSON with the keys `id`, first name and email.",
            &json(&["id", "first_name", "email"], None, true),
        );
        check("Write a JSON array of 3 users with name and age", &json(&["name", "age"], Some(3), false));
        check("What is JSON?", &Kind::Explain);
    }

    #[test]
    fn trips_have_a_place_and_days() {
        let trip = |place: &str, days| Kind::Trip(place.to_owned(), days);
        check("plan a trip to Kyoto", &trip("Kyoto", None));
        check("Plan a 4-day trip to New York for two people", &trip("New York", Some(4)));
        check("Can you plan a weekend in Rome?", &trip("Rome", Some(2)));
        check("Make an itinerary for 5 days", &trip("", Some(5)));
        check("Plan a birthday party", &Kind::HowTo);
    }
}
