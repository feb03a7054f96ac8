//! What the author knows: topics in `topics.md`, code in `samples.md`.

const TOPICS: &str = include_str!("topics.md");
const SAMPLES: &str = include_str!("samples.md");

/// One topic; every part is markdown that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) title: &'static str,
    keys: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// Paragraphs, lists, tables and code, each without blank lines around it.
    body: &'static str,
}

/// A piece of code and what is to be said about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Sample {
    pub(super) code: &'static str,
    pub(super) remark: &'static str,
}

impl Topic {
    /// The topic that a text names with the longest of its keys.
    pub(super) fn named_in(text: &str) -> Option<Self> {
        let text = text.to_lowercase();
        topics()
            .filter_map(|topic| {
                let longest =
                    topic.keys.split(", ").filter(|key| has_word(&text, key)).map(str::len).max()?;
                Some((longest, topic))
            })
            .max_by_key(|(longest, _)| *longest)
            .map(|(_, topic)| topic)
    }

    /// The parts in their order; a fenced block is one part even with blank lines in it.
    pub(super) fn parts(self) -> impl Iterator<Item = &'static str> {
        let mut rest = self.body;
        std::iter::from_fn(move || {
            rest = rest.trim_start_matches('\n');
            if rest.is_empty() {
                return None;
            }
            let end = match rest.strip_prefix("```") {
                Some(code) => code.find("\n```").map_or(rest.len(), |at| at + "```\n```".len()),
                None => rest.find("\n\n").unwrap_or(rest.len()),
            };
            let (part, after) = rest.split_at(end);
            rest = after;
            Some(part.trim_end())
        })
    }

    /// The points of its list, as term and text.
    pub(super) fn points(self) -> Vec<&'static str> {
        self.parts().filter(|part| part.starts_with("- **")).flat_map(|part| part.lines()).collect()
    }
}

impl Sample {
    pub(super) fn find(language: &str, task: &str) -> Option<Self> {
        let wanted = format!("{language} {task}");
        let entry = SAMPLES
            .split("\n# ")
            .find(|entry| entry.trim_start_matches("# ").lines().next() == Some(&wanted))?;
        let start = entry.find("```")?;
        let end = entry.rfind("\n```")? + "\n```".len();
        Some(Self { code: &entry[start..end], remark: entry[end..].trim() })
    }
}

fn topics() -> impl Iterator<Item = Topic> {
    // A heading inside a fence would be a comment of the shell; titles follow a blank line and begin with a capital.
    TOPICS.split("\n\n# ").filter_map(|entry| {
        let entry = entry.trim_start_matches("# ");
        let (title, rest) = entry.split_once('\n')?;
        let (keys, rest) = rest.strip_prefix("keys: ")?.split_once('\n')?;
        let (summary, body) = rest.strip_prefix("> ")?.split_once('\n')?;
        Some(Topic { title, keys, summary, body })
    })
}

fn has_word(text: &str, key: &str) -> bool {
    text.match_indices(key).any(|(at, _)| {
        let edge = |c: Option<char>| c.is_none_or(|c| !c.is_alphanumeric());
        edge(text[..at].chars().next_back()) && edge(text[at + key.len()..].chars().next())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_topic_is_complete() {
        assert_eq!(topics().count(), TOPICS.lines().filter(|line| line.starts_with("keys: ")).count());
        for topic in topics() {
            assert!(topic.summary.ends_with('.'), "{}", topic.title);
            assert!(topic.parts().count() >= 2, "{}", topic.title);
            assert!(topic.parts().all(|part| part.matches("```").count() % 2 == 0), "{}", topic.title);
            for key in topic.keys.split(", ") {
                assert!(Topic::named_in(key).is_some(), "{key}");
            }
        }
    }

    #[test]
    fn the_longest_key_wins() {
        assert_eq!(
            Topic::named_in("How does Rust's borrow checker work?").unwrap().title,
            "Ownership in Rust"
        );
        assert_eq!(Topic::named_in("prompt caching with streaming").unwrap().title, "Prompt caching");
        assert_eq!(Topic::named_in("my trusty mainstream car"), None);
    }

    #[test]
    fn samples_are_found_by_language_and_task() {
        for language in ["python", "rust", "javascript"] {
            for task in ["fibonacci", "prime", "sort", "retry", "sse", "function"] {
                let sample = Sample::find(language, task).unwrap();
                assert!(sample.code.starts_with("```") && sample.code.ends_with("```"), "{language} {task}");
                assert!(sample.remark.ends_with('.'), "{language} {task}");
            }
        }
        for language in ["typescript", "go", "java", "sql", "bash", "html", "curl"] {
            assert!(Sample::find(language, "function").is_some(), "{language}");
        }
        assert_eq!(Sample::find("cobol", "sort"), None);
    }
}
