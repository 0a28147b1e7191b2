//! What pods say about why they are not ready. Pure.

use std::collections::BTreeMap;
use std::time::Duration;

use catalyst_crd::labels;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{ContainerStateTerminated, ContainerStatus, Pod};
use kube::ResourceExt;

use super::progress::Step;

/// Tries after the first.
pub const RETRIES: i32 = 3;

/// What ran for this long was up: Kubernetes forgets its failures then.
const WHILE: SignedDuration = SignedDuration::from_mins(10);

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

/// Why a pod was ended by its node, such as an eviction.
#[must_use]
pub fn ended(pod: &Pod) -> Option<&str> {
    let status = pod.status.as_ref()?;
    let reason = status.reason.as_deref()?;
    let is_failed = status.phase.as_deref() == Some("Failed");
    is_failed.then(|| status.message.as_deref().unwrap_or(reason))
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
    if let Some(why) = ended(pod) {
        return (
            Step::waiting("PodFailed", format!("the pod was ended: {why}")),
            None,
        );
    }
    let status = pod.status.clone().unwrap_or_default();
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

/// Whether a container's command was tried as often as it may be. One that ran for a while before it ended
/// is started again by Kubernetes, after no more than its longest pause.
#[must_use]
pub fn gave_up(pod: &Pod, container: &str) -> bool {
    let statuses = pod
        .status
        .as_ref()
        .and_then(|status| status.container_statuses.as_ref());
    let found = statuses
        .into_iter()
        .flatten()
        .find(|status| status.name == container);
    found.is_some_and(|status| {
        let state = status.state.clone().unwrap_or_default();
        let last = status.last_state.as_ref();
        let ended = state
            .terminated
            .or_else(|| last.and_then(|last| last.terminated.clone()));
        let is_short = ended.is_some_and(|ended| {
            let (Some(from), Some(to)) = (ended.started_at, ended.finished_at) else {
                return true;
            };
            to.0.duration_since(from.0) < WHILE
        });
        is_short && status.restart_count >= RETRIES && state.running.is_none()
    })
}

/// Why a pod that was to end well has not. Its tries are pods, not restarts. How one ends that is told
/// to end, because its Job is late for example, is no reason.
#[must_use]
pub fn failure(pod: &Pod) -> Option<String> {
    if pod.metadata.deletion_timestamp.is_some() {
        return None;
    }
    // What was done to the pod says more than how its programs ended then.
    if let Some(why) = ended(pod) {
        return Some(format!("its pod was ended: {}", cut(why)));
    }
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

/// Whether a container of a pod waits for this image, which cannot be pulled.
#[must_use]
pub fn lacks_image(pod: &Pod, image: &str) -> bool {
    let Some((spec, status)) = pod.spec.as_ref().zip(pod.status.as_ref()) else {
        return false;
    };
    let init = spec.init_containers.iter().flatten();
    let names: Vec<_> = init
        .chain(&spec.containers)
        .filter(|container| container.image.as_deref() == Some(image))
        .map(|container| container.name.as_str())
        .collect();
    let init = status.init_container_statuses.iter();
    let statuses = init.chain(&status.container_statuses).flatten();
    statuses
        .filter(|status| names.contains(&status.name.as_str()))
        .filter_map(|status| status.state.as_ref()?.waiting.as_ref()?.reason.as_deref())
        .any(|reason| PULLING.contains(&reason))
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
    ends(line.unwrap_or_default())
}

/// One short line of printable text.
fn cut(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(LAST_WORDS)
        .collect()
}

/// The same, without the middle of a long one: programs tell what they did first, and why it failed last.
fn ends(text: &str) -> String {
    let all: Vec<char> = text.chars().filter(|c| !c.is_control()).collect();
    if all.len() <= LAST_WORDS {
        return all.into_iter().collect();
    }
    let (head, tail) = (&all[..LAST_WORDS / 2], &all[all.len() - LAST_WORDS / 3..]);
    let part = |part: &[char]| part.iter().collect::<String>();
    format!("{} … {}", part(head).trim_end(), part(tail).trim_start())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
