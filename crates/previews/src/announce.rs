//! What GitHub shows of a preview: the sticky comment, and the status of its commit.
//!
//! At most one announcement of a pull request is under way, it says the newest state there is
//! when it begins, and edits that follow each other quickly are spread ever further. Whatever
//! fails here is tried again later and never holds up the preview itself.

mod message;
mod pace;

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use catalyst_github::client::CommitState;
use catalyst_github::{GitHub, Retry};
use catalyst_model::ids::{CommitSha, PullRequestNumber};
use catalyst_model::views::PreviewFilter;
use catalyst_store::{Preview, Scope};
use chrono::{TimeDelta, Utc};
use tokio_util::sync::CancellationToken;

use crate::Previews;
use crate::error::Error;
use message::commit_state;
use pace::Pace;

/// How many pull requests are announced at the same time.
const WRITERS: usize = 4;

/// How long one announcement may take, rate limits included.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often an announcement is tried before it rests until the preview's next change.
const TRIES: u32 = 10;

/// For how long a last comment is still made up for.
const OWED: TimeDelta = TimeDelta::hours(1);

/// What was announced of a preview by this process.
#[derive(Debug, Default)]
pub(crate) struct Announced {
    previews: Mutex<HashMap<String, Last>>,
    /// What went wrong with the newest announcement that failed.
    trouble: Mutex<Option<String>>,
}

#[derive(Debug, Clone, Default)]
struct Last {
    comment: Option<String>,
    status: Option<(CommitSha, CommitState)>,
    pace: Pace,
    failures: u32,
}

impl Announced {
    fn get(&self, id: &str) -> Last {
        let previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        previews.get(id).cloned().unwrap_or_default()
    }

    fn set(&self, id: &str, last: Last) {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        previews.insert(id.to_owned(), last);
    }

    /// Forgets all but these.
    fn keep(&self, ids: &[&str]) {
        let mut previews = self.previews.lock().unwrap_or_else(PoisonError::into_inner);
        previews.retain(|id, _| ids.contains(&id.as_str()));
    }

    /// What went wrong with the newest announcement that failed, until one succeeds.
    pub fn trouble(&self) -> Option<String> {
        let trouble = self.trouble.lock().unwrap_or_else(PoisonError::into_inner);
        trouble.clone()
    }

    fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }
}

impl Previews {
    /// Announces what changes, until `stop`.
    pub(crate) async fn announce(&self, stop: CancellationToken) {
        let Some(github) = &self.inner.github else {
            return;
        };
        let writers = (0..WRITERS).map(|_| self.announce_each(github));
        tokio::select! {
            _ = futures::future::join_all(writers) => {}
            () = stop.cancelled() => {}
        }
    }

    /// Has a preview announced, as soon as its pace allows.
    pub(crate) fn announce_soon(&self, id: &str) {
        if self.inner.github.is_some() {
            let wait = self.inner.announced.get(id).pace.wait();
            self.inner.announcements.add_after(id, wait);
        }
    }

    /// Has everything announced that is present or was removed lately, where this process has not
    /// done so: what an earlier one owed is made up for.
    pub(crate) async fn announce_all(&self, present: &[Preview]) -> Result<(), Error> {
        if self.inner.github.is_none() {
            return Ok(());
        }
        let filter = PreviewFilter {
            removed: true,
            limit: 500,
            ..PreviewFilter::default()
        };
        let removed = self
            .inner
            .store
            .list_previews(Scope::All, &filter)
            .await?
            .previews;
        let lately = Utc::now() - OWED;
        let removed = removed.iter().filter(|it| it.deleted_at > Some(lately));
        let ids: Vec<&str> = present
            .iter()
            .map(|it| it.id.as_str())
            .chain(removed.map(|it| it.id.as_str()))
            .collect();
        self.inner.announced.keep(&ids);
        for id in ids {
            self.announce_soon(id);
        }
        Ok(())
    }

    async fn announce_each(&self, github: &GitHub) {
        loop {
            let working = self.inner.announcements.next().await;
            let id = working.key();
            // The pace may have changed since the key was added.
            let wait = self.inner.announced.get(id).pace.wait();
            if !wait.is_zero() {
                self.inner.announcements.add_after(id, wait);
                continue;
            }
            let announcing = tokio::time::timeout(PATIENCE, self.announce_one(github, id));
            match self.holding(&format!("announce/{id}"), announcing).await {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(failure))) => self.announcement_failed(id, &failure),
                Some(Err(_)) => self.announcement_failed(id, &Failure::slow()),
                // Another process is at it, or was when it ended.
                None => {
                    let wait = self.inner.settings.comment_pause;
                    self.inner.announcements.add_after(id, wait);
                }
            }
        }
    }

    async fn announce_one(&self, github: &GitHub, id: &str) -> Result<(), Failure> {
        let store = &self.inner.store;
        let Some(preview) = store.preview(id).await? else {
            return Ok(());
        };
        // What was made by hand is nobody's on GitHub.
        let (Some(number), Some(commit)) = (preview.number, &preview.commit) else {
            return Ok(());
        };
        let number: PullRequestNumber = number.try_into().map_err(Failure::broken)?;
        let remembered = store.pull_request(id).await?.and_then(|it| it.comment_id);
        let deployments = store.deployments(id).await?;
        let body = self.comment(&preview, commit, &deployments)?;
        let mut last = self.inner.announced.get(id);
        let first = last.comment.is_none();

        let state = commit_state(&preview);
        let status = state.map(|state| (commit.clone(), state));
        // After a restart the comment tells whether the status was set too.
        if let Some((_, state)) = &status
            && !first
            && last.status != status
        {
            self.set_status(github, &preview, commit, *state).await?;
            last.status = status.clone();
            self.inner.announced.set(id, last.clone());
        }
        if last.comment.as_deref() != Some(body.as_str()) {
            // The first time, the comment that is there is read and compared, not just written.
            let known = remembered
                .and_then(|it| i64::try_from(it).ok())
                .filter(|_| !first);
            let written = github
                .upsert_comment(&preview.repository, number, known, &body)
                .await?;
            let comment_id = u64::try_from(written.id).ok();
            if comment_id != remembered {
                store.set_comment(id, comment_id).await?;
            }
            if written.changed {
                last.pace = last.pace.after_edit(self.inner.settings.comment_pause);
            }
            if let Some((_, state)) = &status
                && first
                && written.changed
            {
                self.set_status(github, &preview, commit, *state).await?;
            }
            last.status = status.or(last.status);
            last.comment = Some(body.as_str().to_owned());
        }
        last.failures = 0;
        self.inner.announced.set(id, last);
        self.inner.announced.set_trouble(None);
        Ok(())
    }

    fn announcement_failed(&self, id: &str, failure: &Failure) {
        let mut last = self.inner.announced.get(id);
        last.failures += 1;
        let failures = last.failures;
        self.inner.announced.set(id, last);
        let error = self.redacted_chain(&failure.error);
        let wait = match failure.retry {
            Retry::At(at) => Some((at - Utc::now()).to_std().unwrap_or_default()),
            Retry::Later if failures < TRIES => Some(self.inner.settings.wait_after(failures)),
            Retry::Later | Retry::Never => None,
        };
        tracing::warn!(
            component = crate::COMPONENT,
            event = "announcement-failed",
            preview = id,
            failures,
            error,
            tried_again = wait.is_some(),
        );
        self.inner.announced.set_trouble(Some(error));
        if let Some(wait) = wait {
            self.inner.announcements.add_after(id, wait);
        }
    }
}

/// An announcement that failed, and whether to try again.
struct Failure {
    error: Error,
    retry: Retry,
}

impl Failure {
    fn broken(error: impl Into<crate::error::Cause>) -> Self {
        Self {
            error: Error::unavailable("the preview cannot be announced as it is stored", error),
            retry: Retry::Never,
        }
    }

    fn slow() -> Self {
        let error = format!("no answer within {} s", PATIENCE.as_secs());
        Self {
            error: Error::unavailable("GitHub could not be told about the preview", error),
            retry: Retry::Later,
        }
    }
}

impl From<catalyst_github::Error> for Failure {
    fn from(error: catalyst_github::Error) -> Self {
        Self {
            retry: error.retry(),
            error: Error::unavailable("GitHub could not be told about the preview", error),
        }
    }
}

impl From<catalyst_store::StoreError> for Failure {
    fn from(error: catalyst_store::StoreError) -> Self {
        Self {
            retry: Retry::Later,
            error: error.into(),
        }
    }
}
