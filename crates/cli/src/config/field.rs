//! The kinds of settings: what each allows, in words, how it is read, and how it is shown.

use std::net::SocketAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use perennial_gateway::{Guard, OnClock, OnDisconnect};
use perennial_log::Durability;
use perennial_sim::Pace;

use super::secret::Secret;
use super::value::Value;
use crate::listen;
use crate::logging::{Filter, Format};

/// What a number may be; of spans, in seconds.
pub(crate) type Range = RangeInclusive<f64>;

/// The kind of a setting.
pub(crate) trait Field: Sized {
    /// What is allowed, in words.
    fn allowed(range: &Range) -> String;
    fn read(value: &Value<'_>, range: &Range) -> Option<Self>;
    /// As TOML; nothing where nothing is set.
    fn show(&self) -> Option<String>;
}

/// The address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Url(pub(crate) String);

/// An origin of web pages.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Origin(pub(crate) String);

/// Whole numbers.
macro_rules! whole {
    ($($number:ty),*) => {$(
        impl Field for $number {
            fn allowed(range: &Range) -> String {
                format!("a whole number from {} to {}", range.start(), most(range))
            }

            fn read(value: &Value<'_>, range: &Range) -> Option<Self> {
                let number = value.whole()?;
                #[expect(clippy::cast_precision_loss, reason = "the ends of ranges are small")]
                let fits = range.contains(&(number as f64));
                Self::try_from(number).ok().filter(|_| fits)
            }

            fn show(&self) -> Option<String> {
                Some(self.to_string())
            }
        }
    )*};
}

whole!(usize, u64, u32);

fn most(range: &Range) -> String {
    range.end().to_string()
}

/// Kinds with few values: each with its word.
macro_rules! words {
    ($($kind:ty { $($word:literal => $value:path),* })*) => {$(
        impl Field for $kind {
            fn allowed(_: &Range) -> String {
                [$(concat!("`", $word, "`")),*].join(", ")
            }

            fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
                match value.text()? {
                    $($word => Some($value),)*
                    _ => None,
                }
            }

            fn show(&self) -> Option<String> {
                match self {
                    $($value => Some(concat!("\"", $word, "\"").to_owned()),)*
                }
            }
        }
    )*};
}

words! {
    OnClock { "recover" => Self::Recover, "fall_back" => Self::FallBack, "fail" => Self::Fail }
    Guard { "off" => Self::Off, "conversations" => Self::Conversations, "warn" => Self::Warn, "stop" => Self::Stop }
    Format { "text" => Self::Text, "json" => Self::Json }
    Durability { "memory" => Self::Memory, "process" => Self::Process, "always" => Self::Always }
}

impl Field for bool {
    fn allowed(_: &Range) -> String {
        "`true` or `false`".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        value.flag()
    }

    fn show(&self) -> Option<String> {
        Some(self.to_string())
    }
}

impl Field for f64 {
    fn allowed(range: &Range) -> String {
        format!("a number from {} to {}", range.start(), most(range))
    }

    fn read(value: &Value<'_>, range: &Range) -> Option<Self> {
        value.number().filter(|number| range.contains(number))
    }

    fn show(&self) -> Option<String> {
        Some(format!("{self:?}"))
    }
}

impl Field for Duration {
    fn allowed(range: &Range) -> String {
        let zero = if *range.start() > 0.0 { ", above 0" } else { "" };
        format!("a time such as \"15s\", \"500ms\" or \"10m\", or a number of seconds{zero}, at most a year")
    }

    fn read(value: &Value<'_>, range: &Range) -> Option<Self> {
        value.span().filter(|span| range.contains(&span.as_secs_f64()))
    }

    fn show(&self) -> Option<String> {
        let milliseconds = self.as_millis();
        Some(match (milliseconds % 1000, milliseconds / 1000) {
            (0, seconds) if seconds > 0 && seconds % 3600 == 0 => format!("\"{}h\"", seconds / 3600),
            (0, seconds) if seconds > 0 && seconds % 60 == 0 => format!("\"{}m\"", seconds / 60),
            (0, seconds) => format!("\"{seconds}s\""),
            _ => format!("\"{milliseconds}ms\""),
        })
    }
}

/// A clock that may never ring.
impl Field for Option<Duration> {
    fn allowed(range: &Range) -> String {
        format!("{}, or \"never\"", Duration::allowed(range))
    }

    fn read(value: &Value<'_>, range: &Range) -> Option<Self> {
        match value.text() {
            Some("never") => Some(None),
            _ => Duration::read(value, range).map(Some),
        }
    }

    fn show(&self) -> Option<String> {
        self.map_or_else(|| Some("\"never\"".to_owned()), |span| span.show())
    }
}

impl Field for SocketAddr {
    fn allowed(_: &Range) -> String {
        "HOST:PORT, such as \"127.0.0.1:8787\"".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        listen::address(value.text()?).ok()
    }

    fn show(&self) -> Option<String> {
        Some(format!("\"{self}\""))
    }
}

impl Field for OnDisconnect {
    fn allowed(_: &Range) -> String {
        "`cancel`, `grace=SECONDS` (a whole number) or `detach`".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        value.text()?.parse().ok()
    }

    fn show(&self) -> Option<String> {
        Some(format!("\"{self}\""))
    }
}

impl Field for Filter {
    fn allowed(_: &Range) -> String {
        "a level (`error`, `warn`, `info`, `debug`, `trace` or `off`), or levels of parts such as \"warn,perennial_gateway=info\"".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        Self::read(value.text()?)
    }

    fn show(&self) -> Option<String> {
        self.as_str().to_owned().show()
    }
}

/// A text with something in it.
impl Field for String {
    fn allowed(_: &Range) -> String {
        "a text".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        value.text().filter(|text| !text.trim().is_empty()).map(str::to_owned)
    }

    fn show(&self) -> Option<String> {
        Some(toml::Value::String(self.clone()).to_string())
    }
}

impl Field for Url {
    fn allowed(_: &Range) -> String {
        "an address such as https://api.anthropic.com, without a query or a user name".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        let text = value.text()?.trim();
        let url = reqwest::Url::parse(text).ok()?;
        let is_plain = url.query().is_none() && url.username().is_empty() && url.password().is_none();
        let is_web = matches!(url.scheme(), "http" | "https") && url.has_host();
        (is_plain && is_web).then(|| Self(text.to_owned()))
    }

    fn show(&self) -> Option<String> {
        self.0.show()
    }
}

impl Field for Vec<Origin> {
    fn allowed(_: &Range) -> String {
        "a list of origins such as \"https://app.example\", without a path".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        let is_origin = |text: &&str| {
            reqwest::Url::parse(text).is_ok_and(|url| url.origin().ascii_serialization() == *text)
        };
        let texts = value.texts()?;
        texts.iter().all(is_origin).then(|| texts.into_iter().map(|text| Origin(text.to_owned())).collect())
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl Field for Vec<String> {
    fn allowed(_: &Range) -> String {
        "a list of texts".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        let texts = value.texts()?.into_iter().map(|text| text.trim().to_owned()).collect::<Vec<_>>();
        (!texts.iter().any(String::is_empty)).then_some(texts)
    }

    fn show(&self) -> Option<String> {
        None
    }
}

impl Field for Vec<Secret> {
    fn allowed(_: &Range) -> String {
        "a list of secrets: each as it is, or \"env:NAME\", or \"file:PATH\"".to_owned()
    }

    fn read(value: &Value<'_>, _: &Range) -> Option<Self> {
        value.texts()?.into_iter().map(|text| Secret::read(text, value.folder, value.at)).collect()
    }

    fn show(&self) -> Option<String> {
        None
    }
}

/// Kinds of which nothing may be set.
macro_rules! optional {
    ($($kind:ty, $allowed:expr, |$value:ident| $read:expr;)*) => {$(
        impl Field for Option<$kind> {
            fn allowed(_: &Range) -> String {
                $allowed.to_owned()
            }

            fn read($value: &Value<'_>, _: &Range) -> Option<Self> {
                $read.map(Some)
            }

            fn show(&self) -> Option<String> {
                None
            }
        }
    )*};
}

optional! {
    Secret, "a secret: as it is, or \"env:NAME\", or \"file:PATH\"", |value| Secret::read(value.text()?, value.folder, value.at);
    Url, Url::allowed(&(0.0..=0.0)), |value| Field::read(value, &(0.0..=0.0));
    String, "a text", |value| value.text().filter(|text| !text.trim().is_empty()).map(str::to_owned);
    PathBuf, "a path", |value| value.text().filter(|text| !text.is_empty()).map(|path| value.folder.join(path));
    u64, "a whole number", |value| value.whole();
    Pace, "`real`, `instant`, or words such as `ttft=1s,tps=20,jitter=0.5,burst=4,ping=5s`", |value| value.text()?.parse().ok();
}
