//! Names, namespaces, labels, images and replicas.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{Resource, known, list};
use crate::rendered::RenderError;

/// Kinds whose names are the cluster's and stay.
const UNNAMED: &[&str] = &["CustomResourceDefinition", "APIService", "Namespace"];
/// Kinds that belong to no namespace.
const CLUSTER: &[&str] = &[
    "CustomResourceDefinition",
    "APIService",
    "ClusterRole",
    "ClusterRoleBinding",
    "StorageClass",
    "PersistentVolume",
    "PriorityClass",
    "IngressClass",
    "Node",
];
/// Kinds that make pods from a template.
const WORKLOADS: &[&str] = &[
    "Deployment",
    "StatefulSet",
    "DaemonSet",
    "ReplicaSet",
    "ReplicationController",
    "Job",
];

pub(super) fn all(
    file: &str,
    map: &Map<String, Value>,
    resources: &mut [Resource],
) -> Result<(), RenderError> {
    let text = |key: &str| map.get(key).and_then(Value::as_str).unwrap_or_default();
    let namespace = text("namespace");
    if !namespace.is_empty() {
        for resource in resources.iter_mut() {
            if resource.kind() == "Namespace" {
                resource.rename(namespace.to_owned());
            } else if !CLUSTER.contains(&resource.kind()) {
                resource.object["metadata"]["namespace"] = json!(namespace);
            }
        }
    }
    let (prefix, suffix) = (text("namePrefix"), text("nameSuffix"));
    if !prefix.is_empty() || !suffix.is_empty() {
        for resource in resources
            .iter_mut()
            .filter(|resource| !UNNAMED.contains(&resource.kind()))
        {
            let name = format!("{prefix}{}{suffix}", resource.name());
            resource.rename(name);
        }
    }
    if let Some(labels) = map.get("commonLabels").and_then(Value::as_object) {
        for resource in resources.iter_mut() {
            label(resource, labels, true, true);
        }
    }
    for entry in list(map, "labels") {
        let pairs = entry["pairs"].as_object().cloned().unwrap_or_default();
        if entry["fields"]
            .as_array()
            .is_some_and(|fields| !fields.is_empty())
        {
            return Err(RenderError::new(
                file,
                "labels with fields: is not done here; use includeSelectors or includeTemplates",
            ));
        }
        let selectors = entry["includeSelectors"] == true;
        let templates = selectors || entry["includeTemplates"] == true;
        for resource in resources.iter_mut() {
            label(resource, &pairs, selectors, templates);
        }
    }
    if let Some(annotations) = map.get("commonAnnotations").and_then(Value::as_object) {
        for resource in resources.iter_mut() {
            extend(&mut resource.object["metadata"]["annotations"], annotations);
            if WORKLOADS.contains(&resource.kind()) {
                extend(
                    &mut resource.object["spec"]["template"]["metadata"]["annotations"],
                    annotations,
                );
            }
        }
    }
    for entry in list(map, "replicas") {
        let name = entry["name"].as_str().unwrap_or_default().to_owned();
        let mut found = false;
        for resource in resources.iter_mut() {
            if matches!(
                resource.kind(),
                "Deployment" | "StatefulSet" | "ReplicaSet" | "ReplicationController"
            ) && resource.is_called(&name)
            {
                resource.object["spec"]["replicas"] = entry["count"].clone();
                found = true;
            }
        }
        if !found {
            return Err(RenderError::new(
                file,
                format!(
                    "replicas: there is nothing called {name:?}; there are {}",
                    known(resources)
                ),
            ));
        }
    }
    for entry in list(map, "images") {
        for resource in resources.iter_mut() {
            images(&mut resource.object, &entry);
        }
    }
    Ok(())
}

fn extend(value: &mut Value, more: &Map<String, Value>) {
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    for (key, text) in more {
        value[key.as_str()] = match text {
            Value::String(_) => text.clone(),
            Value::Null => json!(""),
            other => json!(other.to_string()),
        };
    }
}

fn label(resource: &mut Resource, labels: &Map<String, Value>, selectors: bool, templates: bool) {
    let kind = resource.kind().to_owned();
    let object = &mut resource.object;
    extend(&mut object["metadata"]["labels"], labels);
    let is_workload = WORKLOADS.contains(&kind.as_str());
    if templates && is_workload {
        extend(
            &mut object["spec"]["template"]["metadata"]["labels"],
            labels,
        );
        if selectors {
            for template in object["spec"]["volumeClaimTemplates"]
                .as_array_mut()
                .into_iter()
                .flatten()
            {
                extend(&mut template["metadata"]["labels"], labels);
            }
        }
    }
    if selectors {
        match kind.as_str() {
            "Service" => extend(&mut object["spec"]["selector"], labels),
            "ReplicationController" if !object["spec"]["selector"].is_null() => {
                extend(&mut object["spec"]["selector"], labels);
            }
            "Deployment" | "StatefulSet" | "DaemonSet" | "ReplicaSet" => {
                extend(&mut object["spec"]["selector"]["matchLabels"], labels)
            }
            "Job" | "PodDisruptionBudget"
                if object["spec"]["selector"]["matchLabels"].is_object() =>
            {
                extend(&mut object["spec"]["selector"]["matchLabels"], labels);
            }
            _ => {}
        }
    }
}

fn images(value: &mut Value, entry: &Value) {
    match value {
        Value::Object(map) => {
            for (key, value) in map {
                if matches!(key.as_str(), "containers" | "initContainers") {
                    for container in value.as_array_mut().into_iter().flatten() {
                        if let Some(image) = container["image"].as_str()
                            && let Some(new) = substitute(image, entry)
                        {
                            container["image"] = json!(new);
                        }
                    }
                }
                images(value, entry);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| images(value, entry)),
        _ => {}
    }
}

fn substitute(image: &str, entry: &Value) -> Option<String> {
    let (rest, digest) = image
        .split_once('@')
        .map_or((image, None), |(rest, digest)| (rest, Some(digest)));
    let (name, tag) = rest
        .rsplit_once(':')
        .filter(|(_, tag)| !tag.contains('/'))
        .map_or((rest, None), |(name, tag)| (name, Some(tag)));
    if entry["name"].as_str()? != name {
        return None;
    }
    let text = |key: &str| match &entry[key] {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let name = text("newName").unwrap_or_else(|| name.to_owned());
    Some(match (text("newTag"), text("digest")) {
        (_, Some(digest)) => format!("{name}@{digest}"),
        (Some(tag), None) => format!("{name}:{tag}"),
        (None, None) => match (tag, digest) {
            (Some(tag), Some(digest)) => format!("{name}:{tag}@{digest}"),
            (Some(tag), None) => format!("{name}:{tag}{}", text("tagSuffix").unwrap_or_default()),
            (None, Some(digest)) => format!("{name}@{digest}"),
            (None, None) => name,
        },
    })
}

/// Names by kind that have become others.
type Renamed = BTreeMap<(&'static str, String), String>;

/// The kinds that others refer to.
const REFERRED: &[&str] = &[
    "ConfigMap",
    "Secret",
    "PersistentVolumeClaim",
    "ServiceAccount",
    "Service",
    "Deployment",
    "StatefulSet",
    "Role",
    "ClusterRole",
];

/// Puts the present names where other objects use earlier ones.
pub(super) fn references(resources: &mut [Resource]) {
    let mut renamed = Renamed::new();
    for kind in REFERRED {
        let of_kind: Vec<&Resource> = resources
            .iter()
            .filter(|resource| resource.kind() == *kind)
            .collect();
        for resource in &of_kind {
            for old in &resource.names {
                // A name that another one has now is not an earlier one.
                if !of_kind.iter().any(|other| other.name() == old) {
                    renamed.insert((kind, old.clone()), resource.name().to_owned());
                }
            }
        }
    }
    if renamed.is_empty() {
        return;
    }
    for resource in resources {
        walk(&mut resource.object, "", &renamed);
    }
}

fn walk(value: &mut Value, at: &str, renamed: &Renamed) {
    match value {
        Value::Object(map) => {
            let field = match at {
                "configMap" | "configMapKeyRef" | "configMapRef" => Some(("name", "ConfigMap")),
                "secretKeyRef" | "secretRef" | "imagePullSecrets" => Some(("name", "Secret")),
                "secret" if map.contains_key("secretName") => Some(("secretName", "Secret")),
                "secret" => Some(("name", "Secret")),
                "tls" => Some(("secretName", "Secret")),
                "persistentVolumeClaim" => Some(("claimName", "PersistentVolumeClaim")),
                "service" => Some(("name", "Service")),
                _ => None,
            };
            if let Some((key, kind)) = field {
                put(map.get_mut(key), kind, renamed);
            }
            if map.contains_key("containers") {
                put(map.get_mut("serviceAccountName"), "ServiceAccount", renamed);
                put(map.get_mut("serviceAccount"), "ServiceAccount", renamed);
            }
            if map.contains_key("template") {
                put(map.get_mut("serviceName"), "Service", renamed);
            }
            for key in ["scaleTargetRef", "roleRef"] {
                if let Some(reference) = map.get_mut(key) {
                    let kind = reference["kind"]
                        .as_str()
                        .and_then(|kind| REFERRED.iter().find(|known| **known == kind))
                        .copied();
                    if let Some(kind) = kind {
                        put(reference.get_mut("name"), kind, renamed);
                    }
                }
            }
            for subject in map
                .get_mut("subjects")
                .and_then(Value::as_array_mut)
                .into_iter()
                .flatten()
            {
                if subject["kind"] == "ServiceAccount" {
                    put(subject.get_mut("name"), "ServiceAccount", renamed);
                }
            }
            for (key, value) in map {
                walk(value, key, renamed);
            }
        }
        Value::Array(list) => list.iter_mut().for_each(|value| walk(value, at, renamed)),
        _ => {}
    }
}

fn put(value: Option<&mut Value>, kind: &'static str, renamed: &Renamed) {
    if let Some(value) = value
        && let Some(name) = value.as_str()
        && let Some(new) = renamed.get(&(kind, name.to_owned()))
    {
        *value = json!(new);
    }
}
