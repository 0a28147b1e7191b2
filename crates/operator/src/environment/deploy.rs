//! Brings the workload up, and says how far it is.

use std::sync::Arc;
use std::time::Duration;

use catalyst_crd::EnvironmentConfig;
use catalyst_crd::labels;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::runtime::reflector::ObjectRef;

use super::filling::fill;
use super::kept::{degraded, kept, to_keep};
use super::pods::{self, Diagnosis};
use super::progress::Step;
use super::services::managed_services;
use crate::context::Context;
use crate::desired::quota::Allowance;
use crate::desired::workload::{NAME, Workload, claims, deployment};
use crate::desired::{Source, Target, routing};
use crate::error::Error;

/// How long pods may be refused, by a quota for example, while old ones make room.
const REFUSAL_PATIENCE: Duration = Duration::from_secs(30);
/// How many pods of a version their node may end before that is no accident.
const MOST_ENDED: usize = 3;

/// Where a workload is brought up, and with what next to it.
pub(super) struct Site<'a> {
    pub context: &'a Context,
    pub target: &'a Target,
    pub config: &'a EnvironmentConfig,
    pub allowance: Allowance,
    /// Where dumps are that the repository holds.
    pub source: &'a Source,
    /// The last retry that a person asked for.
    pub retry: Option<&'a str>,
    pub now: Timestamp,
}

impl Site<'_> {
    /// Claims, databases and their Services; once those are ready, what they are filled with; then
    /// the workload itself.
    pub async fn deploy(&self, workload: &Workload) -> Result<Diagnosis, Error> {
        let Self {
            context,
            target,
            config,
            ..
        } = *self;
        let cluster = &context.cluster;
        for claim in claims(target, config) {
            cluster.ensure(&claim).await?;
        }
        if let Some(waiting) = managed_services(self).await? {
            return Ok(waiting);
        }
        if let Some(waiting) = fill(self, workload).await? {
            return Ok(waiting);
        }
        let seen = ObjectRef::<Deployment>::new(NAME).within(&target.namespace);
        let seen = cluster.caches.deployments.get(&seen);
        let pods = cluster.caches.pods_in(&target.namespace);
        if let Some(kept) = kept(workload, seen.as_deref(), &pods) {
            return self.bring_up(&kept, seen.as_deref()).await;
        }
        let diagnosis = self.bring_up(workload, seen.as_deref()).await?;
        match to_keep(workload, &diagnosis.0, &pods) {
            Some(kept) => self.bring_up(&kept, seen.as_deref()).await,
            None => Ok(diagnosis),
        }
    }

    /// The workload's Deployment and its Service.
    async fn bring_up(
        &self,
        workload: &Workload,
        seen: Option<&Deployment>,
    ) -> Result<Diagnosis, Error> {
        let Self {
            context,
            target,
            now,
            ..
        } = *self;
        let cluster = &context.cluster;
        let applied = cluster
            .ensure(&deployment(target, workload, &context.settings))
            .await?;
        cluster
            .ensure(&routing::service(target, workload.port))
            .await?;
        if seen.and_then(version_of_deployment) != Some(&workload.version) {
            tracing::info!(
                environment = target.owner(),
                namespace = target.namespace,
                commit = workload.commit.as_ref().map(ToString::to_string),
                runs = workload.words,
                kept = workload.kept_for,
                "deployed"
            );
        }
        let pods = cluster.caches.pods_in(&target.namespace);
        let (step, again) = state(&applied, workload, &pods, now);
        Ok(match &workload.kept_for {
            Some(why) => (degraded(why, step), again),
            None => (step, again),
        })
    }
}

/// How far the newest version of the workload is. Pure.
pub(super) fn state(
    deployment: &Deployment,
    workload: &Workload,
    pods: &[Arc<Pod>],
    now: Timestamp,
) -> (Step, Option<Timestamp>) {
    let mut newest: Vec<_> = pods
        .iter()
        .filter(|pod| pod.annotations().get(labels::TEMPLATE) == Some(&workload.version))
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .collect();
    newest.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    if newest.iter().any(|pod| pods::is_ready(pod)) {
        let message = workload.commit.as_ref().map_or_else(
            || workload.words.clone(),
            |commit| format!("{commit} is up"),
        );
        return (Step::done("Deployed", message), None);
    }
    // A new one is made at once for each that its node ends.
    let ended: Vec<_> = newest.iter().filter_map(|pod| pods::ended(pod)).collect();
    if let Some(why) = ended.last().filter(|_| ended.len() > MOST_ENDED) {
        // Without their number, which goes on growing: each change of it would be told everywhere.
        let message = format!("the node ends its pods again and again: {}", why.trim());
        return (Step::failed("PodFailed", message), None);
    }
    if let Some(pod) = newest.last() {
        return pods::diagnose(pod, &workload.commands, workload.port, now);
    }
    let status = deployment.status.clone().unwrap_or_default();
    let refused = status
        .conditions
        .iter()
        .flatten()
        .find(|c| c.type_ == "ReplicaFailure" && c.status == "True");
    if let Some(refused) = refused {
        let why = refused
            .message
            .as_deref()
            .unwrap_or("for a reason that it does not say");
        let message = format!("the cluster refuses the pod: {why}");
        let since = refused
            .last_transition_time
            .as_ref()
            .map_or(now, |time| time.0);
        let until = since
            .saturating_add(REFUSAL_PATIENCE)
            .unwrap_or(Timestamp::MAX);
        return if now >= until {
            (Step::failed("PodRefused", message), None)
        } else {
            (Step::waiting("PodRefused", message), Some(until))
        };
    }
    (
        Step::waiting("Starting", "the pod is about to be made"),
        None,
    )
}

fn version_of_deployment(deployment: &Deployment) -> Option<&String> {
    template_annotation(deployment, labels::TEMPLATE)
}

/// An annotation of the pods that a Deployment makes.
pub(super) fn template_annotation<'a>(
    deployment: &'a Deployment,
    name: &str,
) -> Option<&'a String> {
    deployment
        .spec
        .as_ref()?
        .template
        .metadata
        .as_ref()?
        .annotations
        .as_ref()?
        .get(name)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    const OLD: &str = "1111111111111111111111111111111111111111";
    const NEW: &str = "2222222222222222222222222222222222222222";

    fn workload() -> Workload {
        Workload {
            template: k8s_openapi::api::core::v1::PodTemplateSpec::default(),
            version: "new".to_owned(),
            port: 8080,
            commands: [].into(),
            words: String::new(),
            commit: Some(NEW.parse().unwrap()),
            is_from_source: true,
            kept_for: None,
        }
    }

    fn pod(version: &str, commit: &str, age: i64, ready: bool) -> Arc<Pod> {
        let created = Timestamp::from_second(1000 - age).unwrap().to_string();
        Arc::new(
            serde_json::from_value(json!({
                "metadata": {
                    "name": format!("web-{version}"), "creationTimestamp": created,
                    "labels": { "app": "web", labels::COMMIT: commit },
                    "annotations": { labels::TEMPLATE: version }
                },
                "status": { "phase": "Running", "conditions": [
                    { "type": "Ready", "status": if ready { "True" } else { "False" } }
                ]}
            }))
            .unwrap(),
        )
    }

    fn deployment(status: Value) -> Deployment {
        serde_json::from_value(json!({ "metadata": {}, "status": status })).unwrap()
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1000).unwrap()
    }

    #[test]
    fn only_a_ready_pod_of_the_newest_version_is_done() {
        let state =
            |pods: &[Arc<Pod>]| super::state(&deployment(json!({})), &workload(), pods, now()).0;
        let old = pod("old", OLD, 50, true);
        assert!(matches!(state(&[]), Step::Waiting(_)));
        assert!(matches!(
            state(std::slice::from_ref(&old)),
            Step::Waiting(_)
        ));
        assert!(matches!(
            state(&[old.clone(), pod("new", NEW, 5, false)]),
            Step::Waiting(_)
        ));
        assert_eq!(
            state(&[old, pod("new", NEW, 5, true)]),
            Step::done("Deployed", format!("{NEW} is up"))
        );
    }

    #[test]
    fn a_version_whose_pods_are_ended_again_and_again_has_failed() {
        let evicted = |count: usize| -> Vec<Arc<Pod>> {
            let ended = json!({ "phase": "Failed", "reason": "Evicted", "message": "it took 11 GiB of disk" });
            let one = |_| {
                let mut pod = Arc::unwrap_or_clone(pod("new", NEW, 5, false));
                pod.status = serde_json::from_value(ended.clone()).unwrap();
                Arc::new(pod)
            };
            (0..count).map(one).collect()
        };
        let state =
            |count| super::state(&deployment(json!({})), &workload(), &evicted(count), now()).0;
        assert!(
            matches!(state(MOST_ENDED), Step::Waiting(said) if said.message.contains("11 GiB"))
        );
        assert!(
            matches!(state(MOST_ENDED + 1), Step::Failed(said) if said.message.contains("11 GiB"))
        );
    }

    #[test]
    fn a_pod_that_the_quota_refuses_fails_once_it_had_time_to_fit() {
        let refused = |ago: i64| {
            deployment(json!({ "conditions": [{
                "type": "ReplicaFailure", "status": "True", "reason": "FailedCreate",
                "message": "pods \"web-1\" is forbidden: exceeded quota: default-quota",
                "lastTransitionTime": Timestamp::from_second(1000 - ago).unwrap().to_string()
            }]}))
        };
        let (step, again) = super::state(&refused(5), &workload(), &[], now());
        assert!(
            matches!(&step, Step::Waiting(said) if said.message.contains("exceeded quota")),
            "{step:?}"
        );
        assert!(again.is_some());
        let (step, _) = super::state(&refused(30), &workload(), &[], now());
        assert!(
            matches!(&step, Step::Failed(said) if said.reason == "PodRefused"),
            "{step:?}"
        );
    }
}
