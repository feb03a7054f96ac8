//! The example: every setting with its meaning and its default, made from the table.

use std::fmt::Write as _;

use super::settings::{SECTIONS, SETTINGS, Setting, UPSTREAM};
use super::{Config, Upstream};

/// Where a line of a comment ends.
const WIDTH: usize = 100;

/// A file with all settings, which changes nothing.
pub(crate) fn example() -> String {
    let mut text = comment(
        "Settings of `perennial serve`, each with its default; those that have none are commented out. A flag goes before the environment, \
         the environment before this file. A secret is written as it is, or as \"env:NAME\" or \"file:PATH\". A time is \"15s\", \
         \"500ms\", \"10m\" or a number of seconds. Paths are relative to this file. SIGHUP makes a running gateway read it again; \
         what counts only at the start says so.",
        "",
    );
    let config = Config::default();
    let of = |section: &'static str| SETTINGS.iter().filter(move |setting| setting.place().0 == section);
    for setting in of("") {
        text.push('\n');
        text += &entry(setting, &config, "");
    }
    for (section, doc) in SECTIONS {
        text.push('\n');
        text += &comment(doc, "");
        if *section == "upstream" {
            text += "# [[upstream]]\n";
            let upstream = Upstream::default();
            for setting in UPSTREAM {
                text += &entry(setting, &upstream, "# ");
            }
            continue;
        }
        let _ = writeln!(text, "[{section}]");
        for setting in of(section) {
            text += &entry(setting, &config, "");
        }
    }
    text
}

/// A setting: what it means, and its default or a value that it could have.
fn entry<T>(setting: &Setting<T>, of: &T, before: &str) -> String {
    let at_start = if setting.at_start { " Only at the start." } else { "" };
    let mut text = comment(&format!("{}{at_start}", setting.doc), before);
    let (_, name) = setting.place();
    // A string takes whatever is written to it.
    let _ = match setting.show(of) {
        Some(default) => writeln!(text, "{before}{name} = {default}"),
        None => writeln!(text, "{before}# {name} = {}", setting.sample),
    };
    text
}

/// Words as a comment, in lines.
fn comment(words: &str, before: &str) -> String {
    let mut text = String::new();
    let mut line = format!("{before}#");
    for word in words.split_whitespace() {
        if line.len() + 1 + word.len() > WIDTH {
            text += &line;
            text.push('\n');
            line = format!("{before}#");
        }
        line.push(' ');
        line += word;
    }
    text + &line + "\n"
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::super::file::take;
    use super::*;

    /// The example with every setting in it, whether it has a default or not.
    fn uncommented() -> String {
        let mut text = String::new();
        for line in example().lines() {
            let mut bare = line;
            while let Some(rest) = bare.strip_prefix("# ") {
                bare = rest;
            }
            let name = bare.split_once(" = ").map_or("", |(name, _)| name);
            let is_setting =
                !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_');
            text += if is_setting || bare == "[[upstream]]" { bare } else { line };
            text.push('\n');
        }
        text
    }

    #[test]
    fn the_page_about_it_has_it() {
        let page = include_str!("../../../../docs/configuration.md");
        assert!(
            page.contains(&example()),
            "put the output of `perennial config example` into docs/configuration.md"
        );
    }

    #[test]
    fn it_is_right_and_changes_nothing() {
        let mut config = Config::default();
        take(&mut config, &example(), "example", Path::new("")).unwrap();
        assert_eq!(format!("{config:?}"), format!("{:?}", Config::default()));
    }

    #[test]
    fn every_setting_is_in_it_and_can_be_set_so() {
        // Both at once are refused, with good reason.
        let text = uncommented().replace("token = \"file:token.txt\"\n", "");
        take(&mut Config::default(), &text, "example", Path::new("")).unwrap();
        let mut section = String::new();
        let mut found = Vec::new();
        for line in uncommented().lines() {
            if let Some(name) = line.strip_prefix('[') {
                section = name.trim_matches(['[', ']']).to_owned();
            } else if let Some((name, _)) = line.split_once(" = ").filter(|_| !line.starts_with('#')) {
                found.push(if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") });
            }
        }
        let mut known = SETTINGS.iter().map(|setting| setting.path.to_owned()).collect::<Vec<_>>();
        known.extend(UPSTREAM.iter().map(|setting| format!("upstream.{}", setting.path)));
        known.sort();
        found.sort();
        assert_eq!(found, known);
    }
}
