//! Where an Environment's workload goes, and what it is called there.

use std::collections::BTreeMap;

use catalyst_crd::{Environment, labels};
use catalyst_model::names;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::Problem;
use crate::settings::OperatorSettings;

/// The names of an Environment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The team, as its label says.
    pub team: String,
    /// The project, as its label says.
    pub project: String,
    /// The Environment's name.
    pub name: String,
    /// The namespace that the Environment itself is in.
    pub home: String,
    /// The namespace that its workload runs in.
    pub namespace: String,
    /// The host that it answers at.
    pub host: String,
    /// The URL that it answers at.
    pub url: String,
}

impl Target {
    /// Reads the names off an Environment, checking that it does not name another team's.
    ///
    /// `home_labels` are those of the namespace that the Environment is in. Where they say whose
    /// it is, the Environment must say the same: `a-b` of team `c` and `a` of team `b-c` would
    /// otherwise share one namespace's name.
    ///
    /// # Errors
    /// If a label is missing, or names a team and project that this namespace is not of.
    pub fn of(
        environment: &Environment,
        home_labels: &BTreeMap<String, String>,
        settings: &OperatorSettings,
    ) -> Result<Self, Problem> {
        let label = |key: &str| {
            environment
                .labels()
                .get(key)
                .filter(|value| !value.is_empty())
                .cloned()
                .ok_or_else(|| {
                    Problem::new(
                        "LabelMissing",
                        format!("the label {key} is missing; set it on this Environment"),
                    )
                })
        };
        let (team, project) = (label(labels::TEAM)?, label(labels::PROJECT)?);
        let name = environment.name_any();
        let home = environment.namespace().unwrap_or_default();
        if names::project_namespace(&team, &project) != home {
            return Err(Problem::new(
                "ForeignLabels",
                format!(
                    "the labels name team {team} and project {project}, whose Environments live in \
                     namespace {}, not in {home}",
                    names::project_namespace(&team, &project)
                ),
            ));
        }
        for (key, said) in [(labels::TEAM, &team), (labels::PROJECT, &project)] {
            if home_labels.get(key).is_some_and(|owner| owner != said) {
                return Err(Problem::new(
                    "ForeignLabels",
                    format!("the label {key} says {said}, but namespace {home} belongs to another"),
                ));
            }
        }
        if label(labels::ENVIRONMENT)? != names::label_value(&name) {
            return Err(Problem::new(
                "ForeignLabels",
                format!(
                    "the label {} must be the Environment's own name, {name}",
                    labels::ENVIRONMENT
                ),
            ));
        }
        let namespace = names::environment_namespace(&team, &project, &name);
        let (host, url) = address(&namespace, settings);
        Ok(Self {
            team,
            project,
            name,
            home,
            namespace,
            host,
            url,
        })
    }

    /// `namespace/name` of the Environment: the value of the annotation that says whose an object is.
    #[must_use]
    pub fn owner(&self) -> String {
        format!("{}/{}", self.home, self.name)
    }

    /// The labels of everything made for it.
    #[must_use]
    pub fn labels(&self) -> BTreeMap<String, String> {
        [
            (labels::TEAM, self.team.clone()),
            (labels::PROJECT, self.project.clone()),
            (labels::ENVIRONMENT, names::label_value(&self.name)),
            (labels::MANAGED_BY, labels::MANAGER.to_owned()),
        ]
        .map(|(key, value)| (key.to_owned(), value))
        .into()
    }

    /// The metadata of an object made for it, in its namespace.
    #[must_use]
    pub fn meta(&self, name: &str) -> ObjectMeta {
        ObjectMeta {
            name: Some(name.to_owned()),
            namespace: Some(self.namespace.clone()),
            labels: Some(self.labels()),
            annotations: Some([(labels::OWNER.to_owned(), self.owner())].into()),
            ..ObjectMeta::default()
        }
    }
}

fn address(namespace: &str, settings: &OperatorSettings) -> (String, String) {
    if settings.local_preview_routing {
        let host = format!("{namespace}.localhost");
        let url = format!("http://{host}:{}/", settings.ingress_port);
        (host, url)
    } else {
        let host = format!("{namespace}.{}", settings.preview_domain);
        let url = format!("https://{host}/");
        (host, url)
    }
}
