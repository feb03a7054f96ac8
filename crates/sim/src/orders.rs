//! What the sender of a request orders beyond the request: the words of the header `perennial-sim`.

use http::HeaderMap;

use crate::answer::Refused;
use crate::mind::Manners;
use crate::pace::PaceChange;

/// The header that carries orders.
pub const HEADER: &str = "perennial-sim";

#[derive(Clone, Debug, Default)]
pub(crate) struct Orders {
    pub(crate) pace: PaceChange,
    pub(crate) manners: Manners,
    pub(crate) seed: Option<u64>,
}

impl Orders {
    pub(crate) fn from_headers(headers: &HeaderMap) -> Result<Self, Refused> {
        let mut orders = Self::default();
        for value in headers.get_all(HEADER) {
            let text =
                value.to_str().map_err(|_| Refused::invalid(format!("{HEADER}: only ASCII is allowed")))?;
            for word in text.split([';', ',']).map(str::trim).filter(|word| !word.is_empty()) {
                let (name, value) =
                    word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)));
                let wrong = |why: String| Refused::invalid(format!("{HEADER}: {why}"));
                if PaceChange::knows(name) {
                    orders
                        .pace
                        .set(name, value.unwrap_or_default())
                        .map_err(|error| wrong(error.to_string()))?;
                } else {
                    orders.manners.apply(name, value).map_err(|error| wrong(error.to_string()))?;
                }
            }
        }
        Ok(orders)
    }
}
