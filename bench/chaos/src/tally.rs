//! What became of all of them, counted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::fault::Promise;
use crate::judge::{Judgement, Law, Verdict};
use crate::plan::{MANNERS, Plan};
use crate::subject::Subject;

/// Breaches are all counted; so many of each law, fault and face are kept in words.
const KEPT: usize = 2;
/// The same for each promise.
const SHOWN: u64 = 25;

/// One kind of breach.
#[derive(Debug, Default)]
struct Breach {
    count: u64,
    examples: Vec<String>,
}

/// Counts of streams.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    pub(crate) streams: u64,
    pub(crate) returns: u64,
    by_fault: BTreeMap<String, BTreeMap<Verdict, u64>>,
    by_face: BTreeMap<&'static str, BTreeMap<Verdict, u64>>,
    by_subject: BTreeMap<String, BTreeMap<Verdict, u64>>,
    /// Kept, and of how many.
    promises: BTreeMap<Promise, (u64, u64)>,
    /// Text that was cut, by how the request to go on is met.
    seams: BTreeMap<&'static str, BTreeMap<Verdict, u64>>,
    breaches: BTreeMap<Law, u64>,
    kept: BTreeMap<(Law, String, &'static str), Breach>,
    /// Promises that are rates, where they were not kept.
    unmet: Vec<String>,
    /// Distinct places at which streams were broken.
    places: BTreeSet<(usize, String)>,
}

impl Tally {
    pub(crate) fn add(&mut self, plan: &Plan, subject: &Subject, returns: u32, judged: &Judgement) {
        self.streams += 1;
        self.returns += u64::from(returns);
        let verdict = judged.verdict;
        *self.by_fault.entry(plan.fault.name.clone()).or_default().entry(verdict).or_default() += 1;
        *self.by_face.entry(plan.face.name()).or_default().entry(verdict).or_default() += 1;
        *self.by_subject.entry(subject.name.clone()).or_default().entry(verdict).or_default() += 1;
        let promise = plan.fault.promise;
        if promise == Promise::Recovered {
            *self.seams.entry(plan.manner).or_default().entry(verdict).or_default() += 1;
        }
        // Only an honest answer can be gone on with for sure.
        if promise != Promise::Recovered || plan.manner == MANNERS[0] {
            let (kept, of) = self.promises.entry(promise).or_default();
            *of += 1;
            if is_kept(promise, verdict) {
                *kept += 1;
            } else if *of - *kept <= SHOWN && judged.breaches.is_empty() {
                let line = line(
                    plan,
                    subject,
                    &format!(
                        "{promise:?} was promised, and it is {verdict:?} {}",
                        judged.error.as_deref().unwrap_or_default()
                    ),
                );
                println!("UNMET {line}");
                self.unmet.push(line);
            }
        }
        if plan.fault.name.contains('@') {
            self.places.insert((plan.subject, plan.fault.words.clone()));
        }
        for (law, what) in &judged.breaches {
            *self.breaches.entry(*law).or_default() += 1;
            let breach = self.kept.entry((*law, plan.fault.name.clone(), plan.face.name())).or_default();
            breach.count += 1;
            if breach.examples.len() < KEPT {
                let line = line(plan, subject, what);
                println!("BREACH {}: {line}", law.words());
                breach.examples.push(line);
            }
        }
    }

    pub(crate) fn breaches(&self) -> u64 {
        self.breaches.values().sum()
    }

    /// How many of the promises of one kind were kept, and of how many.
    pub(crate) fn kept(&self, promise: Promise) -> (u64, u64) {
        self.promises.get(&promise).copied().unwrap_or_default()
    }

    pub(crate) fn to_json(&self) -> Value {
        let laws: Vec<Value> = Law::ALL
            .iter()
            .map(|law| json!({"law": law.words(), "breaches": self.breaches.get(law).copied().unwrap_or(0)}))
            .collect();
        let examples: Vec<Value> = self
            .kept
            .iter()
            .map(|((law, fault, face), breach)| {
                json!({
                    "law": law.words(), "fault": fault, "face": face, "count": breach.count, "examples": breach.examples,
                })
            })
            .collect();
        let promises: BTreeMap<String, Value> = self
            .promises
            .iter()
            .map(|(promise, (kept, of))| (format!("{promise:?}"), json!({"kept": kept, "of": of})))
            .collect();
        json!({
            "streams": self.streams,
            "returns": self.returns,
            "places": self.places.len(),
            "faults": verdicts(&self.by_fault),
            "faces": verdicts(&self.by_face),
            "subjects": verdicts(&self.by_subject),
            "seams": verdicts(&self.seams),
            "promises": promises,
            "laws": laws,
            "breaches": examples,
            "unmet": self.unmet,
        })
    }
}

fn line(plan: &Plan, subject: &Subject, what: &str) -> String {
    format!("{what} [{}; {}; {}] {}", plan.face.name(), subject.name, plan.orders(subject), plan.repeat())
}

fn is_kept(promise: Promise, verdict: Verdict) -> bool {
    match promise {
        Promise::Whole | Promise::Retried | Promise::Recovered => verdict == Verdict::Whole,
        Promise::Refused => matches!(verdict, Verdict::Error | Verdict::Broken),
        Promise::Truth => verdict != Verdict::Wrong,
    }
}

fn verdicts<K: ToString>(counts: &BTreeMap<K, BTreeMap<Verdict, u64>>) -> Value {
    let rows = counts.iter().map(|(name, verdicts)| {
        let row: BTreeMap<String, u64> =
            verdicts.iter().map(|(verdict, count)| (format!("{verdict:?}").to_lowercase(), *count)).collect();
        json!({"name": name.to_string(), "counts": row})
    });
    Value::Array(rows.collect())
}
