//! The inside of a JSON string: runs of plain text and escapes, cut anywhere.
//!
//! Half of a surrogate pair is held back until its other half is there or cannot come any more; without it, it becomes
//! U+FFFD. That is the one place where more is accepted than `serde_json` would, because models do produce such escapes
//! and losing the rest of the input over one of them helps nobody.

use memchr::memchr2;

/// Where inside a string the reader stands; the default is after the opening quote.
#[derive(Clone, Debug, Default)]
pub(super) struct Quoted {
    escape: Escape,
    /// The first half of a surrogate pair.
    high: Option<u16>,
}

#[derive(Clone, Copy, Debug, Default)]
enum Escape {
    #[default]
    None,
    Backslash,
    Unicode {
        digits: u8,
        code: u16,
    },
}

/// How far a string was read.
#[derive(Debug)]
pub(super) enum Read {
    /// To the end of the fragment.
    All,
    /// To the closing quote: the position after it.
    Closed(usize),
    /// To a byte that cannot stand there: its position, and what was wanted instead.
    Bad(usize, &'static str),
}

impl Quoted {
    /// Reads `input` from the byte `at` on, and appends the text it stands for to `out`.
    pub(super) fn read(&mut self, input: &str, mut at: usize, out: &mut String) -> Read {
        let bytes = input.as_bytes();
        while let Some(&byte) = bytes.get(at) {
            match self.escape {
                Escape::None => {
                    let rest = &bytes[at..];
                    let special = memchr2(b'"', b'\\', rest).unwrap_or(rest.len());
                    let end = at + control(&rest[..special]).unwrap_or(special);
                    if end > at {
                        self.give_up_pair(out);
                        out.push_str(&input[at..end]);
                    }
                    match bytes.get(end) {
                        None => return Read::All,
                        Some(b'"') => {
                            self.give_up_pair(out);
                            return Read::Closed(end + 1);
                        }
                        Some(b'\\') => self.escape = Escape::Backslash,
                        Some(_) => return Read::Bad(end, "control characters in a string to be escaped"),
                    }
                    at = end + 1;
                }
                Escape::Backslash => {
                    if byte == b'u' {
                        self.escape = Escape::Unicode { digits: 0, code: 0 };
                    } else {
                        let Some(plain) = unescape(byte) else {
                            return Read::Bad(at, "an escape: one of \" \\ / b f n r t u");
                        };
                        self.give_up_pair(out);
                        out.push(plain);
                        self.escape = Escape::None;
                    }
                    at += 1;
                }
                Escape::Unicode { digits, code } => {
                    let Some(digit) = char::from(byte).to_digit(16) else {
                        return Read::Bad(at, "four hexadecimal digits after \\u");
                    };
                    let code = code << 4 | u16::try_from(digit).expect("a hexadecimal digit is below 16");
                    if digits == 3 {
                        self.unit(code, out);
                        self.escape = Escape::None;
                    } else {
                        self.escape = Escape::Unicode { digits: digits + 1, code };
                    }
                    at += 1;
                }
            }
        }
        Read::All
    }

    /// Takes one UTF-16 code unit.
    fn unit(&mut self, code: u16, out: &mut String) {
        if let Some(high) = self.high
            && let Some(Ok(pair)) = char::decode_utf16([high, code]).next()
        {
            self.high = None;
            out.push(pair);
            return;
        }
        self.give_up_pair(out);
        match char::from_u32(u32::from(code)) {
            Some(plain) => out.push(plain),
            None if code < 0xDC00 => self.high = Some(code),
            None => out.push(char::REPLACEMENT_CHARACTER),
        }
    }

    fn give_up_pair(&mut self, out: &mut String) {
        if self.high.take().is_some() {
            out.push(char::REPLACEMENT_CHARACTER);
        }
    }
}

fn unescape(byte: u8) -> Option<char> {
    Some(match byte {
        b'"' | b'\\' | b'/' => char::from(byte),
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        _ => return None,
    })
}

/// Position of the first control character. Looks at all bytes first, without a branch, which the compiler turns into
/// vector instructions.
fn control(run: &[u8]) -> Option<usize> {
    let any = run.iter().fold(false, |any, &byte| any | (byte < 0x20));
    if any { run.iter().position(|&byte| byte < 0x20) } else { None }
}
