//! What can be picked out of a question to fill arguments with: names, numbers, addresses.

/// Things found in a text, in their order.
#[derive(Debug, Clone, Default)]
pub(super) struct Facts {
    pub(super) text: String,
    pub(super) lower: String,
    /// Numbers as they are written.
    pub(super) numbers: Vec<String>,
    /// Runs of capitalised words that do not begin a sentence.
    pub(super) names: Vec<String>,
    pub(super) quoted: Vec<String>,
    pub(super) urls: Vec<String>,
    pub(super) emails: Vec<String>,
    pub(super) dates: Vec<String>,
    pub(super) paths: Vec<String>,
}

impl Facts {
    pub(super) fn of(text: &str) -> Self {
        let mut facts = Self { text: text.trim().to_owned(), lower: text.to_lowercase(), ..Self::default() };
        facts.quoted = quoted(text);
        let mut name: Vec<&str> = Vec::new();
        let mut begins_sentence = true;
        for raw in text.split_whitespace() {
            let word = raw.trim_matches(|c: char| !c.is_alphanumeric() && !"/~.@-_".contains(c));
            let word = word.trim_end_matches(['.', '-']).trim_start_matches('-');
            let plain = word.trim_end_matches("'s").trim_end_matches("’s");
            let capital = plain.chars().next().is_some_and(char::is_uppercase) && plain.len() > 1;
            let is_name = capital && (!begins_sentence || !name.is_empty()) && !is_common(plain);
            if is_name && facts.address(word).is_none() {
                name.push(plain);
            } else {
                facts.end_name(&mut name);
                facts.sort_in(raw, word);
            }
            if raw.ends_with([',', ';', ':', '.', '?', '!', ')']) {
                facts.end_name(&mut name);
            }
            begins_sentence = raw.ends_with(['.', '?', '!', ':']);
        }
        facts.end_name(&mut name);
        facts
    }

    /// Whether a text that is made of these words occurs.
    pub(super) fn mentions(&self, phrase: &str) -> bool {
        let phrase = phrase.to_lowercase().replace(['_', '-'], " ");
        !phrase.is_empty()
            && self.lower.match_indices(&phrase).any(|(at, _)| {
                let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
                edge(self.lower[..at].chars().next_back())
                    && edge(self.lower[at + phrase.len()..].chars().next())
            })
    }

    fn end_name(&mut self, name: &mut Vec<&str>) {
        if !name.is_empty() {
            self.names.push(name.join(" "));
            name.clear();
        }
    }

    fn address(&self, word: &str) -> Option<()> {
        (word.contains('@') || word.contains("://")).then_some(())
    }

    fn sort_in(&mut self, raw: &str, word: &str) {
        let number = raw.trim_matches(|c: char| !c.is_ascii_digit() && c != '-').trim_end_matches('-');
        if let Some(at) = raw.find("http://").or_else(|| raw.find("https://")) {
            let url = raw[at..].trim_end_matches(['.', ',', ')', '>', '"', '\'', '?', '!']);
            self.urls.push(url.to_owned());
        } else if word.contains('@') && word.contains('.') {
            self.emails.push(word.to_owned());
        } else if is_date(word) {
            self.dates.push(word.to_owned());
        } else if let Ok(value) = number.replace(',', "").parse::<f64>() {
            if value.is_finite() {
                self.numbers.push(number.replace(',', ""));
            }
        } else if word.contains('/') && word.len() > 2 || has_extension(word) {
            self.paths.push(word.to_owned());
        }
    }
}

fn is_common(word: &str) -> bool {
    ["I", "I'm", "I'd", "I'll", "The", "A", "What", "How", "Use", "And", "Please", "Then", "JSON", "OK"]
        .contains(&word)
}

fn is_date(word: &str) -> bool {
    let parts: Vec<_> = word.split('-').collect();
    matches!(parts[..], [y, m, d] if y.len() == 4 && m.len() == 2 && d.len() == 2)
        && word.bytes().all(|c| c.is_ascii_digit() || c == b'-')
}

fn has_extension(word: &str) -> bool {
    word.rsplit_once('.').is_some_and(|(stem, ext)| {
        !stem.is_empty() && (1..=4).contains(&ext.len()) && ext.chars().all(|c| c.is_ascii_lowercase())
    })
}

fn quoted(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (open, close) in [('"', '"'), ('“', '”'), ('`', '`'), ('«', '»')] {
        let mut rest = text;
        while let Some(at) = rest.find(open) {
            let inner = &rest[at + open.len_utf8()..];
            let Some(end) = inner.find(close) else { break };
            if end > 0 {
                found.push(inner[..end].to_owned());
            }
            rest = &inner[end + close.len_utf8()..];
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn facts_are_found() {
        let facts = Facts::of(
            "What's the weather in San Francisco, Paris and Tokyo on 2026-11-20? Send 3.5 to ada@example.org.",
        );
        assert_eq!(facts.names, ["San Francisco", "Paris", "Tokyo"]);
        assert_eq!(facts.dates, ["2026-11-20"]);
        assert_eq!(facts.numbers, ["3.5"]);
        assert_eq!(facts.emails, ["ada@example.org"]);
        let facts = Facts::of("Fetch https://example.org/a?b=1, then read src/main.rs and say \"done\"");
        assert_eq!(facts.urls, ["https://example.org/a?b=1"]);
        assert_eq!(facts.paths, ["src/main.rs"]);
        assert_eq!(facts.quoted, ["done"]);
        assert!(facts.mentions("main") && !facts.mentions("mai"));
    }
}
