//! Temperature and its relatives: gone with the newest version of the API, ranged before.

use super::{Case, Checked, extra, refuse};

pub(super) fn check(case: &Case<'_>) -> Checked {
    for name in ["temperature", "top_p", "top_k"] {
        let Some(value) = case.request.get(name) else { continue };
        if case.strict_version {
            return extra(name);
        }
        let Some(value) = value.as_f64() else {
            return refuse(format!("{name}: Input should be a valid number"));
        };
        if name == "top_k" {
            if value < 0.0 || value.fract() != 0.0 {
                return refuse("top_k: Input should be a valid integer greater than or equal to 0");
            }
        } else if !(0.0..=1.0).contains(&value) {
            return refuse(format!("{name}: range: 0..1"));
        }
    }
    let asked = |name: &str| case.request.get(name).and_then(serde_json::Value::as_f64);
    if asked("temperature").is_some() && asked("top_p").is_some() {
        return refuse(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one.",
        );
    }
    let thinks = case
        .request
        .get("thinking")
        .is_some_and(|thinking| thinking["type"] == "enabled" || thinking["type"] == "adaptive");
    if !thinks {
        return Ok(());
    }
    if asked("temperature").is_some_and(|temperature| temperature < 1.0) {
        return refuse("`temperature` may only be set to 1 when thinking is enabled.");
    }
    if asked("top_p").is_some_and(|top_p| top_p < 0.95) {
        return refuse("`top_p` must be greater than or equal to 0.95 or unset when thinking is enabled.");
    }
    if asked("top_k").is_some() {
        return refuse("`top_k` must be unset when thinking is enabled.");
    }
    Ok(())
}
