//! A value that fits a JSON schema, with as much sense as the question allows.
//!
//! Knows the keywords that the service takes for tools and structured outputs. `pattern` and `format` beyond the common
//! ones are not obeyed.

use serde_json::{Map, Number, Value, json};

use super::digest::{self, Dice};
use super::facts::Facts;

/// A schema that refers to itself is followed this deep.
const DEEPEST: usize = 12;

/// Fills schemas from one question.
#[derive(Debug)]
pub(super) struct Filler<'a> {
    root: &'a Value,
    facts: &'a Facts,
    dice: Dice,
    numbers: usize,
    names: usize,
    quoted: usize,
    /// Whether properties that nothing asks for are filled, too.
    generous: bool,
}

impl<'a> Filler<'a> {
    /// `root` is where references begin.
    pub(super) fn new(root: &'a Value, facts: &'a Facts, hash: u64) -> Self {
        Self { root, facts, dice: Dice::new(hash), numbers: 0, names: 0, quoted: 0, generous: false }
    }

    /// Fills every property, as a document is, instead of those that are required or mentioned, as arguments are.
    pub(super) fn generous(self) -> Self {
        Self { generous: true, ..self }
    }

    /// Takes names from here on: the n-th of several calls is about the n-th name.
    pub(super) fn skipping_names(self, names: usize) -> Self {
        Self { names, ..self }
    }

    pub(super) fn fill(&mut self) -> Value {
        self.value(self.root, "", 0)
    }

    fn value(&mut self, schema: &'a Value, name: &str, depth: usize) -> Value {
        let schema = self.resolved(schema);
        if let Some(fixed) = schema.get("const") {
            return fixed.clone();
        }
        if let Some(Value::Array(values)) = schema.get("enum") {
            let said =
                values.iter().find(|value| value.as_str().is_some_and(|text| self.facts.mentions(text)));
            return said.or(values.first()).cloned().unwrap_or(Value::Null);
        }
        for any in ["anyOf", "oneOf"] {
            if let Some(Value::Array(choices)) = schema.get(any) {
                let full = choices.iter().find(|choice| kind(self.resolved(choice)) != "null");
                // Deep down the way out is the one that ends.
                let plain =
                    choices.iter().find(|choice| !["object", "array"].contains(&kind(self.resolved(choice))));
                let choice = if depth > DEEPEST / 2 { plain.or(full) } else { full };
                return choice.map_or(Value::Null, |choice| self.value(choice, name, depth + 1));
            }
        }
        if let Some(Value::Array(parts)) = schema.get("allOf") {
            return self.merged(schema, parts, name, depth);
        }
        match kind(schema) {
            "object" => self.object(schema, depth),
            "array" => self.array(schema, name, depth),
            "integer" => self.number(schema, name, true),
            "number" => self.number(schema, name, false),
            "boolean" => schema.get("default").cloned().unwrap_or_else(|| self.boolean(name)),
            "null" => Value::Null,
            _ => Value::String(self.string(schema, name)),
        }
    }

    fn resolved(&self, schema: &'a Value) -> &'a Value {
        let mut schema = schema;
        for _ in 0..DEEPEST {
            let Some(pointer) =
                schema.get("$ref").and_then(Value::as_str).and_then(|at| at.strip_prefix('#'))
            else {
                break;
            };
            match self.root.pointer(pointer) {
                Some(target) => schema = target,
                None => break,
            }
        }
        schema
    }

    fn merged(&mut self, schema: &'a Value, parts: &'a [Value], name: &str, depth: usize) -> Value {
        let mut whole =
            if schema.get("properties").is_some() { self.object(schema, depth) } else { Value::Null };
        if depth < DEEPEST {
            for part in parts {
                let value = self.value(part, name, depth + 1);
                match (&mut whole, value) {
                    (Value::Object(whole), Value::Object(more)) => whole.extend(more),
                    (whole, value) => *whole = value,
                }
            }
        }
        whole
    }

    fn object(&mut self, schema: &'a Value, depth: usize) -> Value {
        let mut fields = Map::new();
        let required: Vec<_> = schema
            .get("required")
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .collect();
        if let Some(Value::Object(properties)) = schema.get("properties") {
            for (name, property) in properties {
                let wanted = required.contains(&name.as_str())
                    || depth <= DEEPEST / 2 && (self.generous || self.asked_for(name, property));
                if wanted && depth < DEEPEST {
                    fields.insert(name.clone(), self.value(property, name, depth + 1));
                }
            }
        }
        Value::Object(fields)
    }

    /// Whether the question names an optional property, or one of its values.
    fn asked_for(&self, name: &str, property: &'a Value) -> bool {
        let values = self.resolved(property).get("enum").and_then(Value::as_array);
        self.facts.mentions(name)
            || values
                .into_iter()
                .flatten()
                .any(|value| value.as_str().is_some_and(|text| self.facts.mentions(text)))
    }

    fn array(&mut self, schema: &'a Value, name: &str, depth: usize) -> Value {
        let limit = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        let (least, most) = (limit("minItems"), limit("maxItems").unwrap_or(usize::MAX));
        let natural = match kind(schema.get("items").unwrap_or(&Value::Null)) {
            "integer" | "number" => self.facts.numbers.len().saturating_sub(self.numbers).max(1),
            "object" => 2,
            _ => self.facts.names.len().saturating_sub(self.names).max(2),
        };
        let length = if depth > DEEPEST / 2 {
            least.unwrap_or(0)
        } else {
            natural.max(least.unwrap_or(0)).min(most).min(1000)
        };
        let unique = schema.get("uniqueItems") == Some(&Value::Bool(true));
        let mut items = Vec::new();
        if let Some(item) = schema.get("items") {
            for at in 0..length {
                let mut value = self.value(item, name, depth + 1);
                if let (true, Value::String(text)) = (unique && items.contains(&value), &mut value) {
                    text.push_str(&format!(" {}", at + 1));
                }
                items.push(value);
            }
        }
        Value::Array(items)
    }

    fn number(&mut self, schema: &Value, name: &str, whole: bool) -> Value {
        if let Some(default) = schema.get("default").filter(|_| self.numbers >= self.facts.numbers.len()) {
            return default.clone();
        }
        let limit = |key: &str| schema.get(key).and_then(Value::as_f64);
        let said = self.facts.numbers.get(self.numbers).and_then(|number| number.parse::<f64>().ok());
        self.numbers += usize::from(said.is_some());
        let likely = match name.to_lowercase() {
            name if name.contains("year") => 2026.0,
            name if name.contains("age") => 34.0,
            name if name.contains("price") || name.contains("total") => 19.5,
            name if name.contains("limit") || name.contains("count") || name.contains("max") => 5.0,
            name if name.contains("lat") => 48.8566,
            name if name.contains("lon") || name.contains("lng") => 2.3522,
            name if name.contains("confidence") || name.contains("score") || name.contains("probability") => {
                0.8
            }
            _ => 1.0 + f64::from(u8::try_from(self.dice.roll(9)).unwrap_or(0)),
        };
        let mut value = said.unwrap_or(likely);
        let step = if whole { 1.0 } else { 0.001 };
        if let Some(least) = limit("minimum").or_else(|| limit("exclusiveMinimum").map(|least| least + step))
        {
            value = value.max(least);
        }
        if let Some(most) = limit("maximum").or_else(|| limit("exclusiveMaximum").map(|most| most - step)) {
            value = value.min(most);
        }
        if let Some(unit) = limit("multipleOf").filter(|unit| *unit > 0.0) {
            value = (value / unit).round() * unit;
        }
        integral(if whole { value.round() } else { value })
    }

    fn boolean(&self, name: &str) -> Value {
        let name = name.to_lowercase().replace('_', " ");
        let denied = ["without ", "no ", "not ", "don't "]
            .iter()
            .any(|no| self.facts.lower.contains(&format!("{no}{name}")));
        Value::Bool(!denied)
    }

    fn string(&mut self, schema: &Value, name: &str) -> String {
        if let Some(default) = schema.get("default").and_then(Value::as_str) {
            return default.to_owned();
        }
        let mut text = self.guess(schema["format"].as_str().unwrap_or_default(), &name.to_lowercase());
        let limit = |key: &str| schema.get(key).and_then(Value::as_u64).and_then(|n| usize::try_from(n).ok());
        if let Some(most) = limit("maxLength") {
            text = text.chars().take(most).collect();
        }
        let least = limit("minLength").unwrap_or(0).min(10_000);
        while text.chars().count() < least {
            text.push('x');
        }
        text
    }

    fn guess(&mut self, format: &str, name: &str) -> String {
        let facts = self.facts;
        let first = |found: &[String], otherwise: &str| {
            found.first().cloned().unwrap_or_else(|| otherwise.to_owned())
        };
        let has = |parts: &[&str]| parts.iter().any(|part| name.contains(part));
        match format {
            "date" => return first(&facts.dates, "2026-11-20"),
            "date-time" => return format!("{}T09:30:00Z", first(&facts.dates, "2026-11-20")),
            "time" => return "09:30:00Z".to_owned(),
            "email" => return first(&facts.emails, "ada@example.org"),
            "uri" | "url" | "uri-reference" => return first(&facts.urls, "https://example.org/"),
            "uuid" => return uuid(digest::of(0, &[&facts.text, name])),
            "ipv4" => return "192.0.2.7".to_owned(),
            "hostname" => return "example.org".to_owned(),
            _ => {}
        }
        if has(&["url", "uri", "link", "href"]) {
            return first(&facts.urls, "https://example.org/");
        }
        if has(&["email", "mail"]) {
            return first(&facts.emails, "ada@example.org");
        }
        if has(&["date", "day"]) {
            return first(&facts.dates, "2026-11-20");
        }
        if has(&["time"]) && !has(&["zone"]) {
            return "09:30".to_owned();
        }
        if has(&["timezone", "time_zone"]) {
            return "Europe/Paris".to_owned();
        }
        if has(&["path", "file", "dir"]) {
            return first(&facts.paths, "README.md");
        }
        if has(&["query", "search", "question", "keyword", "prompt", "topic", "subject"]) {
            return self.phrase();
        }
        if has(&["expression", "formula", "equation"]) {
            return self.expression();
        }
        if has(&["command", "cmd"]) {
            return first(&facts.quoted, "ls -la");
        }
        if has(&["code", "script", "source"]) && !has(&["postcode", "zip"]) {
            return "print(\"hello\")".to_owned();
        }
        if has(&["currency"]) {
            return "EUR".to_owned();
        }
        if has(&["language", "locale"]) {
            return "English".to_owned();
        }
        if has(&["unit"]) {
            return "celsius".to_owned();
        }
        if has(&["id"]) && (name.ends_with("id") || name.ends_with("ids")) {
            let number = facts.numbers.get(self.numbers).cloned();
            self.numbers += usize::from(number.is_some());
            return number.or_else(|| facts.quoted.first().cloned()).unwrap_or_else(|| "id-1".to_owned());
        }
        if has(&[
            "description",
            "summary",
            "text",
            "content",
            "body",
            "message",
            "note",
            "reason",
            "answer",
            "explanation",
        ]) {
            let quoted = facts.quoted.get(self.quoted).cloned();
            self.quoted += usize::from(quoted.is_some());
            return quoted.unwrap_or_else(|| self.phrase());
        }
        if let Some(quoted) = facts.quoted.get(self.quoted) {
            self.quoted += 1;
            return quoted.clone();
        }
        if let Some(found) = facts.names.get(self.names) {
            self.names += 1;
            return found.clone();
        }
        if let Some(last) = facts.names.last() {
            return last.clone();
        }
        if has(&["city", "location", "place", "town", "destination", "origin"]) {
            return "Paris".to_owned();
        }
        if has(&["country"]) {
            return "France".to_owned();
        }
        if has(&["name", "author", "user", "person", "title"]) {
            return (*["Ada Lovelace", "Grace Hopper", "Alan Turing"]
                .get(self.dice.roll(3))
                .unwrap_or(&"Ada Lovelace"))
            .to_owned();
        }
        self.phrase()
    }

    /// The question itself, as short as it can be.
    fn phrase(&self) -> String {
        let line = self.facts.text.lines().next().unwrap_or_default().trim_end_matches(['?', '.', '!']);
        let mut rest = line;
        for lead in [
            "please ",
            "can you ",
            "could you ",
            "search the web for ",
            "search for ",
            "look up ",
            "find ",
            "what is ",
            "what's ",
            "tell me about ",
            "who is ",
            "what are ",
        ] {
            if rest.get(..lead.len()).is_some_and(|head| head.eq_ignore_ascii_case(lead)) {
                rest = &rest[lead.len()..];
            }
        }
        let phrase: String = rest.chars().take(120).collect();
        if phrase.trim().is_empty() { "streaming".to_owned() } else { phrase.trim().to_owned() }
    }

    fn expression(&self) -> String {
        let sum: String =
            self.facts.text.chars().filter(|c| c.is_ascii_digit() || " +-*/^().".contains(*c)).collect();
        let sum = sum.trim().trim_matches('.').trim();
        if sum.chars().any(|c| c.is_ascii_digit()) { sum.to_owned() } else { "6 * 7".to_owned() }
    }
}

/// The type of a schema; one of several is the first that is not null.
fn kind(schema: &Value) -> &str {
    match schema.get("type") {
        Some(Value::String(kind)) => kind,
        Some(Value::Array(kinds)) => {
            kinds.iter().filter_map(Value::as_str).find(|kind| *kind != "null").unwrap_or("null")
        }
        _ if schema.get("properties").is_some() => "object",
        _ if schema.get("items").is_some() => "array",
        _ => "string",
    }
}

fn integral(value: f64) -> Value {
    #[expect(clippy::cast_possible_truncation, reason = "whole and far inside of i64's range")]
    if value.fract() == 0.0 && value.abs() < 9e15 {
        return json!(value as i64);
    }
    Number::from_f64(value).map_or(json!(0), Value::Number)
}

fn uuid(hash: u64) -> String {
    let low = digest::of(hash, &["uuid"]);
    format!(
        "{:08x}-{:04x}-4{:03x}-8{:03x}-{:012x}",
        hash >> 32,
        hash >> 16 & 0xffff,
        hash & 0xfff,
        low >> 52,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(schema: &Value, text: &str, expected: &Value) {
        let facts = Facts::of(text);
        assert_eq!(&Filler::new(schema, &facts, 7).fill(), expected, "{schema} {text:?}");
    }

    #[test]
    fn arguments_come_from_the_question() {
        let weather = json!({"type": "object", "required": ["location"], "properties": {
            "location": {"type": "string"}, "unit": {"type": "string", "enum": ["celsius", "fahrenheit"]}}});
        check(&weather, "How is the weather in Oslo?", &json!({"location": "Oslo"}));
        check(&weather, "Weather in Oslo in fahrenheit", &json!({"location": "Oslo", "unit": "fahrenheit"}));
        let add = json!({"type": "object", "required": ["a", "b"], "properties": {"a": {"type": "integer"}, "b": {"type": "number"}}});
        check(&add, "Add 3 and 4.5", &json!({"a": 3, "b": 4.5}));
        check(&json!({"type": "object", "properties": {}}), "anything", &json!({}));
    }

    #[test]
    fn limits_of_a_schema_are_kept() {
        check(&json!({"type": "integer", "minimum": 10, "maximum": 20}), "take 7", &json!(10));
        check(&json!({"type": "integer", "minimum": 10, "maximum": 20}), "take 70", &json!(20));
        check(&json!({"type": "string", "maxLength": 3, "enum": ["abc"]}), "", &json!("abc"));
        check(&json!({"type": ["null", "string"], "format": "date"}), "on 2026-01-02", &json!("2026-01-02"));
        check(&json!({"const": {"a": [1]}}), "", &json!({"a": [1]}));
        check(&json!({"anyOf": [{"type": "null"}, {"type": "boolean"}]}), "", &json!(true));
    }

    #[test]
    fn a_schema_that_refers_to_itself_ends() {
        let tree = json!({"$ref": "#/$defs/node", "$defs": {"node": {"type": "object", "required": ["children"],
            "properties": {"children": {"type": "array", "items": {"$ref": "#/$defs/node"}}}}}});
        let facts = Facts::of("a tree");
        let value = Filler::new(&tree, &facts, 7).generous().fill();
        assert!(value["children"].is_array());
        assert!(value.to_string().len() < 10_000);
    }
}
