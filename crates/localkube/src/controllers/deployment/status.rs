//! What a Deployment's status says.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::replica_sets::{ReplicaSets, replicas};
use super::rollout::Bounds;
use super::{observed, place};
use crate::controllers::conditions::{self, Condition};
use crate::controllers::object::{ignore_absent, name, number, set_count, time};
use crate::controllers::runner::Outcome;
use crate::objects::{Objects, metadata, resource};

/// The counts of a status.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Counts {
    replicas: i64,
    updated: i64,
    ready: i64,
    available: i64,
    unavailable: i64,
}

impl Counts {
    fn of(sets: &ReplicaSets) -> Self {
        let sum = |field: &str| sets.all().map(|set| observed(set, field)).sum();
        let available: i64 = sum("availableReplicas");
        Self {
            replicas: sum("replicas"),
            updated: sets.new.as_ref().map_or(0, |new| observed(new, "replicas")),
            ready: sum("readyReplicas"),
            available,
            unavailable: (sets.wanted() - available).max(0),
        }
    }

    fn complete(self, wanted: i64) -> bool {
        self.updated == wanted && self.replicas == wanted && self.available == wanted
    }

    /// Whether there is more of the new, or less of the old, than a status says.
    fn ahead_of(self, status: &Value) -> bool {
        let old = |field: &str| number(&status[field], 0);
        self.updated > old("updatedReplicas")
            || self.replicas - self.updated < old("replicas") - old("updatedReplicas")
            || self.ready > old("readyReplicas")
            || self.available > old("availableReplicas")
    }
}

/// Whether all wanted pods, and no others, are of the present template and available.
pub(super) fn is_complete(deployment: &Value, sets: &ReplicaSets) -> bool {
    Counts::of(sets).complete(number(&deployment["spec"]["replicas"], 1))
}

/// Write the status, and say when it would have to say that there is no progress.
pub(super) fn write(objects: &Objects, deployment: &Value, sets: &ReplicaSets) -> Outcome {
    let now = Timestamp::now();
    let (namespace, deployment_name) = place(deployment);
    let counts = Counts::of(sets);
    let written = objects.modify_status(
        resource::DEPLOYMENTS,
        &namespace,
        &deployment_name,
        |object| {
            if object["metadata"]["uid"] != deployment["metadata"]["uid"] {
                return;
            }
            let status = &mut object["status"];
            if !status.is_object() {
                *status = json!({});
            }
            progress(status, deployment, sets, counts, now);
            fill(status, deployment, sets, counts);
        },
    );
    let status = match written {
        Ok(written) => written["status"].clone(),
        Err(error) => return ignore_absent::<()>(Err(error)).map(|()| None),
    };
    Ok(deadline(deployment, &status).map(|deadline| {
        let left = deadline.duration_since(now).max(SignedDuration::ZERO);
        // A moment later than the deadline, so that it has passed.
        Duration::try_from(left).unwrap_or_default() + Duration::from_millis(50)
    }))
}

fn fill(status: &mut Value, deployment: &Value, sets: &ReplicaSets, counts: Counts) {
    status["observedGeneration"] = deployment["metadata"]["generation"].clone();
    set_count(status, "replicas", counts.replicas);
    set_count(status, "updatedReplicas", counts.updated);
    set_count(status, "readyReplicas", counts.ready);
    set_count(status, "availableReplicas", counts.available);
    set_count(status, "unavailableReplicas", counts.unavailable);
    let wanted = number(&deployment["spec"]["replicas"], 1);
    let least = wanted - Bounds::of(deployment).unavailable;
    let available = if counts.available >= least {
        Condition::new(
            "Available",
            true,
            "MinimumReplicasAvailable",
            "Deployment has minimum availability.",
        )
    } else {
        Condition::new(
            "Available",
            false,
            "MinimumReplicasUnavailable",
            "Deployment does not have minimum availability.",
        )
    };
    conditions::set(status, &available, Some("lastUpdateTime"));
    // The ReplicaSet of the present template tells why it has no pods, else an earlier one.
    let failure = sets
        .all()
        .filter(|set| replicas(set) > 0)
        .find_map(|set| conditions::find(&set["status"], "ReplicaFailure"));
    match failure {
        Some(failure) => {
            let text = |field: &str| failure[field].as_str().unwrap_or_default();
            let failure = Condition::new("ReplicaFailure", true, text("reason"), text("message"));
            conditions::set(status, &failure, Some("lastUpdateTime"));
        }
        None => conditions::remove(status, "ReplicaFailure"),
    }
}

/// The `Progressing` condition. `status` still has the counts of the last look.
fn progress(
    status: &mut Value,
    deployment: &Value,
    sets: &ReplicaSets,
    counts: Counts,
    now: Timestamp,
) {
    if deadline_seconds(deployment).is_none() {
        conditions::remove(status, "Progressing");
        return;
    }
    if deployment["spec"]["paused"] == true {
        let paused = Condition {
            kind: "Progressing",
            status: "Unknown",
            reason: "DeploymentPaused".to_owned(),
            message: "Deployment is paused".to_owned(),
        };
        conditions::set(status, &paused, Some("lastUpdateTime"));
        return;
    }
    let wanted = number(&deployment["spec"]["replicas"], 1);
    let subject = match &sets.new {
        Some(new) => format!("ReplicaSet {:?}", name(new)),
        None => format!("Deployment {:?}", name(deployment)),
    };
    let present = conditions::find(status, "Progressing");
    let reason = present.map_or("", |present| present["reason"].as_str().unwrap_or_default());
    // Once complete it stays so until there is something new to roll out: a pod that is lost
    // later is no failed rollout.
    let done = reason == "NewReplicaSetAvailable"
        && names(present, &subject)
        && counts.replicas == counts.updated;
    if done {
        return;
    }
    if counts.complete(wanted) {
        let message = format!("{subject} has successfully progressed.");
        let complete = Condition::new("Progressing", true, "NewReplicaSetAvailable", message);
        conditions::set(status, &complete, Some("lastUpdateTime"));
        return;
    }
    if reason == "DeploymentPaused" {
        let resumed = Condition {
            kind: "Progressing",
            status: "Unknown",
            reason: "DeploymentResumed".to_owned(),
            message: "Deployment is resumed".to_owned(),
        };
        conditions::set(status, &resumed, Some("lastUpdateTime"));
        return;
    }
    if let (Some(new), false) = (&sets.new, names(present, &subject)) {
        let message = format!("Created new replica set {:?}", name(new));
        let begun = Condition::new("Progressing", true, "NewReplicaSetCreated", message);
        conditions::set(status, &begun, Some("lastUpdateTime"));
        return;
    }
    if counts.ahead_of(status) {
        let message = format!("{subject} is progressing.");
        let progressing = Condition::new("Progressing", true, "ReplicaSetUpdated", message);
        conditions::set(status, &progressing, Some("lastUpdateTime"));
        if let Some(list) = status["conditions"].as_array_mut() {
            // Said again, so that the deadline counts from here.
            for condition in list
                .iter_mut()
                .filter(|found| found["type"] == "Progressing")
            {
                condition["lastUpdateTime"] = metadata::time(now).into();
            }
        }
        return;
    }
    if deadline(deployment, status).is_some_and(|deadline| deadline <= now) {
        let message = format!("{subject} has timed out progressing.");
        let late = Condition::new("Progressing", false, "ProgressDeadlineExceeded", message);
        conditions::set(status, &late, Some("lastUpdateTime"));
    }
}

/// Whether a condition's message is about this ReplicaSet.
fn names(condition: Option<&Value>, subject: &str) -> bool {
    let name = subject.split_once(' ').map_or(subject, |(_, name)| name);
    condition.is_some_and(|condition| {
        condition["message"]
            .as_str()
            .is_some_and(|message| message.contains(name))
    })
}

fn deadline_seconds(deployment: &Value) -> Option<i64> {
    // 2147483647 is how `kubectl` users say that there is none.
    let seconds = number(&deployment["spec"]["progressDeadlineSeconds"], 600);
    (seconds < i64::from(i32::MAX)).then_some(seconds)
}

/// When a rollout that goes on counts as stuck; none where none goes on.
fn deadline(deployment: &Value, status: &Value) -> Option<Timestamp> {
    let condition = conditions::find(status, "Progressing")?;
    let ended = matches!(
        condition["reason"].as_str(),
        Some("NewReplicaSetAvailable" | "ProgressDeadlineExceeded" | "DeploymentPaused")
    );
    if ended {
        return None;
    }
    let since = time(&condition["lastUpdateTime"])?;
    Some(since + SignedDuration::from_secs(deadline_seconds(deployment)?))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;

    fn sets(available: i64) -> ReplicaSets {
        let new = json!({
            "metadata": { "name": "web-1" }, "spec": { "replicas": 1 },
            "status": { "replicas": 1, "readyReplicas": available, "availableReplicas": available },
        });
        ReplicaSets {
            new: Some(Arc::new(new)),
            old: Vec::new(),
        }
    }

    fn reason(status: &Value) -> &str {
        conditions::find(status, "Progressing")
            .and_then(|condition| condition["reason"].as_str())
            .unwrap_or_default()
    }

    #[test]
    fn a_rollout_without_progress_passes_its_deadline_and_recovers() {
        let deployment = json!({
            "metadata": { "name": "web", "generation": 1 },
            "spec": { "replicas": 1, "progressDeadlineSeconds": 60, "strategy": { "type": "Recreate" } },
        });
        let mut status = json!({});
        let mut look = |sets: &ReplicaSets, now: Timestamp| {
            let counts = Counts::of(sets);
            progress(&mut status, &deployment, sets, counts, now);
            fill(&mut status, &deployment, sets, counts);
            status.clone()
        };
        let start = Timestamp::now();
        let later = start + SignedDuration::from_secs(120);
        assert_eq!(reason(&look(&sets(0), start)), "NewReplicaSetCreated");
        assert_eq!(reason(&look(&sets(0), start)), "NewReplicaSetCreated");
        assert_eq!(reason(&look(&sets(0), later)), "ProgressDeadlineExceeded");
        assert_eq!(reason(&look(&sets(0), later)), "ProgressDeadlineExceeded");
        assert_eq!(reason(&look(&sets(1), later)), "NewReplicaSetAvailable");
        // A pod that is lost later is no failed rollout.
        assert_eq!(reason(&look(&sets(0), later)), "NewReplicaSetAvailable");
    }
}
