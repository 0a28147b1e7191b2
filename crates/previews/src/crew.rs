//! Tasks that each hold a claim in the store.

use std::future::Future;
use std::time::Duration;

use tokio::task::{Id, JoinError, JoinSet};

/// How long tasks in hand may take to end when the process does.
const DRAIN: Duration = Duration::from_secs(10);

/// The tasks of one kind of work, and the name under which each holds its claim.
#[derive(Debug, Default)]
pub(crate) struct Crew {
    tasks: JoinSet<()>,
    holders: Vec<(Id, String)>,
}

impl Crew {
    pub fn len(&self) -> usize {
        self.tasks.len()
    }

    pub fn start(&mut self, holder: String, task: impl Future<Output = ()> + Send + 'static) {
        let id = self.tasks.spawn(task).id();
        self.holders.push((id, holder));
    }

    /// Waits until one of them has ended; for ever where there is none.
    pub async fn one_ended(&mut self) {
        match self.tasks.join_next_with_id().await {
            Some(ended) => self.note(ended),
            None => std::future::pending().await,
        }
    }

    /// Waits a while for all of them to end, ends those that did not, and returns the claims that
    /// are still held.
    pub async fn drain(mut self) -> Vec<String> {
        let all = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                let id = ended.as_ref().map_or_else(JoinError::id, |(id, ())| *id);
                self.holders
                    .retain(|(task, _)| ended.is_err() || *task != id);
            }
        };
        if tokio::time::timeout(DRAIN, all).await.is_err() {
            self.tasks.shutdown().await;
        }
        self.holders.into_iter().map(|(_, holder)| holder).collect()
    }

    fn note(&mut self, ended: Result<(Id, ()), JoinError>) {
        match ended {
            Ok((id, ())) => self.holders.retain(|(task, _)| *task != id),
            // Its claim ends by itself, and is taken by another.
            Err(e) => {
                tracing::error!(component = crate::COMPONENT, event = "worker-crashed", error = %e);
                self.holders.retain(|(task, _)| *task != e.id());
            }
        }
    }
}
