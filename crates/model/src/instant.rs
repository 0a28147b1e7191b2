//! Times in JSON, as RFC 3339 has them.
//!
//! For `#[serde(with = "crate::instant")]` on what browsers read: chrono's own reading accepts far more
//! than is ever written here, and would be a noticeable part of what a browser loads.

use chrono::{DateTime, NaiveDate, TimeDelta, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error};

/// Writes a time as chrono does.
pub fn serialize<S: Serializer>(at: &DateTime<Utc>, serializer: S) -> Result<S::Ok, S::Error> {
    at.serialize(serializer)
}

/// Reads a time.
pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<DateTime<Utc>, D::Error> {
    let text = String::deserialize(deserializer)?;
    read(&text).ok_or_else(|| D::Error::custom("expected a time"))
}

/// The same for times that may be missing; with `#[serde(default)]`, their fields may be too.
pub mod option {
    use super::{DateTime, Deserialize, Deserializer, Error, Serialize, Serializer, Utc, read};

    /// Writes a time as chrono does.
    pub fn serialize<S: Serializer>(
        at: &Option<DateTime<Utc>>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        at.serialize(serializer)
    }

    /// Reads a time, if there is one.
    pub fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Option<DateTime<Utc>>, D::Error> {
        Option::<String>::deserialize(deserializer)?
            .map(|text| read(&text).ok_or_else(|| D::Error::custom("expected a time")))
            .transpose()
    }
}

/// Reads a time as in `2026-04-01T09:30:00.25Z` and `2026-04-01T11:30:00+02:00`.
#[must_use]
pub fn read(text: &str) -> Option<DateTime<Utc>> {
    let bytes = text.as_bytes();
    // Digits alone: `parse` would take a sign.
    let number = |from: usize, to: usize| -> Option<u32> {
        let digits = bytes.get(from..to)?;
        digits.iter().try_fold(0, |number, digit| {
            let value = u32::from(digit.checked_sub(b'0')?);
            (value < 10).then_some(number * 10 + value)
        })
    };
    let sign = |at: usize, expected: &[u8]| -> Option<()> {
        expected.contains(bytes.get(at)?).then_some(())
    };
    for (at, expected) in [(4, b"-"), (7, b"-"), (10, b"T"), (13, b":"), (16, b":")] {
        sign(at, expected)?;
    }
    let mut end = 19;
    let mut nanos = 0;
    if bytes.get(end) == Some(&b'.') {
        let digits = bytes[end + 1..]
            .iter()
            .take_while(|byte| byte.is_ascii_digit())
            .count();
        let kept = digits.min(9);
        nanos = number(end + 1, end + 1 + kept)? * 10_u32.pow(9 - u32::try_from(kept).ok()?);
        if digits == 0 {
            return None;
        }
        end += 1 + digits;
    }
    let offset = match *bytes.get(end)? {
        b'Z' if bytes.len() == end + 1 => 0,
        way @ (b'+' | b'-') if bytes.len() == end + 6 => {
            sign(end + 3, b":")?;
            let minutes = i64::from(number(end + 1, end + 3)? * 60 + number(end + 4, end + 6)?);
            if way == b'+' { minutes } else { -minutes }
        }
        _ => return None,
    };
    let date = NaiveDate::from_ymd_opt(
        i32::try_from(number(0, 4)?).ok()?,
        number(5, 7)?,
        number(8, 10)?,
    )?;
    let time = date.and_hms_nano_opt(number(11, 13)?, number(14, 16)?, number(17, 19)?, nanos)?;
    Some(time.and_utc() - TimeDelta::minutes(offset))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_chrono_writes_is_read_as_chrono_reads_it() {
        for text in [
            "2026-04-01T09:30:00Z",
            "2026-04-01T09:30:00.250Z",
            "2024-02-29T23:59:59.123456789Z",
            "2026-04-01T11:30:00+02:00",
            "2026-04-01T00:30:00.5-11:45",
        ] {
            let expected: Option<DateTime<Utc>> = text.parse().ok();
            assert!(expected.is_some(), "{text}");
            assert_eq!(read(text), expected, "{text}");
            assert_eq!(expected.and_then(|at| read(&at.to_rfc3339())), expected);
            let json = expected.and_then(|at| serde_json::to_string(&at).ok());
            let json = json.unwrap_or_default();
            assert_eq!(read(json.trim_matches('"')), expected);
        }
    }

    #[test]
    fn anything_else_is_no_time() {
        for text in [
            "",
            "2026-04-01",
            "2026-04-01T09:30:00",
            "2026-04-01T09:30:00.Z",
            "2026-02-30T09:30:00Z",
            "2026-04-01T24:30:00Z",
            "+026-04-01T09:30:00Z",
            "2026-04-01T09:30:00Zx",
            "2026-04-01T09:30:00+0200",
        ] {
            assert_eq!(read(text), None, "{text}");
        }
    }
}
