//! Scheduling: gives each pod to the node.
//!
//! There is one node, so this decides only whether a pod may run on it, by the node's labels and
//! by whether the node takes pods. What a pod requests is not counted: quotas bound it.

use serde_json::Value;

use super::conditions::{self, Condition};
use super::object::{find, ignore_absent, is_terminating, items, key, name, text, uid};
use super::pods;
use super::queue::Key;
use super::runner::{Controller, Outcome, Source};
use crate::objects::{Objects, Selector, resource};

const COMPONENT: &str = "default-scheduler";

pub(super) fn controller() -> Controller {
    Controller {
        name: COMPONENT,
        sources: vec![
            Source {
                resource: resource::PODS,
                keys: |_, pod| {
                    if is_waiting(pod) {
                        vec![key(pod)]
                    } else {
                        Vec::new()
                    }
                },
            },
            Source {
                resource: resource::NODES,
                keys: all_waiting,
            },
        ],
        reconcile: Box::new(reconcile),
    }
}

fn is_waiting(pod: &Value) -> bool {
    // A pod may ask for another scheduler, which is then awaited.
    let ours = matches!(text(&pod["spec"], "schedulerName"), "" | COMPONENT);
    ours && text(&pod["spec"], "nodeName").is_empty()
        && !is_terminating(pod)
        && !pods::is_finished(pod)
}

/// A node that changed may take pods that it did not take before.
fn all_waiting(objects: &Objects, _: &Value) -> Vec<Key> {
    let all = objects.list(resource::PODS, None, &Selector::everything());
    let all = all.map(|list| list.items).unwrap_or_default();
    all.iter()
        .filter(|pod| is_waiting(pod))
        .map(|pod| key(pod))
        .collect()
}

fn reconcile(objects: &Objects, key: &Key) -> Outcome {
    let Some(pod) = find(objects, resource::PODS, key)? else {
        return Ok(None);
    };
    if !is_waiting(&pod) {
        return Ok(None);
    }
    let nodes = objects
        .list(resource::NODES, None, &Selector::everything())?
        .items;
    let gated = items(&pod["spec"]["schedulingGates"]).next().is_some();
    let refusals: Vec<&str> = nodes
        .iter()
        .filter_map(|node| refusal(&pod, node))
        .collect();
    let chosen = nodes.iter().find(|node| refusal(&pod, node).is_none());
    let condition = match chosen {
        _ if gated => Condition::new(
            "PodScheduled",
            false,
            "SchedulingGated",
            "Scheduling is blocked due to non-empty scheduling gates",
        ),
        Some(_) => Condition::new("PodScheduled", true, "", ""),
        None => Condition::new(
            "PodScheduled",
            false,
            "Unschedulable",
            unschedulable(&refusals),
        ),
    };
    let (namespace, pod_name) = key;
    let same = |object: &Value| uid(object) == uid(&pod);
    let bound = chosen.filter(|_| !gated);
    if let Some(node) = bound {
        let node = name(node);
        ignore_absent(
            objects.modify(resource::PODS, namespace, pod_name, |object| {
                if same(object) && is_waiting(object) {
                    object["spec"]["nodeName"] = node.into();
                }
            }),
        )?;
    }
    ignore_absent(
        objects.modify_status(resource::PODS, namespace, pod_name, |object| {
            if same(object) {
                conditions::set(&mut object["status"], &condition, None);
            }
        }),
    )?;
    let already = conditions::find(&pod["status"], "PodScheduled");
    match bound {
        Some(node) => {
            let message = format!(
                "Successfully assigned {namespace}/{pod_name} to {}",
                name(node)
            );
            objects.record_event(&pod, "Normal", "Scheduled", &message, COMPONENT);
        }
        // Said once: it is looked at again whenever a node changes.
        None if already.is_none_or(|already| already["message"] != *condition.message) => {
            let (reason, message) = ("FailedScheduling", &condition.message);
            objects.record_event(&pod, "Warning", reason, message, COMPONENT);
        }
        None => {}
    }
    Ok(None)
}

fn unschedulable(refusals: &[&str]) -> String {
    if refusals.is_empty() {
        return "no nodes available to schedule pods".to_owned();
    }
    format!(
        "0/{} nodes are available: 1 {}.",
        refusals.len(),
        refusals.join(", 1 ")
    )
}

/// Why a node does not take a pod.
fn refusal(pod: &Value, node: &Value) -> Option<&'static str> {
    if !conditions::is_true(&node["status"], "Ready") {
        return Some("node(s) were not ready");
    }
    if node["spec"]["unschedulable"] == true {
        return Some("node(s) were unschedulable");
    }
    let wanted = Selector::from_map(&pod["spec"]["nodeSelector"]);
    if !wanted.matches(node) || !affine(pod, node) {
        return Some("node(s) didn't match Pod's node affinity/selector");
    }
    None
}

/// Whether one of the terms of a required node affinity holds.
fn affine(pod: &Value, node: &Value) -> bool {
    let required =
        &pod["spec"]["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"];
    if required.is_null() {
        return true;
    }
    items(&required["nodeSelectorTerms"]).any(|term| {
        let by_name = items(&term["matchFields"]).all(|field| {
            let named = items(&field["values"]).any(|value| *value == node["metadata"]["name"]);
            field["key"] == "metadata.name" && named == (field["operator"] == "In")
        });
        by_name && Selector::from_label_selector(term).is_ok_and(|labels| labels.matches(node))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node() -> Value {
        json!({
            "metadata": { "name": "local", "labels": { "kubernetes.io/os": "linux", "disk": "ssd" } },
            "status": { "conditions": [{ "type": "Ready", "status": "True" }] },
        })
    }

    fn takes(spec: Value) -> bool {
        refusal(&json!({ "spec": spec }), &node()).is_none()
    }

    #[test]
    fn a_pod_names_the_labels_that_its_node_must_have() {
        let affinity = |terms: Value| {
            json!({ "affinity": { "nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": terms },
        } } })
        };
        assert!(takes(json!({})));
        assert!(takes(
            json!({ "nodeSelector": { "kubernetes.io/os": "linux" } })
        ));
        assert!(!takes(
            json!({ "nodeSelector": { "kubernetes.io/os": "windows" } })
        ));
        let ssd =
            json!({ "matchExpressions": [{ "key": "disk", "operator": "In", "values": ["ssd"] }] });
        let gpu = json!({ "matchExpressions": [{ "key": "gpu", "operator": "Exists" }] });
        assert!(takes(affinity(json!([gpu, ssd]))));
        assert!(!takes(affinity(json!([gpu]))));
    }
}
