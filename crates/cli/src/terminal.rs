//! Terminals: their columns, their colours, and text without what could harm one.

use std::borrow::Cow;
use std::io::{self, IsTerminal};

use unicode_width::UnicodeWidthStr as _;

/// Whether standard error takes colour: a terminal that is not dumb, and no `NO_COLOR`.
pub(crate) fn stderr_colour() -> bool {
    is_coloured(io::stderr().is_terminal())
}

/// The same for standard output; `CLICOLOR_FORCE` makes it one.
pub(crate) fn stdout_colour() -> bool {
    let forced = std::env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    is_coloured(forced || io::stdout().is_terminal())
}

fn is_coloured(is_terminal: bool) -> bool {
    let unset = |name: &str| std::env::var_os(name).is_none_or(|value| value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    is_terminal && unset("NO_COLOR") && !dumb
}

/// Bytes as a terminal may have them: what a model says, what a service says, what stands in a captured file.
pub(crate) fn shown(bytes: &[u8]) -> Cow<'_, [u8]> {
    match String::from_utf8_lossy(bytes) {
        Cow::Borrowed(text) => match harmless(text) {
            Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
            Cow::Owned(text) => Cow::Owned(text.into_bytes()),
        },
        Cow::Owned(text) => Cow::Owned(harmless(&text).into_owned().into_bytes()),
    }
}

/// Text without what could move a cursor, change a title or ring a bell: control characters other than line ends and tabs.
pub(crate) fn harmless(text: &str) -> Cow<'_, str> {
    let harms = |c: char| c.is_control() && c != '\n' && c != '\t';
    if text.contains(harms) { Cow::Owned(text.replace(harms, "")) } else { Cow::Borrowed(text) }
}

/// How many columns of a terminal a text without line ends takes; escapes for colours take none.
pub(crate) fn width(text: &str) -> usize {
    let mut columns = 0;
    let mut rest = text;
    while let Some(at) = rest.find("\x1b[") {
        columns += rest[..at].width();
        rest = rest[at..].find('m').map_or("", |end| &rest[at + end + 1..]);
    }
    columns + rest.width()
}

/// The columns of a terminal, else those that the environment tells of.
#[cfg(unix)]
pub(crate) fn columns(output: &(impl IsTerminal + std::os::fd::AsFd)) -> Option<usize> {
    let told = std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok());
    let asked = || {
        let size = output.is_terminal().then(|| rustix::termios::tcgetwinsize(output).ok())??;
        Some(usize::from(size.ws_col))
    };
    asked().or(told).filter(|columns| *columns > 0)
}

/// Those that the environment tells of.
#[cfg(not(unix))]
pub(crate) fn columns(_output: &impl IsTerminal) -> Option<usize> {
    std::env::var("COLUMNS").ok().and_then(|columns| columns.parse().ok()).filter(|columns| *columns > 0)
}

/// The columns of standard output, where that is a terminal.
pub(crate) fn stdout_columns() -> Option<usize> {
    let out = io::stdout();
    if out.is_terminal() { columns(&out) } else { None }
}

/// The columns of standard error, where that is a terminal.
pub(crate) fn stderr_columns() -> Option<usize> {
    let err = io::stderr();
    if err.is_terminal() { columns(&err) } else { None }
}

/// As much of the text as fits into so many columns.
pub(crate) fn fitting(text: &str, room: usize) -> String {
    if width(text) <= room {
        return text.to_owned();
    }
    let mut fitting = String::new();
    for c in text.chars() {
        fitting.push(c);
        if width(&fitting) + 1 > room {
            fitting.pop();
            break;
        }
    }
    fitting.push('…');
    fitting
}

/// A line in lines of at most so many columns, broken between words; those behind the first are set in by `indent`. A word that is longer, such as an address, is
/// left whole: a terminal breaks it so that it can be copied.
pub(crate) fn folded(line: &str, columns: Option<usize>, indent: usize) -> Cow<'_, str> {
    let Some(columns) = columns.filter(|columns| *columns > indent && width(line) > *columns) else {
        return Cow::Borrowed(line);
    };
    let mut out = String::with_capacity(line.len() + 8);
    let mut used = 0;
    for word in line.split_inclusive(' ') {
        if used > indent && used + width(word.trim_end()) > columns {
            out.truncate(out.trim_end().len());
            out.push('\n');
            out.push_str(&" ".repeat(indent));
            used = indent;
        }
        out.push_str(word);
        used += width(word);
    }
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_harm_a_terminal_is_left_out() {
        for (text, shown) in [
            ("plain é 日本\n\ttext", "plain é 日本\n\ttext"),
            ("\x1b]0;title\x07a\x1b[2Jb", "]0;titlea[2Jb"),
            ("a\r\nb\u{9b}31mc\u{7f}", "a\nb31mc"),
        ] {
            assert_eq!(harmless(text), shown);
            assert_eq!(super::shown(text.as_bytes()), shown.as_bytes());
        }
    }

    #[test]
    fn words_stay_whole() {
        let line = "perennial: no key and no base URL: the embedded simulator answers";
        for (columns, shown) in [
            (None, line),
            (Some(80), line),
            (Some(30), "perennial: no key and no base\n  URL: the embedded simulator\n  answers"),
            (Some(2), line),
        ] {
            assert_eq!(folded(line, columns, 2), shown);
        }
        let address = format!("see http://{} there", "x".repeat(40));
        assert_eq!(folded(&address, Some(20), 0), format!("see\nhttp://{}\nthere", "x".repeat(40)));
        assert_eq!(folded("日本 日本 日本", Some(10), 0), "日本 日本\n日本");
    }

    #[test]
    fn columns() {
        for (text, columns) in
            [("", 0), ("a é", 3), ("日本", 4), ("\x1b[0;1mbold\x1b[0m", 4), ("👩\u{200d}💻", 2)]
        {
            assert_eq!(width(text), columns, "{text:?}");
        }
    }
}
