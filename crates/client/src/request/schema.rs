//! JSON Schemas from Rust types, in the subset that the service compiles into a grammar.
//!
//! Strict tools and structured output take a part of JSON Schema only: closed objects, no bounds, few formats. What cannot be said
//! there is not dropped but written into the description, where the model reads it (as the official SDKs do).

use schemars::JsonSchema;
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

/// String formats that the grammar knows.
const FORMATS: [&str; 10] =
    ["date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"];

/// Keywords that the grammar knows; `format` and `minItems` only with certain values.
const KEYWORDS: [&str; 17] = [
    "$defs",
    "$ref",
    "type",
    "anyOf",
    "allOf",
    "enum",
    "const",
    "description",
    "title",
    "default",
    "properties",
    "additionalProperties",
    "required",
    "items",
    "format",
    "minItems",
    "definitions",
];

/// The schema of a type, without the members that only matter to validators.
pub(crate) fn of_type<T: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|settings| settings.meta_schema = None);
    let mut schema = settings.into_generator().into_root_schema_for::<T>().to_value();
    if let Some(object) = schema.as_object_mut() {
        // The title is the type's name, which the tool has already.
        object.shift_remove("title");
    }
    schema
}

/// Takes the description of the whole type out of its schema.
pub(crate) fn take_description(schema: &mut Value) -> Option<String> {
    match schema.as_object_mut()?.shift_remove("description")? {
        Value::String(text) => Some(text),
        _ => None,
    }
}

/// Rewrites a schema so that the service can compile it.
pub(crate) fn make_strict(schema: &mut Value) {
    // `true` and `false` are schemas, too; `true` has no strict form and is left to the service to refuse.
    let Some(object) = schema.as_object_mut() else { return };
    if let Some(variants) = object.shift_remove("oneOf") {
        object.insert("anyOf".to_owned(), variants);
    }
    split_type_list(object);
    for (name, value) in object.iter_mut() {
        match (name.as_str(), value) {
            ("properties" | "$defs" | "definitions", Value::Object(schemas)) => {
                schemas.values_mut().for_each(make_strict);
            }
            ("anyOf" | "allOf", Value::Array(schemas)) => schemas.iter_mut().for_each(make_strict),
            ("items", schema) => make_strict(schema),
            _ => {}
        }
    }
    if object.get("type") == Some(&json!("object")) {
        object.entry("properties").or_insert_with(|| json!({}));
        object.insert("additionalProperties".to_owned(), json!(false));
    }
    describe_unsupported(object);
}

/// `"type": ["string", "null"]`, as an `Option` has it, becomes `anyOf`.
fn split_type_list(object: &mut Map<String, Value>) {
    let Some(Value::Array(types)) = object.get("type").cloned() else { return };
    let outer = ["description", "title", "default", "$defs"];
    let mut inner = Map::new();
    for (name, value) in std::mem::take(object) {
        if outer.contains(&name.as_str()) {
            object.insert(name, value);
        } else {
            inner.insert(name, value);
        }
    }
    let variants = types.into_iter().map(|kind| {
        if kind == "null" {
            return json!({ "type": "null" });
        }
        let mut variant = inner.clone();
        variant.insert("type".to_owned(), kind);
        Value::Object(variant)
    });
    let variants = Value::Array(variants.collect());
    object.insert("anyOf".to_owned(), variants);
}

fn describe_unsupported(object: &mut Map<String, Value>) {
    let is_supported = |name: &str, value: &Value| match name {
        "format" => value.as_str().is_some_and(|format| FORMATS.contains(&format)),
        "minItems" => matches!(value.as_u64(), Some(0 | 1)),
        name => KEYWORDS.contains(&name),
    };
    let mut unsupported = Vec::new();
    for (name, value) in std::mem::take(object) {
        if is_supported(&name, &value) {
            object.insert(name, value);
        } else if name != "format" || object.get("type") == Some(&json!("string")) {
            unsupported.push(format!("{name}: {value}"));
        }
        // What remains are formats of numbers (`uint32`): Rust's names, of no use to the model.
    }
    if unsupported.is_empty() {
        return;
    }
    let note = format!("{{{}}}", unsupported.join(", "));
    let text = match object.get("description").and_then(Value::as_str) {
        Some(text) => format!("{text}\n\n{note}"),
        None => note,
    };
    object.insert("description".to_owned(), Value::String(text));
}

/// `GetWeather` as `get_weather`, with nothing in it that a tool's name cannot have.
pub(crate) fn snake_case(name: &str) -> String {
    let mut snake = String::with_capacity(name.len() + 4);
    let mut after_lower = false;
    let mut chars = name.chars().peekable();
    while let Some(c) = chars.next() {
        if !c.is_ascii_alphanumeric() && c != '-' {
            snake.push('_');
            after_lower = false;
            continue;
        }
        let ends_capitals = c.is_ascii_uppercase() && chars.peek().is_some_and(char::is_ascii_lowercase);
        if c.is_ascii_uppercase()
            && !snake.is_empty()
            && !snake.ends_with('_')
            && (after_lower || ends_capitals)
        {
            snake.push('_');
        }
        after_lower = !c.is_ascii_uppercase();
        snake.push(c.to_ascii_lowercase());
    }
    snake.truncate(64);
    snake
}
