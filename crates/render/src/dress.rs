//! What every object of a preview carries, put onto objects that were admitted.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Map, Value, json};

use crate::Images;
use crate::compose::{AFTER, CODE, ONCE};
use crate::rendered::{digest, without_nulls};

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
    /// The Secret whose values every container gets as variables, if it is there.
    pub secrets: Option<String>,
    /// Images that were built from the commit.
    pub built: Vec<String>,
    /// What stands in for images that are named.
    pub images: Images,
    /// What brings the checkout into a pod that mounts it.
    pub checkout: Option<Checkout>,
    /// Seconds that a container with ports goes on answering when its pod is to go, while the way
    /// to it is taken down; only where another pod takes over, and the container says nothing itself.
    pub drain: u32,
    /// Whether pods get a user namespace of their own.
    pub user_namespaces: bool,
    /// The annotation that says which version of its template a pod was made from.
    pub version_annotation: String,
    /// The annotation that says which contents of ConfigMaps and Secrets a pod was made with: a
    /// commit that changes them alone changes the pod too.
    pub content_annotation: String,
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
    let contents = contents(&objects);
    objects
        .into_iter()
        .map(|object| one(object, dress, &contents))
        .collect()
}

/// Digests of what ConfigMaps and Secrets hold, by kind and name.
type Contents = BTreeMap<(&'static str, String), String>;

fn contents(objects: &[Value]) -> Contents {
    objects
        .iter()
        .filter_map(|object| {
            let kind = match object["kind"].as_str()? {
                "ConfigMap" => "ConfigMap",
                "Secret" => "Secret",
                _ => return None,
            };
            let name = object["metadata"]["name"].as_str()?.to_owned();
            let held = [
                &object["data"],
                &object["binaryData"],
                &object["stringData"],
            ];
            Some(((kind, name), digest(&held)))
        })
        .collect()
}

/// The digest of all that a pod mounts or reads of these; none: nothing.
fn content_of(pod: &Value, contents: &Contents) -> Option<String> {
    fn names(value: &Value, found: &mut BTreeSet<(&'static str, String)>) {
        match value {
            Value::Object(map) => {
                for (key, value) in map {
                    let named = match key.as_str() {
                        "configMap" | "configMapRef" | "configMapKeyRef" => {
                            Some(("ConfigMap", &value["name"]))
                        }
                        "secret" if value["secretName"].is_string() => {
                            Some(("Secret", &value["secretName"]))
                        }
                        "secret" | "secretRef" | "secretKeyRef" => Some(("Secret", &value["name"])),
                        _ => None,
                    };
                    if let Some((kind, name)) = named
                        && let Some(name) = name.as_str()
                    {
                        found.insert((kind, name.to_owned()));
                    }
                    names(value, found);
                }
            }
            Value::Array(list) => list.iter().for_each(|value| names(value, found)),
            _ => {}
        }
    }
    let mut found = BTreeSet::new();
    names(pod, &mut found);
    let held: Vec<_> = found.iter().filter_map(|one| contents.get(one)).collect();
    (!held.is_empty()).then(|| digest(&held))
}

fn one(mut object: Value, dress: &Dress, contents: &Contents) -> Value {
    let kind = object["kind"].as_str().unwrap_or_default().to_owned();
    let is_workload = matches!(kind.as_str(), "Deployment" | "StatefulSet" | "Job");
    if is_workload {
        workload(&mut object, dress, &kind, contents);
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
    without_nulls(&mut object);
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

fn workload(object: &mut Value, dress: &Dress, kind: &str, contents: &Contents) {
    // A Job has no selector, and must not get an empty one.
    if let Some(Value::Object(labels)) = object.pointer_mut("/spec/selector/matchLabels") {
        overwrite(labels, &dress.labels);
    }
    if kind == "Deployment" && object["spec"]["revisionHistoryLimit"].is_null() {
        object["spec"]["revisionHistoryLimit"] = json!(2);
    }
    if kind == "Job"
        && let Some(spec) = object["spec"].as_object_mut()
    {
        // One that cleans itself up would be made anew, and run again.
        spec.remove("ttlSecondsAfterFinished");
    }
    let is_taken_over =
        kind == "Deployment" && object.pointer("/spec/strategy/type") != Some(&json!("Recreate"));
    let template = &mut object["spec"]["template"];
    let content = content_of(&template["spec"], contents);
    if dress.drain > 0 && is_taken_over {
        drain(&mut template["spec"], dress.drain);
    }
    let pod = &mut template["spec"];
    pod["automountServiceAccountToken"] = json!(false);
    if pod["serviceAccountName"].is_null() && dress.namespace.is_some() {
        // Left out, the account of the commit before would stay: Kubernetes keeps it under the old
        // name of this field, which nobody applied.
        let old = pod["serviceAccount"].as_str().unwrap_or("default");
        pod["serviceAccountName"] = json!(old);
    }
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
            if let Some(image) = container["image"].as_str() {
                container["image"] = json!(dress.images.stand_in(image));
            }
            variables(container, &dress.env);
            if of_commit {
                variables(container, &dress.commit_env);
            }
            if let Some(secret) = &dress.secrets {
                all_of(container, secret);
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
    if !dress.content_annotation.is_empty() {
        let content = content.map(|content| (dress.content_annotation.clone(), content));
        extend(
            &mut template["metadata"]["annotations"],
            &content.into_iter().collect(),
        );
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

fn drain(pod: &mut Value, seconds: u32) {
    let patience = pod["terminationGracePeriodSeconds"].as_u64();
    if patience.is_some_and(|patience| patience <= u64::from(seconds)) {
        return;
    }
    for container in pod["containers"].as_array_mut().into_iter().flatten() {
        let listens = container["ports"]
            .as_array()
            .is_some_and(|ports| !ports.is_empty());
        if listens && container.pointer("/lifecycle/preStop").is_none() {
            container["lifecycle"]["preStop"] = json!({ "sleep": { "seconds": seconds } });
        }
    }
}

/// All values of a Secret as variables, which count less than the container's own.
fn all_of(container: &mut Value, secret: &str) {
    let reference = json!({ "secretRef": { "name": secret, "optional": true } });
    match container["envFrom"].as_array_mut() {
        Some(list) => {
            if !list.iter().any(|one| one["secretRef"]["name"] == secret) {
                list.insert(0, reference);
            }
        }
        None => container["envFrom"] = json!([reference]),
    }
}

/// What a workload waits for, as its annotation says: the name (with the kind before it, as in
/// `Job/migrate`, where that matters), and whether it has to be complete
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

#[cfg(test)]
mod tests {
    use super::*;

    fn deployment(pod: Value) -> Value {
        json!({ "kind": "Deployment", "metadata": { "name": "web" }, "spec": { "template": { "spec": pod } } })
    }

    #[test]
    fn a_pod_changes_with_what_its_config_map_holds_and_with_no_other() {
        let dressed = |own: &str, other: &str| {
            let map = |name: &str, text: &str| json!({ "kind": "ConfigMap", "metadata": { "name": name }, "data": { "x": text } });
            let pod = json!({ "containers": [{ "name": "c", "image": "i", "envFrom": [{ "configMapRef": { "name": "own" } }] }] });
            let dress = Dress {
                version_annotation: "version".to_owned(),
                content_annotation: "content".to_owned(),
                ..Dress::default()
            };
            let all = super::dress(
                vec![map("own", own), map("other", other), deployment(pod)],
                &dress,
            );
            all[2]["spec"]["template"]["metadata"]["annotations"]["version"].clone()
        };
        assert_eq!(dressed("1", "1"), dressed("1", "2"));
        assert_ne!(dressed("1", "1"), dressed("2", "1"));
    }

    #[test]
    fn a_job_gets_no_selector_and_stays_when_it_is_done() {
        let job = json!({ "kind": "Job", "metadata": { "name": "migrate" },
            "spec": { "ttlSecondsAfterFinished": 1, "template": { "spec": { "containers": [] } } } });
        let job = &super::dress(vec![job], &Dress::default())[0];
        assert_eq!(job["spec"].as_object().map(Map::len), Some(1), "{job}");
    }

    #[test]
    fn a_pod_that_another_takes_over_from_answers_until_nobody_is_sent_to_it() {
        let drained = |change: fn(&mut Value)| {
            let mut object = deployment(json!({ "containers": [
                { "name": "web", "image": "i", "ports": [{ "containerPort": 80 }] },
                { "name": "worker", "image": "i" }
            ] }));
            change(&mut object);
            let dress = Dress {
                drain: 2,
                ..Dress::default()
            };
            let pod = super::dress(vec![object], &dress)[0]["spec"]["template"]["spec"].clone();
            assert!(pod["containers"][1]["lifecycle"].is_null());
            pod["containers"][0]["lifecycle"]["preStop"].clone()
        };
        assert_eq!(drained(|_| {}), json!({ "sleep": { "seconds": 2 } }));
        assert!(drained(|it| it["kind"] = json!("StatefulSet")).is_null());
        assert!(drained(|it| it["spec"]["strategy"]["type"] = json!("Recreate")).is_null());
        assert!(
            drained(|it| {
                it["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
            })
            .is_null()
        );
        let own = json!({ "exec": { "command": ["x"] } });
        assert_eq!(
            drained(|it| {
                it["spec"]["template"]["spec"]["containers"][0]["lifecycle"] =
                    json!({ "preStop": { "exec": { "command": ["x"] } } });
            }),
            own
        );
    }

    #[test]
    fn secrets_reach_every_container_but_the_one_that_brings_the_checkout() {
        let pod = json!({
            "initContainers": [{ "name": "migrate", "image": "i" }],
            "containers": [{ "name": "c", "image": "i", "envFrom": [{ "secretRef": { "name": "secrets" } }] }],
            "volumes": [{ "name": CODE, "emptyDir": {} }]
        });
        let dress = Dress {
            secrets: Some("secrets".to_owned()),
            checkout: Some(Checkout {
                container: json!({ "name": "git-clone" }),
                volumes: Vec::new(),
                account: None,
                labels: BTreeMap::new(),
            }),
            ..Dress::default()
        };
        let pod = &super::dress(vec![deployment(pod)], &dress)[0]["spec"]["template"]["spec"];
        let of = |container: &Value| container["envFrom"].as_array().map_or(0, Vec::len);
        assert_eq!(pod["initContainers"][0]["name"], "git-clone");
        assert_eq!(of(&pod["initContainers"][0]), 0);
        assert_eq!(of(&pod["initContainers"][1]), 1);
        assert_eq!(of(&pod["containers"][0]), 1);
    }
}
