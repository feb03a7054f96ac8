//! The file: where it is, and what it says. All that is wrong with it is told at once, each with its line.

use std::path::{Path, PathBuf};

use toml::de::{DeTable, DeValue};

use super::settings::{SECTIONS, SETTINGS, Setting, UPSTREAM, environment};
use super::value::{Value, Written};
use super::wrong::{Wrong, Wrongs};
use super::{Config, Upstream};

/// The name that is looked for where none is given.
const NAME: &str = "perennial.toml";
/// A file of settings is not larger.
const MOST_BYTES: u64 = 1024 * 1024;

/// A file that is used.
#[derive(Clone, Debug)]
pub(crate) struct File(PathBuf);

/// Its text, with what is wrong so far.
struct Reading<'a> {
    name: String,
    folder: &'a Path,
    text: &'a str,
    wrongs: Vec<Wrong>,
}

type Table<'a> = DeTable<'a>;

/// The file that was named, else the one of this folder, if it is there.
pub(crate) fn find(named: Option<&Path>) -> Option<File> {
    match named.filter(|file| !file.as_os_str().is_empty()) {
        Some(file) => Some(File(file.to_owned())),
        None => Path::new(NAME).is_file().then(|| File(NAME.into())),
    }
}

/// The defaults, over them the file, over them the environment.
pub(crate) fn read(file: Option<&File>) -> Result<Config, Wrongs> {
    let mut config = Config::default();
    let mut wrongs = match file {
        Some(file) => file.read(&mut config).err().unwrap_or_default(),
        None => Vec::new(),
    };
    wrongs.extend(environment(&mut config, |name| std::env::var(name).ok()).err().unwrap_or_default());
    if wrongs.is_empty() { Ok(config) } else { Err(Wrongs(wrongs)) }
}

impl File {
    pub(crate) fn name(&self) -> String {
        self.0.display().to_string()
    }

    /// The folder that its paths are relative to.
    fn folder(&self) -> &Path {
        self.0.parent().unwrap_or(Path::new(""))
    }

    fn read(&self, config: &mut Config) -> Result<(), Vec<Wrong>> {
        let unreadable = |what: String| vec![Wrong::new(self.name(), what)];
        let large =
            || unreadable(format!("it is larger than {MOST_BYTES} bytes, which is no file of settings"));
        match std::fs::metadata(&self.0) {
            Ok(file) if file.len() > MOST_BYTES => return Err(large()),
            _ => {}
        }
        let text = std::fs::read_to_string(&self.0)
            .map_err(|error| unreadable(format!("it cannot be read: {error}")))?;
        take(config, &text, &self.name(), self.folder())
    }
}

/// Takes what a text says over what is there.
pub(super) fn take(config: &mut Config, text: &str, name: &str, folder: &Path) -> Result<(), Vec<Wrong>> {
    let mut reading = Reading { name: name.to_owned(), folder, text, wrongs: Vec::new() };
    match DeTable::parse(text) {
        Ok(table) => reading.document(config, table.get_ref()),
        // Its own text shows the line, which may have a secret in it.
        Err(error) => {
            let at = reading.at(error.span().map_or(0, |span| span.start));
            reading.wrongs.push(Wrong::new(at, error.message()));
        }
    }
    if reading.wrongs.is_empty() { Ok(()) } else { Err(reading.wrongs) }
}

impl Reading<'_> {
    /// `file:line` of a byte.
    fn at(&self, byte: usize) -> String {
        let before = &self.text.as_bytes()[..byte.min(self.text.len())];
        format!("{}:{}", self.name, before.iter().filter(|byte| **byte == b'\n').count() + 1)
    }

    fn wrong(&mut self, byte: usize, path: &str, what: String) {
        let at = format!("{}: {path}", self.at(byte));
        self.wrongs.push(Wrong::new(at, what));
    }

    fn document(&mut self, config: &mut Config, table: &Table<'_>) {
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            match (name, value.get_ref()) {
                ("upstream", DeValue::Array(upstreams)) => {
                    for upstream in upstreams {
                        match upstream.get_ref() {
                            DeValue::Table(table) => {
                                self.upstream(config, table, upstream.span().start.max(at));
                            }
                            _ => self.wrong(at, name, "it is written as [[upstream]]".to_owned()),
                        }
                    }
                }
                ("upstream", _) => {
                    self.wrong(at, name, "it is written with two brackets, [[upstream]]".to_owned());
                }
                (_, DeValue::Table(section)) if is_section(name) => {
                    let own = SETTINGS.iter().filter(|setting| setting.place().0 == name);
                    self.section(config, section, name, &own.collect::<Vec<_>>());
                }
                _ if is_section(name) => self.wrong(at, name, format!("it is a section, [{name}]")),
                (_, written) => match SETTINGS.iter().find(|setting| setting.path == name) {
                    Some(setting) => self.set(config, setting, written, at, name),
                    None => self.unknown(at, name, "", &top_names()),
                },
            }
        }
    }

    fn upstream(&mut self, config: &mut Config, table: &Table<'_>, at: usize) {
        let mut upstream = Upstream::default();
        if !config.upstreams.is_empty() {
            upstream.name = format!("upstream-{}", config.upstreams.len() + 1);
        }
        self.section(&mut upstream, table, "upstream", &UPSTREAM.iter().collect::<Vec<_>>());
        if upstream.key.is_some() && upstream.token.is_some() {
            self.wrong(at, "upstream", "it has a key or a token, not both".to_owned());
        }
        if config.upstreams.iter().any(|other| other.name == upstream.name) {
            self.wrong(at, "upstream.name", format!("there is another with the name `{}`", upstream.name));
        }
        config.upstreams.push(upstream);
    }

    fn section<T>(&mut self, to: &mut T, table: &Table<'_>, section: &str, settings: &[&Setting<T>]) {
        for (key, value) in table {
            let (name, at) = (key.get_ref().as_ref(), key.span().start);
            match settings.iter().find(|setting| own_name(setting.path) == name) {
                Some(setting) => self.set(to, setting, value.get_ref(), at, &format!("{section}.{name}")),
                None => {
                    let names = settings.iter().map(|setting| own_name(setting.path)).collect::<Vec<_>>();
                    self.unknown(at, name, section, &names);
                }
            }
        }
    }

    fn set<T>(&mut self, to: &mut T, setting: &Setting<T>, written: &DeValue<'_>, byte: usize, path: &str) {
        let at = format!("{}: {path}", self.at(byte));
        let value = Value { written: Written::Toml(written), folder: self.folder, at: &at };
        let set = setting.set(to, &value);
        self.wrongs.extend(set.err());
    }

    /// A key that nobody knows, with the one that was probably meant.
    fn unknown(&mut self, at: usize, name: &str, section: &str, names: &[&str]) {
        let path = if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") };
        let near = names
            .iter()
            .map(|known| (strsim::damerau_levenshtein(name, known), *known))
            .min()
            .filter(|(edits, known)| *edits <= known.len().max(name.len()).div_ceil(2).min(6));
        // The right name in the wrong section is a slip as well.
        let elsewhere = SETTINGS.iter().find(|setting| own_name(setting.path) == name);
        let hint = match (near, elsewhere) {
            (_, Some(setting)) if setting.path != path => format!("; did you mean {}?", setting.path),
            (Some((_, known)), _) => format!("; did you mean {known}?"),
            (None, _) => format!("; there are {}", names.join(", ")),
        };
        self.wrong(at, &path, format!("no setting has this name{hint}"));
    }
}

fn is_section(name: &str) -> bool {
    SECTIONS.iter().any(|(section, _)| *section == name)
}

fn own_name(path: &'static str) -> &'static str {
    path.rsplit('.').next().unwrap_or(path)
}

fn top_names() -> Vec<&'static str> {
    let own = SETTINGS.iter().filter(|setting| setting.place().0.is_empty()).map(|setting| setting.path);
    own.chain(SECTIONS.iter().map(|(section, _)| *section)).collect()
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn taken(text: &str) -> Result<Config, String> {
        let mut config = Config::default();
        let taken = take(&mut config, text, "p.toml", Path::new("etc"));
        taken
            .map(|()| config)
            .map_err(|wrongs| wrongs.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))
    }

    #[test]
    fn a_file_is_read_as_written() {
        let config = taken(
            r#"
            client_keys = ["env:TEAM", "literal"]
            on_disconnect = "grace=30"
            [[upstream]]
            url = "https://one.example"
            key = "env:ONE"
            [[upstream]]
            name = "two"
            url = "http://127.0.0.1:1"
            order = 1
            models = ["claude-haiku-*"]
            [store]
            data = "streams"
            [clocks]
            ping = 20
            silence = "90s"
            total = "10m"
            [limits]
            streams = 7
            [recovery]
            on_silence = "fall_back"
            [breaker]
            failure_rate = 0.25
            [fallback]
            cache = true
            "#,
        )
        .unwrap();
        assert_eq!(config.client_keys.len(), 2);
        let names = config.upstreams.iter().map(|upstream| (&*upstream.name, upstream.order));
        assert_eq!(names.collect::<Vec<_>>(), [("main", 0), ("two", 1)]);
        assert_eq!(config.store.data.as_deref(), Some(Path::new("etc/streams")), "beside the file");
        assert_eq!(config.clocks.ping, Duration::from_secs(20));
        assert_eq!(config.clocks.total, Some(Duration::from_secs(600)));
        assert_eq!((config.limits.streams.0, config.fallback.cache), (7, true));
    }

    #[test]
    fn what_is_wrong_has_its_line_its_key_and_what_would_be_right() {
        for (text, line, parts) in [
            ("\nlissen = \"x\"", 2, &["lissen", "did you mean listen?"][..]),
            ("[clocks]\nsilense = 1", 2, &["clocks.silense", "did you mean silence?"]),
            ("[clock]\nping = 1", 1, &["clock", "did you mean clocks?"]),
            ("ping = 1", 1, &["did you mean clocks.ping?"]),
            ("[retry]\nhops = 1", 2, &["did you mean recovery.hops?"]),
            ("[guard]\nqqqqqqqqqqqqqqqqqq = 1", 2, &["there are repetition"]),
            ("[clocks]\n\nping = \"soon\"", 3, &["clocks.ping", "\"15s\", \"500ms\""]),
            ("[clocks]\nping = 0", 2, &["above 0"]),
            ("[clocks]\nping = -1", 2, &["above 0"]),
            ("[limits]\nstreams = 1.5", 2, &["a whole number from 1"]),
            ("[recovery]\non_silence = \"explode\"", 2, &["`recover`, `fall_back`, `fail`"]),
            ("[recovery]\nenabled = \"yes\"", 2, &["`true` or `false`"]),
            ("[[upstream]]\nurl = \"ftp://x\"", 2, &["upstream.url", "https://api.anthropic.com"]),
            ("[[upstream]]\nurll = \"http://x\"", 2, &["did you mean url?"]),
            ("[upstream]\nurl = \"http://x\"", 1, &["[[upstream]]"]),
            ("[[upstream]]\n[[upstream]]\nname = \"main\"", 2, &["another with the name `main`"]),
            ("[[upstream]]\nkey = \"a\"\ntoken = \"b\"", 1, &["not both"]),
            ("allow_origins = [\"https://app.example/\"]", 1, &["without a path"]),
            ("clocks = 3", 1, &["a section, [clocks]"]),
            ("listen = 8787", 1, &["HOST:PORT"]),
            ("\n\nlisten = ", 3, &[]),
        ] {
            let said = taken(text).unwrap_err();
            assert!(said.starts_with(&format!("p.toml:{line}: ")), "{text}: {said}");
            assert!(parts.iter().all(|part| said.contains(part)), "{text}: {said}");
        }
        assert_eq!(taken("a = 1\nb = 2").unwrap_err().lines().count(), 2, "all of it at once");
    }

    #[test]
    fn secrets_are_not_shown() {
        for text in [
            "client_keys = \"sk-secret\"",
            "client_keys = [\"sk-secret\", 7]",
            "[[upstream]]\nkey = [\"sk-secret\"]",
            "[[upstream]]\nkey = \"sk-secret",
            "[[upstream]]\nurl = \"https://user:sk-secret@x\"",
            "[clocks]\nping = \"sk-secret\"",
        ] {
            let said = taken(text).unwrap_err();
            assert!(!said.contains("secret\"") && !said.contains("sk-"), "{said}");
        }
    }
}
