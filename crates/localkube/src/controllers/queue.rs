//! Which objects a controller has to look at, now or later, each at most once at a time.

use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

/// Namespace (empty for cluster-scoped kinds) and name.
pub(super) type Key = (String, String);

/// How long to wait after a first failure; each further one doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// The longest wait after a failure.
const LONGEST_WAIT: Duration = Duration::from_secs(30);

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Queue {
    ready: VecDeque<Key>,
    /// What `ready` holds.
    queued: BTreeSet<Key>,
    later: BTreeMap<Key, Instant>,
    failures: HashMap<Key, u32>,
}

impl Queue {
    /// Look at it as soon as possible.
    pub fn add(&mut self, key: Key) {
        if self.queued.insert(key.clone()) {
            self.ready.push_back(key);
        }
    }

    /// The look was a success: what failed before is forgotten. Look again later, where told.
    pub fn succeeded(&mut self, key: Key, again: Option<Instant>) {
        self.failures.remove(&key);
        match again {
            Some(due) => self.later.insert(key, due),
            None => self.later.remove(&key),
        };
    }

    /// The look failed and is repeated after a wait.
    pub fn failed(&mut self, key: Key, now: Instant) {
        let failures = self.failures.entry(key.clone()).or_default();
        let wait = FIRST_WAIT
            .saturating_mul(1 << (*failures).min(16))
            .min(LONGEST_WAIT);
        *failures += 1;
        self.later.insert(key, now + wait);
    }

    /// What to look at next, if anything is due.
    pub fn pop(&mut self, now: Instant) -> Option<Key> {
        let due: Vec<Key> = self
            .later
            .iter()
            .filter(|(_, due)| **due <= now)
            .map(|(key, _)| key.clone())
            .collect();
        for key in due {
            self.later.remove(&key);
            self.add(key);
        }
        let key = self.ready.pop_front()?;
        self.queued.remove(&key);
        Some(key)
    }

    /// When the next of those that wait is due.
    pub fn next_due(&self) -> Option<Instant> {
        self.later.values().min().copied()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(name: &str) -> Key {
        ("default".to_owned(), name.to_owned())
    }

    #[test]
    fn what_is_added_twice_is_looked_at_once() {
        let mut queue = Queue::default();
        let now = Instant::now();
        for name in ["a", "b", "a"] {
            queue.add(key(name));
        }
        assert_eq!(queue.pop(now), Some(key("a")));
        assert_eq!(queue.pop(now), Some(key("b")));
        assert_eq!(queue.pop(now), None);
    }

    #[test]
    fn waits_double_until_a_look_succeeds() {
        let mut queue = Queue::default();
        let now = Instant::now();
        let wait = |queue: &Queue| queue.next_due().map(|due| due - now);
        for expected in [1, 2, 4] {
            queue.failed(key("a"), now);
            assert_eq!(wait(&queue), Some(FIRST_WAIT * expected));
        }
        for _ in 0..40 {
            queue.failed(key("a"), now);
        }
        assert_eq!(wait(&queue), Some(LONGEST_WAIT));
        queue.succeeded(key("a"), None);
        assert_eq!(wait(&queue), None);
        queue.failed(key("a"), now);
        assert_eq!(wait(&queue), Some(FIRST_WAIT));
        assert_eq!(queue.pop(now), None);
        assert_eq!(queue.pop(now + FIRST_WAIT), Some(key("a")));
    }
}
