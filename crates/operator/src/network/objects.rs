//! The pods that try out whether policies are enforced, as pure functions.

use std::collections::BTreeMap;
use std::net::SocketAddr;

use k8s_openapi::api::batch::v1::{Job, JobSpec};
use k8s_openapi::api::core::v1::{Container, Pod, PodSpec, PodTemplateSpec, ResourceRequirements};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::ResourceExt;

/// On the pods, and on the policy of the chart that cuts one of them off: which one it is.
pub const LABEL: &str = "catalyst.dev/network-probe";
/// On the pods: which look they belong to.
pub const RUN: &str = "catalyst.dev/network-probe-run";

/// Which of the two pods it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// No policy of ours selects it.
    Open,
    /// One that allows nothing does.
    CutOff,
}

impl Side {
    /// The value of [`LABEL`].
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::CutOff => "cut-off",
        }
    }
}

/// The Job's name.
pub fn name(side: Side, run: &str) -> String {
    format!("catalyst-network-probe-{}-{run}", side.as_str())
}

/// The Job of one pod, made like the operator's `own` one: the same image, restraints and place, but
/// without a token. It goes with that pod at the latest.
pub fn job(own: &Pod, side: Side, run: &str, target: SocketAddr) -> Job {
    let own_spec = own.spec.clone().unwrap_or_default();
    let like = own_spec.containers.into_iter().next().unwrap_or_default();
    let labels = BTreeMap::from([
        ("app.kubernetes.io/name".to_owned(), "catalyst".to_owned()),
        (
            "app.kubernetes.io/component".to_owned(),
            "network-probe".to_owned(),
        ),
        (LABEL.to_owned(), side.as_str().to_owned()),
        (RUN.to_owned(), run.to_owned()),
    ]);
    let quantities = |all: &[(&str, &str)]| {
        let pair = |&(name, value): &(&str, &str)| (name.to_owned(), Quantity(value.to_owned()));
        Some(all.iter().map(pair).collect())
    };
    let container = Container {
        name: "probe".to_owned(),
        image: like.image,
        image_pull_policy: like.image_pull_policy,
        args: Some(vec!["network-probe".to_owned(), target.to_string()]),
        security_context: like.security_context,
        resources: Some(ResourceRequirements {
            requests: quantities(&[("cpu", "10m"), ("memory", "32Mi")]),
            limits: quantities(&[("memory", "128Mi")]),
            ..ResourceRequirements::default()
        }),
        ..Container::default()
    };
    Job {
        metadata: ObjectMeta {
            name: Some(name(side, run)),
            namespace: own.namespace(),
            labels: Some(labels.clone()),
            owner_references: Some(vec![OwnerReference {
                api_version: "v1".to_owned(),
                kind: "Pod".to_owned(),
                name: own.name_any(),
                uid: own.uid().unwrap_or_default(),
                ..OwnerReference::default()
            }]),
            ..ObjectMeta::default()
        },
        spec: Some(JobSpec {
            backoff_limit: Some(0),
            active_deadline_seconds: Some(120),
            ttl_seconds_after_finished: Some(300),
            template: PodTemplateSpec {
                metadata: Some(ObjectMeta {
                    labels: Some(labels),
                    ..ObjectMeta::default()
                }),
                spec: Some(PodSpec {
                    restart_policy: Some("Never".to_owned()),
                    automount_service_account_token: Some(false),
                    enable_service_links: Some(false),
                    security_context: own_spec.security_context,
                    image_pull_secrets: own_spec.image_pull_secrets,
                    node_selector: own_spec.node_selector,
                    tolerations: own_spec.tolerations,
                    containers: vec![container],
                    ..PodSpec::default()
                }),
            },
            ..JobSpec::default()
        }),
        status: None,
    }
}

/// Which of the two a pod is, and the exit code that it has ended with.
pub fn ended(pod: &Pod) -> Option<(Side, i32)> {
    let label = pod.labels().get(LABEL)?;
    let side = [Side::Open, Side::CutOff]
        .into_iter()
        .find(|side| side.as_str() == label)?;
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let state = statuses.first()?.state.as_ref()?;
    Some((side, state.terminated.as_ref()?.exit_code))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use serde_json::json;

    use super::*;

    fn own() -> Pod {
        serde_json::from_value(json!({
            "metadata": { "name": "catalyst-operator-x", "namespace": "catalyst-system", "uid": "u-1" },
            "spec": {
                "serviceAccountName": "catalyst-operator",
                "securityContext": { "runAsNonRoot": true },
                "imagePullSecrets": [{ "name": "registry" }],
                "nodeSelector": { "pool": "system" },
                "containers": [{
                    "name": "operator", "image": "registry.example.com/catalyst:1", "args": ["operator"],
                    "env": [{ "name": "SECRET", "value": "x" }],
                    "securityContext": { "readOnlyRootFilesystem": true },
                    "volumeMounts": [{ "name": "tmp", "mountPath": "/tmp" }],
                }],
            },
        }))
        .unwrap()
    }

    #[test]
    fn a_probe_is_made_like_the_operator_and_has_nothing_of_its_rights() {
        let target = "[fd00::7]:9090".parse().unwrap();
        let job = job(&own(), Side::CutOff, "1a2b", target);
        assert_eq!(job.name_any(), "catalyst-network-probe-cut-off-1a2b");
        assert_eq!(
            job.metadata.owner_references.as_ref().unwrap()[0].uid,
            "u-1"
        );
        let template = job.spec.unwrap().template;
        let labels = template.metadata.unwrap().labels.unwrap();
        assert_eq!(labels[LABEL], "cut-off");
        let spec = serde_json::to_value(template.spec.unwrap()).unwrap();
        assert_eq!(spec["automountServiceAccountToken"], false);
        assert!(spec["serviceAccountName"].is_null());
        assert_eq!(spec["securityContext"]["runAsNonRoot"], true);
        assert_eq!(spec["imagePullSecrets"][0]["name"], "registry");
        assert_eq!(spec["nodeSelector"]["pool"], "system");
        let container = &spec["containers"][0];
        assert_eq!(container["image"], "registry.example.com/catalyst:1");
        assert_eq!(
            container["args"],
            json!(["network-probe", "[fd00::7]:9090"])
        );
        assert_eq!(container["securityContext"]["readOnlyRootFilesystem"], true);
        assert!(container["env"].is_null() && container["volumeMounts"].is_null());
    }

    #[test]
    fn a_pod_tells_only_once_it_has_ended() {
        let pod = |side: &str, state: serde_json::Value| -> Pod {
            serde_json::from_value(json!({
                "metadata": { "labels": { LABEL: side } },
                "status": { "containerStatuses": [{ "name": "probe", "image": "", "imageID": "", "ready": false, "restartCount": 0, "state": state }] },
            }))
            .unwrap()
        };
        let over = json!({ "terminated": { "exitCode": 20 } });
        assert_eq!(ended(&pod("open", over.clone())), Some((Side::Open, 20)));
        assert_eq!(
            ended(&pod("cut-off", over.clone())),
            Some((Side::CutOff, 20))
        );
        assert_eq!(ended(&pod("open", json!({ "running": {} }))), None);
        assert_eq!(ended(&pod("other", over)), None);
    }
}
