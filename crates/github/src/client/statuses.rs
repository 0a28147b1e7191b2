//! What GitHub shows beside a commit: a status, and a deployment with its URL.

use catalyst_model::ids::{CommitSha, RepositoryName};
use http::Method;
use serde::{Deserialize, Serialize};
use serde_json::json;

use super::GitHub;
use crate::{error::Error, transport::Call};

/// The name of our commit status. Branch rules refer to it.
pub const STATUS_CONTEXT: &str = "catalyst/preview";

/// GitHub refuses longer descriptions.
const LONGEST_DESCRIPTION: usize = 140;

/// The state of a commit status.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CommitState {
    /// Under way.
    Pending,
    /// The preview answers.
    Success,
    /// The preview could not be brought up.
    Failure,
    /// Catalyst itself failed.
    Error,
}

/// A commit status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CommitStatus<'a> {
    /// Its state.
    pub state: CommitState,
    /// One line; cut to GitHub's 140 characters.
    pub description: &'a str,
    /// Where its link leads, `http` or `https`.
    pub target_url: Option<&'a str>,
}

/// The state of a deployment.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DeploymentState {
    /// Accepted.
    Queued,
    /// Under way.
    InProgress,
    /// It answers at its environment URL.
    Success,
    /// It could not be brought up.
    Failure,
    /// It is gone; GitHub shows it as destroyed.
    Inactive,
}

/// A deployment's status.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeploymentStatus<'a> {
    /// Its state.
    pub state: DeploymentState,
    /// One line; cut to GitHub's 140 characters.
    pub description: &'a str,
    /// Where "View deployment" leads.
    pub environment_url: Option<&'a str>,
    /// Where its logs are.
    pub log_url: Option<&'a str>,
}

impl GitHub {
    /// Sets the status [`STATUS_CONTEXT`] of a commit.
    ///
    /// # Errors
    /// See [`Cause`](crate::Cause).
    pub async fn set_commit_status(
        &self,
        repository: &RepositoryName,
        commit: &CommitSha,
        status: &CommitStatus<'_>,
    ) -> Result<(), Error> {
        let mut body = json!({
            "context": STATUS_CONTEXT,
            "state": status.state,
            "description": cut(status.description),
        });
        if let Some(url) = status.target_url {
            body["target_url"] = url.into();
        }
        let call = Call::write(
            Method::POST,
            format!("/repos/{repository}/statuses/{commit}"),
            body,
            format!("set the status of commit {commit} of {repository}"),
        );
        self.send(repository, &call).await.map(drop)
    }

    /// Records that a commit is deployed to an environment of this name, and returns the
    /// deployment's id. It is queued until [`GitHub::set_deployment_status`] says otherwise.
    ///
    /// # Errors
    /// See [`Cause`](crate::Cause). Not repeated when its answer is lost.
    pub async fn create_deployment(
        &self,
        repository: &RepositoryName,
        commit: &CommitSha,
        environment: &str,
    ) -> Result<i64, Error> {
        #[derive(Deserialize)]
        struct Deployment {
            id: i64,
        }
        let body = json!({
            "ref": commit,
            "environment": environment,
            // The commit as it is, whatever its checks say and however old its base.
            "auto_merge": false,
            "required_contexts": [],
            "transient_environment": true,
            "production_environment": false,
        });
        let call = Call::write(
            Method::POST,
            format!("/repos/{repository}/deployments"),
            body,
            format!("record a deployment of commit {commit} of {repository}"),
        )
        .once();
        let deployment: Deployment = self.send(repository, &call).await?.read(&call)?;
        Ok(deployment.id)
    }

    /// Sets the status of a deployment.
    ///
    /// # Errors
    /// See [`Cause`](crate::Cause).
    pub async fn set_deployment_status(
        &self,
        repository: &RepositoryName,
        deployment: i64,
        status: &DeploymentStatus<'_>,
    ) -> Result<(), Error> {
        let mut body = json!({
            "state": status.state,
            "description": cut(status.description),
        });
        for (name, url) in [
            ("environment_url", status.environment_url),
            ("log_url", status.log_url),
        ] {
            if let Some(url) = url {
                body[name] = url.into();
            }
        }
        let call = Call::write(
            Method::POST,
            format!("/repos/{repository}/deployments/{deployment}/statuses"),
            body,
            format!("set the status of deployment {deployment} of {repository}"),
        );
        self.send(repository, &call).await.map(drop)
    }
}

fn cut(description: &str) -> String {
    description.chars().take(LONGEST_DESCRIPTION).collect()
}
