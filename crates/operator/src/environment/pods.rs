//! What pods say about why they are not ready. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use catalyst_crd::labels;
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;

use super::progress::Step;

/// Tries after the first.
pub const RETRIES: i32 = 3;

/// How long an image may fail to be pulled: Kubernetes tries again after 10, 20 and 40 seconds.
const PULL_PATIENCE: Duration = Duration::from_secs(75);

/// A container that has not been started yet waits for one of these, which pass by themselves.
/// Any other reason stays until somebody changes something.
const PASSING: &[&str] = &[
    "",
    "ContainerCreating",
    "PodInitializing",
    "CrashLoopBackOff",
    "CreateContainerError",
    "RunContainerError",
];

/// Reasons of an image that is not there, which may come yet.
const PULLING: &[&str] = &[
    "ErrImagePull",
    "ImagePullBackOff",
    "ImageInspectError",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// Characters of a program's last words that a message holds.
const LAST_WORDS: usize = 240;

/// What a pod's state means for its workload, and when it will mean something else.
pub type Diagnosis = (Step, Option<Timestamp>);

/// Whether a pod takes requests.
#[must_use]
pub fn is_ready(pod: &Pod) -> bool {
    pod.metadata.deletion_timestamp.is_none()
        && condition(pod, "Ready").is_some_and(|(status, _)| status == "True")
}

/// The commit that a pod runs, by its label.
#[must_use]
pub fn commit(pod: &Pod) -> Option<&str> {
    pod.labels().get(labels::COMMIT).map(String::as_str)
}

/// Why a pod is not ready yet, in the order in which a pod comes up. `commands` says what each
/// container runs, `port` what the main one should listen on, where
/// that is what is waited for.
#[must_use]
pub fn diagnose(
    pod: &Pod,
    commands: &BTreeMap<String, String>,
    port: i32,
    now: Timestamp,
) -> Diagnosis {
    let status = pod.status.clone().unwrap_or_default();
    if status.phase.as_deref() == Some("Failed") && status.reason.is_some() {
        let why = status.message.or(status.reason).unwrap_or_default();
        return (
            Step::waiting("PodFailed", format!("the pod was ended: {why}")),
            None,
        );
    }
    if let Some(("False", why)) = condition(pod, "PodScheduled") {
        return (
            Step::waiting("Unschedulable", format!("no node can take the pod: {why}")),
            None,
        );
    }
    let init = status.init_container_statuses.unwrap_or_default();
    let main = status.container_statuses.unwrap_or_default();
    let unfinished = init.iter().find(|container| !is_finished(container));
    let Some(container) = unfinished.or_else(|| main.iter().find(|container| !container.ready))
    else {
        return (Step::waiting("Starting", "the pod is being started"), None);
    };
    let command = commands
        .get(&container.name)
        .map(String::as_str)
        .unwrap_or_default();
    let created = pod
        .metadata
        .creation_timestamp
        .as_ref()
        .map_or(now, |time| time.0);
    describe(container, command, unfinished.is_some(), port, created, now)
}

/// Why a pod that was to end well has not. Its tries are pods, not restarts.
#[must_use]
pub fn failure(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let containers = status
        .init_container_statuses
        .iter()
        .chain(&status.container_statuses)
        .flatten();
    let mut ended = containers
        .filter_map(|container| Some((container, container.state.as_ref()?.terminated.as_ref()?)));
    let (container, terminated) = ended.find(|(_, terminated)| terminated.exit_code != 0)?;
    Some(exited(&container.name, "", terminated))
}

/// Whether a container ended well.
#[must_use]
pub fn succeeded(pod: &Pod, container: &str) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    statuses
        .into_iter()
        .flatten()
        .find(|status| status.name == container)
        .and_then(|status| status.state.as_ref()?.terminated.as_ref())
        .is_some_and(|terminated| terminated.exit_code == 0)
}

/// Whether nothing of a pod runs any more, or will.
#[must_use]
pub fn has_ended(pod: &Pod) -> bool {
    let phase = pod
        .status
        .as_ref()
        .and_then(|status| status.phase.as_deref());
    matches!(phase, Some("Succeeded" | "Failed"))
}

/// The last words of a container that has ended.
#[must_use]
pub fn last_message<'a>(pod: &'a Pod, container: &str) -> Option<&'a str> {
    let statuses = pod.status.as_ref()?.container_statuses.as_ref()?;
    let status = statuses.iter().find(|status| status.name == container)?;
    let terminated = status.state.as_ref()?.terminated.as_ref()?;
    terminated.message.as_deref()
}

fn condition<'a>(pod: &'a Pod, kind: &str) -> Option<(&'a str, &'a str)> {
    let conditions = pod.status.as_ref()?.conditions.as_ref()?;
    let condition = conditions
        .iter()
        .find(|condition| condition.type_ == kind)?;
    Some((
        condition.status.as_str(),
        condition.message.as_deref().unwrap_or_default(),
    ))
}

fn is_finished(container: &ContainerStatus) -> bool {
    container
        .state
        .as_ref()
        .and_then(|state| state.terminated.as_ref())
        .is_some_and(|terminated| terminated.exit_code == 0)
}

fn describe(
    container: &ContainerStatus,
    command: &str,
    init: bool,
    port: i32,
    created: Timestamp,
    now: Timestamp,
) -> Diagnosis {
    let name = &container.name;
    let state = container.state.clone().unwrap_or_default();
    let last = container
        .last_state
        .clone()
        .and_then(|last| last.terminated);
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.as_deref().unwrap_or_default();
        let message = cut(waiting.message.as_deref().unwrap_or(reason));
        if PULLING.contains(&reason) {
            let said = format!(
                "the image {} of {name} cannot be pulled: {message}",
                container.image
            );
            let until = created
                .saturating_add(PULL_PATIENCE)
                .unwrap_or(Timestamp::MAX);
            return if now >= until {
                (Step::failed("ImagePullFailed", said), None)
            } else {
                (Step::waiting("ImagePullFailed", said), Some(until))
            };
        }
        // A node that is busy has not heard yet of what the pod refers to.
        let is_late = reason == "CreateContainerConfigError" && message.contains("failed to sync");
        if !PASSING.contains(&reason) && !is_late {
            return (
                Step::failed(
                    "ContainerRefused",
                    format!("{name} cannot be started: {message}"),
                ),
                None,
            );
        }
        if last.is_none() && container.restart_count == 0 {
            let creating = matches!(reason, "" | "PodInitializing" | "ContainerCreating");
            if creating
                && waiting
                    .message
                    .as_deref()
                    .is_some_and(|message| !message.is_empty())
            {
                let message = format!("{name} cannot be created yet: {message}");
                return (Step::waiting("NotMounted", message), None);
            }
            let message = match reason {
                _ if creating => format!("{name} is being created"),
                _ => format!("{name} waits: {message}"),
            };
            return (Step::waiting("Starting", message), None);
        }
    }

    // A restart is a try that failed; one that has ended and is not started again yet, one more.
    let running = state.running.is_some();
    let failures = container.restart_count + i32::from(!running);
    if let Some(ended) = state.terminated.as_ref().or(last.as_ref()) {
        let why = exited(name, command, ended);
        if failures > RETRIES {
            let tries = RETRIES + 1;
            return (
                Step::failed("ContainerFailed", format!("{why} (tried {tries} times)")),
                None,
            );
        }
        let next = if running { failures + 1 } else { failures };
        let verb = if running {
            "runs again"
        } else {
            "will be tried again"
        };
        let message = format!("{why}; {verb} (try {next} of {})", RETRIES + 1);
        return (Step::waiting("ContainerFailed", message), None);
    }
    if init {
        let what = if command.is_empty() {
            String::new()
        } else {
            format!(" ({command})")
        };
        return (
            Step::waiting("Preparing", format!("{name} is running{what}")),
            None,
        );
    }
    let step = if port > 0 {
        Step::waiting(
            "NotListening",
            format!("nothing listens on port {port} yet"),
        )
    } else {
        Step::waiting("NotReady", format!("{name} is running, and not ready yet"))
    };
    (step, None)
}

/// Such as "`install` exited with 1 (npm ci): no such package; its log has more".
fn exited(name: &str, command: &str, terminated: &ContainerStateTerminated) -> String {
    let code = terminated.exit_code;
    let how = match terminated.reason.as_deref() {
        Some("OOMKilled") => "ran out of memory".to_owned(),
        _ if code == 0 => "ended, but should keep running".to_owned(),
        _ => format!("exited with {code}"),
    };
    let command = if command.is_empty() {
        String::new()
    } else {
        format!(" ({command})")
    };
    let words = terminated
        .message
        .as_deref()
        .map(last_words)
        .filter(|words| !words.is_empty());
    let words = words.map_or_else(|| ": see its log".to_owned(), |words| format!(": {words}"));
    format!("{name} {how}{command}{words}")
}

/// The last line that says something.
fn last_words(message: &str) -> String {
    let line = message
        .lines()
        .rev()
        .map(str::trim)
        .find(|line| !line.is_empty());
    cut(line.unwrap_or_default())
}

/// One short line of printable text.
fn cut(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(LAST_WORDS)
        .collect()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
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
        running["initContainerStatuses"][1]["lastState"] =
            json!({ "terminated": { "exitCode": 1 } });
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
        let state = json!({ "waiting": { "reason": "ImageNotRunnableHere", "message": "use another image" } });
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
        let message = format!("first\n\u{1b}[31m{}\n \n", "x".repeat(1000));
        let words = last_words(&message);
        assert!(
            words.len() <= LAST_WORDS && !words.contains('\u{1b}') && words.contains("xxx"),
            "{words}"
        );
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
}
