//! The container that builds, by what builds in it.

use std::collections::BTreeMap;

use catalyst_render::Warning;
use catalyst_render::dockerfile::given;
use k8s_openapi::api::core::v1::{Container, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::{
    CREDENTIALS_VOLUME, DOCKERFILE, FILES_PATH, FILES_VOLUME, IDENTITY_VOLUME, Order, ROOT,
    SECRETS_PATH, SECRETS_VOLUME, SOURCE, mount, source_mount,
};
use crate::builds::{BuildSettings, Daemon, Engine};
use crate::desired::pod::restrained;
use crate::desired::record::Held;
use crate::desired::source::{script, scripts_mount, small_container};
use crate::desired::{Target, variable};

/// Where BuildKit's client finds credentials.
const DOCKER_CONFIG: &str = "/run/secrets/catalyst.dev/registry";
/// And what it is known to the daemon by.
const IDENTITY_PATH: &str = "/run/secrets/catalyst.dev/buildkit";
const KANIKO_CONFIG: &str = "/kaniko/.docker";

/// The name of the container that builds.
#[must_use]
pub fn container_name(engine: &Engine) -> &'static str {
    match engine {
        Engine::Kaniko => "kaniko",
        Engine::BuildKit(_) => "buildctl",
    }
}

impl Order {
    /// What the Dockerfile asks for and does not get from what builds it.
    #[must_use]
    pub fn warning(&self, builds: &BuildSettings) -> Option<Warning> {
        let is_without = builds.engine == Engine::Kaniko && given::wants_secrets(&self.dockerfile);
        is_without.then(|| {
            Warning::new(
                format!("build {}", self.name),
                // Whatever Kaniko mounts, every command of the Dockerfile can read.
                "RUN --mount=type=secret finds nothing, as Kaniko could keep no secret from the other \
                 commands; have images built by BuildKit (CATALYST_BUILD_ENGINE), or build without secrets",
            )
        })
    }
}

pub(super) fn container(
    order: &Order,
    target: &Target,
    secrets: Option<&Held>,
    builds: &BuildSettings,
) -> Container {
    let name = container_name(&builds.engine).to_owned();
    let mut mounts = vec![
        // Kaniko unpacks an image over its own files; the checkout is none of them.
        source_mount(true),
        mount(FILES_VOLUME, FILES_PATH),
    ];
    match &builds.engine {
        Engine::Kaniko => {
            mounts.push(mount(CREDENTIALS_VOLUME, KANIKO_CONFIG));
            Container {
                name,
                image: Some(builds.image.clone()),
                args: Some(kaniko(order, builds)),
                resources: order.resources.clone().or_else(|| Some(usual_resources())),
                volume_mounts: Some(mounts),
                ..restrained()
            }
        }
        Engine::BuildKit(daemon) => {
            mounts.push(mount(CREDENTIALS_VOLUME, DOCKER_CONFIG));
            if daemon.identity.is_some() {
                mounts.push(mount(IDENTITY_VOLUME, IDENTITY_PATH));
            }
            mounts.push(scripts_mount());
            let held = secrets.map(|held| {
                mounts.push(mount(SECRETS_VOLUME, SECRETS_PATH));
                held.names.iter().map(String::as_str).collect()
            });
            let small = small_container();
            Container {
                name,
                image: Some(builds.image.clone()),
                command: Some(script("build.sh")),
                args: Some(buildctl(
                    order,
                    target,
                    daemon,
                    held.unwrap_or_default(),
                    builds,
                )),
                env: Some(vec![variable("DOCKER_CONFIG", DOCKER_CONFIG)]),
                resources: order.resources.clone().or(small.resources.clone()),
                volume_mounts: Some(mounts),
                ..small
            }
        }
    }
}

/// Kaniko's arguments.
fn kaniko(order: &Order, builds: &BuildSettings) -> Vec<String> {
    let mut all = vec![
        format!("--context=dir://{}", context(order)),
        format!("--dockerfile={FILES_PATH}/{DOCKERFILE}"),
        format!("--destination={}", order.image),
        "--digest-file=/dev/termination-log".to_owned(),
        "--cache=true".to_owned(),
        format!("--cache-repo={}", cache(order)),
        "--push-retry=2".to_owned(),
        format!("--ignore-path={ROOT}"),
        format!("--ignore-path={FILES_PATH}"),
    ];
    if !writes_cache(order) {
        all.push("--no-push-cache".to_owned());
    }
    if builds.insecure {
        all.extend(["--insecure", "--insecure-pull"].map(ToOwned::to_owned));
    }
    all.extend(order.target.iter().map(|stage| format!("--target={stage}")));
    all.extend(
        order
            .args
            .iter()
            .map(|(name, value)| format!("--build-arg={name}={value}")),
    );
    all
}

/// The command of BuildKit's client.
fn buildctl(
    order: &Order,
    target: &Target,
    daemon: &Daemon,
    secrets: Vec<&str>,
    builds: &BuildSettings,
) -> Vec<String> {
    let insecure = if builds.insecure {
        ",registry.insecure=true"
    } else {
        ""
    };
    let cache = format!(
        "type=registry,ref={}:{}{insecure}",
        cache(order),
        tag(&order.source.trunk)
    );
    let address = daemon.address.as_str().trim_end_matches('/');
    let mut all: Vec<_> = ["buildctl", "--addr", address]
        .map(ToOwned::to_owned)
        .into();
    if daemon.identity.is_some() {
        all.extend(["--tlsdir", IDENTITY_PATH].map(ToOwned::to_owned));
    }
    all.extend(["build", "--progress", "plain"].map(ToOwned::to_owned));
    let mut with = |flag: &str, value: String| all.extend([flag.to_owned(), value]);
    with("--frontend", "dockerfile.v0".to_owned());
    with("--local", format!("context={}", context(order)));
    with("--local", format!("dockerfile={FILES_PATH}"));
    with("--opt", format!("filename={DOCKERFILE}"));
    if let Some(stage) = &order.target {
        with("--opt", format!("target={stage}"));
    }
    for (name, value) in &order.args {
        // These are BuildKit's own, which would undo what is said here.
        if !name.starts_with("BUILDKIT_") {
            with("--opt", format!("build-arg:{name}={value}"));
        }
    }
    // What one preview's commands leave in a cache mount reaches no other's.
    with(
        "--opt",
        format!("build-arg:BUILDKIT_CACHE_MOUNT_NS={}", target.namespace),
    );
    for name in secrets {
        with("--secret", format!("id={name},src={SECRETS_PATH}/{name}"));
    }
    with(
        "--output",
        format!("type=image,name={},push=true{insecure}", order.image),
    );
    with("--import-cache", cache.clone());
    if writes_cache(order) {
        with("--export-cache", format!("{cache},mode=max"));
    }
    all
}

fn context(order: &Order) -> String {
    match order.context.as_str() {
        "" => format!("{ROOT}/{SOURCE}"),
        path => format!("{ROOT}/{SOURCE}/{path}"),
    }
}

/// The repository of a build's layers, shared by all environments of the project.
fn cache(order: &Order) -> String {
    let repository = order
        .image
        .rsplit_once(':')
        .map_or(order.image.as_str(), |(name, _)| name);
    let project = repository
        .rsplit_once('/')
        .map_or(repository, |(project, _)| project);
    format!("{project}/{}-cache", order.name)
}

/// Only the Project's own branch leaves layers for others: a pull request reads them.
fn writes_cache(order: &Order) -> bool {
    let source = &order.source;
    source.pull_request.is_none() && source.branch == source.trunk
}

/// A branch as an image's tag.
fn tag(branch: &str) -> String {
    let plain: String = branch
        .chars()
        .map(|c| match c {
            'a'..='z' | 'A'..='Z' | '0'..='9' | '_' | '-' | '.' => c,
            _ => '-',
        })
        .take(120)
        .collect();
    format!("b-{plain}")
}

fn usual_resources() -> ResourceRequirements {
    let amounts = |cpu: &str, memory: &str| -> BTreeMap<String, Quantity> {
        [("cpu", cpu), ("memory", memory)]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into()
    };
    ResourceRequirements {
        requests: Some(amounts("100m", "1Gi")),
        limits: Some(amounts("1", "4Gi")),
        claims: None,
    }
}
