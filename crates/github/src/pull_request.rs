//! A pull request, as webhooks and the REST API both describe it.

use catalyst_model::ids::{CommitSha, PullRequestNumber, RepositoryName};
use chrono::{DateTime, Utc};
use serde::{Deserialize, Deserializer};

/// A repository. GitHub's `id` stays the same through renames and transfers; the name does not.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Repository {
    /// GitHub's id.
    pub id: i64,
    /// `owner/name`.
    pub full_name: RepositoryName,
    /// Where to clone it over HTTPS.
    pub clone_url: String,
    /// Whether it takes credentials to read it.
    pub private: bool,
    /// Whether it is itself a fork of another. To ask whether a pull request comes from one, use
    /// [`PullRequest::is_from_fork`].
    pub fork: bool,
    /// The branch that pull requests are opened against unless they say otherwise.
    pub default_branch: String,
}

/// Whether a pull request is still open. A merged one is closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PullRequestState {
    /// It can still change.
    Open,
    /// It was merged or given up.
    Closed,
}

/// One end of a pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Branch {
    /// The commit at its tip.
    pub sha: CommitSha,
    /// The branch's name, chosen by whoever opened the pull request: any text Git allows.
    #[serde(rename = "ref")]
    pub name: String,
    /// The repository it lies in; `None` when a fork was deleted.
    pub repo: Option<Repository>,
}

/// A pull request.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct PullRequest {
    /// GitHub's id.
    pub id: i64,
    /// Its number in the repository.
    pub number: PullRequestNumber,
    /// Whether it is open.
    pub state: PullRequestState,
    /// Its title: any text.
    pub title: String,
    /// Whether its author says it is not ready yet.
    #[serde(default)]
    pub draft: bool,
    /// When it was merged, if it was.
    pub merged_at: Option<DateTime<Utc>>,
    /// The login of whoever opened it; `None` when the account is gone.
    #[serde(rename = "user", deserialize_with = "login")]
    pub author: Option<String>,
    /// What is proposed.
    pub head: Branch,
    /// What it is proposed for.
    pub base: Branch,
    /// The names of its labels.
    #[serde(default, deserialize_with = "names")]
    pub labels: Vec<String>,
    /// Its page on GitHub.
    pub html_url: String,
    /// When it was opened.
    pub created_at: DateTime<Utc>,
    /// When it last changed; says which of two descriptions is the newer one.
    pub updated_at: DateTime<Utc>,
}

impl PullRequest {
    /// Whether it was merged.
    #[must_use]
    pub fn merged(&self) -> bool {
        self.merged_at.is_some()
    }

    /// Whether its code comes from outside the repository it is proposed for. A fork that is gone
    /// counts as outside. (`head.repo.fork` would be wrong: a repository may be a fork itself.)
    #[must_use]
    pub fn is_from_fork(&self) -> bool {
        match (&self.head.repo, &self.base.repo) {
            (Some(head), Some(base)) => head.id != base.id,
            _ => true,
        }
    }
}

#[derive(Deserialize)]
struct Account {
    // An enterprise has a slug instead.
    login: Option<String>,
}

pub(crate) fn login<'de, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<String>, D::Error> {
    Ok(Option::<Account>::deserialize(deserializer)?.and_then(|account| account.login))
}

fn names<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    struct Named {
        name: String,
    }
    let labels = Vec::<Named>::deserialize(deserializer)?;
    Ok(labels.into_iter().map(|label| label.name).collect())
}
