//! What the sender of a request orders beyond the request: faults, pace, manners and seed, in one line of words.
//!
//! The same line is the header `perennial-sim`, the `orders` of a scenario's rule, the body of an admin call and an option of the
//! command line. Where several apply to a request, they are read one after the other: faults add up, the rest is what was said last.

use std::str::FromStr;

use crate::fault::{Clause, Fault, Faults, Word, clauses, hint};
use crate::mind::Manners;
use crate::pace::PaceChange;

/// The header that carries orders.
pub const HEADER: &str = "perennial-sim";
/// The header by which a client says which attempts belong together, for `times=N`. Without it equal bodies do.
pub const ATTEMPT_HEADER: &str = "perennial-sim-key";

/// One or more lines of orders, read.
#[derive(Clone, Debug, Default, PartialEq)]
#[non_exhaustive]
pub struct Orders {
    /// What goes wrong.
    pub faults: Faults,
    /// How fast it goes.
    pub pace: PaceChange,
    /// What the mind does differently.
    pub manners: Manners,
    /// Another seed for this request.
    pub seed: Option<u64>,
}

/// A word that is no order; says which one was probably meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct NotAnOrder(String);

impl Orders {
    /// Reads a further line.
    ///
    /// # Errors
    ///
    /// When a word is unknown or does not take its value. What was read before the line then stays as it was.
    pub fn add(&mut self, line: &str) -> Result<(), NotAnOrder> {
        let mut next = self.clone();
        for words in clauses(line).map_err(NotAnOrder)? {
            let mut clause = Clause::default();
            for word in &words {
                next.take(word, &mut clause)?;
            }
            if clause != Clause::default() {
                let clause = clause.checked().map_err(|error| NotAnOrder(error.to_string()))?;
                next.faults.clauses.push(clause);
            }
        }
        *self = next;
        Ok(())
    }

    fn take(&mut self, word: &Word, clause: &mut Clause) -> Result<(), NotAnOrder> {
        let Word { name, value, place } = word;
        if Fault::knows(name) {
            return clause.take(word).map_err(|error| NotAnOrder(error.to_string()));
        }
        let known = name == "seed" || PaceChange::knows(name) || Manners::knows(name);
        if !known {
            let words =
                Fault::WORDS.iter().chain(PaceChange::WORDS).chain(Manners::WORDS).map(|(word, ..)| *word);
            return Err(NotAnOrder(format!("`{name}` is no order{}", hint(name, words.chain(["seed"])))));
        }
        if place.is_some() {
            return Err(NotAnOrder(format!(
                "`{name}` takes no place; put a value with an `@` in double quotes"
            )));
        }
        if name == "seed" {
            let seed = value.as_deref().and_then(|value| value.parse().ok());
            self.seed = Some(seed.ok_or_else(|| NotAnOrder("`seed` takes a number: seed=7".to_owned()))?);
            return Ok(());
        }
        if PaceChange::knows(name) {
            let value = value.as_deref().unwrap_or_default();
            return self.pace.set(name, value).map_err(|error| NotAnOrder(error.to_string()));
        }
        self.manners.apply(name, value.as_deref()).map_err(|error| NotAnOrder(error.to_string()))
    }
}

impl FromStr for Orders {
    type Err = NotAnOrder;

    fn from_str(text: &str) -> Result<Self, NotAnOrder> {
        let mut orders = Self::default();
        orders.add(text)?;
        Ok(orders)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_says_it_all() {
        let mut orders: Orders =
            "fin@event=5,times=2; pace=instant,tps=20; seed=7; continuation=repeat; answer=\"a, b@c; d\""
                .parse()
                .unwrap();
        assert_eq!(orders.faults.to_string(), "fin@event=5,times=2");
        assert_eq!((orders.seed, orders.pace.tokens_per_second), (Some(7), Some(20.0)));
        assert_eq!(orders.manners.answer.as_deref(), Some("a, b@c; d"));
        orders.add("rst@byte=9; seed=8").unwrap();
        assert_eq!(orders.faults.to_string(), "fin@event=5,times=2; rst@byte=9");
        assert_eq!(orders.seed, Some(8));
    }

    #[test]
    fn wrong_words_change_nothing_and_say_what_would_be_right() {
        for (text, part) in [
            ("satll@event=5", "`satll` is no order; did you mean `stall`?"),
            ("sed=5", "did you mean `seed`?"),
            ("seed=x", "seed=7"),
            ("answer=me@home", "double quotes"),
            ("pace=instant,times=2", "limit a fault"),
            ("continuation=loud", "honest|repeat"),
            ("tps=0", "tps"),
        ] {
            let mut orders = Orders::default();
            let message = orders.add(&format!("bom; {text}")).unwrap_err().to_string();
            assert!(message.contains(part), "{message}");
            assert_eq!(orders, Orders::default());
        }
    }
}
