//! The Job that looks at a repository, and what it found.

use catalyst_crd::identity::GIT_CLIENT;
use catalyst_crd::labels;
use catalyst_render::rendered::dns_name;
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, Container, EmptyDirVolumeSource, PodSpec, PodTemplateSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod::pod_defaults;
use super::source::{
    CODE, CODE_PATH, account, component, git_clone, script, scripts_mount, small_container, volumes,
};
use super::{Reference, Source, Target, digest, variable};
use crate::settings::OperatorSettings;

/// The container that reports.
pub const INSPECT: &str = "inspect";
/// The ConfigMap that keeps the last report.
pub const RECORD: &str = "catalyst-inspection";
/// The value of the label [`labels::JOB_TYPE`].
pub const JOB: &str = "inspect";
/// Tries after the first; Kubernetes doubles the wait between them.
pub const RETRIES: i32 = 3;

const RECORD_KEY: &str = "key";
const RECORD_REPORT: &str = "report";

/// What an inspection looks at, and where its report is kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subject {
    /// The label's value that tells its Jobs from those of others.
    pub label: String,
    /// The ConfigMap.
    pub record: String,
}

impl Subject {
    /// The source that is deployed.
    #[must_use]
    pub fn source() -> Self {
        Self {
            label: "source".to_owned(),
            record: RECORD.to_owned(),
        }
    }

    /// Another source of the Project, which something is built from.
    #[must_use]
    pub fn other(source: &Source) -> Self {
        let name = dns_name(&source.name, 40);
        Self {
            label: format!("source-{name}"),
            record: format!("{RECORD}-{name}"),
        }
    }

    /// What helm makes of a chart.
    #[must_use]
    pub fn chart() -> Self {
        Self {
            label: "chart".to_owned(),
            record: "catalyst-chart".to_owned(),
        }
    }
}

/// What a report is about: it stays good for as long as this stays the same. The newest commit of
/// a branch is looked up anew on each retry; a commit never changes.
#[must_use]
pub fn key(source: &Source, path: &str, retry: Option<&str>) -> String {
    let commit = source.commit().map(ToString::to_string);
    let retry = commit.is_none().then_some(retry).flatten();
    digest(&(
        source.repository.url(),
        commit,
        &source.branch,
        source.pull_request,
        path,
        retry,
    ))
}

/// The Job's name: what it looks at, and which attempt it belongs to.
#[must_use]
pub fn job_name(source: &Source, path: &str, retry: Option<&str>) -> String {
    let short = source.commit().map_or("newest", |commit| commit.short());
    format!(
        "inspect-{short}-{}",
        digest(&(key(source, path, retry), retry))
    )
}

/// The Job. What lies at `path` matters most, if there is not room for all.
#[must_use]
pub fn job(
    target: &Target,
    source: &Source,
    subject: &Subject,
    path: &str,
    retry: Option<&str>,
    settings: &OperatorSettings,
) -> Job {
    let inspect = Container {
        name: INSPECT.to_owned(),
        image: Some(settings.git_image.clone()),
        command: Some(script("inspect.sh")),
        env: Some(vec![
            variable("GIT_CLONE_ROOT", CODE_PATH),
            variable("INSPECT_PATH", path),
        ]),
        volume_mounts: Some(vec![
            VolumeMount {
                read_only: Some(true),
                ..checkout()
            },
            scripts_mount(),
        ]),
        ..small_container()
    };
    Look {
        name: job_name(source, path, retry),
        key: key(source, path, retry),
        subject,
        clone: git_clone(source, &checkout(), settings),
        container: inspect,
        volumes: Vec::new(),
    }
    .job(target, source, settings)
}

/// Where the checkout appears.
pub(super) fn checkout() -> VolumeMount {
    VolumeMount {
        name: CODE.to_owned(),
        mount_path: CODE_PATH.to_owned(),
        ..VolumeMount::default()
    }
}

/// What Jobs differ in that look at a checkout.
pub(super) struct Look<'a> {
    pub name: String,
    pub key: String,
    pub subject: &'a Subject,
    /// The container that brings the checkout in.
    pub clone: Container,
    /// The one that looks at it.
    pub container: Container,
    /// Volumes besides the checkout's.
    pub volumes: Vec<Volume>,
}

impl Look<'_> {
    pub fn job(self, target: &Target, source: &Source, settings: &OperatorSettings) -> Job {
        let mut all = volumes(source);
        all.push(Volume {
            name: CODE.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        });
        all.extend(self.volumes);

        let mut metadata = target.meta(&self.name);
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(labels::INSPECTION.to_owned(), self.key);
        let own = metadata.labels.get_or_insert_default();
        own.insert(labels::JOB_TYPE.to_owned(), JOB.to_owned());
        own.insert(labels::INSPECTED.to_owned(), self.subject.label.clone());
        own.insert(labels::COMPONENT.to_owned(), component(source));
        if let Reference::Commit(commit) = &source.reference {
            own.insert(labels::COMMIT.to_owned(), commit.to_string());
        }
        let mut pod_labels = metadata.labels.clone().unwrap_or_default();
        if source.installation.is_some() {
            pod_labels.insert(GIT_CLIENT.to_owned(), "true".to_owned());
        }
        let pod = ObjectMeta {
            labels: Some(pod_labels),
            annotations: metadata.annotations.clone(),
            ..ObjectMeta::default()
        };
        Job {
            metadata,
            spec: Some(JobSpec {
                backoff_limit: Some(RETRIES),
                active_deadline_seconds: i64::try_from(settings.deadline.as_secs()).ok(),
                template: PodTemplateSpec {
                    metadata: Some(pod),
                    spec: Some(PodSpec {
                        // Each try is a pod of its own, so that every try's log stays.
                        restart_policy: Some("Never".to_owned()),
                        init_containers: Some(vec![self.clone]),
                        containers: vec![self.container],
                        volumes: Some(all),
                        service_account_name: account(source),
                        ..pod_defaults(settings)
                    }),
                },
                ..JobSpec::default()
            }),
            status: None,
        }
    }
}

/// A ConfigMap with the report and what it is about, so that neither a restart nor a cleaned-up
/// Job asks for another look.
#[must_use]
pub fn record(target: &Target, subject: &Subject, key: &str, report: &[u8]) -> ConfigMap {
    ConfigMap {
        metadata: target.meta(&subject.record),
        data: Some([(RECORD_KEY.to_owned(), key.to_owned())].into()),
        binary_data: Some([(RECORD_REPORT.to_owned(), ByteString(report.to_vec()))].into()),
        ..ConfigMap::default()
    }
}

/// The report in a record, if it is about `key`.
#[must_use]
pub fn recorded<'a>(record: &'a ConfigMap, key: &str) -> Option<&'a [u8]> {
    (record.data.as_ref()?.get(RECORD_KEY)? == key)
        .then(|| record.binary_data.as_ref()?.get(RECORD_REPORT))
        .flatten()
        .map(|report| report.0.as_slice())
}
