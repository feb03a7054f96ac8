//! The calculator: a parser of arithmetic of its own, and nothing that could run anything else.
//!
//! Numbers are doubles, as everybody's calculator has them; whole results are written as whole numbers. What is not a number is said to be none.

use super::Given;

/// The longest expression.
const MAX_CHARS: usize = 2_000;
/// The deepest nesting.
const MAX_DEPTH: usize = 64;

/// The value of an expression, in words.
pub(super) fn compute(expression: &str) -> Given {
    if expression.chars().count() > MAX_CHARS {
        return Err(format!("The expression is longer than {MAX_CHARS} characters."));
    }
    let mut parser = Parser { rest: expression, depth: 0 };
    let value = parser.sum()?;
    parser.skip();
    if let Some(found) = parser.rest.chars().next() {
        return Err(format!("After a whole expression comes `{found}`, which is not understood there."));
    }
    written(value)
}

fn written(value: f64) -> Given {
    if value.is_nan() {
        return Err("The result is no number.".to_owned());
    }
    if value.is_infinite() {
        return Err("The result is too large, or something was divided by zero.".to_owned());
    }
    // Sums such as 0.1 + 0.2 are shown as people write them: with 15 digits, which a double has for certain.
    let rounded: f64 = format!("{value:.14e}").parse().unwrap_or(value);
    let shown = if rounded == 0.0 { 0.0 } else { rounded };
    Ok(if shown.abs() >= 1e15 || (shown != 0.0 && shown.abs() < 1e-6) {
        format!("{shown:e}")
    } else {
        format!("{shown}")
    })
}

struct Parser<'a> {
    rest: &'a str,
    depth: usize,
}

impl<'a> Parser<'a> {
    fn skip(&mut self) {
        self.rest = self.rest.trim_start();
    }

    fn take(&mut self, token: &str) -> bool {
        self.skip();
        match self.rest.strip_prefix(token) {
            Some(rest) => {
                self.rest = rest;
                true
            }
            None => false,
        }
    }

    fn sum(&mut self) -> Result<f64, String> {
        let mut value = self.product()?;
        loop {
            if self.take("+") {
                value += self.product()?;
            } else if self.take("-") || self.take("−") {
                value -= self.product()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn product(&mut self) -> Result<f64, String> {
        let mut value = self.signed()?;
        loop {
            self.skip();
            // Two stars are a power.
            if !self.rest.starts_with("**") && (self.take("*") || self.take("×") || self.take("·")) {
                value *= self.signed()?;
            } else if self.take("/") || self.take("÷") {
                value /= self.signed()?;
            } else if self.take("%") {
                value %= self.signed()?;
            } else {
                return Ok(value);
            }
        }
    }

    fn signed(&mut self) -> Result<f64, String> {
        self.deeper()?;
        let value = if self.take("-") || self.take("−") {
            -self.signed()?
        } else if self.take("+") {
            self.signed()?
        } else {
            self.power()?
        };
        self.depth -= 1;
        Ok(value)
    }

    /// Powers bind to the right, and closer than a sign before them: -2^2 is -4.
    fn power(&mut self) -> Result<f64, String> {
        let base = self.atom()?;
        if self.take("^") || self.take("**") { Ok(base.powf(self.signed()?)) } else { Ok(base) }
    }

    fn atom(&mut self) -> Result<f64, String> {
        if self.take("(") {
            self.deeper()?;
            let value = self.sum()?;
            self.depth -= 1;
            return if self.take(")") {
                Ok(value)
            } else {
                Err("A closing parenthesis is missing.".to_owned())
            };
        }
        self.skip();
        match self.rest.chars().next() {
            Some(first) if first.is_ascii_digit() || first == '.' => self.number(),
            Some(first) if first.is_ascii_alphabetic() => self.named(),
            Some('π') => {
                self.take("π");
                Ok(std::f64::consts::PI)
            }
            Some(other) => Err(format!("`{other}` is not understood where a number is expected.")),
            None => Err("The expression ends where a number is expected.".to_owned()),
        }
    }

    fn number(&mut self) -> Result<f64, String> {
        let mut end = self.span(|c| c.is_ascii_digit() || c == '.' || c == '_');
        let exponent = &self.rest[end..];
        if let Some(power) = exponent.strip_prefix(['e', 'E']) {
            let digits = power.strip_prefix(['+', '-']).unwrap_or(power);
            let length = digits.bytes().take_while(u8::is_ascii_digit).count();
            if length > 0 {
                end += exponent.len() - digits.len() + length;
            }
        }
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text.replace('_', "").parse().map_err(|_| format!("`{text}` is no number."))
    }

    fn named(&mut self) -> Result<f64, String> {
        let end = self.span(|c| c.is_ascii_alphanumeric());
        let (name, rest) = self.rest.split_at(end);
        self.rest = rest;
        match name {
            "pi" => return Ok(std::f64::consts::PI),
            "e" => return Ok(std::f64::consts::E),
            _ => {}
        }
        if !self.take("(") {
            return Err(format!("`{name}` is not known here, or lacks its parentheses."));
        }
        self.deeper()?;
        let mut values = vec![self.sum()?];
        while self.take(",") {
            values.push(self.sum()?);
        }
        self.depth -= 1;
        if !self.take(")") {
            return Err("A closing parenthesis is missing.".to_owned());
        }
        call(name, &values)
    }

    fn span(&self, is_part: impl Fn(char) -> bool) -> usize {
        self.rest.find(|c| !is_part(c)).unwrap_or(self.rest.len())
    }

    fn deeper(&mut self) -> Result<(), String> {
        self.depth += 1;
        if self.depth > MAX_DEPTH { Err("The expression is nested too deeply.".to_owned()) } else { Ok(()) }
    }
}

fn call(name: &str, values: &[f64]) -> Result<f64, String> {
    let value = match (name, values) {
        ("sqrt", [x]) => x.sqrt(),
        ("abs", [x]) => x.abs(),
        ("round", [x]) => x.round(),
        ("floor", [x]) => x.floor(),
        ("ceil", [x]) => x.ceil(),
        ("ln", [x]) => x.ln(),
        ("log10" | "log", [x]) => x.log10(),
        ("log2", [x]) => x.log2(),
        ("exp", [x]) => x.exp(),
        ("sin", [x]) => x.sin(),
        ("cos", [x]) => x.cos(),
        ("tan", [x]) => x.tan(),
        ("min", values) => values.iter().copied().fold(f64::INFINITY, f64::min),
        ("max", values) => values.iter().copied().fold(f64::NEG_INFINITY, f64::max),
        _ => return Err(format!("There is no function {name} of {} numbers.", values.len())),
    };
    Ok(value)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_computes_as_people_do() {
        for (expression, value) in [
            ("1 + 2 * 3", "7"),
            ("(1 + 2) * 3", "9"),
            ("-2^2", "-4"),
            ("2^3^2", "512"),
            ("2 ** -1", "0.5"),
            ("7 % 4 + 0.1 + 0.2", "3.3"),
            ("1_000 * 1e3", "1000000"),
            ("sqrt(16) / max(1, 2, 4)", "1"),
            ("round(2.5) - floor(-0.5)", "4"),
            ("log10(1000)", "3"),
            ("2 × 3 ÷ 4 − 1", "0.5"),
            ("cos(pi)", "-1"),
            ("10^20", "1e20"),
            ("-0", "0"),
        ] {
            assert_eq!(compute(expression).as_deref(), Ok(value), "{expression}");
        }
    }

    #[test]
    fn what_is_no_arithmetic_is_refused_in_words() {
        let deep = "(".repeat(10_000);
        let minus = "-".repeat(1_900);
        for (expression, part) in [
            ("", "ends where a number"),
            ("1 +", "ends where a number"),
            ("(1", "parenthesis is missing"),
            ("1 2", "is not understood there"),
            ("import os", "not known here"),
            ("system(1)", "no function"),
            ("1/0", "divided by zero"),
            ("sqrt(-1)", "no number"),
            ("1.2.3", "no number"),
            (&deep[..1_000], "too deeply"),
            (&deep, "longer than"),
            (&minus, "too deeply"),
        ] {
            let refused = compute(expression).unwrap_err();
            assert!(refused.contains(part), "{expression:.20}: {refused}");
        }
    }
}
