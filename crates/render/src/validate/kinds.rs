//! Which kinds a preview may have, and what each of them may say.

use k8s_openapi::api::apps::v1::{Deployment, StatefulSet};
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{
    ConfigMap, PersistentVolumeClaim, Secret, Service, ServiceAccount,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::{Gate, is_empty, own_notes, pods};

/// What becomes of an object.
pub(super) enum Place {
    /// Deployed, if its fields are in order.
    Kept,
    /// Says where the URL leads.
    Ingress,
    /// Not deployed, which loses nothing that a preview needs.
    LeftOut(&'static str),
    /// Not deployed, and nothing else either.
    Refused(String),
}

pub(super) fn place(object: &Value) -> Place {
    let kind = object["kind"].as_str().unwrap_or_default();
    let version = object["apiVersion"].as_str().unwrap_or_default();
    if kind.is_empty() || version.is_empty() {
        return Place::Refused(
            "has no kind or no apiVersion, so it is no Kubernetes object".to_owned(),
        );
    }
    let group = version.rsplit_once('/').map_or("", |(group, _)| group);
    let hook = object["metadata"]["annotations"]["helm.sh/hook"]
        .as_str()
        .unwrap_or_default();
    if hook.split(',').any(|hook| hook.trim().starts_with("test")) {
        return Place::LeftOut("it is a test of the chart");
    }
    if hook.split(',').any(|hook| {
        matches!(
            hook.trim(),
            "pre-delete" | "post-delete" | "pre-rollback" | "post-rollback"
        )
    }) {
        return Place::LeftOut("it is a hook for an event that a preview does not have");
    }
    match (version, kind) {
        ("apps/v1", "Deployment" | "StatefulSet") | ("batch/v1", "Job") | ("v1", "Service" | "ConfigMap" | "Secret" | "PersistentVolumeClaim" | "ServiceAccount") => Place::Kept,
        ("networking.k8s.io/v1", "Ingress") => Place::Ingress,
        ("v1", "Namespace") => Place::LeftOut("a preview has a namespace of its own"),
        ("v1", "ResourceQuota" | "LimitRange") => Place::LeftOut("the project's own quota holds"),
        ("v1", "Pod") => Place::Refused("is a Pod by itself, which could not be updated; write a Deployment".to_owned()),
        ("v1", "ReplicationController") | ("apps/v1", "ReplicaSet") => Place::Refused("is kept by no Deployment; write a Deployment".to_owned()),
        ("apps/v1", "DaemonSet") => Place::Refused("would run on every node of the cluster; write a Deployment".to_owned()),
        ("batch/v1", "CronJob") => Place::LeftOut("nothing runs by the clock in a preview"),
        _ => match group {
            "networking.k8s.io" if kind == "NetworkPolicy" => Place::LeftOut("what a preview may reach is set for all of it"),
            "rbac.authorization.k8s.io" if matches!(kind, "Role" | "RoleBinding") => Place::LeftOut("the pods of a preview have no token, so it would allow nothing"),
            "autoscaling" => Place::LeftOut("a preview is not scaled by itself"),
            "policy" if kind == "PodDisruptionBudget" => Place::LeftOut("a preview may be interrupted"),
            "monitoring.coreos.com" => Place::LeftOut("a preview is not scraped"),
            "cert-manager.io" => Place::LeftOut("the preview's host has a certificate already"),
            "gateway.networking.k8s.io" | "traefik.io" | "traefik.containo.us" | "route.openshift.io" | "getambassador.io" => Place::LeftOut("the preview's host leads to a Service by its own rules; use an Ingress, or the annotation catalyst.dev/url on the Service"),
            "extensions" | "apps" | "batch" | "networking.k8s.io" if matches!(kind, "Deployment" | "StatefulSet" | "Job" | "Ingress" | "CronJob") => {
                Place::Refused(format!("is written for {version}, which Kubernetes has no more; use {}", match kind { "Ingress" => "networking.k8s.io/v1", "Job" | "CronJob" => "batch/v1", _ => "apps/v1" }))
            }
            _ if is_cluster_kind(kind) => Place::Refused("is of the whole cluster, not of one preview; install it once by an administrator and leave it out here".to_owned()),
            _ => Place::Refused(format!("({version}) is not of a kind that a preview can have: Deployment, StatefulSet, Job, Service, ConfigMap, Secret, PersistentVolumeClaim, ServiceAccount and Ingress are")),
        },
    }
}

fn is_cluster_kind(kind: &str) -> bool {
    kind.starts_with("Cluster")
        || kind.ends_with("WebhookConfiguration")
        || matches!(
            kind,
            "CustomResourceDefinition"
                | "PersistentVolume"
                | "StorageClass"
                | "PriorityClass"
                | "RuntimeClass"
                | "IngressClass"
                | "APIService"
                | "Node"
                | "CSIDriver"
                | "CSINode"
                | "VolumeAttachment"
                | "PodSecurityPolicy"
                | "ValidatingAdmissionPolicy"
                | "ValidatingAdmissionPolicyBinding"
                | "MutatingAdmissionPolicy"
                | "FlowSchema"
                | "PriorityLevelConfiguration"
                | "CertificateSigningRequest"
                | "GatewayClass"
        )
}

/// Checks the fields of a kind that is kept, and puts right what can be.
pub(super) fn check(gate: &mut Gate, object: &str, value: &mut Value) {
    octal_modes(value);
    let kind = value["kind"].as_str().unwrap_or_default().to_owned();
    match kind.as_str() {
        "Deployment" | "StatefulSet" | "Job" => workload(gate, object, value, &kind),
        "Service" => service(gate, object, value),
        "Secret" => secret(gate, object, value),
        "PersistentVolumeClaim" => claim(gate, object, &mut value["spec"]),
        "ServiceAccount" => account(gate, object, value),
        _ => {}
    }
    match unknown_fields(value) {
        Ok(fields) => {
            for field in fields {
                gate.warn(object, format!("{field} is no field of a {kind} and has no effect; check its spelling and place"));
            }
        }
        Err(why) => gate.refuse(object, format!("is not a valid {kind}: {why}")),
    }
}

/// The fields of an object that its kind does not have.
///
/// # Errors
/// If a field has a value of the wrong type.
pub fn unknown_fields(value: &Value) -> Result<Vec<String>, String> {
    fn compare<K: DeserializeOwned + Serialize>(value: &Value) -> Result<Vec<String>, String> {
        let typed: K = serde_json::from_value(value.clone()).map_err(|error| error.to_string())?;
        let known = serde_json::to_value(typed).map_err(|error| error.to_string())?;
        let mut missing = Vec::new();
        differences("", value, &known, &mut missing);
        Ok(missing)
    }
    match value["kind"].as_str() {
        Some("Deployment") => compare::<Deployment>(value),
        Some("StatefulSet") => compare::<StatefulSet>(value),
        Some("Job") => compare::<Job>(value),
        Some("Service") => compare::<Service>(value),
        Some("ConfigMap") => compare::<ConfigMap>(value),
        Some("Secret") => compare::<Secret>(value),
        Some("PersistentVolumeClaim") => compare::<PersistentVolumeClaim>(value),
        Some("ServiceAccount") => compare::<ServiceAccount>(value),
        _ => Ok(Vec::new()),
    }
}

fn differences(at: &str, value: &Value, known: &Value, missing: &mut Vec<String>) {
    match (value, known) {
        (Value::Object(map), Value::Object(known)) => {
            for (key, value) in map {
                let path = if at.is_empty() {
                    key.clone()
                } else {
                    format!("{at}.{key}")
                };
                match known.get(key) {
                    Some(known) => differences(&path, value, known, missing),
                    None if is_empty(value) => {}
                    None => missing.push(path),
                }
            }
        }
        (Value::Array(list), Value::Array(known)) => {
            for (at_index, (value, known)) in list.iter().zip(known).enumerate() {
                differences(&format!("{at}[{at_index}]"), value, known, missing);
            }
        }
        _ => {}
    }
}

/// `0644` is a number to the YAML that Kubernetes reads, and a text to ours.
fn octal_modes(value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if matches!(key.as_str(), "defaultMode" | "mode")
                    && let Some(text) = value.as_str()
                    && let Some(mode) = text.strip_prefix('0').and_then(|digits| {
                        u32::from_str_radix(digits.trim_start_matches('o'), 8).ok()
                    })
                {
                    *value = json!(mode);
                }
                octal_modes(value);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(octal_modes),
        _ => {}
    }
}

fn workload(gate: &mut Gate, object: &str, value: &mut Value, kind: &str) {
    if kind == "Job" {
        for key in ["manualSelector", "selector", "managedBy"] {
            if !value["spec"][key].is_null() {
                gate.refuse(
                    object,
                    format!("sets spec.{key}; leave it out, Kubernetes sets it itself"),
                );
            }
        }
    }
    if let Some(templates) = value["spec"]["volumeClaimTemplates"].as_array_mut() {
        for template in templates {
            claim(gate, object, &mut template["spec"]);
            if let Some(metadata) = template["metadata"].as_object_mut() {
                own_notes(gate, object, metadata);
                metadata.remove("namespace");
            }
        }
    }
    let template = &mut value["spec"]["template"];
    if template.is_null() {
        gate.refuse(object, "has no spec.template");
        return;
    }
    if let Some(metadata) = template["metadata"].as_object_mut() {
        own_notes(gate, object, metadata);
        metadata.remove("namespace");
        metadata.remove("name");
        metadata.remove("creationTimestamp");
        if metadata
            .get("finalizers")
            .is_some_and(|value| !is_empty(value))
        {
            gate.refuse(
                object,
                "sets finalizers on its pods, which would outlive the preview",
            );
        }
    }
    let Some(spec) = template["spec"].as_object_mut() else {
        gate.refuse(object, "has no spec.template.spec");
        return;
    };
    pods::check(gate, object, spec);
}

fn service(gate: &mut Gate, object: &str, value: &mut Value) {
    let Some(spec) = value["spec"].as_object_mut() else {
        return;
    };
    if spec
        .get("externalIPs")
        .is_some_and(|value| !is_empty(value))
    {
        gate.refuse(object, "asks for externalIPs, addresses that belong to the cluster or to others; leave them out");
    }
    match spec.get("type").and_then(Value::as_str).map(ToOwned::to_owned).as_deref() {
        Some("ExternalName") => gate.refuse(object, "is an ExternalName, a name for something outside the preview; reach it by its own name"),
        Some(kind @ ("NodePort" | "LoadBalancer")) => {
            gate.warn(object, format!("is of type {kind}; in a preview it is a ClusterIP, reached by the preview's URL"));
            spec.insert("type".to_owned(), json!("ClusterIP"));
        }
        _ => {}
    }
    if spec
        .get("externalName")
        .is_some_and(|value| !is_empty(value))
    {
        gate.refuse(
            object,
            "has an externalName; a Service of a preview leads to its own pods",
        );
    }
    for key in [
        "externalName",
        "externalTrafficPolicy",
        "loadBalancerIP",
        "loadBalancerSourceRanges",
        "loadBalancerClass",
        "healthCheckNodePort",
        "allocateLoadBalancerNodePorts",
    ] {
        spec.remove(key);
    }
    for key in ["clusterIP", "clusterIPs"] {
        let headless = spec
            .get(key)
            .is_some_and(|value| value == "None" || value == &json!(["None"]));
        if !headless {
            spec.remove(key);
        }
    }
    for port in spec
        .get_mut("ports")
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
    {
        if let Some(port) = port.as_object_mut() {
            port.remove("nodePort");
        }
    }
    if spec.get("selector").is_none_or(is_empty) {
        gate.refuse(object, "selects no pods; a Service of a preview leads to the preview's own pods (spec.selector)");
    }
}

fn secret(gate: &mut Gate, object: &str, value: &Value) {
    if let Some(kind @ ("kubernetes.io/service-account-token" | "bootstrap.kubernetes.io/token")) =
        value["type"].as_str()
    {
        gate.refuse(
            object,
            format!("is of type {kind}, which gives access to the cluster; previews have none"),
        );
    }
}

fn claim(gate: &mut Gate, object: &str, spec: &mut Value) {
    let Some(spec) = spec.as_object_mut() else {
        return;
    };
    for key in ["volumeName", "selector", "dataSource", "dataSourceRef"] {
        if spec.get(key).is_some_and(|value| !is_empty(value)) {
            gate.refuse(object, format!("names an existing volume or source of data ({key}); a preview gets new volumes only"));
        }
    }
    if spec.get("volumeMode").is_some_and(|mode| mode == "Block") {
        gate.refuse(
            object,
            "asks for a raw block device; use a file system (volumeMode: Filesystem)",
        );
    }
    for key in ["storageClassName", "volumeAttributesClassName"] {
        if spec.remove(key).is_some_and(|value| !is_empty(&value)) {
            gate.warn(
                object,
                format!("{key} is left out; the cluster's default storage is used"),
            );
        }
    }
}

fn account(gate: &mut Gate, object: &str, value: &mut Value) {
    if value["automountServiceAccountToken"] == true {
        gate.warn(
            object,
            "its token is not mounted: the pods of a preview have none",
        );
    }
    value["automountServiceAccountToken"] = json!(false);
    if let Some(map) = value.as_object_mut()
        && map.remove("secrets").is_some_and(|value| !is_empty(&value))
    {
        gate.warn(object, "its secrets are left out");
    }
    let roles: Vec<String> = value["metadata"]["annotations"]
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, _)| key.clone())
        .filter(|key| {
            key.contains("amazonaws.com")
                || key.contains("iam.gke.io")
                || key.contains("azure.workload")
        })
        .collect();
    for role in roles {
        gate.refuse(
            object,
            format!("asks for an identity of the cloud ({role}); previews have none"),
        );
    }
}
