//! Prices: dated, with their source, exact; what is not in the table is unknown.

mod file;
mod rates;

use std::path::Path;

use jiff::civil::Date;

use self::file::Entry;
use self::rates::Rates;
use crate::error::{Error, Result};
use crate::money::Pico;
use crate::row::{Row, Terms};
use crate::tokens::Tokens;

/// The table that comes with this version.
const EMBEDDED: &str = include_str!("../../prices.toml");

/// What tokens cost: the table that comes with this version, and a file of the operator's own over it.
///
/// A model that neither knows, a tier, a speed or a place whose price neither knows, makes a cost unknown. Nothing is guessed.
///
/// ```
/// use perennial_ledger::{Prices, Tokens};
///
/// let prices = Prices::embedded();
/// let day = "2026-11-20".parse().unwrap();
/// let tokens = Tokens { input: 1_000_000, output: 100, ..Tokens::default() };
/// assert_eq!(prices.cost("claude-opus-5-5", &tokens, day).unwrap().to_string(), "4.002");
/// assert_eq!(prices.cost("claude-opus-99", &tokens, day), None);
/// ```
#[derive(Clone, Debug)]
pub struct Prices {
    /// The operator's own first: what it knows, it knows better.
    tables: Vec<Table>,
}

/// One file of prices.
#[derive(Clone, Debug, Default)]
struct Table {
    entries: Vec<Entry>,
    /// Of one web search, and since when.
    searches: Vec<(Date, Pico)>,
}

/// A known cost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Priced {
    cost: Pico,
    /// Since when the price of the model is in force.
    from: Date,
}

impl Prices {
    /// The table that comes with this version, `crates/ledger/prices.toml`.
    #[must_use]
    pub fn embedded() -> Self {
        // A test reads it; a table that cannot be read knows no price, and everything is unknown.
        let table = Table::read(EMBEDDED).inspect_err(
            |error| tracing::error!(%error, "the prices that come with this version cannot be read"),
        );
        Self { tables: vec![table.unwrap_or_default()] }
    }

    /// These, and over them what the TOML in `text` says. `docs/money.md` has the form.
    ///
    /// # Errors
    /// [`Error::is_invalid`]: the text is no table of prices; the error says where and why.
    pub fn overridden(mut self, text: &str) -> Result<Self> {
        self.tables.insert(0, Table::read(text)?);
        Ok(self)
    }

    /// As [`overridden`](Self::overridden), from a file.
    ///
    /// # Errors
    /// [`Error::is_invalid`]: the file cannot be read, or is no table of prices.
    pub fn overridden_from(self, file: &Path) -> Result<Self> {
        let named = |what: &dyn std::fmt::Display| Error::invalid(format!("{}: {what}", file.display()));
        let text = std::fs::read_to_string(file).map_err(|error| named(&error))?;
        self.overridden(&text).map_err(|error| named(&error))
    }

    /// What `tokens` of `model` cost on a UTC day, in US dollars, at standard speed in the standard tier; `None` if that is unknown.
    #[must_use]
    pub fn cost(&self, model: &str, tokens: &Tokens, day: Date) -> Option<rust_decimal::Decimal> {
        let priced = self.price(model, tokens, &Terms::default(), day)?;
        Some(crate::money::to_usd(priced.cost))
    }

    /// What one answer of `model` cost on a UTC day, by what the service said it used: rounds of other models, tier, speed and place
    /// included. `None` if any of it has no known price.
    ///
    /// ```
    /// use perennial_ledger::Prices;
    ///
    /// let day = "2026-11-20".parse().unwrap();
    /// let usage = serde_json::from_str(r#"{"input_tokens":1000000,"output_tokens":100}"#)?;
    /// assert_eq!(Prices::embedded().cost_of("claude-opus-5-5", &usage, day).unwrap().to_string(), "4.002");
    /// # Ok::<(), serde_json::Error>(())
    /// ```
    #[must_use]
    pub fn cost_of(
        &self,
        model: &str,
        usage: &perennial_protocol::Usage,
        day: Date,
    ) -> Option<rust_decimal::Decimal> {
        let mut row = Row::new("", 1, model, "");
        row.measured(usage);
        self.put(&mut row, day);
        row.cost()
    }

    /// Sets what the attempt of a row cost.
    pub(crate) fn put_on(&self, row: &mut Row) {
        let day = row.day();
        self.put(row, day);
    }

    fn put(&self, row: &mut Row, day: Date) {
        // What used nothing costs nothing, whoever was asked.
        if row.tokens == Tokens::default() {
            row.cost = Some(0);
            return;
        }
        let own = self.price(&row.model, &row.bill.own, &row.terms, day);
        row.prices = own.map(|own| own.from);
        let others = row.bill.others.iter().map(|(model, tokens)| {
            self.price(model.as_deref()?, tokens, &row.terms, day).map(|priced| priced.cost)
        });
        let cost = own.and_then(|own| others.sum::<Option<Pico>>().map(|others| own.cost + others));
        // More than the database's integers hold is no cost of one attempt.
        row.cost = cost.filter(|cost| i64::try_from(*cost).is_ok());
    }

    /// The most that a request may cost which has these for its prompt and its answer; `None` if that is unknown.
    pub(crate) fn worst(
        &self,
        model: &str,
        input: u64,
        output: u64,
        searches: u64,
        terms: &Terms,
        day: Date,
    ) -> Option<Pico> {
        let (entry, rates) = self.rates(model, input, terms, day)?;
        let dearest = rates.input.max(rates.cache_write_5m).max(rates.cache_write_1h).max(rates.cache_read);
        let search = if searches == 0 { 0 } else { self.search(day)? };
        let tokens = Pico::from(input) * dearest + Pico::from(output) * rates.output;
        Some(entry.at(tokens, terms)? + Pico::from(searches) * search)
    }

    fn price(&self, model: &str, tokens: &Tokens, terms: &Terms, day: Date) -> Option<Priced> {
        let (entry, rates) = self.rates(model, tokens.prompt(), terms, day)?;
        let search = if tokens.web_searches == 0 { 0 } else { self.search(day)? };
        let cost = entry.at(rates.of(tokens), terms)? + Pico::from(tokens.web_searches) * search;
        Some(Priced { cost, from: entry.from })
    }

    fn rates(&self, model: &str, prompt: u64, terms: &Terms, day: Date) -> Option<(&Entry, &Rates)> {
        // No list says what these cost on top; discounts are agreed upon by each customer.
        let is_standard =
            |what: &Option<String>, words: &[&str]| what.as_deref().is_none_or(|what| words.contains(&what));
        if !is_standard(&terms.tier, &["standard", "auto", "standard_only"])
            || !is_standard(&terms.speed, &["standard"])
        {
            return None;
        }
        let entry = self.tables.iter().find_map(|table| table.entry(model, day))?;
        Some((entry, entry.rates(prompt)?))
    }

    fn search(&self, day: Date) -> Option<Pico> {
        self.tables.iter().find_map(|table| {
            let valid = table.searches.iter().filter(|(from, _)| *from <= day);
            valid.max_by_key(|(from, _)| *from).map(|(_, price)| *price)
        })
    }
}

impl Default for Prices {
    fn default() -> Self {
        Self::embedded()
    }
}

impl Table {
    /// The entry for a model on a day: of the most exact name, the latest that is in force.
    fn entry(&self, model: &str, day: Date) -> Option<&Entry> {
        let matching = self.entries.iter().filter(|entry| entry.from <= day);
        matching
            .filter_map(|entry| Some((entry.fits(model)?, entry)))
            .max_by_key(|(exactness, entry)| (*exactness, entry.from))
            .map(|(_, entry)| entry)
    }
}

#[cfg(test)]
mod tests;
