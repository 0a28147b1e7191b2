//! What a configuration in an Environment or a template must not ask for.

use catalyst_crd::EnvironmentConfig;
use k8s_openapi::api::core::v1::{ContainerPort, EnvVar, PersistentVolumeClaimSpec, Probe};

use super::RESERVED_SECRETS;
use super::pods::image_reference;

/// Checks a merged configuration.
///
/// # Errors
/// If it asks for a port of the node, for a probe of another host (which the node would send), for
/// a volume that was not made for it, for a Secret of Catalyst's own, for something that is no image,
/// or names a service like the workload itself, `web`. The text is for the person who wrote it.
pub fn config(config: &EnvironmentConfig) -> Result<(), String> {
    let ports = config
        .ports
        .iter()
        .chain(config.services.iter().flat_map(|s| &s.container.ports));
    for ContainerPort {
        container_port,
        host_port,
        host_ip,
        ..
    } in ports
    {
        if host_port.is_some() || host_ip.is_some() {
            return Err(format!(
                "port {container_port} asks for a port of the node (hostPort); leave it out"
            ));
        }
        if !(1..=65535).contains(container_port) {
            return Err(format!(
                "{container_port} is not a port; write a containerPort from 1 to 65535"
            ));
        }
    }
    let probes = [
        ("livenessProbe", &config.liveness_probe),
        ("readinessProbe", &config.readiness_probe),
        ("startupProbe", &config.startup_probe),
    ];
    for (name, probe) in probes {
        if probe.as_ref().is_some_and(names_a_host) {
            return Err(format!(
                "{name} names a host; a probe may only ask its own container"
            ));
        }
    }
    let claims = config
        .volumes
        .iter()
        .filter_map(|volume| Some((&volume.name, volume.persistent_volume_claim.as_ref()?)))
        .chain(
            config
                .services
                .iter()
                .filter_map(|s| Some((&s.name, s.storage.as_ref()?))),
        );
    for (name, claim) in claims {
        if takes_a_foreign_volume(claim) {
            return Err(format!(
                "volume {name:?} names an existing volume or data source (volumeName, selector, dataSource); only new volumes are made"
            ));
        }
    }
    let images = config
        .image
        .iter()
        .chain(
            config
                .init_containers
                .iter()
                .filter_map(|init| init.image.as_ref()),
        )
        .chain(
            config
                .services
                .iter()
                .map(|service| &service.container.image),
        );
    for image in images.filter(|image| !image.is_empty()) {
        image_reference(image).map_err(|why| format!("the image {image:?} {why}"))?;
    }
    let variables = config
        .env
        .iter()
        .chain(config.init_containers.iter().flat_map(|init| &init.env))
        .chain(
            config
                .services
                .iter()
                .flat_map(|service| &service.container.env),
        );
    for variable in variables {
        if let Some(secret) = reserved_secret(variable) {
            return Err(format!(
                "the variable {} reads the Secret {secret}, which is Catalyst's own",
                variable.name
            ));
        }
    }
    for service in &config.services {
        if service.name == "web" {
            return Err(format!(
                "a service cannot be called {:?}: the workload itself is",
                service.name
            ));
        }
    }
    Ok(())
}

fn reserved_secret(variable: &EnvVar) -> Option<&str> {
    let name = variable
        .value_from
        .as_ref()?
        .secret_key_ref
        .as_ref()?
        .name
        .as_str();
    RESERVED_SECRETS.contains(&name).then_some(name)
}

fn names_a_host(probe: &Probe) -> bool {
    probe
        .http_get
        .as_ref()
        .is_some_and(|http| http.host.is_some())
        || probe
            .tcp_socket
            .as_ref()
            .is_some_and(|tcp| tcp.host.is_some())
}

fn takes_a_foreign_volume(claim: &PersistentVolumeClaimSpec) -> bool {
    claim.volume_name.is_some()
        || claim.selector.is_some()
        || claim.data_source.is_some()
        || claim.data_source_ref.is_some()
}
