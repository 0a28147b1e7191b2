//! Times, durations and names as people read them. Pure, so that server and browser agree.

use chrono::{DateTime, Datelike, TimeDelta, Timelike, Utc};

/// How long ago something was, as in `just now`, `12 s ago`, `3 min ago`, `5 h ago`, `6 d ago`;
/// after a month, the date.
pub(crate) fn ago(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    let age = now - at;
    if age.num_days() > 30 {
        return date(at);
    }
    match short(age) {
        Some(age) => format!("{age} ago"),
        None => "just now".to_owned(),
    }
}

/// How old something is, as in `12 s`, `3 min`, `5 h`, `6 d`.
pub(crate) fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    short(now - at).unwrap_or_else(|| "now".to_owned())
}

/// How long until something is, as in `in 3 h`; `now` once it has come.
pub(crate) fn until(at: DateTime<Utc>, now: DateTime<Utc>) -> String {
    match short(at - now) {
        Some(time) => format!("in {time}"),
        None => "now".to_owned(),
    }
}

/// CPU in thousandths of a core, as in `240m` and `1.25 cores`.
pub(crate) fn cpu(millicores: u64) -> String {
    match millicores {
        ..1000 => format!("{millicores}m"),
        1000 => "1 core".to_owned(),
        _ => format!("{} cores", decimal(millicores, 1000)),
    }
}

/// Memory in MiB, as in `180 MiB` and `1.5 GiB`.
pub(crate) fn memory(mebibytes: u64) -> String {
    match mebibytes {
        ..1024 => format!("{mebibytes} MiB"),
        _ => format!("{} GiB", decimal(mebibytes, 1024)),
    }
}

/// A quotient with at most one digit behind the point.
fn decimal(value: u64, unit: u64) -> String {
    let tenths = (value * 10 + unit / 2) / unit;
    match tenths % 10 {
        0 => (tenths / 10).to_string(),
        rest => format!("{}.{rest}", tenths / 10),
    }
}

fn short(age: TimeDelta) -> Option<String> {
    let seconds = age.num_seconds();
    match seconds {
        ..5 => None,
        5..60 => Some(format!("{seconds} s")),
        60..3600 => Some(format!("{} min", seconds / 60)),
        3600..86_400 => Some(format!("{} h", seconds / 3600)),
        _ => Some(format!("{} d", seconds / 86_400)),
    }
}

/// A duration with two units at most, as in `0.4 s`, `48 s`, `1 min 31 s`, `2 h 4 min`.
pub(crate) fn duration(span: TimeDelta) -> String {
    let millis = span.num_milliseconds().max(0);
    let seconds = millis / 1000;
    match seconds {
        // Kubernetes tells times in whole seconds.
        0 if millis == 0 => "< 1 s".to_owned(),
        0..10 => format!("{}.{} s", seconds, millis % 1000 / 100),
        10..60 => format!("{seconds} s"),
        60..3600 if seconds % 60 == 0 => format!("{} min", seconds / 60),
        60..3600 => format!("{} min {} s", seconds / 60, seconds % 60),
        _ if seconds / 60 % 60 == 0 => format!("{} h", seconds / 3600),
        _ => format!("{} h {} min", seconds / 3600, seconds / 60 % 60),
    }
}

/// The exact time, for a title.
pub(crate) fn exact(at: DateTime<Utc>) -> String {
    format!("{}, {} UTC", day(at, usize::MAX), clock(at))
}

/// The day, as in `3 Apr 2026`.
pub(crate) fn date(at: DateTime<Utc>) -> String {
    day(at, 3)
}

/// The time for machines, as RFC 3339 has it.
pub(crate) fn machine(at: DateTime<Utc>) -> String {
    format!(
        "{:04}-{:02}-{:02}T{}Z",
        at.year(),
        at.month(),
        at.day(),
        clock(at)
    )
}

// chrono's own formatting reads patterns and knows calendars; what pages say needs neither, and browsers
// would have to load it.
const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

/// A day with its month's name, of which at most `letters` are written.
fn day(at: DateTime<Utc>, letters: usize) -> String {
    let month = MONTHS[at.month0() as usize];
    let month = month.get(..letters).unwrap_or(month);
    format!("{} {month} {}", at.day(), at.year())
}

/// The time of day, as in `09:30:00`.
fn clock(at: DateTime<Utc>) -> String {
    format!("{:02}:{:02}:{:02}", at.hour(), at.minute(), at.second())
}

/// The first seven digits of a commit.
pub(crate) fn short_commit(commit: &str) -> String {
    commit.chars().take(7).collect()
}

/// Splits a name so that its end, which tells it from its neighbours, stays visible when its
/// beginning is cut.
pub(crate) fn split_for_cutting(name: &str) -> (&str, &str) {
    const KEPT: usize = 10;
    match name.char_indices().rev().nth(KEPT - 1) {
        Some((at, _)) if at > 0 => name.split_at(at),
        _ => (name, ""),
    }
}

/// An address that may be linked to: http and https only, so that no text from elsewhere becomes
/// a script.
pub(crate) fn web_link(url: &str) -> Option<&str> {
    let scheme = url.get(..url.find(':')?)?;
    ["http", "https"]
        .iter()
        .any(|known| scheme.eq_ignore_ascii_case(known))
        .then_some(url)
}

/// The host of an address, with its port.
pub(crate) fn host(url: &str) -> &str {
    let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
    rest.split(['/', '?', '#']).next().unwrap_or(rest)
}

/// The part of a host before its first dot, which tells one preview's host from another's.
pub(crate) fn first_label(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

/// A text in which each full commit id is cut to its first seven digits.
pub(crate) fn with_short_commits(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for piece in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric()) {
        let word = piece.trim_end_matches(|c: char| !c.is_ascii_alphanumeric());
        let commit = word.len() == 40 && word.bytes().all(|b| b.is_ascii_hexdigit());
        match commit {
            true => {
                out.push_str(&short_commit(word));
                out.push_str(&piece[word.len()..]);
            }
            false => out.push_str(piece),
        }
    }
    out
}

/// `singular` for one, `plural` otherwise, with the number before it.
pub(crate) fn count(n: usize, singular: &str, plural: &str) -> String {
    format!("{n} {}", if n == 1 { singular } else { plural })
}

/// Percent-encodes a text for use as a segment of a path or a value of a query.
pub(crate) fn encode(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'_' | b'.' | b'~' => {
                out.push(char::from(byte));
            }
            _ => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

/// A text in small letters. Browsers know how themselves, and need not load what knows it for all scripts.
pub(crate) fn lowercase(text: &str) -> String {
    #[cfg(target_arch = "wasm32")]
    return js_sys::JsString::from(text).to_lower_case().into();
    #[cfg(not(target_arch = "wasm32"))]
    text.to_lowercase()
}

/// A number with its thousands set apart: `100,000`.
pub(crate) fn grouped(number: u32) -> String {
    let digits = number.to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::UNIX_EPOCH + TimeDelta::seconds(seconds)
    }

    #[test]
    fn ages_are_told_in_one_unit() {
        for (seconds, expected) in [
            (-30, "just now"),
            (4, "just now"),
            (5, "5 s ago"),
            (60, "1 min ago"),
            (7199, "1 h ago"),
            (6 * 86_400, "6 d ago"),
            (90 * 86_400, "1 Jan 1970"),
        ] {
            assert_eq!(ago(at(0), at(seconds)), expected);
        }
        assert_eq!(age(at(0), at(3 * 3600)), "3 h");
    }

    #[test]
    fn exact_times_are_written_out() {
        let at = at(1_775_035_805);
        assert_eq!(exact(at), "1 April 2026, 09:30:05 UTC");
        assert_eq!(date(at), "1 Apr 2026");
        assert_eq!(machine(at), "2026-04-01T09:30:05Z");
        assert_eq!(machine(at).parse().ok(), Some(at));
    }

    #[test]
    fn amounts_are_told_in_the_unit_that_suits_them() {
        for (millicores, expected) in [
            (0, "0m"),
            (240, "240m"),
            (1000, "1 core"),
            (1250, "1.3 cores"),
            (16_000, "16 cores"),
        ] {
            assert_eq!(cpu(millicores), expected);
        }
        for (mebibytes, expected) in [
            (0, "0 MiB"),
            (1023, "1023 MiB"),
            (1536, "1.5 GiB"),
            (8192, "8 GiB"),
        ] {
            assert_eq!(memory(mebibytes), expected);
        }
    }

    #[test]
    fn what_is_to_come_is_told_in_one_unit() {
        assert_eq!(until(at(3 * 3600), at(0)), "in 3 h");
        assert_eq!(until(at(90), at(0)), "in 1 min");
        assert_eq!(until(at(0), at(10)), "now");
    }

    #[test]
    fn durations_are_told_in_two_units() {
        for (millis, expected) in [
            (-5, "< 1 s"),
            (240, "0.2 s"),
            (48_900, "48 s"),
            (91_000, "1 min 31 s"),
            (120_000, "2 min"),
            (7_440_000, "2 h 4 min"),
        ] {
            assert_eq!(duration(TimeDelta::milliseconds(millis)), expected);
        }
    }

    #[test]
    fn a_long_name_keeps_its_end() {
        assert_eq!(
            split_for_cutting("acme-storefront-preview-482"),
            ("acme-storefront-p", "review-482")
        );
        assert_eq!(split_for_cutting("short"), ("short", ""));
        assert_eq!(
            split_for_cutting("größe-ändern-über"),
            ("größe-ä", "ndern-über")
        );
    }

    #[test]
    fn only_web_addresses_become_links() {
        assert!(web_link("http://a.localhost:8080/").is_some());
        assert!(web_link("HTTPS://a.dev/").is_some());
        for bad in [
            "javascript:alert(1)",
            "data:text/html,x",
            "//evil",
            "",
            "\u{1}https:x",
        ] {
            assert_eq!(web_link(bad), None, "{bad}");
        }
        assert_eq!(host("http://a.localhost:8080/x?y"), "a.localhost:8080");
    }

    #[test]
    fn commits_in_a_text_are_shortened_and_nothing_else_is() {
        let sha = "0123456789abcdef0123456789abcdef01234567";
        assert_eq!(
            with_short_commits(&format!("serving {sha}, née {sha}")),
            "serving 0123456, née 0123456"
        );
        assert_eq!(
            with_short_commits(&format!("{sha}0 stays")),
            format!("{sha}0 stays")
        );
    }

    #[test]
    fn values_of_a_query_are_encoded() {
        assert_eq!(encode("a b&c=ü"), "a%20b%26c%3D%C3%BC");
    }

    #[test]
    fn thousands_are_set_apart() {
        let said: Vec<_> = [0, 999, 1000, 100_000, 1_234_567].map(grouped).into();
        assert_eq!(said, ["0", "999", "1,000", "100,000", "1,234,567"]);
    }
}
