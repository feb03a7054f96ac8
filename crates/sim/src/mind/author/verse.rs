//! Poems and stories.

use super::super::digest::Dice;
use super::prose;

/// Words of the subject, and a haiku for them: five, seven and five syllables.
const HAIKUS: &[(&[&str], &str)] = &[
    (
        &["river", "rivers", "stream", "streams", "brook", "water"],
        "Snow melt finds a crack,\nand by evening it has learned\nthe way to the sea.",
    ),
    (
        &["rain", "storm", "umbrella"],
        "Drop after drop falls\non the roof of the long night.\nSomeone is counting.",
    ),
    (
        &["sea", "ocean", "beach", "tide", "tides", "waves"],
        "The tide takes its time,\nwriting one line on the sand\nto read it again.",
    ),
    (
        &["autumn", "fall", "leaf", "leaves", "tree", "trees", "forest"],
        "One leaf lets go first,\nand the others on the branch\npretend not to see.",
    ),
    (
        &["winter", "snow", "cold", "christmas"],
        "Snow on the mailbox:\nthe whole street speaks in a voice\nsofter than its own.",
    ),
    (
        &["spring", "cherry", "blossom", "blossoms", "flower", "flowers"],
        "Overnight, white trees.\nAll the commuters look up\nand miss the one train.",
    ),
    (
        &["moon", "night", "star", "stars"],
        "The moon in the pond\nwaits until the frog is gone\nto be whole again.",
    ),
    (
        &[
            "code",
            "coding",
            "programming",
            "bug",
            "bugs",
            "software",
            "computer",
            "rust",
            "python",
            "computers",
        ],
        "It works on my desk,\nand nobody dares to ask\nwhat changed overnight.",
    ),
    (
        &["mountain", "mountains", "hill"],
        "Fog, and no mountain:\nonly the path going up,\nsure of what is there.",
    ),
    (&["cat", "cats", "kitten"], "The cat on the keys\nhas finished my last sentence\nwith a row of j."),
];
/// For any other subject, under its name.
const ANY_HAIKU: &[&str] = &[
    "Words arrive in drops,\na pause, and the line goes on.\nNothing has been lost.",
    "A slow line of light\ncrosses the floor while I think,\nand then it is noon.",
    "Ask me once again:\nthe answer will be the same,\nthe evening will not.",
];

pub(super) fn haiku(dice: &mut Dice, subject: &str) -> String {
    let lower = subject.to_lowercase();
    let words: Vec<_> = lower.split(|c: char| !c.is_alphanumeric()).collect();
    match HAIKUS.iter().find(|(names, _)| names.iter().any(|name| words.contains(name))) {
        Some((_, haiku)) => haiku.replace('\n', "  \n"),
        None => {
            let haiku = dice.pick(ANY_HAIKU).replace('\n', "  \n");
            if subject.is_empty() { haiku } else { format!("**{}**\n\n{haiku}", prose::capitalised(subject)) }
        }
    }
}

pub(super) fn poem(dice: &mut Dice, subject: &str) -> String {
    let subject = if subject.is_empty() { "the stream" } else { subject };
    let title = prose::capitalised(subject);
    let (one, two) = (dice.roll(2), dice.roll(2));
    let first = [
        "A word, and then another word,\nas patient as the rain,",
        "It starts before the sense is clear,\na whisper and a line,",
    ][one];
    let second = [
        "and what was broken halfway through\nis picked up once again.",
        "and one by one the pieces come\nuntil the whole is mine.",
    ][one];
    let close = [
        "So let it come, so let it flow,\nno syllable too late;",
        "The cable may be cut in two,\nthe night be long and deep;",
    ][two];
    let end = [
        "what once was said stays said, and we\nhave only had to wait.",
        "what has arrived is written down\nand is for us to keep.",
    ][two];
    format!("**{title}**\n\n{first}\n{second}\n\n{close}\n{end}")
        .replace('\n', "  \n")
        .replace("  \n  \n", "\n\n")
}

pub(super) fn story(dice: &mut Dice, subject: &str) -> String {
    let subject = if subject.is_empty() { "a long letter" } else { subject };
    let name = dice.pick(&["Ada", "Milo", "Ines", "Tomas", "Noor", "Ruth"]);
    let place = dice.pick(&[
        "a harbour town",
        "a village by the railway",
        "a city of bridges",
        "a valley with one road",
    ]);
    let thing = dice.pick(&[
        "a notebook without pages",
        "a clock that ran a minute late",
        "a key that fitted nothing",
        "a radio with one station",
    ]);
    let helper =
        dice.pick(&["the ferryman", "an old postwoman", "a child with a lantern", "the night watchman"]);
    format!(
        "# {title}\n\n{name} lived in {place} and owned {thing}. Nobody there liked to talk about {subject}, and those who knew something \
         kept it to themselves.\n\nOne evening the wind turned. \"It begins tonight,\" said {helper}, who never said more than \
         that. {name} put on a coat and went to see.\n\nThe way was longer than it looked. Twice the light went out, and twice \
         {name} stood still until it came back. \"If you stop in the middle,\" {helper} had said, \"remember the last word, and \
         go on from there.\"\n\nBy morning it was done. What {name} had found was small enough to carry and large enough to \
         last: the rest of the story, exactly where it had been left.",
        title = prose::capitalised(subject),
    )
}
