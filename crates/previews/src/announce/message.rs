//! What an announcement says: pure but for the call that sets a status.

use catalyst_github::GitHub;
use catalyst_github::client::{CommitState, CommitStatus};
use catalyst_github::comment::{CommentBody, CommentState, PastDeployment, PreviewComment, render};
use catalyst_model::ids::{CommitSha, InvalidId};
use catalyst_model::state::PreviewStatus;
use catalyst_model::views::DeploymentView;
use catalyst_store::Preview;
use chrono::{DateTime, Utc};
use url::Url;

use super::Failure;
use crate::Previews;

impl Previews {
    pub(super) fn comment(
        &self,
        preview: &Preview,
        commit: &CommitSha,
        deployments: &[DeploymentView],
    ) -> Result<CommentBody, Failure> {
        let url = preview.url.as_deref().and_then(|url| Url::parse(url).ok());
        let page = self.page(preview);
        let commits: Vec<(CommitSha, &DeploymentView)> = deployments
            .iter()
            .map(|it| Ok((it.commit.parse()?, it)))
            .collect::<Result<_, InvalidId>>()
            .map_err(Failure::broken)?;
        let history: Vec<PastDeployment<'_>> = commits
            .iter()
            .map(|(commit, it)| PastDeployment {
                commit,
                result: it.result,
                started_at: it.started_at,
                finished_at: it.finished_at,
            })
            .collect();
        let state = match preview.deleted_at {
            Some(_) => CommentState::Removed,
            None if preview.blocked.is_some() => CommentState::Blocked {
                reason: preview.blocked.as_deref().unwrap_or_default(),
            },
            None => CommentState::new(preview.status, url.as_ref(), preview.message.as_deref()),
        };
        let comment = PreviewComment {
            state,
            commit,
            namespace: Some(&preview.namespace),
            page: page.as_ref(),
            updated_at: since(preview, deployments.first()),
            history: &history,
        };
        let redact = |text: &str| self.inner.settings.redactor.redact(text).into_owned();
        Ok(render(&comment, &redact))
    }

    pub(super) async fn set_status(
        &self,
        github: &GitHub,
        preview: &Preview,
        commit: &CommitSha,
        state: CommitState,
    ) -> Result<(), Failure> {
        let page = self.page(preview);
        let target = match state {
            CommitState::Success => preview.url.as_deref(),
            _ => page.as_ref().map(Url::as_str),
        };
        let message = preview.message.as_deref().unwrap_or_default();
        let description = match (state, &preview.blocked) {
            (_, Some(blocked)) => blocked.as_str(),
            (CommitState::Success, _) => "The preview answers",
            (CommitState::Failure | CommitState::Error, _) if !message.is_empty() => message,
            (CommitState::Failure | CommitState::Error, _) => "The preview failed",
            (CommitState::Pending, _) => "The preview is on its way",
        };
        let description = self.inner.settings.redactor.redact(description);
        let status = CommitStatus {
            state,
            description: &description,
            target_url: target,
        };
        let set = github.set_commit_status(&preview.repository, commit, &status);
        Ok(set.await?)
    }

    fn page(&self, preview: &Preview) -> Option<Url> {
        let dashboard = self.inner.settings.dashboard_url.as_ref()?;
        dashboard
            .join(&format!("/preview-environments/{}", preview.id))
            .ok()
    }
}

/// When the preview got into the state that the comment shows: the same for the same state, so
/// that the same state is the same comment.
fn since(preview: &Preview, newest: Option<&DeploymentView>) -> DateTime<Utc> {
    let started = newest.map_or(preview.created_at, |it| it.started_at);
    match preview.status {
        _ if preview.deleted_at.is_some() => preview.deleted_at.unwrap_or(preview.updated_at),
        PreviewStatus::Deleting => preview.updated_at,
        PreviewStatus::Running => preview.last_deployed_at.unwrap_or(started),
        PreviewStatus::Failed => newest.and_then(|it| it.finished_at).unwrap_or(started),
        PreviewStatus::Pending | PreviewStatus::Deploying => started,
    }
}

/// The state that the commit's status is to have. None where it stays: a preview that goes with its
/// pull request says nothing about the commit.
pub(super) fn commit_state(preview: &Preview) -> Option<CommitState> {
    match preview.status {
        PreviewStatus::Pending | PreviewStatus::Deploying => Some(CommitState::Pending),
        PreviewStatus::Running => Some(CommitState::Success),
        PreviewStatus::Failed => Some(CommitState::Failure),
        PreviewStatus::Deleting => None,
    }
}
