//! A template's configuration with an Environment's overrides.

use catalyst_crd::EnvironmentConfig;
use k8s_openapi::api::core::v1::EnvVar;

/// Scalars, lists, probes and resources are replaced whole where the override has any;
/// environment variables are merged by name.
#[must_use]
pub fn merge(
    template: Option<&EnvironmentConfig>,
    overrides: Option<&EnvironmentConfig>,
) -> EnvironmentConfig {
    let none = EnvironmentConfig::default();
    let (base, over) = (template.unwrap_or(&none), overrides.unwrap_or(&none));
    EnvironmentConfig {
        image: text(&over.image).or_else(|| text(&base.image)),
        command: list(&over.command, &base.command),
        args: list(&over.args, &base.args),
        working_dir: text(&over.working_dir).or_else(|| text(&base.working_dir)),
        ports: list(&over.ports, &base.ports),
        env: merge_variables(base.variables(), &over.variables()),
        env_vars: Vec::new(),
        resources: over.resources.clone().or_else(|| base.resources.clone()),
        liveness_probe: over
            .liveness_probe
            .clone()
            .or_else(|| base.liveness_probe.clone()),
        readiness_probe: over
            .readiness_probe
            .clone()
            .or_else(|| base.readiness_probe.clone()),
        startup_probe: over
            .startup_probe
            .clone()
            .or_else(|| base.startup_probe.clone()),
        volume_mounts: list(&over.volume_mounts, &base.volume_mounts),
        init_containers: list(&over.init_containers, &base.init_containers),
        services: list(&over.services, &base.services),
        volumes: list(&over.volumes, &base.volumes),
        seed: over.seed.clone().or_else(|| base.seed.clone()),
    }
}

/// The first list's order, the second's values where both have a name, then what only the second
/// has.
#[must_use]
pub fn merge_variables(mut base: Vec<EnvVar>, over: &[EnvVar]) -> Vec<EnvVar> {
    for variable in over {
        match base.iter_mut().find(|known| known.name == variable.name) {
            Some(known) => known.clone_from(variable),
            None => base.push(variable.clone()),
        }
    }
    base
}

fn text(value: &Option<String>) -> Option<String> {
    value.clone().filter(|text| !text.is_empty())
}

fn list<T: Clone>(over: &[T], base: &[T]) -> Vec<T> {
    if over.is_empty() {
        base.to_vec()
    } else {
        over.to_vec()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn config(value: serde_json::Value) -> EnvironmentConfig {
        serde_json::from_value(value).unwrap()
    }

    #[test]
    fn an_override_replaces_whole_values_and_merges_variables_by_name() {
        let template = config(json!({
            "image": "node:22", "command": ["npm"], "args": ["run", "dev"], "workingDir": "/code",
            "ports": [{ "containerPort": 3000 }],
            "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "2" }],
            "resources": { "limits": { "cpu": "1", "memory": "1Gi" } },
            "readinessProbe": { "httpGet": { "path": "/ready", "port": 3000 } }
        }));
        let overrides = config(json!({
            "args": ["start"],
            "env": [{ "name": "C", "value": "3" }, { "name": "B", "value": "two" }],
            "resources": { "limits": { "cpu": "2" } },
            "readinessProbe": { "tcpSocket": { "port": 3000 } }
        }));
        assert_eq!(
            merge(Some(&template), Some(&overrides)),
            config(json!({
                "image": "node:22", "command": ["npm"], "args": ["start"], "workingDir": "/code",
                "ports": [{ "containerPort": 3000 }],
                "env": [{ "name": "A", "value": "1" }, { "name": "B", "value": "two" }, { "name": "C", "value": "3" }],
                "resources": { "limits": { "cpu": "2" } },
                "readinessProbe": { "tcpSocket": { "port": 3000 } }
            }))
        );
    }

    #[test]
    fn what_is_empty_overrides_nothing() {
        let template = config(json!({ "image": "node:22", "command": ["npm"] }));
        let overrides = config(json!({ "image": "", "command": [] }));
        assert_eq!(merge(Some(&template), Some(&overrides)), template);
        assert_eq!(merge(Some(&template), None), template);
        assert_eq!(merge(None, Some(&template)), template);
        assert_eq!(merge(None, None), EnvironmentConfig::default());
    }

    #[test]
    fn merging_again_changes_nothing() {
        let template = config(
            json!({ "env": [{ "name": "A", "value": "1" }], "envVars": [{ "name": "B", "value": "2" }] }),
        );
        let overrides = config(json!({ "envVars": [{ "name": "A", "value": "x" }] }));
        let once = merge(Some(&template), Some(&overrides));
        assert_eq!(merge(Some(&once), Some(&overrides)), once);
        assert_eq!(once.env.len(), 2);
    }
}
