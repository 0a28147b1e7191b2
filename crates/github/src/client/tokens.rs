//! Credentials for others: as little as will do.

use catalyst_model::ids::RepositoryName;
use http::Method;
use secrecy::SecretString;
use serde::Deserialize;
use serde_json::json;

use super::{Authority, GitHub};
use crate::{
    error::{Cause, Error},
    transport::Call,
};

impl GitHub {
    /// The installation of the App that reaches a repository; `None` where we act with a token
    /// instead of an App.
    ///
    /// # Errors
    /// [`Cause::NotInstalled`], or that GitHub cannot be asked.
    pub async fn installation(&self, repository: &RepositoryName) -> Result<Option<u64>, Error> {
        match &self.inner.authority {
            Authority::Token(..) => Ok(None),
            Authority::App {
                app, installations, ..
            } => {
                let found = self.installed(app, installations, repository).await?;
                Ok(Some(found.0))
            }
        }
    }

    /// A new token that reads the content of this one repository and can do nothing else. GitHub
    /// ends it after an hour.
    ///
    /// # Errors
    /// [`Cause::NotInstalled`] where the App does not reach the repository by this installation,
    /// [`Cause::Forbidden`] where we act with a token instead of an App.
    pub async fn clone_token(
        &self,
        repository: &RepositoryName,
        installation: u64,
    ) -> Result<SecretString, Error> {
        #[derive(Deserialize)]
        struct Minted {
            token: String,
        }
        let attempted = format!("get a token that reads {repository}");
        let Authority::App { app, .. } = &self.inner.authority else {
            return Err(Error {
                attempted,
                cause: Cause::Forbidden {
                    message: "only a GitHub App can make tokens for one repository".to_owned(),
                    permissions: None,
                },
            });
        };
        // Repositories are named to GitHub without their owner: another owner's must not be meant.
        if self.installation(repository).await? != Some(installation) {
            // It may have been installed anew.
            self.forget(repository);
            if self.installation(repository).await? != Some(installation) {
                return Err(Error {
                    attempted,
                    cause: Cause::NotInstalled(repository.clone()),
                });
            }
        }
        let body = json!({
            "repositories": [repository.name()],
            "permissions": { "contents": "read" },
        });
        let path = format!("/app/installations/{installation}/access_tokens");
        let call = Call::write(Method::POST, path, body, attempted).without_content();
        let answer = self.inner.transport.send(app, &call).await?;
        Ok(answer.read::<Minted>(&call)?.token.into())
    }

    /// The personal access token that we act with, where it is one. It is good for all that its
    /// owner may do, so whoever hands it on has been told to.
    #[must_use]
    pub fn personal_token(&self) -> Option<&SecretString> {
        match &self.inner.authority {
            Authority::Token(_, token) => Some(token),
            Authority::App { .. } => None,
        }
    }
}
