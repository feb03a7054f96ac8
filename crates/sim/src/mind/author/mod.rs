//! The author: useful markdown about what was asked, the same for the same conversation.
//!
//! The text depends on the seed and on what was said, never on the model, its limits or the form of the request; so the
//! same conversation, asked again of another model after a cut, has the same answer to go on with.

mod arithmetic;
mod outline;
mod prose;
mod question;
mod short;
mod tongues;
mod topics;

use self::question::{Kind, Length, Question};
use self::tongues::Tongue;
use self::topics::{Sample, Topic};
use super::conversation::{Role, Turn, content_text};
use super::digest::Dice;
use super::manners::Manners;
use super::tokens;

/// What the first longer answer of a conversation ends with.
const DISCLOSURE: &str = "*Written by Perennial's simulator, not by Claude.*";
/// Answers shorter than this, in tokens, are not signed.
const SIGNED_FROM: u64 = 60;

/// The text of an answer to these turns.
pub(crate) fn write(hash: u64, turns: &[Turn<'_>], manners: &Manners) -> String {
    if let Some(text) = &manners.answer {
        return text.clone();
    }
    let asked = last_question(turns);
    let first = !turns.iter().any(|turn| turn.role == Role::Assistant);
    let mut dice = Dice::new(hash);
    if let Some(tongue) = Tongue::of(&asked) {
        let target = manners.tokens.or_else(|| Question::read(&asked).length.map(Length::tokens));
        return tongue.write(&mut dice, &asked, target, first);
    }
    let mut question = Question::read(&asked);
    if let Some(n) = manners.tokens {
        question.length = Some(Length::Tokens(n));
    }
    let mut writer = Writer { dice, question, earlier: earlier_questions(turns), first };
    let text = writer.answer(turns);
    match attachments(turns) {
        Some(note) => format!("{note}\n\n{text}"),
        None => text,
    }
}

/// What the user last asked in words.
pub(crate) fn last_question(turns: &[Turn<'_>]) -> String {
    let mut users = turns.iter().rev().filter(|turn| turn.role == Role::User);
    users.find_map(|turn| Some(turn.text()).filter(|text| !text.trim().is_empty())).unwrap_or_default()
}

/// The answer after tools have run: what they found, in prose.
pub(crate) fn report(hash: u64, turns: &[Turn<'_>], manners: &Manners) -> String {
    if let Some(text) = &manners.answer {
        return text.clone();
    }
    let mut dice = Dice::new(hash);
    let results = turns.last().map(|turn| turn.blocks("tool_result").collect::<Vec<_>>()).unwrap_or_default();
    let calls = turns.iter().rev().find(|turn| turn.role == Role::Assistant);
    let mut text = String::new();
    for result in &results {
        let call =
            calls.and_then(|turn| turn.blocks("tool_use").find(|call| call["id"] == result["tool_use_id"]));
        let mut name = format!("`{}`", call.and_then(|call| call["name"].as_str()).unwrap_or("the tool"));
        // Of several calls of one tool, each is told apart by what it was about.
        let about =
            call.and_then(|call| call["input"].as_object()?.values().find_map(serde_json::Value::as_str));
        if let Some(about) = about.filter(|about| results.len() > 1 && about.len() <= 60) {
            name.push_str(&format!(" for {about}"));
        }
        let said = short::finding(&content_text(result));
        let line = match (result["is_error"].as_bool(), said.is_empty()) {
            (Some(true), _) => format!("{name} failed: {said}"),
            (_, true) => format!("{name} ran and returned nothing."),
            (_, false) => format!("{name} says: {said}"),
        };
        if results.len() > 1 {
            text.push_str("- ");
        }
        text.push_str(&line);
        text.push('\n');
    }
    let failed = results.iter().any(|result| result["is_error"] == true);
    let lead = match (results.len(), failed) {
        (1, false) => dice.pick(&["Here is what I found.", "That worked.", "I have the result."]),
        (1, true) => "That did not work as hoped.",
        (_, false) => {
            dice.pick(&["Here is what came back.", "All results are in.", "Together they say this."])
        }
        (_, true) => "Not everything worked.",
    };
    let question = Question::read(&last_question(turns));
    let close = match failed {
        true => "Shall I try again with other arguments?".to_owned(),
        false if question.subject.is_empty() => "Is there anything else to look up?".to_owned(),
        false => format!("That answers the question about *{}*.", question.subject),
    };
    format!("{lead}\n\n{}\n\n{close}", text.trim_end())
}

/// A paragraph about something else.
pub(crate) fn aside(hash: u64) -> String {
    prose::paragraph(&mut Dice::new(hash), "", 5)
}

struct Writer {
    dice: Dice,
    question: Question,
    /// What the user asked before, oldest first.
    earlier: Vec<String>,
    first: bool,
}

impl Writer {
    fn answer(&mut self, turns: &[Turn<'_>]) -> String {
        if let Some(text) = short::recall(&self.question.text, turns) {
            return text;
        }
        let subject = self.question.subject.clone();
        let text = match self.question.kind.clone() {
            Kind::Greeting => return short::greeting(&mut self.dice, self.first),
            Kind::Thanks => return "You're welcome! Is there anything else?".to_owned(),
            Kind::Identity => return short::identity(),
            Kind::Echo(said) => return said,
            Kind::Arithmetic(sum, result) => return format!("{sum} = **{result}**"),
            Kind::Count(n) => return short::count(n),
            Kind::Poem => return short::poem(&mut self.dice, &self.question.text, &subject),
            Kind::Story => short::story(&mut self.dice, &subject),
            Kind::List(points) => self.list(points),
            Kind::Code(language, task) => self.code(language, task),
            Kind::Compare(left, right) => self.compare(&left, &right),
            Kind::HowTo => self.how_to(),
            Kind::Summary => short::summary(&self.question.text),
            Kind::YesNo => self.yes_or_no(),
            Kind::Explain => self.explain(),
        };
        self.fit(text)
    }

    /// Stretches or shortens to the length that was asked for, and signs.
    fn fit(&mut self, mut text: String) -> String {
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
        if self.first && tokens::count(&text) >= SIGNED_FROM {
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
        match (topic, brief) {
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
        let lead = outline::lead(dice, &subject);
        let steps = outline::steps(dice, 5);
        let aside = outline::tips(dice, 1, false);
        format!("{head}{lead}\n\n{steps}\n\n> {}", aside.trim_start_matches("1. "))
    }

    fn list(&mut self, points: usize) -> String {
        let (back, emoji) = (self.look_back(), self.question.emoji);
        let dice = &mut self.dice;
        let list = match points {
            0..=outline::MOST_TIPS => outline::tips(dice, points, emoji),
            _ => prose::list(dice, points, true, emoji),
        };
        format!("{back}Here are {points}, good for most things:\n\n{list}")
    }

    fn code(&mut self, language: &str, task: &str) -> String {
        let sample = Sample::find(language, task).or_else(|| Sample::find(language, "function"));
        let Some(sample) = sample else { return self.reflect(false) };
        let lead =
            self.dice.pick(&["Here is a small version:", "This does it:", "A compact way to write it:"]);
        format!(
            "{}{lead}\n\n{}\n\n{}\n\n**Notes**\n\n{}",
            self.look_back(),
            sample.code,
            sample.remark,
            "- Start with a test that fails, then paste this in.\n- Rename things to fit your own code.\n- Ask for another \
             language, or for tests, and I will go on from here.",
        )
    }

    fn compare(&mut self, left: &str, right: &str) -> String {
        let mut text = self.head(&format!("{left} and {right}"));
        for side in [left, right] {
            if let Some(topic) = Topic::named_in(side) {
                text.push_str(&format!("**{}**: {}\n\n", prose::capitalised(side), topic.summary));
            }
        }
        let dice = &mut self.dice;
        text.push_str(&format!("| | {left} | {right} |\n| --- | --- | --- |"));
        for (aspect, one, other) in [
            ("To begin with", "quick", "takes some care"),
            ("When it grows", "needs discipline", "has room"),
            ("When it fails", "fails early", "fails late"),
            ("To undo", "easy", "costs time"),
        ] {
            let (one, other) = if dice.roll(2) == 0 { (one, other) } else { (other, one) };
            text.push_str(&format!("\n| {aspect} | {one} | {other} |"));
        }
        text.push_str(&format!("\n\n{}", prose::paragraph(dice, "", 3)));
        text.push_str(&format!(
            "\n\n**In short:** take {left} when the first step matters most, {right} when the last one does, and measure \
             before you believe either."
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
        if self.question.subject.is_empty() {
            "this question".to_owned()
        } else {
            self.question.subject.clone()
        }
    }
}

fn earlier_questions(turns: &[Turn<'_>]) -> Vec<String> {
    let mut asked: Vec<_> = turns
        .iter()
        .filter(|turn| turn.role == Role::User)
        .map(Turn::text)
        .filter(|text| !text.trim().is_empty())
        .collect();
    asked.pop();
    asked
}

/// What came along with the last question, in words: the simulator does not look into pictures.
fn attachments(turns: &[Turn<'_>]) -> Option<String> {
    let turn = turns.iter().rev().find(|turn| turn.role == Role::User)?;
    let mut received = Vec::new();
    for image in turn.blocks("image") {
        let source = &image["source"];
        received.push(
            match (source["media_type"].as_str(), source["data"].as_str(), source["url"].as_str()) {
                (Some(kind), Some(data), _) => format!("an image (`{kind}`, {} bytes)", data.len() / 4 * 3),
                (_, _, Some(url)) => format!("an image by reference (`{url}`)"),
                _ => "an image".to_owned(),
            },
        );
    }
    for document in turn.blocks("document") {
        let title = document["title"].as_str().map(|title| format!(" “{title}”")).unwrap_or_default();
        let source = &document["source"];
        received.push(match (source["media_type"].as_str(), source["data"].as_str()) {
            (Some("text/plain"), Some(data)) => {
                format!("a text document{title} ({} characters)", data.chars().count())
            }
            (Some(kind), Some(data)) => format!("a document{title} (`{kind}`, {} bytes)", data.len() / 4 * 3),
            _ => format!("a document{title}"),
        });
    }
    if received.is_empty() {
        return None;
    }
    let images = if turn.has("image") {
        " This simulator does not look into pictures; it only sees that they came."
    } else {
        ""
    };
    Some(format!("I received {}.{images}", received.join(" and ")))
}
