//! Pods' specs.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{items, one_of, port_number, quantities};
use crate::objects::error::Cause;
use crate::objects::metadata::is_dns_label;
use crate::objects::quantity::Quantity;

pub(super) fn spec(spec: &Value, path: &str, causes: &mut Vec<Cause>) {
    if items(&spec["containers"]).next().is_none() {
        causes.push(Cause::required(format!("{path}.containers"), ""));
    }
    let volumes: BTreeSet<&str> = items(&spec["volumes"])
        .filter_map(|volume| volume["name"].as_str())
        .collect();
    let mut known = BTreeSet::new();
    for (index, volume) in items(&spec["volumes"]).enumerate() {
        let name = volume["name"].as_str().unwrap_or_default();
        let field = format!("{path}.volumes[{index}].name");
        if name.is_empty() {
            causes.push(Cause::required(field, ""));
        } else if !known.insert(name) {
            causes.push(Cause {
                reason: "FieldValueDuplicate",
                field,
                message: format!("Duplicate value: {name:?}"),
            });
        }
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
