//! Kubernetes quantities such as `500m`, `1.5Gi` and `2e3`.

use serde_json::Value;

/// One, in the unit that [`nanos`] counts.
pub(crate) const UNIT: i128 = 1_000_000_000;

/// A quantity in billionths; none where it is absent or not one.
pub(crate) fn nanos(quantity: &Value) -> Option<i128> {
    match quantity {
        Value::String(text) => parse(text.trim()),
        Value::Number(number) => parse(&number.to_string()),
        _ => None,
    }
}

/// A quantity in whole units, rounded up; for bytes.
pub(crate) fn whole(quantity: &Value) -> Option<u64> {
    let nanos = nanos(quantity)?;
    u64::try_from((nanos + UNIT - 1) / UNIT).ok()
}

/// A quantity in thousandths, rounded up; for cores.
pub(crate) fn millis(quantity: &Value) -> Option<u64> {
    let nanos = nanos(quantity)?;
    u64::try_from((nanos + UNIT / 1000 - 1) / (UNIT / 1000)).ok()
}

fn parse(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !(c.is_ascii_digit() || ".+-".contains(c)))
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let scale: i128 = match suffix {
        "" => UNIT,
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "k" => 1_000 * UNIT,
        "M" => 1_000_000 * UNIT,
        "G" => 1_000_000_000 * UNIT,
        "T" => 1_000_000_000_000 * UNIT,
        "P" => 1_000_000_000_000_000 * UNIT,
        "Ki" => (1 << 10) * UNIT,
        "Mi" => (1 << 20) * UNIT,
        "Gi" => (1 << 30) * UNIT,
        "Ti" => (1 << 40) * UNIT,
        "Pi" => (1 << 50) * UNIT,
        _ => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            10_i128.checked_pow(exponent)?.checked_mul(UNIT)?
        }
    };
    let (negative, number) = match number.strip_prefix('-') {
        Some(number) => (true, number),
        None => (false, number.strip_prefix('+').unwrap_or(number)),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() || fraction.len() > 15 {
        return None;
    }
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let tens = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    let value = digits.checked_mul(scale)? / tens;
    Some(if negative { -value } else { value })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_writes_them() {
        for (text, bytes) in [
            ("0", 0),
            ("128974848", 128_974_848),
            ("129e6", 129_000_000),
            ("129M", 129_000_000),
            ("123Mi", 128_974_848),
            ("1.5Gi", 1_610_612_736),
            ("1k", 1000),
        ] {
            assert_eq!(whole(&json!(text)), Some(bytes), "{text}");
        }
        assert_eq!(millis(&json!("250m")), Some(250));
        assert_eq!(millis(&json!("0.1")), Some(100));
        assert_eq!(millis(&json!(2)), Some(2000));
        for text in ["", "x", "1Zi", "."] {
            assert_eq!(nanos(&json!(text)), None, "{text}");
        }
    }
}
