//! What the repository holds at its commit, by a look at it, once a commit.

use std::sync::Arc;

use catalyst_crd::labels;
use catalyst_render::Bundle;
use catalyst_render::bundle::{BundleError, MAX_REPORT, packed};
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::api::LogParams;
use kube::runtime::reflector::ObjectRef;
use kube::{Api, ResourceExt};

use super::pods;
use super::progress::Step;
use crate::context::Context;
use crate::desired::inspect::{INSPECT, RECORD, RETRIES, job, job_name, key, record, recorded};
use crate::desired::{Source, Target};
use crate::error::Error;

/// What a look at the repository has found so far.
pub(super) enum Seen {
    /// Its files.
    Known(Box<Bundle>),
    /// Nothing yet, or nothing at all; and when to look again.
    Open(Step, Option<Timestamp>),
}

impl Seen {
    fn open(step: Step) -> Self {
        Self::Open(step, None)
    }
}

/// Looks at the repository by way of a Job, unless that was done. `path` is where the files lie
/// that matter most.
pub(super) async fn inspect(
    context: &Context,
    target: &Target,
    source: &Source,
    path: &str,
    retry: Option<&str>,
    now: Timestamp,
) -> Result<Seen, Error> {
    let key = key(source, path, retry);
    let record_ref = ObjectRef::<ConfigMap>::new(RECORD).within(&target.namespace);
    if let Some(known) = context.cluster.caches.config_maps.get(&record_ref)
        && let Some(report) = recorded(&known, &key)
    {
        return Ok(read(report));
    }
    let wanted = job(target, source, path, retry, &context.settings);
    let job = context.cluster.ensure(&wanted).await?;
    forget_others(context, target, source, path, retry).await?;

    let mut tries: Vec<_> = context.cluster.caches.pods_in(&target.namespace);
    tries.retain(|pod| {
        pod.annotations().get(labels::INSPECTION) == Some(&key) && belongs_to(pod, &job)
    });
    tries.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));

    let done = tries.iter().rev().find(|pod| pods::succeeded(pod, INSPECT));
    if let Some(pod) = done {
        let log = log_of(context, target, &pod.name_any()).await?;
        return match log.as_deref().map(packed) {
            Some(Ok(report)) => {
                context
                    .cluster
                    .ensure(&record(target, &key, &report))
                    .await?;
                tracing::info!(
                    environment = target.owner(),
                    namespace = target.namespace,
                    key,
                    bytes = report.len(),
                    "inspected"
                );
                Ok(read(&report))
            }
            // The log's end may not have been written yet, and a pod may go while it is read.
            Some(Err(BundleError::Incomplete)) | None => Ok(Seen::Open(
                Step::waiting("Inspecting", "the report of the inspection is being read"),
                now.saturating_add(std::time::Duration::from_secs(1)).ok(),
            )),
            Some(Err(error)) => Ok(Seen::open(Step::failed(
                "InspectionFailed",
                error.to_string(),
            ))),
        };
    }
    let status = job.status.clone().unwrap_or_default();
    let has = |kind: &str| {
        status
            .conditions
            .iter()
            .flatten()
            .any(|c| c.type_ == kind && c.status == "True")
    };
    if has("Complete") || status.succeeded.is_some_and(|n| n > 0) {
        // Its pods are gone before their report was read, or are about to be seen.
        let is_left = |pod: &Arc<Pod>| belongs_to(pod, &job);
        if !context
            .cluster
            .caches
            .pods_in(&target.namespace)
            .iter()
            .any(is_left)
        {
            context
                .cluster
                .delete::<Job>(&target.namespace, &job.name_any())
                .await?;
        }
        return Ok(Seen::open(Step::waiting(
            "Inspecting",
            "the repository was looked at",
        )));
    }
    if has("Failed") {
        let why = tries.iter().rev().find_map(|pod| pods::failure(pod));
        let why = why.unwrap_or_else(|| "it did not end in time".to_owned());
        return Ok(Seen::open(Step::failed(
            "InspectionFailed",
            format!(
                "the repository cannot be looked at: {why} (tried {} times)",
                RETRIES + 1
            ),
        )));
    }
    Ok(waiting(&tries, now))
}

fn belongs_to(pod: &Pod, job: &Job) -> bool {
    pod.owner_references()
        .iter()
        .any(|owner| Some(&owner.uid) == job.metadata.uid.as_ref())
}

fn read(report: &[u8]) -> Seen {
    match Bundle::unpack(report) {
        Ok(bundle) => Seen::Known(Box::new(bundle)),
        Err(error) => Seen::open(Step::failed("InspectionFailed", error.to_string())),
    }
}

/// The log of the pod that reports; none if the pod is gone.
async fn log_of(context: &Context, target: &Target, pod: &str) -> Result<Option<String>, Error> {
    let api: Api<Pod> = Api::namespaced(context.cluster.client.clone(), &target.namespace);
    let parameters = LogParams {
        container: Some(INSPECT.to_owned()),
        limit_bytes: i64::try_from(MAX_REPORT + 1024).ok(),
        ..LogParams::default()
    };
    match api.logs(pod, &parameters).await {
        Ok(log) => Ok(Some(log)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(None),
        Err(error) => Err(Error::api(
            "read the log of",
            format!("Pod {}/{pod}", target.namespace),
        )(error)),
    }
}

fn waiting(tries: &[Arc<Pod>], now: Timestamp) -> Seen {
    let Some(newest) = tries.last() else {
        return Seen::open(Step::waiting(
            "Inspecting",
            "the repository is about to be looked at",
        ));
    };
    let failed = tries
        .iter()
        .filter(|pod| pods::failure(pod).is_some())
        .count();
    if let Some(why) = tries.iter().rev().find_map(|pod| pods::failure(pod)) {
        let message = format!("{why}; try {} of {}", failed + 1, RETRIES + 1);
        return Seen::open(Step::waiting("Inspecting", message));
    }
    let commands = [("git-clone".to_owned(), "git fetch".to_owned())].into();
    let (step, look_again) = pods::diagnose(newest, &commands, 0, now);
    let step = match step {
        Step::Waiting(said) if matches!(said.reason, "NotReady" | "Starting") => {
            Step::waiting("Inspecting", "the repository is being looked at")
        }
        other => other,
    };
    Seen::Open(step, look_again)
}

/// Removes the inspections of earlier commits and attempts.
async fn forget_others(
    context: &Context,
    target: &Target,
    source: &Source,
    path: &str,
    retry: Option<&str>,
) -> Result<(), Error> {
    let current = job_name(source, path, retry);
    let others = context.cluster.caches.jobs.state_filter(|job| {
        job.metadata.namespace.as_deref() == Some(&target.namespace)
            && job
                .labels()
                .get(labels::JOB_TYPE)
                .is_some_and(|kind| kind == INSPECT)
            && job.name_any() != current
            && job.metadata.deletion_timestamp.is_none()
    });
    for job in others {
        context
            .cluster
            .delete::<Job>(&target.namespace, &job.name_any())
            .await?;
    }
    Ok(())
}
