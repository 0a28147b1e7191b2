//! Whether a Job has ended, and when a pod that failed is replaced.

use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

use super::restarts;
use crate::controllers::conditions::Condition;
use crate::controllers::object::{is_terminating, items, number, time};
use crate::controllers::pods;

/// The wait after a first failed pod; each further one doubles it. Kubernetes' values.
const FIRST_WAIT: SignedDuration = SignedDuration::from_secs(10);
/// The longest wait.
const LONGEST_WAIT: SignedDuration = SignedDuration::from_mins(10);

/// How a Job ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ending {
    Complete,
    Failed {
        reason: &'static str,
        message: &'static str,
    },
}

impl Ending {
    /// The condition that says so: that it will end (its pods are being ended), or that it has.
    pub fn condition(self, over: bool) -> Condition {
        let kind = match (self, over) {
            (Self::Complete, false) => "SuccessCriteriaMet",
            (Self::Complete, true) => "Complete",
            (Self::Failed { .. }, false) => "FailureTarget",
            (Self::Failed { .. }, true) => "Failed",
        };
        let (reason, message) = match self {
            Self::Complete => (
                "CompletionsReached",
                "Reached expected number of succeeded pods",
            ),
            Self::Failed { reason, message } => (reason, message),
        };
        Condition::new(kind, true, reason, message)
    }

    /// What an Event says.
    pub fn message(&self) -> &'static str {
        match self {
            Self::Complete => "Job completed",
            Self::Failed { message, .. } => message,
        }
    }
}

/// Whether the Job has ended, by its pods and the time.
pub(super) fn decide(
    job: &Value,
    pods: &[Arc<Value>],
    started: Timestamp,
    now: Timestamp,
) -> Option<Ending> {
    let spec = &job["spec"];
    let in_phase = |phase: &str| {
        let found = pods
            .iter()
            .filter(|pod| pod["status"]["phase"] == phase)
            .count();
        i64::try_from(found).unwrap_or(i64::MAX)
    };
    // What was decided before stays so, whatever its pods do while they end.
    for condition in items(&job["status"]["conditions"]) {
        if condition["status"] != "True" {
            continue;
        }
        match (condition["type"].as_str(), condition["reason"].as_str()) {
            (Some("SuccessCriteriaMet"), _) => return Some(Ending::Complete),
            (Some("FailureTarget"), Some("DeadlineExceeded")) => return Some(DEADLINE),
            (Some("FailureTarget"), _) => return Some(BACKOFF),
            _ => {}
        }
    }
    let limit = number(&spec["backoffLimit"], 6);
    let failed = in_phase("Failed").max(number(&job["status"]["failed"], 0));
    let restarted: i64 = if spec["template"]["spec"]["restartPolicy"] == "OnFailure" {
        pods.iter()
            .filter(|pod| matches!(pod["status"]["phase"].as_str(), Some("Running" | "Pending")))
            .map(|pod| restarts(pod))
            .sum()
    } else {
        0
    };
    if failed > limit || (restarted > 0 && restarted >= limit) {
        return Some(BACKOFF);
    }
    let seconds = number(&spec["activeDeadlineSeconds"], 0);
    let suspended = spec["suspend"] == true;
    if seconds > 0 && !suspended && started + SignedDuration::from_secs(seconds) <= now {
        return Some(DEADLINE);
    }
    let succeeded = in_phase("Succeeded");
    let complete = match spec["completions"].as_i64() {
        Some(completions) => succeeded >= completions,
        None => succeeded > 0 && !pods.iter().any(|pod| pods::is_active(pod)),
    };
    complete.then_some(Ending::Complete)
}

const DEADLINE: Ending = Ending::Failed {
    reason: "DeadlineExceeded",
    message: "Job was active longer than specified deadline",
};
const BACKOFF: Ending = Ending::Failed {
    reason: "BackoffLimitExceeded",
    message: "Job has reached the specified backoff limit",
};

/// When the next pod may be created, by the failures since the last success; none where at once.
pub(super) fn retry_at(pods: &[Arc<Value>]) -> Option<Timestamp> {
    let ended = |phase: &'static str| {
        pods.iter()
            .filter(move |pod| pod["status"]["phase"] == phase && !is_terminating(pod))
            .map(|pod| finished_at(pod))
    };
    let success = ended("Succeeded").max();
    let failures: Vec<Timestamp> = ended("Failed")
        .filter(|failed| success.is_none_or(|success| *failed > success))
        .collect();
    let last = failures.iter().max()?;
    let doublings = u32::try_from(failures.len() - 1)
        .unwrap_or(u32::MAX)
        .min(10);
    Some(*last + (FIRST_WAIT * 2_i32.pow(doublings)).min(LONGEST_WAIT))
}

/// When the last container of a pod ended, else when the pod was created.
fn finished_at(pod: &Value) -> Timestamp {
    items(&pod["status"]["containerStatuses"])
        .filter_map(|status| time(&status["state"]["terminated"]["finishedAt"]))
        .max()
        .or_else(|| time(&pod["metadata"]["creationTimestamp"]))
        .unwrap_or(Timestamp::UNIX_EPOCH)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn pod(phase: &str, second: u32, restarts: u32) -> Arc<Value> {
        let finished = format!("2030-01-01T00:00:{second:02}Z");
        Arc::new(json!({ "status": { "phase": phase, "containerStatuses": [
            { "restartCount": restarts, "state": { "terminated": { "finishedAt": finished } } },
        ] } }))
    }

    fn job(spec: Value) -> Value {
        json!({ "spec": spec, "status": {} })
    }

    fn at(second: i64) -> Timestamp {
        "2030-01-01T00:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_secs(second)
    }

    #[test]
    fn it_completes_with_enough_successes_and_fails_with_too_many_failures() {
        let two = job(json!({ "completions": 2, "backoffLimit": 1 }));
        let decide = |job: &Value, pods: &[Arc<Value>]| decide(job, pods, at(0), at(60));
        assert_eq!(decide(&two, &[pod("Succeeded", 0, 0)]), None);
        let done = [
            pod("Succeeded", 0, 0),
            pod("Failed", 0, 0),
            pod("Succeeded", 0, 0),
        ];
        assert_eq!(decide(&two, &done), Some(Ending::Complete));
        assert_eq!(
            decide(&two, &[pod("Failed", 0, 0), pod("Failed", 1, 0)]),
            Some(BACKOFF)
        );
        let none = job(json!({ "completions": 1, "backoffLimit": 0 }));
        assert_eq!(decide(&none, &[pod("Failed", 0, 0)]), Some(BACKOFF));
    }

    #[test]
    fn restarts_in_place_count_where_containers_are_restarted() {
        let spec = |policy: &str| {
            job(json!({
                "completions": 1, "backoffLimit": 2,
                "template": { "spec": { "restartPolicy": policy } },
            }))
        };
        let running = [pod("Running", 0, 2)];
        assert_eq!(
            decide(&spec("OnFailure"), &running, at(0), at(1)),
            Some(BACKOFF)
        );
        assert_eq!(
            decide(&spec("OnFailure"), &[pod("Running", 0, 1)], at(0), at(1)),
            None
        );
        assert_eq!(decide(&spec("Never"), &running, at(0), at(1)), None);
    }

    #[test]
    fn its_deadline_counts_from_its_start() {
        let job = job(json!({ "completions": 1, "activeDeadlineSeconds": 30 }));
        assert_eq!(decide(&job, &[], at(0), at(29)), None);
        assert_eq!(decide(&job, &[], at(0), at(30)), Some(DEADLINE));
    }

    #[test]
    fn waits_double_with_each_failure_and_begin_anew_after_a_success() {
        assert_eq!(retry_at(&[]), None);
        assert_eq!(retry_at(&[pod("Failed", 5, 0)]), Some(at(15)));
        let two = [pod("Failed", 5, 0), pod("Failed", 20, 0)];
        assert_eq!(retry_at(&two), Some(at(40)));
        let success = [
            pod("Failed", 5, 0),
            pod("Succeeded", 10, 0),
            pod("Failed", 20, 0),
        ];
        assert_eq!(retry_at(&success), Some(at(30)));
        assert_eq!(retry_at(&success[..2]), None);
    }
}
