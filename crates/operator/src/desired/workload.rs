//! Deployment `web`: what is run, from the configuration and what was detected.

use std::collections::BTreeMap;

use catalyst_crd::config::{EnvironmentConfig, InitContainer};
use catalyst_crd::identity::GIT_CLIENT;
use catalyst_crd::labels;
use catalyst_model::ids::CommitSha;
use k8s_openapi::api::apps::v1::{
    Deployment, DeploymentSpec, DeploymentStrategy, RollingUpdateDeployment,
};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvFromSource, EnvVar, Lifecycle,
    LifecycleHandler, PersistentVolumeClaim, PersistentVolumeClaimVolumeSource, PodSpec,
    PodTemplateSpec, SecretEnvSource, SleepAction, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config::merge_variables;
use super::pod::{listening, pod_defaults, restrained};
use super::source::{CODE, CODE_PATH, GIT_CLONE, account, component, git_clone, volumes};
use super::{Problem, Source, Target, digest, variable};
use crate::settings::OperatorSettings;
use catalyst_render::detect::{Plan, Step};

/// The name of the Deployment, its Service and its Ingress, and its pods' label `app`.
pub const NAME: &str = "web";
/// The Secret that the web side's secrets are synced into.
pub const SECRETS: &str = "catalyst-secrets";
/// Tools of a detected plan, in the volume that its steps share, where no watcher looks.
const TOOLS: &str = ".git/catalyst";
/// Seconds that an old pod keeps answering while the way to it is taken down.
pub(super) const DRAIN: u32 = 2;

/// A workload that can be deployed.
#[derive(Debug, Clone, PartialEq)]
pub struct Workload {
    /// The pod's template.
    pub template: PodTemplateSpec,
    /// Which version of the template it is; its pods carry this as an annotation.
    pub version: String,
    /// What its Service reaches.
    pub port: i32,
    /// What each container runs, in words.
    pub commands: BTreeMap<String, String>,
    /// How it is run, in words.
    pub words: String,
    /// The commit that it runs.
    pub commit: Option<CommitSha>,
    /// Whether its source lies in its pod, so that a person can put it right there.
    pub is_from_source: bool,
    /// How its command failed, where its pod is kept all the same.
    pub kept_for: Option<String>,
}

/// Runs its arguments with what was installed beside the source on the path.
const WITH_TOOLS: &str = r#"if [ -f .venv/bin/activate ]; then . .venv/bin/activate; fi
PATH="$CATALYST_TOOLS/node_modules/.bin:node_modules/.bin:$PATH"; export PATH
exec "$@""#;

/// Everything that a workload is made from.
#[derive(Debug, Clone)]
pub struct Ingredients<'a> {
    /// Names.
    pub target: &'a Target,
    /// The operator's settings.
    pub settings: &'a OperatorSettings,
    /// The merged configuration.
    pub config: &'a EnvironmentConfig,
    /// The last retry that a person asked for.
    pub retry: Option<&'a str>,
    /// The version of its secrets, where it has some: pods are made anew with another one.
    pub secrets: Option<&'a str>,
}

/// The parts of a pod.
struct Parts {
    app: Container,
    init: Vec<Container>,
    volumes: Vec<Volume>,
    /// The service account, where it is not the namespace's default.
    account: Option<String>,
    /// The source that it comes from.
    component: Option<String>,
}

impl Ingredients<'_> {
    /// Development mode: the source is checked out into a volume and run from there. `plan` is
    /// what was detected, and stands in wherever the configuration says nothing.
    ///
    /// # Errors
    /// If neither says which image to run or which port it listens on.
    pub fn development(
        &self,
        source: &Source,
        plan: Option<&Plan>,
        extra: &[EnvVar],
    ) -> Result<Workload, Problem> {
        let config = self.config;
        let image = config
            .image
            .clone()
            .or_else(|| plan.map(|plan| self.settings.images.resolve(&plan.image)))
            .ok_or_else(|| missing("image"))?;
        let ports = self.ports(plan.map(|plan| i32::from(plan.port)))?;
        let port = ports[0].container_port;

        let mut mounts = config.volume_mounts.clone();
        if mounts.is_empty() {
            mounts.push(VolumeMount {
                name: CODE.to_owned(),
                mount_path: CODE_PATH.to_owned(),
                ..VolumeMount::default()
            });
        }
        let root = mounts[0].mount_path.clone();

        let mut base = self.common(port, source.commit(), source.pull_request);
        if let Some(plan) = plan {
            base.push(variable("CATALYST_TOOLS", format!("{root}/{TOOLS}")));
            // Vite refuses hosts that it was not told of; this is its way for hosting services.
            base.push(variable(
                "__VITE_ADDITIONAL_SERVER_ALLOWED_HOSTS",
                &self.target.host,
            ));
            base.extend(plan.env.iter().map(|(name, value)| variable(name, value)));
        }
        let env = merge_variables(merge_variables(base, extra), &config.env);

        let step = |name: &str, step: &Step| Container {
            name: name.to_owned(),
            image: Some(image.clone()),
            command: Some(step.argv.clone()),
            working_dir: Some(within(&root, &step.directory)),
            env: Some(env.clone()),
            env_from: secrets(),
            resources: config.resources.clone(),
            volume_mounts: Some(mounts.clone()),
            ..restrained()
        };
        let mut commands = BTreeMap::new();
        let mut init = vec![git_clone(source, &mounts[0], self.settings)];
        commands.insert(GIT_CLONE.to_owned(), "git fetch".to_owned());
        if config.init_containers.is_empty() {
            for (name, detected) in [
                ("install", plan.and_then(|plan| plan.install.as_ref())),
                ("build", plan.and_then(|plan| plan.build.as_ref())),
            ] {
                if let Some(detected) = detected {
                    commands.insert(name.to_owned(), detected.words.clone());
                    init.push(step(name, detected));
                }
            }
        }
        for custom in &config.init_containers {
            commands.insert(custom.name.clone(), shown(&custom.command, &custom.args));
            init.push(init_container(custom, &image, extra));
        }

        // A command of one's own takes the place of what was found, where that would be started.
        let start = plan.map(|plan| &plan.start);
        let found = start.filter(|_| config.command.is_empty());
        let is_installed = plan.is_some_and(|plan| plan.install.is_some());
        let command = match found {
            Some(start) => start.argv.clone(),
            None if is_installed && !config.command.is_empty() => with_tools(&config.command),
            None => config.command.clone(),
        };
        let directory = start.map(|start| within(&root, &start.directory));
        let words = match plan {
            Some(plan) => plan.words(),
            None => format!(
                "as configured: {image} {}",
                shown(&config.command, &config.args)
            )
            .trim_end()
            .to_owned(),
        };
        commands.insert(
            "app".to_owned(),
            found.map_or_else(
                || shown(&config.command, &config.args),
                |start| start.words.clone(),
            ),
        );
        let app = Container {
            working_dir: config
                .working_dir
                .clone()
                .or(directory)
                .or_else(|| plan.map(|_| root.clone())),
            volume_mounts: Some(mounts.clone()),
            env: Some(env.clone()),
            env_from: secrets(),
            ..self.main("app", &image, command, ports)
        };
        let mut all = volumes(source);
        all.extend(self.config_volumes(&mounts));
        let parts = Parts {
            app,
            init,
            volumes: all,
            account: account(source),
            component: Some(component(source)),
        };
        Ok(Workload {
            is_from_source: true,
            ..self.workload(parts, port, commands, words, source.commit())
        })
    }

    /// Production mode: an image as it is, next to its services.
    ///
    /// # Errors
    /// If the configuration names no image or no port.
    pub fn production(
        &self,
        commit: Option<&CommitSha>,
        pull_request: Option<u64>,
        extra: &[EnvVar],
    ) -> Result<Workload, Problem> {
        let config = self.config;
        let image = config.image.as_deref().ok_or_else(|| missing("image"))?;
        let ports = self.ports(None)?;
        let port = ports[0].container_port;
        let base = self.common(port, commit, pull_request);
        let env = merge_variables(merge_variables(base, extra), &config.env);
        let words = shown(&config.command, &config.args);
        let app = Container {
            working_dir: config.working_dir.clone(),
            volume_mounts: (!config.volume_mounts.is_empty()).then(|| config.volume_mounts.clone()),
            env: Some(env),
            ..self.main(NAME, image, config.command.clone(), ports)
        };
        let volumes = self.config_volumes(&config.volume_mounts);
        let commands = BTreeMap::from([(NAME.to_owned(), words)]);
        let parts = Parts {
            app,
            init: Vec::new(),
            volumes,
            account: None,
            component: None,
        };
        let words = format!("the image {image}");
        Ok(self.workload(parts, port, commands, words, commit))
    }

    /// An image that was built of the source, which listens on `port` unless the configuration says
    /// another.
    ///
    /// # Errors
    /// Never for now; as [`Self::production`].
    pub fn built(
        &self,
        source: &Source,
        image: &str,
        port: u16,
        words: String,
        extra: &[EnvVar],
    ) -> Result<Workload, Problem> {
        let config = self.config;
        let ports = self.ports(Some(i32::from(port)))?;
        let port = ports[0].container_port;
        let base = self.common(port, source.commit(), source.pull_request);
        let env = merge_variables(merge_variables(base, extra), &config.env);
        let mut commands = BTreeMap::new();
        commands.insert(NAME.to_owned(), shown(&config.command, &config.args));
        let mut init = Vec::new();
        for custom in &config.init_containers {
            commands.insert(custom.name.clone(), shown(&custom.command, &custom.args));
            init.push(init_container(custom, image, extra));
        }
        let app = Container {
            working_dir: config.working_dir.clone(),
            volume_mounts: (!config.volume_mounts.is_empty()).then(|| config.volume_mounts.clone()),
            env: Some(env),
            env_from: secrets(),
            ..self.main(NAME, image, config.command.clone(), ports)
        };
        let parts = Parts {
            app,
            init,
            volumes: self.config_volumes(&config.volume_mounts),
            account: None,
            component: Some(component(source)),
        };
        Ok(self.workload(parts, port, commands, words, source.commit()))
    }

    fn ports(&self, detected: Option<i32>) -> Result<Vec<ContainerPort>, Problem> {
        match (&self.config.ports[..], detected) {
            ([], None) => Err(missing("port")),
            ([], Some(port)) => Ok(vec![ContainerPort {
                container_port: port,
                ..ContainerPort::default()
            }]),
            (ports, _) => Ok(ports.to_vec()),
        }
    }

    /// What every preview's containers are told.
    fn common(
        &self,
        port: i32,
        commit: Option<&CommitSha>,
        pull_request: Option<u64>,
    ) -> Vec<EnvVar> {
        let mut all = vec![
            variable("PORT", port.to_string()),
            variable("HOST", "0.0.0.0"),
            variable("PREVIEW_URL", &self.target.url),
        ];
        all.extend(commit.map(|commit| variable("COMMIT_SHA", commit.as_str())));
        all.extend(pull_request.map(|number| variable("PR_NUMBER", number.to_string())));
        all
    }

    fn main(
        &self,
        name: &str,
        image: &str,
        command: Vec<String>,
        ports: Vec<ContainerPort>,
    ) -> Container {
        let config = self.config;
        let port = ports[0].container_port;
        Container {
            name: name.to_owned(),
            image: Some(image.to_owned()),
            command: (!command.is_empty()).then_some(command),
            args: (!config.args.is_empty()).then(|| config.args.clone()),
            ports: Some(ports),
            resources: config.resources.clone(),
            liveness_probe: config.liveness_probe.clone(),
            readiness_probe: Some(
                config
                    .readiness_probe
                    .clone()
                    .unwrap_or_else(|| listening(port)),
            ),
            startup_probe: config.startup_probe.clone(),
            lifecycle: Some(Lifecycle {
                pre_stop: Some(LifecycleHandler {
                    sleep: Some(SleepAction {
                        seconds: i64::from(DRAIN),
                    }),
                    ..LifecycleHandler::default()
                }),
                ..Lifecycle::default()
            }),
            ..restrained()
        }
    }

    /// The volumes of the mounts: claims where the configuration has one of that name, else empty.
    fn config_volumes(&self, mounts: &[VolumeMount]) -> Vec<Volume> {
        let mut all: Vec<Volume> = Vec::new();
        let names = mounts.iter().map(|mount| mount.name.as_str()).chain(
            self.config
                .init_containers
                .iter()
                .flat_map(|init| init.volume_mounts.iter().map(|m| m.name.as_str())),
        );
        for name in names {
            if all.iter().any(|known| known.name == name) {
                continue;
            }
            let claimed = self
                .config
                .volumes
                .iter()
                .any(|v| v.name == name && v.persistent_volume_claim.is_some());
            all.push(Volume {
                name: name.to_owned(),
                persistent_volume_claim: claimed.then(|| PersistentVolumeClaimVolumeSource {
                    claim_name: name.to_owned(),
                    read_only: None,
                }),
                empty_dir: (!claimed).then(EmptyDirVolumeSource::default),
                ..Volume::default()
            });
        }
        all
    }

    fn workload(
        &self,
        parts: Parts,
        port: i32,
        commands: BTreeMap<String, String>,
        words: String,
        commit: Option<&CommitSha>,
    ) -> Workload {
        let Parts {
            app,
            init,
            volumes,
            account,
            component,
        } = parts;
        let mut own = self.target.labels();
        own.insert("app".to_owned(), NAME.to_owned());
        own.extend(commit.map(|commit| (labels::COMMIT.to_owned(), commit.to_string())));
        own.extend(component.map(|source| (labels::COMPONENT.to_owned(), source)));
        if account.is_some() {
            own.insert(GIT_CLIENT.to_owned(), "true".to_owned());
        }
        let mut annotations = BTreeMap::from([(labels::OWNER.to_owned(), self.target.owner())]);
        annotations.extend(
            self.retry
                .map(|retry| (labels::RETRY.to_owned(), retry.to_owned())),
        );
        let secrets = self.secrets.map(str::to_owned);
        annotations.extend(secrets.map(|version| (labels::SECRETS.to_owned(), version)));
        let mut template = PodTemplateSpec {
            metadata: Some(ObjectMeta {
                labels: Some(own),
                annotations: Some(annotations),
                ..ObjectMeta::default()
            }),
            spec: Some(PodSpec {
                init_containers: (!init.is_empty()).then_some(init),
                containers: vec![app],
                volumes: (!volumes.is_empty()).then_some(volumes),
                termination_grace_period_seconds: Some(i64::from(DRAIN) + 8),
                service_account_name: account,
                ..pod_defaults(self.settings)
            }),
        };
        let version = digest(&template);
        if let Some(annotations) = template
            .metadata
            .as_mut()
            .and_then(|meta| meta.annotations.as_mut())
        {
            annotations.insert(labels::TEMPLATE.to_owned(), version.clone());
        }
        Workload {
            template,
            version,
            port,
            commands,
            words,
            commit: commit.cloned(),
            is_from_source: false,
            kept_for: None,
        }
    }
}

/// Deployment `web`. The old pods serve until a new one is ready.
#[must_use]
pub fn deployment(target: &Target, workload: &Workload, settings: &OperatorSettings) -> Deployment {
    let mut metadata = target.meta(NAME);
    let of_pods = workload.template.metadata.as_ref();
    let component = of_pods.and_then(|meta| meta.labels.as_ref()?.get_key_value(labels::COMPONENT));
    let own = metadata.labels.get_or_insert_default();
    own.extend(component.map(|(key, source)| (key.clone(), source.clone())));
    let annotations = metadata.annotations.get_or_insert_default();
    annotations.insert(labels::PORT.to_owned(), workload.port.to_string());
    Deployment {
        metadata,
        spec: Some(DeploymentSpec {
            replicas: Some(1),
            selector: LabelSelector {
                match_labels: Some([("app".to_owned(), NAME.to_owned())].into()),
                match_expressions: None,
            },
            strategy: Some(DeploymentStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateDeployment {
                    max_unavailable: Some(IntOrString::Int(0)),
                    max_surge: Some(IntOrString::Int(1)),
                }),
            }),
            revision_history_limit: Some(2),
            progress_deadline_seconds: i32::try_from(settings.deadline.as_secs()).ok(),
            template: workload.template.clone(),
            ..DeploymentSpec::default()
        }),
        status: None,
    }
}

/// The claims of the configuration's volumes.
#[must_use]
pub fn claims(target: &Target, config: &EnvironmentConfig) -> Vec<PersistentVolumeClaim> {
    config
        .volumes
        .iter()
        .filter_map(|volume| {
            Some(PersistentVolumeClaim {
                metadata: target.meta(&volume.name),
                spec: Some(volume.persistent_volume_claim.clone()?),
                status: None,
            })
        })
        .collect()
}

/// With the addresses of services: migrations need them.
fn init_container(custom: &InitContainer, image: &str, extra: &[EnvVar]) -> Container {
    let env = merge_variables(extra.to_vec(), &custom.env);
    let some = |list: &[String]| (!list.is_empty()).then(|| list.to_vec());
    Container {
        name: custom.name.clone(),
        image: Some(
            custom
                .image
                .clone()
                .filter(|image| !image.is_empty())
                .unwrap_or_else(|| image.to_owned()),
        ),
        command: some(&custom.command),
        args: some(&custom.args),
        working_dir: custom.working_dir.clone(),
        env: (!env.is_empty()).then_some(env),
        env_from: secrets(),
        resources: custom.resources.clone(),
        volume_mounts: (!custom.volume_mounts.is_empty()).then(|| custom.volume_mounts.clone()),
        ..restrained()
    }
}

fn secrets() -> Option<Vec<EnvFromSource>> {
    Some(vec![EnvFromSource {
        secret_ref: Some(SecretEnvSource {
            name: SECRETS.to_owned(),
            optional: Some(true),
        }),
        ..EnvFromSource::default()
    }])
}

/// A command of one's own, which finds what the plan installed as the plan's own would.
fn with_tools(command: &[String]) -> Vec<String> {
    let script = ["sh", "-c", WITH_TOOLS, "sh"].map(str::to_owned);
    [&script, command].concat()
}

fn within(root: &str, directory: &str) -> String {
    match directory {
        "." => root.to_owned(),
        directory => format!("{root}/{directory}"),
    }
}

/// A command as a person would have typed it.
pub(crate) fn shown(command: &[String], args: &[String]) -> String {
    let command = match command {
        [shell, flag, script] if shell == "sh" && flag == "-c" => std::slice::from_ref(script),
        words => words,
    };
    let words: Vec<_> = command.iter().chain(args).map(String::as_str).collect();
    words.join(" ").chars().take(120).collect()
}

fn missing(what: &str) -> Problem {
    Problem::new(
        "ConfigIncomplete",
        format!(
            "the configuration names no {what}; set it in the Project's template or in spec.config"
        ),
    )
}
