//! What every object of a preview carries, put onto objects that were admitted.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::compose::{AFTER, CODE, ONCE};
use crate::rendered::digest;

/// What objects are dressed in.
#[derive(Debug, Clone, Default)]
pub struct Dress {
    /// The namespace; none: it is left out.
    pub namespace: Option<String>,
    /// Labels of every object and every pod.
    pub labels: BTreeMap<String, String>,
    /// Annotations of every object and every pod.
    pub annotations: BTreeMap<String, String>,
    /// Labels and variables of pods that change with the commit: those that run the checkout or an
    /// image that was built from it. Others stay as they are when a commit is pushed.
    pub commit_labels: BTreeMap<String, String>,
    /// Variables of those pods.
    pub commit_env: BTreeMap<String, String>,
    /// Variables of every container, unless it has its own of that name.
    pub env: BTreeMap<String, String>,
    /// Images that were built from the commit.
    pub built: Vec<String>,
    /// What brings the checkout into a pod that mounts it.
    pub checkout: Option<Checkout>,
    /// Whether pods get a user namespace of their own.
    pub user_namespaces: bool,
    /// The annotation that says which version of its template a pod was made from.
    pub version_annotation: String,
}

/// The container that fills the volume `code`, and the volumes that it needs besides.
#[derive(Debug, Clone, PartialEq)]
pub struct Checkout {
    /// The container.
    pub container: Value,
    /// Its other volumes.
    pub volumes: Vec<Value>,
    /// The pod's service account, where it is not the namespace's default.
    pub account: Option<String>,
    /// Labels of the pod, which let the container reach what it needs.
    pub labels: BTreeMap<String, String>,
}

/// Dresses the objects, in their order.
#[must_use]
pub fn dress(objects: Vec<Value>, dress: &Dress) -> Vec<Value> {
    objects
        .into_iter()
        .map(|object| one(object, dress))
        .collect()
}

fn one(mut object: Value, dress: &Dress) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let is_workload = matches!(kind.as_str(), "Deployment" | "StatefulSet" | "Job");
    if is_workload {
        workload(&mut object, dress, &kind);
    }
    if kind == "Service"
        && let Some(selector) = object["spec"]["selector"].as_object_mut()
    {
        overwrite(selector, &dress.labels);
    }
    let metadata = &mut object["metadata"];
    if let Some(namespace) = &dress.namespace {
        metadata["namespace"] = json!(namespace);
    }
    extend(&mut metadata["labels"], &dress.labels);
    extend(&mut metadata["annotations"], &dress.annotations);
    object
}

fn extend(value: &mut Value, more: &BTreeMap<String, String>) {
    if more.is_empty() {
        return;
    }
    if !value.is_object() {
        *value = Value::Object(Map::new());
    }
    for (key, text) in more {
        value[key.as_str()] = json!(text);
    }
}

/// Labels that a selector already asks for get the value that the pods will have.
fn overwrite(selector: &mut Map<String, Value>, labels: &BTreeMap<String, String>) {
    for (key, value) in selector {
        if let Some(own) = labels.get(key) {
            *value = json!(own);
        }
    }
}

fn workload(object: &mut Value, dress: &Dress, kind: &str) {
    if let Some(labels) = object["spec"]["selector"]["matchLabels"].as_object_mut() {
        overwrite(labels, &dress.labels);
    }
    if kind == "Deployment" && object["spec"]["revisionHistoryLimit"].is_null() {
        object["spec"]["revisionHistoryLimit"] = json!(2);
    }
    let template = &mut object["spec"]["template"];
    let pod = &mut template["spec"];
    pod["automountServiceAccountToken"] = json!(false);
    if pod["enableServiceLinks"].is_null() {
        pod["enableServiceLinks"] = json!(false);
    }
    if dress.user_namespaces && pod["hostUsers"].is_null() {
        pod["hostUsers"] = json!(false);
    }
    if pod["securityContext"]["seccompProfile"].is_null() {
        if !pod["securityContext"].is_object() {
            pod["securityContext"] = json!({});
        }
        pod["securityContext"]["seccompProfile"] = json!({ "type": "RuntimeDefault" });
    }
    let mounts_code = pod["volumes"].as_array().is_some_and(|all| {
        all.iter()
            .any(|volume| volume["name"] == CODE && volume["emptyDir"].is_object())
    });
    let checked_out = dress.checkout.as_ref().filter(|_| mounts_code);
    let is_built = ["initContainers", "containers"]
        .iter()
        .filter_map(|list| pod[*list].as_array())
        .flatten()
        .any(|container| {
            container["image"]
                .as_str()
                .is_some_and(|image| dress.built.iter().any(|built| built == image))
        });
    let of_commit = checked_out.is_some() || is_built;
    for list in ["initContainers", "containers"] {
        for container in pod[list].as_array_mut().into_iter().flatten() {
            if container["securityContext"]["allowPrivilegeEscalation"].is_null() {
                if !container["securityContext"].is_object() {
                    container["securityContext"] = json!({});
                }
                container["securityContext"]["allowPrivilegeEscalation"] = json!(false);
            }
            if container["terminationMessagePolicy"].is_null() {
                container["terminationMessagePolicy"] = json!("FallbackToLogsOnError");
            }
            variables(container, &dress.env);
            if of_commit {
                variables(container, &dress.commit_env);
            }
        }
    }
    if let Some(checkout) = checked_out {
        let init = &mut pod["initContainers"];
        match init.as_array_mut() {
            Some(list) => list.insert(0, checkout.container.clone()),
            None => *init = json!([checkout.container]),
        }
        if let Some(volumes) = pod["volumes"].as_array_mut() {
            volumes.extend(checkout.volumes.iter().cloned());
        }
        if let Some(account) = &checkout.account {
            pod["serviceAccountName"] = json!(account);
        }
        extend(&mut template["metadata"]["labels"], &checkout.labels);
    }
    extend(&mut template["metadata"]["labels"], &dress.labels);
    extend(&mut template["metadata"]["annotations"], &dress.annotations);
    if of_commit {
        extend(&mut template["metadata"]["labels"], &dress.commit_labels);
    }
    let version = digest(template);
    if !dress.version_annotation.is_empty() {
        extend(
            &mut template["metadata"]["annotations"],
            &[(dress.version_annotation.clone(), version.clone())].into(),
        );
    }
    if kind == "Job" {
        // A Job cannot be changed: another one takes its place.
        let name = object["metadata"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned();
        let base: String = name.chars().take(50).collect();
        extend(
            &mut object["metadata"]["annotations"],
            &[(ONCE.to_owned(), name)].into(),
        );
        object["metadata"]["name"] =
            json!(format!("{}-{version}", base.trim_end_matches(['-', '.'])));
    }
}

fn variables(container: &mut Value, more: &BTreeMap<String, String>) {
    if more.is_empty() {
        return;
    }
    let own = container["env"].as_array().cloned().unwrap_or_default();
    let mut all: Vec<Value> = more
        .iter()
        .filter(|(name, _)| !own.iter().any(|known| known["name"] == name.as_str()))
        .map(|(name, value)| json!({ "name": name, "value": value }))
        .collect();
    all.extend(own);
    container["env"] = Value::Array(all);
}

/// What a workload waits for, as its annotation says: the name, and whether it has to be complete
/// rather than ready.
#[must_use]
pub fn waits_for(object: &Value) -> Vec<(String, bool)> {
    object["metadata"]["annotations"][AFTER]
        .as_str()
        .unwrap_or_default()
        .split(',')
        .filter_map(|one| one.split_once('='))
        .map(|(name, how)| (name.to_owned(), how == "complete"))
        .collect()
}
