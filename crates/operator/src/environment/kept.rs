//! When a pod is kept though its command fails, and what is said of it. Pure.

use std::sync::Arc;

use catalyst_crd::labels;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;

use super::deploy::template_annotation;
use super::pods;
use super::progress::{Said, Step};
use crate::desired::Workload;

/// The workload with its pod kept, where that was begun.
pub(super) fn kept(
    workload: &Workload,
    deployment: Option<&Deployment>,
    pods: &[Arc<Pod>],
) -> Option<Workload> {
    let version = workload.kept_version();
    let of_deployment = deployment
        .filter(|seen| template_annotation(seen, labels::TEMPLATE) == Some(&version))
        .and_then(|seen| template_annotation(seen, labels::KEPT));
    // A pod may be seen before the change of its Deployment is.
    let of_pods = pods
        .iter()
        .map(|pod| pod.annotations())
        .filter(|it| it.get(labels::TEMPLATE) == Some(&version))
        .find_map(|it| it.get(labels::KEPT));
    workload.kept(of_deployment.or(of_pods)?)
}

/// The workload whose pod is kept, where this one's command has failed for good.
pub(super) fn to_keep(workload: &Workload, step: &Step, pods: &[Arc<Pod>]) -> Option<Workload> {
    let Step::Failed(said) = step else {
        return None;
    };
    let container = workload.template.spec.as_ref()?.containers.first()?;
    let gave_up = pods
        .iter()
        .filter(|pod| pod.annotations().get(labels::TEMPLATE) == Some(&workload.version))
        .any(|pod| pods::gave_up(pod, &container.name));
    (workload.is_from_source && gave_up).then(|| workload.kept(&said.message))?
}

/// How far a workload is whose pod is kept for this reason.
pub(super) fn degraded(why: &str, step: Step) -> Step {
    let said = |what: &str| Said {
        reason: "ContainerFailed",
        message: format!("{why}; {what}"),
    };
    match step {
        Step::Waiting(waiting) if matches!(waiting.reason, "NotListening" | "NotReady") => {
            Step::Degraded(said(
                "its pod is kept: open a shell to look into it, then push a fix or retry",
            ))
        }
        Step::Waiting(_) => Step::Degraded(said("a pod is made that is kept for a shell")),
        Step::Failed(failed) => Step::Failed(said(&format!(
            "no pod could be kept for a shell: {}",
            failed.message
        ))),
        other => other,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use k8s_openapi::api::core::v1::PodTemplateSpec;
    use serde_json::{Value, json};

    use super::*;

    const WHY: &str = "app exited with 1";

    fn workload(is_from_source: bool) -> Workload {
        let template = json!({
            "metadata": { "annotations": { labels::TEMPLATE: "v1" } },
            "spec": { "containers": [{ "name": "app", "command": ["npm"], "args": ["run", "dev"],
                "livenessProbe": { "exec": { "command": ["true"] } } }] }
        });
        Workload {
            template: serde_json::from_value::<PodTemplateSpec>(template).unwrap(),
            version: "v1".to_owned(),
            port: 3000,
            commands: [].into(),
            words: String::new(),
            commit: None,
            is_from_source,
            kept_for: None,
        }
    }

    fn pod(version: &str, restarts: i32, annotations: &Value) -> Arc<Pod> {
        let mut pod = json!({
            "metadata": { "annotations": { labels::TEMPLATE: version } },
            "status": { "containerStatuses": [{ "name": "app", "image": "", "imageID": "", "ready": false,
                "restartCount": restarts, "state": { "terminated": { "exitCode": 1 } } }] }
        });
        for (key, value) in annotations.as_object().unwrap() {
            pod["metadata"]["annotations"][key] = value.clone();
        }
        Arc::new(serde_json::from_value(pod).unwrap())
    }

    #[test]
    fn a_pod_is_kept_once_the_command_of_a_source_has_failed_for_good() {
        let failed = Step::failed("ContainerFailed", WHY);
        let last = [pod("v1", 3, &json!({}))];
        let kept = to_keep(&workload(true), &failed, &last).unwrap();
        let app = &kept.template.spec.as_ref().unwrap().containers[0];
        let command = app.command.as_ref().unwrap();
        assert_eq!(command[..2], ["sh", "-c"]);
        assert_eq!(command[4..], ["npm", "run", "dev"]);
        assert_eq!((&app.args, &app.liveness_probe), (&None, &None));
        assert_ne!(kept.version, "v1");

        assert_eq!(to_keep(&workload(false), &failed, &last), None, "an image");
        let waiting = Step::waiting("ContainerFailed", WHY);
        assert_eq!(to_keep(&workload(true), &waiting, &last), None);
        let earlier = [pod("v1", 1, &json!({})), pod("v0", 3, &json!({}))];
        assert_eq!(to_keep(&workload(true), &failed, &earlier), None);
    }

    #[test]
    fn why_it_is_kept_is_told_by_its_deployment_or_its_pod_and_forgotten_with_the_version() {
        let begun = workload(true).kept(WHY).unwrap();
        let deployment: Deployment = serde_json::from_value(json!({
            "metadata": {}, "spec": { "selector": {}, "template": begun.template }
        }))
        .unwrap();
        assert_eq!(
            kept(&workload(true), Some(&deployment), &[]),
            Some(begun.clone())
        );
        let pushed = Workload {
            version: "v2".to_owned(),
            ..workload(true)
        };
        assert_eq!(kept(&pushed, Some(&deployment), &[]), None);
        let pods = [pod(&begun.version, 0, &json!({ labels::KEPT: WHY }))];
        assert_eq!(kept(&workload(true), None, &pods), Some(begun));
        assert_eq!(kept(&pushed, None, &pods), None);
    }

    #[test]
    fn it_is_degraded_until_something_listens() {
        let here = degraded(WHY, Step::waiting("NotListening", "nothing listens"));
        assert!(matches!(&here, Step::Degraded(said) if said.message.contains("open a shell")));
        let coming = degraded(WHY, Step::waiting("Preparing", "install is running"));
        assert!(matches!(&coming, Step::Degraded(said) if said.message.starts_with(WHY)));
        let failed = degraded(
            WHY,
            Step::failed("ContainerFailed", "install exited with 1"),
        );
        assert!(matches!(&failed, Step::Failed(said)
            if said.message.contains(WHY) && said.message.contains("install exited")));
        let done = Step::done("Deployed", "up");
        assert_eq!(degraded(WHY, done.clone()), done);
    }
}
