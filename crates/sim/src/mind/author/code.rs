//! What can be seen of code without understanding it: its language, its outline, a few things that catch the eye.

use super::context::plural;
use super::wrapped::Wrapped;

/// The most points of an outline.
const MOST_POINTS: usize = 8;
/// A line that is longer than this, in characters, is hard to read.
const LONG_LINE: usize = 120;
/// Signs of a language that a text without a fence has to show.
const ENOUGH: usize = 2;

/// What the fences call a language, and how it is written.
const NAMES: &[(&str, &str)] = &[
    ("rs", "Rust"),
    ("rust", "Rust"),
    ("py", "Python"),
    ("python", "Python"),
    ("js", "JavaScript"),
    ("javascript", "JavaScript"),
    ("ts", "TypeScript"),
    ("typescript", "TypeScript"),
    ("go", "Go"),
    ("java", "Java"),
    ("c", "C"),
    ("cpp", "C++"),
    ("sql", "SQL"),
    ("sh", "Shell"),
    ("bash", "Shell"),
    ("html", "HTML"),
    ("css", "CSS"),
    ("json", "JSON"),
    ("toml", "TOML"),
    ("yaml", "YAML"),
    ("diff", "a diff"),
    ("rb", "Ruby"),
    ("ruby", "Ruby"),
    ("kotlin", "Kotlin"),
    ("swift", "Swift"),
];

/// By these a language is known; among equals the earlier one.
const SIGNS: &[(&str, &[&str])] = &[
    (
        "Rust",
        &[
            "fn ",
            "let mut ",
            "impl ",
            "pub fn",
            "use std",
            "println!",
            "-> ",
            "&str",
            "&mut ",
            "#[derive",
            ".unwrap()",
        ],
    ),
    (
        "Python",
        &[
            "def ",
            "import ",
            "print(",
            "self.",
            "elif ",
            "lambda ",
            "):\n",
            "): ",
            "    return ",
            " in range(",
        ],
    ),
    ("Go", &["func ", "package ", ":= ", "fmt.", "go func", "chan "]),
    ("TypeScript", &[": string", ": number", "interface ", "export type", "readonly "]),
    (
        "JavaScript",
        &["function ", "const ", "=> ", "console.log", "let ", "var ", "===", "await ", "document."],
    ),
    ("Java", &["public class", "System.out", "private ", "public static", "new ", "@Override"]),
    ("C++", &["#include <iostream>", "std::", "cout <<", "using namespace"]),
    ("C", &["#include", "printf(", "int main", "char *", "malloc("]),
    ("SQL", &["SELECT ", "INSERT ", "CREATE TABLE", "FROM ", "WHERE ", "JOIN "]),
    ("Shell", &["#!/bin/", "echo ", "\nfi", "grep ", "$(", "\ndone", "export "]),
    ("HTML", &["<!doctype", "<html", "<div", "</", "href="]),
    ("TOML", &["[package]", "[dependencies]", "version = \"", "edition = "]),
];

/// What begins the definition of something with a name.
const DEFINITIONS: &[(&str, &str)] = &[
    ("fn ", "function"),
    ("def ", "function"),
    ("function ", "function"),
    ("func ", "function"),
    ("class ", "class"),
    ("struct ", "struct"),
    ("enum ", "enum"),
    ("trait ", "trait"),
    ("interface ", "interface"),
    ("type ", "type"),
    ("CREATE TABLE ", "table"),
];
const MODIFIERS: &[&str] = &[
    "pub ",
    "pub(crate) ",
    "async ",
    "export ",
    "default ",
    "public ",
    "private ",
    "static ",
    "const ",
    "unsafe ",
];

/// What the lines do that begin with these words.
const STEPS: &[(&str, &str)] = &[
    ("for ", "loops"),
    ("while ", "loops"),
    ("loop ", "loops"),
    ("if ", "decides"),
    ("match ", "decides"),
    ("switch ", "decides"),
    ("case ", "decides"),
    ("try", "expects an error"),
    ("return ", "returns"),
    ("raise ", "fails"),
    ("throw ", "fails"),
    ("SELECT ", "selects"),
];

/// The language, as it is written; `None` for what is no code.
pub(super) fn language(wrapped: &Wrapped) -> Option<&'static str> {
    if let Some(fence) = &wrapped.fence {
        let fence = fence.split_whitespace().next().unwrap_or_default().to_lowercase();
        let named = NAMES.iter().find(|(name, _)| *name == fence).map(|(_, language)| *language);
        if named.is_some() || ["text", "txt", "plain", "markdown", "md"].contains(&fence.as_str()) {
            return named;
        }
    }
    let text = wrapped.text.trim();
    if text.starts_with(['{', '[']) && serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok() {
        return Some("JSON");
    }
    if text.starts_with("diff --git ") || text.starts_with("--- ") && text.contains("\n+++ ") {
        return Some("a diff");
    }
    let punctuation = text.chars().filter(|c| "(){};=<>$".contains(*c)).count();
    let enough = if wrapped.fence.is_some() { 1 } else { ENOUGH };
    let mut best = None;
    for (language, signs) in SIGNS {
        let seen = signs.iter().filter(|sign| text.contains(**sign)).count();
        if seen >= enough && best.is_none_or(|(_, most)| seen > most) {
            best = Some((*language, seen));
        }
    }
    best.filter(|_| punctuation >= 3).map(|(language, _)| language)
}

/// What stands where.
pub(super) fn outline(text: &str, language: &str) -> String {
    let lines = text.lines().count();
    let head = format!("This is **{language}**, {}.", plural(lines, "line"));
    let points = match language {
        "JSON" => json(text),
        "a diff" => diff(text),
        _ => (1..).zip(text.lines()).filter_map(|(n, line)| point(n, line)).take(MOST_POINTS).collect(),
    };
    if points.is_empty() {
        return format!("{head} I see no definition, loop or decision in it.");
    }
    let points: Vec<_> = points.iter().map(|point| format!("- {point}")).collect();
    format!(
        "{head}\n\n{}\n\n*An outline by Perennial's simulator, which reads the form of code and not its meaning.*",
        points.join("\n")
    )
}

/// What catches the eye of a reader who does not understand.
pub(super) fn review(text: &str, is_code: bool) -> String {
    let mut found = Vec::new();
    for (n, line) in (1_usize..).zip(text.lines()) {
        let lower = line.to_lowercase();
        let mut note = |what: &str| found.push(format!("Line {n}: {what}"));
        for mark in ["TODO", "FIXME", "XXX"] {
            if line.contains(mark) {
                note(&format!("`{mark}` says that something is unfinished."));
            }
        }
        if is_code && line.chars().count() > LONG_LINE {
            note(&format!("{} characters are hard to read in one line.", line.chars().count()));
        }
        for (sign, what) in [
            (".unwrap()", "`unwrap()` ends the program where an error was not expected."),
            ("except:", "a bare `except:` hides every error, also those that nobody thought of."),
            ("eval(", "`eval` runs whatever it is given."),
            ("== null", "`==` compares loosely; `===` does not."),
            ("password =", "a password in the code is a password for everyone who reads it."),
        ] {
            if is_code && line.contains(sign) {
                note(what);
            }
        }
        let fails = ["error", "fail", "panic", "exception", "fatal"].iter().any(|sign| lower.contains(sign));
        if fails && !is_code {
            let shown: String = line.trim().chars().take(100).collect();
            note(&format!("`{}`", shown.replace('`', "'")));
        }
        if line.trim_end().len() < line.len() {
            note("blanks at the end.");
        }
        let words: Vec<_> = lower.split_whitespace().collect();
        if let Some(pair) = words
            .windows(2)
            .find(|pair| pair[0] == pair[1] && pair[0].chars().all(char::is_alphabetic) && !is_code)
        {
            note(&format!("“{} {}” says the same word twice.", pair[0], pair[1]));
        }
    }
    let size = format!(
        "{} and {}",
        plural(text.lines().count(), "line"),
        plural(text.split_whitespace().count(), "word")
    );
    found.truncate(MOST_POINTS);
    let close = "*Perennial's simulator sees the form of a text; whether it is right, it cannot tell.*";
    if found.is_empty() {
        return format!(
            "I read all {size}, and nothing catches the eye: no unfinished marks, no doubled words, no overlong lines.\n\n{close}"
        );
    }
    let found: Vec<_> = found.iter().map(|point| format!("- {point}")).collect();
    format!("I read all {size}. This is worth a second look:\n\n{}\n\n{close}", found.join("\n"))
}

fn point(n: usize, line: &str) -> Option<String> {
    let code = line.trim();
    let mut bare = code;
    while let Some(rest) = MODIFIERS.iter().find_map(|modifier| bare.strip_prefix(modifier)) {
        bare = rest;
    }
    let definition = DEFINITIONS.iter().find_map(|(start, what)| Some((bare.strip_prefix(start)?, what)));
    if let Some((rest, what)) = definition {
        let name: String = rest.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
        return (!name.is_empty()).then(|| format!("Line {n} defines the {what} `{name}`."));
    }
    let (_, does) = STEPS.iter().find(|(start, _)| code.starts_with(start))?;
    let shown: String = code.trim_end_matches(['{', ':', ';', ' ']).chars().take(60).collect();
    Some(format!("Line {n} {does}: `{}`.", shown.replace('`', "'")))
}

fn json(text: &str) -> Vec<String> {
    match serde_json::from_str::<serde_json::Value>(text) {
        Ok(serde_json::Value::Object(fields)) => {
            let field = |(name, value): (&String, &serde_json::Value)| {
                let what = match value {
                    serde_json::Value::Null => "nothing".to_owned(),
                    serde_json::Value::Array(items) => format!("a list of {}", items.len()),
                    serde_json::Value::Object(fields) => {
                        format!("an object with {}", plural(fields.len(), "field"))
                    }
                    plain => plain.to_string().chars().take(60).collect(),
                };
                format!("`{name}`: {what}")
            };
            fields.iter().take(MOST_POINTS).map(field).collect()
        }
        Ok(serde_json::Value::Array(items)) => vec![format!("A list of {}.", plural(items.len(), "item"))],
        _ => Vec::new(),
    }
}

fn diff(text: &str) -> Vec<String> {
    let files: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("+++ ")).collect();
    let starts = |sign: char, head: &str| {
        text.lines().filter(|line| line.starts_with(sign) && !line.starts_with(head)).count()
    };
    let mut points = vec![format!(
        "{} added, {} removed.",
        plural(starts('+', "+++"), "line"),
        plural(starts('-', "---"), "line")
    )];
    points.extend(files.iter().take(MOST_POINTS).map(|file| format!("`{}`", file.trim_start_matches("b/"))));
    points
}
