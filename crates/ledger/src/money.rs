//! Amounts of money: whole picodollars inside and in SQL, exact decimals outside.
//!
//! A price of up to six decimals for a million tokens is a whole number of picodollars for one token, so every cost is a sum of whole
//! numbers: nothing is ever rounded. Databases add integers exactly; SQLite has no decimals at all.

use rust_decimal::Decimal;

/// 10^-12 of a US dollar.
pub(crate) type Pico = i128;

/// Decimals of a dollar in [`Pico`].
const SCALE: u32 = 12;

/// The exact decimal, without zeros at its end.
pub(crate) fn to_usd(amount: Pico) -> Decimal {
    // Above 79 quadrillion dollars nothing is exact any more; that is not a bill.
    Decimal::try_from_i128_with_scale(amount, SCALE).unwrap_or(Decimal::MAX).normalize()
}

/// `None` for what is no whole number of picodollars, negative, or above nine million dollars.
pub(crate) fn from_usd(amount: Decimal) -> Option<Pico> {
    let scaled = amount.checked_mul(Decimal::from(1_000_000_000_000_u64))?.normalize();
    let whole = scaled.scale() == 0 && !scaled.is_sign_negative();
    whole.then(|| scaled.mantissa()).filter(|pico| i64::try_from(*pico).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_survive_both_ways() {
        for text in ["0", "0.000000000001", "12.5", "9000000"] {
            let amount: Decimal = text.parse().unwrap();
            assert_eq!(to_usd(from_usd(amount).unwrap()).to_string(), text);
        }
        for wrong in ["-1", "0.0000000000001", "10000000"] {
            assert_eq!(from_usd(wrong.parse().unwrap()), None, "{wrong}");
        }
    }
}
