//! Who a login is.

use catalyst_model::ids::RepositoryName;
use catalyst_store::{Scope, User};

use crate::Previews;
use crate::error::Error;

impl Previews {
    /// The person with this login on GitHub. GitHub is asked, where it can be: who signed in long ago
    /// may have renamed themselves since, and who never did is known by GitHub's id from now on.
    pub(super) async fn person(&self, team: &str, login: &str) -> Result<User, Error> {
        let login = login.trim().trim_start_matches('@');
        let invalid = |problem: String| Error::Invalid {
            field: "login",
            problem,
        };
        if !is_login(login) {
            return Err(invalid(format!("{login:?} is not a login on GitHub")));
        }
        let store = &self.inner.store;
        let Some(github) = &self.inner.github else {
            let known = store.user_by_login(login).await?;
            return known.ok_or_else(|| {
                invalid(format!(
                    "nobody has signed in as {login} yet, and Catalyst cannot ask GitHub who that is: have them sign in once"
                ))
            });
        };
        let near = self.repositories_of(team).await?;
        match github.user(login, &near).await {
            Ok(Some(account)) if account.is_person => {
                Ok(store.github_user(account.id, &account.login).await?)
            }
            Ok(Some(account)) => Err(invalid(format!(
                "{} is not a person on GitHub",
                account.login
            ))),
            Ok(None) => Err(invalid(format!("GitHub knows nobody called {login}"))),
            // An App that is installed nowhere near, or a GitHub that does not answer.
            Err(error) => match store.user_by_login(login).await? {
                Some(known) => Ok(known),
                None => Err(Error::unavailable(
                    format!(
                        "GitHub could not tell who {login} is: have them sign in once, then add them"
                    ),
                    error,
                )),
            },
        }
    }

    async fn repositories_of(&self, team: &str) -> Result<Vec<RepositoryName>, Error> {
        let names = [team.to_owned()];
        let projects = self.inner.store.list_projects(Scope::Teams(&names)).await?;
        let repositories = projects.into_iter().flat_map(|it| it.repositories);
        Ok(repositories.filter_map(|it| it.parse().ok()).collect())
    }
}

/// Whether GitHub could have such a login. It becomes part of a path.
fn is_login(text: &str) -> bool {
    let plain = |b: u8| b.is_ascii_alphanumeric() || b == b'-' || b == b'_';
    !text.is_empty() && text.len() <= 100 && text.bytes().all(plain)
}

#[cfg(test)]
mod tests {
    use super::is_login;

    #[test]
    fn a_login_cannot_lead_elsewhere() {
        assert!(is_login("octocat") && is_login("mona-lisa_corp"));
        for bad in [
            "",
            "a/b",
            "..",
            "a b",
            "a%2fb",
            "é",
            "x?y",
            "octocat (formerly)",
        ] {
            assert!(!is_login(bad), "{bad}");
        }
    }
}
