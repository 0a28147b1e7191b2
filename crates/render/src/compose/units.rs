//! Sizes and times as compose files write them.

use serde_json::Value;

use super::load::scalar;

/// `512m`, `1.5gb`, `1024` in bytes.
pub(super) fn bytes(value: &Value) -> Option<u64> {
    let text = scalar(value).trim().to_ascii_lowercase();
    let end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let number: f64 = text[..end].parse().ok()?;
    let factor: u64 = match text[end..].trim() {
        "" | "b" => 1,
        "k" | "kb" | "kib" => 1 << 10,
        "m" | "mb" | "mib" => 1 << 20,
        "g" | "gb" | "gib" => 1 << 30,
        "t" | "tb" | "tib" => 1 << 40,
        _ => return None,
    };
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "sizes are far below the limits of both"
    )]
    let bytes = (number * factor as f64) as u64;
    (number >= 0.0).then_some(bytes)
}

/// Bytes as Kubernetes writes them.
pub(super) fn quantity(bytes: u64) -> String {
    for (unit, name) in [(1u64 << 30, "Gi"), (1 << 20, "Mi"), (1 << 10, "Ki")] {
        if bytes >= unit && bytes.is_multiple_of(unit) {
            return format!("{}{name}", bytes / unit);
        }
    }
    bytes.to_string()
}

/// `0.5`, `2` as CPUs.
pub(super) fn cpus(value: &Value) -> Option<String> {
    let number: f64 = scalar(value).trim().parse().ok()?;
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a number of CPUs is small"
    )]
    let milli = (number * 1000.0).round() as u64;
    (number > 0.0 && milli > 0).then(|| {
        if milli.is_multiple_of(1000) {
            (milli / 1000).to_string()
        } else {
            format!("{milli}m")
        }
    })
}

/// `1m30s`, `500ms`, `10` in seconds, rounded up.
pub(super) fn seconds(value: &Value) -> Option<u64> {
    let text = scalar(value);
    let mut rest = text.trim();
    let mut total = 0.0;
    if rest.is_empty() {
        return None;
    }
    if let Ok(number) = rest.parse::<f64>() {
        total = number;
        rest = "";
    }
    while !rest.is_empty() {
        let end = rest
            .find(|c: char| !c.is_ascii_digit() && c != '.')
            .filter(|&end| end > 0)?;
        let number: f64 = rest[..end].parse().ok()?;
        rest = &rest[end..];
        let unit = rest
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(rest.len());
        total += number
            * match &rest[..unit] {
                "h" => 3600.0,
                "m" => 60.0,
                "s" => 1.0,
                "ms" => 0.001,
                "us" | "µs" => 0.000_001,
                "ns" => 0.000_000_001,
                _ => return None,
            };
        rest = &rest[unit..];
    }
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "durations in files are small and positive"
    )]
    let whole = total.ceil() as u64;
    (total >= 0.0).then_some(whole)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn sizes_and_times_are_read() {
        for (text, expected) in [
            ("512m", "512Mi"),
            ("1.5g", "1536Mi"),
            ("1024", "1Ki"),
            ("100kb", "100Ki"),
            ("1GiB", "1Gi"),
            ("1000b", "1000"),
        ] {
            assert_eq!(
                bytes(&json!(text)).map(quantity).as_deref(),
                Some(expected),
                "{text}"
            );
        }
        assert_eq!(bytes(&json!("lots")), None);
        for (text, expected) in [("0.5", "500m"), ("2", "2"), ("0.25", "250m")] {
            assert_eq!(cpus(&json!(text)).as_deref(), Some(expected));
        }
        assert_eq!(cpus(&json!(1)).as_deref(), Some("1"));
        for (text, expected) in [
            ("30s", Some(30)),
            ("1m30s", Some(90)),
            ("500ms", Some(1)),
            ("1h", Some(3600)),
            ("10", Some(10)),
            ("x", None),
            ("5x", None),
        ] {
            assert_eq!(seconds(&json!(text)), expected, "{text}");
        }
    }
}
