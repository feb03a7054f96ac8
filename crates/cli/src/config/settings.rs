//! The table of all settings. What is read, what is said about it and the example all come from here.

use std::path::Path;

use super::field::{Field, Range};
use super::value::{Value, Written};
use super::wrong::Wrong;
use super::{Config, Upstream};

/// A row of the table.
pub(crate) struct Setting<T> {
    /// `section.key`, or only a key.
    pub(crate) path: &'static str,
    /// What it means, for people.
    pub(crate) doc: &'static str,
    /// A value for the example where nothing is set by default.
    pub(crate) sample: &'static str,
    /// Its variable of the environment, where that is not named after the path.
    variable: Option<&'static str>,
    /// It counts at the start only.
    pub(crate) at_start: bool,
    range: Range,
    allowed: fn(&Range) -> String,
    read: fn(&mut T, &Value<'_>, &Range) -> Option<()>,
    show: fn(&T) -> Option<String>,
    same: fn(&T, &T) -> bool,
}

/// A row: where its place in the type is, it is read to and shown from.
macro_rules! setting {
    ($type:ty: $path:literal, $doc:literal, $($field:tt).+) => {
        Setting::<$type> {
            path: $path,
            doc: $doc,
            sample: "",
            variable: None,
            at_start: false,
            range: COUNT,
            allowed: kind::<$type, _>(|config| &config.$($field).+),
            read: |config, value, range| {
                config.$($field).+ = Field::read(value, range)?;
                Some(())
            },
            show: |config| config.$($field).+.show(),
            same: |one, other| one.$($field).+ == other.$($field).+,
        }
    };
}

const fn kind<T, F: Field>(_: fn(&T) -> &F) -> fn(&Range) -> String {
    F::allowed
}

/// Numbers of things.
const COUNT: Range = 1.0..=1e12;
const FROM_ZERO: Range = 0.0..=1e12;
const SHARE: Range = 0.01..=1.0;
/// Times, in seconds.
const SPAN: Range = 0.001..=YEAR;
const MAYBE_NO_TIME: Range = 0.0..=YEAR;
const YEAR: f64 = 366.0 * 86_400.0;

macro_rules! config {
    ($path:literal, $doc:literal, $($field:tt).+) => { setting!(Config: $path, $doc, $($field).+) };
}

/// Of `[[upstream]]`, of which there may be several.
#[rustfmt::skip]
pub(crate) const UPSTREAM: &[Setting<Upstream>] = &[
    setting!(Upstream: "name", "A name for people; each has its own.", name),
    setting!(Upstream: "url", "Where it is, without /v1.", url),
    setting!(Upstream: "key", "The key that goes up in place of the clients', as x-api-key.", key).sample("\"env:ANTHROPIC_API_KEY\""),
    setting!(Upstream: "token", "The same as a token, for Authorization: Bearer. One of the two.", token).sample("\"file:token.txt\""),
    setting!(Upstream: "order", "Those of a lower order are asked first, the others where they fail.", order).range(FROM_ZERO),
    setting!(Upstream: "weight", "Its share among those of the same order; with 0 it is asked only where those fail.", weight).range(FROM_ZERO),
    setting!(Upstream: "models", "The models that it is for, with * at the end for all that begin so; without any, all.", models).sample("[\"claude-*\"]"),
];

/// All the others.
#[rustfmt::skip]
pub(crate) const SETTINGS: &[Setting<Config>] = &[
    config!("listen", "Where to listen; port 0 takes any free port.", listen).at_start(),
    config!("client_keys", "Keys of which clients must show one. Needed to listen beyond this machine.", client_keys).sample("[\"env:TEAM_KEY\", \"file:keys/other-team\"]"),
    config!("operator_keys", "Keys that may also read and stop the streams of all others.", operator_keys).sample("[\"env:OPERATOR_KEY\"]"),
    config!("allow_origins", "Origins whose web pages may ask.", allow_origins).sample("[\"https://app.example\"]"),
    config!("on_disconnect", "What becomes of the stream of a client that goes: cancel, grace=SECONDS or detach. A request may say otherwise.", on_disconnect),

    config!("store.data", "The folder for streams; without it `perennial` in the system's folder for data.", store.data).at_start().variable("PERENNIAL_DATA").sample("\"data\""),
    config!("store.durability", "What a stream survives: memory nothing, process the end of this process, always power cuts too.", store.durability).at_start().variable("PERENNIAL_DURABILITY"),
    config!("store.retention", "How long a stream is kept after it was made.", store.retention).at_start().variable("PERENNIAL_RETENTION").range(3600.0..=YEAR),

    config!("ledger.url", "Where every attempt is written down and virtual keys are; without it `ledger.db` in the folder for data.", ledger.url).at_start().variable("PERENNIAL_LEDGER").sample("\"env:LEDGER_URL\""),
    config!("ledger.prices", "A file of prices over those that come with this version.", ledger.prices).variable("PERENNIAL_PRICES").sample("\"prices.toml\""),

    config!("conversations.url", "Where conversations are kept; without it `conversations.db` in the folder for data.", conversations.url).at_start().variable("PERENNIAL_CONVERSATIONS").sample("\"env:CONVERSATIONS_URL\""),
    config!("conversations.fetch_hosts", "Hosts from which the tool fetch may fetch, *.example.com for all below one; without any it fetches nothing.", conversations.fetch_hosts).sample("[\"docs.example.com\"]"),

    config!("clocks.header_read", "For the head of a request.", clocks.header_read).range(SPAN),
    config!("clocks.body_read", "For the next piece of a request's body.", clocks.body_read).range(SPAN),
    config!("clocks.body", "For the whole body of a request.", clocks.body).range(SPAN),
    config!("clocks.reader", "For a client that takes nothing of what is sent to it.", clocks.reader).range(SPAN),
    config!("clocks.connect", "For a connection to an upstream.", clocks.connect).range(SPAN),
    config!("clocks.first_byte", "From the request to the head of the upstream's answer.", clocks.first_byte).range(SPAN),
    config!("clocks.silence", "For the next byte of an answer, pings included.", clocks.silence).range(SPAN),
    config!("clocks.progress", "For the next piece of the answer itself; pings do not count.", clocks.progress).range(SPAN),
    config!("clocks.floor", "In which a text has to grow by limits.floor while it is written; without it no text is too slow.", clocks.floor).range(SPAN),
    config!("clocks.total", "From the request to the end of the answer, all attempts together.", clocks.total).range(SPAN),
    config!("clocks.early_open", "Until an answer is opened towards the client although no upstream has answered yet.", clocks.early_open).range(MAYBE_NO_TIME),
    config!("clocks.ping", "After so much silence towards the client a ping is sent.", clocks.ping).range(SPAN),
    config!("clocks.linger", "From the last event of a stream to the end of its body.", clocks.linger).range(MAYBE_NO_TIME),
    config!("clocks.drain", "That running streams get to end once the service is to stop.", clocks.drain).range(MAYBE_NO_TIME),

    config!("limits.body", "Bytes of a request's body.", limits.body.0),
    config!("limits.connections", "Connections of clients.", limits.connections.0),
    config!("limits.streams", "Streams that run at once.", limits.streams.0),
    config!("limits.streams_per_key", "Streams of one key that run at once.", limits.streams_per_key.0),
    config!("limits.readers", "Readers of one stream that runs.", limits.readers.0),
    config!("limits.unread", "How long a stream runs that nobody reads, whatever its policy.", limits.unread.0).range(MAYBE_NO_TIME),
    config!("limits.grace", "The longest grace that a request may ask for.", limits.grace.0).range(MAYBE_NO_TIME),
    config!("limits.detached_tokens", "The largest max_tokens of a request that is detached.", limits.detached_tokens.0),
    config!("limits.floor", "The least tokens of a text in each span of clocks.floor.", limits.floor.0),

    config!("recovery.enabled", "Whether an answer that breaks is gone on with.", recovery.enabled).variable("PERENNIAL_RECOVERY"),
    config!("recovery.hops", "How often one answer is gone on with.", recovery.how.hops.0).range(FROM_ZERO),
    config!("recovery.tokens", "Tokens that all attempts for one answer may come to, for another one to go on with it.", recovery.how.tokens.0).range(FROM_ZERO),
    config!("recovery.on_first_byte", "Where the clock first_byte rings: recover asks again, fall_back another upstream, fail ends the stream.", recovery.how.on_first_byte),
    config!("recovery.on_silence", "The same for the clock silence.", recovery.how.on_silence),
    config!("recovery.on_progress", "The same for the clock progress.", recovery.how.on_progress),
    config!("recovery.on_floor", "The same for the clock floor.", recovery.how.on_floor),

    config!("retry.max_retries", "How often each upstream is asked again where readers have nothing of the answer.", recovery.how.retries.max_retries).range(FROM_ZERO),
    config!("retry.first_delay", "The wait before the first time; twice as long before each other.", recovery.how.retries.first_delay).range(MAYBE_NO_TIME),
    config!("retry.max_delay", "Where the doubling ends.", recovery.how.retries.max_delay).range(MAYBE_NO_TIME),
    config!("retry.max_retry_after", "The longest wait that an upstream may ask for.", recovery.how.retries.max_retry_after.0).range(MAYBE_NO_TIME),
    config!("retry.share", "Further attempts allowed for each request.", recovery.how.budget.share).range(FROM_ZERO),
    config!("retry.per_second", "Further attempts allowed for each second.", recovery.how.budget.per_second).range(FROM_ZERO),
    config!("retry.reserve", "The most of them that is saved up.", recovery.how.budget.reserve).range(FROM_ZERO),

    config!("breaker.window", "Over which time attempts are counted.", breaker.window).range(SPAN),
    config!("breaker.min_attempts", "So many must have ended within it for a breaker to open.", breaker.min_attempts),
    config!("breaker.failure_rate", "This share of them must have failed.", breaker.failure_rate).range(SHARE),
    config!("breaker.cooldown", "How long it stays open at first; twice as long after each probe that fails.", breaker.cooldown).range(SPAN),
    config!("breaker.max_cooldown", "Where the doubling ends.", breaker.max_cooldown).range(SPAN),

    config!("fallback.answer", "A text that stands in for an answer when no upstream gives one.", fallback.answer).sample("\"We cannot answer at the moment.\""),
    config!("fallback.cache", "Whether the answer that the same key got for the identical request stands in before it.", fallback.cache),
    config!("fallback.max_age", "How old that answer may be.", fallback.policy.max_age).range(MAYBE_NO_TIME),
    config!("fallback.answers", "How many answers are remembered for it.", fallback.policy.answers.0),
    config!("fallback.bytes", "The largest answer that stands in, in bytes of its events.", fallback.policy.bytes.0),

    config!("guard.repetition", "What is done about an answer that goes round in circles: off, warn or stop; conversations is warn in the gateway's own conversations, off elsewhere.", guard).variable("PERENNIAL_GUARD"),

    config!("log.format", "What a line of the log is, on standard error: text or json.", log.format).at_start(),
    config!("log.filter", "How much is logged: a level, or levels of parts, such as warn,perennial_gateway=info.", log.filter).at_start().variable("PERENNIAL_LOG"),

    config!("trace.endpoint", "A collector that takes OTLP over HTTP; without one no traces are made. Where it has no path, /v1/traces is put behind it.", trace.endpoint).at_start().variable("OTEL_EXPORTER_OTLP_ENDPOINT").sample("\"http://127.0.0.1:4318\""),
    config!("trace.service_name", "What this service is called there.", trace.service_name).at_start().variable("OTEL_SERVICE_NAME"),
    config!("trace.authorization", "The header `authorization` for it.", trace.authorization).at_start().sample("\"env:COLLECTOR_TOKEN\""),

    config!("simulator.replay", "Answer model replay:NAME with the bytes of NAME.sse in this folder.", simulator.replay).at_start().sample("\"recordings\""),
    config!("simulator.seed", "Same seed, same answers, waits and faults.", simulator.seed).at_start().sample("7"),
    config!("simulator.pace", "How fast it answers.", simulator.pace).at_start().sample("\"instant\""),
    config!("simulator.orders", "Faults and manners of every answer, in the words of the header perennial-sim.", simulator.orders).at_start().sample("\"drop@event=12\""),
    config!("simulator.scenario", "Scripted answers, rules and faults.", simulator.scenario).at_start().sample("\"scenario.toml\""),
];

/// Sections, with what they are for.
pub(crate) const SECTIONS: &[(&str, &str)] = &[
    (
        "upstream",
        "Where requests go; repeat it for more. Without one: the Claude API if there is a key in the environment, else the embedded simulator.",
    ),
    ("store", "Where streams are kept."),
    ("ledger", "What streams cost, and who may spend."),
    ("conversations", "What the chat and its programs keep."),
    ("clocks", "How long is waited for what."),
    ("limits", "How much is taken on."),
    ("recovery", "What is done about answers that break."),
    ("retry", "Attempts that fail before readers have anything of the answer."),
    ("breaker", "When an upstream that keeps failing for a model is left alone."),
    ("fallback", "What stands in for an answer."),
    ("guard", "What is watched for."),
    (
        "log",
        "What is said of the service itself. Lines about a stream have its id; none has content, and none a key.",
    ),
    ("trace", "Each stream, once it has ended, as spans for OpenTelemetry; without content."),
    ("simulator", "The embedded simulator, where it answers."),
];

impl<T> Setting<T> {
    const fn sample(mut self, sample: &'static str) -> Self {
        self.sample = sample;
        self
    }

    const fn range(mut self, range: Range) -> Self {
        self.range = range;
        self
    }

    const fn at_start(mut self) -> Self {
        self.at_start = true;
        self
    }

    const fn variable(mut self, variable: &'static str) -> Self {
        self.variable = Some(variable);
        self
    }

    /// Its section and its name in it.
    pub(crate) fn place(&self) -> (&'static str, &'static str) {
        self.path.split_once('.').unwrap_or(("", self.path))
    }

    /// Its variable of the environment.
    pub(crate) fn variable_name(&self) -> String {
        self.variable.map_or_else(
            || format!("PERENNIAL_{}", self.path.replace('.', "_").to_uppercase()),
            str::to_owned,
        )
    }

    /// Sets it, or says what would be allowed; never what was there instead, which may be a secret in the wrong place.
    pub(crate) fn set(&self, to: &mut T, value: &Value<'_>) -> Result<(), Wrong> {
        (self.read)(to, value, &self.range)
            .ok_or_else(|| Wrong::new(value.at, format!("it must be {}", (self.allowed)(&self.range))))
    }

    /// As TOML; nothing where nothing is set.
    pub(crate) fn show(&self, of: &T) -> Option<String> {
        (self.show)(of)
    }
}

/// Takes what the environment says over what is there.
pub(crate) fn environment(
    config: &mut Config,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<(), Vec<Wrong>> {
    let mut wrongs = Vec::new();
    for setting in SETTINGS {
        let name = setting.variable_name();
        let Some(text) = variable(&name).filter(|text| !text.trim().is_empty()) else { continue };
        let value = Value { written: Written::Text(&text), folder: Path::new(""), at: &name };
        wrongs.extend(setting.set(config, &value).err());
    }
    if wrongs.is_empty() { Ok(()) } else { Err(wrongs) }
}

/// The settings that differ and count at the start only.
pub(crate) fn changed_at_start(one: &Config, other: &Config) -> Vec<&'static str> {
    let changed = SETTINGS.iter().filter(|setting| setting.at_start && !(setting.same)(one, other));
    changed.map(|setting| setting.path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_has_a_section_a_doc_and_a_value_that_is_allowed() {
        for setting in SETTINGS {
            let (section, _) = setting.place();
            assert!(section.is_empty() || SECTIONS.iter().any(|(name, _)| *name == section), "{section}");
            assert!(setting.doc.ends_with('.'), "{}", setting.path);
            let default = setting.show(&Config::default());
            assert_eq!(default.is_none(), !setting.sample.is_empty(), "{}", setting.path);
        }
    }

    #[test]
    fn the_environment_is_heard_and_held_to_the_same() {
        let said = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(own, _)| *own == name).map(|(_, text)| (*text).to_owned())
        };
        let mut config = Config::default();
        let right = said(&[
            ("PERENNIAL_CLOCKS_PING", "20"),
            ("PERENNIAL_CLOCKS_TOTAL", "10m"),
            ("PERENNIAL_CLIENT_KEYS", "one, two"),
            ("PERENNIAL_RECOVERY", "off"),
            ("PERENNIAL_RETRY_SHARE", "0.5"),
            ("PERENNIAL_LIMITS_STREAMS", ""),
        ]);
        environment(&mut config, right).unwrap();
        assert_eq!(config.clocks.ping.as_secs(), 20);
        assert_eq!(config.clocks.total.map(|total| total.as_secs()), Some(600));
        assert_eq!(config.client_keys.len(), 2);
        assert!(!config.recovery.enabled);
        let wrong = said(&[("PERENNIAL_CLOCKS_PING", "soon"), ("PERENNIAL_LIMITS_STREAMS", "0")]);
        let wrongs = environment(&mut config, wrong).unwrap_err();
        assert!(wrongs[0].to_string().starts_with("PERENNIAL_CLOCKS_PING: it must be a time such as"));
        assert!(wrongs[1].to_string().contains("a whole number from 1"));
    }
}
