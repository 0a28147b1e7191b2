use serde_json::{Value, json};

use super::*;

fn pod(status: Value) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": "web-1", "creationTimestamp": "2026-01-01T00:00:00Z" },
        "status": status
    }))
    .unwrap()
}

fn diagnose_at(status: Value, seconds: i64) -> Diagnosis {
    let commands = [("install".to_owned(), "npm ci".to_owned())].into();
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let now = Timestamp::from_second(start.as_second() + seconds).unwrap();
    diagnose(&pod(status), &commands, 8080, now)
}

fn install(state: Value, restarts: i32) -> Value {
    json!({ "phase": "Pending", "initContainerStatuses": [
        { "name": "git-clone", "state": { "terminated": { "exitCode": 0 } }, "ready": true, "restartCount": 0, "image": "", "imageID": "" },
        { "name": "install", "state": state, "lastState": {}, "ready": false, "restartCount": restarts, "image": "node:22", "imageID": "" }
    ]})
}

#[test]
fn a_failing_step_is_named_with_its_command_its_exit_code_and_its_last_words() {
    let state = json!({ "terminated": { "exitCode": 1, "message": "npm error code E404\nnpm error 404 Not Found - left-pad\n\n" } });
    let (step, _) = diagnose_at(install(state, 0), 5);
    assert_eq!(
        step,
        Step::waiting(
            "ContainerFailed",
            "install exited with 1 (npm ci): npm error 404 Not Found - left-pad; will be tried again (try 1 of 4)"
        )
    );
}

#[test]
fn three_retries_are_made_and_then_it_has_failed() {
    let ended = json!({ "terminated": { "exitCode": 1 } });
    for restarts in 0..3 {
        assert!(
            matches!(
                diagnose_at(install(ended.clone(), restarts), 5).0,
                Step::Waiting(_)
            ),
            "{restarts}"
        );
    }
    let (step, _) = diagnose_at(install(ended, 3), 5);
    assert_eq!(
        step,
        Step::failed(
            "ContainerFailed",
            "install exited with 1 (npm ci): see its log (tried 4 times)"
        )
    );
    let mut running = install(json!({ "running": {} }), 3);
    running["initContainerStatuses"][1]["lastState"] = json!({ "terminated": { "exitCode": 1 } });
    assert!(
        matches!(diagnose_at(running.clone(), 5).0, Step::Waiting(_)),
        "the last try is still on"
    );
    running["initContainerStatuses"][1]["restartCount"] = json!(4);
    assert!(matches!(diagnose_at(running, 5).0, Step::Failed(_)));
}

#[test]
fn an_image_that_cannot_be_pulled_is_waited_for_and_then_failed() {
    let state = json!({ "waiting": { "reason": "ImagePullBackOff", "message": "Back-off pulling image \"node:22\"" } });
    let (step, again) = diagnose_at(install(state.clone(), 0), 10);
    assert!(
        matches!(&step, Step::Waiting(said) if said.message.contains("node:22")),
        "{step:?}"
    );
    assert!(again.is_some());
    let (step, again) = diagnose_at(install(state, 0), 75);
    assert!(
        matches!(&step, Step::Failed(said) if said.reason == "ImagePullFailed"),
        "{step:?}"
    );
    assert_eq!(again, None);
}

#[test]
fn a_container_that_cannot_be_started_as_it_is_has_failed_with_the_clusters_words() {
    let state =
        json!({ "waiting": { "reason": "ImageNotRunnableHere", "message": "use another image" } });
    let (step, _) = diagnose_at(install(state, 0), 1);
    assert_eq!(
        step,
        Step::failed(
            "ContainerRefused",
            "install cannot be started: use another image"
        )
    );
    let late = json!({ "waiting": { "reason": "CreateContainerConfigError", "message": "failed to sync secret cache: timed out waiting for the condition" } });
    assert!(matches!(
        diagnose_at(install(late, 0), 1).0,
        Step::Waiting(_)
    ));
    for reason in PASSING {
        let state = json!({ "waiting": { "reason": reason } });
        let (step, _) = diagnose_at(install(state, 0), 1);
        assert!(matches!(step, Step::Waiting(_)), "{reason}: {step:?}");
    }
}

#[test]
fn an_unschedulable_pod_says_why() {
    let (step, _) = diagnose_at(
        json!({ "phase": "Pending", "conditions": [
            { "type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes are available: 1 Insufficient cpu." }
        ]}),
        5,
    );
    assert!(
        matches!(&step, Step::Waiting(said) if said.message.contains("Insufficient cpu")),
        "{step:?}"
    );
}

#[test]
fn a_program_that_does_not_listen_is_told_apart_from_one_that_ends() {
    let app = |state: Value, restarts: i32| {
        json!({ "phase": "Running", "containerStatuses": [
            { "name": "app", "state": state, "ready": false, "restartCount": restarts, "image": "", "imageID": "" }
        ]})
    };
    let (step, _) = diagnose_at(app(json!({ "running": {} }), 0), 5);
    assert_eq!(
        step,
        Step::waiting("NotListening", "nothing listens on port 8080 yet")
    );
    let (step, _) = diagnose_at(app(json!({ "terminated": { "exitCode": 0 } }), 0), 5);
    assert!(
        matches!(&step, Step::Waiting(said) if said.message.contains("should keep running")),
        "{step:?}"
    );
    let (step, _) = diagnose_at(
        app(
            json!({ "terminated": { "exitCode": 137, "reason": "OOMKilled" } }),
            3,
        ),
        5,
    );
    assert!(
        matches!(&step, Step::Failed(said) if said.message.contains("ran out of memory")),
        "{step:?}"
    );
}

#[test]
fn last_words_are_one_short_printable_line() {
    let message = format!("first\n\u{1b}[31m{}: 403 Forbidden\n \n", "x".repeat(1000));
    let words = last_words(&message);
    assert!(
        words.len() <= LAST_WORDS && !words.contains('\u{1b}') && words.contains("xxx"),
        "{words}"
    );
    assert!(words.ends_with(": 403 Forbidden"), "{words}");
}

#[test]
fn a_pod_that_was_ended_says_by_what_before_how_its_programs_ended() {
    let evicted = pod(json!({
        "phase": "Failed", "reason": "Evicted", "message": "The node was low on resource: ephemeral-storage.",
        "containerStatuses": [
            { "name": "kaniko", "state": { "terminated": { "exitCode": 137 } }, "ready": false, "restartCount": 0, "image": "", "imageID": "" }
        ]
    }));
    let why = failure(&evicted).unwrap();
    assert!(why.ends_with("ephemeral-storage."), "{why}");
}

#[test]
fn how_a_pod_ends_that_is_told_to_is_no_reason() {
    let mut stopped = pod(json!({ "containerStatuses": [
        { "name": "buildctl", "state": { "terminated": { "exitCode": 143 } }, "ready": false, "restartCount": 0, "image": "", "imageID": "" }
    ] }));
    assert!(failure(&stopped).is_some());
    stopped.metadata.deletion_timestamp = stopped.metadata.creation_timestamp.clone();
    assert_eq!(failure(&stopped), None);
}

#[test]
fn a_report_counts_only_when_its_container_ended_well() {
    let with = |code: i32| {
        pod(json!({ "containerStatuses": [
            { "name": "inspect", "state": { "terminated": { "exitCode": code, "message": "version" } }, "ready": false, "restartCount": 0, "image": "", "imageID": "" }
        ]}))
    };
    assert!(succeeded(&with(0), "inspect"));
    assert!(!succeeded(&with(1), "inspect"));
    assert!(!succeeded(&with(0), "other"));
}

#[test]
fn an_image_is_lacked_by_who_waits_for_this_very_one() {
    let waits = |reason: &str| -> Pod {
        serde_json::from_value(json!({
            "spec": { "containers": [{ "name": "app", "image": "r/a@sha256:0" }, { "name": "b", "image": "busybox" }] },
            "status": { "containerStatuses": [
                { "name": "app", "state": { "waiting": { "reason": reason } }, "ready": false, "restartCount": 0, "image": "", "imageID": "" },
                { "name": "b", "state": { "running": {} }, "ready": true, "restartCount": 0, "image": "", "imageID": "" }
            ] }
        }))
        .unwrap()
    };
    assert!(lacks_image(&waits("ErrImagePull"), "r/a@sha256:0"));
    assert!(lacks_image(&waits("ImagePullBackOff"), "r/a@sha256:0"));
    assert!(!lacks_image(&waits("ImagePullBackOff"), "busybox"));
    assert!(!lacks_image(&waits("ContainerCreating"), "r/a@sha256:0"));
}

#[test]
fn a_command_gave_up_when_its_last_try_was_as_short_as_those_before() {
    let web = |restarts: i32, state: Value, seconds: i64| {
        let ended = json!({ "terminated": { "exitCode": 1, "startedAt": "2026-01-01T00:00:00Z",
            "finishedAt": Timestamp::from_second(1_767_225_600 + seconds).unwrap().to_string() } });
        let state = if state.is_null() {
            ended.clone()
        } else {
            state
        };
        pod(json!({ "phase": "Running", "containerStatuses": [
            { "name": "app", "state": state, "lastState": ended, "ready": false, "restartCount": restarts, "image": "", "imageID": "" }
        ]}))
    };
    let waiting = json!({ "waiting": { "reason": "CrashLoopBackOff" } });
    assert!(gave_up(&web(3, Value::Null, 2), "app"));
    assert!(gave_up(&web(3, waiting.clone(), 2), "app"));
    assert!(
        !gave_up(&web(3, waiting, 3600), "app"),
        "it was up for an hour"
    );
    assert!(!gave_up(&web(2, Value::Null, 2), "app"));
    assert!(!gave_up(&web(4, json!({ "running": {} }), 2), "app"));
    assert!(!gave_up(&web(3, Value::Null, 2), "sidecar"));
}
