//! Templates for usual stacks, by name. Whoever writes a Project resolves the name into a template;
//! no object holds it, and the operator never learns of it.

use std::collections::BTreeMap;
use std::str::FromStr;

use k8s_openapi::api::core::v1::{
    ContainerPort, EnvVar, HTTPGetAction, PersistentVolumeClaimSpec, Probe, ResourceRequirements,
    VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use crate::config::{
    ConfigVolume, EnvironmentConfig, InitContainer, ManagedService, Seed, ServiceContainer,
};
use crate::project::Template;

/// Where the source is, and its volume's name.
const CODE: &str = "code";
const CODE_PATH: &str = "/code";
/// Dependencies as the lock file says, where there is one.
const NPM: &str = "if [ -f package-lock.json ] || [ -f npm-shrinkwrap.json ]; then exec npm ci; fi; exec npm install";
/// Into a folder of the checkout, which the next container finds there.
const PIP: &str = "set -e; python -m venv .venv; .venv/bin/pip install gunicorn; \
                   if [ -f requirements.txt ]; then .venv/bin/pip install -r requirements.txt; fi";
/// The checkout is served, what begins with a dot (its history) is not.
const NGINX: &str = "printf '%s' 'server { listen 80; root /code; location ~ /\\.(?!well-known/) { return 404; } }' \
                     > /etc/nginx/conf.d/default.conf; exec nginx -g 'daemon off;'";

/// A usual stack.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Preset {
    /// Next.js with PostgreSQL.
    Nextjs,
    /// Any Node.js program with a `start` script.
    GenericNode,
    /// A WSGI application, `app:app` unless `args` name another.
    Python,
    /// A Go program at the root.
    Go,
    /// Files, as they are.
    Static,
    /// Nothing: it is found out from the repository.
    Custom,
}

/// A name that is no preset's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnknownPreset(String);

impl std::fmt::Display for UnknownPreset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let known: Vec<_> = Preset::ALL.map(Preset::name).into();
        write!(
            f,
            "{:?} is no preset; there are {}",
            self.0,
            known.join(", ")
        )
    }
}

impl std::error::Error for UnknownPreset {}

impl FromStr for Preset {
    type Err = UnknownPreset;

    fn from_str(name: &str) -> Result<Self, UnknownPreset> {
        let mut all = Self::ALL.into_iter();
        all.find(|preset| preset.name() == name)
            .ok_or_else(|| UnknownPreset(name.to_owned()))
    }
}

impl Preset {
    /// All of them.
    pub const ALL: [Self; 6] = [
        Self::Nextjs,
        Self::GenericNode,
        Self::Python,
        Self::Go,
        Self::Static,
        Self::Custom,
    ];

    /// What people call it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Nextjs => "nextjs",
            Self::GenericNode => "generic-node",
            Self::Python => "python",
            Self::Go => "go",
            Self::Static => "static",
            Self::Custom => "custom",
        }
    }

    /// The template of environments of type `development`; none: it is left to the repository.
    #[must_use]
    pub fn template(self) -> Option<Template> {
        Some(Template {
            kind: "managed".to_owned(),
            config: Some(self.config()?),
            ..Template::default()
        })
    }

    fn config(self) -> Option<EnvironmentConfig> {
        Some(match self {
            Self::Nextjs => EnvironmentConfig {
                resources: Some(resources(("200m", "512Mi"), ("1", "2Gi"))),
                liveness_probe: Some(get("/api/health/liveness", 3000)),
                readiness_probe: Some(get("/api/health/readiness", 3000)),
                startup_probe: Some(starting("/api/health/liveness", 3000, 30)),
                init_containers: vec![
                    init("install", "node:22-slim", &["sh", "-c", NPM]),
                    init(
                        "migrate",
                        "node:22-slim",
                        &["npm", "run", "migrate", "--if-present"],
                    ),
                ],
                seed: Some(Seed {
                    command: words(&["npm", "run", "seed", "--if-present"]),
                }),
                services: vec![postgres()],
                volumes: vec![ConfigVolume {
                    name: CODE.to_owned(),
                    persistent_volume_claim: Some(claim("5Gi")),
                }],
                ..source(
                    "node:22-slim",
                    &["npx", "--no-install", "next", "dev"],
                    3000,
                )
            },
            Self::GenericNode => EnvironmentConfig {
                init_containers: vec![init("install", "node:22-slim", &["sh", "-c", NPM])],
                ..probed("/healthz", source("node:22-slim", &["npm", "start"], 3000))
            },
            Self::Python => EnvironmentConfig {
                args: words(&["app:app"]),
                init_containers: vec![init("install", "python:3.12-slim", &["sh", "-c", PIP])],
                ..probed(
                    "/health",
                    source(
                        "python:3.12-slim",
                        &["/code/.venv/bin/gunicorn", "--bind", "0.0.0.0:8000"],
                        8000,
                    ),
                )
            },
            Self::Go => EnvironmentConfig {
                // Git refuses to tell of a checkout that another user made.
                env: vec![EnvVar {
                    name: "GOFLAGS".to_owned(),
                    value: Some("-buildvcs=false".to_owned()),
                    value_from: None,
                }],
                ..probed("/healthz", source("golang:1.22", &["go", "run", "."], 8080))
            },
            Self::Static => source("nginx:1.27-alpine", &["sh", "-c", NGINX], 80),
            Self::Custom => return None,
        })
    }
}

/// A program that is run from its checkout.
fn source(image: &str, command: &[&str], port: i32) -> EnvironmentConfig {
    EnvironmentConfig {
        image: Some(image.to_owned()),
        command: words(command),
        working_dir: Some(CODE_PATH.to_owned()),
        ports: vec![ContainerPort {
            container_port: port,
            protocol: Some("TCP".to_owned()),
            ..ContainerPort::default()
        }],
        volume_mounts: vec![mount()],
        ..EnvironmentConfig::default()
    }
}

/// With one path that says whether it is well.
fn probed(path: &str, config: EnvironmentConfig) -> EnvironmentConfig {
    let port = config.ports.first().map_or(0, |port| port.container_port);
    EnvironmentConfig {
        liveness_probe: Some(get(path, port)),
        readiness_probe: Some(get(path, port)),
        // A compiler takes its time.
        startup_probe: Some(starting(path, port, 60)),
        ..config
    }
}

fn get(path: &str, port: i32) -> Probe {
    Probe {
        http_get: Some(HTTPGetAction {
            path: Some(path.to_owned()),
            port: IntOrString::Int(port),
            ..HTTPGetAction::default()
        }),
        timeout_seconds: Some(5),
        ..Probe::default()
    }
}

fn starting(path: &str, port: i32, tries: i32) -> Probe {
    Probe {
        period_seconds: Some(5),
        failure_threshold: Some(tries),
        ..get(path, port)
    }
}

fn init(name: &str, image: &str, command: &[&str]) -> InitContainer {
    InitContainer {
        name: name.to_owned(),
        image: Some(image.to_owned()),
        command: words(command),
        working_dir: Some(CODE_PATH.to_owned()),
        resources: Some(resources(("200m", "512Mi"), ("1", "2Gi"))),
        volume_mounts: vec![mount()],
        ..InitContainer::default()
    }
}

fn postgres() -> ManagedService {
    ManagedService {
        name: "postgres".to_owned(),
        container: ServiceContainer {
            image: "postgres:16".to_owned(),
            ..ServiceContainer::default()
        },
        storage: Some(claim("1Gi")),
        ..ManagedService::default()
    }
}

fn mount() -> VolumeMount {
    VolumeMount {
        name: CODE.to_owned(),
        mount_path: CODE_PATH.to_owned(),
        ..VolumeMount::default()
    }
}

fn claim(size: &str) -> PersistentVolumeClaimSpec {
    let storage = Quantity(size.to_owned());
    PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        resources: Some(VolumeResourceRequirements {
            requests: Some([("storage".to_owned(), storage)].into()),
            limits: None,
        }),
        ..PersistentVolumeClaimSpec::default()
    }
}

fn resources(requests: (&str, &str), limits: (&str, &str)) -> ResourceRequirements {
    let amounts = |(cpu, memory): (&str, &str)| -> BTreeMap<String, Quantity> {
        [("cpu", cpu), ("memory", memory)]
            .map(|(name, amount)| (name.to_owned(), Quantity(amount.to_owned())))
            .into()
    };
    ResourceRequirements {
        requests: Some(amounts(requests)),
        limits: Some(amounts(limits)),
        claims: None,
    }
}

fn words(all: &[&str]) -> Vec<String> {
    all.iter().map(|&word| word.to_owned()).collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn each_preset_is_what_it_is_called_after() {
        for (name, image, command, port, healthy) in [
            (
                "nextjs",
                "node:22-slim",
                "npx --no-install next dev",
                3000,
                "/api/health/readiness",
            ),
            (
                "generic-node",
                "node:22-slim",
                "npm start",
                3000,
                "/healthz",
            ),
            (
                "python",
                "python:3.12-slim",
                "/code/.venv/bin/gunicorn --bind 0.0.0.0:8000",
                8000,
                "/health",
            ),
            ("go", "golang:1.22", "go run .", 8080, "/healthz"),
        ] {
            let template = name.parse::<Preset>().unwrap().template().unwrap();
            let config = template.config.unwrap();
            assert_eq!(template.kind, "managed");
            assert_eq!(config.image.as_deref(), Some(image), "{name}");
            assert_eq!(config.command.join(" "), command, "{name}");
            assert_eq!(config.ports[0].container_port, port, "{name}");
            let probe = config.readiness_probe.unwrap().http_get.unwrap();
            assert_eq!(probe.path.as_deref(), Some(healthy), "{name}");
            assert!(config.startup_probe.is_some(), "{name} may take its time");
        }
        let files = Preset::Static.template().unwrap().config.unwrap();
        assert_eq!(files.ports[0].container_port, 80);
        assert!(
            files.command[2].contains("location ~ /\\."),
            "its history is not served"
        );
    }

    #[test]
    fn nextjs_has_its_database_and_its_volume() {
        let config = Preset::Nextjs.template().unwrap().config.unwrap();
        let size = |claim: &Option<PersistentVolumeClaimSpec>| {
            let requests = claim.clone().unwrap().resources.unwrap().requests.unwrap();
            requests["storage"].0.clone()
        };
        assert_eq!(config.services[0].container.image, "postgres:16");
        assert_eq!(size(&config.services[0].storage), "1Gi");
        assert_eq!(size(&config.volumes[0].persistent_volume_claim), "5Gi");
        let init: Vec<_> = config
            .init_containers
            .iter()
            .map(|it| it.name.as_str())
            .collect();
        assert_eq!(init, ["install", "migrate"]);
        let startup = config.startup_probe.unwrap();
        assert_eq!(
            (startup.period_seconds, startup.failure_threshold),
            (Some(5), Some(30))
        );
    }

    #[test]
    fn custom_leaves_it_to_the_repository() {
        assert_eq!(Preset::Custom.template(), None);
    }

    #[test]
    fn a_name_that_is_not_known_is_told_those_that_are() {
        for preset in Preset::ALL {
            assert_eq!(preset.name().parse(), Ok(preset));
        }
        for unknown in ["", "rails", "NextJS", "next js"] {
            let error = unknown.parse::<Preset>().unwrap_err().to_string();
            assert!(
                error.contains("nextjs, generic-node, python, go, static, custom"),
                "{error}"
            );
        }
    }
}
