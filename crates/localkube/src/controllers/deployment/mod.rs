//! Deployments: ReplicaSets of the present and of earlier templates, and the way from one to
//! the next.

mod replica_sets;
mod rollout;
mod status;

use std::sync::Arc;

use serde_json::Value;

use self::replica_sets::{ReplicaSets, copy_revision};
use super::object::{find, is_terminating, itself, key, owner_key};
use super::pods;
use super::queue::Key;
use super::runner::{Controller, Outcome, Source};
use crate::objects::{Objects, Selector, resource};

const COMPONENT: &str = "deployment-controller";
const REVISION: &str = "deployment.kubernetes.io/revision";

pub(super) fn controller() -> Controller {
    Controller {
        name: COMPONENT,
        sources: vec![
            Source {
                resource: resource::DEPLOYMENTS,
                keys: itself,
            },
            Source {
                resource: resource::REPLICA_SETS,
                keys: of_replica_set,
            },
            // A recreated Deployment waits until the last old pod is gone, and no ReplicaSet
            // changes with that.
            Source {
                resource: resource::PODS,
                keys: of_pod,
            },
        ],
        reconcile: Box::new(reconcile),
    }
}

fn of_replica_set(objects: &Objects, set: &Value) -> Vec<Key> {
    match owner_key(set, "Deployment") {
        Some(owner) => vec![owner],
        None => pods::possible_owners(objects, set, resource::DEPLOYMENTS),
    }
}

fn of_pod(objects: &Objects, pod: &Value) -> Vec<Key> {
    let set = owner_key(pod, "ReplicaSet")
        .and_then(|key| find(objects, resource::REPLICA_SETS, &key).ok().flatten());
    set.and_then(|set| owner_key(&set, "Deployment"))
        .into_iter()
        .collect()
}

fn reconcile(objects: &Objects, key: &Key) -> Outcome {
    let Some(deployment) = find(objects, resource::DEPLOYMENTS, key)? else {
        return Ok(None);
    };
    let selector = Selector::from_label_selector(&deployment["spec"]["selector"])?;
    let claim = || -> Result<ReplicaSets, _> {
        let sets = pods::claim(objects, resource::REPLICA_SETS, &deployment, &selector)?;
        Ok(ReplicaSets::sort(&deployment, sets))
    };
    let mut sets = claim()?;
    if is_terminating(&deployment) {
        return status::write(objects, &deployment, &sets);
    }
    if deployment["spec"]["paused"] == true {
        rollout::scale_paused(objects, &deployment, &sets)?;
        return status::write(objects, &deployment, &claim()?);
    }
    let recreate = deployment["spec"]["strategy"]["type"] == "Recreate";
    if recreate && rollout::empty_old(objects, &deployment, &sets)? {
        return status::write(objects, &deployment, &claim()?);
    }
    if sets.new.is_none() {
        replica_sets::create(objects, &deployment, &sets)?;
        sets = claim()?;
    }
    if let Some(new) = &sets.new {
        copy_revision(objects, &deployment, new, &sets.old)?;
    }
    if recreate {
        rollout::fill_new(objects, &deployment, &sets)?;
    } else {
        rollout::roll(objects, &deployment, &sets)?;
    }
    let sets = claim()?;
    if status::is_complete(&deployment, &sets) {
        replica_sets::forget_old(objects, &deployment, &sets)?;
    }
    status::write(objects, &deployment, &sets)
}

/// A number of a status.
fn observed(set: &Arc<Value>, field: &str) -> i64 {
    super::object::number(&set["status"][field], 0)
}

/// The namespace and name of an object, for calls.
fn place(object: &Value) -> Key {
    key(object)
}
