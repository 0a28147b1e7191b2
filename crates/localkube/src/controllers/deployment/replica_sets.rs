//! The ReplicaSets of a Deployment: which is the present one, how it is made, which are kept.

use std::sync::Arc;

use serde_json::{Value, json};

use super::{COMPONENT, REVISION, observed, place};
use crate::controllers::object::{
    controller_reference, ignore_absent, is_controlled_by, is_terminating, name, namespace, number,
    set_or_remove, text, uid,
};
use crate::controllers::template_hash::template_hash;
use crate::objects::{ApiError, DeleteOptions, Objects, resource};

/// The label that tells the pods of one template from those of another.
const HASH: &str = "pod-template-hash";
/// How many replicas the Deployment wanted when the ReplicaSet was last scaled.
const DESIRED: &str = "deployment.kubernetes.io/desired-replicas";
/// How many there could be during the rollout.
const MAX: &str = "deployment.kubernetes.io/max-replicas";

/// See the module.
pub(super) struct ReplicaSets {
    /// That of the present template.
    pub new: Option<Arc<Value>>,
    /// The others, oldest first.
    pub old: Vec<Arc<Value>>,
}

impl ReplicaSets {
    /// Tell the present one from the others. Of several with the template the oldest counts, as
    /// in Kubernetes.
    pub fn sort(deployment: &Value, mut sets: Vec<Arc<Value>>) -> Self {
        sets.sort_by_key(|set| {
            (
                text(&set["metadata"], "creationTimestamp").to_owned(),
                revision(set),
                name(set).to_owned(),
            )
        });
        let template = &deployment["spec"]["template"];
        let new = sets
            .iter()
            .position(|set| without_hash(&set["spec"]["template"]) == *template)
            .map(|index| sets.remove(index));
        Self { new, old: sets }
    }

    /// All of them.
    pub fn all(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.new.iter().chain(&self.old)
    }

    /// How many pods they are to have together.
    pub fn wanted(&self) -> i64 {
        self.all().map(replicas).sum()
    }

    /// How many available pods they have together.
    pub fn available(&self) -> i64 {
        self.all().map(available).sum()
    }
}

/// `spec.replicas`.
pub(super) fn replicas(set: &Arc<Value>) -> i64 {
    number(&set["spec"]["replicas"], 1)
}

/// Available pods that it is to keep: those that a scale down is about to end do not count.
pub(super) fn available(set: &Arc<Value>) -> i64 {
    observed(set, "availableReplicas").min(replicas(set))
}

/// The revision that a ReplicaSet or Deployment carries; 0 where it has none.
pub(super) fn revision(object: &Value) -> i64 {
    text(&object["metadata"]["annotations"], REVISION)
        .parse()
        .unwrap_or(0)
}

fn without_hash(template: &Value) -> Value {
    let mut template = template.clone();
    if let Some(labels) = template["metadata"]["labels"].as_object_mut() {
        labels.remove(HASH);
    }
    template
}

/// Create the ReplicaSet of the present template, without pods.
pub(super) fn create(
    objects: &Objects,
    deployment: &Value,
    sets: &ReplicaSets,
) -> Result<(), ApiError> {
    let collisions = number(&deployment["status"]["collisionCount"], 0);
    let template = &deployment["spec"]["template"];
    let hash = template_hash(template, collisions);
    let mut template = template.clone();
    template["metadata"]["labels"][HASH] = hash.clone().into();
    let mut selector = deployment["spec"]["selector"].clone();
    if !selector["matchLabels"].is_object() {
        selector["matchLabels"] = json!({});
    }
    selector["matchLabels"][HASH] = hash.clone().into();
    let mut annotations = inherited(deployment);
    annotations[REVISION] = next_revision(&sets.old).to_string().into();
    let mut set = json!({
        "metadata": {
            "name": format!("{}-{hash}", name(deployment)),
            "labels": template["metadata"]["labels"],
            "annotations": annotations,
            "ownerReferences": [controller_reference(deployment)],
        },
        "spec": { "replicas": 0, "selector": selector, "template": template },
    });
    if let Some(seconds) = deployment["spec"].get("minReadySeconds") {
        set["spec"]["minReadySeconds"] = seconds.clone();
    }
    let created = objects.create(resource::REPLICA_SETS, namespace(deployment), set.clone());
    let Err(ApiError::AlreadyExists { .. }) = created else {
        return created.map(drop);
    };
    let (namespace, set_name) = (namespace(deployment), name(&set));
    let present = objects.get(resource::REPLICA_SETS, namespace, set_name)?;
    if is_controlled_by(&present, deployment) && is_terminating(&present) {
        return created.map(drop);
    }
    // Another template has this name: the next attempt finds another name.
    objects.modify_status(
        resource::DEPLOYMENTS,
        namespace,
        name(deployment),
        |deployment| {
            deployment["status"]["collisionCount"] = (collisions + 1).into();
        },
    )?;
    created.map(drop)
}

/// The annotations that a ReplicaSet takes over.
fn inherited(deployment: &Value) -> Value {
    let own = [
        "kubectl.kubernetes.io/last-applied-configuration",
        "deprecated.deployment.rollback.to",
        REVISION,
        DESIRED,
        MAX,
    ];
    let mut annotations = deployment["metadata"]["annotations"].clone();
    match annotations.as_object_mut() {
        Some(map) => map.retain(|name, _| !own.contains(&name.as_str())),
        None => annotations = json!({}),
    }
    annotations
}

fn next_revision(old: &[Arc<Value>]) -> i64 {
    old.iter().map(|set| revision(set)).max().unwrap_or(0) + 1
}

/// Make the present ReplicaSet the newest revision, and say so on the Deployment.
pub(super) fn copy_revision(
    objects: &Objects,
    deployment: &Value,
    new: &Arc<Value>,
    old: &[Arc<Value>],
) -> Result<(), ApiError> {
    let newest = next_revision(old).max(revision(new)).to_string();
    let (namespace, set_name) = place(new);
    let seconds = deployment["spec"].get("minReadySeconds").cloned();
    let annotations = inherited(deployment);
    objects.modify(resource::REPLICA_SETS, &namespace, &set_name, |set| {
        let present = &mut set["metadata"]["annotations"];
        if !present.is_object() {
            *present = json!({});
        }
        for (key, value) in annotations.as_object().into_iter().flatten() {
            present[key] = value.clone();
        }
        present[REVISION] = newest.clone().into();
        set_or_remove(&mut set["spec"], "minReadySeconds", seconds.clone());
    })?;
    objects.modify(
        resource::DEPLOYMENTS,
        &namespace,
        name(deployment),
        |deployment| {
            if !deployment["metadata"]["annotations"].is_object() {
                deployment["metadata"]["annotations"] = json!({});
            }
            deployment["metadata"]["annotations"][REVISION] = newest.clone().into();
        },
    )?;
    Ok(())
}

/// Give a ReplicaSet another number of replicas, and tell of it. `most` is how many pods the
/// Deployment may have meanwhile.
pub(super) fn scale(
    objects: &Objects,
    deployment: &Value,
    set: &Arc<Value>,
    to: i64,
    most: i64,
) -> Result<(), ApiError> {
    let from = replicas(set);
    let (namespace, set_name) = place(set);
    objects.modify(resource::REPLICA_SETS, &namespace, &set_name, |set| {
        set["spec"]["replicas"] = to.into();
        if !set["metadata"]["annotations"].is_object() {
            set["metadata"]["annotations"] = json!({});
        }
        let wanted = number(&deployment["spec"]["replicas"], 1);
        set["metadata"]["annotations"][DESIRED] = wanted.to_string().into();
        set["metadata"]["annotations"][MAX] = most.to_string().into();
    })?;
    if from != to {
        let direction = if to > from { "up" } else { "down" };
        let message = format!("Scaled {direction} replica set {set_name} from {from} to {to}");
        objects.record_event(
            deployment,
            "Normal",
            "ScalingReplicaSet",
            &message,
            COMPONENT,
        );
    }
    Ok(())
}

/// Delete ReplicaSets of earlier templates beyond those that are kept for a rollback.
pub(super) fn forget_old(
    objects: &Objects,
    deployment: &Value,
    sets: &ReplicaSets,
) -> Result<(), ApiError> {
    let kept = number(&deployment["spec"]["revisionHistoryLimit"], 10);
    let kept = usize::try_from(kept).unwrap_or(usize::MAX);
    let mut old: Vec<&Arc<Value>> = sets.old.iter().filter(|set| !is_terminating(set)).collect();
    old.sort_by_key(|set| revision(set));
    let surplus = old.len().saturating_sub(kept);
    for set in old.into_iter().take(surplus) {
        if replicas(set) != 0 || observed(set, "replicas") != 0 {
            continue;
        }
        let (namespace, name) = place(set);
        let options = DeleteOptions {
            uid: Some(uid(set).to_owned()),
            ..Default::default()
        };
        ignore_absent(objects.delete(resource::REPLICA_SETS, &namespace, &name, &options))?;
    }
    Ok(())
}
