//! Services and Ingresses.

use std::collections::BTreeSet;

use serde_json::Value;

use super::{items, one_of, port_number};
use crate::objects::error::Cause;
use crate::objects::metadata::{is_dns_label, is_dns_subdomain, validate_labels};

pub(super) fn service(object: &Value, causes: &mut Vec<Cause>) {
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

pub(super) fn ingress(spec: &Value, causes: &mut Vec<Cause>) {
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
