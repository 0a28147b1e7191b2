//! Work by key: one task a key at a time, the same key queued once however often it is added.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// A queue of keys whose work is due at a time. What is added while its work is going on is due
/// again once that has ended.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    /// When each key is due.
    due: HashMap<String, Instant>,
    /// The same, by time.
    order: BTreeMap<Instant, Vec<String>>,
    working: HashSet<String>,
}

impl Queue {
    /// Makes the key due now.
    pub fn add(&self, key: &str) {
        self.add_after(key, Duration::ZERO);
    }

    /// Makes the key due after a time, unless it is due earlier already.
    pub fn add_after(&self, key: &str, wait: Duration) {
        let at = Instant::now() + wait;
        let mut state = self.state();
        match state.due.get(key) {
            Some(earlier) if *earlier <= at => return,
            Some(_) => state.forget(key),
            None => {}
        }
        state.due.insert(key.to_owned(), at);
        state.order.entry(at).or_default().push(key.to_owned());
        drop(state);
        // Stores a permit where nobody waits right now, so that no addition is missed.
        self.changed.notify_one();
    }

    /// The next key that is due and not being worked on, as soon as there is one. It is being
    /// worked on until the returned guard is dropped.
    pub async fn next(&self) -> Working<'_> {
        loop {
            let changed = self.changed.notified();
            let (key, wait) = self.state().take(Instant::now());
            if let Some(key) = key {
                // Others may wait for the keys behind this one.
                self.changed.notify_one();
                return Working { queue: self, key };
            }
            match wait {
                Some(at) => tokio::select! {
                    () = changed => {}
                    () = tokio::time::sleep_until(at) => {}
                },
                None => changed.await,
            }
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn forget(&mut self, key: &str) {
        if let Some(at) = self.due.remove(key)
            && let Some(keys) = self.order.get_mut(&at)
        {
            keys.retain(|other| other != key);
            if keys.is_empty() {
                self.order.remove(&at);
            }
        }
    }

    /// A key that can be worked on now; or else when one may be.
    fn take(&mut self, now: Instant) -> (Option<String>, Option<Instant>) {
        for (at, keys) in &self.order {
            if let Some(key) = keys.iter().find(|key| !self.working.contains(*key)) {
                if *at > now {
                    return (None, Some(*at));
                }
                let key = key.clone();
                self.forget(&key);
                self.working.insert(key.clone());
                return (Some(key), None);
            }
        }
        (None, None)
    }
}

/// A key that is being worked on.
#[derive(Debug)]
pub struct Working<'a> {
    queue: &'a Queue,
    key: String,
}

impl Working<'_> {
    /// The key.
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        self.queue.state().working.remove(&self.key);
        self.queue.changed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whether anything can be worked on now. Whatever is due is found without waiting, so that
    /// a short time-out only says how long the test lasts.
    async fn idle(queue: &Queue) -> bool {
        tokio::time::timeout(Duration::from_millis(20), queue.next())
            .await
            .is_err()
    }

    #[tokio::test]
    async fn a_key_added_often_is_worked_on_once_and_again_if_added_meanwhile() {
        let queue = Queue::default();
        for _ in 0..3 {
            queue.add("a");
        }
        let working = queue.next().await;
        assert_eq!(working.key(), "a");
        queue.add("a");
        assert!(idle(&queue).await, "one at a time");
        drop(working);
        drop(queue.next().await);
        assert!(idle(&queue).await, "nothing was added");
    }

    #[tokio::test]
    async fn the_earliest_of_several_times_counts() {
        let queue = Queue::default();
        let start = Instant::now();
        queue.add_after("a", Duration::from_secs(10));
        queue.add_after("a", Duration::from_millis(30));
        queue.add_after("a", Duration::from_secs(60));
        drop(queue.next().await);
        assert!(start.elapsed() >= Duration::from_millis(30));
        assert!(idle(&queue).await, "the later times are forgotten");
    }

    #[tokio::test]
    async fn one_that_waits_for_its_own_key_does_not_hold_up_the_others() {
        let queue = Queue::default();
        queue.add("a");
        let a = queue.next().await;
        queue.add("a");
        queue.add("b");
        assert_eq!(queue.next().await.key(), "b");
        drop(a);
    }

    #[tokio::test]
    async fn several_workers_share_what_comes() {
        let queue = std::sync::Arc::new(Queue::default());
        let (seen, mut seen_by) = tokio::sync::mpsc::unbounded_channel();
        let workers: Vec<_> = (0..4)
            .map(|worker| {
                let (queue, seen) = (queue.clone(), seen.clone());
                tokio::spawn(async move {
                    loop {
                        let working = queue.next().await;
                        tokio::task::yield_now().await;
                        let _ = seen.send((worker, working.key().to_owned()));
                    }
                })
            })
            .collect();
        for n in 0..100 {
            queue.add(&format!("key-{n}"));
        }
        let (mut keys, mut busy) = (HashSet::new(), HashSet::new());
        while keys.len() < 100 {
            let Some((worker, key)) = seen_by.recv().await else {
                break;
            };
            busy.insert(worker);
            assert!(keys.insert(key), "each once");
        }
        assert_eq!(busy.len(), 4);
        for worker in workers {
            worker.abort();
        }
    }
}
