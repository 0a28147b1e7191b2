//! The Environment that a preview wants: pure.

use catalyst_crd::config::EnvironmentConfig;
use catalyst_crd::environment::{EnvironmentSource, ProjectRef};
use catalyst_crd::labels::{ENVIRONMENT, ENVIRONMENT_ID, PROJECT, REQUEST, RETRY, SECRETS, TEAM};
use catalyst_crd::{Environment, EnvironmentSpec, Project};
use catalyst_model::ids::PullRequestNumber;
use k8s_openapi::api::core::v1::ContainerPort;
use kube::ResourceExt;

use crate::observe::{Revision, Wanted};

/// The template of a Project that previews are made from.
const TEMPLATE: &str = "development";

/// The template of a Project that previews of an image are made from.
const IMAGE_TEMPLATE: &str = "deployment";

/// The mode in which an image is run as it is, whatever the template.
const IMAGE_MODE: &str = "production";

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
    /// The name in the Project of the source that it is about.
    pub source: &'a str,
    /// The branch, any text.
    pub branch: &'a str,
    /// The pull request's number, where it belongs to one.
    pub number: Option<PullRequestNumber>,
    /// What is to run, and the attempt.
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
            commit_sha: self.wanted.revision.commit().to_owned(),
            branch: self.branch.to_owned(),
            pr_number: self.number.and_then(|it| i64::try_from(it.get()).ok()),
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
        let (kind, mode, config) = match &self.wanted.revision {
            Revision::Commit(_) | Revision::Newest(_) => (TEMPLATE, None, None),
            Revision::Image(image, port) => (
                IMAGE_TEMPLATE,
                Some(IMAGE_MODE),
                Some(of_image(image, *port)),
            ),
        };
        let mut environment = Environment::new(
            self.name,
            EnvironmentSpec {
                project_ref: ProjectRef {
                    name: project.clone(),
                },
                kind: kind.to_owned(),
                deployment_mode: mode.map(str::to_owned),
                sources: std::iter::once(own).chain(others).collect(),
                config,
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

fn of_image(image: &str, port: u16) -> EnvironmentConfig {
    EnvironmentConfig {
        image: Some(image.to_owned()),
        ports: vec![ContainerPort {
            container_port: port.into(),
            ..ContainerPort::default()
        }],
        ..EnvironmentConfig::default()
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
        || image(present) != image(wanted)
        || lacks(present.labels(), wanted.labels())
        || lacks(present.annotations(), wanted.annotations())
}

fn image(environment: &Environment) -> Option<&String> {
    environment.spec.config.as_ref()?.image.as_ref()
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
            revision: Revision::Commit("a".repeat(40).parse().unwrap()),
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
            number: Some(7.try_into().unwrap()),
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

    #[test]
    fn what_was_asked_for_by_hand_is_a_branch_or_an_image_without_a_pull_request() {
        let made = |revision| {
            let wanted = Wanted {
                revision,
                attempt: 1,
            };
            Blueprint {
                preview_id: "id-1",
                team: "acme",
                name: "dev-calm-otter-07",
                namespace: "acme-shop",
                project: &project(),
                source: "primary",
                branch: "topic",
                number: None,
                wanted: &wanted,
                secrets: "",
                request_id: None,
            }
            .environment(None)
        };
        let branch = made(Revision::Newest("topic".into()));
        let source = &branch.spec.sources[0];
        assert_eq!(
            (source.commit_sha.as_str(), source.branch.as_str()),
            ("", "topic")
        );
        assert_eq!(source.pr_number, None);
        assert_eq!(branch.spec.kind, "development");
        assert_eq!(branch.spec.config, None);

        let image = made(Revision::Image("nginx:1.27".into(), 8080));
        assert_eq!(image.spec.kind, "deployment");
        assert_eq!(image.spec.deployment_mode.as_deref(), Some("production"));
        let config = image.spec.config.clone().unwrap();
        assert_eq!(config.image.as_deref(), Some("nginx:1.27"));
        assert_eq!(config.ports[0].container_port, 8080);
        assert!(differs(
            &image,
            &made(Revision::Image("nginx:1.28".into(), 8080))
        ));
        assert!(!differs(&image, &image));
    }
}
