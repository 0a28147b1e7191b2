//! Pods as people look at them.

use catalyst_crd::labels;
use catalyst_model::views::{ContainerView, PodView};
use k8s_openapi::api::core::v1::{Container, ContainerStatus, Pod, PodStatus};
use kube::{Api, ResourceExt, api::ListParams};

use crate::{Cluster, ClusterError, events::utc};

impl Cluster {
    /// The pods of a namespace, newest first. A namespace that does not exist has none.
    ///
    /// # Errors
    /// What the API server answers.
    pub async fn pods(&self, namespace: &str) -> Result<Vec<PodView>, ClusterError> {
        let api: Api<Pod> = Api::namespaced(self.client(), namespace);
        let list = api
            .list(&ListParams::default())
            .await
            .map_err(|e| self.failed("list pods of", format!("namespace {namespace}"), e))?;
        let mut pods: Vec<PodView> = list.items.iter().map(pod_view).collect();
        // Times are whole seconds: of two, what the project runs comes before what inspects or builds it.
        pods.sort_by_key(|pod| {
            let newest = std::cmp::Reverse(pod.created_at);
            (newest, pod.job.is_some(), pod.name.clone())
        });
        Ok(pods)
    }
}

/// One pod, its init containers first.
#[must_use]
pub fn pod_view(pod: &Pod) -> PodView {
    let status = pod.status.clone().unwrap_or_default();
    let spec = pod.spec.clone().unwrap_or_default();
    let init_statuses = status.init_container_statuses.clone().unwrap_or_default();
    let statuses = status.container_statuses.clone().unwrap_or_default();
    let of = |containers: &[Container], statuses: &[ContainerStatus], init: bool| {
        containers
            .iter()
            .map(|c| container_view(c, statuses.iter().find(|s| s.name == c.name), init))
            .collect::<Vec<_>>()
    };
    let mut containers = of(
        &spec.init_containers.unwrap_or_default(),
        &init_statuses,
        true,
    );
    containers.extend(of(&spec.containers, &statuses, false));

    let phase = status
        .reason
        .clone()
        .or_else(|| status.phase.clone())
        .unwrap_or_else(|| "Pending".to_owned());
    PodView {
        name: pod.name_any(),
        status: word(pod, &containers, phase),
        commit: pod.labels().get(labels::COMMIT).cloned(),
        created_at: pod
            .metadata
            .creation_timestamp
            .as_ref()
            .and_then(|t| utc(t.0)),
        job: pod.labels().get(labels::JOB_TYPE).cloned(),
        node: spec.node_name,
        ips: ips(&status),
        containers,
        used: None,
    }
}

fn ips(status: &PodStatus) -> Vec<String> {
    let all = status.pod_ips.iter().flatten().map(|it| it.ip.clone());
    let mut all: Vec<String> = all.collect();
    if let Some(ip) = status.pod_ip.as_ref().filter(|ip| !all.contains(ip)) {
        all.insert(0, ip.clone());
    }
    all
}

/// The one word that kubectl shows for a pod: what holds it up, if anything does.
fn word(pod: &Pod, containers: &[ContainerView], phase: String) -> String {
    if pod.metadata.deletion_timestamp.is_some() {
        return "Terminating".to_owned();
    }
    let held_up = |c: &&ContainerView| {
        c.reason
            .as_deref()
            .is_some_and(|r| !matches!(r, "Completed" | "PodInitializing"))
    };
    match containers.iter().find(held_up) {
        Some(ContainerView {
            init: true,
            reason: Some(reason),
            ..
        }) => format!("Init:{reason}"),
        Some(ContainerView {
            reason: Some(reason),
            ..
        }) => reason.clone(),
        _ => phase,
    }
}

fn container_view(
    container: &Container,
    status: Option<&ContainerStatus>,
    init: bool,
) -> ContainerView {
    let state = status.and_then(|s| s.state.clone()).unwrap_or_default();
    let (word, reason, exit_code) = if let Some(running) = &state.running {
        let _ = running;
        ("running", None, None)
    } else if let Some(ended) = state.terminated {
        ("terminated", ended.reason, Some(ended.exit_code))
    } else {
        ("waiting", state.waiting.and_then(|w| w.reason), None)
    };
    ContainerView {
        name: container.name.clone(),
        init,
        image: container.image.clone().unwrap_or_default(),
        state: word.to_owned(),
        reason,
        exit_code,
        restarts: status.map_or(0, |s| u32::try_from(s.restart_count).unwrap_or(0)),
        ready: status.is_some_and(|s| s.ready),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use serde_json::json;

    fn pod(status: serde_json::Value) -> PodView {
        pod_view(
            &serde_json::from_value(json!({
                "metadata": {"name": "web-1", "labels": {"catalyst.dev/commit": "abc"}},
                "spec": {
                    "initContainers": [{"name": "git-clone", "image": "alpine/git"}],
                    "containers": [{"name": "app", "image": "node:22"}],
                    "nodeName": "node-1"
                },
                "status": status
            }))
            .unwrap(),
        )
    }

    #[test]
    fn a_pod_is_called_by_what_holds_it_up() {
        let view = pod(json!({
            "phase": "Pending",
            "initContainerStatuses": [{
                "name": "git-clone", "image": "", "imageID": "", "ready": false, "restartCount": 3,
                "state": {"waiting": {"reason": "CrashLoopBackOff"}}
            }]
        }));
        assert_eq!(view.status, "Init:CrashLoopBackOff");
        assert_eq!(view.containers[0].restarts, 3);
        assert!(view.containers[0].init && !view.containers[1].init);
    }

    #[test]
    fn a_pod_that_runs_is_called_running() {
        let view = pod(json!({
            "phase": "Running",
            "podIP": "10.0.0.7",
            "podIPs": [{"ip": "10.0.0.7"}, {"ip": "fd00::7"}],
            "initContainerStatuses": [{
                "name": "git-clone", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"terminated": {"exitCode": 0, "reason": "Completed"}}
            }],
            "containerStatuses": [{
                "name": "app", "image": "", "imageID": "", "ready": true, "restartCount": 0,
                "state": {"running": {}}
            }]
        }));
        assert_eq!(view.status, "Running");
        assert_eq!(view.containers[1].state, "running");
        assert_eq!(view.commit.as_deref(), Some("abc"));
        assert_eq!(view.node.as_deref(), Some("node-1"));
        assert_eq!(view.ips, ["10.0.0.7", "fd00::7"]);
    }

    #[test]
    fn a_pod_that_goes_is_called_terminating_and_one_that_waits_by_its_reason() {
        let mut going: Pod = serde_json::from_value(json!({
            "metadata": {"name": "web-1", "deletionTimestamp": "2026-01-02T03:04:05Z"},
            "spec": {"containers": [{"name": "app"}]}
        }))
        .unwrap();
        let view = pod_view(&going);
        assert_eq!(
            (view.status.as_str(), view.containers[0].state.as_str()),
            ("Terminating", "waiting")
        );
        going.metadata.deletion_timestamp = None;
        assert_eq!(pod_view(&going).status, "Pending");
        let waits = pod(json!({
            "phase": "Pending",
            "containerStatuses": [{
                "name": "app", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": {"waiting": {"reason": "ErrImagePull"}}
            }]
        }));
        assert_eq!(waits.status, "ErrImagePull");
        let evicted = pod(json!({"phase": "Failed", "reason": "Evicted", "podIP": "10.0.0.8"}));
        assert_eq!((evicted.status.as_str(), evicted.ips.len()), ("Evicted", 1));
    }
}
