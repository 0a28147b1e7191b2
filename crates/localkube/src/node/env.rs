//! A container's environment: `env`, `envFrom`, `valueFrom` and `$(NAME)`.

use std::collections::BTreeMap;

use serde_json::Value;

use super::quantity;

/// Where ConfigMaps and Secrets come from.
pub(crate) trait Sources {
    /// The data of a ConfigMap; none where it does not exist.
    fn config_map(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>>;
    /// The data of a Secret, decoded.
    fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>>;
}

/// A reference that leads nowhere; the texts are kubelet's.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum EnvProblem {
    #[error("{kind} \"{name}\" not found")]
    Missing { kind: &'static str, name: String },
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    MissingKey {
        kind: &'static str,
        namespace: String,
        name: String,
        key: String,
    },
    #[error("field path \"{0}\" is not supported")]
    Field(String),
}

/// The environment of one container of a pod.
pub(crate) fn environment(
    pod: &Value,
    container: &Value,
    sources: &dyn Sources,
) -> Result<BTreeMap<String, String>, EnvProblem> {
    let mut env = BTreeMap::new();
    for from in container["envFrom"].as_array().into_iter().flatten() {
        let prefix = from["prefix"].as_str().unwrap_or_default();
        for (reference, kind) in [("configMapRef", "configmap"), ("secretRef", "secret")] {
            let Some(reference) = from.get(reference) else {
                continue;
            };
            let name = reference["name"].as_str().unwrap_or_default();
            let data = match data(sources, kind, name) {
                Some(data) => data,
                None if reference["optional"] == true => continue,
                None => {
                    return Err(EnvProblem::Missing {
                        kind,
                        name: name.to_owned(),
                    });
                }
            };
            for (key, value) in data {
                env.insert(
                    format!("{prefix}{key}"),
                    String::from_utf8_lossy(&value).into_owned(),
                );
            }
        }
    }
    for variable in container["env"].as_array().into_iter().flatten() {
        let name = variable["name"].as_str().unwrap_or_default();
        let value = match variable.get("valueFrom") {
            Some(from) => match value_from(pod, container, from, sources)? {
                Some(value) => value,
                None => continue,
            },
            None => expand(variable["value"].as_str().unwrap_or_default(), &env),
        };
        env.insert(name.to_owned(), value);
    }
    Ok(env)
}

fn data(sources: &dyn Sources, kind: &str, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
    if kind == "secret" {
        sources.secret(name)
    } else {
        sources.config_map(name)
    }
}

fn value_from(
    pod: &Value,
    container: &Value,
    from: &Value,
    sources: &dyn Sources,
) -> Result<Option<String>, EnvProblem> {
    if let Some(field) = from.get("fieldRef") {
        return field_value(pod, field["fieldPath"].as_str().unwrap_or_default()).map(Some);
    }
    if let Some(field) = from.get("resourceFieldRef") {
        return resource_value(pod, container, field).map(Some);
    }
    for (reference, kind) in [("configMapKeyRef", "configmap"), ("secretKeyRef", "secret")] {
        let Some(reference) = from.get(reference) else {
            continue;
        };
        let optional = reference["optional"] == true;
        let name = reference["name"].as_str().unwrap_or_default();
        let key = reference["key"].as_str().unwrap_or_default();
        let found = data(sources, kind, name);
        return match found.as_ref().map(|data| data.get(key)) {
            Some(Some(value)) => Ok(Some(String::from_utf8_lossy(value).into_owned())),
            _ if optional => Ok(None),
            None => Err(EnvProblem::Missing {
                kind,
                name: name.to_owned(),
            }),
            Some(None) => Err(EnvProblem::MissingKey {
                kind: if kind == "secret" {
                    "Secret"
                } else {
                    "ConfigMap"
                },
                namespace: pod["metadata"]["namespace"]
                    .as_str()
                    .unwrap_or_default()
                    .to_owned(),
                name: name.to_owned(),
                key: key.to_owned(),
            }),
        };
    }
    Ok(None)
}

/// A field of the pod as the downward API gives it.
pub(crate) fn field_value(pod: &Value, path: &str) -> Result<String, EnvProblem> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let (metadata, spec, status) = (&pod["metadata"], &pod["spec"], &pod["status"]);
    Ok(match path {
        "metadata.name" => text(&metadata["name"]),
        "metadata.namespace" => text(&metadata["namespace"]),
        "metadata.uid" => text(&metadata["uid"]),
        "metadata.labels" => key_values(&metadata["labels"]),
        "metadata.annotations" => key_values(&metadata["annotations"]),
        "spec.nodeName" => text(&spec["nodeName"]),
        "spec.serviceAccountName" => text(&spec["serviceAccountName"]),
        "status.hostIP" | "status.hostIPs" => text(&status["hostIP"]),
        "status.podIP" | "status.podIPs" => text(&status["podIP"]),
        _ => {
            let key = |start: &str| path.strip_prefix(start)?.strip_suffix("']");
            match (key("metadata.labels['"), key("metadata.annotations['")) {
                (Some(key), _) => text(&metadata["labels"][key]),
                (_, Some(key)) => text(&metadata["annotations"][key]),
                _ => return Err(EnvProblem::Field(path.to_owned())),
            }
        }
    })
}

fn key_values(map: &Value) -> String {
    let lines: Vec<String> = map
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={:?}", value.as_str().unwrap_or_default()))
        .collect();
    lines.join("\n")
}

/// A request or limit of a container, divided by the `divisor` and rounded up.
pub(crate) fn resource_value(
    pod: &Value,
    container: &Value,
    field: &Value,
) -> Result<String, EnvProblem> {
    let container = match field["containerName"].as_str() {
        None => container,
        Some(name) => super::spec::container(pod, name).unwrap_or(container),
    };
    let path = field["resource"].as_str().unwrap_or_default();
    let (part, resource) = path
        .split_once('.')
        .ok_or_else(|| EnvProblem::Field(path.to_owned()))?;
    let given = &container["resources"][part][resource];
    let nano = match quantity::nanos(given) {
        Some(value) => value,
        // Without a limit a container may use all that the node has.
        None if part == "limits" && resource == "cpu" => {
            std::thread::available_parallelism().map_or(1, usize::from) as i128 * quantity::UNIT
        }
        None if part == "limits" && resource == "memory" => {
            i128::from(super::metrics::memory_total()) * quantity::UNIT
        }
        None => 0,
    };
    let divisor = match quantity::nanos(&field["divisor"]) {
        Some(divisor) if divisor > 0 => divisor,
        _ => quantity::UNIT,
    };
    Ok(((nano + divisor - 1) / divisor).to_string())
}

/// Replace `$(NAME)` by a variable's value; `$$(NAME)` stands for itself, and so does a name that
/// is not known.
pub(crate) fn expand(text: &str, env: &BTreeMap<String, String>) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('$') {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(after) = rest.strip_prefix('$') {
            out.push('$');
            rest = after;
        } else if let Some((name, after)) = rest
            .strip_prefix('(')
            .and_then(|inner| inner.split_once(')'))
        {
            match env.get(name) {
                Some(value) => out.push_str(value),
                None => {
                    out.push_str("$(");
                    out.push_str(name);
                    out.push(')');
                }
            }
            rest = after;
        } else {
            out.push('$');
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Fixed;

    impl Sources for Fixed {
        fn config_map(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
            (name == "settings").then(|| BTreeMap::from([("COLOR".to_owned(), b"blue".to_vec())]))
        }
        fn secret(&self, name: &str) -> Option<BTreeMap<String, Vec<u8>>> {
            (name == "keys").then(|| BTreeMap::from([("token".to_owned(), b"s3cret".to_vec())]))
        }
    }

    fn env_of(container: Value) -> Result<BTreeMap<String, String>, EnvProblem> {
        let pod = json!({
            "metadata": { "name": "web-1", "namespace": "shop", "labels": { "app": "web" } },
            "spec": { "containers": [container.clone()] },
        });
        environment(&pod, &container, &Fixed)
    }

    #[test]
    fn values_come_from_everywhere_and_later_ones_win() {
        let env = env_of(json!({
            "envFrom": [{ "prefix": "APP_", "configMapRef": { "name": "settings" } }, { "secretRef": { "name": "gone", "optional": true } }],
            "env": [
                { "name": "POD", "valueFrom": { "fieldRef": { "fieldPath": "metadata.name" } } },
                { "name": "APP", "valueFrom": { "fieldRef": { "fieldPath": "metadata.labels['app']" } } },
                { "name": "TOKEN", "valueFrom": { "secretKeyRef": { "name": "keys", "key": "token" } } },
                { "name": "MEMORY", "valueFrom": { "resourceFieldRef": { "resource": "limits.memory", "divisor": "1Mi" } } },
                { "name": "URL", "value": "http://$(POD)/$(APP_COLOR)/$(NOPE)/$$(POD)" },
            ],
            "resources": { "limits": { "memory": "64Mi" } },
        }))
        .unwrap();
        assert_eq!(env["URL"], "http://web-1/blue/$(NOPE)/$(POD)");
        assert_eq!(env["TOKEN"], "s3cret");
        assert_eq!(env["MEMORY"], "64");
        assert_eq!(env["APP"], "web");
    }

    #[test]
    fn a_missing_reference_is_named() {
        let problem = |from: Value| {
            env_of(json!({ "env": [{ "name": "X", "valueFrom": from }] }))
                .unwrap_err()
                .to_string()
        };
        assert_eq!(
            problem(json!({ "secretKeyRef": { "name": "nope", "key": "k" } })),
            "secret \"nope\" not found"
        );
        assert_eq!(
            problem(json!({ "configMapKeyRef": { "name": "settings", "key": "k" } })),
            "couldn't find key k in ConfigMap shop/settings"
        );
    }
}
