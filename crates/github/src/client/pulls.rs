//! Repositories and their pull requests.

use catalyst_model::ids::{PullRequestNumber, RepositoryName};

use super::GitHub;
use crate::{
    error::Error,
    pull_request::{PullRequest, Repository},
    transport::Call,
};

impl GitHub {
    /// A repository by its name.
    ///
    /// # Errors
    /// See [`Cause`](crate::Cause).
    pub async fn repository(&self, repository: &RepositoryName) -> Result<Repository, Error> {
        let call = Call::get(
            format!("/repos/{repository}"),
            format!("read the repository {repository}"),
        );
        self.send(repository, &call).await?.read(&call)
    }

    /// A pull request as it is now.
    ///
    /// # Errors
    /// See [`Cause`](crate::Cause).
    pub async fn pull_request(
        &self,
        repository: &RepositoryName,
        number: PullRequestNumber,
    ) -> Result<PullRequest, Error> {
        let call = Call::get(
            format!("/repos/{repository}/pulls/{number}"),
            format!("read the pull request {repository}#{number}"),
        );
        self.send(repository, &call).await?.read(&call)
    }

    /// All open pull requests of a repository, oldest first. One call for each hundred; one that
    /// is closed between two of these calls can hide another one.
    ///
    /// # Errors
    /// See [`Cause`](crate::Cause).
    pub async fn open_pull_requests(
        &self,
        repository: &RepositoryName,
    ) -> Result<Vec<PullRequest>, Error> {
        let mut all = Vec::new();
        for page in 1_u32.. {
            let call = Call::get(
                format!(
                    "/repos/{repository}/pulls?state=open&sort=created&direction=asc&per_page=100&page={page}"
                ),
                format!("list the open pull requests of {repository}"),
            );
            let answer = self.send(repository, &call).await?;
            all.extend(answer.read::<Vec<PullRequest>>(&call)?);
            if !answer.has_next_page() {
                break;
            }
        }
        Ok(all)
    }
}
