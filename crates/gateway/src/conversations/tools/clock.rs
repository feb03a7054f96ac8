//! The clock.

use jiff::tz::TimeZone;
use jiff::{Timestamp, Zoned};

use super::Given;

/// The present time, in words that say the day of the week too.
pub(super) fn now(zone: Option<&str>) -> Given {
    let zone = match zone.map(str::trim).filter(|zone| !zone.is_empty()) {
        None | Some("UTC") => TimeZone::UTC,
        Some(name) => TimeZone::get(name).map_err(|_| {
            format!("There is no time zone {name:.60}: give an IANA name such as Europe/Berlin.")
        })?,
    };
    Ok(told(&Timestamp::now().to_zoned(zone)))
}

fn told(time: &Zoned) -> String {
    time.strftime("%A, %Y-%m-%d %H:%M:%S %:z (%Q)").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_moment_is_told_with_its_day_and_zone() {
        let moment: Timestamp = "2026-11-26T08:00:00Z".parse().unwrap();
        assert_eq!(told(&moment.to_zoned(TimeZone::UTC)), "Thursday, 2026-11-26 08:00:00 +00:00 (UTC)");
        assert!(now(Some("Nowhere/At_All")).unwrap_err().contains("IANA"));
        assert!(now(None).is_ok());
    }
}
