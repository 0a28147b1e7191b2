//! GitHub's rate limits, as arithmetic on times: nothing here waits or calls.
//!
//! Rules: <https://docs.github.com/en/rest/using-the-rest-api/rate-limits-for-the-rest-api>.

use std::{collections::VecDeque, time::Duration};

use chrono::{DateTime, Utc};
use http::{HeaderMap, StatusCode, header};
use tokio::time::Instant;

/// What GitHub asks to wait where it limits a call without saying for how long; doubled each time
/// in a row.
const UNNAMED_WAIT: Duration = Duration::from_secs(60);
const LONGEST_UNNAMED_WAIT: Duration = Duration::from_secs(3600);

/// Content may be created at most this often…
const WRITES: usize = 80;
/// …in this time.
const WRITES_WINDOW: Duration = Duration::from_secs(60);

/// The times before which GitHub does not want another call with one set of credentials.
#[derive(Debug, Default)]
pub(crate) struct RateLimit {
    closed_until: Option<Instant>,
    unnamed_in_a_row: u32,
}

impl RateLimit {
    /// How long the next call has to wait.
    pub(crate) fn wait(&self, now: Instant) -> Duration {
        self.closed_until
            .map_or(Duration::ZERO, |until| until.saturating_duration_since(now))
    }

    /// Learns from an answer. Returns true when the answer means that the call was refused for
    /// its rate, and nothing else.
    pub(crate) fn observe(
        &mut self,
        status: StatusCode,
        headers: &HeaderMap,
        message: &str,
        now: Instant,
    ) -> bool {
        let refusal = matches!(
            status,
            StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS
        );
        let used_up = number(headers, "x-ratelimit-remaining") == Some(0);
        let reset = used_up.then(|| until_reset(headers)).flatten();
        let retry_after = number(headers, "retry-after").map(Duration::from_secs);

        let named = if refusal {
            retry_after.or(reset)
        } else {
            reset
        };
        if let Some(wait) = named {
            self.close(now + wait);
        }
        if !refusal {
            self.unnamed_in_a_row = 0;
            return false;
        }
        // A 403 is usually about permissions; GitHub says in words when it is not.
        let limited = named.is_some()
            || status == StatusCode::TOO_MANY_REQUESTS
            || message.to_ascii_lowercase().contains("rate limit");
        // Calls that were under way together are refused together: that is one refusal.
        if limited && named.is_none() && self.wait(now).is_zero() {
            let wait = UNNAMED_WAIT.saturating_mul(1 << self.unnamed_in_a_row.min(10));
            self.close(now + wait.min(LONGEST_UNNAMED_WAIT));
            self.unnamed_in_a_row += 1;
        }
        limited
    }

    fn close(&mut self, until: Instant) {
        self.closed_until = self.closed_until.max(Some(until));
    }
}

/// The time from GitHub's own clock to the reset it names, so that a wrong clock on this machine
/// does not matter. A second more, as the reset is cut to whole seconds.
fn until_reset(headers: &HeaderMap) -> Option<Duration> {
    let reset = i64::try_from(number(headers, "x-ratelimit-reset")?).ok()?;
    let date = headers
        .get(header::DATE)
        .and_then(|date| date.to_str().ok())
        .and_then(|date| DateTime::parse_from_rfc2822(date).ok())
        .map_or_else(Utc::now, |date| date.to_utc());
    let seconds = reset.saturating_sub(date.timestamp()).saturating_add(1);
    Some(Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
}

fn number(headers: &HeaderMap, name: &str) -> Option<u64> {
    headers.get(name)?.to_str().ok()?.trim().parse().ok()
}

/// Spreads content-creating calls so that no minute holds more of them than GitHub allows.
#[derive(Debug, Default)]
pub(crate) struct WritePace {
    /// The latest writes, at most [`WRITES`] of them, oldest first; some may lie in the future.
    slots: VecDeque<Instant>,
}

impl WritePace {
    /// Takes the next free slot and returns how long it is away, or, where that is longer than
    /// `longest`, takes nothing and returns that wait as the error.
    pub(crate) fn reserve(
        &mut self,
        now: Instant,
        longest: Duration,
    ) -> Result<Duration, Duration> {
        let slot = match self.slots.front() {
            Some(oldest) if self.slots.len() == WRITES => now.max(*oldest + WRITES_WINDOW),
            _ => now,
        };
        let wait = slot - now;
        if wait > longest {
            return Err(wait);
        }
        if self.slots.len() == WRITES {
            self.slots.pop_front();
        }
        self.slots.push_back(slot);
        Ok(wait)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| (http::HeaderName::from_static(name), value.parse().unwrap()))
            .collect()
    }

    fn after(status: u16, pairs: &[(&'static str, &str)], message: &str) -> (bool, Duration) {
        let (mut limit, now) = (RateLimit::default(), Instant::now());
        let status = StatusCode::from_u16(status).unwrap();
        let limited = limit.observe(status, &headers(pairs), message, now);
        (limited, limit.wait(now))
    }

    #[test]
    fn the_secondary_limit_closes_for_as_long_as_it_says() {
        for status in [403, 429] {
            let named = after(status, &[("retry-after", "17")], "");
            assert_eq!(named, (true, Duration::from_secs(17)));
        }
    }

    #[test]
    fn the_primary_limit_closes_until_its_reset_by_githubs_clock() {
        let primary = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", "1700000100"),
            ("date", "Tue, 14 Nov 2023 22:13:20 GMT"), // 1700000000
        ];
        assert_eq!(after(403, &primary, ""), (true, Duration::from_secs(101)));
        // The last call that is allowed says so as well.
        assert_eq!(after(200, &primary, ""), (false, Duration::from_secs(101)));
    }

    #[test]
    fn a_reset_without_a_date_is_taken_by_our_own_clock() {
        let reset = (Utc::now().timestamp() + 30).to_string();
        let primary = [
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset", reset.as_str()),
        ];
        let (limited, wait) = after(429, &primary, "");
        assert!(limited && (29..=31).contains(&wait.as_secs()), "{wait:?}");
    }

    #[test]
    fn a_limit_without_a_time_closes_for_a_minute_then_doubles_until_a_call_succeeds() {
        let (mut limit, mut now) = (RateLimit::default(), Instant::now());
        let refuse = |limit: &mut RateLimit, now: Instant| {
            let message = "You have exceeded a secondary rate limit.";
            assert!(limit.observe(StatusCode::FORBIDDEN, &HeaderMap::new(), message, now));
            limit.wait(now)
        };
        for seconds in [60, 120, 240] {
            let wait = refuse(&mut limit, now);
            assert_eq!(wait, Duration::from_secs(seconds));
            assert_eq!(refuse(&mut limit, now), wait, "under way at the same time");
            now += wait;
        }
        for _ in 0..40 {
            now += refuse(&mut limit, now);
        }
        assert_eq!(refuse(&mut limit, now), LONGEST_UNNAMED_WAIT);
        now += LONGEST_UNNAMED_WAIT;
        limit.observe(StatusCode::OK, &HeaderMap::new(), "", now);
        assert_eq!(limit.wait(now), Duration::ZERO);
        assert_eq!(refuse(&mut limit, now), UNNAMED_WAIT);
    }

    #[test]
    fn a_plain_403_is_about_permissions() {
        let plain = after(
            403,
            &[("x-ratelimit-remaining", "4999")],
            "Resource not accessible by integration",
        );
        assert_eq!(plain, (false, Duration::ZERO));
    }

    #[test]
    fn a_shorter_wait_never_opens_what_a_longer_one_closed() {
        let (mut limit, now) = (RateLimit::default(), Instant::now());
        for seconds in ["60", "5"] {
            let named = headers(&[("retry-after", seconds)]);
            limit.observe(StatusCode::TOO_MANY_REQUESTS, &named, "", now);
        }
        assert_eq!(limit.wait(now), Duration::from_secs(60));
    }

    #[test]
    fn no_minute_holds_more_than_eighty_writes() {
        let (mut pace, start) = (WritePace::default(), Instant::now());
        let mut times = Vec::new();
        for call in 0..400_u64 {
            // A burst, then one every 100 ms.
            let now = start + Duration::from_millis(100 * call.saturating_sub(150));
            times.push(now + pace.reserve(now, Duration::from_secs(3600)).unwrap());
        }
        for (index, first) in times.iter().enumerate() {
            let minute = times[index..]
                .iter()
                .filter(|time| **time - *first < WRITES_WINDOW);
            assert!(minute.count() <= WRITES);
        }
        assert!(times.is_sorted());
    }

    #[test]
    fn a_write_that_would_wait_too_long_takes_no_slot() {
        let (mut pace, now) = (WritePace::default(), Instant::now());
        let longest = Duration::from_secs(1);
        for _ in 0..WRITES {
            assert_eq!(pace.reserve(now, longest), Ok(Duration::ZERO));
        }
        for _ in 0..3 {
            assert_eq!(pace.reserve(now, longest), Err(WRITES_WINDOW));
        }
        assert_eq!(
            pace.reserve(now + WRITES_WINDOW, longest),
            Ok(Duration::ZERO)
        );
    }
}
