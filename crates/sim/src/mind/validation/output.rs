//! Effort and the form of the output, and the schemas that strict forms take.

use serde_json::Value;

use super::{Case, Checked, extra, object, one_of, refuse, required, unknown_tag};

const FIELDS: &[&str] = &["effort", "format", "task_budget"];
const EFFORTS: &[&str] = &["low", "medium", "high", "xhigh", "max"];

pub(super) fn check_shape(case: &Case<'_>) -> Checked {
    if let Some(config) = case.request.get("output_config") {
        let fields = object(config, "output_config")?;
        if let Some(name) = fields.keys().find(|name| !FIELDS.contains(&name.as_str())) {
            return extra(format!("output_config.{name}"));
        }
        one_of(fields.get("effort").filter(|effort| !effort.is_null()), "output_config.effort", EFFORTS)?;
        if let Some(format) = fields.get("format").filter(|format| !format.is_null()) {
            check_format(format, "output_config.format")?;
        }
    }
    case.request.get("output_format").map_or(Ok(()), |format| check_format(format, "output_format"))
}

pub(super) fn check_model(case: &Case<'_>) -> Checked {
    let config = case.request.get("output_config");
    if let Some(effort) = config.and_then(|config| config["effort"].as_str()) {
        let supported = case.model.efforts;
        if !supported.contains(&effort) {
            let mut names = supported.to_vec();
            names.sort_unstable();
            return refuse(format!(
                "This model does not support effort level '{effort}'. Supported levels: {}.",
                names.join(", ")
            ));
        }
    }
    if super::super::plan::output_schema(case.request).is_none() {
        return Ok(());
    }
    let messages = case.request.list("messages");
    if messages.last().is_some_and(|message| message["role"] == "assistant") {
        return refuse("Structured outputs are not supported with a prefilled assistant message.");
    }
    let cites = messages
        .iter()
        .filter_map(|message| message["content"].as_array())
        .flatten()
        .any(|block| block["citations"]["enabled"] == true);
    if cites {
        return refuse("Structured outputs are not supported together with citations.");
    }
    Ok(())
}

/// The rules for schemas that a grammar is made of.
pub(super) fn strict_schema(schema: &Value, path: &str) -> Checked {
    if let Some(cycle) = cycle(schema) {
        return refuse(format!(
            "{path}: Invalid schema: Circular reference detected in schema definitions: {cycle}. Self-referencing or \
             mutually-referencing definitions are not supported."
        ));
    }
    let mut open = vec![schema];
    while let Some(schema) = open.pop() {
        let Some(fields) = schema.as_object() else { continue };
        let kind = fields.get("type").and_then(Value::as_str).unwrap_or_default();
        if kind == "object" && fields.get("additionalProperties") != Some(&Value::Bool(false)) {
            return refuse(format!(
                "{path}: For 'object' type, 'additionalProperties' must be explicitly set to false"
            ));
        }
        let unsupported: &[&str] = match kind {
            "integer" | "number" => {
                &["exclusiveMaximum", "exclusiveMinimum", "maximum", "minimum", "multipleOf"]
            }
            "string" => &["maxLength", "minLength"],
            "array" => &["maxItems", "uniqueItems"],
            _ => &[],
        };
        let found: Vec<_> = unsupported.iter().copied().filter(|name| fields.contains_key(*name)).collect();
        if !found.is_empty() {
            let verb = if found.len() == 1 { "property" } else { "properties" };
            let be = if found.len() == 1 { "is" } else { "are" };
            return refuse(format!(
                "{path}: For '{kind}' type, {verb} {} {be} not supported",
                found.join(", ")
            ));
        }
        for name in ["properties", "$defs", "definitions"] {
            open.extend(
                fields.get(name).and_then(Value::as_object).into_iter().flat_map(|inner| inner.values()),
            );
        }
        for name in ["anyOf", "oneOf", "allOf"] {
            open.extend(fields.get(name).and_then(Value::as_array).into_iter().flatten());
        }
        open.extend(fields.get("items"));
    }
    Ok(())
}

fn check_format(format: &Value, path: &str) -> Checked {
    let fields = object(format, path)?;
    let kind = required(fields, "type", path)?.as_str().unwrap_or_default();
    if kind != "json_schema" {
        return unknown_tag(path, kind, &["json_schema"]);
    }
    let schema = required(fields, "schema", path)?;
    object(schema, &format!("{path}.schema"))?;
    strict_schema(schema, &format!("{path}.schema"))
}

/// A chain of definitions that comes back to its beginning, as `A -> B -> A`.
fn cycle(root: &Value) -> Option<String> {
    let definitions = root.get("$defs").or_else(|| root.get("definitions"))?.as_object()?;
    let refers_to = |name: &str| definitions.get(name).map(references).unwrap_or_default();
    for start in definitions.keys() {
        // Depth first from each definition; the chain that leads back to it is reported.
        let mut chain = vec![(start.as_str(), refers_to(start))];
        let mut seen = std::collections::HashSet::new();
        while let Some((_, next)) = chain.last_mut() {
            let Some(name) = next.pop() else {
                chain.pop();
                continue;
            };
            if name == start {
                let mut names: Vec<_> = chain.iter().map(|(name, _)| *name).collect();
                names.push(start);
                return Some(names.join(" -> "));
            }
            if seen.insert(name) {
                chain.push((name, refers_to(name)));
            }
        }
    }
    None
}

/// The names of the definitions that a schema refers to.
fn references(schema: &Value) -> Vec<&str> {
    let mut found = Vec::new();
    let mut open = vec![schema];
    while let Some(value) = open.pop() {
        match value {
            Value::Object(fields) => {
                if let Some(name) =
                    fields.get("$ref").and_then(Value::as_str).and_then(|at| at.rsplit('/').next())
                {
                    found.push(name);
                }
                open.extend(fields.values());
            }
            Value::Array(items) => open.extend(items),
            _ => {}
        }
    }
    found
}
