//! Decimals as columns have them.

use std::fmt;

/// A 128-bit integer, the unscaled value of a decimal column: 12.34 in a decimal(10,2) is 1234. The scale is the column's.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[repr(transparent)]
pub struct Decimal(pub i128);

impl Decimal {
    /// The value at the scale: `Decimal(1234).text(2)` is "12.34".
    pub fn text(self, scale: u32) -> String {
        let scale = scale as usize;
        let digits = format!("{:0width$}", self.0.unsigned_abs(), width = scale + 1);
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        let sign = if self.0 < 0 { "-" } else { "" };
        if scale == 0 {
            format!("{sign}{whole}")
        } else {
            format!("{sign}{whole}.{fraction}")
        }
    }

    /// Reads digits with an optional sign and point at the scale. Digits beyond the scale must be zero.
    pub fn parse(text: &str, scale: u32) -> Result<Decimal, NotDecimal> {
        let (negative, digits) = match text.as_bytes().first() {
            Some(b'-') => (true, &text[1..]),
            Some(b'+') => (false, &text[1..]),
            _ => (false, text),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let kept = &fraction.as_bytes()[..fraction.len().min(scale as usize)];
        if whole.len() + fraction.len() == 0 || fraction[kept.len()..].bytes().any(|c| c != b'0') {
            return Err(NotDecimal);
        }
        let zeros = std::iter::repeat_n(b'0', scale as usize - kept.len());
        let mut value: i128 = 0;
        for c in whole.bytes().chain(kept.iter().copied()).chain(zeros) {
            if !c.is_ascii_digit() || value > (10i128.pow(38) - 1) / 10 {
                return Err(NotDecimal);
            }
            value = value * 10 + i128::from(c - b'0');
        }
        if value >= 10i128.pow(38) {
            return Err(NotDecimal);
        }
        Ok(Decimal(if negative { -value } else { value }))
    }

    /// The value at the scale, rounded.
    pub fn to_f64(self, scale: u32) -> f64 {
        self.0 as f64 / 10f64.powi(scale as i32)
    }
}

/// The text is not a decimal number of at most 38 digits at this scale.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct NotDecimal;

impl fmt::Display for NotDecimal {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str("not a decimal number of at most 38 digits at this scale")
    }
}

impl std::error::Error for NotDecimal {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_ways() {
        for (text, scale, value) in [
            ("12.34", 2, 1234),
            ("-0.05", 2, -5),
            ("7", 0, 7),
            ("0.000", 3, 0),
            ("-123456789012345678901234567890.12345678", 8, -12345678901234567890123456789012345678),
        ] {
            assert_eq!(Decimal::parse(text, scale), Ok(Decimal(value)));
            assert_eq!(Decimal(value).text(scale), text);
        }
        assert_eq!(Decimal::parse("+1.500", 1), Ok(Decimal(15)));
        assert_eq!(Decimal::parse(".5", 1), Ok(Decimal(5)));
        for bad in ["", "-", ".", "1.25", "1e3", "1.2.3", "a", "123456789012345678901234567890123456789"] {
            assert_eq!(Decimal::parse(bad, 1), Err(NotDecimal), "{bad}");
        }
        assert_eq!(Decimal(-1250).to_f64(2), -12.5);
    }
}
