//! The grammar below all words: `name=value@place`, commas, semicolons, quotes.

/// One word as written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Word {
    pub(crate) name: String,
    pub(crate) value: Option<String>,
    pub(crate) place: Option<String>,
}

/// Cuts a text into clauses of words. Empty clauses and words are passed over.
pub(crate) fn clauses(text: &str) -> Result<Vec<Vec<Word>>, String> {
    let mut clauses = vec![Vec::new()];
    let mut chars = text.chars().peekable();
    let mut word = Draft::default();
    while let Some(c) = chars.next() {
        match c {
            ',' | ';' => {
                let done = std::mem::take(&mut word).finish()?;
                if let Some(clause) = clauses.last_mut() {
                    clause.extend(done);
                }
                if c == ';' {
                    clauses.push(Vec::new());
                }
            }
            '=' if word.part == Part::Name => word.part = Part::Value,
            '@' if word.part != Part::Place => word.part = Part::Place,
            '"' if word.part == Part::Value && word.value.trim().is_empty() => {
                word.value.clear();
                word.quoted = true;
                loop {
                    match chars.next() {
                        None => return Err("a quote is not closed".to_owned()),
                        Some('"') => break,
                        Some('\\') => word.value.extend(chars.next()),
                        Some(c) => word.value.push(c),
                    }
                }
            }
            c if word.part == Part::Value && word.quoted => {
                if !c.is_whitespace() {
                    return Err(format!("`{c}` stands after a closed quote"));
                }
            }
            c => match word.part {
                Part::Name => word.name.push(c),
                Part::Value => word.value.push(c),
                Part::Place => word.place.push(c),
            },
        }
    }
    if let (Some(clause), done) = (clauses.last_mut(), word.finish()?) {
        clause.extend(done);
    }
    clauses.retain(|clause| !clause.is_empty());
    Ok(clauses)
}

/// A value as it has to be written so that it is read back.
pub(crate) fn quoted(value: &str) -> String {
    let plain = !value.is_empty() && value.chars().all(|c| c.is_ascii_graphic() && !",;@\"\\".contains(c));
    if plain { value.to_owned() } else { format!("\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"")) }
}

#[derive(Default)]
struct Draft {
    name: String,
    value: String,
    place: String,
    part: Part,
    quoted: bool,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Part {
    #[default]
    Name,
    Value,
    Place,
}

impl Draft {
    fn finish(self) -> Result<Option<Word>, String> {
        let name = self.name.trim().to_owned();
        let valued = self.quoted || !self.value.is_empty() || self.part == Part::Value;
        let placed = self.part == Part::Place;
        if name.is_empty() {
            let rest = valued || placed;
            return if rest {
                Err("a word has a value or a place, but no name".to_owned())
            } else {
                Ok(None)
            };
        }
        let value = valued.then(|| if self.quoted { self.value } else { self.value.trim().to_owned() });
        let place = placed.then(|| self.place.trim().to_owned());
        Ok(Some(Word { name, value, place }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    type Expected<'a> = (&'a str, Option<&'a str>, Option<&'a str>);

    fn check(text: &str, expected: &[&[Expected<'_>]]) {
        let found = clauses(text).unwrap();
        let found: Vec<Vec<_>> = found
            .iter()
            .map(|clause| {
                clause.iter().map(|w| (w.name.as_str(), w.value.as_deref(), w.place.as_deref())).collect()
            })
            .collect();
        assert_eq!(found, expected, "{text}");
    }

    #[test]
    fn words_have_values_and_places() {
        check("", &[]);
        check(" ; , ;", &[]);
        check("fin@event=5", &[&[("fin", None, Some("event=5"))]]);
        check(
            "status=529, retry-after=1,times=2; drip=1",
            &[
                &[
                    ("status", Some("529"), None),
                    ("retry-after", Some("1"), None),
                    ("times", Some("2"), None),
                ],
                &[("drip", Some("1"), None)],
            ],
        );
        check("error=api_error@after=x", &[&[("error", Some("api_error"), Some("after=x"))]]);
        check(r#"a="x, y; \"z\"@\\" , b"#, &[&[("a", Some(r#"x, y; "z"@\"#), None), ("b", None, None)]]);
        check("a=b=c", &[&[("a", Some("b=c"), None)]]);
        check(r#"a="""#, &[&[("a", Some(""), None)]]);
    }

    #[test]
    fn broken_texts_are_named() {
        for text in [r#"a="x"#, r#"a="x"y"#, "=5", "@event=1"] {
            assert!(clauses(text).is_err(), "{text}");
        }
    }

    #[test]
    fn quoted_values_are_read_back() {
        for value in ["1", "", "a b", "x,y", "q\"q", "back\\slash", "é", " lead"] {
            let text = format!("a={}", quoted(value));
            assert_eq!(clauses(&text).unwrap()[0][0].value.as_deref(), Some(value), "{text}");
        }
    }
}
