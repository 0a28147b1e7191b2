//! Defaults of the built-in kinds that depend on other fields. Those that do not are data in the
//! schema (`schema::built_in`).

use std::net::Ipv4Addr;

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use serde_json::{Value, json};

use super::kinds::{Kind, resource};
use super::metadata::items_mut;

/// The first and last address from which Services get their placeholder `clusterIP`.
const SERVICE_NETWORK: (u32, u32) = (
    Ipv4Addr::new(10, 96, 0, 10).to_bits(),
    Ipv4Addr::new(10, 96, 255, 254).to_bits(),
);

/// Fill in what depends on other fields of the object itself.
pub(crate) fn fill(kind: &Kind, object: &mut Value) {
    match kind.resource().as_str() {
        resource::PODS => pod_spec(&mut object["spec"]),
        resource::DEPLOYMENTS => {
            let strategy = &mut object["spec"]["strategy"];
            if strategy["type"] == "RollingUpdate" {
                set_default(strategy, "rollingUpdate", json!({}));
                set_default(&mut strategy["rollingUpdate"], "maxSurge", json!("25%"));
                set_default(
                    &mut strategy["rollingUpdate"],
                    "maxUnavailable",
                    json!("25%"),
                );
            }
            pod_spec(&mut object["spec"]["template"]["spec"]);
        }
        resource::REPLICA_SETS | resource::STATEFUL_SETS => {
            pod_spec(&mut object["spec"]["template"]["spec"]);
        }
        resource::JOBS => job(object),
        resource::SERVICES => service(object),
        resource::SECRETS => secret(object),
        resource::NAMESPACES => {
            let name = object["metadata"]["name"].clone();
            if !object["metadata"]["labels"].is_object() {
                object["metadata"]["labels"] = json!({});
            }
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = name;
            if !object["spec"].is_object() {
                object["spec"] = json!({ "finalizers": ["kubernetes"] });
            }
        }
        resource::NETWORK_POLICIES => {
            let spec = &mut object["spec"];
            if spec.is_object() && !spec["policyTypes"].is_array() {
                let egress = spec["egress"]
                    .as_array()
                    .is_some_and(|rules| !rules.is_empty());
                let types = if egress {
                    json!(["Ingress", "Egress"])
                } else {
                    json!(["Ingress"])
                };
                spec["policyTypes"] = types;
            }
        }
        _ => {}
    }
}

/// The status that an object begins with.
pub(crate) fn initial_status(kind: &Kind, object: &Value) -> Option<Value> {
    match kind.resource().as_str() {
        resource::NAMESPACES => Some(json!({ "phase": "Active" })),
        resource::PODS => {
            Some(json!({ "phase": "Pending", "qosClass": qos_class(&object["spec"]) }))
        }
        resource::PERSISTENT_VOLUME_CLAIMS | resource::PERSISTENT_VOLUMES => {
            Some(json!({ "phase": "Pending" }))
        }
        resource::SERVICES | resource::INGRESSES => Some(json!({ "loadBalancer": {} })),
        resource::DEPLOYMENTS | resource::JOBS | resource::RESOURCE_QUOTAS => Some(json!({})),
        resource::REPLICA_SETS | resource::STATEFUL_SETS => Some(json!({ "replicas": 0 })),
        _ => None,
    }
}

fn set_default(object: &mut Value, field: &str, default: Value) {
    if let Some(map) = object.as_object_mut() {
        map.entry(field).or_insert(default);
    }
}

/// Every container of a pod spec, init containers first.
pub(crate) fn containers(spec: &Value) -> impl Iterator<Item = &Value> {
    ["initContainers", "containers"]
        .into_iter()
        .flat_map(|list| spec[list].as_array().into_iter().flatten())
}

fn pod_spec(spec: &mut Value) {
    if !spec.is_object() {
        return;
    }
    let account = spec["serviceAccountName"]
        .as_str()
        .or(spec["serviceAccount"].as_str());
    if let Some(account) = account.map(str::to_owned) {
        // The older name of the field is kept in step.
        spec["serviceAccount"] = account.clone().into();
        spec["serviceAccountName"] = account.into();
    }
    for list in ["initContainers", "containers"] {
        for container in items_mut(spec, list) {
            image_pull_policy(container);
            limits_as_requests(container);
        }
    }
}

fn image_pull_policy(container: &mut Value) {
    let Some(image) = container["image"].as_str() else {
        return;
    };
    let name = image.rsplit('/').next().unwrap_or_default();
    let latest =
        !image.contains('@') && name.split_once(':').is_none_or(|(_, tag)| tag == "latest");
    let policy = if latest { "Always" } else { "IfNotPresent" };
    set_default(container, "imagePullPolicy", policy.into());
}

/// A limit without a request is the request too.
pub(crate) fn limits_as_requests(container: &mut Value) {
    let Some(limits) = container["resources"]["limits"].as_object().cloned() else {
        return;
    };
    set_default(&mut container["resources"], "requests", json!({}));
    for (name, limit) in limits {
        set_default(&mut container["resources"]["requests"], &name, limit);
    }
}

fn qos_class(spec: &Value) -> &'static str {
    let mut guaranteed = true;
    let mut best_effort = true;
    for container in containers(spec) {
        let resources = &container["resources"];
        for name in ["cpu", "memory"] {
            let (request, limit) = (&resources["requests"][name], &resources["limits"][name]);
            best_effort &= request.is_null() && limit.is_null();
            guaranteed &= !limit.is_null() && request == limit;
        }
    }
    match (best_effort, guaranteed) {
        (true, _) => "BestEffort",
        (_, true) => "Guaranteed",
        _ => "Burstable",
    }
}

fn job(object: &mut Value) {
    let spec = &mut object["spec"];
    if !spec.is_object() {
        return;
    }
    if spec["completions"].is_null() && spec["parallelism"].is_null() {
        spec["completions"] = 1.into();
    }
    set_default(spec, "parallelism", 1.into());
    pod_spec(&mut spec["template"]["spec"]);
    if spec["manualSelector"] == true || spec["selector"].is_object() {
        return;
    }
    // A Job selects its pods by its own uid, which nobody else can have.
    let (uid, name) = (
        object["metadata"]["uid"].clone(),
        object["metadata"]["name"].clone(),
    );
    let spec = &mut object["spec"];
    spec["selector"] = json!({ "matchLabels": { "batch.kubernetes.io/controller-uid": uid } });
    if !spec["template"]["metadata"]["labels"].is_object() {
        spec["template"]["metadata"]["labels"] = json!({});
    }
    let labels = &mut spec["template"]["metadata"]["labels"];
    for (key, value) in [("controller-uid", &uid), ("job-name", &name)] {
        labels[key] = value.clone();
        labels[format!("batch.kubernetes.io/{key}")] = value.clone();
    }
}

fn service(object: &mut Value) {
    let spec = &mut object["spec"];
    if !spec.is_object() {
        return;
    }
    for port in items_mut(spec, "ports") {
        if port["targetPort"].is_null() {
            port["targetPort"] = port["port"].clone();
        }
    }
    if spec["type"] == "ExternalName" {
        return;
    }
    set_default(spec, "ipFamilies", json!(["IPv4"]));
    set_default(spec, "ipFamilyPolicy", "SingleStack".into());
    if let Some(address) = spec["clusterIP"]
        .as_str()
        .filter(|address| !address.is_empty())
    {
        let addresses = json!([address]);
        set_default(spec, "clusterIPs", addresses);
    }
}

/// A free `clusterIP`: `taken` are those in use. None where the network is full.
pub(crate) fn free_cluster_ip(taken: &std::collections::HashSet<String>) -> Option<String> {
    let (first, last) = SERVICE_NETWORK;
    let size = last - first + 1;
    let start = rand::random_range(0..size);
    (0..size)
        .map(|step| Ipv4Addr::from_bits(first + (start + step) % size).to_string())
        .find(|address| !taken.contains(address))
}

fn secret(object: &mut Value) {
    let Some(plain) = object["stringData"].as_object().cloned() else {
        return;
    };
    if let Some(map) = object.as_object_mut() {
        map.remove("stringData");
    }
    if !object["data"].is_object() {
        object["data"] = json!({});
    }
    for (key, value) in plain {
        let encoded = BASE64_STANDARD.encode(value.as_str().unwrap_or_default());
        object["data"][key] = encoded.into();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_pull_policy_follows_the_tag() {
        for (image, policy) in [
            ("nginx", "Always"),
            ("nginx:latest", "Always"),
            ("host:5000/nginx", "Always"),
            ("nginx:1.27", "IfNotPresent"),
            ("nginx@sha256:abc", "IfNotPresent"),
        ] {
            let mut container = json!({ "image": image });
            image_pull_policy(&mut container);
            assert_eq!(container["imagePullPolicy"], policy, "{image}");
        }
    }

    #[test]
    fn the_quality_of_service_follows_requests_and_limits() {
        let class =
            |resources: Value| qos_class(&json!({ "containers": [{ "resources": resources }] }));
        let both = json!({ "cpu": "1", "memory": "1Gi" });
        assert_eq!(class(json!({})), "BestEffort");
        assert_eq!(class(json!({ "requests": { "cpu": "1" } })), "Burstable");
        assert_eq!(
            class(json!({ "requests": both, "limits": both })),
            "Guaranteed"
        );
    }
}
