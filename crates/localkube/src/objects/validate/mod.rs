//! What the built-in kinds demand beyond their schema. Not all that Kubernetes checks: what the
//! node and the controllers rely on, and what people commonly get wrong.

mod data;
mod network;
mod pod;
mod update;
mod workload;

use serde_json::Value;

use super::error::Cause;
use super::kinds::{Kind, resource};
use super::quantity::Quantity;
pub(crate) use update::update;

/// Everything that is wrong with an object of a built-in kind.
pub(crate) fn object(kind: &Kind, object: &Value, causes: &mut Vec<Cause>) {
    let spec = &object["spec"];
    match kind.resource().as_str() {
        resource::PODS => pod::spec(spec, "spec", causes),
        resource::DEPLOYMENTS | resource::REPLICA_SETS | resource::STATEFUL_SETS => {
            workload::workload(spec, causes);
        }
        resource::JOBS => workload::job(spec, causes),
        resource::SERVICES => network::service(object, causes),
        resource::INGRESSES => network::ingress(spec, causes),
        resource::SECRETS => data::secret(object, causes),
        resource::CONFIG_MAPS => data::config_map(object, causes),
        resource::PERSISTENT_VOLUME_CLAIMS => claim(spec, causes),
        resource::RESOURCE_QUOTAS => {
            quantities(&spec["hard"], "spec.hard", causes);
            for (name, _) in spec["hard"].as_object().into_iter().flatten() {
                if !is_counted(name) {
                    causes.push(Cause::invalid(
                        format!("spec.hard[{name}]"),
                        format!("{name:?}: must be a standard resource for quota"),
                    ));
                }
            }
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
                bounds(limit, &format!("spec.limits[{index}]"), causes);
            }
        }
        _ => {}
    }
}

/// The elements of a list; none where it is no list.
pub(super) fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

/// The reason of a cause that Kubernetes does not get to name, since it cannot decode such a value at all.
const UNREADABLE: &str = "Unreadable";

fn unreadable(field: String, message: impl Into<String>) -> Cause {
    Cause {
        reason: UNREADABLE,
        field,
        message: message.into(),
    }
}

/// Why an object cannot be decoded at all, if it is so.
pub(crate) fn undecodable(causes: &[Cause]) -> Option<&str> {
    let cause = causes.iter().find(|cause| cause.reason == UNREADABLE);
    cause.map(|cause| cause.message.as_str())
}

/// What a quota may count besides objects of any kind.
fn is_counted(name: &str) -> bool {
    const PLAIN: [&str; 13] = [
        "cpu",
        "memory",
        "ephemeral-storage",
        "pods",
        "services",
        "services.loadbalancers",
        "services.nodeports",
        "replicationcontrollers",
        "resourcequotas",
        "secrets",
        "configmaps",
        "persistentvolumeclaims",
        "storage",
    ];
    let name = ["requests.", "limits."]
        .iter()
        .find_map(|part| name.strip_prefix(part))
        .unwrap_or(name);
    PLAIN.contains(&name) || name.contains('/') || name.starts_with("hugepages-")
}

/// Bounds that leave no room.
fn bounds(limit: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (name, min) in limit["min"].as_object().into_iter().flatten() {
        for (other, what) in [
            ("max", "max"),
            ("defaultRequest", "default request"),
            ("default", "default"),
        ] {
            if let (Some(low), Some(high)) = (
                Quantity::from_json(min),
                Quantity::from_json(&limit[other][name]),
            ) && low > high
            {
                let (field, value) = if other == "max" {
                    ("min", low)
                } else {
                    (other, high)
                };
                causes.push(Cause::invalid(
                    format!("{path}.{field}[{name}]"),
                    format!("\"{value}\": min value {low} is greater than {what} value {high}"),
                ));
            }
        }
    }
}

fn quantities(map: &Value, path: &str, causes: &mut Vec<Cause>) {
    for (name, value) in map.as_object().into_iter().flatten() {
        match Quantity::from_json(value) {
            None => causes.push(unreadable(
                format!("{path}[{name}]"),
                "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'",
            )),
            Some(quantity) if quantity < Quantity::default() => causes.push(Cause::invalid(
                format!("{path}[{name}]"),
                format!("{value}: must be greater than or equal to 0"),
            )),
            Some(_) => {}
        }
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
