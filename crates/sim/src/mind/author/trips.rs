//! Plans for a trip, day by day.

use super::super::digest::Dice;
use super::prose::capitalised;

/// Beyond so many days a plan repeats itself.
const MOST_DAYS: u64 = 7;
/// Days of a trip for which no number was given.
const USUAL_DAYS: u64 = 3;

/// Morning, afternoon, evening.
type Day = [&'static str; 3];

const PLACES: &[(&str, &str, &[Day])] = &[
    (
        "kyoto",
        "Spring blossoms and autumn leaves are the fullest seasons; start early, most temples open by nine and are quiet then.",
        &[
            [
                "Fushimi Inari: up through the red gates before the crowds",
                "Tōfuku-ji and its gardens, lunch at Nishiki Market",
                "Gion at dusk, dinner in Pontochō",
            ],
            [
                "Arashiyama: the bamboo grove, then Tenryū-ji",
                "Across the river and up to the monkey park, or a boat on the Hozu",
                "A bath house and an early night",
            ],
            [
                "Kinkaku-ji, the Golden Pavilion, then the stones of Ryōan-ji",
                "Nijō Castle and its singing floors",
                "Kiyomizu-dera for the view as the lamps go on",
            ],
            [
                "A train to Nara: the deer and the great Buddha of Tōdai-ji",
                "Kasuga Taisha and its lanterns",
                "Back for noodles near the station",
            ],
        ],
    ),
    (
        "paris",
        "Book the Louvre and the Eiffel Tower beforehand, and leave the afternoons loose.",
        &[
            [
                "Île de la Cité: Notre-Dame and the Sainte-Chapelle",
                "The Latin Quarter on foot, the Luxembourg gardens",
                "Dinner in Saint-Germain",
            ],
            [
                "The Louvre, two wings at most",
                "The Tuileries, then the Musée de l'Orangerie",
                "The Eiffel Tower when it sparkles on the hour",
            ],
            ["Montmartre before the buses come", "The Musée d'Orsay", "A walk along the canal Saint-Martin"],
        ],
    ),
    (
        "rome",
        "Wear shoes for cobblestones, carry a bottle for the fountains, and book the Vatican Museums.",
        &[
            [
                "The Colosseum, then the Forum",
                "The Palatine hill and the view from the Capitol",
                "Dinner in Monti",
            ],
            [
                "The Vatican Museums at opening time, then St Peter's",
                "Castel Sant'Angelo and the river",
                "Trastevere",
            ],
            [
                "The Pantheon and Piazza Navona",
                "The Villa Borghese and its gallery",
                "The Trevi fountain, late",
            ],
        ],
    ),
    (
        "tokyo",
        "A rechargeable card for trains saves more time than any plan.",
        &[
            ["Asakusa and Sensō-ji", "The museums of Ueno park", "Akihabara by night"],
            [
                "The Meiji shrine and its forest",
                "Harajuku and Omotesandō on foot",
                "Shibuya crossing from above",
            ],
            [
                "The outer market of Tsukiji for breakfast",
                "Hama-rikyū garden, a boat up the Sumida",
                "The lanes of Shinjuku",
            ],
        ],
    ),
];

/// Days that fit any place.
const ANYWHERE: &[Day] = &[
    [
        "Arrive, leave the bags, walk once around the quarter",
        "The one sight that everybody names, so that it is done",
        "Dinner close to the bed",
    ],
    [
        "A market, where the place shows what it eats",
        "The best museum, for two hours and not more",
        "Somewhere high at sunset",
    ],
    [
        "Out of town: a hill, a lake or the next small town",
        "Lunch where no menu has pictures",
        "Back early, a bath, a book",
    ],
    [
        "A street that is in no guide, from one end to the other",
        "A park with a bench",
        "Whatever was missed and still hurts",
    ],
];

/// A plan for so many days, or for as many as is usual.
pub(super) fn plan(dice: &mut Dice, place: &str, days: Option<u64>) -> String {
    let known = PLACES.iter().find(|(name, ..)| {
        place.to_lowercase().split(|c: char| !c.is_alphanumeric()).any(|word| word == *name)
    });
    let plans = known.map_or(ANYWHERE, |(_, _, plans)| *plans);
    let days = days.unwrap_or(USUAL_DAYS).clamp(1, MOST_DAYS);
    let title = match (place.is_empty(), days) {
        (true, 1) => "A day away".to_owned(),
        (true, n) => format!("{n} days away"),
        (false, 1) => format!("A day in {}", capitalised(place)),
        (false, n) => format!("{n} days in {}", capitalised(place)),
    };
    let note = match known {
        Some((_, note, _)) => (*note).to_owned(),
        None if place.is_empty() => "The days fit most places.".to_owned(),
        None => {
            format!("A simulator knows nothing in particular about {place}; the days below fit most places.")
        }
    };
    let mut text = format!("## {title}\n\n{note}");
    for day in 1..=days {
        let at = usize::try_from(day - 1).unwrap_or(0);
        text.push_str(&format!("\n\n### Day {day}\n\n"));
        match plans.get(at).or_else(|| ANYWHERE.get(at.saturating_sub(plans.len()) + 2)) {
            Some([morning, afternoon, evening]) => text.push_str(&format!(
                "- **Morning**: {morning}.\n- **Afternoon**: {afternoon}.\n- **Evening**: {evening}."
            )),
            None => text.push_str("- **All day**: nothing planned. This is the one you will remember."),
        }
    }
    let pack = dice.pick(&[
        "**Before you go:** check the opening days, book the first night, and put the address in your pocket on paper.",
        "**Pack** for one day less than you stay, and leave a third of the bag empty.",
    ]);
    format!("{text}\n\n{pack}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_plan_has_the_days_that_were_asked_for() {
        for (place, days, expected, part) in [
            ("Kyoto", None, 3, "Fushimi Inari"),
            ("Kyoto, Japan", Some(5), 5, "Nara"),
            ("Ulm", Some(2), 2, "nothing in particular about Ulm"),
            ("", Some(1), 1, "A day away"),
            ("Rome", Some(100), 7, "The Colosseum"),
        ] {
            let plan = plan(&mut Dice::new(7), place, days);
            assert_eq!(plan.matches("### Day ").count(), expected, "{plan}");
            assert!(plan.contains(part), "{plan}");
        }
    }
}
