//! How soon a comment may be edited again.

use std::time::Duration;

use tokio::time::Instant;

/// Edits that follow each other quickly are spread ever further, up to this.
const LONGEST: Duration = Duration::from_secs(20);

/// When the next edit may be, given the last ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct Pace {
    last: Option<Instant>,
    pause: Duration,
}

impl Pace {
    /// How long the next edit has to wait.
    pub fn wait(&self) -> Duration {
        self.last.map_or(Duration::ZERO, |last| {
            (last + self.pause).saturating_duration_since(Instant::now())
        })
    }

    /// The pace after an edit just now: the pause doubles where the last one was hardly longer ago
    /// than it had to be, and is the shortest one again after a rest.
    pub fn after_edit(&self, shortest: Duration) -> Self {
        let now = Instant::now();
        let hurried = self
            .last
            .is_some_and(|last| now.duration_since(last) < self.pause.saturating_mul(3));
        let pause = if hurried {
            self.pause.saturating_mul(2).min(LONGEST.max(shortest))
        } else {
            shortest
        };
        Self {
            last: Some(now),
            pause,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many edits of a preview that changes all the time fall into `time`.
    fn edits_in(time: Duration) -> u32 {
        let mut pace = Pace::default();
        let (mut edits, mut waited) = (0, Duration::ZERO);
        while waited < time {
            edits += 1;
            pace = pace.after_edit(Duration::from_secs(2));
            // As if the wait had passed, and not a moment more.
            waited += pace.pause;
            pace.last = pace.last.and_then(|last| last.checked_sub(pace.pause));
        }
        edits
    }

    #[test]
    fn a_minute_of_changes_makes_at_most_six_edits() {
        assert!((3..=6).contains(&edits_in(Duration::from_secs(60))));
    }

    #[test]
    fn the_first_edit_is_at_once_and_the_second_after_the_shortest_pause() {
        let pace = Pace::default();
        assert!(pace.wait().is_zero());
        let pace = pace.after_edit(Duration::from_secs(2));
        assert!(pace.wait() > Duration::from_secs(1));
        assert!(pace.wait() <= Duration::from_secs(2));
    }

    #[test]
    fn a_rest_brings_the_shortest_pause_back() {
        let mut pace = Pace {
            last: Instant::now().checked_sub(Duration::from_secs(61)),
            pause: Duration::from_secs(20),
        };
        pace = pace.after_edit(Duration::from_secs(2));
        assert_eq!(pace.pause, Duration::from_secs(2));
    }
}
