//! Logs of pods.

use serde_json::json;

use crate::harness::{Contract, pod};

/// A pod that printed five lines and ended.
async fn printed() -> Option<Contract> {
    let contract = Contract::with_node().await?;
    let script = "for i in 1 2 3 4 5; do echo line $i; done";
    contract
        .post(&contract.path("pods"), pod("p", script))
        .await
        .expect(201);
    contract
        .until(&contract.path("pods/p"), "to end", |answer| {
            answer.body["status"]["phase"] == "Succeeded"
        })
        .await;
    Some(contract)
}

async fn log(contract: &Contract, query: &str) -> String {
    let answer = contract
        .get(&contract.path(&format!("pods/p/log?{query}")))
        .await;
    assert_eq!(answer.code, 200, "{query}: {}", answer.text);
    assert!(
        answer.headers["content-type"]
            .to_str()
            .unwrap()
            .starts_with("text/plain")
    );
    answer.text
}

#[tokio::test]
async fn a_log_is_what_was_printed() {
    let Some(contract) = printed().await else {
        return;
    };
    assert_eq!(
        log(&contract, "").await,
        "line 1\nline 2\nline 3\nline 4\nline 5\n"
    );
    assert_eq!(log(&contract, "tailLines=2").await, "line 4\nline 5\n");
    assert_eq!(log(&contract, "tailLines=0").await, "");
    assert_eq!(log(&contract, "tailLines=9").await.lines().count(), 5);
    assert_eq!(log(&contract, "limitBytes=10").await, "line 1\nlin");
    assert_eq!(log(&contract, "sinceSeconds=3600").await.lines().count(), 5);
    assert_eq!(log(&contract, "sinceTime=2100-01-01T00:00:00Z").await, "");
    assert_eq!(
        log(&contract, "container=main&tailLines=1").await,
        "line 5\n"
    );
    assert_eq!(log(&contract, "follow=true&tailLines=1").await, "line 5\n");
}

#[tokio::test]
async fn lines_have_their_time() {
    let Some(contract) = printed().await else {
        return;
    };
    let stamped = log(&contract, "timestamps=true&tailLines=1").await;
    let (time, text) = stamped.split_once(' ').unwrap();
    assert_eq!(text, "line 5\n");
    let time: jiff::Timestamp = time.parse().unwrap();
    assert!(
        (jiff::Timestamp::now() - time)
            .total(jiff::Unit::Second)
            .unwrap()
            < 300.0
    );
}

#[tokio::test]
async fn a_log_can_be_followed_to_its_end() {
    let Some(contract) = Contract::with_node().await else {
        return;
    };
    let script = "for i in 1 2 3; do echo line $i; sleep 0.3; done";
    contract
        .post(&contract.path("pods"), pod("p", script))
        .await
        .expect(201);
    contract
        .until(&contract.path("pods/p"), "to start", |answer| {
            ["Running", "Succeeded"]
                .contains(&answer.body["status"]["phase"].as_str().unwrap_or_default())
        })
        .await;
    let mut lines = contract
        .lines(&contract.path("pods/p/log?follow=true"))
        .await;
    assert_eq!(lines.rest().await, ["line 1", "line 2", "line 3"]);
}

#[tokio::test]
async fn the_instance_before_has_a_log_of_its_own() {
    let Some(contract) = Contract::with_node().await else {
        return;
    };
    let mut pod = pod(
        "p",
        "test -e /v/again && { echo second; exec sleep 600; }; touch /v/again; echo first; exit 1",
    );
    pod["spec"]["restartPolicy"] = "OnFailure".into();
    pod["spec"]["volumes"] = json!([{ "name": "v", "emptyDir": {} }]);
    pod["spec"]["containers"][0]["volumeMounts"] = json!([{ "name": "v", "mountPath": "/v" }]);
    contract.post(&contract.path("pods"), pod).await.expect(201);
    contract
        .until(&contract.path("pods/p"), "to be restarted", |answer| {
            let status = &answer.body["status"]["containerStatuses"][0];
            status["restartCount"] == 1 && status["state"]["running"].is_object()
        })
        .await;
    contract
        .until(&contract.path("pods/p/log"), "to speak", |answer| {
            answer.text == "second\n"
        })
        .await;
    assert_eq!(log(&contract, "previous=true").await, "first\n");
}

#[tokio::test]
async fn a_log_that_cannot_be_had_is_refused() {
    let Some(contract) = printed().await else {
        return;
    };
    let path = |query: &str| contract.path(&format!("pods/p/log?{query}"));
    let message = contract
        .get(&path("container=other"))
        .await
        .refused(400, "BadRequest");
    assert_eq!(message, "container other is not valid for pod p");
    let message = contract
        .get(&path("previous=true"))
        .await
        .refused(400, "BadRequest");
    assert_eq!(
        message,
        "previous terminated container \"main\" in pod \"p\" not found"
    );
    contract
        .get(&contract.path("pods/absent/log"))
        .await
        .refused(404, "NotFound");
    for query in [
        "tailLines=-1",
        "sinceSeconds=0",
        "limitBytes=0",
        "sinceSeconds=1&sinceTime=2026-01-01T00:00:00Z",
    ] {
        contract.get(&path(query)).await.refused(422, "Invalid");
    }
}

#[tokio::test]
async fn of_several_containers_one_is_named() {
    let Some(contract) = Contract::with_node().await else {
        return;
    };
    let mut pod = pod("p", "echo main");
    let mut second = pod["spec"]["containers"][0].clone();
    second["name"] = "second".into();
    second["command"] = json!(["sh", "-c", "echo second"]);
    pod["spec"]["containers"]
        .as_array_mut()
        .unwrap()
        .push(second.clone());
    second["name"] = "first".into();
    second["command"] = json!(["sh", "-c", "echo first"]);
    pod["spec"]["initContainers"] = json!([second]);
    contract.post(&contract.path("pods"), pod).await.expect(201);
    contract
        .until(&contract.path("pods/p"), "to end", |answer| {
            answer.body["status"]["phase"] == "Succeeded"
        })
        .await;
    for container in ["main", "second", "first"] {
        assert_eq!(
            log(&contract, &format!("container={container}")).await,
            format!("{container}\n")
        );
    }
    let message = contract
        .get(&contract.path("pods/p/log"))
        .await
        .refused(400, "BadRequest");
    assert_eq!(
        message,
        "a container name must be specified for pod p, choose one of: [first main second]"
    );
}

#[tokio::test]
async fn a_container_that_waits_has_no_log_yet() {
    let contract = Contract::start().await;
    let mut pod = pod("p", "true");
    pod["spec"]["schedulerName"] = "nobody".into();
    contract.post(&contract.path("pods"), pod).await.expect(201);
    let answer = contract.get(&contract.path("pods/p/log")).await;
    // A pod without a node has nothing to show.
    assert_eq!((answer.code, answer.text.as_str()), (204, ""));
}
