//! Jobs: pods that run until enough of them have succeeded, or too many have failed.

mod outcome;

use std::sync::Arc;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use self::outcome::{Ending, decide, retry_at};
use super::conditions::{self, Condition};
use super::object::{
    find, ignore_absent, is_terminating, items, itself, key, name, number, owner_key, set_count,
    text, time, uid,
};
use super::pods;
use super::queue::Key;
use super::runner::{Controller, Outcome, Source};
use crate::objects::{ApiError, DeleteOptions, Objects, Selector, metadata, resource};

const COMPONENT: &str = "job-controller";
/// The annotation and label with which the pods of an Indexed Job carry their index.
const INDEX: &str = "batch.kubernetes.io/job-completion-index";

pub(super) fn controller() -> Controller {
    Controller {
        name: COMPONENT,
        sources: vec![
            Source {
                resource: resource::JOBS,
                keys: itself,
            },
            Source {
                resource: resource::PODS,
                keys: |_, pod| owner_key(pod, "Job").into_iter().collect(),
            },
        ],
        reconcile: Box::new(reconcile),
    }
}

/// The pods of a Job, told apart by how far they are.
struct Pods {
    all: Vec<Arc<Value>>,
}

impl Pods {
    fn of(objects: &Objects, job: &Value) -> Result<Self, ApiError> {
        let selector = Selector::from_label_selector(&job["spec"]["selector"])?;
        Ok(Self {
            all: pods::claim(objects, resource::PODS, job, &selector)?,
        })
    }

    fn count(&self, holds: impl Fn(&Value) -> bool) -> i64 {
        i64::try_from(self.all.iter().filter(|pod| holds(pod)).count()).unwrap_or(i64::MAX)
    }

    fn active(&self) -> impl Iterator<Item = &Arc<Value>> {
        self.all.iter().filter(|pod| pods::is_active(pod))
    }

    fn in_phase(&self, phase: &str) -> i64 {
        self.count(|pod| pod["status"]["phase"] == phase)
    }

    /// Those that were told to end and have not.
    fn ending(&self) -> i64 {
        self.count(|pod| is_terminating(pod) && !pods::is_finished(pod))
    }

    /// The indexes of an Indexed Job at which a pod holds.
    fn indexes(&self, holds: impl Fn(&Value) -> bool) -> Vec<i64> {
        self.all
            .iter()
            .filter(|pod| holds(pod))
            .filter_map(|pod| text(&pod["metadata"]["annotations"], INDEX).parse().ok())
            .collect()
    }
}

fn reconcile(objects: &Objects, key: &Key) -> Outcome {
    let Some(job) = find(objects, resource::JOBS, key)? else {
        return Ok(None);
    };
    if is_terminating(&job) {
        return Ok(None);
    }
    if let Some(ended) = ended_at(&job) {
        return expire(objects, &job, ended);
    }
    let now = Timestamp::now();
    let started = time(&job["status"]["startTime"]).unwrap_or(now);
    let suspended = job["spec"]["suspend"] == true;
    let pods = Pods::of(objects, &job)?;
    let ending = decide(&job, &pods.all, started, now);
    let mut managed = Ok(());
    let mut retry = None;
    if ending.is_some() || suspended {
        for pod in pods.active() {
            pods::delete(objects, &job, pod, COMPONENT)?;
        }
    } else {
        retry = retry_at(&pods.all).filter(|retry| *retry > now);
        managed = adjust(objects, &job, &pods, retry.is_none());
    }
    let pods = Pods::of(objects, &job)?;
    write_status(
        objects,
        &job,
        &pods,
        ending.as_ref(),
        suspended.then_some(()).is_some(),
        started,
    )?;
    managed?;
    let limit = number(&job["spec"]["activeDeadlineSeconds"], 0);
    let deadline = (limit > 0 && !suspended && ending.is_none())
        .then(|| started + SignedDuration::from_secs(limit));
    Ok(retry
        .into_iter()
        .chain(deadline)
        .min()
        .map(|due| until(due, now)))
}

fn until(due: Timestamp, now: Timestamp) -> Duration {
    let left = due.duration_since(now).max(SignedDuration::ZERO);
    Duration::try_from(left).unwrap_or_default() + Duration::from_millis(20)
}

/// When it completed or failed, if it did.
fn ended_at(job: &Value) -> Option<Timestamp> {
    ["Complete", "Failed"].iter().find_map(|kind| {
        let condition = conditions::find(&job["status"], kind)?;
        (condition["status"] == "True")
            .then(|| time(&condition["lastTransitionTime"]))
            .flatten()
    })
}

/// Delete a Job that has ended when its time has passed.
fn expire(objects: &Objects, job: &Value, ended: Timestamp) -> Outcome {
    let Some(seconds) = job["spec"]["ttlSecondsAfterFinished"].as_i64() else {
        return Ok(None);
    };
    let now = Timestamp::now();
    let due = ended + SignedDuration::from_secs(seconds);
    if due > now {
        return Ok(Some(until(due, now)));
    }
    let (namespace, name) = key(job);
    let options = DeleteOptions {
        uid: Some(uid(job).to_owned()),
        ..Default::default()
    };
    ignore_absent(objects.delete(resource::JOBS, &namespace, &name, &options))?;
    Ok(None)
}

/// Bring the number of active pods to what is wanted; `may_create` is false while a wait after a
/// failure goes on.
fn adjust(objects: &Objects, job: &Value, pods: &Pods, may_create: bool) -> Result<(), ApiError> {
    let spec = &job["spec"];
    let parallelism = number(&spec["parallelism"], 1);
    let active = i64::try_from(pods.active().count()).unwrap_or(i64::MAX);
    let succeeded = pods.in_phase("Succeeded");
    let wanted = match spec["completions"].as_i64() {
        Some(completions) => parallelism.min((completions - succeeded).max(0)),
        // Any success means that the work is done: those that run may finish.
        None if succeeded > 0 => active.min(parallelism),
        None => parallelism,
    };
    let surplus = usize::try_from(active - wanted).unwrap_or(0);
    for pod in pods.active().take(surplus) {
        pods::delete(objects, job, pod, COMPONENT)?;
    }
    if !may_create {
        return Ok(());
    }
    // One that is ending still does its work; its successor waits for it.
    let missing = wanted - active - pods.ending();
    let mut free = free_indexes(spec, pods).into_iter();
    for _ in 0..missing {
        let mut pod = pods::from_template(&spec["template"], job);
        pod["metadata"]["generateName"] = format!("{}-", name(job)).into();
        if spec["completionMode"] == "Indexed" {
            let Some(index) = free.next() else { break };
            carry_index(&mut pod, job, index);
        }
        pods::create(objects, job, pod, COMPONENT)?;
    }
    Ok(())
}

/// The indexes of an Indexed Job that have neither succeeded nor a pod.
fn free_indexes(spec: &Value, pods: &Pods) -> Vec<i64> {
    let taken = pods.indexes(|pod| pod["status"]["phase"] != "Failed");
    (0..number(&spec["completions"], 0))
        .filter(|index| !taken.contains(index))
        .collect()
}

fn carry_index(pod: &mut Value, job: &Value, index: i64) {
    let text = index.to_string();
    pod["metadata"]["generateName"] = format!("{}-{index}-", name(job)).into();
    pod["spec"]["hostname"] = format!("{}-{index}", name(job)).into();
    for field in ["annotations", "labels"] {
        if !pod["metadata"][field].is_object() {
            pod["metadata"][field] = json!({});
        }
        pod["metadata"][field][INDEX] = text.clone().into();
    }
    for list in ["initContainers", "containers"] {
        for container in pod["spec"][list].as_array_mut().into_iter().flatten() {
            let variable = json!({ "name": "JOB_COMPLETION_INDEX", "value": text });
            match container["env"].as_array_mut() {
                Some(env) => env.push(variable),
                None => container["env"] = json!([variable]),
            }
        }
    }
}

fn write_status(
    objects: &Objects,
    job: &Value,
    pods: &Pods,
    ending: Option<&Ending>,
    suspended: bool,
    started: Timestamp,
) -> Result<(), ApiError> {
    let active = i64::try_from(pods.active().count()).unwrap_or(i64::MAX);
    let (succeeded, failed) = (pods.in_phase("Succeeded"), pods.in_phase("Failed"));
    let ready = pods.count(|pod| pods::is_active(pod) && pods::is_ready(pod));
    let over = ending.filter(|_| active == 0 && pods.ending() == 0);
    let (namespace, job_name) = key(job);
    ignore_absent(
        objects.modify_status(resource::JOBS, &namespace, &job_name, |object| {
            if uid(object) != uid(job) {
                return;
            }
            let status = &mut object["status"];
            if !status.is_object() {
                *status = json!({});
            }
            set_count(status, "active", active);
            set_count(status, "succeeded", succeeded);
            // Pods that were removed since have failed nevertheless.
            let failed = failed.max(number(&status["failed"], 0));
            set_count(status, "failed", failed);
            status["ready"] = ready.into();
            status["terminating"] = pods.ending().into();
            status["uncountedTerminatedPods"] = json!({});
            if suspended {
                super::object::set_or_remove(status, "startTime", None);
            } else if status["startTime"].is_null() {
                status["startTime"] = metadata::time(started).into();
            }
            let was_suspended = conditions::is_true(status, "Suspended");
            if suspended != was_suspended {
                let (reason, message) = if suspended {
                    ("JobSuspended", "Job suspended")
                } else {
                    ("JobResumed", "Job resumed")
                };
                conditions::set(
                    status,
                    &Condition::new("Suspended", suspended, reason, message),
                    None,
                );
            }
            if let Some(ending) = ending {
                // First that it will end, then, when the last pod has, that it has ended.
                conditions::set(status, &ending.condition(false), None);
            }
            if let Some(ending) = over {
                conditions::set(status, &ending.condition(true), None);
                if *ending == Ending::Complete {
                    status["completionTime"] = metadata::now().into();
                }
            }
        }),
    )?;
    if let Some(ending) = over {
        let (type_, reason) = match ending {
            Ending::Complete => ("Normal", "Completed"),
            Ending::Failed { reason, .. } => ("Warning", *reason),
        };
        objects.record_event(job, type_, reason, ending.message(), COMPONENT);
    }
    Ok(())
}

/// How often the containers of a pod were started again.
fn restarts(pod: &Value) -> i64 {
    ["initContainerStatuses", "containerStatuses"]
        .iter()
        .flat_map(|list| items(&pod["status"][list]))
        .map(|status| number(&status["restartCount"], 0))
        .sum()
}
