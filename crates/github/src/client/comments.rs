//! Keeping one comment on a pull request.

use catalyst_model::ids::{PullRequestNumber, RepositoryName};
use http::Method;
use serde::Deserialize;
use serde_json::json;

use super::GitHub;
use crate::{
    comment::{CommentBody, MARKER},
    error::{Error, Retry},
    pull_request::login,
    transport::Call,
};

/// Where the comment is after [`GitHub::upsert_comment`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Upserted {
    /// The comment's id: remember it, and the next edit is a single call.
    pub id: i64,
    /// Whether anything had to be written.
    pub changed: bool,
}

#[derive(Debug, Deserialize)]
struct Comment {
    id: i64,
    #[serde(default)]
    body: Option<String>,
    #[serde(default, rename = "user", deserialize_with = "login")]
    author: Option<String>,
}

impl GitHub {
    /// Makes the pull request's preview comment say `body`: edits the one we wrote before, or
    /// writes the first. `remembered` is the id that the last call returned.
    ///
    /// Only a comment that bears the marker *and* our login is ours. Of several (a lost answer,
    /// two writers) the oldest stays and the others are deleted. A comment that somebody deleted
    /// is written anew.
    ///
    /// # Errors
    /// See [`Cause`](crate::Cause).
    pub async fn upsert_comment(
        &self,
        repository: &RepositoryName,
        number: PullRequestNumber,
        remembered: Option<i64>,
        body: &CommentBody,
    ) -> Result<Upserted, Error> {
        if let Some(id) = remembered {
            match self.edit_comment(repository, number, id, body).await {
                Ok(()) => return Ok(Upserted { id, changed: true }),
                Err(error) if error.is_not_found() => {}
                Err(error) => return Err(error),
            }
        }
        if let Some(kept) = self.keep_oldest(repository, number, body).await? {
            return Ok(kept);
        }
        let created = match self.create_comment(repository, number, body).await {
            Ok(id) => id,
            // The comment may have been written although the answer was lost: look, don't repeat.
            Err(error) if error.retry() == Retry::Later => {
                let found = self.keep_oldest(repository, number, body).await?;
                return found.ok_or(error);
            }
            Err(error) => return Err(error),
        };
        // Another writer may have done the same in this moment; both then keep the older one.
        let kept = self.keep_oldest(repository, number, body).await?;
        Ok(Upserted {
            id: kept.map_or(created, |kept| kept.id),
            changed: true,
        })
    }

    /// Looks for our comments, makes the oldest say `body` and deletes the others.
    async fn keep_oldest(
        &self,
        repository: &RepositoryName,
        number: PullRequestNumber,
        body: &CommentBody,
    ) -> Result<Option<Upserted>, Error> {
        let mut ours = self.our_comments(repository, number).await?.into_iter();
        let Some(oldest) = ours.next() else {
            return Ok(None);
        };
        let changed = oldest.body.as_deref() != Some(body.as_str());
        if changed {
            match self.edit_comment(repository, number, oldest.id, body).await {
                Err(error) if error.is_not_found() => return Ok(None),
                edited => edited?,
            }
        }
        for duplicate in ours {
            let call = Call {
                method: Method::DELETE,
                content: true,
                ..Call::get(
                    format!("/repos/{repository}/issues/comments/{}", duplicate.id),
                    format!("delete a duplicate preview comment on {repository}#{number}"),
                )
            };
            match self.send(repository, &call).await {
                Err(error) if !error.is_not_found() => return Err(error),
                _ => {}
            }
        }
        Ok(Some(Upserted {
            id: oldest.id,
            changed,
        }))
    }

    /// Our comments on a pull request, oldest first, from all pages.
    async fn our_comments(
        &self,
        repository: &RepositoryName,
        number: PullRequestNumber,
    ) -> Result<Vec<Comment>, Error> {
        let us = self.login().await?;
        let mut ours = Vec::new();
        for page in 1_u32.. {
            let call = Call::get(
                format!("/repos/{repository}/issues/{number}/comments?per_page=100&page={page}"),
                format!("list the comments on {repository}#{number}"),
            );
            let answer = self.send(repository, &call).await?;
            let comments: Vec<Comment> = answer.read(&call)?;
            ours.extend(comments.into_iter().filter(|comment| comment.is_by(us)));
            if !answer.has_next_page() {
                break;
            }
        }
        ours.sort_by_key(|comment| comment.id);
        Ok(ours)
    }

    async fn create_comment(
        &self,
        repository: &RepositoryName,
        number: PullRequestNumber,
        body: &CommentBody,
    ) -> Result<i64, Error> {
        let call = Call::write(
            Method::POST,
            format!("/repos/{repository}/issues/{number}/comments"),
            json!({ "body": body.as_str() }),
            format!("write the preview comment on {repository}#{number}"),
        )
        .once();
        let comment: Comment = self.send(repository, &call).await?.read(&call)?;
        Ok(comment.id)
    }

    async fn edit_comment(
        &self,
        repository: &RepositoryName,
        number: PullRequestNumber,
        id: i64,
        body: &CommentBody,
    ) -> Result<(), Error> {
        let call = Call::write(
            Method::PATCH,
            format!("/repos/{repository}/issues/comments/{id}"),
            json!({ "body": body.as_str() }),
            format!("edit the preview comment on {repository}#{number}"),
        );
        self.send(repository, &call).await.map(drop)
    }
}

impl Comment {
    fn is_by(&self, login: &str) -> bool {
        let author = self.author.as_deref().unwrap_or_default();
        let body = self.body.as_deref().unwrap_or_default();
        author.eq_ignore_ascii_case(login) && body.trim_start().starts_with(MARKER)
    }
}
