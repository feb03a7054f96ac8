//! Templates: questions with holes, kept as TOML files of the user's own.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::exit::{Exit, Failure};

/// What stands for the words that are given beside a template.
const INPUT: &str = "input";

/// A question with holes: `$name` or `${name}` is filled by `-p name=value`, `$input` by the words given; `$$` is a dollar sign.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Template {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) model: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) max_tokens: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) system: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) prompt: Option<String>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub(crate) thinking: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) schema: Option<String>,
    /// As `-o`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) options: Vec<String>,
    /// As `-f`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) fragments: Vec<String>,
    /// As `-a`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub(crate) attachments: Vec<String>,
    /// What fills a hole that nobody fills.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) defaults: BTreeMap<String, String>,
}

/// `NAME=VALUE` for a hole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parameter {
    name: String,
    value: String,
}

impl Parameter {
    pub(crate) fn read(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once('=').ok_or("it is not NAME=VALUE")?;
        if name.is_empty() || !name.chars().all(in_name) || name == INPUT {
            return Err(format!("`{name}` is no name of a parameter: letters, digits and _"));
        }
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl Template {
    /// The template of this name, or in this file.
    pub(crate) fn load(name: &str) -> Result<Self, Failure> {
        let file = file(name)?;
        let text = fs::read_to_string(&file).map_err(|error| match error.kind() {
            std::io::ErrorKind::NotFound => Failure::new(Exit::Usage, missing(name, &file)),
            _ => Failure::new(Exit::Usage, format!("-t {name}: {}: {error}", file.display())),
        })?;
        toml::from_str(&text).map_err(|error| {
            let error = error.to_string();
            Failure::new(Exit::Usage, format!("-t {name}: {}: {}", file.display(), error.trim_end()))
        })
    }

    /// Keeps it under this name and says where.
    pub(crate) fn save(&self, name: &str) -> Result<PathBuf, Failure> {
        let file = file(name)?;
        let wrong =
            |why: String| Failure::new(Exit::Other, format!("--save {name}: {}: {why}", file.display()));
        let text = toml::to_string_pretty(self).map_err(|error| wrong(error.to_string()))?;
        if let Some(folder) = file.parent() {
            fs::create_dir_all(folder).map_err(|error| wrong(error.to_string()))?;
        }
        fs::write(&file, text).map_err(|error| wrong(error.to_string()))?;
        Ok(file)
    }

    /// Whether the words given beside it have a place in it.
    pub(crate) fn takes_input(&self) -> bool {
        let mut used = Vec::new();
        let values = BTreeMap::from([(INPUT.to_owned(), String::new())]);
        for text in [&self.prompt, &self.system].into_iter().flatten() {
            filled(text, &values, &mut used, &mut Vec::new());
        }
        !used.is_empty()
    }

    /// Fills the holes of prompt and system prompt; `input` are the words given beside it.
    pub(crate) fn fill(&mut self, input: &str, parameters: &[Parameter]) -> Result<(), Failure> {
        let mut values = self.defaults.clone();
        let mut unused: Vec<&str> = Vec::new();
        for parameter in parameters {
            values.insert(parameter.name.clone(), parameter.value.clone());
            unused.push(&parameter.name);
        }
        values.insert(INPUT.to_owned(), input.to_owned());
        let mut used = Vec::new();
        let mut lacking = Vec::new();
        for text in [&mut self.prompt, &mut self.system].into_iter().flatten() {
            *text = filled(text, &values, &mut used, &mut lacking);
        }
        if !lacking.is_empty() {
            let names: Vec<String> = lacking.iter().map(|name| format!("-p {name}=...")).collect();
            let message = format!("the template has holes that nobody fills: give {}", names.join(" "));
            return Err(Failure::new(Exit::Usage, message));
        }
        unused.retain(|name| !used.iter().any(|used| used == name));
        if let Some(name) = unused.first() {
            used.retain(|name| name != INPUT);
            let known = if used.is_empty() {
                "it has none".to_owned()
            } else {
                format!("it has {}", used.join(", "))
            };
            let message = format!("-p {name}: the template has no such parameter; {known}");
            return Err(Failure::new(Exit::Usage, message));
        }
        // Words that the prompt has no place for come after it.
        if !input.trim().is_empty() && !used.iter().any(|name| name == INPUT) {
            self.prompt = Some(match self.prompt.take() {
                Some(prompt) if !prompt.trim().is_empty() => format!("{}\n\n{input}", prompt.trim_end()),
                _ => input.to_owned(),
            });
        }
        Ok(())
    }
}

/// The text with its holes filled; notes which were, and which nobody fills.
fn filled(
    text: &str,
    values: &BTreeMap<String, String>,
    used: &mut Vec<String>,
    lacking: &mut Vec<String>,
) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        let after = &rest[at + 1..];
        if let Some(after) = after.strip_prefix('$') {
            out.push('$');
            rest = after;
            continue;
        }
        let (name, behind) = match after.strip_prefix('{').and_then(|braced| braced.split_once('}')) {
            Some(split) => split,
            None => after.split_at(after.find(|c| !in_name(c)).unwrap_or(after.len())),
        };
        // `$5` is money and `$ ` a dollar sign.
        if name.is_empty() || !name.chars().all(in_name) || name.starts_with(|c: char| c.is_ascii_digit()) {
            out.push('$');
            rest = after;
            continue;
        }
        let note = |names: &mut Vec<String>| {
            if !names.iter().any(|known| known == name) {
                names.push(name.to_owned());
            }
        };
        match values.get(name) {
            Some(value) => {
                out.push_str(value);
                note(used);
            }
            None => note(lacking),
        }
        rest = behind;
    }
    out.push_str(rest);
    out
}

fn in_name(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_'
}

/// Where templates are: in the user's folder for settings.
fn folder() -> Result<PathBuf, Failure> {
    let folder = dirs::config_dir().ok_or_else(|| {
        let message = "this system names no folder for settings: name the template's file, as -t ./NAME.toml";
        Failure::new(Exit::Configuration, message)
    })?;
    Ok(folder.join("perennial").join("templates"))
}

fn file(name: &str) -> Result<PathBuf, Failure> {
    if name.contains(std::path::is_separator) || Path::new(name).extension().is_some_and(|end| end == "toml")
    {
        return Ok(PathBuf::from(name));
    }
    let plain = |c: char| c.is_alphanumeric() || matches!(c, '_' | '-' | '.');
    if name.is_empty() || name.starts_with('.') || !name.chars().all(plain) {
        let message = format!("`{name}` is no name of a template: letters, digits, `-` and `_`");
        return Err(Failure::new(Exit::Usage, message));
    }
    Ok(folder()?.join(format!("{name}.toml")))
}

/// That there is no such template, and which there are.
fn missing(name: &str, file: &Path) -> String {
    let mut names: Vec<String> = file
        .parent()
        .and_then(|folder| fs::read_dir(folder).ok())
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.strip_suffix(".toml").map(str::to_owned))
        .collect();
    names.sort();
    let there =
        if names.is_empty() { "none yet; --save NAME makes one".to_owned() } else { names.join(", ") };
    format!("-t {name}: there is no {}; templates: {there}", file.display())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fill(prompt: &str, input: &str, parameters: &[&str]) -> Result<String, String> {
        let parameters: Vec<Parameter> =
            parameters.iter().map(|parameter| Parameter::read(parameter).unwrap()).collect();
        let mut template = Template {
            prompt: Some(prompt.to_owned()),
            defaults: BTreeMap::from([("tone".to_owned(), "kind".to_owned())]),
            ..Template::default()
        };
        template.fill(input, &parameters).map_err(|failure| format!("{failure:?}"))?;
        Ok(template.prompt.unwrap())
    }

    #[test]
    fn holes_are_filled() {
        for (prompt, input, parameters, filled) in [
            ("Say $input in $lang.", "hi", &["lang=French"][..], "Say hi in French."),
            ("Say ${input}s", "hi", &[], "Say his"),
            ("A $tone word", "", &[], "A kind word"),
            ("A $tone word", "", &["tone=harsh"], "A harsh word"),
            ("Sum up:", "this", &[], "Sum up:\n\nthis"),
            ("It costs $5, $$tone, $", "", &[], "It costs $5, $tone, $"),
            ("$input", "what costs $x", &[], "what costs $x"),
        ] {
            assert_eq!(fill(prompt, input, parameters).unwrap(), filled, "{prompt}");
        }
    }

    #[test]
    fn what_does_not_fit_is_told() {
        assert!(fill("In $lang", "", &[]).unwrap_err().contains("give -p lang=..."));
        assert!(
            fill("In $lang", "", &["lang=a", "x=1"])
                .unwrap_err()
                .contains("-p x: the template has no such parameter; it has lang")
        );
        for text in ["x", "=1", "a b=1", "input=x"] {
            assert!(Parameter::read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn a_file_is_read_as_it_was_written() {
        let template = Template {
            model: Some("claude-haiku-4-5".to_owned()),
            prompt: Some("two\nlines $x".to_owned()),
            options: vec!["temperature=0".to_owned()],
            defaults: BTreeMap::from([("x".to_owned(), "1".to_owned())]),
            ..Template::default()
        };
        let folder = tempfile::tempdir().unwrap();
        let name = folder.path().join("a.toml").display().to_string();
        template.save(&name).unwrap();
        assert_eq!(Template::load(&name).unwrap(), template);
        let none = folder.path().join("b.toml").display().to_string();
        assert!(format!("{:?}", Template::load(&none).unwrap_err()).contains("templates: a"));
        fs::write(&name, "prmopt = 1").unwrap();
        assert!(format!("{:?}", Template::load(&name).unwrap_err()).contains("unknown field `prmopt`"));
        assert!(Template::load("../x y").is_err());
    }
}
