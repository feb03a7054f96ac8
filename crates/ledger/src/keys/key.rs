//! Virtual keys and their rules.

use std::fmt;

use jiff::Timestamp;
use rust_decimal::Decimal;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::money;

/// A key that a gateway gives out in place of the one that it has itself. Whoever shows its secret may do what its rules allow.
///
/// The secret is not in it: nobody has that but whom it was shown to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct VirtualKey {
    /// `key_` and 32 hexadecimal digits; never reused. Stays the same when the secret is rotated, and so do spending, limits and streams.
    pub id: String,
    /// What people call it.
    pub name: String,
    /// Whose it is, in the operator's own words; means nothing to the gateway.
    pub owner: Option<String>,
    /// When it was made.
    pub created: Timestamp,
    /// From when on it is refused.
    pub expires: Option<Timestamp>,
    /// When it was taken back.
    pub revoked: Option<Timestamp>,
    /// What it may.
    pub rules: Rules,
    /// Its secrets that are not past their time, the newest first.
    pub secrets: Vec<SecretInfo>,
}

/// What may be known of a secret.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct SecretInfo {
    /// How it begins, to be recognised by.
    pub prefix: String,
    /// When it was made.
    pub created: Timestamp,
    /// Until when it is taken, where a rotation set an end to it.
    pub expires: Option<Timestamp>,
    /// How the secret began in whose place it came.
    pub rotated_from: Option<String>,
}

/// What a key may. What is not set is not limited.
///
/// Days and months are those of the UTC calendar. Amounts are US dollars, exact.
///
/// ```
/// use perennial_ledger::Rules;
///
/// let mut rules = Rules::default();
/// rules.models = vec!["claude-haiku-*".to_owned()];
/// assert!(rules.allows_model("claude-haiku-5-5"));
/// assert!(!rules.allows_model("claude-opus-5-5"));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
// A rule that this version does not know must not be overlooked: such a key is refused.
#[serde(deny_unknown_fields, default)]
#[non_exhaustive]
pub struct Rules {
    /// The most that may be spent in a day.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_day: Option<Decimal>,
    /// The most that may be spent in a month.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub usd_per_month: Option<Decimal>,
    /// How many requests may begin in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub requests_per_minute: Option<u64>,
    /// How many tokens may go in in a minute; what is read from a cache does not count.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub input_tokens_per_minute: Option<u64>,
    /// How many tokens may come out in a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub output_tokens_per_minute: Option<u64>,
    /// How many streams may run at once.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_streams: Option<u64>,
    /// The models that may be asked, whole names or beginnings and `*`; without any, all.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub models: Vec<String>,
    /// What becomes of a stream whose client goes, where the request does not say: `cancel`, `grace=SECONDS` or `detach`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_disconnect: Option<String>,
    /// The most that a request may cost at worst which is to run on without a reader.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub detached_usd: Option<Decimal>,
}

/// A secret, as it is shown once.
#[derive(Clone)]
pub struct Shown(String);

impl VirtualKey {
    /// Whether it may be used at `now`.
    #[must_use]
    pub fn is_usable(&self, now: Timestamp) -> bool {
        self.revoked.is_none() && self.expires.is_none_or(|expires| now < expires)
    }
}

impl Rules {
    /// Whether a model may be asked.
    #[must_use]
    pub fn allows_model(&self, model: &str) -> bool {
        self.models.is_empty()
            || self.models.iter().any(|allowed| match allowed.strip_suffix('*') {
                Some(beginning) => model.starts_with(beginning),
                None => allowed == model,
            })
    }

    /// Whether there is a limit to money.
    pub(crate) fn limits_money(&self) -> bool {
        self.usd_per_day.is_some() || self.usd_per_month.is_some()
    }

    pub(crate) fn check(&self) -> Result<()> {
        for (name, amount) in [
            ("usd_per_day", self.usd_per_day),
            ("usd_per_month", self.usd_per_month),
            ("detached_usd", self.detached_usd),
        ] {
            if amount.is_some_and(|amount| money::from_usd(amount).is_none()) {
                return Err(Error::invalid(format!(
                    "{name} is an amount of US dollars from 0 to 9,000,000, such as 2.50"
                )));
            }
        }
        for (name, limit) in [
            ("requests_per_minute", self.requests_per_minute),
            ("input_tokens_per_minute", self.input_tokens_per_minute),
            ("output_tokens_per_minute", self.output_tokens_per_minute),
            ("max_streams", self.max_streams),
        ] {
            if limit.is_some_and(|limit| limit == 0 || limit > u64::from(u32::MAX)) {
                return Err(Error::invalid(format!("{name} is at least 1 and at most {}", u32::MAX)));
            }
        }
        let is_name =
            |name: &String| !name.is_empty() && name.find('*').is_none_or(|at| at + 1 == name.len());
        if let Some(wrong) = self.models.iter().find(|name| !is_name(name)) {
            return Err(Error::invalid(format!(
                "`{wrong}` is no model: give a whole name, or its beginning and `*`"
            )));
        }
        let is_policy = |policy: &str| {
            matches!(policy, "cancel" | "detach")
                || policy.strip_prefix("grace=").is_some_and(|span| span.parse::<u64>().is_ok())
        };
        match &self.on_disconnect {
            Some(policy) if !is_policy(policy) => {
                Err(Error::invalid("on_disconnect is `cancel`, `grace=SECONDS` or `detach`"))
            }
            _ => Ok(()),
        }
    }
}

impl Shown {
    pub(super) fn new(secret: String) -> Self {
        Self(secret)
    }

    /// The text of it. Show it to its owner; keep it nowhere.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Shown {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Shown(hidden)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_are_checked_and_unknown_ones_are_not_overlooked() {
        let check = |json: &str| serde_json::from_str::<Rules>(json).map(|rules| rules.check());
        assert!(matches!(
            check(r#"{"usd_per_day":"2.50","models":["claude-*","m"],"on_disconnect":"grace=5"}"#),
            Ok(Ok(()))
        ));
        for wrong in [
            r#"{"usd_per_day":"-1"}"#,
            r#"{"max_streams":0}"#,
            r#"{"models":["a*b"]}"#,
            r#"{"models":[""]}"#,
            r#"{"on_disconnect":"keep"}"#,
        ] {
            assert!(check(wrong).unwrap().unwrap_err().is_invalid(), "{wrong}");
        }
        assert!(check(r#"{"max_money":1}"#).is_err(), "a rule of a later version");
        assert_eq!(serde_json::to_string(&Rules::default()).unwrap(), "{}");
    }
}
