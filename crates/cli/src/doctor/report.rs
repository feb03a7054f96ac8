//! The report of an inquiry: for people as markdown, for the project as JSON. It holds shapes and times, no key and no answer.

use jiff::Timestamp;
use serde::Serialize;

use super::seen::Seen;

#[derive(Debug, Serialize)]
pub(super) struct Report {
    perennial: &'static str,
    anthropic_version: &'static str,
    at: Timestamp,
    /// `the Claude API`, or that it was something else; not the address, which may be private.
    service: &'static str,
    checks: Vec<Check>,
}

/// One request, what is assumed of it and what was seen.
#[derive(Debug, Serialize)]
pub(super) struct Check {
    pub(super) name: &'static str,
    pub(super) model: Option<String>,
    pub(super) verdict: Verdict,
    pub(super) noted: String,
    pub(super) seen: Option<Seen>,
}

#[derive(Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Verdict {
    AsAssumed,
    Different(Vec<String>),
    /// The service did not get to show it: busy, or out of reach.
    NotShown(String),
}

impl Report {
    pub(super) fn new(base: &str, checks: Vec<Check>) -> Self {
        let service = if base == perennial::DEFAULT_BASE_URL { "the Claude API" } else { "another address" };
        Self {
            perennial: env!("CARGO_PKG_VERSION"),
            anthropic_version: perennial::DEFAULT_VERSION,
            at: Timestamp::now(),
            service,
            checks,
        }
    }

    pub(super) fn all_as_assumed(&self) -> bool {
        self.checks.iter().all(|check| check.verdict == Verdict::AsAssumed)
    }

    pub(super) fn json(&self) -> Vec<u8> {
        let mut json = serde_json::to_vec_pretty(self).expect("a report has string keys only");
        json.push(b'\n');
        json
    }

    pub(super) fn markdown(&self) -> String {
        let count =
            |wanted: fn(&Verdict) -> bool| self.checks.iter().filter(|check| wanted(&check.verdict)).count();
        let mut text = format!(
            "\n# Live report\n\nperennial {}, anthropic-version {}, {}, {}\n\n{} as assumed, {} different, {} not shown\n",
            self.perennial,
            self.anthropic_version,
            self.at,
            self.service,
            count(|verdict| *verdict == Verdict::AsAssumed),
            count(|verdict| matches!(verdict, Verdict::Different(_))),
            count(|verdict| matches!(verdict, Verdict::NotShown(_))),
        );
        for check in &self.checks {
            let model = check.model.as_ref().map(|model| format!("{model}: ")).unwrap_or_default();
            let (mark, lines) = match &check.verdict {
                Verdict::AsAssumed => ("ok", Vec::new()),
                Verdict::Different(lines) => ("DIFFERENT", lines.clone()),
                Verdict::NotShown(why) => ("not shown", vec![why.clone()]),
            };
            text.push_str(&format!("\n- **{mark}** {model}{}\n", check.name));
            for line in lines {
                text.push_str(&format!("  - {line}\n"));
            }
            if !check.noted.is_empty() {
                text.push_str(&format!("  - seen: {}\n", check.noted));
            }
        }
        text
    }
}
