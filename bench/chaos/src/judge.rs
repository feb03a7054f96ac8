//! What must hold for every stream, and whether it did.

use crate::face::{Close, Seen};
use crate::fault::Promise;
use crate::plan::{Face, Plan};
use crate::shown::{Block, End, Shown};

/// A law: no number of streams excuses a single breach.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Law {
    /// It ends, in a time in which it can.
    Ends,
    /// Exactly one end is told; where a face has no words for it, a body that is broken off.
    OneEnd,
    /// What ends as if it were whole is whole.
    NeverCutSilently,
    /// What was shown is a beginning of the unbroken answer, to the character.
    ExactPrefix,
    /// No input of a tool and no thinking looks finished that is not; nothing of two attempts is mixed in one.
    NoUnsafeSplice,
    /// One beginning, blocks in order, deltas in open blocks, nothing behind the end.
    Grammar,
    /// Every position once, in order; read again it is the same stream.
    Positions,
    /// No key in anything that came.
    NoSecret,
    /// What is promised for this fault: all of the answer, or an error.
    Promise,
}

impl Law {
    pub(crate) const ALL: [Self; 9] = [
        Self::Ends,
        Self::OneEnd,
        Self::NeverCutSilently,
        Self::ExactPrefix,
        Self::NoUnsafeSplice,
        Self::Grammar,
        Self::Positions,
        Self::NoSecret,
        Self::Promise,
    ];

    pub(crate) fn words(self) -> &'static str {
        match self {
            Self::Ends => "every stream ends in time",
            Self::OneEnd => "exactly one end",
            Self::NeverCutSilently => "never cut silently",
            Self::ExactPrefix => "shown is an exact prefix of the unbroken answer",
            Self::NoUnsafeSplice => "no unsafe splice in tool input or thinking",
            Self::Grammar => "one start, blocks in order, nothing behind the end",
            Self::Positions => "every position once; read again it is the same",
            Self::NoSecret => "no key in anything that came",
            Self::Promise => {
                "the whole answer where nothing is wrong with it, an error where another try is useless"
            }
        }
    }
}

/// What became of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verdict {
    /// The whole answer.
    Whole,
    /// An error, told in words, with what came before.
    Error,
    /// Broken off.
    Broken,
    /// None of these.
    Wrong,
}

/// A stream, judged.
#[derive(Debug)]
pub(crate) struct Judgement {
    pub(crate) verdict: Verdict,
    pub(crate) breaches: Vec<(Law, String)>,
    /// The type of the error that was told.
    pub(crate) error: Option<String>,
}

/// Judges what was seen by what the unbroken answer says.
pub(crate) fn judge(plan: &Plan, seen: &Seen, whole: &Shown) -> Judgement {
    let mut breaches = Vec::new();
    let verdict = verdict(plan, seen, whole, &mut breaches);
    if let Some(key) = seen.secret {
        breaches.push((Law::NoSecret, format!("{key} was shown")));
    }
    breaches.extend(seen.wrongs.iter().map(|wrong| (Law::Positions, wrong.clone())));
    let kept = match plan.fault.promise {
        Promise::Whole => verdict == Verdict::Whole,
        Promise::Refused => matches!(verdict, Verdict::Error | Verdict::Broken),
        // Counted as rates, or not promised.
        Promise::Retried | Promise::Recovered | Promise::Truth => true,
    };
    if !kept && verdict != Verdict::Wrong {
        breaches
            .push((Law::Promise, format!("{:?} was promised, and it is {verdict:?}", plan.fault.promise)));
    }
    // One breach of each law is enough to say about a stream.
    breaches.sort_by_key(|(law, _)| *law);
    breaches.dedup_by_key(|(law, _)| *law);
    let told = seen.shown.ends.iter().find_map(|end| match end {
        End::Error(kind) => Some(kind.clone()),
        End::Stop => None,
    });
    Judgement { verdict, breaches, error: seen.error.clone().or(told) }
}

fn verdict(plan: &Plan, seen: &Seen, whole: &Shown, breaches: &mut Vec<(Law, String)>) -> Verdict {
    match seen.close {
        Close::Hang => {
            breaches.push((Law::Ends, "it hangs".to_owned()));
            return Verdict::Wrong;
        }
        Close::Clean | Close::Broken => {}
    }
    if seen.status >= 400 {
        if seen.error.is_none() && !passes_as_it_is(plan) {
            breaches.push((Law::OneEnd, format!("status {} without an error in words", seen.status)));
        }
        return Verdict::Error;
    }
    let before = breaches.len();
    ends(plan, seen, breaches);
    grammar(seen, whole, breaches);
    content(plan, seen, whole, breaches);
    let is_whole = seen.shown.ends.first() == Some(&End::Stop);
    if is_whole && plan.face != Face::Text && seen.shown.stop_reason != whole.stop_reason {
        let reason = seen.shown.stop_reason.as_deref().unwrap_or("none");
        breaches.push((Law::NeverCutSilently, format!("stop reason {reason}")));
    }
    match seen.shown.ends.first() {
        _ if breaches.len() > before => Verdict::Wrong,
        Some(End::Stop) => Verdict::Whole,
        Some(End::Error(_)) => Verdict::Error,
        None => Verdict::Broken,
    }
}

/// Errors that are not the service's pass as they came.
fn passes_as_it_is(plan: &Plan) -> bool {
    ["502-html", "503-empty", "413-html"].contains(&plan.fault.name.as_str())
}

fn ends(plan: &Plan, seen: &Seen, breaches: &mut Vec<(Law, String)>) {
    let says = plan.face != Face::Text && plan.face != Face::Json;
    match (seen.shown.ends.len(), &seen.close) {
        (1, Close::Clean) => {}
        (0, Close::Broken) if !says => {}
        (0, Close::Clean) => {
            breaches.push((Law::NeverCutSilently, "a clean end without any word".to_owned()));
        }
        (0, _) => breaches.push((Law::OneEnd, "broken off without a word".to_owned())),
        // Behind its end a connection may break as it likes.
        (1, _) => {}
        (count, _) => breaches.push((Law::OneEnd, format!("{count} ends: {:?}", seen.shown.ends))),
    }
}

fn grammar(seen: &Seen, whole: &Shown, breaches: &mut Vec<(Law, String)>) {
    // What the upstream itself sends oddly passes as it is.
    let odd = seen.shown.oddities.iter().filter(|odd| !whole.oddities.contains(odd));
    breaches.extend(odd.map(|odd| (Law::Grammar, odd.clone())));
    if seen.shown.starts == 0 && !seen.shown.blocks.is_empty() && whole.starts > 0 {
        breaches.push((Law::Grammar, "no `message_start`".to_owned()));
    }
}

fn content(plan: &Plan, seen: &Seen, whole: &Shown, breaches: &mut Vec<(Law, String)>) {
    let is_over = seen.shown.ends.first() == Some(&End::Stop);
    if plan.face == Face::Text {
        let (shown, whole) = (seen.shown.text(), whole.text());
        if !whole.starts_with(&shown) {
            breaches.push((Law::ExactPrefix, differs(&shown, &whole)));
        } else if is_over && shown != whole {
            breaches.push((Law::NeverCutSilently, format!("{} of {} bytes", shown.len(), whole.len())));
        }
        return;
    }
    let (shown, whole) = (seen.shown.joined(), whole.joined());
    if shown.len() > whole.len() {
        breaches.push((Law::ExactPrefix, format!("{} blocks of {}", shown.len(), whole.len())));
    }
    for (at, (one, all)) in shown.iter().zip(&whole).enumerate() {
        let is_last = at + 1 == shown.len();
        if !one.begins(all) && !one.is(all) {
            breaches.push((law_of(one), format!("block {at}: {}", differs(&one.content, &all.content))));
        } else if !one.is(all) && (!is_last || (one.is_closed && one.kind != "text")) {
            breaches.push((law_of(one), format!("block {at} looks finished at {} bytes", one.content.len())));
        } else if is_over && !one.is(all) {
            let what = format!("block {at}: {} of {} bytes", one.content.len(), all.content.len());
            breaches.push((Law::NeverCutSilently, what));
        }
    }
    if is_over && shown.len() < whole.len() {
        breaches.push((Law::NeverCutSilently, format!("{} of {} blocks", shown.len(), whole.len())));
    }
}

fn law_of(block: &Block) -> Law {
    if block.kind == "text" { Law::ExactPrefix } else { Law::NoUnsafeSplice }
}

/// Where two texts part, in words.
fn differs(shown: &str, whole: &str) -> String {
    let same = shown.bytes().zip(whole.bytes()).take_while(|(a, b)| a == b).count();
    let tail = |text: &str| {
        String::from_utf8_lossy(&text.as_bytes()[same.min(text.len())..]).chars().take(40).collect()
    };
    let (shown, whole): (String, String) = (tail(shown), tail(whole));
    format!("after {same} bytes {shown:?} instead of {whole:?}")
}
