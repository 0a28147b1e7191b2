//! How far a rendered workload is. Pure.

use std::collections::BTreeMap;
use std::sync::Arc;

use catalyst_crd::labels;
use jiff::Timestamp;
use k8s_openapi::api::apps::v1::Deployment;
use k8s_openapi::api::batch::v1::Job;
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use kube::ResourceExt;
use serde_json::Value;

use crate::desired::workload::Workload;
use crate::environment::deploy;
use crate::environment::job::{has, why_failed};
use crate::environment::pods::{self, Diagnosis};
use crate::environment::progress::Step;

/// How far a workload is, by what is `wanted`, what was `applied`, and the pods of its namespace.
pub(super) fn state(
    wanted: &Value,
    applied: &Value,
    all: &[Arc<Pod>],
    now: Timestamp,
) -> Diagnosis {
    let template = &wanted["spec"]["template"];
    let version = template["metadata"]["annotations"][labels::TEMPLATE]
        .as_str()
        .unwrap_or_default();
    if wanted["kind"] == "Job" {
        return job(applied, version, all, now);
    }
    if wanted["spec"]["replicas"] == 0 {
        return done();
    }
    // Only a check of a port waits for something to listen.
    let port = template["spec"]["containers"][0]["readinessProbe"]["tcpSocket"]["port"]
        .as_i64()
        .and_then(|port| i32::try_from(port).ok())
        .unwrap_or_default();
    let workload = Workload {
        template: PodTemplateSpec::default(),
        version: version.to_owned(),
        port,
        commands: BTreeMap::new(),
        words: String::new(),
        commit: None,
        is_from_source: false,
        kept_for: None,
    };
    let deployment = Some(applied)
        .filter(|applied| applied["kind"] == "Deployment" || wanted["kind"] == "Deployment")
        .and_then(|applied| serde_json::from_value::<Deployment>(applied.clone()).ok())
        .unwrap_or_default();
    deploy::state(&deployment, &workload, all, now)
}

fn done() -> Diagnosis {
    (Step::done("Deployed", ""), None)
}

fn starting(message: impl Into<String>) -> Diagnosis {
    (Step::waiting("Starting", message), None)
}

fn job(applied: &Value, version: &str, all: &[Arc<Pod>], now: Timestamp) -> Diagnosis {
    let job: Job = serde_json::from_value(applied.clone()).unwrap_or_default();
    let succeeded = job.status.as_ref().and_then(|status| status.succeeded);
    if has(&job, "Complete") || succeeded.is_some_and(|count| count > 0) {
        return done();
    }
    let mut own: Vec<_> = all
        .iter()
        .filter(|pod| {
            pod.annotations()
                .get(labels::TEMPLATE)
                .is_some_and(|known| known == version)
        })
        .collect();
    own.sort_by_key(|pod| pod.metadata.creation_timestamp.as_ref().map(|time| time.0));
    let why = own.iter().rev().find_map(|pod| pods::failure(pod));
    if has(&job, "Failed") {
        return match why_failed(&job, why, now) {
            Ok(why) => (Step::failed("JobFailed", why), None),
            Err(again) => {
                let step = starting("it has failed, and why is about to be known").0;
                (step, again)
            }
        };
    }
    match (why, own.last()) {
        (Some(why), _) => starting(format!("{why}; it is tried again")),
        (None, None) => starting("the pod is about to be made"),
        (None, Some(pod)) => match pods::diagnose(pod, &BTreeMap::new(), 0, now) {
            (Step::Waiting(said), _) if said.reason == "NotReady" => starting("it is running"),
            other => other,
        },
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::SignedDuration;
    use serde_json::json;

    use super::*;

    fn wanted(kind: &str) -> Value {
        json!({ "kind": kind, "spec": { "template": {
            "metadata": { "annotations": { labels::TEMPLATE: "v" } },
            "spec": { "containers": [{ "name": "c" }] }
        } } })
    }

    fn pod(status: Value) -> Vec<Arc<Pod>> {
        let pod = json!({
            "metadata": { "name": "p", "annotations": { labels::TEMPLATE: "v" } }, "status": status
        });
        vec![Arc::new(serde_json::from_value(pod).unwrap())]
    }

    fn container(state: Value) -> Value {
        json!({ "phase": "Running", "containerStatuses": [
            { "name": "c", "state": state, "ready": false, "restartCount": 0, "image": "", "imageID": "" }
        ] })
    }

    fn now() -> Timestamp {
        Timestamp::from_second(1000).unwrap()
    }

    fn of(wanted: &Value, applied: Value, pods: &[Arc<Pod>]) -> Step {
        state(wanted, &applied, pods, now()).0
    }

    #[test]
    fn a_job_is_done_when_it_has_ended_well_and_failed_when_it_is_given_up() {
        let job = wanted("Job");
        let running = pod(container(json!({ "running": {} })));
        assert_eq!(of(&job, json!({}), &running), starting("it is running").0);
        let ended = |kind: &str| json!({ "status": { "conditions": [{ "type": kind, "status": "True" }] } });
        assert!(matches!(of(&job, ended("Complete"), &[]), Step::Done(_)));
        let failed = pod(container(
            json!({ "terminated": { "exitCode": 3, "message": "no such table" } }),
        ));
        assert!(
            matches!(of(&job, ended("Failed"), &failed), Step::Failed(said)
                if said.message.contains("exited with 3") && said.message.contains("no such table"))
        );
        assert!(
            matches!(of(&job, json!({}), &failed), Step::Waiting(said) if said.message.contains("tried again"))
        );
    }

    #[test]
    fn of_a_job_that_failed_a_moment_ago_the_reason_is_waited_for() {
        let job = wanted("Job");
        let running = pod(container(json!({ "running": {} })));
        let failed = |reason: &str, seconds_ago: i64| {
            let at = now() - SignedDuration::from_secs(seconds_ago);
            json!({ "status": { "conditions": [
                { "type": "Failed", "status": "True", "reason": reason, "lastTransitionTime": at.to_string() }
            ] } })
        };
        for pods in [&running[..], &[]] {
            let soon = of(&job, failed("BackoffLimitExceeded", 1), pods);
            assert!(matches!(soon, Step::Waiting(_)), "{soon:?}");
            let never = of(&job, failed("BackoffLimitExceeded", 60), pods);
            assert!(matches!(never, Step::Failed(said) if said.message == "its pod was ended"));
            let late = of(&job, failed("DeadlineExceeded", 1), pods);
            assert!(matches!(late, Step::Failed(said) if said.message == "it did not end in time"));
        }
    }

    #[test]
    fn what_runs_is_up_when_its_pod_is_ready_or_when_it_is_to_have_none() {
        let ready = pod(json!({ "conditions": [{ "type": "Ready", "status": "True" }] }));
        for kind in ["Deployment", "StatefulSet"] {
            assert!(matches!(
                of(&wanted(kind), json!({}), &ready),
                Step::Done(_)
            ));
            assert!(matches!(
                of(&wanted(kind), json!({}), &[]),
                Step::Waiting(_)
            ));
            let mut none = wanted(kind);
            none["spec"]["replicas"] = json!(0);
            assert!(matches!(of(&none, json!({}), &[]), Step::Done(_)));
        }
        let running = pod(container(json!({ "running": {} })));
        assert!(
            matches!(of(&wanted("StatefulSet"), json!({}), &running), Step::Waiting(said) if said.reason == "NotReady")
        );
    }

    #[test]
    fn an_image_that_cannot_be_run_here_is_said() {
        let refused = pod(container(json!({ "waiting": {
            "reason": "ImageNotRunnableLocally", "message": "image \"postgres:16\" cannot run on the embedded cluster"
        } })));
        assert!(
            matches!(of(&wanted("Deployment"), json!({}), &refused), Step::Failed(said)
                if said.message.contains("postgres:16"))
        );
    }
}
