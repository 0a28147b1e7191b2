//! What a configuration must not ask for.
//!
//! Pod Security would refuse part of it at the pod; said here, it is said to the person who wrote
//! it, and it holds in every namespace.

use catalyst_crd::EnvironmentConfig;
use k8s_openapi::api::core::v1::{ContainerPort, PersistentVolumeClaimSpec, Probe};

use super::Problem;
use super::source::OWN_VOLUMES;

/// Checks a merged configuration.
///
/// # Errors
/// If it asks for a port of the node, for a probe of another host (which the node would send), for
/// a volume that was not made for it, or names a service like the workload itself.
pub fn validate(config: &EnvironmentConfig) -> Result<(), Problem> {
    let refuse = |what: String| Err(Problem::new("ConfigRefused", what));
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
            return refuse(format!(
                "port {container_port} asks for a port of the node (hostPort); leave it out"
            ));
        }
        if !(1..=65535).contains(container_port) {
            return refuse(format!(
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
            return refuse(format!(
                "{name} names a host; a probe may only ask its own container"
            ));
        }
    }
    let mounts = config.volume_mounts.iter();
    let mounts = mounts.chain(config.init_containers.iter().flat_map(|c| &c.volume_mounts));
    let named = mounts.map(|mount| &mount.name);
    for name in named.chain(config.volumes.iter().map(|volume| &volume.name)) {
        if OWN_VOLUMES.contains(&name.as_str()) {
            return refuse(format!(
                "the volume {name:?} is Catalyst's own; give yours another name"
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
            return refuse(format!(
                "volume {name:?} names an existing volume or data source (volumeName, selector, dataSource); only new volumes are made"
            ));
        }
    }
    for service in &config.services {
        if service.name == super::workload::NAME {
            return refuse(format!(
                "a service cannot be called {:?}: the workload itself is",
                service.name
            ));
        }
    }
    Ok(())
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

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_reaches_beyond_the_namespace_is_refused() {
        for config in [
            json!({ "ports": [{ "containerPort": 80, "hostPort": 80 }] }),
            json!({ "ports": [{ "containerPort": 80, "hostIP": "0.0.0.0" }] }),
            json!({ "ports": [{ "containerPort": 0 }] }),
            json!({ "ports": [{ "containerPort": 70000 }] }),
            json!({ "livenessProbe": { "httpGet": { "host": "169.254.169.254", "port": 80 } } }),
            json!({ "readinessProbe": { "tcpSocket": { "host": "10.0.0.1", "port": 22 } } }),
            json!({ "startupProbe": { "httpGet": { "host": "kubernetes.default", "port": 443 } } }),
            json!({ "volumes": [{ "name": "v", "persistentVolumeClaim": { "volumeName": "another-teams" } }] }),
            json!({ "volumes": [{ "name": "v", "persistentVolumeClaim": { "dataSource": { "kind": "PersistentVolumeClaim", "name": "x" } } }] }),
            json!({ "services": [{ "name": "db", "container": { "image": "postgres:16" }, "storage": { "selector": {} } }] }),
            json!({ "services": [{ "name": "db", "container": { "image": "postgres:16", "ports": [{ "containerPort": 5432, "hostPort": 5432 }] } }] }),
            json!({ "services": [{ "name": "web", "container": { "image": "nginx" } }] }),
        ] {
            let parsed = serde_json::from_value(config.clone()).unwrap();
            assert!(validate(&parsed).is_err(), "{config}");
        }
    }

    #[test]
    fn what_is_usual_is_accepted() {
        let config = serde_json::from_value(json!({
            "image": "node:22", "ports": [{ "containerPort": 3000 }],
            "readinessProbe": { "httpGet": { "path": "/", "port": 3000 } },
            "volumes": [{ "name": "code", "persistentVolumeClaim": { "accessModes": ["ReadWriteOnce"], "resources": { "requests": { "storage": "5Gi" } } } }],
            "services": [{ "name": "postgres", "container": { "image": "postgres:16", "ports": [{ "containerPort": 5432 }] } }]
        }))
        .unwrap();
        assert_eq!(validate(&config), Ok(()));
    }
}
