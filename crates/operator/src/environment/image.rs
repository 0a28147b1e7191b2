//! Builds images by way of Jobs, once each, and stops those that are not wanted any more.

use std::sync::Arc;

use catalyst_crd::labels;
use catalyst_model::ids::CommitSha;
use jiff::Timestamp;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::job::{belongs_to, has, why_failed};
use super::pods;
use super::progress::Step;
use crate::builds::BuildSettings;
use crate::context::Context;
use crate::desired::Target;
use crate::desired::build::{BUILD, Order, Outcome, advice, container_name, identity};
use crate::desired::policy;
use crate::desired::record::Held;
use crate::error::Error;

/// How far an image is.
pub(super) enum Image {
    /// It is in the registry, under this name.
    Built(String),
    /// Not yet, or not at all; and when to look again.
    Open(Step, Option<Timestamp>),
}

/// Everything that a build is made with besides its order.
pub(super) struct Workshop<'a> {
    pub context: &'a Context,
    pub target: &'a Target,
    pub builds: &'a BuildSettings,
    /// The secrets that a Dockerfile may ask for.
    pub secrets: Option<&'a Held>,
    pub retry: Option<&'a str>,
    pub now: Timestamp,
}

impl Workshop<'_> {
    /// Builds an image by way of a Job, unless that was done.
    pub async fn build(&self, order: &Order) -> Result<Image, Error> {
        let Self {
            context,
            target,
            retry,
            ..
        } = *self;
        let cluster = &context.cluster;
        if let Some(known) = self.known(order).await? {
            return Ok(self.told(order, known));
        }
        let name = order.job_name(retry);
        let of_another = |job: &Job| {
            job.labels().get(labels::BUILD) == Some(&order.name) && job.name_any() != name
        };
        stop(context, target, of_another).await?;
        let seen = cluster
            .caches
            .jobs
            .get(&ObjectRef::<Job>::new(&name).within(&target.namespace));
        if seen.is_none()
            && let Some(known) = self.recalled(order).await?
        {
            return Ok(self.told(order, known));
        }
        if let Some(policy) = policy::image_builds(target, self.builds) {
            cluster.ensure(&policy).await?;
        }
        cluster.ensure(&order.files(target)).await?;
        if let Some(identity) = identity(target, self.builds) {
            cluster.ensure_unseen(&identity).await?;
        }
        let wanted = order.job(target, retry, self.secrets, &context.settings, self.builds);
        // A Job that is there is left as it is: most of it cannot be changed.
        let job = match seen {
            Some(job) if job.metadata.deletion_timestamp.is_none() => job,
            Some(_) => {
                return Ok(Image::Open(
                    building(order, "an earlier build is being stopped"),
                    None,
                ));
            }
            None => {
                tracing::info!(
                    environment = target.owner(),
                    namespace = target.namespace,
                    image = order.image,
                    "image_build_started"
                );
                cluster.ensure(&wanted).await?
            }
        };
        let mut own: Vec<_> = cluster.caches.pods_in(&target.namespace);
        own.retain(|pod| belongs_to(pod, &job));
        let container = container_name(&self.builds.engine);
        let done = own.iter().find(|pod| pods::succeeded(pod, container));
        if done.is_some() || has(&job, "Complete") {
            let image = pinned(
                &order.image,
                done.and_then(|pod| pods::last_message(pod, container)),
            );
            tracing::info!(
                environment = target.owner(),
                namespace = target.namespace,
                image,
                "image_built"
            );
            return Ok(self.told(order, self.built(order, image).await?));
        }
        let why = own.iter().find_map(|pod| pods::failure(pod));
        if why.is_some() || has(&job, "Failed") {
            let why = match why_failed(&job, why, self.now) {
                Ok(why) => why,
                Err(again) => {
                    let step = building(order, "it has failed, and why is about to be known");
                    return Ok(Image::Open(step, again));
                }
            };
            tracing::warn!(
                environment = target.owner(),
                namespace = target.namespace,
                image = order.image,
                why,
                "image_build_failed"
            );
            return Ok(self.told(order, self.failed(order, why).await?));
        }
        Ok(self.waiting(order, own.last()))
    }

    fn told(&self, order: &Order, outcome: Outcome) -> Image {
        match (outcome.image, outcome.failure) {
            (Some(image), _) => Image::Built(image),
            (None, why) => Image::Open(self.cannot(order, &why.unwrap_or_default()), None),
        }
    }

    fn cannot(&self, order: &Order, why: &str) -> Step {
        let todo = advice(why, order, self.target, self.builds);
        let (name, words) = (&order.name, &order.words);
        Step::failed(
            "ImageBuildFailed",
            format!("the image of {name} cannot be built by {words}: {why}. {todo}"),
        )
    }

    fn waiting(&self, order: &Order, pod: Option<&Arc<Pod>>) -> Image {
        let Some(pod) = pod else {
            return Image::Open(building(order, "its pod is about to be made"), None);
        };
        let (step, again) = pods::diagnose(pod, &[].into(), 0, self.now);
        let step = match step {
            Step::Waiting(said) if said.reason == "NotReady" => {
                building(order, "it is being built")
            }
            Step::Waiting(said) => building(order, &said.message),
            Step::Failed(said) => self.cannot(order, &said.message),
            other => other,
        };
        Image::Open(step, again)
    }
}

/// Stops the builds of other commits than these: whoever pushes does not wait for them.
pub(super) async fn stop_others(
    context: &Context,
    target: &Target,
    commits: &[&CommitSha],
) -> Result<(), Error> {
    let of_another = |job: &Job| {
        job.labels()
            .get(labels::COMMIT)
            .is_some_and(|known| !commits.iter().any(|commit| known == commit.as_str()))
    };
    stop(context, target, of_another).await
}

async fn stop(
    context: &Context,
    target: &Target,
    is_meant: impl Fn(&Job) -> bool,
) -> Result<(), Error> {
    let others = context.cluster.caches.jobs.state_filter(|job| {
        job.metadata.namespace.as_deref() == Some(&target.namespace)
            && job
                .labels()
                .get(labels::JOB_TYPE)
                .is_some_and(|kind| kind == BUILD)
            && job.metadata.deletion_timestamp.is_none()
            && is_meant(job)
    });
    for job in others {
        let name = job.name_any();
        context
            .cluster
            .delete::<Job>(&target.namespace, &name)
            .await?;
        tracing::info!(environment = target.owner(), name, "image_build_stopped");
    }
    Ok(())
}

fn building(order: &Order, how: &str) -> Step {
    Step::waiting(
        "BuildingImage",
        format!(
            "the image of {} is built by {}: {how}",
            order.name, order.words
        ),
    )
}

/// The image by its digest, where what built it told that: whatever becomes of its tag, this is
/// what runs.
fn pinned(image: &str, told: Option<&str>) -> String {
    let digest = told
        .map(str::trim)
        .and_then(|told| told.strip_prefix("sha256:"))
        .filter(|hex| hex.len() == 64 && hex.bytes().all(|b| b.is_ascii_hexdigit()));
    match digest {
        Some(hex) => format!("{image}@sha256:{hex}"),
        None => image.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_image_is_run_by_its_digest_where_that_was_told() {
        let hex = "0123456789abcdef".repeat(4);
        let told = format!("sha256:{hex}\n");
        assert_eq!(pinned("r/a:1", Some(&told)), format!("r/a:1@sha256:{hex}"));
        for nothing in [None, Some(""), Some("sha256:0"), Some("sha256:x; rm -rf /")] {
            assert_eq!(pinned("r/a:1", nothing), "r/a:1");
        }
    }
}
