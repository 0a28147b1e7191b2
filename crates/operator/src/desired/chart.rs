//! The Job that has helm render a chart, with what it is given and what is kept of it. Pure.

use std::collections::{BTreeMap, BTreeSet};

use catalyst_model::ids::CommitSha;
use catalyst_render::helm::{Chart, Generated, Sources, release};
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Container, Secret, SecretVolumeSource, Volume, VolumeMount};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Map, Value, json};

use super::inspect::{INSPECT, Look, Subject, checkout};
use super::source::{CODE_PATH, git_clone, resources, script, scripts_mount, small_container};
use super::{Source, Target, digest, variable};
use crate::settings::OperatorSettings;

/// The ConfigMap that says which keys of Secrets were made up and written.
pub const GENERATED: &str = "catalyst-chart-generated";
/// The ConfigMap that says which chart was the first one that came up.
pub const INSTALLED: &str = "catalyst-chart-installed";

/// The volume with the values, and how their Secret's name begins.
const VALUES: &str = "catalyst-chart-values";
const VALUES_FILE: &str = "values.json";
const VALUES_PATH: &str = "/values";

/// A chart at a commit, with the values that it is rendered with.
#[derive(Debug, Clone, PartialEq)]
pub struct Request {
    /// Where it is, at a commit that is known.
    pub source: Source,
    /// The chart's folder, relative to the source's root.
    pub path: String,
    /// The values.
    pub values: Map<String, Value>,
    /// What it needs from elsewhere.
    pub sources: Sources,
}

impl Request {
    /// What it comes to depends on this: it is rendered once for as long as this stays the same.
    #[must_use]
    pub fn key(&self, target: &Target) -> String {
        digest(&(
            self.source.repository.url(),
            self.source.commit().map(CommitSha::as_str),
            &self.path,
            &self.values,
            release(&target.name),
            &target.namespace,
        ))
    }

    /// The Job's name: what it renders, and which attempt it belongs to.
    #[must_use]
    pub fn job_name(&self, target: &Target, retry: Option<&str>) -> String {
        let short = self.source.commit().map_or("newest", CommitSha::short);
        format!("chart-{short}-{}", digest(&(self.key(target), retry)))
    }

    /// The Secret with the values, which never stand on a command line: a template may say passwords
    /// there. Other values are another Secret, so that no pod gets those of another commit.
    #[must_use]
    pub fn secret(&self, target: &Target) -> Secret {
        let text = serde_json::to_vec(&self.values).unwrap_or_default();
        Secret {
            metadata: target.meta(&self.secret_name(target)),
            data: Some([(VALUES_FILE.to_owned(), ByteString(text))].into()),
            ..Secret::default()
        }
    }

    fn secret_name(&self, target: &Target) -> String {
        format!("{VALUES}-{}", self.key(target))
    }

    /// The Job. `version` is that of the cluster's Kubernetes, as charts ask for it.
    #[must_use]
    pub fn job(
        &self,
        target: &Target,
        retry: Option<&str>,
        version: &str,
        settings: &OperatorSettings,
    ) -> Job {
        let repositories: Vec<_> = self
            .sources
            .repositories
            .iter()
            .map(String::as_str)
            .collect();
        let container = Container {
            name: INSPECT.to_owned(),
            image: Some(settings.helm_image.clone()),
            command: Some(script("render-chart.sh")),
            env: Some(vec![
                variable("GIT_CLONE_ROOT", CODE_PATH),
                variable("CHART_PATH", &self.path),
                variable("CHART_RELEASE", release(&target.name)),
                variable("CHART_NAMESPACE", &target.namespace),
                variable("CHART_VALUES", format!("{VALUES_PATH}/{VALUES_FILE}")),
                variable("CHART_REPOSITORIES", repositories.join(" ")),
                variable("CHART_KUBERNETES", version),
            ]),
            // The index of a public repository may be tens of megabytes of YAML.
            resources: Some(resources("1", "1Gi")),
            // Dependencies are put into the chart's own folder, which is this pod's alone.
            volume_mounts: Some(vec![
                checkout(),
                scripts_mount(),
                VolumeMount {
                    name: VALUES.to_owned(),
                    mount_path: VALUES_PATH.to_owned(),
                    read_only: Some(true),
                    ..VolumeMount::default()
                },
            ]),
            ..small_container()
        };
        let mut clone = git_clone(&self.source, &checkout(), settings);
        if !self.path.is_empty() {
            let context = variable("GIT_CLONE_CONTEXT", &self.path);
            clone.env.get_or_insert_default().push(context);
        }
        let values = Volume {
            name: VALUES.to_owned(),
            secret: Some(SecretVolumeSource {
                secret_name: Some(self.secret_name(target)),
                ..SecretVolumeSource::default()
            }),
            ..Volume::default()
        };
        Look {
            name: self.job_name(target, retry),
            key: self.key(target),
            subject: &Subject::chart(),
            clone,
            container,
            volumes: vec![values],
        }
        .job(target, &self.source, settings)
    }
}

/// Keys of Secrets that were made up and written, by Secret.
pub type Written = BTreeMap<String, BTreeSet<String>>;

/// Reads a record of them.
#[must_use]
pub fn written(text: &str) -> Written {
    let mut all = Written::new();
    for (secret, key) in text.lines().filter_map(|line| line.split_once('/')) {
        all.entry(secret.to_owned())
            .or_default()
            .insert(key.to_owned());
    }
    all
}

/// What a record of a chart's says, once all of them are written.
#[must_use]
pub fn written_text(chart: &Chart) -> String {
    let lines: Vec<String> = chart
        .generated
        .iter()
        .flat_map(|one| {
            one.values
                .keys()
                .map(move |key| format!("{}/{key}", one.secret))
        })
        .collect();
    lines.join("\n")
}

/// The Secret that holds those made-up values that were not `written` yet, and nothing else; none:
/// all were. It is applied under a name of its own, so that what is applied later without these
/// keys leaves them.
#[must_use]
pub fn first_values(
    one: &Generated,
    dressed: &Value,
    written: &Written,
) -> Option<(String, Secret)> {
    let known = written.get(&one.secret);
    let new: BTreeMap<String, Value> = one
        .values
        .iter()
        .filter(|(key, value)| {
            value.is_string() && !known.is_some_and(|known| known.contains(*key))
        })
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect();
    if new.is_empty() {
        return None;
    }
    let manager = format!(
        "catalyst-generated-{}",
        digest(&new.keys().collect::<Vec<_>>())
    );
    let metadata = &dressed["metadata"];
    let secret = json!({
        "metadata": ObjectMeta {
            name: metadata["name"].as_str().map(ToOwned::to_owned),
            namespace: metadata["namespace"].as_str().map(ToOwned::to_owned),
            ..ObjectMeta::default()
        },
        "type": dressed["type"],
        "data": new,
    });
    Some((manager, serde_json::from_value(secret).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::desired::tests::{pull_request, settings, target};

    const CANARY: &str = "a-password-in-the-values";

    fn request() -> Request {
        Request {
            source: pull_request(),
            path: "deploy/shop".to_owned(),
            values: json!({ "password": CANARY }).as_object().unwrap().clone(),
            sources: Sources {
                repositories: ["https://charts.example.com".to_owned()].into(),
                ..Sources::default()
            },
        }
    }

    #[test]
    fn values_are_in_a_secret_of_their_own_and_in_no_job() {
        let request = request();
        let secret = request.secret(&target());
        let text = &secret.data.as_ref().unwrap()[VALUES_FILE].0;
        assert!(String::from_utf8_lossy(text).contains(CANARY));
        let job = json!(request.job(&target(), None, "v1.34.0", &settings()));
        assert!(!job.to_string().contains(CANARY), "{job}");
        let pod = &job["spec"]["template"]["spec"];
        assert_eq!(pod["automountServiceAccountToken"], false);
        let mounted = pod["volumes"]
            .as_array()
            .unwrap()
            .iter()
            .any(|volume| volume["secret"]["secretName"] == json!(secret.metadata.name));
        assert!(mounted, "{pod}");
        let other = Request {
            values: Map::new(),
            ..request
        };
        assert_ne!(other.secret(&target()).metadata.name, secret.metadata.name);
    }

    #[test]
    fn a_chart_is_rendered_anew_for_another_commit_path_or_values_and_after_a_retry_that_failed() {
        let one = request();
        let key = one.key(&target());
        assert_eq!(one.clone().key(&target()), key);
        let next = "89abcdef0123456789abcdef0123456789abcdef".parse().unwrap();
        for other in [
            Request {
                source: one.source.at(&next),
                ..one.clone()
            },
            Request {
                path: "deploy".to_owned(),
                ..one.clone()
            },
            Request {
                values: Map::new(),
                ..one.clone()
            },
        ] {
            assert_ne!(other.key(&target()), key);
        }
        assert_ne!(
            one.job_name(&target(), None),
            one.job_name(&target(), Some("again"))
        );
        assert!(one.job_name(&target(), None).len() <= 63);
    }

    #[test]
    fn what_is_made_up_is_written_once_by_key() {
        let one = Generated {
            secret: "db".to_owned(),
            values: json!({ "password": "eA==", "token": "eQ==" })
                .as_object()
                .unwrap()
                .clone(),
        };
        let dressed = json!({ "metadata": { "name": "db", "namespace": "n", "labels": { "a": "b" } }, "type": "Opaque" });
        let written_keys = |written: &Written| {
            first_values(&one, &dressed, written)
                .map(|(_, secret)| secret.data.unwrap().into_keys().collect::<Vec<_>>())
        };
        assert_eq!(
            written_keys(&Written::new()).unwrap(),
            ["password", "token"]
        );
        assert_eq!(
            written_keys(&written("db/password\nother/token")).unwrap(),
            ["token"]
        );
        assert_eq!(written_keys(&written("db/password\ndb/token")), None);
        let chart = Chart {
            generated: vec![one.clone()],
            ..Chart::default()
        };
        assert_eq!(written_keys(&written(&written_text(&chart))), None);
        // What is kept of a chart has the keys alone.
        let kept = Chart::unpack(&chart.pack()).unwrap();
        assert_eq!(
            first_values(&kept.generated[0], &dressed, &Written::new()),
            None
        );
    }
}
