//! One answer in English, from a question that was read.

use super::super::conversation::Turn;
use super::super::digest::Dice;
use super::super::facts::Facts;
use super::super::schema::Filler;
use super::super::tokens;
use super::question::{Json, Kind, Length, Points, Question};
use super::topics::{self, Sample, Topic};
use super::{arithmetic, context, outline, prose, short, smalltalk, trips, verse};

/// What the first longer answer of a conversation ends with.
const DISCLOSURE: &str = "*Written by Perennial's simulator, not by Claude.*";
/// Answers shorter than this, in tokens, are not signed.
const SIGNED_FROM: u64 = 60;

pub(super) struct Writer {
    pub(super) dice: Dice,
    pub(super) question: Question,
    /// What the user asked before, oldest first.
    pub(super) earlier: Vec<String>,
    pub(super) first: bool,
}

impl Writer {
    pub(super) fn answer(&mut self, turns: &[Turn<'_>]) -> String {
        if let Some(text) = short::recall(&self.question.text, turns) {
            return text;
        }
        if let Some((sum, result)) = arithmetic::follow(&self.question.text, &self.earlier) {
            return format!("{sum} = **{result}**");
        }
        let subject = self.question.subject.clone();
        let text = match self.question.kind.clone() {
            Kind::Greeting => return short::greeting(&mut self.dice, self.first),
            Kind::Thanks => return "You're welcome! Is there anything else?".to_owned(),
            Kind::Identity => return short::identity(),
            Kind::Echo(said) => return said,
            Kind::Arithmetic(sum, result) => return format!("{sum} = **{result}**"),
            Kind::Count(from, to) => return short::count(from, to),
            Kind::Translation(said) => return said,
            Kind::SmallTalk(said) => return said,
            Kind::Letter => smalltalk::letter(&subject),
            Kind::Explain if smalltalk::is_bare(&subject) && self.earlier.is_empty() => {
                return smalltalk::ask_back();
            }
            Kind::Symbols => return short::symbols(&self.question.text),
            Kind::Haiku => return verse::haiku(&mut self.dice, &subject),
            Kind::Poem => return verse::poem(&mut self.dice, &subject),
            Kind::Story => verse::story(&mut self.dice, &subject),
            Kind::Json(json) => return self.json(&json),
            Kind::Trip(place, days) => trips::plan(&mut self.dice, &place, days),
            Kind::List(points) => self.list(points),
            Kind::Code(language, task) => self.code(language, task),
            Kind::Compare(left, right) => self.compare(&left, &right),
            Kind::HowTo => self.how_to(),
            Kind::Summary => context::summary(&self.question.text, 4),
            Kind::YesNo => self.yes_or_no(),
            Kind::Explain => self.explain(),
        };
        self.fit(text)
    }

    /// Stretches or shortens to the length that was asked for, and signs.
    pub(super) fn fit(&mut self, mut text: String) -> String {
        match self.question.length {
            Some(Length::Sentences(_) | Length::Paragraphs(_)) => return text,
            Some(length) => {
                let target = length.tokens();
                let emoji = self.question.emoji;
                prose::stretch(&mut text, &mut self.dice, &self.question.subject, target, emoji);
                prose::trim_to(&mut text, target);
            }
            None => {}
        }
        let signed = text.contains("Perennial's simulator");
        if self.first && !signed && tokens::count(&text) >= SIGNED_FROM {
            text.push_str("\n\n");
            text.push_str(DISCLOSURE);
        }
        text
    }

    /// The subject as a heading, with a look back at what was asked before.
    fn head(&mut self, title: &str) -> String {
        let mark =
            if self.question.emoji { self.dice.pick(&["🌟 ", "🧭 ", "🚀 ", "💡 "]) } else { "" };
        let back = self.look_back();
        format!("## {mark}{}\n\n{back}", prose::capitalised(title))
    }

    fn look_back(&self) -> String {
        match self
            .earlier
            .last()
            .map(|text| Question::read(text).subject)
            .filter(|subject| !subject.is_empty())
        {
            Some(before) if before != self.question.subject => {
                format!("You asked about *{before}* before; this goes on from there. ")
            }
            Some(_) => "You asked about this before; here is another side of it. ".to_owned(),
            None => String::new(),
        }
    }

    fn topic(&self) -> Option<Topic> {
        Topic::named_in(&self.question.text).or_else(|| {
            // "Why?", "Tell me more": the topic is the one before.
            let short = self.question.text.split_whitespace().count() <= 6;
            self.earlier.last().filter(|_| short).and_then(|text| Topic::named_in(text))
        })
    }

    fn explain(&mut self) -> String {
        let topic = self.topic();
        match self.question.length {
            Some(Length::Sentences(n)) => {
                return self.sentences(topic, usize::try_from(n.clamp(1, 500)).unwrap_or(1));
            }
            Some(Length::Paragraphs(n)) => {
                return self.paragraphs(topic, usize::try_from(n.clamp(1, 1000)).unwrap_or(1));
            }
            _ => {}
        }
        let brief = self.question.length.is_none()
            && self.question.text.split_whitespace().count() <= 7
            && ["what is", "what's", "who", "where", "when", "what are"]
                .iter()
                .any(|lead| self.question.text.to_lowercase().starts_with(lead));
        if let Some(child) = topic.and_then(|topic| topic.child).filter(|_| self.question.for_a_child) {
            return format!("{}{child}", self.look_back());
        }
        match (topic, brief || self.question.for_a_child) {
            (Some(topic), true) => {
                let points = topic.points();
                let back = self.look_back();
                let list =
                    if points.is_empty() { String::new() } else { format!("\n\n{}", points.join("\n")) };
                format!("{back}{}{list}", topic.summary)
            }
            (Some(topic), false) => {
                let mut text = self.head(topic.title);
                text.push_str(topic.summary);
                for part in topic.parts() {
                    text.push_str("\n\n");
                    text.push_str(part);
                }
                text
            }
            (None, brief) => self.reflect(brief),
        }
    }

    /// About something that the author knows nothing of.
    fn reflect(&mut self, brief: bool) -> String {
        let subject = self.subject();
        if brief {
            let (back, dice) = (self.look_back(), &mut self.dice);
            return format!("{back}{}\n\n{}", outline::lead(dice, &subject), outline::points(dice, 3));
        }
        let head = self.head(subject.trim_matches('*'));
        let dice = &mut self.dice;
        let lead = outline::lead(dice, &subject);
        let paragraphs = outline::paragraphs(dice, &subject, 3);
        let [first, second, third] =
            <[String; 3]>::try_from(paragraphs).expect("there are more than three paragraphs");
        format!(
            "{head}{lead}\n\n{first}\n\n### What to look at\n\n{}\n\n{second}\n\n### At a glance\n\n{}\n\n{third}\n\n### Next \
             steps\n\n{}",
            outline::points(dice, 4),
            outline::table(dice),
            outline::steps(dice, 3),
        )
    }

    fn sentences(&mut self, topic: Option<Topic>, n: usize) -> String {
        let subject = self.subject();
        let mut all: Vec<String> = match topic {
            Some(topic) => {
                let prose =
                    topic.parts().find(|part| part.starts_with(char::is_alphabetic)).unwrap_or_default();
                let more = prose.split_inclusive(". ").map(|sentence| sentence.trim().to_owned());
                std::iter::once(topic.summary.to_owned()).chain(more).take(n).collect()
            }
            None => vec![outline::lead(&mut self.dice, &subject)],
        };
        while all.len() < n {
            all.push(prose::sentence(&mut self.dice, &subject));
        }
        all.join(" ")
    }

    fn paragraphs(&mut self, topic: Option<Topic>, n: usize) -> String {
        let subject = self.subject();
        let known = |part: &&str| part.starts_with(|c: char| c.is_alphabetic());
        let mut all: Vec<String> =
            topic.map(|topic| topic.parts().filter(known).map(str::to_owned).collect()).unwrap_or_default();
        if all.is_empty() {
            all = outline::paragraphs(&mut self.dice, &subject, n);
        }
        all.truncate(n);
        while all.len() < n {
            all.push(prose::paragraph(&mut self.dice, &subject, 4));
        }
        all.join("\n\n")
    }

    fn how_to(&mut self) -> String {
        if self.topic().is_some() {
            return self.explain();
        }
        let subject = self.subject();
        let head = self.head(&format!("How to {}", subject.trim_matches('*')));
        let dice = &mut self.dice;
        let steps = outline::steps(dice, 5);
        let aside = outline::tips(dice, 1, false);
        format!(
            "{head}A simulator has never done this, but these steps hold for most undertakings:\n\n{steps}\n\n> {}",
            aside.trim_start_matches("1. ")
        )
    }

    fn list(&mut self, points: Points) -> String {
        let (back, emoji, n) = (self.look_back(), self.question.emoji, points.n);
        let known = self.topic().map(Topic::points).unwrap_or_default();
        let subject = self.subject();
        let dice = &mut self.dice;
        let (lead, list) = if known.len() >= n {
            (format!("Here are {n}:"), known[..n].join("\n"))
        } else {
            let lead = format!(
                "A simulator knows nothing in particular about {subject}; these hold for most things:"
            );
            let list = match n {
                _ if points.bullets && n <= outline::MOST_POINTS => outline::points(dice, n),
                ..=outline::MOST_TIPS => outline::tips(dice, n, emoji),
                _ => prose::list(dice, n, true, emoji),
            };
            (lead, list)
        };
        let lines = list.lines().zip(1..).map(|(line, n): (_, usize)| {
            let text = line.trim_start_matches("- ").trim_start_matches(|c: char| c.is_ascii_digit());
            let text = text.strip_prefix(". ").unwrap_or(text);
            if points.bullets { format!("- {text}") } else { format!("{n}. {text}") }
        });
        let list = lines.collect::<Vec<_>>().join("\n");
        if points.alone { list } else { format!("{back}{lead}\n\n{list}") }
    }

    fn code(&mut self, language: &str, task: Option<&str>) -> String {
        let fitting = task.and_then(|task| Sample::find(language, task));
        let Some(sample) = fitting.or_else(|| Sample::find(language, "function")) else {
            return self.reflect(false);
        };
        let lead = match fitting {
            Some(_) => {
                self.dice.pick(&["Here is a small version:", "This does it:", "A compact way to write it:"])
            }
            None => {
                "A simulator cannot write that one. So that there is code to look at, here is some in the same language that \
                 does something else:"
            }
        };
        let notes = match fitting {
            Some(_) => {
                "\n\n**Notes**\n\n- Start with a test that fails, then paste this in.\n- Rename things to fit your own code."
            }
            None => "",
        };
        format!("{}{lead}\n\n{}\n\n{}{notes}", self.look_back(), sample.code, sample.remark)
    }

    fn json(&mut self, json: &Json) -> String {
        let property = |name: &String| (name.clone(), schema_of(name));
        let properties: serde_json::Map<_, _> = json.fields.iter().map(property).collect();
        let schema = serde_json::json!({"type": "object", "required": json.fields, "properties": properties});
        let facts = Facts::default();
        let mut object = || Filler::new(&schema, &facts, self.dice.roll(1 << 30) as u64).fill();
        let value = match json.items {
            Some(n) => (0..n).map(|_| object()).collect(),
            None => object(),
        };
        let text = format!("{value:#}");
        if json.bare { text } else { format!("```json\n{text}\n```") }
    }

    fn compare(&mut self, left: &str, right: &str) -> String {
        let mut text = self.head(&format!("{left} and {right}"));
        if let Some(known) = topics::comparison(left, right) {
            text.push_str(known);
            return text;
        }
        for side in [left, right] {
            if let Some(topic) = Topic::named_in(side) {
                text.push_str(&format!("**{}**: {}\n\n", prose::capitalised(side), topic.summary));
            }
        }
        text.push_str(&format!(
            "A simulator does not know how the two differ. This is the table that would show it:\n\n| | {left} | {right} |\n\
             | --- | --- | --- |"
        ));
        for (aspect, ask) in [
            ("Purpose", "what would be missing without it?"),
            ("First hour", "how far does a beginner get?"),
            ("At scale", "what gives way first?"),
            ("When it fails", "who notices, and when?"),
            ("Way back", "what does it cost to leave?"),
        ] {
            text.push_str(&format!("\n| **{aspect}**: {ask} | … | … |"));
        }
        text.push_str(&format!(
            "\n\n**In short:** fill in both columns for your own case, strike the rows that do not matter, and what is left \
             decides between {left} and {right}."
        ));
        text
    }

    fn yes_or_no(&mut self) -> String {
        if let Some(topic) = self.topic() {
            return format!("{} {}", self.dice.pick(&["In short:", "The short answer:"]), topic.summary);
        }
        let lead = self.dice.pick(&[
            "It depends on what is meant by it.",
            "Mostly yes, with exceptions.",
            "Not always.",
        ]);
        format!("{lead} {}", outline::lead(&mut self.dice, "this"))
    }

    fn subject(&self) -> String {
        let subject = &self.question.subject;
        let before = || self.earlier.last().map(|text| Question::read(text).subject);
        let meant = if smalltalk::is_bare(subject) { before() } else { None };
        let meant = meant.unwrap_or_else(|| subject.clone());
        if meant.is_empty() { "this question".to_owned() } else { meant }
    }
}

/// What a field of that name holds, as far as the name tells.
fn schema_of(name: &str) -> serde_json::Value {
    let is = |names: &[&str]| names.iter().any(|part| name == *part || name.ends_with(&format!("_{part}")));
    let kind = match name {
        _ if is(&["age", "year", "count", "quantity", "number", "id", "size", "level", "rank"]) => "integer",
        _ if is(&[
            "price",
            "total",
            "score",
            "rating",
            "lat",
            "lon",
            "latitude",
            "longitude",
            "amount",
            "height",
            "weight",
        ]) =>
        {
            "number"
        }
        _ if name.starts_with("is_")
            || name.starts_with("has_")
            || is(&["active", "enabled", "done", "completed", "available"]) =>
        {
            "boolean"
        }
        _ if is(&[
            "tags",
            "items",
            "hobbies",
            "skills",
            "names",
            "colors",
            "colours",
            "interests",
            "languages",
        ]) =>
        {
            return serde_json::json!({"type": "array", "items": {"type": "string"}});
        }
        _ => "string",
    };
    serde_json::json!({"type": kind})
}
