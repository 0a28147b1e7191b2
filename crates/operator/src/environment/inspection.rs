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

use super::job::{belongs_to, has, why_failed};
use super::pods;
use super::progress::Step;
use crate::context::Context;
use crate::desired::inspect::{INSPECT, JOB, RETRIES, Subject, job, key, record, recorded};
use crate::desired::{Source, Target};
use crate::error::Error;

/// What a look at a checkout has found so far.
pub(super) enum Look<T> {
    /// What there is to know.
    Known(T),
    /// Nothing yet, or nothing at all; and when to look again.
    Open(Step, Option<Timestamp>),
}

impl<T> Look<T> {
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
) -> Result<Look<Box<Bundle>>, Error> {
    inspect_as(
        &Subject::source(),
        context,
        target,
        source,
        path,
        retry,
        now,
    )
    .await
}

/// The same with a source that is not the one that is deployed.
pub(super) async fn inspect_as(
    subject: &Subject,
    context: &Context,
    target: &Target,
    source: &Source,
    path: &str,
    retry: Option<&str>,
    now: Timestamp,
) -> Result<Look<Box<Bundle>>, Error> {
    let key = key(source, path, retry);
    if let Some(report) = kept(context, target, subject, &key) {
        return Ok(read(&report));
    }
    let looking = Looking {
        context,
        target,
        subject,
        key: &key,
        now,
        words: Words {
            waiting: "Inspecting",
            doing: "the repository is being looked at",
            failed: "InspectionFailed",
            not_done: "the repository cannot be looked at",
        },
    };
    let job = job(target, source, subject, path, retry, &context.settings);
    let report = match looking.by(&job).await? {
        Look::Known(report) => report,
        Look::Open(step, look_again) => return Ok(Look::Open(step, look_again)),
    };
    keep(context, target, subject, &key, &report).await?;
    Ok(read(&report))
}

/// What was kept about `key`.
pub(super) fn kept(
    context: &Context,
    target: &Target,
    subject: &Subject,
    key: &str,
) -> Option<Vec<u8>> {
    let place = ObjectRef::<ConfigMap>::new(&subject.record).within(&target.namespace);
    let known = context.cluster.caches.config_maps.get(&place)?;
    recorded(&known, key).map(<[u8]>::to_vec)
}

/// Keeps what was found.
pub(super) async fn keep(
    context: &Context,
    target: &Target,
    subject: &Subject,
    key: &str,
    report: &[u8],
) -> Result<(), Error> {
    let record = record(target, subject, key, report);
    context.cluster.ensure(&record).await?;
    tracing::info!(
        environment = target.owner(),
        namespace = target.namespace,
        subject = subject.label,
        key,
        bytes = report.len(),
        "inspected"
    );
    Ok(())
}

/// How a look is told.
pub(super) struct Words {
    /// The reason while it is under way.
    pub waiting: &'static str,
    /// What is being done.
    pub doing: &'static str,
    /// The reason where it failed.
    pub failed: &'static str,
    /// What could not be done.
    pub not_done: &'static str,
}

/// A look at a checkout by way of a Job.
pub(super) struct Looking<'a> {
    pub context: &'a Context,
    pub target: &'a Target,
    pub subject: &'a Subject,
    pub key: &'a str,
    pub words: Words,
    pub now: Timestamp,
}

impl Looking<'_> {
    /// Has the Job run, and reads what it reports: compressed, as [`keep`] keeps it.
    pub async fn by(&self, wanted: &Job) -> Result<Look<Vec<u8>>, Error> {
        let Self {
            context,
            target,
            key,
            now,
            ref words,
            ..
        } = *self;
        let caches = &context.cluster.caches;
        let place = ObjectRef::<Job>::new(&wanted.name_any()).within(&target.namespace);
        // A Job that is there is left as it is: most of it cannot be changed.
        let job = match caches.jobs.get(&place) {
            Some(job) if job.metadata.deletion_timestamp.is_none() => job,
            Some(_) => return Ok(Look::open(Step::waiting(words.waiting, words.doing))),
            None => context.cluster.ensure(wanted).await?,
        };
        self.forget_others(&wanted.name_any()).await?;

        let mut tries: Vec<_> = caches.pods_in(&target.namespace);
        tries.retain(|pod| {
            pod.annotations()
                .get(labels::INSPECTION)
                .is_some_and(|known| known == key)
                && belongs_to(pod, &job)
        });
        tries.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));

        let done = tries.iter().rev().find(|pod| pods::succeeded(pod, INSPECT));
        if let Some(pod) = done {
            let log = log_of(context, target, &pod.name_any()).await?;
            return Ok(match log.as_deref().map(packed) {
                Some(Ok(report)) => Look::Known(report),
                // The log's end may not have been written yet, and a pod may go while it is read.
                Some(Err(BundleError::Incomplete)) | None => Look::Open(
                    Step::waiting(words.waiting, "the report of the inspection is being read"),
                    now.saturating_add(std::time::Duration::from_secs(1)).ok(),
                ),
                Some(Err(error)) => Look::open(Step::failed(words.failed, error.to_string())),
            });
        }
        let succeeded = job.status.as_ref().and_then(|status| status.succeeded);
        if has(&job, "Complete") || succeeded.is_some_and(|n| n > 0) {
            // Its pods are gone before their report was read, or are about to be seen.
            let is_left = |pod: &Arc<Pod>| belongs_to(pod, &job);
            if !caches.pods_in(&target.namespace).iter().any(is_left) {
                context
                    .cluster
                    .delete::<Job>(&target.namespace, &job.name_any())
                    .await?;
            }
            return Ok(Look::open(Step::waiting(
                words.waiting,
                "the repository was looked at",
            )));
        }
        if has(&job, "Failed") {
            let why = tries.iter().rev().find_map(|pod| pods::failure(pod));
            let why = match why_failed(&job, why, now) {
                Ok(why) => why,
                Err(again) => {
                    return Ok(Look::Open(Step::waiting(words.waiting, words.doing), again));
                }
            };
            return Ok(Look::open(Step::failed(
                words.failed,
                format!("{}: {why} (tried {} times)", words.not_done, RETRIES + 1),
            )));
        }
        Ok(self.waiting(&tries))
    }

    fn waiting(&self, tries: &[Arc<Pod>]) -> Look<Vec<u8>> {
        let words = &self.words;
        let Some(newest) = tries.last() else {
            return Look::open(Step::waiting(words.waiting, words.doing));
        };
        let failed = tries
            .iter()
            .filter(|pod| pods::failure(pod).is_some())
            .count();
        if let Some(why) = tries.iter().rev().find_map(|pod| pods::failure(pod)) {
            let message = format!("{why}; try {} of {}", failed + 1, RETRIES + 1);
            return Look::open(Step::waiting(words.waiting, message));
        }
        let commands = [("git-clone".to_owned(), "git fetch".to_owned())].into();
        let (step, look_again) = pods::diagnose(newest, &commands, 0, self.now);
        let step = match step {
            Step::Waiting(said) if matches!(said.reason, "NotReady" | "Starting") => {
                Step::waiting(words.waiting, words.doing)
            }
            other => other,
        };
        Look::Open(step, look_again)
    }

    /// Removes the Jobs of earlier commits and attempts.
    async fn forget_others(&self, current: &str) -> Result<(), Error> {
        let is_ours = |job: &Job| {
            let has = |key: &str, value: &str| job.labels().get(key).is_some_and(|it| it == value);
            // Those of an earlier version say nothing of what they look at.
            has(labels::JOB_TYPE, JOB)
                && (has(labels::INSPECTED, &self.subject.label)
                    || !job.labels().contains_key(labels::INSPECTED))
        };
        let others = self.context.cluster.caches.jobs.state_filter(|job| {
            job.metadata.namespace.as_deref() == Some(&self.target.namespace)
                && is_ours(job)
                && job.name_any() != current
                && job.metadata.deletion_timestamp.is_none()
        });
        for job in others {
            self.context
                .cluster
                .delete::<Job>(&self.target.namespace, &job.name_any())
                .await?;
        }
        Ok(())
    }
}

fn read(report: &[u8]) -> Look<Box<Bundle>> {
    match Bundle::unpack(report) {
        Ok(bundle) => Look::Known(Box::new(bundle)),
        Err(error) => Look::open(Step::failed("InspectionFailed", error.to_string())),
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
