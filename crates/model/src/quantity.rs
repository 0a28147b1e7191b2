//! Kubernetes quantities, such as `250m`, `1.5Gi` and `18304n`.

/// Billionths in one.
const NANO: i128 = 1_000_000_000;

/// Bytes in a MiB.
const MIB: i128 = 1 << 20;

/// A quantity in billionths, rounded up; none where the text is not one, or below zero.
#[must_use]
pub fn nanos(text: &str) -> Option<i128> {
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if number.len() > 18 || fraction.contains('.') || (whole.is_empty() && fraction.is_empty()) {
        return None;
    }
    let factor = factor(suffix)?;
    let digits: i128 = format!("{whole}{fraction}").parse().ok()?;
    let scale = 10_i128.pow(u32::try_from(fraction.len()).ok()?);
    Some(up(digits.checked_mul(factor)?, scale))
}

/// What one of a suffix is in billionths.
fn factor(suffix: &str) -> Option<i128> {
    Some(match suffix {
        "n" => 1,
        "u" => 1_000,
        "m" => 1_000_000,
        "" => NANO,
        "k" => NANO * 1_000,
        "M" => NANO * 1_000_000,
        "G" => NANO * 1_000_000_000,
        "T" => NANO * 1_000_000_000_000,
        "P" => NANO * 1_000_000_000_000_000,
        "E" => NANO * 1_000_000_000_000_000_000,
        "Ki" => NANO << 10,
        "Mi" => NANO << 20,
        "Gi" => NANO << 30,
        "Ti" => NANO << 40,
        "Pi" => NANO << 50,
        "Ei" => NANO << 60,
        _ => {
            let exponent: u32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            NANO.checked_mul(10_i128.checked_pow(exponent)?)?
        }
    })
}

/// A quantity in thousandths, rounded up.
#[must_use]
pub fn millis(text: &str) -> Option<i128> {
    nanos(text).map(|nanos| up(nanos, NANO / 1000))
}

/// CPU (`2`, `500m`, `18304n`) in thousandths of a core, rounded up.
#[must_use]
pub fn millicores(text: &str) -> Option<u64> {
    u64::try_from(millis(text)?).ok()
}

/// Memory (`512Mi`, `128974848`) in MiB, rounded up.
#[must_use]
pub fn mebibytes(text: &str) -> Option<u64> {
    u64::try_from(up(nanos(text)?, NANO * MIB)).ok()
}

fn up(value: i128, divisor: i128) -> i128 {
    (value + divisor - 1) / divisor
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantities_are_read_as_kubernetes_reads_them() {
        for (text, expected) in [
            ("2", Some(2000)),
            ("500m", Some(500)),
            ("0.5", Some(500)),
            (".5", Some(500)),
            ("2.", Some(2000)),
            ("1.5k", Some(1_500_000)),
            ("1e3", Some(1_000_000)),
            ("1E3", Some(1_000_000)),
            ("1Ki", Some(1_024_000)),
            ("8Gi", Some((8 << 30) * 1000)),
            ("0.0001", Some(1)),
            ("0", Some(0)),
            ("", None),
            (".", None),
            ("-1", None),
            ("1.2.3", None),
            ("4 Gi", None),
            ("lots", None),
            ("1e400", None),
            ("1e99999999999", None),
            ("999999999999999999Ei", None),
            ("9999999999999999999999999999999999999999", None),
        ] {
            assert_eq!(millis(text), expected, "{text}");
        }
    }

    #[test]
    fn cpu_is_counted_in_thousandths_of_a_core() {
        for (text, expected) in [
            ("18304n", 1),
            ("250123456n", 251),
            ("1500u", 2),
            ("250m", 250),
            ("1.5", 1500),
        ] {
            assert_eq!(millicores(text), Some(expected), "{text}");
        }
    }

    #[test]
    fn memory_is_counted_in_mebibytes() {
        for (text, expected) in [
            ("524288Ki", 512),
            ("512Mi", 512),
            ("1.5Gi", 1536),
            ("2Ti", 2 << 20),
            ("134217728", 128),
            ("134217729", 129),
            ("129M", 124),
            ("0", 0),
        ] {
            assert_eq!(mebibytes(text), Some(expected), "{text}");
        }
    }
}
