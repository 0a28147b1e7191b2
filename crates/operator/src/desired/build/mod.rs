//! The Job that builds an image, and what is kept of it.

mod advice;
mod engine;
pub mod memory;
mod order;
mod outcome;

use std::collections::BTreeMap;

use catalyst_crd::identity::GIT_CLIENT;
use catalyst_crd::labels;
use catalyst_model::ids::CommitSha;
use k8s_openapi::ByteString;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    ConfigMap, ConfigMapVolumeSource, EmptyDirVolumeSource, KeyToPath, PodSpec, PodTemplateSpec,
    ResourceRequirements, Secret, SecretVolumeSource, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::pod::pod_defaults;
use super::record::Held;
use super::registry::REGISTRY_CREDENTIALS;
use super::source::{account, component, git_clone, volumes};
use super::workload::SECRETS;
use super::{Source, Target, digest, variable};
use crate::builds::{BuildSettings, Engine};
use crate::settings::OperatorSettings;
pub use advice::advice;
pub use engine::container_name;
pub use memory::IMAGES;
pub use order::{Builder, image_names};
pub use outcome::{Outcome, built_record};

/// The value of the label [`labels::JOB_TYPE`].
pub const BUILD: &str = "build";
/// Seconds that a build's Job is kept after it has ended, for people to look at.
const KEPT_SECONDS: i32 = 3600;
/// Seconds that a build has to end once it is not wanted any more.
const GRACE_SECONDS: i64 = 2;

/// Where the checkout is.
const ROOT: &str = "/workspace";
const SOURCE: &str = "source";
/// Where the Dockerfile is, as it is built: not in the checkout, which stays as it was committed.
const FILES_PATH: &str = "/catalyst";
const DOCKERFILE: &str = "Dockerfile";
const IGNORE: &str = "Dockerfile.dockerignore";
const SECRETS_PATH: &str = "/run/secrets/catalyst.dev/build";

const SOURCE_VOLUME: &str = "source";
const FILES_VOLUME: &str = "dockerfile";
const CREDENTIALS_VOLUME: &str = "registry-credentials";
const SECRETS_VOLUME: &str = "build-secrets";
const IDENTITY_VOLUME: &str = "buildkit-identity";
/// The Secret by which BuildKit's daemon knows its clients. Pods of builds mount it, and no others may.
const IDENTITY: &str = "catalyst-buildkit-client";

/// An image that is to be built.
#[derive(Debug, Clone, PartialEq)]
pub struct Order {
    /// The build's name within the project.
    pub name: String,
    /// The source, at a commit that is known.
    pub source: Source,
    /// The folder that is built from, relative to the source's root; empty for the root itself.
    pub context: String,
    /// The Dockerfile's text, as it is built.
    pub dockerfile: String,
    /// What is not sent to the build, where a file of the Dockerfile's own says so.
    pub ignore: Option<String>,
    /// What is built, in words.
    pub words: String,
    /// The stage to build.
    pub target: Option<String>,
    /// Build arguments.
    pub args: BTreeMap<String, String>,
    /// CPU and memory of the build.
    pub resources: Option<ResourceRequirements>,
    /// What the image is called.
    pub image: String,
}

impl Order {
    /// What the image is made of: it stays good for as long as this stays the same.
    #[must_use]
    pub fn key(&self) -> String {
        digest(&(
            self.source.repository.url(),
            self.source.commit().map(CommitSha::as_str),
            &self.context,
            &self.dockerfile,
            &self.ignore,
            &self.target,
            &self.args,
            &self.image,
        ))
    }

    /// The Job's name: the build, the commit, and what it is made of and which attempt it belongs to.
    #[must_use]
    pub fn job_name(&self, retry: Option<&str>) -> String {
        let short = self.source.commit().map_or("newest", CommitSha::short);
        let version = digest(&(self.key(), retry));
        format!("build-{}-{short}-{}", self.name, &version[..5])
    }

    /// The ConfigMap with the Dockerfile.
    #[must_use]
    pub fn files(&self, target: &Target) -> ConfigMap {
        let ignore = self.ignore.iter().map(|text| (IGNORE, text));
        let data = ignore.chain([(DOCKERFILE, &self.dockerfile)]);
        ConfigMap {
            metadata: target.meta(&self.files_name()),
            data: Some(
                data.map(|(name, text)| (name.to_owned(), text.clone()))
                    .collect(),
            ),
            ..ConfigMap::default()
        }
    }

    fn files_name(&self) -> String {
        format!("catalyst-build-{}", self.name)
    }

    /// The Job. `secrets` are those that the Dockerfile may ask for.
    #[must_use]
    pub fn job(
        &self,
        target: &Target,
        retry: Option<&str>,
        secrets: Option<&Held>,
        settings: &OperatorSettings,
        builds: &BuildSettings,
    ) -> Job {
        let mut metadata = target.meta(&self.job_name(retry));
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(labels::BUILD_KEY.to_owned(), self.key());
        let own = metadata.labels.get_or_insert_default();
        own.insert(labels::JOB_TYPE.to_owned(), BUILD.to_owned());
        own.insert(labels::BUILD.to_owned(), self.name.clone());
        own.insert(labels::COMPONENT.to_owned(), component(&self.source));
        if let Some(commit) = self.source.commit() {
            own.insert(labels::COMMIT.to_owned(), commit.to_string());
        }
        let mut pod_labels = metadata.labels.clone().unwrap_or_default();
        if self.source.installation.is_some() {
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
                // Another try would end the same way, mostly; a person's retry is one.
                backoff_limit: Some(0),
                active_deadline_seconds: i64::try_from(settings.deadline.as_secs()).ok(),
                ttl_seconds_after_finished: Some(KEPT_SECONDS),
                template: PodTemplateSpec {
                    metadata: Some(pod),
                    spec: Some(PodSpec {
                        restart_policy: Some("Never".to_owned()),
                        termination_grace_period_seconds: Some(GRACE_SECONDS),
                        init_containers: Some(vec![self.clone_source(settings)]),
                        containers: vec![engine::container(self, target, secrets, builds)],
                        volumes: Some(self.volumes(secrets, builds)),
                        service_account_name: account(&self.source),
                        ..pod_defaults(settings)
                    }),
                },
                ..JobSpec::default()
            }),
            status: None,
        }
    }

    fn clone_source(&self, settings: &OperatorSettings) -> k8s_openapi::api::core::v1::Container {
        let mut clone = git_clone(&self.source, &source_mount(false), settings);
        for known in clone.env.iter_mut().flatten() {
            match known.name.as_str() {
                "GIT_CLONE_ROOT" => known.value = Some(ROOT.to_owned()),
                "GIT_CLONE_DEST" => known.value = Some(SOURCE.to_owned()),
                _ => {}
            }
        }
        if !self.context.is_empty() {
            let context = variable("GIT_CLONE_CONTEXT", &self.context);
            clone.env.get_or_insert_default().push(context);
        }
        clone
    }

    fn volumes(&self, secrets: Option<&Held>, builds: &BuildSettings) -> Vec<Volume> {
        let mut all = volumes(&self.source);
        all.push(Volume {
            name: SOURCE_VOLUME.to_owned(),
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        });
        all.push(Volume {
            name: FILES_VOLUME.to_owned(),
            config_map: Some(ConfigMapVolumeSource {
                name: self.files_name(),
                ..ConfigMapVolumeSource::default()
            }),
            ..Volume::default()
        });
        let item = KeyToPath {
            key: ".dockerconfigjson".to_owned(),
            path: "config.json".to_owned(),
            mode: None,
        };
        all.push(secret_volume(
            CREDENTIALS_VOLUME,
            REGISTRY_CREDENTIALS,
            Some(vec![item]),
        ));
        if let Engine::BuildKit(daemon) = &builds.engine {
            if secrets.is_some() {
                all.push(secret_volume(SECRETS_VOLUME, SECRETS, None));
            }
            if daemon.identity.is_some() {
                all.push(secret_volume(IDENTITY_VOLUME, IDENTITY, None));
            }
        }
        all
    }
}

/// The Secret by which BuildKit's daemon knows its clients, where it does.
#[must_use]
pub fn identity(target: &Target, builds: &BuildSettings) -> Option<Secret> {
    let Engine::BuildKit(daemon) = &builds.engine else {
        return None;
    };
    let identity = daemon.identity.as_ref()?;
    let data = [
        ("ca.pem", &identity.authority),
        ("cert.pem", &identity.certificate),
        ("key.pem", &identity.key),
    ];
    let data = data.map(|(name, text)| (name.to_owned(), ByteString(text.clone().into_bytes())));
    Some(Secret {
        metadata: target.meta(IDENTITY),
        data: Some(data.into()),
        ..Secret::default()
    })
}

/// A Secret that need not be there.
fn secret_volume(name: &str, secret: &str, items: Option<Vec<KeyToPath>>) -> Volume {
    Volume {
        name: name.to_owned(),
        secret: Some(SecretVolumeSource {
            secret_name: Some(secret.to_owned()),
            optional: Some(true),
            items,
            ..SecretVolumeSource::default()
        }),
        ..Volume::default()
    }
}

fn source_mount(read_only: bool) -> VolumeMount {
    VolumeMount {
        name: SOURCE_VOLUME.to_owned(),
        mount_path: ROOT.to_owned(),
        read_only: read_only.then_some(true),
        ..VolumeMount::default()
    }
}

fn mount(volume: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: volume.to_owned(),
        mount_path: path.to_owned(),
        read_only: Some(true),
        ..VolumeMount::default()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
