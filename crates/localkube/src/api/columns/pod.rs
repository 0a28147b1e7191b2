//! The row of a pod: its state in one word, as kubectl's users know it.

use serde_json::Value;

use super::rows::{list, name, number, or_none, text};
use crate::api::table::age;

pub(super) fn row(pod: &Value, now: jiff::Timestamp) -> Vec<Value> {
    let state = state(pod, now);
    let status = &pod["status"];
    vec![
        name(pod),
        format!("{}/{}", state.ready, state.total).into(),
        state.reason.into(),
        state.restarts.into(),
        age(&pod["metadata"]["creationTimestamp"], now).into(),
        or_none(text(&status["podIP"])),
        or_none(text(&pod["spec"]["nodeName"])),
        or_none(text(&status["nominatedNodeName"])),
        or_none(""),
    ]
}

struct State {
    ready: usize,
    total: usize,
    reason: String,
    restarts: String,
}

/// Why a container ended, in one word.
fn ended(terminated: &Value) -> String {
    match (text(&terminated["reason"]), number(&terminated["signal"])) {
        ("", 0) => format!("ExitCode:{}", number(&terminated["exitCode"])),
        ("", signal) => format!("Signal:{signal}"),
        (reason, _) => reason.to_owned(),
    }
}

fn state(pod: &Value, now: jiff::Timestamp) -> State {
    let (spec, status) = (&pod["spec"], &pod["status"]);
    let phase = text(&status["phase"]);
    let mut reason = match text(&status["reason"]) {
        "" => phase.to_owned(),
        reason => reason.to_owned(),
    };
    let mut total = list(&spec["containers"]).count();
    let (mut ready, mut restarts) = (0, 0);
    let mut last_restart: Option<&Value> = None;
    let mut initializing = false;
    let init_total = list(&spec["initContainers"]).count();
    for (index, container) in list(&status["initContainerStatuses"]).enumerate() {
        let container_state = &container["state"];
        let sidecar = list(&spec["initContainers"])
            .any(|init| init["name"] == container["name"] && init["restartPolicy"] == "Always");
        restarts += number(&container["restartCount"]);
        total += usize::from(sidecar);
        let terminated = &container_state["terminated"];
        if terminated.is_object() && number(&terminated["exitCode"]) == 0 {
            continue;
        }
        if sidecar && container["started"] == true {
            ready += usize::from(container["ready"] == true);
            continue;
        }
        let waiting = text(&container_state["waiting"]["reason"]);
        reason = if terminated.is_object() {
            format!("Init:{}", ended(terminated))
        } else if !waiting.is_empty() && waiting != "PodInitializing" {
            format!("Init:{waiting}")
        } else {
            format!("Init:{index}/{init_total}")
        };
        initializing = true;
        break;
    }
    if !initializing {
        let mut running = false;
        let statuses: Vec<&Value> = list(&status["containerStatuses"]).collect();
        for container in statuses.into_iter().rev() {
            let container_state = &container["state"];
            restarts += number(&container["restartCount"]);
            let finished = &container["lastState"]["terminated"]["finishedAt"];
            if text(finished) > last_restart.map_or("", text) {
                last_restart = Some(finished);
            }
            let waiting = text(&container_state["waiting"]["reason"]);
            if !waiting.is_empty() {
                reason = waiting.to_owned();
            } else if container_state["terminated"].is_object() {
                reason = ended(&container_state["terminated"]);
            } else if container["ready"] == true && container_state["running"].is_object() {
                running = true;
                ready += 1;
            }
        }
        if reason == "Completed" && running {
            let pod_ready = list(&status["conditions"])
                .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
            reason = if pod_ready { "Running" } else { "NotReady" }.to_owned();
        }
    }
    let finished = matches!(phase, "Succeeded" | "Failed");
    if pod["metadata"]["deletionTimestamp"].is_string() && !finished {
        reason = "Terminating".to_owned();
    }
    let restarts = match last_restart.filter(|_| restarts > 0) {
        Some(time) => format!("{restarts} ({} ago)", age(time, now)),
        None => restarts.to_string(),
    };
    State {
        ready,
        total,
        reason,
        restarts,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_state_of_a_pod_is_one_word() {
        let container = |state: Value, ready: bool| json!({ "name": "c", "ready": ready, "restartCount": 1, "state": state });
        let pod = |status: Value| json!({ "metadata": {}, "spec": { "initContainers": [{ "name": "i" }], "containers": [{ "name": "c" }] }, "status": status });
        let done = json!([{ "name": "i", "state": { "terminated": { "exitCode": 0 } } }]);
        for (status, ready, reason) in [
            (json!({ "phase": "Pending" }), 0, "Pending"),
            (
                json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "i", "state": { "running": {} } }] }),
                0,
                "Init:0/1",
            ),
            (
                json!({ "phase": "Pending", "initContainerStatuses": [{ "name": "i", "state": { "terminated": { "exitCode": 2 } } }] }),
                0,
                "Init:ExitCode:2",
            ),
            (
                json!({ "phase": "Running", "initContainerStatuses": done, "containerStatuses": [container(json!({ "running": {} }), true)] }),
                1,
                "Running",
            ),
            (
                json!({ "phase": "Running", "containerStatuses": [container(json!({ "waiting": { "reason": "CrashLoopBackOff" } }), false)] }),
                0,
                "CrashLoopBackOff",
            ),
            (
                json!({ "phase": "Succeeded", "containerStatuses": [container(json!({ "terminated": { "exitCode": 0, "reason": "Completed" } }), false)] }),
                0,
                "Completed",
            ),
        ] {
            let state = state(&pod(status.clone()), jiff::Timestamp::now());
            assert_eq!(
                (state.ready, state.reason.as_str()),
                (ready, reason),
                "{status}"
            );
        }
    }
}
