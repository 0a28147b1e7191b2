//! Who a login is.

use catalyst_model::ids::RepositoryName;
use serde::Deserialize;

use super::{Authority, GitHub};
use crate::{error::Error, transport::Call};

/// An account on GitHub.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// GitHub's id, which stays when the login changes.
    pub id: u64,
    /// The login, as GitHub spells it.
    pub login: String,
    /// Whether it is a person's: neither an organization's nor a program's.
    pub is_person: bool,
}

/// An account, as GitHub tells of it.
#[derive(Deserialize)]
pub(crate) struct Told {
    id: u64,
    login: String,
    #[serde(rename = "type")]
    kind: String,
}

impl From<Told> for Account {
    fn from(told: Told) -> Self {
        Self {
            is_person: told.kind == "User",
            id: told.id,
            login: told.login,
        }
    }
}

impl GitHub {
    /// The account with this login; none where there is no such one. An App asks with the authority
    /// of one of its installations: that on the first of the repositories `near` that has one.
    ///
    /// # Errors
    /// When GitHub cannot be asked, or the App is installed on none of the repositories.
    pub async fn user(
        &self,
        login: &str,
        near: &[RepositoryName],
    ) -> Result<Option<Account>, Error> {
        let attempted = format!("ask GitHub who {login} is");
        let call = Call::get(format!("/users/{login}"), attempted.clone());
        let connection = match &self.inner.authority {
            Authority::Token(connection, _) => connection.clone(),
            Authority::App { .. } => {
                let mut found = None;
                for repository in near {
                    found = Some(self.reach(repository).await);
                    if matches!(found, Some(Ok(_))) {
                        break;
                    }
                }
                match found {
                    Some(reach) => reach?.connection,
                    None => {
                        return Err(Error {
                            attempted,
                            cause: crate::Cause::InstalledNowhere,
                        });
                    }
                }
            }
        };
        match self.inner.transport.send(&connection, &call).await {
            Ok(answer) => Ok(Some(answer.read::<Told>(&call)?.into())),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }
}
