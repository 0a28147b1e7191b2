//! A pull request as GitHub tells it, in the store's form.

use catalyst_github::pull_request as github;
use catalyst_store::{NewPullRequest, PullRequestState, ReviewStatus};

/// The login that GitHub itself shows for a deleted account.
const GHOST: &str = "ghost";

/// As an event or GitHub's API tells of it.
pub(crate) fn told(repository_id: &str, it: &github::PullRequest) -> NewPullRequest {
    NewPullRequest {
        repository_id: repository_id.to_owned(),
        github_id: it.id.unsigned_abs(),
        number: it.number,
        title: it.title.clone(),
        author: it.author.clone().unwrap_or_else(|| GHOST.to_owned()),
        url: it.html_url.clone(),
        state: match it.state {
            _ if it.merged() => PullRequestState::Merged,
            github::PullRequestState::Open => PullRequestState::Open,
            github::PullRequestState::Closed => PullRequestState::Closed,
        },
        status: if it.draft {
            ReviewStatus::Draft
        } else {
            ReviewStatus::Ready
        },
        labels: it.labels.clone(),
        head_sha: it.head.sha.clone(),
        head_ref: it.head.name.clone(),
        head_repository: it.head.repo.as_ref().map(|fork| fork.full_name.to_string()),
        is_fork: it.is_from_fork(),
        updated_at: it.updated_at,
    }
}
