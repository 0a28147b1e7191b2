//! What came of a Job.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::batch::v1::{Job, JobCondition};
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

/// How long news of a Job's pods may be on their way after those of the Job itself.
const NEWS_OF_PODS: SignedDuration = SignedDuration::from_secs(10);

pub(super) fn belongs_to(pod: &Pod, job: &Job) -> bool {
    pod.owner_references()
        .iter()
        .any(|owner| Some(&owner.uid) == job.metadata.uid.as_ref())
}

/// Whether the Job has this condition: `Complete` or `Failed`.
pub(super) fn has(job: &Job, kind: &str) -> bool {
    condition(job, kind).is_some()
}

fn condition<'a>(job: &'a Job, kind: &str) -> Option<&'a JobCondition> {
    let all = job.status.as_ref()?.conditions.as_deref()?;
    all.iter().find(|c| c.type_ == kind && c.status == "True")
}

/// Why a Job has failed: `why`, where a pod of it says so. The Job's own state may be known before that
/// of its pods, which comes by another watch: then it is said when to look again.
pub(super) fn why_failed(
    job: &Job,
    why: Option<String>,
    now: Timestamp,
) -> Result<String, Option<Timestamp>> {
    if let Some(why) = why {
        return Ok(why);
    }
    let failed = condition(job, "Failed");
    if failed.and_then(|c| c.reason.as_deref()) == Some("DeadlineExceeded") {
        return Ok("it did not end in time".to_owned());
    }
    let since = failed.and_then(|c| c.last_transition_time.as_ref());
    if since.is_some_and(|since| now.duration_since(since.0) < NEWS_OF_PODS) {
        return Err(now.saturating_add(Duration::from_secs(1)).ok());
    }
    Ok("its pod was ended".to_owned())
}
