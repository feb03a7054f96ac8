//! The events of the log: what readers are told beside the upstream's own events.

use perennial_log::{Kind, Outcome, Record};
use serde_json::{Value, json};

use crate::record::Ending;

/// The member of a terminal record that the tape puts there; nothing in the log has it.
pub(super) const TAPES: &str = "tapes";

/// An event of the log, as every face that has events shows it.
#[derive(Debug)]
pub(crate) struct LogEvent {
    pub(crate) name: &'static str,
    pub(crate) data: Value,
}

impl LogEvent {
    /// What a record says to readers; `None` for what is none of their business, and for events of the upstream.
    pub(crate) fn of(record: &Record) -> Option<Self> {
        let (name, data) = match record.kind {
            Kind::Terminal(outcome) => {
                let mut data = terminal(outcome, &Ending::decode(&record.payload));
                if let (Some(data), Value::Object(tapes)) = (data.as_object_mut(), members(record, &[TAPES]))
                {
                    data.extend(tapes);
                }
                ("perennial.terminal", data)
            }
            Kind::Cancel => ("perennial.cancel", members(record, &["reason"])),
            Kind::Seam => {
                ("perennial.seam", members(record, &["reason", "mode", "attempt", "cut", "overlap"]))
            }
            Kind::Notice => ("perennial.notice", members(record, &["reason", "kind", "unit", "times"])),
            Kind::Takeover => {
                let mut data = members(record, &["reason"]);
                data["epoch"] = record.epoch.get().into();
                ("perennial.takeover", data)
            }
            _ => return None,
        };
        Some(Self::new(name, data))
    }

    pub(crate) fn new(name: &'static str, data: Value) -> Self {
        let mut named = json!({"type": name});
        if let (Some(named), Value::Object(data)) = (named.as_object_mut(), data) {
            named.extend(data);
        }
        Self { name, data: named }
    }
}

/// How a stream ended, for readers.
pub(crate) fn terminal(outcome: Outcome, ending: &Ending) -> Value {
    let error = ending.error.as_ref().map(|error| json!({"type": error.kind, "message": error.message}));
    json!({
        "outcome": outcome.to_string(),
        "stop_reason": ending.stop_reason,
        "usage": ending.usage,
        "error": error,
    })
}

/// These members of a record's JSON, and no others: a record may hold more than readers are to see.
fn members(record: &Record, names: &[&str]) -> Value {
    let value: Value = serde_json::from_slice(&record.payload).unwrap_or_default();
    let member = |name: &&str| Some(((*name).to_owned(), value.get(*name)?.clone()));
    Value::Object(names.iter().filter_map(member).collect())
}
