//! Whether a cluster answers, as far as its own traffic tells: no request is made to find out.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use crate::error::chain;

/// Whether a cluster answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Health {
    /// Nothing was asked yet.
    Unknown,
    /// The last request was answered, with whatever.
    Answers,
    /// There was no answer to the last request.
    Silent {
        /// Since when there has been none.
        since: DateTime<Utc>,
        /// What the last request failed with.
        why: String,
    },
}

impl Health {
    /// Whether the last request went without an answer.
    #[must_use]
    pub fn is_silent(&self) -> bool {
        matches!(self, Self::Silent { .. })
    }
}

/// Where each request leaves what it found out.
#[derive(Debug, Clone)]
pub(crate) struct Record(Arc<watch::Sender<Health>>);

impl Default for Record {
    fn default() -> Self {
        Self(Arc::new(watch::Sender::new(Health::Unknown)))
    }
}

impl Record {
    pub fn answered(&self) {
        self.0.send_if_modified(|health| {
            let news = *health != Health::Answers;
            *health = Health::Answers;
            news
        });
    }

    pub fn failed(&self, error: &kube::Error) {
        let why = chain(error);
        self.0.send_if_modified(|health| {
            if let Health::Silent { why: said, .. } = health {
                *said = why;
                return false;
            }
            *health = Health::Silent {
                since: Utc::now(),
                why,
            };
            true
        });
    }

    pub fn now(&self) -> Health {
        self.0.borrow().clone()
    }

    pub fn follow(&self) -> watch::Receiver<Health> {
        self.0.subscribe()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silence_lasts_since_its_beginning_and_ends_with_an_answer() {
        let failure = |why: &str| kube::Error::Service(why.to_owned().into());
        let record = Record::default();
        let mut news = record.follow();
        record.failed(&failure("refused"));
        let Health::Silent { since, .. } = record.now() else {
            unreachable!("it is silent");
        };
        record.failed(&failure("no route"));
        let why = "ServiceError: no route".to_owned();
        assert_eq!(record.now(), Health::Silent { since, why });
        assert!(news.has_changed().is_ok_and(|it| it));
        news.mark_unchanged();
        record.answered();
        record.answered();
        assert_eq!(*news.borrow_and_update(), Health::Answers);
        assert!(news.has_changed().is_ok_and(|it| !it), "that is no news");
    }
}
