//! What the built-in kinds demand beyond their schema. Not all that Kubernetes checks: what the
//! node and the controllers rely on, and what people commonly get wrong.

use std::collections::BTreeSet;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;

use super::error::Cause;
use super::kinds::{Kind, resource};
use super::metadata::{is_dns_label, is_dns_subdomain, items_mut, validate_labels};
use super::quantity::Quantity;
use super::selector::Selector;

/// Everything that is wrong with an object of a built-in kind.
pub(crate) fn object(kind: &Kind, object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    match kind.resource().as_str() {
        resource::PODS => pod_spec(spec, "spec", causes),
        resource::DEPLOYMENTS | resource::REPLICA_SETS | resource::STATEFUL_SETS => {
            workload(spec, causes);
        }
        resource::JOBS => job(spec, causes),
        resource::SERVICES => service(object, causes),
        resource::INGRESSES => ingress(spec, causes),
        resource::SECRETS => secret(object, causes),
        resource::CONFIG_MAPS => config_map(object, causes),
        resource::PERSISTENT_VOLUME_CLAIMS => claim(spec, causes),
        resource::RESOURCE_QUOTAS => {
            quantities(&spec["hard"], "spec.hard", causes);
            for field in ["scopes", "scopeSelector"] {
                if !spec[field].is_null() {
                    causes.push(Cause::invalid(
                        format!("spec.{field}"),
                        "this cluster does not evaluate quota scopes",
                    ));
                }
            }
        }
        resource::LIMIT_RANGES => {
            for (index, limit) in items(&spec["limits"]).enumerate() {
                for field in [
                    "min",
                    "max",
                    "default",
                    "defaultRequest",
                    "maxLimitRequestRatio",
                ] {
                    quantities(
                        &limit[field],
                        &format!("spec.limits[{index}].{field}"),
                        causes,
                    );
                }
            }
        }
        _ => {}
    }
}

/// Everything that may not change between two states of an object.
pub(crate) fn update(kind: &Kind, old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let immutable = |path: &str, causes: &mut Vec<Cause>| {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (before, after) = (old.pointer(&pointer), new.pointer(&pointer));
        if before.is_some_and(|value| !value.is_null()) && before != after {
            let after = after.unwrap_or(&Value::Null);
            causes.push(Cause::invalid(path, format!("{after}: field is immutable")));
        }
    };
    match kind.resource().as_str() {
        resource::DEPLOYMENTS | resource::REPLICA_SETS => immutable("spec.selector", causes),
        resource::STATEFUL_SETS => only_changes(
            old,
            new,
            &[
                "replicas",
                "ordinals",
                "template",
                "updateStrategy",
                "revisionHistoryLimit",
                "persistentVolumeClaimRetentionPolicy",
                "minReadySeconds",
            ],
            "updates to statefulset spec",
            causes,
        ),
        resource::JOBS => {
            for path in ["spec.selector", "spec.template", "spec.completionMode"] {
                immutable(path, causes);
            }
        }
        resource::PODS => pod_update(old, new, causes),
        resource::SERVICES => {
            let keeps_type = old["spec"]["type"] == new["spec"]["type"];
            if keeps_type && old["spec"]["clusterIP"] != "None" {
                immutable("spec.clusterIP", causes);
            }
        }
        resource::SECRETS => {
            immutable("type", causes);
            if old["immutable"] == true {
                immutable("immutable", causes);
                immutable("data", causes);
            }
        }
        resource::CONFIG_MAPS if old["immutable"] == true => {
            for path in ["immutable", "data", "binaryData"] {
                immutable(path, causes);
            }
        }
        resource::PERSISTENT_VOLUME_CLAIMS => only_changes(
            old,
            new,
            &["resources", "volumeName", "volumeAttributesClassName"],
            "updates to persistentvolumeclaim spec",
            causes,
        ),
        resource::INGRESS_CLASSES => immutable("spec.controller", causes),
        resource::STORAGE_CLASSES => {
            for path in [
                "provisioner",
                "parameters",
                "reclaimPolicy",
                "volumeBindingMode",
            ] {
                immutable(path, causes);
            }
        }
        _ if kind
            .resource()
            .ends_with("bindings.rbac.authorization.k8s.io") =>
        {
            immutable("roleRef", causes);
        }
        _ => {}
    }
}

/// The elements of a list; none where it is no list.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn only_changes(old: &Value, new: &Value, allowed: &[&str], what: &str, causes: &mut Vec<Cause>) {
    let rest = |object: &Value| {
        let mut spec = object["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            map.retain(|name, _| !allowed.contains(&name.as_str()));
        }
        spec
    };
    if rest(old) != rest(new) {
        causes.push(Cause {
            reason: "FieldValueForbidden",
            field: "spec".to_owned(),
            message: format!(
                "Forbidden: {what} for fields other than {} are forbidden",
                allowed.join(", ")
            ),
        });
    }
}

fn pod_update(old: &Value, new: &Value, causes: &mut Vec<Cause>) {
    let fixed = |object: &Value| {
        let mut spec = object["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in items_mut(&mut spec, list) {
                container["image"] = Value::Null;
            }
        }
        if let Some(map) = spec.as_object_mut() {
            for field in ["activeDeadlineSeconds", "tolerations", "schedulingGates"] {
                map.remove(field);
            }
            // Binding a pod to its node is a write like any other here.
            if old["spec"]["nodeName"].is_null() {
                map.remove("nodeName");
            }
        }
        spec
    };
    if fixed(old) != fixed(new) {
        causes.push(Cause {
            reason: "FieldValueForbidden",
            field: "spec".to_owned(),
            message: "Forbidden: pod updates may not change fields other than \
                      `spec.containers[*].image`, `spec.initContainers[*].image`, \
                      `spec.activeDeadlineSeconds` and `spec.tolerations`"
                .to_owned(),
        });
    }
}

fn quantities(map: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (name, value) in map.as_object().into_iter().flatten() {
        match Quantity::from_json(value) {
            None => causes.push(Cause::invalid(
                format!("{path}[{name}]"),
                format!("{value}: quantities must match a number with an optional suffix such as m, k, M, Ki or Mi"),
            )),
            Some(quantity) if quantity < Quantity::default() => causes.push(Cause::invalid(
                format!("{path}[{name}]"),
                format!("{value}: must be greater than or equal to 0"),
            )),
            Some(_) => {}
        }
    }
}

fn pod_spec(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    if items(&spec["containers"]).next().is_none() {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let volumes: BTreeSet<&str> = items(&spec["volumes"])
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    if volumes.len() != items(&spec["volumes"]).count() {
        causes.push(Cause::invalid(
            format!("{path}.volumes"),
            "names must be there and differ",
        ));
    }
    one_of(
        &spec["restartPolicy"],
        &["Always", "OnFailure", "Never"],
        &format!("{path}.restartPolicy"),
        causes,
    );
    let mut names = BTreeSet::new();
    for list in ["initContainers", "containers"] {
        for (index, container) in items(&spec[list]).enumerate() {
            let path = format!("{path}.{list}[{index}]");
            let name = container["name"].as_str().unwrap_or_default();
            if name.is_empty() {
                causes.push(Cause::required(format!("{path}.name"), ""));
            } else if !is_dns_label(name) {
                causes.push(Cause::invalid(
                    format!("{path}.name"),
                    format!("{name:?}: must be a DNS label"),
                ));
            } else if !names.insert(name) {
                causes.push(Cause {
                    reason: "FieldValueDuplicate",
                    field: format!("{path}.name"),
                    message: format!("Duplicate value: {name:?}"),
                });
            }
            self::container(container, &volumes, &path, causes);
        }
    }
}

fn container(container: &Value, volumes: &BTreeSet<&str>, path: &str, causes: &mut Vec<Cause>) {
    if container["image"]
        .as_str()
        .is_none_or(|image| image.trim().is_empty())
    {
        causes.push(Cause::required(format!("{path}.image"), ""));
    }
    one_of(
        &container["imagePullPolicy"],
        &["Always", "IfNotPresent", "Never"],
        &format!("{path}.imagePullPolicy"),
        causes,
    );
    for (index, port) in items(&container["ports"]).enumerate() {
        port_number(
            &port["containerPort"],
            &format!("{path}.ports[{index}].containerPort"),
            causes,
        );
    }
    for (index, variable) in items(&container["env"]).enumerate() {
        let name = variable["name"].as_str().unwrap_or_default();
        if name.is_empty() || name.contains('=') {
            causes.push(Cause::invalid(
                format!("{path}.env[{index}].name"),
                format!("{name:?}: must be a name without '='"),
            ));
        }
    }
    for (index, mount) in items(&container["volumeMounts"]).enumerate() {
        let path = format!("{path}.volumeMounts[{index}]");
        let name = mount["name"].as_str().unwrap_or_default();
        if !volumes.contains(name) {
            causes.push(Cause {
                reason: "FieldValueNotFound",
                field: format!("{path}.name"),
                message: format!("Not found: {name:?}"),
            });
        }
        if mount["mountPath"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required(format!("{path}.mountPath"), ""));
        }
        let sub_path = mount["subPath"].as_str().unwrap_or_default();
        if sub_path.starts_with('/') || sub_path.split('/').any(|part| part == "..") {
            causes.push(Cause::invalid(
                format!("{path}.subPath"),
                format!("{sub_path:?}: must be a relative path without '..'"),
            ));
        }
    }
    let resources = &container["resources"];
    quantities(
        &resources["limits"],
        &format!("{path}.resources.limits"),
        causes,
    );
    quantities(
        &resources["requests"],
        &format!("{path}.resources.requests"),
        causes,
    );
    for (name, request) in resources["requests"].as_object().into_iter().flatten() {
        let limit = Quantity::from_json(&resources["limits"][name]);
        if let (Some(request), Some(limit)) = (Quantity::from_json(request), limit)
            && request > limit
        {
            causes.push(Cause::invalid(
                format!("{path}.resources.requests"),
                format!("\"{request}\": must be less than or equal to {name} limit of {limit}"),
            ));
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        let Some(probe_object) = container[probe].as_object() else {
            continue;
        };
        let handlers = ["exec", "httpGet", "tcpSocket", "grpc"]
            .iter()
            .filter(|handler| probe_object.contains_key(**handler))
            .count();
        if handlers != 1 {
            causes.push(Cause::required(
                format!("{path}.{probe}"),
                "must specify one handler type",
            ));
        }
    }
}

fn workload(spec: &Value, causes: &mut Vec<Cause>) {
    if spec["replicas"]
        .as_i64()
        .is_some_and(|replicas| replicas < 0)
    {
        causes.push(Cause::invalid(
            "spec.replicas",
            "must be greater than or equal to 0",
        ));
    }
    template(spec, causes);
    match spec["template"]["spec"]["restartPolicy"].as_str() {
        Some("Always") | None => {}
        Some(other) => causes.push(Cause {
            reason: "FieldValueNotSupported",
            field: "spec.template.spec.restartPolicy".to_owned(),
            message: format!("Unsupported value: {other:?}: supported values: \"Always\""),
        }),
    }
}

fn template(spec: &Value, causes: &mut Vec<Cause>) {
    let selector = &spec["selector"];
    let labels = &spec["template"]["metadata"]["labels"];
    validate_labels(labels, "spec.template.metadata.labels", causes);
    match Selector::from_label_selector(selector) {
        _ if !selector.is_object() => causes.push(Cause::required("spec.selector", "")),
        Err(error) => causes.push(Cause::invalid("spec.selector", error.to_string())),
        Ok(parsed) if parsed.is_everything() => causes.push(Cause::invalid(
            "spec.selector",
            "{}: empty selector is invalid for deployment",
        )),
        Ok(parsed) if !parsed.matches_labels(labels) => causes.push(Cause::invalid(
            "spec.template.metadata.labels",
            format!("{labels}: `selector` does not match template `labels`"),
        )),
        Ok(_) => {}
    }
    pod_spec(&spec["template"]["spec"], "spec.template.spec", causes);
}

fn job(spec: &Value, causes: &mut Vec<Cause>) {
    template(spec, causes);
    match spec["template"]["spec"]["restartPolicy"].as_str() {
        Some("OnFailure" | "Never") => {}
        other => causes.push(Cause {
            reason: "FieldValueNotSupported",
            field: "spec.template.spec.restartPolicy".to_owned(),
            message: format!(
                "Unsupported value: {:?}: supported values: \"OnFailure\", \"Never\"",
                other.unwrap_or_default()
            ),
        }),
    }
}

fn one_of(value: &Value, allowed: &[&str], field: &str, causes: &mut Vec<Cause>) {
    if let Some(text) = value.as_str()
        && !allowed.contains(&text)
    {
        causes.push(Cause {
            reason: "FieldValueNotSupported",
            field: field.to_owned(),
            message: format!(
                "Unsupported value: {text:?}: supported values: {}",
                allowed
                    .iter()
                    .map(|v| format!("{v:?}"))
                    .collect::<Vec<_>>()
                    .join(", ")
            ),
        });
    }
}

fn port_number(value: &Value, field: &str, causes: &mut Vec<Cause>) {
    if !value
        .as_i64()
        .is_some_and(|port| (1..=65535).contains(&port))
    {
        causes.push(Cause::invalid(
            field,
            format!("{value}: must be between 1 and 65535, inclusive"),
        ));
    }
}

fn service(object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    let name = object["metadata"]["name"].as_str().unwrap_or_default();
    if name.starts_with(|c: char| c.is_ascii_digit()) {
        causes.push(Cause::invalid(
            "metadata.name",
            format!("{name:?}: a DNS-1035 label must start with a letter"),
        ));
    }
    one_of(
        &spec["type"],
        &["ClusterIP", "ExternalName", "LoadBalancer", "NodePort"],
        "spec.type",
        causes,
    );
    let ports = items(&spec["ports"]).count();
    if spec["type"] == "ExternalName" {
        if spec["externalName"].as_str().unwrap_or_default().is_empty() {
            causes.push(Cause::required("spec.externalName", ""));
        }
    } else if ports == 0 && spec["clusterIP"] != "None" {
        causes.push(Cause::required("spec.ports", ""));
    }
    let mut names = BTreeSet::new();
    for (index, port) in items(&spec["ports"]).enumerate() {
        let path = format!("spec.ports[{index}]");
        port_number(&port["port"], &format!("{path}.port"), causes);
        if port["targetPort"].is_number() {
            port_number(&port["targetPort"], &format!("{path}.targetPort"), causes);
        }
        let name = port["name"].as_str().unwrap_or_default();
        if name.is_empty() && ports > 1 {
            causes.push(Cause::required(format!("{path}.name"), ""));
        } else if !name.is_empty() && !is_dns_label(name) {
            causes.push(Cause::invalid(
                format!("{path}.name"),
                format!("{name:?}: must be a DNS label"),
            ));
        } else if !names.insert(name) {
            causes.push(Cause::invalid(
                format!("{path}.name"),
                format!("{name:?}: must be unique"),
            ));
        }
    }
    validate_labels(&spec["selector"], "spec.selector", causes);
}

fn ingress(spec: &Value, causes: &mut Vec<Cause>) {
    if items(&spec["rules"]).next().is_none() && spec["defaultBackend"].is_null() {
        causes.push(Cause::invalid(
            "spec",
            "either `defaultBackend` or `rules` must be specified",
        ));
    }
    let backend = |backend: &Value, path: &str, causes: &mut Vec<Cause>| {
        let service = &backend["service"];
        if service["name"].as_str().unwrap_or_default().is_empty() && backend["resource"].is_null()
        {
            causes.push(Cause::required(format!("{path}.service.name"), ""));
        }
        let port = &service["port"];
        if service.is_object() && port["number"].is_null() == port["name"].is_null() {
            causes.push(Cause::required(
                format!("{path}.service.port"),
                "one of port name and number must be specified",
            ));
        }
    };
    if spec["defaultBackend"].is_object() {
        backend(&spec["defaultBackend"], "spec.defaultBackend", causes);
    }
    for (index, rule) in items(&spec["rules"]).enumerate() {
        let path = format!("spec.rules[{index}]");
        let host = rule["host"].as_str().unwrap_or_default();
        if !host.is_empty() && !is_dns_subdomain(host.strip_prefix("*.").unwrap_or(host)) {
            causes.push(Cause::invalid(
                format!("{path}.host"),
                format!("{host:?}: must be a DNS name"),
            ));
        }
        for (index, entry) in items(&rule["http"]["paths"]).enumerate() {
            let path = format!("{path}.http.paths[{index}]");
            match entry["pathType"].as_str() {
                None => causes.push(Cause::required(
                    format!("{path}.pathType"),
                    "pathType must be specified",
                )),
                Some(_) => one_of(
                    &entry["pathType"],
                    &["Exact", "ImplementationSpecific", "Prefix"],
                    &format!("{path}.pathType"),
                    causes,
                ),
            }
            let absolute = entry["path"]
                .as_str()
                .is_some_and(|path| path.starts_with('/'));
            if !absolute && entry["pathType"] != "ImplementationSpecific" {
                causes.push(Cause::invalid(
                    format!("{path}.path"),
                    "must be an absolute path",
                ));
            }
            backend(&entry["backend"], &format!("{path}.backend"), causes);
        }
    }
}

/// Keys and size of the data of ConfigMaps and Secrets.
fn data(map: &Value, field: &str, causes: &mut Vec<Cause>) -> usize {
    let mut size = 0;
    for (key, value) in map.as_object().into_iter().flatten() {
        let valid = !key.is_empty()
            && key.len() <= 253
            && key != "."
            && !key.starts_with("..")
            && key
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
        if !valid {
            causes.push(Cause::invalid(
                format!("{field}[{key}]"),
                "a valid config key must consist of alphanumeric characters, '-', '_' or '.'",
            ));
        }
        size += value.as_str().map_or(0, str::len);
    }
    size
}

const MEBIBYTE: usize = 1024 * 1024;

fn secret(object: &Value, causes: &mut Vec<Cause>) {
    let size = data(&object["data"], "data", causes);
    for (key, value) in object["data"].as_object().into_iter().flatten() {
        if BASE64_STANDARD
            .decode(value.as_str().unwrap_or_default())
            .is_err()
        {
            causes.push(Cause::invalid(format!("data[{key}]"), "must be base64"));
        }
    }
    if size / 4 * 3 > MEBIBYTE {
        causes.push(Cause::invalid("data", "may not be larger than 1 MiB"));
    }
    let (required, what) = match object["type"].as_str() {
        Some("kubernetes.io/tls") => (["tls.crt", "tls.key"].as_slice(), "data"),
        Some("kubernetes.io/dockerconfigjson") => ([".dockerconfigjson"].as_slice(), "data"),
        _ => return,
    };
    for key in required {
        if object["data"][key].is_null() {
            causes.push(Cause::required(format!("{what}[{key}]"), ""));
        }
    }
}

fn config_map(object: &Value, causes: &mut Vec<Cause>) {
    let size =
        data(&object["data"], "data", causes) + data(&object["binaryData"], "binaryData", causes);
    if size > MEBIBYTE {
        causes.push(Cause::invalid("data", "may not be larger than 1 MiB"));
    }
}

fn claim(spec: &Value, causes: &mut Vec<Cause>) {
    if items(&spec["accessModes"]).next().is_none() {
        causes.push(Cause::required(
            "spec.accessModes",
            "at least 1 access mode is required",
        ));
    }
    if spec["resources"]["requests"]["storage"].is_null() {
        causes.push(Cause::required("spec.resources[storage]", ""));
    }
    quantities(
        &spec["resources"]["requests"],
        "spec.resources.requests",
        causes,
    );
}

#[cfg(test)]
mod tests;
