//! Which commit is run and how, where the configuration does not say: by a look at the
//! repository, once a commit.

use std::sync::Arc;

use catalyst_crd::{EnvironmentConfig, labels};
use catalyst_model::ids::CommitSha;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{ConfigMap, Pod};
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::pods;
use super::progress::Step;
use crate::context::Context;
use crate::desired::inspect::{INSPECT, RECORD, RETRIES, job, job_name, key, record, recorded};
use crate::desired::{Source, Target};
use crate::detect::{Inventory, Plan, detect};
use crate::error::Error;

/// What is known before the workload is made.
pub(super) struct Build {
    /// The condition's step.
    pub step: Step,
    /// With the step done: the source at its commit, and the plan where one was needed.
    pub known: Option<(Source, Option<Plan>)>,
    /// When to look again.
    pub look_again: Option<Timestamp>,
}

impl Build {
    fn open(step: Step) -> Self {
        Self {
            step,
            known: None,
            look_again: None,
        }
    }
}

/// Finds it out, by way of a Job where it is not known yet.
pub(super) async fn build(
    context: &Context,
    target: &Target,
    source: &Source,
    config: &EnvironmentConfig,
    retry: Option<&str>,
    now: Timestamp,
) -> Result<Build, Error> {
    if let Some(image) = config.image.as_deref()
        && source.commit().is_some()
    {
        return Ok(Build {
            step: Step::done(
                "Configured",
                format!("the configuration names the image {image}"),
            ),
            known: Some((source.clone(), None)),
            look_again: None,
        });
    }
    let key = key(source, retry);
    let record_ref = ObjectRef::<ConfigMap>::new(RECORD).within(&target.namespace);
    if let Some(known) = context.cluster.caches.config_maps.get(&record_ref)
        && let Some(report) = recorded(&known, &key)
    {
        return Ok(conclude(report, source, config));
    }
    let wanted = job(target, source, retry, &context.settings);
    let job = context.cluster.ensure(&wanted).await?;
    forget_others(context, target, source, retry).await?;

    let mut tries: Vec<_> = context.cluster.caches.pods_in(&target.namespace);
    tries.retain(|pod| {
        pod.annotations().get(labels::INSPECTION) == Some(&key) && belongs_to(pod, &job)
    });
    tries.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));

    if let Some(report) = tries
        .iter()
        .rev()
        .find_map(|pod| pods::report(pod, INSPECT))
    {
        context
            .cluster
            .ensure(&record(target, &key, report))
            .await?;
        tracing::info!(
            environment = target.owner(),
            namespace = target.namespace,
            key,
            "inspected"
        );
        return Ok(conclude(report, source, config));
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
        if context
            .cluster
            .caches
            .pods_in(&target.namespace)
            .iter()
            .all(|pod| !belongs_to(pod, &job))
        {
            context
                .cluster
                .delete::<Job>(&target.namespace, &job.name_any())
                .await?;
        }
        return Ok(Build::open(Step::waiting(
            "Inspecting",
            "the repository was looked at",
        )));
    }
    if has("Failed") {
        let why = tries.iter().rev().find_map(|pod| pods::failure(pod));
        let why = why.unwrap_or_else(|| "it did not end in time".to_owned());
        return Ok(Build::open(Step::failed(
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

fn conclude(report: &str, source: &Source, config: &EnvironmentConfig) -> Build {
    let inventory = match Inventory::parse(report) {
        Ok(inventory) => inventory,
        Err(error) => return Build::open(Step::failed("InspectionFailed", error.to_string())),
    };
    let Some(commit) = &inventory.commit else {
        return Build::open(Step::failed(
            "InspectionFailed",
            "the inspection named no commit",
        ));
    };
    let at = |commit: &CommitSha| {
        source
            .commit()
            .map_or_else(|| source.at(commit), |_| source.clone())
    };
    if config.image.is_some() {
        return Build {
            step: Step::done(
                "Configured",
                format!("branch {} is at {commit}", source.branch),
            ),
            known: Some((at(commit), None)),
            look_again: None,
        };
    }
    let port = config
        .ports
        .first()
        .and_then(|port| u16::try_from(port.container_port).ok());
    match detect(&inventory, port) {
        Ok(plan) => Build {
            step: Step::done("Detected", plan.words()),
            known: Some((at(commit), Some(plan))),
            look_again: None,
        },
        Err(error @ crate::detect::Undetected::NeedsImageBuild(_)) => {
            Build::open(Step::failed("NeedsImageBuild", error.to_string()))
        }
        Err(error) => Build::open(Step::failed("NotRecognised", error.to_string())),
    }
}

fn waiting(tries: &[Arc<Pod>], now: Timestamp) -> Build {
    let Some(newest) = tries.last() else {
        return Build::open(Step::waiting(
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
        return Build::open(Step::waiting("Inspecting", message));
    }
    let commands = [("git-clone".to_owned(), "git fetch".to_owned())].into();
    let (step, look_again) = pods::diagnose(newest, &commands, 0, now);
    let step = match step {
        Step::Waiting(said) if matches!(said.reason, "NotListening" | "Starting") => {
            Step::waiting("Inspecting", "the repository is being looked at")
        }
        other => other,
    };
    Build {
        step,
        known: None,
        look_again,
    }
}

/// Removes the inspections of earlier commits and attempts.
async fn forget_others(
    context: &Context,
    target: &Target,
    source: &Source,
    retry: Option<&str>,
) -> Result<(), Error> {
    let current = job_name(source, retry);
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
