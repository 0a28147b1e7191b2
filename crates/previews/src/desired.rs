//! The Environment that a preview wants: pure.

use catalyst_crd::environment::{EnvironmentSource, ProjectRef};
use catalyst_crd::labels::{ENVIRONMENT, ENVIRONMENT_ID, PROJECT, REQUEST, RETRY, SECRETS, TEAM};
use catalyst_crd::{Environment, EnvironmentSpec, Project};
use catalyst_model::ids::PullRequestNumber;
use kube::ResourceExt;

use crate::observe::Wanted;

/// The template of a Project that previews are made from.
const TEMPLATE: &str = "development";

/// Everything that an Environment is made from.
#[derive(Debug, Clone)]
pub struct Blueprint<'a> {
    /// The preview's id.
    pub preview_id: &'a str,
    /// The team's name.
    pub team: &'a str,
    /// The Environment's name.
    pub name: &'a str,
    /// The Environment's namespace, the project's.
    pub namespace: &'a str,
    /// The Project.
    pub project: &'a Project,
    /// The name of the pull request's source in the Project.
    pub source: &'a str,
    /// The head branch, any text.
    pub branch: &'a str,
    /// The pull request's number.
    pub number: PullRequestNumber,
    /// The commit and attempt.
    pub wanted: &'a Wanted,
    /// Which version of its secrets it is to run with.
    pub secrets: &'a str,
    /// The id of the HTTP request that asked for it, where one did.
    pub request_id: Option<&'a str>,
}

impl Blueprint<'_> {
    /// The Environment as it is to be applied over `present`, the one there is now.
    #[must_use]
    pub fn environment(&self, present: Option<&Environment>) -> Environment {
        let project = self.project.name_any();
        let own = EnvironmentSource {
            name: self.source.to_owned(),
            commit_sha: self.wanted.commit.to_string(),
            branch: self.branch.to_owned(),
            pr_number: i64::try_from(self.number.get()).ok(),
        };
        let others = self.project.spec.sources.iter();
        let others = others
            .filter(|source| source.name != self.source)
            .map(|source| EnvironmentSource {
                name: source.name.clone(),
                commit_sha: String::new(),
                branch: source.branch.clone(),
                pr_number: None,
            });
        let mut environment = Environment::new(
            self.name,
            EnvironmentSpec {
                project_ref: ProjectRef {
                    name: project.clone(),
                },
                kind: TEMPLATE.to_owned(),
                deployment_mode: None,
                sources: std::iter::once(own).chain(others).collect(),
                config: None,
            },
        );
        environment.metadata.namespace = Some(self.namespace.to_owned());
        let labels = environment.labels_mut();
        for (key, value) in [
            (TEAM, self.team),
            (PROJECT, project.as_str()),
            (ENVIRONMENT, self.name),
        ] {
            labels.insert(key.to_owned(), value.to_owned());
        }
        let annotations = environment.annotations_mut();
        annotations.insert(ENVIRONMENT_ID.to_owned(), self.preview_id.to_owned());
        annotations.insert(SECRETS.to_owned(), self.secrets.to_owned());
        if let Some(request) = self.request_id {
            annotations.insert(REQUEST.to_owned(), request.to_owned());
        }
        // An earlier commit's retry stays written: taking it away would read as another retry.
        let earlier = present.and_then(|it| it.annotations().get(RETRY).cloned());
        if let Some(retry) = self.wanted.retry_token().or(earlier) {
            annotations.insert(RETRY.to_owned(), retry);
        }
        environment
    }
}

/// Whether applying `wanted` over `present` would change anything.
#[must_use]
pub fn differs(present: &Environment, wanted: &Environment) -> bool {
    let lacks = |have: &std::collections::BTreeMap<String, String>,
                 want: &std::collections::BTreeMap<String, String>| {
        want.iter().any(|(key, value)| have.get(key) != Some(value))
    };
    present.spec.project_ref != wanted.spec.project_ref
        || present.spec.kind != wanted.spec.kind
        || present.spec.sources != wanted.spec.sources
        || lacks(present.labels(), wanted.labels())
        || lacks(present.annotations(), wanted.annotations())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use catalyst_crd::ProjectSpec;
    use catalyst_crd::project::ProjectSource;

    fn project() -> Project {
        let source = |name: &str, branch: &str| ProjectSource {
            name: name.into(),
            repository_url: format!("https://github.com/acme/{name}.git"),
            branch: branch.into(),
        };
        Project::new(
            "shop",
            ProjectSpec {
                sources: vec![source("primary", "main"), source("source-2", "trunk")],
                ..ProjectSpec::default()
            },
        )
    }

    fn environment(attempt: u32, present: Option<&Environment>) -> Environment {
        let wanted = Wanted {
            commit: "a".repeat(40).parse().unwrap(),
            attempt,
        };
        Blueprint {
            preview_id: "id-1",
            team: "acme",
            name: "preview-source-2-7",
            namespace: "acme-shop",
            project: &project(),
            source: "source-2",
            branch: "a'; rm -rf / #",
            number: 7.try_into().unwrap(),
            wanted: &wanted,
            secrets: "none",
            request_id: Some("r-1"),
        }
        .environment(present)
    }

    #[test]
    fn the_pull_requests_source_comes_first_and_the_others_stand_at_their_branch() {
        let made = environment(1, None);
        let sources: Vec<_> = made
            .spec
            .sources
            .iter()
            .map(|s| {
                (
                    s.name.as_str(),
                    s.commit_sha.len(),
                    s.branch.as_str(),
                    s.pr_number,
                )
            })
            .collect();
        assert_eq!(
            sources,
            [
                ("source-2", 40, "a'; rm -rf / #", Some(7)),
                ("primary", 0, "main", None)
            ]
        );
        assert_eq!(made.labels()[TEAM], "acme");
        assert_eq!(made.labels()[PROJECT], "shop");
        assert_eq!(made.labels()[ENVIRONMENT], "preview-source-2-7");
        assert_eq!(made.annotations()[ENVIRONMENT_ID], "id-1");
        assert_eq!(made.namespace().unwrap(), "acme-shop");
    }

    #[test]
    fn applying_the_same_again_changes_nothing_and_a_retry_does() {
        let first = environment(1, None);
        assert!(!differs(&first, &environment(1, Some(&first))));
        let retry = environment(2, Some(&first));
        assert!(differs(&first, &retry));
        // The next commit keeps the annotation, whatever its own attempt.
        assert!(!differs(&retry, &environment(1, Some(&retry))));
    }
}
