//! Faults to text and back.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;
use std::time::Duration;

use super::{
    Clause, ErrorBody, Fault, Faults, Lines, Pick, Place, Status, Unknown, Which, Word, WrongBody, clauses,
    hint, quoted,
};
use crate::span;

/// Not a fault; says what would be one.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAFault(pub(crate) String);

/// Blanks, garbage and writes beyond this size are a typing error.
const MOST_BYTES: u64 = 1 << 30;
const DEFAULT_GARBAGE: usize = 64;
const STATUS: RangeInclusive<u16> = 400..=599;
const EVENT_NAMES: [&str; 8] = [
    "message_start",
    "content_block_start",
    "content_block_delta",
    "content_block_stop",
    "message_delta",
    "message_stop",
    "ping",
    "error",
];

impl FromStr for Faults {
    type Err = NotAFault;

    fn from_str(text: &str) -> Result<Self, NotAFault> {
        let mut faults = Self::default();
        for words in clauses(text).map_err(NotAFault)? {
            let mut clause = Clause::default();
            for word in &words {
                clause.take(word)?;
            }
            faults.clauses.push(clause.checked()?);
        }
        Ok(faults)
    }
}

impl Clause {
    /// Takes one word of [`Fault::WORDS`].
    pub(crate) fn take(&mut self, word: &Word) -> Result<(), NotAFault> {
        let reader = Reader(word);
        match word.name.as_str() {
            "times" => {
                self.times = Some(reader.number(1..=u64::from(u32::MAX))?.try_into().unwrap_or(u32::MAX));
            }
            "rate" => self.rate = Some(reader.decimal(0.0..=1.0)?),
            "named" => {
                let name = reader.value()?;
                let Some(named) = Fault::named(name) else {
                    let names = Fault::catalogue().iter().map(|named| named.name);
                    return Err(NotAFault(format!(
                        "the catalogue has no fault `{name}`{}",
                        hint(name, names)
                    )));
                };
                for clause in named.faults()?.clauses {
                    self.faults.extend(clause.faults);
                    self.times = self.times.or(clause.times);
                }
            }
            "retry-after" | "retry-after-ms" | "should-retry" | "error-type" | "error-code"
            | "error-body" => {
                let Some(Fault::Status(status)) = self.faults.last_mut() else {
                    return Err(NotAFault(format!(
                        "`{0}` belongs to a status: status=429,{0}=...",
                        word.name
                    )));
                };
                reader.set_on(status)?;
            }
            _ => self.faults.push(reader.fault()?),
        }
        Ok(())
    }

    /// The clause, unless it limits nothing.
    pub(crate) fn checked(self) -> Result<Self, NotAFault> {
        if self.faults.is_empty() {
            return Err(NotAFault(
                "`times` and `rate` limit a fault of the same clause: status=529,times=2".to_owned(),
            ));
        }
        Ok(self)
    }
}

/// Reads the value and the place of one word, and complains about them.
struct Reader<'a>(&'a Word);

impl Reader<'_> {
    fn fault(&self) -> Result<Fault, NotAFault> {
        Ok(match self.0.name.as_str() {
            "status" => Fault::Status(Status::new(
                u16::try_from(self.number(u64::from(*STATUS.start())..=u64::from(*STATUS.end()))?)
                    .map_err(|_| self.wrong())?,
            )),
            "body" => Fault::Body(self.choice(&[
                ("json", WrongBody::Json),
                ("html", WrongBody::Html),
                ("empty", WrongBody::Empty),
            ])?),
            "fin" => Fault::Fin(self.anywhere()?),
            "rst" => Fault::Rst(self.anywhere()?),
            "end" => Fault::End(self.in_body()?),
            "stall" => Fault::Stall { span: self.duration()?, pings: false, place: self.placed()? },
            "ping-stall" => Fault::Stall { span: self.duration()?, pings: true, place: self.in_stream()? },
            "error" => Fault::Error { kind: self.name_value()?, place: self.in_stream()? },
            "garbage" => {
                let bytes = match self.0.value {
                    None => DEFAULT_GARBAGE,
                    Some(_) => self.size()?,
                };
                Fault::Garbage { bytes, place: self.in_body_valued()? }
            }
            "not-json" => {
                self.valueless()?;
                Fault::NotJson(self.numbered()?)
            }
            "huge" => Fault::Huge { bytes: self.size()?, place: self.numbered()? },
            "drop" => Fault::Drop(self.which()?),
            "duplicate" => Fault::Duplicate(self.which()?),
            "two-messages" => self.plain(Fault::TwoMessages)?,
            "repeat" => Fault::Repeat {
                times: u32::try_from(self.number_placed(1..=1_000_000)?).map_err(|_| self.wrong())?,
                place: self.in_stream()?,
            },
            "unknown" => Fault::Unknown(self.choice(&[
                ("event", Unknown::Event),
                ("block", Unknown::Block),
                ("delta", Unknown::Delta),
                ("stop_reason", Unknown::StopReason),
            ])?),
            "no-usage" => self.plain(Fault::NoUsage)?,
            "no-names" => self.plain(Fault::NoNames)?,
            "wrong-names" => self.plain(Fault::WrongNames)?,
            "lines" => Fault::Lines(self.choice(&[("crlf", Lines::CrLf), ("cr", Lines::Cr)])?),
            "bom" => self.plain(Fault::Bom)?,
            "comments" => self.plain(Fault::Comments)?,
            "writes" => {
                self.placeless()?;
                Fault::Writes(self.size()?)
            }
            "drip" => Fault::Drip(self.decimal(0.001..=1e6)?),
            unknown => {
                let words = Fault::WORDS.iter().map(|(word, ..)| *word);
                return Err(NotAFault(format!("`{unknown}` is no fault{}", hint(unknown, words))));
            }
        })
    }

    fn set_on(&self, status: &mut Status) -> Result<(), NotAFault> {
        self.placeless()?;
        match self.0.name.as_str() {
            "retry-after" => status.retry_after = Some(self.value()?.to_owned()),
            "retry-after-ms" => status.retry_after_ms = Some(self.value()?.to_owned()),
            "should-retry" => status.should_retry = Some(self.choice(&[("true", true), ("false", false)])?),
            "error-type" => status.error_type = Some(self.name_value()?),
            "error-code" => status.error_code = Some(self.name_value()?),
            _ => {
                status.body = self.choice(&[
                    ("json", ErrorBody::Json),
                    ("html", ErrorBody::Html),
                    ("empty", ErrorBody::Empty),
                ])?;
            }
        }
        Ok(())
    }

    /// The complaint: how the word is to be written.
    fn wrong(&self) -> NotAFault {
        let name = &self.0.name;
        let takes = Fault::WORDS.iter().find(|(word, ..)| word == name).map_or("", |(_, takes, _)| *takes);
        let places = if takes.contains("PLACE") {
            "; a PLACE is headers, event=K, event=K..L, byte=K, byte=K..L or after=NAME"
        } else {
            ""
        };
        NotAFault(format!("`{}` is not how `{name}` is written: {name}{takes}{places}", shown(self.0)))
    }

    fn value(&self) -> Result<&str, NotAFault> {
        self.0.value.as_deref().ok_or_else(|| self.wrong())
    }

    fn valueless(&self) -> Result<(), NotAFault> {
        if self.0.value.is_some() { Err(self.wrong()) } else { Ok(()) }
    }

    fn placeless(&self) -> Result<(), NotAFault> {
        if self.0.place.is_some() { Err(self.wrong()) } else { Ok(()) }
    }

    fn plain(&self, fault: Fault) -> Result<Fault, NotAFault> {
        self.valueless()?;
        self.placeless()?;
        Ok(fault)
    }

    fn choice<T: Copy>(&self, choices: &[(&str, T)]) -> Result<T, NotAFault> {
        self.placeless()?;
        let value = self.value()?;
        choices.iter().find(|(name, _)| *name == value).map(|(_, choice)| *choice).ok_or_else(|| self.wrong())
    }

    fn number(&self, range: RangeInclusive<u64>) -> Result<u64, NotAFault> {
        self.placeless()?;
        self.number_placed(range)
    }

    fn number_placed(&self, range: RangeInclusive<u64>) -> Result<u64, NotAFault> {
        self.value()?.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| self.wrong())
    }

    fn decimal(&self, range: RangeInclusive<f64>) -> Result<f64, NotAFault> {
        self.placeless()?;
        self.value()?.parse().ok().filter(|number| range.contains(number)).ok_or_else(|| self.wrong())
    }

    fn size(&self) -> Result<usize, NotAFault> {
        usize::try_from(self.number_placed(1..=MOST_BYTES)?).map_err(|_| self.wrong())
    }

    fn duration(&self) -> Result<Option<Duration>, NotAFault> {
        let span = self.0.value.as_deref().map(str::parse::<span::Span>).transpose();
        span.map(|span| span.map(|span| span.0)).map_err(|_| self.wrong())
    }

    /// A type, an error code: letters of identifiers only.
    fn name_value(&self) -> Result<String, NotAFault> {
        let value = self.value()?;
        if is_name(value) { Ok(value.to_owned()) } else { Err(self.wrong()) }
    }

    fn placed(&self) -> Result<Place, NotAFault> {
        let text = self.0.place.as_deref().ok_or_else(|| self.wrong())?;
        place(text).ok_or_else(|| self.wrong())
    }

    fn anywhere(&self) -> Result<Place, NotAFault> {
        self.valueless()?;
        self.placed()
    }

    fn in_body(&self) -> Result<Place, NotAFault> {
        self.valueless()?;
        self.in_body_valued()
    }

    fn in_body_valued(&self) -> Result<Place, NotAFault> {
        Some(self.placed()?).filter(|place| *place != Place::Headers).ok_or_else(|| self.wrong())
    }

    fn in_stream(&self) -> Result<Place, NotAFault> {
        let between = |place: &Place| matches!(place, Place::Event(_) | Place::After(_));
        Some(self.placed()?).filter(between).ok_or_else(|| self.wrong())
    }

    fn numbered(&self) -> Result<Place, NotAFault> {
        Some(self.placed()?).filter(|place| matches!(place, Place::Event(_))).ok_or_else(|| self.wrong())
    }

    fn which(&self) -> Result<Which, NotAFault> {
        match (&self.0.value, &self.0.place) {
            (Some(name), None) if EVENT_NAMES.contains(&name.as_str()) => Ok(Which::Named(name.clone())),
            (Some(name), None) => {
                Err(NotAFault(format!("there is no event `{name}`{}", hint(name, EVENT_NAMES.into_iter()))))
            }
            (None, Some(_)) => match self.numbered()? {
                Place::Event(span) => Ok(Which::Numbered(span)),
                _ => Err(self.wrong()),
            },
            _ => Err(self.wrong()),
        }
    }
}

fn place(text: &str) -> Option<Place> {
    if text == "headers" {
        return Some(Place::Headers);
    }
    let (kind, value) = text.split_once('=')?;
    match kind.trim() {
        "event" => Some(Place::Event(range(value.trim())?)),
        "byte" => Some(Place::Byte(range(value.trim())?)),
        "after" if is_name(value.trim()) => Some(Place::After(value.trim().to_owned())),
        _ => None,
    }
}

fn range(text: &str) -> Option<Pick> {
    let (from, to) = text.split_once("..").unwrap_or((text, text));
    let span = Pick { from: from.parse().ok()?, to: to.parse().ok()? };
    (span.from <= span.to).then_some(span)
}

fn is_name(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= 64
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '-')
}

fn shown(word: &Word) -> String {
    let mut text = word.name.clone();
    if let Some(value) = &word.value {
        text.push('=');
        text.push_str(&quoted(value));
    }
    if let Some(place) = &word.place {
        text.push('@');
        text.push_str(place);
    }
    text
}

impl fmt::Display for Faults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, clause) in self.clauses.iter().enumerate() {
            write!(f, "{}{clause}", if at == 0 { "" } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Clause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, fault) in self.faults.iter().enumerate() {
            write!(f, "{}{fault}", if at == 0 { "" } else { "," })?;
        }
        if let Some(times) = self.times {
            write!(f, ",times={times}")?;
        }
        if let Some(rate) = self.rate {
            write!(f, ",rate={rate}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Status(status) => write!(f, "{status}"),
            Self::Body(WrongBody::Json) => f.write_str("body=json"),
            Self::Body(WrongBody::Html) => f.write_str("body=html"),
            Self::Body(WrongBody::Empty) => f.write_str("body=empty"),
            Self::Fin(place) => write!(f, "fin@{place}"),
            Self::Rst(place) => write!(f, "rst@{place}"),
            Self::End(place) => write!(f, "end@{place}"),
            Self::Stall { span, pings, place } => {
                f.write_str(if *pings { "ping-stall" } else { "stall" })?;
                if let Some(span) = span {
                    write!(f, "={}", span::Span(*span))?;
                }
                write!(f, "@{place}")
            }
            Self::Error { kind, place } => write!(f, "error={kind}@{place}"),
            Self::Garbage { bytes, place } => write!(f, "garbage={bytes}@{place}"),
            Self::NotJson(place) => write!(f, "not-json@{place}"),
            Self::Huge { bytes, place } => write!(f, "huge={bytes}@{place}"),
            Self::Drop(which) => write!(f, "drop{which}"),
            Self::Duplicate(which) => write!(f, "duplicate{which}"),
            Self::TwoMessages => f.write_str("two-messages"),
            Self::Repeat { times, place } => write!(f, "repeat={times}@{place}"),
            Self::Unknown(Unknown::Event) => f.write_str("unknown=event"),
            Self::Unknown(Unknown::Block) => f.write_str("unknown=block"),
            Self::Unknown(Unknown::Delta) => f.write_str("unknown=delta"),
            Self::Unknown(Unknown::StopReason) => f.write_str("unknown=stop_reason"),
            Self::NoUsage => f.write_str("no-usage"),
            Self::NoNames => f.write_str("no-names"),
            Self::WrongNames => f.write_str("wrong-names"),
            Self::Lines(Lines::CrLf) => f.write_str("lines=crlf"),
            Self::Lines(Lines::Cr) => f.write_str("lines=cr"),
            Self::Bom => f.write_str("bom"),
            Self::Comments => f.write_str("comments"),
            Self::Writes(bytes) => write!(f, "writes={bytes}"),
            Self::Drip(rate) => write!(f, "drip={rate}"),
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status={}", self.code)?;
        let body = match self.body {
            ErrorBody::Json => None,
            ErrorBody::Html => Some("html".to_owned()),
            ErrorBody::Empty => Some("empty".to_owned()),
        };
        for (name, value) in [
            ("retry-after", self.retry_after.clone()),
            ("retry-after-ms", self.retry_after_ms.clone()),
            ("should-retry", self.should_retry.map(|retry| retry.to_string())),
            ("error-type", self.error_type.clone()),
            ("error-code", self.error_code.clone()),
            ("error-body", body),
        ] {
            if let Some(value) = value {
                write!(f, ",{name}={}", quoted(&value))?;
            }
        }
        Ok(())
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Headers => f.write_str("headers"),
            Self::Event(span) => write!(f, "event={span}"),
            Self::Byte(span) => write!(f, "byte={span}"),
            Self::After(name) => write!(f, "after={name}"),
        }
    }
}

impl fmt::Display for Pick {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.from == self.to {
            write!(f, "{}", self.from)
        } else {
            write!(f, "{}..{}", self.from, self.to)
        }
    }
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Named(name) => write!(f, "={name}"),
            Self::Numbered(span) => write!(f, "@event={span}"),
        }
    }
}

#[cfg(test)]
mod tests;
