//! The file of prices, read and checked.

use std::collections::BTreeMap;

use jiff::civil::Date;
use rust_decimal::Decimal;
use serde::Deserialize;

use super::Table;
use super::rates::Rates;
use crate::error::{Error, Result};
use crate::money::{self, Pico};
use crate::row::Terms;

/// A million: prices are told for so many tokens.
const MILLION: Pico = 1_000_000;

/// Places that are no surcharge: the default, and what the service says where the model has none.
const ANYWHERE: [&str; 3] = ["global", "not_available", ""];

/// Prices of some models since a day.
#[derive(Clone, Debug)]
pub(super) struct Entry {
    /// Whole names, or beginnings that are followed by `*`.
    models: Vec<String>,
    pub(super) from: Date,
    short: Rates,
    /// Above so many tokens of prompt, other rates or unknown ones.
    long: Option<(u64, Option<Rates>)>,
    /// By how many thousandths everything is dearer where the inference has to run in one place.
    geo: BTreeMap<String, Pico>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    model: Vec<Model>,
    #[serde(default)]
    web_search: Vec<WebSearch>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Model {
    names: Vec<String>,
    from: toml::value::Datetime,
    input: String,
    cache_write_5m: String,
    cache_write_1h: String,
    cache_read: String,
    output: String,
    /// The longest prompt that these prices are for.
    up_to: Option<u64>,
    above: Option<Above>,
    #[serde(default)]
    geo: BTreeMap<String, String>,
    #[expect(dead_code, reason = "for people; that it is there is checked")]
    source: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Above {
    input: String,
    cache_write_5m: String,
    cache_write_1h: String,
    cache_read: String,
    output: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct WebSearch {
    from: toml::value::Datetime,
    per_thousand: String,
    #[expect(dead_code, reason = "for people; that it is there is checked")]
    source: String,
}

impl Table {
    pub(super) fn read(text: &str) -> Result<Self> {
        let file: File = toml::from_str(text).map_err(|error| Error::invalid(error.to_string()))?;
        let entries = file.model.into_iter().map(Entry::read).collect::<Result<_>>()?;
        let searches = file.web_search.iter().map(|search| {
            Ok((
                day(search.from, "web_search")?,
                usd(&search.per_thousand, 1000, "web_search", "per_thousand")?,
            ))
        });
        Ok(Self { entries, searches: searches.collect::<Result<_>>()? })
    }
}

impl Entry {
    fn read(model: Model) -> Result<Self> {
        let name = model.names.first().cloned().unwrap_or_default();
        let wrong = |what: &str| Err(Error::invalid(format!("prices of `{name}`: {what}")));
        if name.is_empty() {
            return wrong("`names` must have at least one name");
        }
        if model.names.iter().any(|name| name.find('*').is_some_and(|at| at + 1 != name.len())) {
            return wrong("a `*` stands at the end of a name");
        }
        let price = |text: &str, field: &str| usd(text, MILLION, &name, field);
        let short = Rates {
            input: price(&model.input, "input")?,
            cache_write_5m: price(&model.cache_write_5m, "cache_write_5m")?,
            cache_write_1h: price(&model.cache_write_1h, "cache_write_1h")?,
            cache_read: price(&model.cache_read, "cache_read")?,
            output: price(&model.output, "output")?,
        };
        let above = match &model.above {
            None => None,
            Some(above) => Some(Rates {
                input: price(&above.input, "above.input")?,
                cache_write_5m: price(&above.cache_write_5m, "above.cache_write_5m")?,
                cache_write_1h: price(&above.cache_write_1h, "above.cache_write_1h")?,
                cache_read: price(&above.cache_read, "above.cache_read")?,
                output: price(&above.output, "above.output")?,
            }),
        };
        let long = match (model.up_to, above) {
            (None, None) => None,
            (Some(up_to), above) => Some((up_to, above)),
            (None, Some(_)) => {
                return wrong("`above` needs `up_to`, the longest prompt for the other prices");
            }
        };
        let mut geo = BTreeMap::new();
        for (place, factor) in &model.geo {
            let thousandths = factor.parse::<Decimal>().ok().and_then(|factor| {
                let scaled = factor.checked_mul(Decimal::from(1000))?.normalize();
                (scaled.scale() == 0 && scaled > Decimal::ZERO).then(|| scaled.mantissa())
            });
            let Some(thousandths) = thousandths else {
                return wrong(&format!(
                    "`geo.{place}` is a factor such as \"1.1\", with three decimals at most"
                ));
            };
            // Each price of one token has to stay a whole number, or costs would have to be rounded.
            let all = short.each().into_iter().chain(above.iter().flat_map(Rates::each));
            if all.into_iter().any(|price| price * thousandths % 1000 != 0) {
                return wrong(&format!(
                    "`geo.{place}` makes prices of more than six decimals for a million tokens"
                ));
            }
            geo.insert(place.clone(), thousandths);
        }
        let from = day(model.from, &name)?;
        Ok(Self { models: model.names, from, short, long, geo })
    }

    /// How exactly a model is named here, if it is: a whole name before a beginning, a longer beginning before a shorter one.
    pub(super) fn fits(&self, model: &str) -> Option<usize> {
        let exactness = |name: &String| match name.strip_suffix('*') {
            Some(beginning) => model.starts_with(beginning).then_some(beginning.len()),
            None => (name == model).then_some(usize::MAX),
        };
        self.models.iter().filter_map(exactness).max()
    }

    /// The rates for a prompt of so many tokens; `None` if they are unknown.
    pub(super) fn rates(&self, prompt: u64) -> Option<&Rates> {
        match &self.long {
            Some((up_to, long)) if prompt > *up_to => long.as_ref(),
            _ => Some(&self.short),
        }
    }

    /// The price at the place where the inference ran; `None` if what that place costs is unknown.
    pub(super) fn at(&self, tokens: Pico, terms: &Terms) -> Option<Pico> {
        match terms.geo.as_deref() {
            None => Some(tokens),
            Some(place) if ANYWHERE.contains(&place) => Some(tokens),
            Some(place) => Some(tokens * self.geo.get(place)? / 1000),
        }
    }
}

/// The price of one in picodollars, from the price of `many` in dollars.
fn usd(text: &str, many: Pico, name: &str, field: &str) -> Result<Pico> {
    let amount = text.parse::<Decimal>().ok().and_then(money::from_usd);
    amount.filter(|amount| amount % many == 0).map(|amount| amount / many).ok_or_else(|| {
        let decimals = if many == MILLION { 6 } else { 9 };
        Error::invalid(format!(
            "prices of `{name}`: `{field}` is an amount of US dollars such as \"0.25\", in quotes, with {decimals} decimals at most"
        ))
    })
}

fn day(from: toml::value::Datetime, name: &str) -> Result<Date> {
    from.to_string().parse().map_err(|_| {
        Error::invalid(format!("prices of `{name}`: `from` is a day such as 2026-10-07, without quotes"))
    })
}
