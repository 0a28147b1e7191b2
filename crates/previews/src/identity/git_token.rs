//! Credentials for cloning a private repository: to the container that clones, for that one
//! repository.

use catalyst_cluster::{Cluster, ClusterError};
use catalyst_crd::identity::{GIT_ACCOUNT, GIT_AUDIENCE};
use catalyst_crd::labels::{MANAGED_BY, MANAGER, NAMESPACE_TYPE, OWNER, PROJECT, TEAM};
use catalyst_crd::{Environment, Project};
use catalyst_github::GitHub;
use catalyst_model::ids::RepositoryName;
use catalyst_model::names::team_namespace;
use k8s_openapi::api::core::v1::Namespace;
use kube::ResourceExt;
use secrecy::SecretString;

use super::Refusal;
use crate::Previews;
use crate::projects::repository_of;

/// What an installation is called where a personal access token stands in for an App.
const PAT: &str = "pat";

/// Which authority is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Wanted {
    Installation(u64),
    PersonalToken,
}

impl Wanted {
    fn parse(text: &str) -> Result<Self, Refusal> {
        if text == PAT {
            return Ok(Self::PersonalToken);
        }
        let digits = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(id) if digits => Ok(Self::Installation(id)),
            _ => Err(Refusal::Invalid(format!(
                "{:?} is not an installation: expected its number, or {PAT}",
                text.chars().take(40).collect::<String>()
            ))),
        }
    }
}

impl Previews {
    /// A token that reads the repository which the bearer's preview is cloned from, and nothing
    /// else. The bearer is a preview's own account for cloning; which repository follows from its
    /// namespace, and `installation` must be what its Project says.
    ///
    /// # Errors
    /// See [`Refusal`].
    pub async fn git_token(
        &self,
        bearer: Option<&SecretString>,
        installation: &str,
    ) -> Result<SecretString, Refusal> {
        if bearer.is_none() {
            return Err(Refusal::Unauthenticated);
        }
        let wanted = Wanted::parse(installation)?;
        if wanted == Wanted::PersonalToken && !self.inner.settings.git_token_pat_mode {
            return Err(Refusal::NotFound(
                "personal access tokens are not handed out: ENABLE_GIT_TOKEN_PAT_MODE is off"
                    .to_owned(),
            ));
        }
        let (account, cluster) = self.holder(bearer, GIT_AUDIENCE).await?;
        if account.name != GIT_ACCOUNT {
            return Err(Refusal::Unauthenticated);
        }
        let (environment, project) = cloned_in(cluster, &account.namespace).await?;
        let given = project.spec.github_installation_id.as_deref();
        if given.map(str::trim) != Some(installation) {
            return Err(Refusal::Forbidden(format!(
                "the Project {} does not name this installation",
                project.name_any()
            )));
        }
        let source = source_name(&environment, &project)?;
        let repository =
            repository_of(&project, source, &self.inner.settings).map_err(Refusal::Forbidden)?;
        let not_set_up = || {
            Refusal::unavailable(
                "no credentials for GitHub are set up here that could be handed out",
                "set GITHUB_APP_ID and GITHUB_APP_PRIVATE_KEY, or GITHUB_PAT",
            )
        };
        let github = self.inner.github.as_ref().ok_or_else(not_set_up)?;
        let token = match wanted {
            Wanted::PersonalToken => github.personal_token().cloned().ok_or_else(not_set_up)?,
            Wanted::Installation(id) => minted(github, &repository, id).await?,
        };
        tracing::info!(
            component = crate::COMPONENT,
            event = "git-token-issued",
            namespace = account.namespace,
            repository = repository.as_str(),
        );
        Ok(token)
    }
}

/// The Environment whose workload a namespace holds, and its Project.
async fn cloned_in(cluster: &Cluster, namespace: &str) -> Result<(Environment, Project), Refusal> {
    let stranger = || {
        Refusal::Forbidden(format!(
            "the namespace {namespace} does not hold a preview of this Catalyst"
        ))
    };
    let unread = |what: &str, e: ClusterError| {
        Refusal::unavailable(format!("the {what} of {namespace} could not be read"), e)
    };
    let found = cluster.namespace(namespace).await.map_err(|e| {
        Refusal::unavailable(format!("the namespace {namespace} could not be read"), e)
    })?;
    let found = found.ok_or_else(stranger)?;
    let (home, name) = owner(&found).ok_or_else(stranger)?;
    let environment = cluster.objects::<Environment>().get(home, name).await;
    let environment = environment
        .map_err(|e| unread("Environment", e))?
        .ok_or_else(stranger)?;
    let (team, project) = (&found.labels()[TEAM], &found.labels()[PROJECT]);
    let same = |key: &str, value: &String| environment.labels().get(key) == Some(value);
    if !same(TEAM, team) || !same(PROJECT, project) {
        return Err(stranger());
    }
    let (projects, name) = (
        cluster.objects::<Project>(),
        &environment.spec.project_ref.name,
    );
    let found = projects.get(&team_namespace(team), name).await;
    let found = found
        .map_err(|e| unread("Project", e))?
        .ok_or_else(stranger)?;
    Ok((environment, found))
}

/// The `namespace/name` of the Environment that a namespace was made for by the operator, which
/// alone may make such namespaces; with labels of its team and project.
fn owner(namespace: &Namespace) -> Option<(&str, &str)> {
    let labels = namespace.labels();
    let has = |key: &str, value: &str| labels.get(key).is_some_and(|it| it == value);
    let named = |key: &str| labels.get(key).is_some_and(|it| !it.is_empty());
    let ours = has(NAMESPACE_TYPE, "environment") && has(MANAGED_BY, MANAGER);
    if !ours || !named(TEAM) || !named(PROJECT) {
        return None;
    }
    namespace.annotations().get(OWNER)?.split_once('/')
}

/// The source that is cloned: the Environment's first, else the Project's first.
fn source_name<'a>(environment: &'a Environment, project: &'a Project) -> Result<&'a str, Refusal> {
    let wanted = environment.spec.sources.first().map(|it| it.name.as_str());
    let first = project.spec.sources.first().map(|it| it.name.as_str());
    wanted
        .or(first)
        .ok_or_else(|| Refusal::Forbidden("the Project has no sources".to_owned()))
}

async fn minted(
    github: &GitHub,
    repository: &RepositoryName,
    installation: u64,
) -> Result<SecretString, Refusal> {
    use catalyst_github::Cause::NotInstalled;
    let token = github.clone_token(repository, installation).await;
    token.map_err(|e| match e.cause() {
        NotInstalled(_) => Refusal::Forbidden(format!(
            "installation {installation} does not reach {repository}"
        )),
        _ => Refusal::unavailable(format!("GitHub gave no token that reads {repository}"), e),
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_installation_is_a_number_or_the_personal_token() {
        assert_eq!(Wanted::parse("99").unwrap(), Wanted::Installation(99));
        assert_eq!(Wanted::parse("pat").unwrap(), Wanted::PersonalToken);
        for bad in [
            "",
            "PAT",
            "+99",
            "-1",
            "9 9",
            "99/..",
            "99999999999999999999",
        ] {
            assert!(
                matches!(Wanted::parse(bad), Err(Refusal::Invalid(_))),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn only_a_namespace_that_the_operator_made_for_an_environment_counts() {
        let namespace = |labels: serde_json::Value, owner: &str| -> Namespace {
            serde_json::from_value(
                json!({ "metadata": { "name": "x", "labels": labels, "annotations": { OWNER: owner } } }),
            )
            .unwrap()
        };
        let good = json!({ NAMESPACE_TYPE: "environment", MANAGED_BY: MANAGER, TEAM: "acme", PROJECT: "shop" });
        assert_eq!(
            owner(&namespace(good.clone(), "acme-shop/preview-1")),
            Some(("acme-shop", "preview-1"))
        );
        assert_eq!(owner(&namespace(good.clone(), "preview-1")), None);
        for missing in [NAMESPACE_TYPE, MANAGED_BY, TEAM, PROJECT] {
            let mut labels = good.clone();
            labels[missing] = json!("");
            assert_eq!(owner(&namespace(labels, "a/b")), None, "{missing}");
        }
    }
}
