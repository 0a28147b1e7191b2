//! Jobs.

use crate::cluster::{Cluster, condition, template};
use catalyst_localkube::objects::resource;
use serde_json::{Value, json};

fn job(does: &str, more: Value) -> Value {
    let mut template = template(does);
    template["spec"]["restartPolicy"] = "Never".into();
    let mut job = json!({ "metadata": { "name": "build" }, "spec": { "template": template } });
    for (field, value) in more.as_object().unwrap() {
        job["spec"][field] = value.clone();
    }
    job
}

fn is_complete(job: &Value) -> bool {
    condition(job, "Complete").0 == "True"
}

fn has_failed(job: &Value) -> bool {
    condition(job, "Failed").0 == "True"
}

#[tokio::test]
async fn a_job_completes_when_its_pod_succeeds() {
    let cluster = Cluster::start();
    cluster.create(resource::JOBS, job("succeed", json!({})));
    let done = cluster.until(resource::JOBS, "build", is_complete).await;
    assert_eq!(done["status"]["succeeded"], 1);
    assert_eq!(done["status"].get("active"), None);
    assert!(done["status"]["startTime"].is_string());
    assert!(done["status"]["completionTime"].is_string());
    let pods = cluster.pods();
    assert_eq!(pods.len(), 1);
    assert_eq!(pods[0]["metadata"]["labels"]["job-name"], "build");
    assert_eq!(cluster.events("Completed"), ["Job completed"]);
}

#[tokio::test]
async fn a_job_runs_as_many_at_once_as_it_may_until_enough_have_succeeded() {
    let cluster = Cluster::start();
    let spec = json!({ "completions": 5, "parallelism": 2 });
    cluster.create(resource::JOBS, job("ready", spec));
    cluster
        .until(resource::JOBS, "build", |job| job["status"]["ready"] == 2)
        .await;
    for succeeded in 1..=5 {
        let pods = cluster.pods();
        let running = pods
            .iter()
            .find(|pod| pod["status"]["phase"] == "Running")
            .unwrap();
        cluster.modify(
            resource::PODS,
            running["metadata"]["name"].as_str().unwrap(),
            |pod| pod["metadata"]["annotations"]["test/does"] = "succeed".into(),
        );
        let active = 2.min(5 - succeeded);
        cluster
            .until(resource::JOBS, "build", |job| {
                let status = &job["status"];
                status["succeeded"] == succeeded
                    && status["active"].as_i64().unwrap_or(0) == active
                    && status["ready"] == active
            })
            .await;
    }
    cluster.until(resource::JOBS, "build", is_complete).await;
    assert_eq!(cluster.pods().len(), 5);
}

#[tokio::test]
async fn a_job_without_retries_fails_with_its_pod() {
    let cluster = Cluster::start();
    cluster.create(resource::JOBS, job("fail", json!({ "backoffLimit": 0 })));
    let failed = cluster.until(resource::JOBS, "build", has_failed).await;
    assert_eq!(condition(&failed, "Failed").1, "BackoffLimitExceeded");
    assert_eq!(failed["status"]["failed"], 1);
    assert_eq!(failed["status"].get("completionTime"), None);
    assert_eq!(cluster.pods().len(), 1);
}

#[tokio::test]
async fn a_failed_pod_is_replaced_after_a_wait_that_doubles() {
    let cluster = Cluster::start();
    cluster.create(resource::JOBS, job("ready", json!({ "backoffLimit": 1 })));
    cluster
        .until(resource::JOBS, "build", |job| job["status"]["ready"] == 1)
        .await;
    let fail = |ended: &str| {
        let pods = cluster.pods();
        let running = pods
            .iter()
            .find(|pod| pod["status"]["phase"] == "Running")
            .unwrap();
        let name = running["metadata"]["name"].as_str().unwrap();
        cluster
            .objects
            .modify_status(resource::PODS, "shop", name, |pod| {
                pod["status"]["containerStatuses"] = json!([{
                    "name": "web", "image": "", "imageID": "", "ready": false, "restartCount": 0,
                    "state": { "terminated": { "exitCode": 1, "finishedAt": ended } },
                }]);
            })
            .unwrap();
        cluster.modify(resource::PODS, name, |pod| {
            pod["metadata"]["annotations"]["test/does"] = "fail".into();
        });
    };
    // It ended so long ago that the wait is over.
    fail("2020-01-01T00:00:00Z");
    let again = |job: &Value| job["status"]["failed"] == 1 && job["status"]["ready"] == 1;
    cluster.until(resource::JOBS, "build", again).await;
    fail("2020-01-01T00:00:00Z");
    let failed = cluster.until(resource::JOBS, "build", has_failed).await;
    assert_eq!(failed["status"]["failed"], 2);

    // One that ended just now is not replaced yet.
    let mut other = job("fail", json!({ "backoffLimit": 3 }));
    other["metadata"]["name"] = "other".into();
    cluster.create(resource::JOBS, other);
    let one = |job: &Value| job["status"]["failed"] == 1;
    let other = cluster.until(resource::JOBS, "other", one).await;
    assert_eq!(other["status"].get("active"), None);
    assert_eq!(condition(&other, "Failed").0, "");
}

#[tokio::test]
async fn a_job_that_takes_too_long_is_ended() {
    let cluster = Cluster::start();
    cluster.create(
        resource::JOBS,
        job("ready", json!({ "activeDeadlineSeconds": 1 })),
    );
    cluster
        .until(resource::JOBS, "build", |job| job["status"]["active"] == 1)
        .await;
    let failed = cluster.until(resource::JOBS, "build", has_failed).await;
    assert_eq!(condition(&failed, "Failed").1, "DeadlineExceeded");
    assert_eq!(condition(&failed, "FailureTarget").1, "DeadlineExceeded");
    assert!(cluster.pods().is_empty());
}

#[tokio::test]
async fn a_job_is_removed_with_its_pods_some_time_after_it_ended() {
    let cluster = Cluster::start();
    cluster.create(
        resource::JOBS,
        job("succeed", json!({ "ttlSecondsAfterFinished": 1 })),
    );
    cluster.until(resource::JOBS, "build", is_complete).await;
    cluster.until_all(resource::JOBS, <[_]>::is_empty).await;
    cluster.until_all(resource::PODS, <[_]>::is_empty).await;
}

#[tokio::test]
async fn a_suspended_job_runs_nothing_until_it_is_resumed() {
    let cluster = Cluster::start();
    cluster.create(resource::JOBS, job("ready", json!({ "suspend": true })));
    let suspended = |job: &Value| condition(job, "Suspended").0 == "True";
    let held = cluster.until(resource::JOBS, "build", suspended).await;
    assert_eq!(held["status"].get("startTime"), None);
    assert!(cluster.pods().is_empty());
    cluster.modify(resource::JOBS, "build", |job| {
        job["spec"]["suspend"] = false.into()
    });
    cluster
        .until(resource::JOBS, "build", |job| job["status"]["ready"] == 1)
        .await;
    cluster.modify(resource::JOBS, "build", |job| {
        job["spec"]["suspend"] = true.into()
    });
    cluster.until(resource::JOBS, "build", suspended).await;
    cluster.until_all(resource::PODS, <[_]>::is_empty).await;
}

#[tokio::test]
async fn each_pod_of_an_indexed_job_has_its_own_index() {
    let cluster = Cluster::start();
    let spec = json!({ "completions": 3, "parallelism": 3, "completionMode": "Indexed" });
    cluster.create(resource::JOBS, job("succeed", spec));
    cluster.until(resource::JOBS, "build", is_complete).await;
    let key = "batch.kubernetes.io/job-completion-index";
    let mut indexes: Vec<String> = cluster
        .pods()
        .iter()
        .map(|pod| {
            pod["metadata"]["annotations"][key]
                .as_str()
                .unwrap()
                .to_owned()
        })
        .collect();
    indexes.sort();
    assert_eq!(indexes, ["0", "1", "2"]);
}
