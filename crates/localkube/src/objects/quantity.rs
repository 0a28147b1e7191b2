//! Kubernetes quantities such as `250m`, `1.5Gi` and `2e3`.

use std::fmt;
use std::ops::{Add, Sub};

use serde_json::Value;

/// A number with the precision of Kubernetes' quantities (billionths), and the family of suffixes
/// in which it is written.
#[derive(Debug, Clone, Copy, Default)]
pub struct Quantity {
    nanos: i128,
    binary: bool,
}

const NANO: i128 = 1_000_000_000;

impl Quantity {
    /// A whole number.
    pub fn whole(value: i64) -> Self {
        Self {
            nanos: i128::from(value) * NANO,
            binary: false,
        }
    }

    /// Thousandths, rounded up, as CPU is counted.
    pub fn millis(self) -> i64 {
        i64::try_from(ceil(self.nanos, NANO / 1000)).unwrap_or(i64::MAX)
    }

    /// The whole number, rounded up, as bytes are counted.
    pub fn units(self) -> i64 {
        i64::try_from(ceil(self.nanos, NANO)).unwrap_or(i64::MAX)
    }

    /// Read text such as `1Gi`; none where it is not a quantity.
    pub fn parse(text: &str) -> Option<Self> {
        let end = text
            .find(|c: char| !(c.is_ascii_digit() || "+-.".contains(c)))
            .unwrap_or(text.len());
        let (number, suffix) = text.split_at(end);
        let (scale, binary) = match suffix {
            "" => (NANO, false),
            "n" => (1, false),
            "u" => (1_000, false),
            "m" => (1_000_000, false),
            "k" => (NANO * 1_000, false),
            "M" => (NANO * 1_000_000, false),
            "G" => (NANO * 1_000_000_000, false),
            "T" => (NANO * 1_000_000_000_000, false),
            "P" => (NANO * 1_000_000_000_000_000, false),
            "E" => (NANO * 1_000_000_000_000_000_000, false),
            "Ki" => (NANO << 10, true),
            "Mi" => (NANO << 20, true),
            "Gi" => (NANO << 30, true),
            "Ti" => (NANO << 40, true),
            "Pi" => (NANO << 50, true),
            "Ei" => (NANO << 60, true),
            _ => {
                let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
                let power = 10_i128.checked_pow(u32::try_from(exponent + 9).ok()?)?;
                (power, false)
            }
        };
        Some(Self {
            nanos: scaled(number, scale)?,
            binary,
        })
    }

    /// Read a JSON string or number.
    pub fn from_json(value: &Value) -> Option<Self> {
        match value {
            Value::String(text) => Self::parse(text),
            Value::Number(number) => Self::parse(&number.to_string()),
            _ => None,
        }
    }
}

/// A decimal number times a scale, rounded away from zero.
fn scaled(number: &str, scale: i128) -> Option<i128> {
    let (negative, digits) = match number.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let parse = |digits: &str| -> Option<i128> {
        if digits.is_empty() {
            return Some(0);
        }
        digits
            .bytes()
            .all(|digit| digit.is_ascii_digit())
            .then(|| digits.parse().ok())?
    };
    let fraction = &fraction[..fraction.len().min(18)];
    let mut value = parse(whole)?.checked_mul(scale)?;
    let divisor = 10_i128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    value = value.checked_add(ceil(parse(fraction)?.checked_mul(scale)?, divisor))?;
    Some(if negative { -value } else { value })
}

fn ceil(value: i128, divisor: i128) -> i128 {
    value.div_euclid(divisor) + i128::from(value.rem_euclid(divisor) != 0)
}

impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}
impl Eq for Quantity {}
impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_add(other.nanos),
            binary: self.binary || (self.nanos == 0 && other.binary),
        }
    }
}

impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        Self {
            nanos: self.nanos.saturating_sub(other.nanos),
            binary: self.binary,
        }
    }
}

/// The canonical form: the largest suffix that needs no fraction.
impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        const DECIMAL: [(&str, i128); 9] = [
            ("E", 1_000_000_000_000_000_000 * NANO),
            ("P", 1_000_000_000_000_000 * NANO),
            ("T", 1_000_000_000_000 * NANO),
            ("G", 1_000_000_000 * NANO),
            ("M", 1_000_000 * NANO),
            ("k", 1_000 * NANO),
            ("", NANO),
            ("m", 1_000_000),
            ("u", 1_000),
        ];
        const BINARY: [(&str, i128); 7] = [
            ("Ei", NANO << 60),
            ("Pi", NANO << 50),
            ("Ti", NANO << 40),
            ("Gi", NANO << 30),
            ("Mi", NANO << 20),
            ("Ki", NANO << 10),
            ("", NANO),
        ];
        if self.nanos == 0 {
            return f.write_str("0");
        }
        let family: &[(&str, i128)] = if self.binary && self.nanos % NANO == 0 {
            &BINARY
        } else {
            &DECIMAL
        };
        for (suffix, scale) in family {
            if self.nanos % scale == 0 {
                return write!(f, "{}{suffix}", self.nanos / scale);
            }
        }
        write!(f, "{}n", self.nanos)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_and_written_canonically() {
        for (text, canonical, millis) in [
            ("250m", "250m", 250),
            ("0.25", "250m", 250),
            ("1", "1", 1_000),
            ("1000m", "1", 1_000),
            ("1.5Gi", "1536Mi", 1_610_612_736_000),
            ("128Mi", "128Mi", 134_217_728_000),
            ("1e3", "1k", 1_000_000),
            ("2E2", "200", 200_000),
            ("1G", "1G", 1_000_000_000_000),
            (".5", "500m", 500),
            ("-1", "-1", -1_000),
            ("0", "0", 0),
        ] {
            let quantity = Quantity::parse(text).unwrap();
            assert_eq!(quantity.to_string(), canonical, "{text}");
            assert_eq!(quantity.millis(), millis, "{text}");
        }
    }

    #[test]
    fn what_is_not_a_quantity_is_refused() {
        for text in [
            "",
            "Mi",
            "1Q",
            "1.2.3",
            "1 Gi",
            "--1",
            "1e",
            "1e99",
            "x",
            "99999999999999999999999999999999Ei",
        ] {
            assert!(Quantity::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn sums_keep_the_family_of_suffixes() {
        let memory = Quantity::default() + Quantity::parse("64Mi").unwrap();
        assert_eq!(
            (memory + Quantity::parse("64Mi").unwrap()).to_string(),
            "128Mi"
        );
    }
}
