//! Databases and the like next to the workload.
//!
//! What an image is known for (its folder, its port, its variables) is a [`Preset`](preset::Preset);
//! any other image runs as the configuration says.

mod access;
mod mysql;
mod opensearch;
mod postgres;
mod preset;
mod redis;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use catalyst_crd::config::ManagedService;
use catalyst_crd::labels;
use catalyst_model::quantity::millis;
use k8s_openapi::api::apps::v1::{StatefulSet, StatefulSetSpec};
use k8s_openapi::api::core::v1::{
    Container, ContainerPort, EmptyDirVolumeSource, EnvVar, ExecAction, HTTPGetAction,
    PersistentVolumeClaim, PodSpec, PodTemplateSpec, Probe, ResourceRequirements, Service,
    ServicePort, ServiceSpec, Volume, VolumeMount,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::pod::{listening, pod_defaults, restrained};
use super::quota::Allowance;
use super::{Target, variable};
use crate::settings::OperatorSettings;
pub use access::{
    client, credentials, has_credentials, is_generated, is_restored, secret_name, variables,
};
use preset::{Preset, Readiness};

/// The folder of a volume that a preset keeps its data in: some volumes come with a `lost+found`,
/// and databases refuse a folder that is not empty.
const FOLDER: &str = "data";
/// MiB in bytes.
const MIB: i128 = 1 << 20;

/// StatefulSet `<name>`: one pod, with its storage where it asks for some.
#[must_use]
pub fn stateful_set(
    target: &Target,
    service: &ManagedService,
    allowance: Allowance,
    settings: &OperatorSettings,
) -> StatefulSet {
    let preset = Preset::of(service);
    let mut own = target.labels();
    own.insert("app".to_owned(), service.name.clone());
    let mut pod = PodSpec {
        containers: vec![container(service, preset, allowance)],
        ..pod_defaults(settings)
    };
    let volume = volume_name(service);
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
    if preset.is_some() && claims.is_none() {
        // So that a container that is started again finds what it had.
        pod.volumes = Some(vec![Volume {
            name: volume,
            empty_dir: Some(EmptyDirVolumeSource::default()),
            ..Volume::default()
        }]);
    }
    if let Some(security) = pod.security_context.as_mut() {
        security.fs_group = preset.and_then(|preset| preset.group);
    }
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
                    annotations: Some(BTreeMap::from([(labels::OWNER.to_owned(), target.owner())])),
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

fn container(
    service: &ManagedService,
    preset: Option<&'static Preset>,
    allowance: Allowance,
) -> Container {
    let given = &service.container;
    let resources = given.resources.clone().or_else(|| {
        preset.map(|preset| {
            let (cpu, mib) = preset.limits;
            allowance.at_most(cpu, mib * MIB)
        })
    });
    let mut env = access::variables_of_container(service, preset);
    if let Some(name) = preset.and_then(|preset| preset.heap)
        && !env.iter().any(|known| known.name == name)
    {
        env.push(variable(name, heap(resources.as_ref())));
    }
    let mut args = given.args.clone();
    if given.command.is_empty() && access::is_ours(service) {
        let more = preset.map(|preset| preset.args).unwrap_or_default();
        args.extend(more.iter().map(|&word| word.to_owned()));
    }
    let some = |words: Vec<String>| (!words.is_empty()).then_some(words);
    Container {
        name: service.name.clone(),
        image: Some(given.image.clone()),
        command: some(given.command.clone()),
        args: some(args),
        ports: Some(ports(service)).filter(|ports| !ports.is_empty()),
        env: (!env.is_empty()).then_some(env),
        resources,
        readiness_probe: readiness(service, preset),
        volume_mounts: mount(service, preset).map(|mount| vec![mount]),
        ..restrained()
    }
}

fn volume_name(service: &ManagedService) -> String {
    format!("{}-data", service.name)
}

fn mount(service: &ManagedService, preset: Option<&'static Preset>) -> Option<VolumeMount> {
    let (mount_path, folder) = match (preset, service.name.as_str()) {
        (Some(preset), _) => (preset.data.to_owned(), Some(FOLDER.to_owned())),
        (None, _) if service.storage.is_none() => return None,
        (None, "postgres" | "postgresql") => (postgres::DATA.to_owned(), None),
        (None, name) => (format!("/var/lib/{name}"), None),
    };
    Some(VolumeMount {
        name: volume_name(service),
        mount_path,
        sub_path: folder.filter(|_| service.storage.is_some()),
        ..VolumeMount::default()
    })
}

/// Its ports; where the configuration names none, the one that its image is known for.
fn ports(service: &ManagedService) -> Vec<ContainerPort> {
    match (&service.container.ports[..], Preset::of(service)) {
        ([], Some(preset)) => vec![ContainerPort {
            container_port: preset.port,
            ..ContainerPort::default()
        }],
        (ports, _) => ports.to_vec(),
    }
}

/// Where it is reached, if anywhere.
fn port(service: &ManagedService) -> Option<i32> {
    ports(service).first().map(|port| port.container_port)
}

fn readiness(service: &ManagedService, preset: Option<&'static Preset>) -> Option<Probe> {
    let port = port(service)?;
    let mut probe = listening(port);
    match preset.map(|preset| &preset.readiness) {
        None | Some(Readiness::Listening) => {}
        Some(Readiness::Command(words)) => {
            let number = port.to_string();
            let words = words.iter().map(|word| word.replace("{port}", &number));
            probe.tcp_socket = None;
            probe.exec = Some(ExecAction {
                command: Some(words.collect()),
            });
            probe.timeout_seconds = Some(5);
        }
        Some(Readiness::Http) => {
            probe.tcp_socket = None;
            probe.http_get = Some(HTTPGetAction {
                path: Some("/".to_owned()),
                port: IntOrString::Int(port),
                ..HTTPGetAction::default()
            });
            probe.timeout_seconds = Some(5);
        }
    }
    Some(probe)
}

/// Half of what it may use: the other half is for what a Java program needs besides its heap.
fn heap(resources: Option<&ResourceRequirements>) -> String {
    let limit = resources
        .and_then(|resources| resources.limits.as_ref()?.get("memory"))
        .and_then(|limit| millis(&limit.0))
        .map_or(1024, |milli| milli / 1000 / MIB);
    let half = (limit / 2).max(64);
    format!("-Xms{half}m -Xmx{half}m")
}

/// Service `<name>`: each of its ports, by the same number. None without ports.
#[must_use]
pub fn service(target: &Target, service: &ManagedService) -> Option<Service> {
    let ports: Vec<_> = ports(service)
        .into_iter()
        .map(|port| ServicePort {
            name: Some(format!("port-{}", port.container_port)),
            port: port.container_port,
            target_port: Some(IntOrString::Int(port.container_port)),
            protocol: Some(port.protocol.unwrap_or_else(|| "TCP".to_owned())),
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

/// The service that `DATABASE_URL` stands for: the first database, in the configuration's order.
#[must_use]
pub fn main_database(services: &[ManagedService]) -> Option<&ManagedService> {
    services
        .iter()
        .find(|service| Preset::of(service).is_some_and(|preset| preset.is_database))
}

/// What is asked of an [`EnvVar`] most of the time.
fn literal<'a>(env: &'a [EnvVar], name: &str) -> Option<&'a str> {
    let found = env.iter().find(|variable| variable.name == name)?;
    found.value.as_deref().filter(|text| !text.is_empty())
}
