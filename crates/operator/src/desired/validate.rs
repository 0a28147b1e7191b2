//! What a configuration must not ask for, by the rules that hold for whatever a user writes.

use catalyst_crd::EnvironmentConfig;

use super::source::OWN_VOLUMES;
use super::{Problem, filling};

/// Checks a merged configuration.
///
/// # Errors
/// As [`catalyst_render::validate::config`].
pub fn validate(config: &EnvironmentConfig) -> Result<(), Problem> {
    let refuse = |what: String| Err(Problem::new("ConfigRefused", what));
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
    filling::check(config)?;
    catalyst_render::validate::config(config).or_else(refuse)
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
            json!({ "seed": { "command": [] } }),
            json!({ "services": [{ "name": "cache", "container": { "image": "redis:7" }, "restore": { "path": "dump.rdb" } }] }),
            json!({ "services": [{ "name": "db", "container": { "image": "postgres:16" }, "restore": {} }] }),
            json!({ "services": [{ "name": "db", "container": { "image": "postgres:16" }, "restore": { "path": "a", "url": "https://a.example/b" } }] }),
            json!({ "services": [{ "name": "db", "container": { "image": "postgres:16" }, "restore": { "path": "../../etc/passwd" } }] }),
            json!({ "services": [{ "name": "db", "container": { "image": "postgres:16" }, "restore": { "url": "http://169.254.169.254/latest" } }] }),
            json!({ "services": [{ "name": "db", "container": { "image": "postgres:16" }, "restore": { "url": "file:///etc/passwd" } }] }),
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
            "services": [
                { "name": "postgres", "container": { "image": "postgres:16", "ports": [{ "containerPort": 5432 }] }, "restore": { "path": "db/dump.sql.gz" } },
                { "name": "mysql", "container": { "image": "mariadb:11" }, "restore": { "url": "https://dumps.example/shop.sql" } }
            ],
            "seed": { "command": ["npm", "run", "seed"] }
        }))
        .unwrap();
        assert_eq!(validate(&config), Ok(()));
    }

    #[test]
    fn every_preset_is_accepted() {
        for preset in catalyst_crd::Preset::ALL {
            let config = preset.template().and_then(|template| template.config);
            assert_eq!(validate(&config.unwrap_or_default()), Ok(()), "{preset:?}");
        }
    }
}
