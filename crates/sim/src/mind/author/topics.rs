//! What the author knows: topics in `topics.md` (computing) and `world.md`, code in `samples.md` and `exercises.md`,
//! comparisons in `comparisons.md`.

const TOPICS: [&str; 2] = [include_str!("topics.md"), include_str!("world.md")];
const SAMPLES: [&str; 2] = [include_str!("samples.md"), include_str!("exercises.md")];
const COMPARISONS: &str = include_str!("comparisons.md");

/// One topic; every part is markdown that stands alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Topic {
    pub(super) title: &'static str,
    keys: &'static str,
    /// One sentence.
    pub(super) summary: &'static str,
    /// The same for a child, where there is such a text.
    pub(super) child: Option<&'static str>,
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
        let entry = SAMPLES.iter().find_map(|samples| entry(samples, &wanted))?;
        let start = entry.find("```")?;
        let end = entry.rfind("\n```")? + "\n```".len();
        Some(Self { code: &entry[start..end], remark: entry[end..].trim() })
    }
}

/// What stands below a heading. Within a fence the same sign begins a comment.
fn entry<'a>(samples: &'a str, heading: &str) -> Option<&'a str> {
    let (mut fenced, mut begun, mut at) = (false, None, 0);
    for line in samples.split_inclusive('\n') {
        fenced ^= line.starts_with("```");
        if let Some(found) = line.strip_prefix("# ").filter(|_| !fenced) {
            if let Some(begun) = begun {
                return Some(&samples[begun..at]);
            }
            begun = (found.trim_end() == heading).then_some(at + line.len());
        }
        at += line.len();
    }
    begun.map(|begun| &samples[begun..])
}

/// What is to be said about two things together: a table and a conclusion.
pub(super) fn comparison(one: &str, other: &str) -> Option<&'static str> {
    let (one, other) = (one.to_lowercase(), other.to_lowercase());
    COMPARISONS.split("\n\n# ").find_map(|entry| {
        let (keys, body) = entry.trim_start_matches("# ").split_once('\n')?;
        let (left, right) = keys.split_once(" and ")?;
        let named = |side: &str, names: &str| names.split(", ").any(|name| has_word(side, name));
        let fits = named(&one, left) && named(&other, right) || named(&other, left) && named(&one, right);
        fits.then_some(body.trim())
    })
}

fn topics() -> impl Iterator<Item = Topic> {
    // A heading inside a fence would be a comment of the shell; titles follow a blank line and begin with a capital.
    TOPICS.iter().flat_map(|topics| topics.split("\n\n# ")).filter_map(|entry| {
        let entry = entry.trim_start_matches("# ");
        let (title, rest) = entry.split_once('\n')?;
        let (keys, rest) = rest.strip_prefix("keys: ")?.split_once('\n')?;
        let (summary, body) = rest.strip_prefix("> ")?.split_once('\n')?;
        let (child, body) = match body.strip_prefix("child: ").and_then(|rest| rest.split_once('\n')) {
            Some((child, body)) => (Some(child), body),
            None => (None, body),
        };
        Some(Topic { title, keys, summary, child, body })
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
        let all = TOPICS.concat();
        assert_eq!(topics().count(), all.lines().filter(|line| line.starts_with("keys: ")).count());
        assert_eq!(
            topics().filter(|topic| topic.child.is_some()).count(),
            all.lines().filter(|line| line.starts_with("child: ")).count()
        );
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
            for task in
                ["fibonacci", "prime", "sort", "retry", "sse", "function", "reverse", "fizzbuzz", "hello"]
            {
                let sample = Sample::find(language, task).unwrap();
                assert!(sample.code.starts_with("```") && sample.code.ends_with("```"), "{language} {task}");
                assert!(sample.remark.ends_with('.'), "{language} {task}");
            }
        }
        for language in ["typescript", "go", "java", "sql", "bash", "html", "curl"] {
            let sample = Sample::find(language, "function").unwrap();
            assert!(sample.code.lines().count() > 2 && sample.code.ends_with("\n```"), "{language}");
            assert!(sample.remark.ends_with('.'), "{language}");
        }
        assert_eq!(Sample::find("cobol", "sort"), None);
    }

    #[test]
    fn comparisons_are_found_either_way_round() {
        assert_eq!(comparison("Go", "Rust"), comparison("rust", "golang"));
        assert!(comparison("tea", "coffee").unwrap().contains("| --- | --- | --- |"));
        assert_eq!(comparison("rust", "tea"), None);
        assert_eq!(COMPARISONS.matches("| --- | --- | --- |").count(), COMPARISONS.split("\n\n# ").count());
    }
}
