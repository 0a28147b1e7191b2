//! The Jobs that fill a new environment with data: dumps are restored, then a seed is run. Each
//! once, for as long as the data lives.

use std::collections::BTreeMap;

use catalyst_crd::config::{ManagedService, Restore, Seed};
use catalyst_crd::identity::GIT_CLIENT;
use catalyst_crd::{EnvironmentConfig, labels};
use catalyst_model::ids::CommitSha;
use catalyst_render::folder::join;
use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{
    Container, EmptyDirVolumeSource, Pod, PodSpec, PodTemplateSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;

use super::pod::{pod_defaults, restrained};
use super::source::{
    CODE, CODE_PATH, account, component, git_clone, script, scripts_mount, small_container, volumes,
};
use super::workload::Workload;
use super::{Problem, Source, Target, digest, services, variable};
use crate::settings::OperatorSettings;

/// The ConfigMap that says what was filled.
pub const FILLED: &str = "catalyst-filled";
/// The container that restores, and the value of [`labels::JOB_TYPE`].
pub const RESTORE: &str = "restore";
/// The container that seeds, and the value of [`labels::JOB_TYPE`].
pub const SEED: &str = "seed";
/// What stands for data that outlives its pod.
const KEPT: &str = "kept";
/// The volume that dumps are fetched and unpacked into, and where it appears.
const DUMP: &str = "dump";
const DUMP_PATH: &str = "/dump";
/// Bytes of a service's name in that of its Job.
const NAMED: usize = 40;

/// A Job that fills something.
#[derive(Debug, Clone, PartialEq)]
pub struct Filling {
    /// What is filled: `seed`, or `restore-<service>`.
    pub name: String,
    /// Which data it is that is filled: with other data, it is filled again.
    pub data: String,
    /// What each container runs, in words.
    pub commands: BTreeMap<String, String>,
    /// What is done, in words.
    pub words: String,
    /// The Job.
    pub job: Job,
}

/// Everything that the Jobs are made from.
#[derive(Debug, Clone, Copy)]
pub struct Fillings<'a> {
    /// Names.
    pub target: &'a Target,
    /// The merged configuration.
    pub config: &'a EnvironmentConfig,
    /// Where dumps are that the repository holds.
    pub source: &'a Source,
    /// The workload whose program seeds.
    pub workload: &'a Workload,
    /// The last retry that a person asked for.
    pub retry: Option<&'a str>,
    /// The operator's settings.
    pub settings: &'a OperatorSettings,
}

/// Checks what a configuration says about it.
///
/// # Errors
/// If it cannot be done; the sentence is for the person who wrote it.
pub fn check(config: &EnvironmentConfig) -> Result<(), Problem> {
    let refuse = |what: String| Err(Problem::new("ConfigRefused", what));
    if config
        .seed
        .as_ref()
        .is_some_and(|seed| seed.command.is_empty())
    {
        return refuse(
            "seed has no command; write seed.command, as in [npm, run, seed]".to_owned(),
        );
    }
    for service in &config.services {
        let Some(restore) = &service.restore else {
            continue;
        };
        let name = &service.name;
        if !services::is_restored(service) {
            return refuse(format!(
                "the service {name} cannot be restored into: that is for PostgreSQL, MySQL and MariaDB; \
                 use config.seed"
            ));
        }
        match (text(&restore.path), text(&restore.url)) {
            (Some(path), None) => {
                join("", path).map_err(|error| {
                    let said = format!("the service {name}: restore.path: {error}");
                    Problem::new("ConfigRefused", said)
                })?;
            }
            (None, Some(url)) => {
                let is_fine =
                    url::Url::parse(url).is_ok_and(|url| url.scheme() == "https" && url.has_host());
                if !is_fine {
                    return refuse(format!(
                        "the service {name}: restore.url is no https:// address"
                    ));
                }
            }
            _ => {
                return refuse(format!(
                    "the service {name}: restore takes either a path in the source or a url"
                ));
            }
        }
    }
    Ok(())
}

fn text(value: &Option<String>) -> Option<&str> {
    value.as_deref().filter(|text| !text.is_empty())
}

impl Fillings<'_> {
    /// All of them, in their order, where `pods` are those of the namespace. None while the pod of
    /// a service is not there.
    pub fn all<P: AsRef<Pod>>(&self, pods: &[P]) -> Option<Vec<Filling>> {
        let mut all = Vec::new();
        for service in &self.config.services {
            if let Some(restore) = &service.restore {
                all.extend(self.restore(service, restore, data_of(service, pods)?));
            }
        }
        if let Some(seed) = &self.config.seed {
            let data = match services::main_database(&self.config.services) {
                Some(database) => data_of(database, pods)?,
                None => KEPT.to_owned(),
            };
            all.push(self.seed(seed, data));
        }
        Some(all)
    }

    fn restore(&self, service: &ManagedService, from: &Restore, data: String) -> Option<Filling> {
        let (client, mut env) = services::client(service)?;
        let name = format!("{RESTORE}-{}", service.name);
        let mut init = Vec::new();
        let mut all = vec![empty(DUMP)];
        let mut mounts = vec![scripts_mount(), mount(DUMP, DUMP_PATH)];
        let mut labels_of_pod = BTreeMap::new();
        let mut commands = BTreeMap::new();
        let (file, called, which) = match (text(&from.path), text(&from.url)) {
            (Some(path), None) => {
                let path = join("", path).ok()?;
                init.push(git_clone(
                    self.source,
                    &mount(CODE, CODE_PATH),
                    self.settings,
                ));
                commands.insert("git-clone".to_owned(), "git fetch".to_owned());
                mounts.push(mount(CODE, CODE_PATH));
                all.push(empty(CODE));
                all.extend(volumes(self.source));
                labels_of_pod.insert(labels::COMPONENT.to_owned(), component(self.source));
                if self.source.installation.is_some() {
                    labels_of_pod.insert(GIT_CLIENT.to_owned(), "true".to_owned());
                }
                let commit = self.source.commit().map(CommitSha::as_str);
                let which = digest(&(&path, commit, self.source.repository.url()));
                (format!("{CODE_PATH}/{path}"), path, which)
            }
            (None, Some(url)) => {
                let file = format!("{DUMP_PATH}/fetched");
                init.push(Container {
                    name: "fetch".to_owned(),
                    image: Some(self.settings.git_image.clone()),
                    command: Some(script("fetch.sh")),
                    env: Some(vec![
                        variable("DUMP_URL", url),
                        variable("DUMP_FILE", &file),
                    ]),
                    volume_mounts: Some(vec![scripts_mount(), mount(DUMP, DUMP_PATH)]),
                    ..small_container()
                });
                // Scripts alone: nothing is cloned.
                all.extend(volumes(&Source {
                    installation: None,
                    ..self.source.clone()
                }));
                // What follows a question mark may be a signature.
                let called = url.split('?').next().unwrap_or(url).to_owned();
                (file, called, digest(&url))
            }
            _ => return None,
        };
        env.extend([
            variable("RESTORE_CLIENT", client),
            variable("DUMP_FILE", file),
            variable("DUMP_NAME", &called),
            variable("DUMP_SPACE", DUMP_PATH),
        ]);
        let container = Container {
            name: RESTORE.to_owned(),
            image: Some(service.container.image.clone()),
            command: Some(script("restore.sh")),
            env: Some(env),
            volume_mounts: Some(mounts),
            resources: small_container().resources,
            ..restrained()
        };
        let spec = PodSpec {
            init_containers: Some(init),
            containers: vec![container],
            volumes: Some(all),
            service_account_name: text(&from.path).and_then(|_| account(self.source)),
            ..pod_defaults(self.settings)
        };
        let pod = PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(labels_of_pod),
                ..ObjectMeta::default()
            }),
            spec: Some(spec),
        };
        let words = format!("the dump {called} is loaded into {}", service.name);
        commands.insert(RESTORE.to_owned(), String::new());
        let version = digest(&(which, &data, self.retry));
        Some(Filling {
            job: self.job(RESTORE, &name, &version, pod),
            name,
            data,
            commands,
            words,
        })
    }

    /// The workload's own pod, with what comes before its program, and the seed in the program's
    /// place.
    fn seed(&self, seed: &Seed, data: String) -> Filling {
        let mut pod = self.workload.template.clone();
        if let Some(spec) = pod.spec.as_mut() {
            spec.termination_grace_period_seconds = None;
            for app in &mut spec.containers {
                app.name = SEED.to_owned();
                app.command = Some(seed.command.clone());
                app.args = None;
                app.ports = None;
                app.liveness_probe = None;
                app.readiness_probe = None;
                app.startup_probe = None;
                app.lifecycle = None;
            }
        }
        if let Some(labels) = pod.metadata.as_mut().and_then(|meta| meta.labels.as_mut()) {
            // Else its Service would lead here.
            labels.remove("app");
        }
        if let Some(all) = pod
            .metadata
            .as_mut()
            .and_then(|meta| meta.annotations.as_mut())
        {
            all.remove(labels::TEMPLATE);
        }
        let command: String = seed.command.join(" ").chars().take(120).collect();
        let mut commands = self.workload.commands.clone();
        commands.insert(SEED.to_owned(), command.clone());
        let version = digest(&(&self.workload.version, &seed.command, &data, self.retry));
        Filling {
            name: SEED.to_owned(),
            job: self.job(SEED, SEED, &version, pod),
            data,
            commands,
            words: format!("the seed is run ({command})"),
        }
    }

    /// Tried once: what was half done may not be done again. A person may ask for a retry.
    fn job(&self, kind: &str, name: &str, version: &str, mut pod: PodTemplateSpec) -> Job {
        let short: String = name.chars().take(NAMED).collect();
        let mut metadata = self
            .target
            .meta(&format!("{}-{version}", short.trim_end_matches('-')));
        let own = metadata.labels.get_or_insert_default();
        own.insert(labels::JOB_TYPE.to_owned(), kind.to_owned());
        if let Some(commit) = self.source.commit() {
            own.insert(labels::COMMIT.to_owned(), commit.to_string());
        }
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(labels::FILLING.to_owned(), name.to_owned());
        let of_pod = pod.metadata.get_or_insert_default();
        let source = of_pod
            .labels
            .as_ref()
            .and_then(|all| all.get(labels::COMPONENT));
        own.extend(source.map(|source| (labels::COMPONENT.to_owned(), source.clone())));
        of_pod.labels.get_or_insert_default().extend(own.clone());
        of_pod
            .annotations
            .get_or_insert_default()
            .extend(annotations.clone());
        if let Some(spec) = pod.spec.as_mut() {
            spec.restart_policy = Some("Never".to_owned());
        }
        Job {
            metadata,
            spec: Some(JobSpec {
                backoff_limit: Some(0),
                active_deadline_seconds: i64::try_from(self.settings.deadline.as_secs()).ok(),
                template: pod,
                ..JobSpec::default()
            }),
            status: None,
        }
    }
}

/// Which data a service has: that of its volume, or that of its pod, which goes with it.
fn data_of<P: AsRef<Pod>>(service: &ManagedService, pods: &[P]) -> Option<String> {
    if service.storage.is_some() {
        return Some(KEPT.to_owned());
    }
    let pod = pods.iter().map(AsRef::as_ref).find(|pod| {
        pod.labels().get("app") == Some(&service.name) && pod.metadata.deletion_timestamp.is_none()
    });
    pod.and_then(|pod| pod.metadata.uid.clone())
}

fn empty(name: &str) -> Volume {
    Volume {
        name: name.to_owned(),
        empty_dir: Some(EmptyDirVolumeSource::default()),
        ..Volume::default()
    }
}

fn mount(name: &str, path: &str) -> VolumeMount {
    VolumeMount {
        name: name.to_owned(),
        mount_path: path.to_owned(),
        ..VolumeMount::default()
    }
}

/// What was filled, by the record's text: each a line, with the data that it was.
#[must_use]
pub fn filled(text: &str) -> BTreeMap<String, String> {
    text.lines()
        .filter_map(|line| line.split_once(' '))
        .map(|(name, data)| (name.to_owned(), data.to_owned()))
        .collect()
}

/// The record's text.
#[must_use]
pub fn filled_text(filled: &BTreeMap<String, String>) -> String {
    let lines: Vec<_> = filled
        .iter()
        .map(|(name, data)| format!("{name} {data}"))
        .collect();
    lines.join("\n")
}

#[cfg(test)]
mod tests;
