//! Databases and the like next to the workload.

use std::collections::BTreeMap;

use catalyst_crd::config::ManagedService;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    Container, EnvVar, EnvVarSource, PersistentVolumeClaim, PodSpec, PodTemplateSpec, Secret,
    SecretKeySelector, Service, ServicePort, ServiceSpec, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::config::merge_variables;
use super::pod::{listening, pod_defaults, restrained};
use super::{Target, variable};
use crate::settings::OperatorSettings;

const POSTGRES_DATA: &str = "/var/lib/postgresql/data";
const USER: &str = "postgres";

/// Whether this is a PostgreSQL without a password of its own, which then gets a generated one.
#[must_use]
pub fn needs_credentials(service: &ManagedService) -> bool {
    let own = |name: &str| {
        service
            .container
            .env
            .iter()
            .any(|variable| variable.name == name)
    };
    is_postgres(service) && !own("POSTGRES_PASSWORD") && !own("POSTGRES_HOST_AUTH_METHOD")
}

fn is_postgres(service: &ManagedService) -> bool {
    let image = service
        .container
        .image
        .rsplit('/')
        .next()
        .unwrap_or_default();
    matches!(
        image.split([':', '@']).next(),
        Some("postgres" | "postgresql" | "postgis")
    )
}

/// Secret `<name>-credentials` with `password` and `url`, for a service that needs one. Made once;
/// the password is random and known to nobody else.
#[must_use]
pub fn credentials(target: &Target, service: &ManagedService, password: &str) -> Secret {
    let database = service
        .database
        .as_deref()
        .filter(|name| !name.is_empty())
        .unwrap_or(USER);
    let port = service
        .container
        .ports
        .first()
        .map_or(5432, |port| port.container_port);
    let url = format!(
        "postgresql://{USER}:{password}@{}:{port}/{database}",
        service.name
    );
    Secret {
        metadata: target.meta(&secret_name(service)),
        string_data: Some(
            [("password", password.to_owned()), ("url", url)]
                .map(|(name, value)| (name.to_owned(), value))
                .into(),
        ),
        ..Secret::default()
    }
}

/// The name of [`credentials`].
#[must_use]
pub fn secret_name(service: &ManagedService) -> String {
    format!("{}-credentials", service.name)
}

/// What the workload is told about its services: `DATABASE_URL` of the first database with
/// generated credentials.
#[must_use]
pub fn variables(services: &[ManagedService]) -> Vec<EnvVar> {
    services
        .iter()
        .find(|service| needs_credentials(service))
        .map(|service| from_secret("DATABASE_URL", service, "url"))
        .into_iter()
        .collect()
}

/// StatefulSet `<name>`: one pod, with its storage where it asks for some.
#[must_use]
pub fn stateful_set(
    target: &Target,
    service: &ManagedService,
    settings: &OperatorSettings,
) -> StatefulSet {
    let container = &service.container;
    let volume = format!("{}-data", service.name);
    let mount_path = match service.name.as_str() {
        "postgres" | "postgresql" => POSTGRES_DATA.to_owned(),
        name => format!("/var/lib/{name}"),
    };
    let mut env = Vec::new();
    if service.storage.is_some() && mount_path == POSTGRES_DATA {
        env.push(variable("PGDATA", POSTGRES_DATA));
    }
    if needs_credentials(service) {
        env.push(from_secret("POSTGRES_PASSWORD", service, "password"));
        env.push(variable("POSTGRES_USER", USER));
        env.extend(
            service
                .database
                .iter()
                .map(|name| variable("POSTGRES_DB", name)),
        );
    }
    let env = merge_variables(env, &container.env);
    let mut own = target.labels();
    own.insert("app".to_owned(), service.name.clone());
    let claims = service.storage.as_ref().map(|storage| {
        vec![PersistentVolumeClaim {
            metadata: ObjectMeta {
                name: Some(volume.clone()),
                ..ObjectMeta::default()
            },
            spec: Some(storage.clone()),
            status: None,
        }]
    });
    let pod = PodSpec {
        containers: vec![Container {
            name: service.name.clone(),
            image: Some(container.image.clone()),
            ports: (!container.ports.is_empty()).then(|| container.ports.clone()),
            env: (!env.is_empty()).then_some(env),
            resources: container.resources.clone(),
            readiness_probe: container
                .ports
                .first()
                .map(|port| listening(port.container_port)),
            volume_mounts: claims.as_ref().map(|_| {
                vec![VolumeMount {
                    name: volume.clone(),
                    mount_path,
                    ..VolumeMount::default()
                }]
            }),
            ..restrained()
        }],
        ..pod_defaults(settings)
    };
    StatefulSet {
        metadata: target.meta(&service.name),
        spec: Some(StatefulSetSpec {
            replicas: Some(1),
            service_name: Some(service.name.clone()),
            selector: LabelSelector {
                match_labels: Some([("app".to_owned(), service.name.clone())].into()),
                match_expressions: None,
            },
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(own),
                    annotations: Some(BTreeMap::from([(
                        catalyst_crd::labels::OWNER.to_owned(),
                        target.owner(),
                    )])),
                    ..ObjectMeta::default()
                }),
                spec: Some(pod),
            },
            volume_claim_templates: claims,
            ..StatefulSetSpec::default()
        }),
        status: None,
    }
}

/// Service `<name>`: each port of the container, by the same number. None without ports.
#[must_use]
pub fn service(target: &Target, service: &ManagedService) -> Option<Service> {
    let ports: Vec<_> = service
        .container
        .ports
        .iter()
        .map(|port| ServicePort {
            name: Some(format!("port-{}", port.container_port)),
            port: port.container_port,
            target_port: Some(IntOrString::Int(port.container_port)),
            protocol: Some(port.protocol.clone().unwrap_or_else(|| "TCP".to_owned())),
            ..ServicePort::default()
        })
        .collect();
    (!ports.is_empty()).then(|| Service {
        metadata: target.meta(&service.name),
        spec: Some(ServiceSpec {
            selector: Some([("app".to_owned(), service.name.clone())].into()),
            ports: Some(ports),
            ..ServiceSpec::default()
        }),
        status: None,
    })
}

fn from_secret(name: &str, service: &ManagedService, key: &str) -> EnvVar {
    EnvVar {
        name: name.to_owned(),
        value: None,
        value_from: Some(EnvVarSource {
            secret_key_ref: Some(SecretKeySelector {
                name: secret_name(service),
                key: key.to_owned(),
                optional: None,
            }),
            ..EnvVarSource::default()
        }),
    }
}
