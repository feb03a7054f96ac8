//! How to look at a subject of which nothing is known: paragraphs, points and steps that fit any.
//!
//! The author says openly that he knows nothing particular, and gives what holds anyway. `{}` stands for the subject.

use super::super::digest::Dice;

const LEADS: &[&str] = &[
    "A simulator knows nothing in particular about {}, but any subject can be taken apart in the same way.",
    "I have no facts about {} at hand, only a way to get to them: from the question, over the parts, to a test.",
    "What follows holds for {} as for most things: first what it is for, then how it is made, then how to check it.",
];

const PARAGRAPHS: &[&str] = &[
    "Begin with purpose. Ask what would be missing without {}, and who would notice first. The answer is usually shorter than \
     any definition, and it tells you which details matter and which are decoration.",
    "Then look at the parts. Write down five or six of them, no more, and draw a line between each two that depend on each other. \
     Where many lines meet is the place to begin reading.",
    "It helps to follow one example from its beginning to its end. Take the smallest case of {} that is still real, and go \
     through it step by step. Whatever surprises you on the way goes on a list.",
    "Compare it with a neighbour. Two things that look alike differ in the one point that both of their names hide, and saying \
     that point aloud is half of understanding {}.",
    "Ask how it fails. Something that is understood can be broken on purpose, and its way of breaking says more about {} than \
     a page of description.",
    "Look at the numbers last, but do look. One figure with its unit and its source is worth more than three adjectives, and an \
     estimate within a factor of two is often enough to decide.",
];

const POINTS: &[&str] = &[
    "**Purpose**: what would be missing without it.",
    "**Parts**: the few that everything else depends on.",
    "**Limits**: where it stops being useful, and what takes over there.",
    "**Cost**: in time, in money, and in attention.",
    "**Neighbours**: what it is mistaken for, and the one difference.",
    "**Failure**: how it breaks, and how anyone would notice.",
    "**History**: which problem it was an answer to.",
    "**Evidence**: what would change your mind about it.",
];

const STEPS: &[&str] = &[
    "**Look first.** Note how things are now; afterwards nobody remembers.",
    "**Name the goal.** One sentence, with a way to tell that it is reached.",
    "**Gather what you need.** Going back for a missing piece costs more than carrying it.",
    "**Take the smallest step.** Something that can be undone within a minute.",
    "**Check at once.** If it is not as expected, stop and find out why.",
    "**Go on step by step.** One change at a time, so that the cause of any trouble is known.",
    "**Test under load.** What holds in the hand may not hold in use.",
    "**Clean up and write down** what you did, for the next time.",
];

const TIPS: &[&str] = &[
    "**Start before you feel ready**, with a piece that takes ten minutes.",
    "**Say it in one sentence.** If that fails, the idea is not finished.",
    "**Practise the beginning and the end**; the middle follows.",
    "**Ask somebody who has done it**, and ask what went wrong.",
    "**Do it once by hand** before you let anything do it for you.",
    "**Remove one thing.** Most plans get better by it.",
    "**Set a time limit** and stop when it is over.",
    "**Keep a list of surprises**; each is worth an hour of study.",
    "**Measure before and after**, with the same ruler.",
    "**Rehearse the failure.** Know what you will do when it does not work.",
    "**Leave room for the unexpected**: a quarter of the time, at least.",
    "**Repeat it the next day**, when memory has had a night.",
    "**Teach it to someone**, and watch where they frown.",
    "**Sleep on decisions** that cannot be undone.",
    "**Write the date on everything.**",
    "**Celebrate the boring success**; it is the one that lasts.",
];

const TABLE: &[(&str, &str)] = &[
    ("What is it for?", "ask someone who uses it"),
    ("What is it made of?", "take a small one apart"),
    ("How do I know that it works?", "change one thing and watch"),
    ("What does it cost?", "count time, money and attention"),
    ("What could replace it?", "look at what came before"),
    ("Who decides?", "ask who would have to undo it"),
];

pub(super) fn lead(dice: &mut Dice, subject: &str) -> String {
    dice.pick(LEADS).replace("{}", subject)
}

/// So many different paragraphs, in their natural order.
pub(super) fn paragraphs(dice: &mut Dice, subject: &str, n: usize) -> Vec<String> {
    some(dice, PARAGRAPHS, n).into_iter().map(|text| text.replace("{}", subject)).collect()
}

pub(super) fn points(dice: &mut Dice, n: usize) -> String {
    let points: Vec<_> = some(dice, POINTS, n).into_iter().map(|point| format!("- {point}")).collect();
    points.join("\n")
}

pub(super) fn steps(dice: &mut Dice, n: usize) -> String {
    numbered(&some(dice, STEPS, n))
}

/// So many tips, or as many as there are.
pub(super) fn tips(dice: &mut Dice, n: usize, emoji: bool) -> String {
    const MARKS: &[&str] = &["✨", "🔍", "🧭", "🛠️", "📌", "🌱", "⚖️", "🚀", "🧩", "💡", "🎯", "🎉"];
    let tips: Vec<String> = some(dice, TIPS, n)
        .into_iter()
        .map(|tip| if emoji { format!("{} {tip}", dice.pick(MARKS)) } else { tip.to_owned() })
        .collect();
    let tips: Vec<_> = tips.iter().map(String::as_str).collect();
    numbered(&tips)
}

/// How many points there are.
pub(super) const MOST_POINTS: usize = POINTS.len();

/// How many tips there are.
pub(super) const MOST_TIPS: usize = TIPS.len();

pub(super) fn table(dice: &mut Dice) -> String {
    let from = dice.roll(TABLE.len());
    let rows: Vec<_> = (0..3)
        .map(|at| TABLE[(from + at) % TABLE.len()])
        .map(|(ask, do_it)| format!("| {ask} | {do_it} |"))
        .collect();
    format!("| Question | How to find out |\n| --- | --- |\n{}", rows.join("\n"))
}

fn numbered(lines: &[&str]) -> String {
    let lines: Vec<_> = (1..).zip(lines).map(|(n, line): (usize, _)| format!("{n}. {line}")).collect();
    lines.join("\n")
}

/// Some of several, each at most once, in their order.
fn some<'t>(dice: &mut Dice, of: &[&'t str], n: usize) -> Vec<&'t str> {
    let mut left = n.min(of.len());
    let mut chosen = Vec::with_capacity(left);
    for (at, item) in of.iter().enumerate() {
        if dice.roll(of.len() - at) < left {
            chosen.push(*item);
            left -= 1;
        }
    }
    chosen
}
