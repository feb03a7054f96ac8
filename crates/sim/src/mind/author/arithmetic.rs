//! Sums in a question, solved right.

/// What a sum may have: more is no question a person asks.
const LONGEST: usize = 200;
/// Nesting of parentheses.
const DEEPEST: u32 = 32;

/// The sum that a question asks for, tidied up, and its result.
pub(super) fn solve(asked: &str) -> Option<(String, String)> {
    if asked.len() > LONGEST {
        return None;
    }
    let lower = asked.to_lowercase();
    let mut rest = lower.trim().trim_end_matches(['?', '.', '!', '=', ' ']);
    for lead in [
        "please",
        "what is",
        "what's",
        "how much is",
        "calculate",
        "compute",
        "evaluate",
        "solve",
        "the result of",
    ] {
        rest = rest.trim_start().strip_prefix(lead).unwrap_or(rest);
    }
    let spelled = [
        (" plus ", "+"),
        (" minus ", "-"),
        (" times ", "*"),
        (" multiplied by ", "*"),
        (" divided by ", "/"),
        (" to the power of ", "^"),
        ("**", "^"),
        ("×", "*"),
        ("÷", "/"),
        ("−", "-"),
    ];
    let sum = spelled.iter().fold(rest.to_owned(), |sum, (word, sign)| sum.replace(word, sign));
    let sum: String = sum.chars().filter(|c| !c.is_whitespace() && *c != ',').collect();
    let signs = sum.chars().skip(1).any(|c| "+-*/^".contains(c));
    if !signs || !sum.chars().all(|c| c.is_ascii_digit() || "+-*/^().".contains(c)) {
        return None;
    }
    let mut parser = Parser { rest: sum.as_bytes(), depth: 0 };
    let value = parser.sum()?;
    if !parser.rest.is_empty() || !value.is_finite() {
        return None;
    }
    Some((pretty(&sum), figure(value)))
}

/// A step that goes on from the result of an earlier question: "and divided by 4?"
pub(super) fn follow(asked: &str, earlier: &[String]) -> Option<(String, String)> {
    let before = earlier.iter().fold(None, |before: Option<String>, question| {
        let result = solve(question).or_else(|| step(question, before.as_deref()?));
        result.map(|(_, result)| result).or(before)
    });
    step(asked, &before?)
}

fn step(asked: &str, before: &str) -> Option<(String, String)> {
    if asked.len() > LONGEST {
        return None;
    }
    let lower = asked.to_lowercase();
    let mut rest = lower.trim().trim_end_matches(['?', '.', '!', '=', ' ']);
    for lead in
        ["ok", "okay", "and", "now", "then", "what about", "what is", "what's", "that", "it", "the result"]
    {
        let after = rest.strip_prefix(lead).filter(|after| after.starts_with([' ', ',']));
        rest = after.map_or(rest, |after| after.trim_start_matches([',', ' ']));
    }
    for tail in [" to that", " to it", " from that", " from it"] {
        rest = rest.strip_suffix(tail).unwrap_or(rest);
    }
    const SIGNS: &[(&str, &str)] = &[
        ("plus ", "+"),
        ("add ", "+"),
        ("minus ", "-"),
        ("subtract ", "-"),
        ("times ", "*"),
        ("multiplied by ", "*"),
        ("multiply it by ", "*"),
        ("multiply that by ", "*"),
        ("multiply by ", "*"),
        ("divided by ", "/"),
        ("divide it by ", "/"),
        ("divide that by ", "/"),
        ("divide by ", "/"),
        ("to the power of ", "^"),
        ("+", "+"),
        ("-", "-"),
        ("*", "*"),
        ("/", "/"),
        ("×", "*"),
        ("÷", "/"),
        ("^", "^"),
    ];
    let whole = match rest {
        "double it" | "doubled" | "double that" => "*2".to_owned(),
        "half of it" | "half of that" | "halved" | "halve it" => "/2".to_owned(),
        "squared" | "square it" | "square that" => "^2".to_owned(),
        _ => SIGNS.iter().find_map(|(word, sign)| Some(format!("{sign}{}", rest.strip_prefix(word)?)))?,
    };
    let before = if before.starts_with('-') { format!("({before})") } else { before.to_owned() };
    solve(&format!("{before}{whole}"))
}

struct Parser<'a> {
    rest: &'a [u8],
    depth: u32,
}

impl Parser<'_> {
    fn take(&mut self, any: &[u8]) -> Option<u8> {
        let (first, rest) = self.rest.split_first()?;
        any.contains(first).then(|| {
            self.rest = rest;
            *first
        })
    }

    fn sum(&mut self) -> Option<f64> {
        let mut value = self.product()?;
        while let Some(sign) = self.take(b"+-") {
            let next = self.product()?;
            value = if sign == b'+' { value + next } else { value - next };
        }
        Some(value)
    }

    fn product(&mut self) -> Option<f64> {
        let mut value = self.power()?;
        while let Some(sign) = self.take(b"*/") {
            let next = self.power()?;
            value = if sign == b'*' { value * next } else { value / next };
        }
        Some(value)
    }

    fn power(&mut self) -> Option<f64> {
        let base = self.atom()?;
        match self.take(b"^") {
            Some(_) => Some(base.powf(self.atom()?)),
            None => Some(base),
        }
    }

    fn atom(&mut self) -> Option<f64> {
        self.depth += 1;
        let value = if self.depth > DEEPEST {
            None
        } else if self.take(b"-").is_some() {
            self.atom().map(|value| -value)
        } else if self.take(b"(").is_some() {
            let value = self.sum()?;
            self.take(b")")?;
            Some(value)
        } else {
            let digits = self.rest.iter().take_while(|c| c.is_ascii_digit() || **c == b'.').count();
            let (number, rest) = self.rest.split_at(digits);
            self.rest = rest;
            std::str::from_utf8(number).ok()?.parse().ok()
        };
        self.depth -= 1;
        value
    }
}

fn pretty(sum: &str) -> String {
    let mut text = String::new();
    let mut before = None;
    for c in sum.chars() {
        let binary = before.is_some_and(|b: char| b.is_ascii_digit() || b == ')');
        match c {
            '*' => text.push_str(" × "),
            '/' => text.push_str(" ÷ "),
            '+' if binary => text.push_str(" + "),
            '-' if binary => text.push_str(" − "),
            other => text.push(other),
        }
        before = Some(c);
    }
    text
}

fn figure(value: f64) -> String {
    if value.fract() == 0.0 && value.abs() < 1e15 {
        return format!("{value:.0}");
    }
    let text = format!("{value:.6}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(asked: &str, expected: Option<(&str, &str)>) {
        let solved = solve(asked);
        assert_eq!(
            solved.as_ref().map(|(sum, result)| (sum.as_str(), result.as_str())),
            expected,
            "{asked:?}"
        );
    }

    #[test]
    fn sums_are_solved_right() {
        check("What is 2+2?", Some(("2 + 2", "4")));
        check("what's 17 times 23", Some(("17 × 23", "391")));
        check("Calculate (1 + 2) * 3 - 4 / 8", Some(("(1 + 2) × 3 − 4 ÷ 8", "8.5")));
        check("2^10 =", Some(("2^10", "1024")));
        check("1,000 * 3", Some(("1000 × 3", "3000")));
        check("10 / 3", Some(("10 ÷ 3", "3.333333")));
        check("-3 - -4", Some(("-3 − -4", "1")));
    }

    #[test]
    fn a_step_goes_on_from_the_result_before() {
        let follow = |earlier: &[&str], asked: &str| {
            let earlier: Vec<_> = earlier.iter().map(|text| (*text).to_owned()).collect();
            follow(asked, &earlier).map(|(sum, result)| format!("{sum} = {result}"))
        };
        let check = |earlier: &[&str], asked: &str, expected: Option<&str>| {
            assert_eq!(follow(earlier, asked).as_deref(), expected, "{earlier:?} {asked:?}");
        };
        check(&["what is 12*37"], "and divided by 4?", Some("444 ÷ 4 = 111"));
        check(&["what is 12*37", "and divided by 4?", "thanks"], "Now add 9 to that.", Some("111 + 9 = 120"));
        check(&["2 - 5"], "square it", Some("(-3)^2 = 9"));
        check(&["2 - 5"], "minus two", None);
        check(&["Hello"], "and divided by 4?", None);
        check(&["what is 12*37"], "and why?", None);
    }

    #[test]
    fn what_is_no_sum_is_left_alone() {
        check("What is rust?", None);
        check("1/0", None);
        check("42", None);
        check("2026-10-21 was a Wednesday", None);
        check("2 + ", None);
        check(&format!("1+{}1", "(".repeat(100)), None);
    }
}
