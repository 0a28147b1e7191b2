//! ReplicaSets: so many pods like this.

use std::cmp::Reverse;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::conditions::{self, Condition};
use super::object::{
    find, ignore_absent, is_terminating, items, itself, key, name, namespace, number, owner_key,
    set_count, text, time,
};
use super::pods;
use super::queue::Key;
use super::runner::{Controller, Outcome, Source};
use crate::objects::{ApiError, Objects, Selector, resource};

const COMPONENT: &str = "replicaset-controller";

pub(super) fn controller() -> Controller {
    Controller {
        name: COMPONENT,
        sources: vec![
            Source {
                resource: resource::REPLICA_SETS,
                keys: itself,
            },
            Source {
                resource: resource::PODS,
                keys: of_pod,
            },
            Source {
                resource: resource::RESOURCE_QUOTAS,
                keys: refused_in_namespace,
            },
        ],
        reconcile: Box::new(reconcile),
    }
}

fn of_pod(objects: &Objects, pod: &Value) -> Vec<Key> {
    match owner_key(pod, "ReplicaSet") {
        Some(owner) => vec![owner],
        None => pods::possible_owners(objects, pod, resource::REPLICA_SETS),
    }
}

/// Those whose pods a quota refused: there may be room now.
fn refused_in_namespace(objects: &Objects, quota: &Value) -> Vec<Key> {
    let all = objects.list(
        resource::REPLICA_SETS,
        Some(namespace(quota)),
        &Selector::everything(),
    );
    let all = all.map(|list| list.items).unwrap_or_default();
    all.iter()
        .filter(|set| conditions::is_true(&set["status"], "ReplicaFailure"))
        .map(|set| key(set))
        .collect()
}

fn reconcile(objects: &Objects, key: &Key) -> Outcome {
    let Some(set) = find(objects, resource::REPLICA_SETS, key)? else {
        return Ok(None);
    };
    let selector = Selector::from_label_selector(&set["spec"]["selector"])?;
    let owned = || pods::claim(objects, resource::PODS, &set, &selector);
    let managed = if is_terminating(&set) {
        Ok(())
    } else {
        manage(objects, &set, &owned()?)
    };
    let again = write_status(objects, &set, &owned()?, managed.as_ref().err())?;
    managed.and(Ok(again))
}

/// Create what is missing, delete what is too much.
fn manage(objects: &Objects, set: &Value, owned: &[Arc<Value>]) -> Result<(), ApiError> {
    let mut active: Vec<&Arc<Value>> = owned.iter().filter(|pod| pods::is_active(pod)).collect();
    let wanted = usize::try_from(number(&set["spec"]["replicas"], 1)).unwrap_or(0);
    for _ in active.len()..wanted {
        let mut pod = pods::from_template(&set["spec"]["template"], set);
        pod["metadata"]["generateName"] = format!("{}-", name(set)).into();
        pods::create(objects, set, pod, COMPONENT)?;
    }
    active.sort_by_cached_key(|pod| worth(pod));
    for pod in active.iter().take(active.len().saturating_sub(wanted)) {
        pods::delete(objects, set, pod, COMPONENT)?;
    }
    Ok(())
}

/// How much is lost with a pod: least with one that is not scheduled, not running, not ready;
/// that is cheap by its own word, not ready for long, often restarted, or young. The order is
/// that of Kubernetes' `ActivePodsWithRanks`.
fn worth(pod: &Value) -> impl Ord + use<> {
    let scheduled = !text(&pod["spec"], "nodeName").is_empty();
    let phase = match text(&pod["status"], "phase") {
        "Pending" => 0,
        "Unknown" => 1,
        _ => 2,
    };
    let ready = conditions::find(&pod["status"], "Ready");
    let ready = ready.filter(|ready| ready["status"] == "True");
    let annotations = &pod["metadata"]["annotations"];
    let cost = text(annotations, "controller.kubernetes.io/pod-deletion-cost");
    let cost: i64 = cost.parse().unwrap_or(0);
    let ready_since = ready.and_then(|ready| time(&ready["lastTransitionTime"]));
    let restarts = items(&pod["status"]["containerStatuses"])
        .map(|status| number(&status["restartCount"], 0))
        .max();
    let created = time(&pod["metadata"]["creationTimestamp"]);
    (
        (scheduled, phase, ready.is_some(), cost),
        (Reverse(ready_since), Reverse(restarts), Reverse(created)),
    )
}

/// Write what there is, and say when a ready pod will count as available.
fn write_status(
    objects: &Objects,
    set: &Value,
    owned: &[Arc<Value>],
    failure: Option<&ApiError>,
) -> Outcome {
    let now = Timestamp::now();
    let seconds = number(&set["spec"]["minReadySeconds"], 0);
    let active: Vec<&Arc<Value>> = owned.iter().filter(|pod| pods::is_active(pod)).collect();
    let count = |holds: &dyn Fn(&Value) -> bool| {
        i64::try_from(active.iter().filter(|pod| holds(pod)).count()).unwrap_or(i64::MAX)
    };
    let available_in = |pod: &Value| pods::available_in(pod, seconds, now);
    let labels = Selector::from_map(&set["spec"]["template"]["metadata"]["labels"]);
    let replicas = count(&|_| true);
    let labeled = count(&|pod| labels.matches(pod));
    let ready = count(&pods::is_ready);
    let available = count(&|pod| available_in(pod).is_some_and(|wait| wait.is_zero()));
    let wanted = number(&set["spec"]["replicas"], 1);
    let (namespace, name) = key(set);
    ignore_absent(
        objects.modify_status(resource::REPLICA_SETS, &namespace, &name, |object| {
            if object["metadata"]["uid"] != set["metadata"]["uid"] {
                return;
            }
            let status = &mut object["status"];
            if !status.is_object() {
                *status = json!({});
            }
            status["replicas"] = replicas.into();
            set_count(status, "fullyLabeledReplicas", labeled);
            set_count(status, "readyReplicas", ready);
            set_count(status, "availableReplicas", available);
            status["observedGeneration"] = set["metadata"]["generation"].clone();
            match failure {
                Some(error) => set_failure(status, replicas < wanted, error),
                None => conditions::remove(status, "ReplicaFailure"),
            }
        }),
    )?;
    let waits = active.iter().filter_map(|pod| available_in(pod));
    let next = waits.filter(|wait| !wait.is_zero()).min();
    Ok(next.map(|wait| Duration::try_from(wait).unwrap_or_default()))
}

fn set_failure(status: &mut Value, create: bool, error: &ApiError) {
    let reason = if create {
        "FailedCreate"
    } else {
        "FailedDelete"
    };
    // The message names a pod by a name drawn anew each time, so the first one stays.
    let known = conditions::find(status, "ReplicaFailure");
    if known.is_none_or(|known| known["reason"] != reason) {
        let failure = Condition::new("ReplicaFailure", true, reason, error.to_string());
        conditions::set(status, &failure, None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unready_pods_go_before_ready_ones_and_young_before_old() {
        let pod = |name: &str, ready: &str, since: &str| {
            json!({
                "metadata": { "name": name, "creationTimestamp": since },
                "spec": { "nodeName": "local" },
                "status": { "phase": "Running", "conditions": [
                    { "type": "Ready", "status": ready, "lastTransitionTime": since },
                ] },
            })
        };
        let mut all = [
            pod("old", "True", "2030-01-01T00:00:00Z"),
            pod("young", "True", "2030-01-01T01:00:00Z"),
            pod("unready", "False", "2030-01-01T00:30:00Z"),
            json!({
                "metadata": { "name": "waiting", "creationTimestamp": "2029-01-01T00:00:00Z" },
                "status": { "phase": "Pending" },
            }),
        ];
        all.sort_by_cached_key(worth);
        let names: Vec<&str> = all.iter().map(name).collect();
        assert_eq!(names, ["waiting", "unready", "young", "old"]);
    }
}
