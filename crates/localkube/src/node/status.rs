//! A pod's status, as kubelet writes it: a pure function of what happened to its containers.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::spec::{RestartPolicy, list, text};

/// Where a container is in its life.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum State {
    Waiting { reason: String, message: String },
    Running { started: Timestamp },
    Terminated(Terminated),
}

impl State {
    /// Waiting, for a reason that needs no further words.
    pub fn waiting(reason: &str) -> Self {
        Self::Waiting {
            reason: reason.to_owned(),
            message: String::new(),
        }
    }
}

/// How a container ended.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Terminated {
    pub exit_code: i32,
    pub reason: String,
    pub message: String,
    pub started: Option<Timestamp>,
    pub finished: Timestamp,
    pub container_id: String,
}

/// What is known of one container.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Container {
    pub name: String,
    pub image: String,
    pub state: State,
    pub last: Option<Terminated>,
    pub restarts: u32,
    pub id: String,
    /// Whether its startup probe has passed (or it has none and runs).
    pub started: bool,
    /// Whether its readiness probe passes (or it has none and runs).
    pub ready: bool,
    /// For an init container: it runs beside the others.
    pub sidecar: bool,
}

/// What is known of a pod.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Pod {
    pub init: Vec<Container>,
    pub main: Vec<Container>,
    pub start_time: Timestamp,
    pub pod_ip: Option<String>,
    pub host_ip: String,
    /// Set where the whole pod was ended for a reason of its own, such as `DeadlineExceeded`.
    pub failed: Option<(String, String)>,
}

impl Pod {
    /// What a pod begins with, taking up what an earlier process of the node wrote.
    pub fn begin(pod: &Value, host_ip: &str, now: Timestamp) -> Self {
        let status = &pod["status"];
        let has_init = list(&pod["spec"], "initContainers").next().is_some();
        let read = |specs: &str, statuses: &str, init: bool| -> Vec<Container> {
            list(&pod["spec"], specs)
                .map(|spec| {
                    let old = list(status, statuses).find(|old| old["name"] == spec["name"]);
                    let sidecar = init && text(spec, "restartPolicy") == "Always";
                    Container::begin(spec, old, sidecar, has_init && !init)
                })
                .collect()
        };
        Self {
            init: read("initContainers", "initContainerStatuses", true),
            main: read("containers", "containerStatuses", false),
            start_time: timestamp(&status["startTime"]).unwrap_or_else(|| seconds(now)),
            pod_ip: None,
            host_ip: host_ip.to_owned(),
            failed: None,
        }
    }

    /// A container by name.
    pub fn container(&mut self, name: &str) -> Option<&mut Container> {
        self.init
            .iter_mut()
            .chain(&mut self.main)
            .find(|container| container.name == name)
    }

    /// Say why containers that wait do so.
    pub fn wait_because(&mut self, why: &str) {
        for container in self.init.iter_mut().chain(&mut self.main) {
            if let State::Waiting { message, .. } = &mut container.state {
                why.clone_into(message);
            }
        }
    }

    /// kubelet's `getPhase`.
    pub fn phase(&self, policy: RestartPolicy) -> &'static str {
        if self.failed.is_some() {
            return "Failed";
        }
        let failed_init = self.init.iter().any(|container| {
            !container.sidecar && container.ended().is_some_and(|ended| ended.exit_code != 0)
        });
        if failed_init && policy == RestartPolicy::Never {
            return "Failed";
        }
        if !self.initialized() {
            return "Pending";
        }
        let waiting = |container: &Container| {
            matches!(container.state, State::Waiting { .. }) && container.last.is_none()
        };
        let running = |container: &Container| matches!(container.state, State::Running { .. });
        if self.main.iter().any(waiting) {
            return "Pending";
        }
        if self.main.iter().any(running) || policy == RestartPolicy::Always {
            return "Running";
        }
        let mut codes = self
            .main
            .iter()
            .filter_map(Container::ended)
            .map(|ended| ended.exit_code);
        match policy {
            _ if codes.clone().all(|code| code == 0) => "Succeeded",
            RestartPolicy::Never if codes.any(|code| code != 0) => "Failed",
            _ => "Running",
        }
    }

    /// Whether all init containers have done their part.
    pub fn initialized(&self) -> bool {
        self.init.iter().all(|container| {
            if container.sidecar {
                container.started
            } else {
                matches!(&container.state, State::Terminated(ended) if ended.exit_code == 0)
            }
        })
    }

    /// The status object. `old` is the one before: times of conditions that did not change, and
    /// conditions of others (the scheduler's), are kept.
    pub fn status(&self, pod: &Value, old: &Value, now: Timestamp) -> Value {
        let policy = RestartPolicy::of(pod);
        let phase = self.phase(policy);
        let ended = matches!(phase, "Succeeded" | "Failed");
        let statuses = |containers: &[Container], init: bool| -> Vec<Value> {
            containers
                .iter()
                .map(|container| container.status(init))
                .collect()
        };
        let mut status = json!({
            "phase": phase,
            "conditions": self.conditions(phase, old, now),
            "hostIP": self.host_ip,
            "hostIPs": [{ "ip": self.host_ip }],
            "startTime": self.start_time,
            "containerStatuses": statuses(&self.main, false),
            "qosClass": old.get("qosClass").cloned().unwrap_or_else(|| json!(quality(pod))),
        });
        if !self.init.is_empty() {
            status["initContainerStatuses"] = statuses(&self.init, true).into();
        }
        if let Some(ip) = self.pod_ip.as_ref().filter(|_| !ended) {
            status["podIP"] = json!(ip);
            status["podIPs"] = json!([{ "ip": ip }]);
        }
        if let Some((reason, message)) = &self.failed {
            status["reason"] = json!(reason);
            status["message"] = json!(message);
        }
        if let Some(generation) = pod["metadata"]["generation"].as_u64() {
            status["observedGeneration"] = json!(generation);
        }
        status
    }

    fn conditions(&self, phase: &str, old: &Value, now: Timestamp) -> Vec<Value> {
        let names =
            |containers: &[Container], done: &dyn Fn(&Container) -> bool| -> Option<String> {
                let missing: Vec<&str> = containers
                    .iter()
                    .filter(|container| !done(container))
                    .map(|container| container.name.as_str())
                    .collect();
                (!missing.is_empty()).then(|| format!("[{}]", missing.join(" ")))
            };
        let initialized = if phase == "Succeeded" {
            ("True", "PodCompleted", String::new())
        } else if self.initialized() {
            ("True", "", String::new())
        } else {
            let done = |container: &Container| {
                matches!(&container.state, State::Terminated(ended) if ended.exit_code == 0)
                    || container.sidecar && container.started
            };
            let names = names(&self.init, &done).unwrap_or_default();
            (
                "False",
                "ContainersNotInitialized",
                format!("containers with incomplete status: {names}"),
            )
        };
        let ready = match phase {
            "Succeeded" => ("False", "PodCompleted", String::new()),
            "Failed" => ("False", "PodFailed", String::new()),
            _ => {
                let sidecars: Vec<Container> = self
                    .init
                    .iter()
                    .filter(|container| container.sidecar)
                    .cloned()
                    .collect();
                let all = [sidecars.as_slice(), &self.main].concat();
                match names(&all, &|container| container.ready) {
                    Some(names) => (
                        "False",
                        "ContainersNotReady",
                        format!("containers with unready status: {names}"),
                    ),
                    None => ("True", "", String::new()),
                }
            }
        };
        let has_sandbox = if self.pod_ip.is_some() && !matches!(phase, "Succeeded" | "Failed") {
            "True"
        } else {
            "False"
        };
        let mut conditions = vec![
            condition(
                "PodReadyToStartContainers",
                (has_sandbox, "", String::new()),
                old,
                now,
            ),
            condition("Initialized", initialized, old, now),
            condition("Ready", ready.clone(), old, now),
            condition("ContainersReady", ready, old, now),
        ];
        let ours = |kind: &str| conditions.iter().any(|condition| condition["type"] == kind);
        let others: Vec<Value> = list(old, "conditions")
            .filter(|condition| !ours(text(condition, "type")))
            .cloned()
            .collect();
        conditions.extend(others);
        if !conditions
            .iter()
            .any(|condition| condition["type"] == "PodScheduled")
        {
            conditions.push(condition(
                "PodScheduled",
                ("True", "", String::new()),
                old,
                now,
            ));
        }
        conditions
    }
}

fn condition(
    kind: &str,
    (status, reason, message): (&str, &str, String),
    old: &Value,
    now: Timestamp,
) -> Value {
    let before = list(old, "conditions").find(|condition| condition["type"] == kind);
    let since = before
        .filter(|before| before["status"] == status)
        .map_or_else(
            || json!(seconds(now)),
            |before| before["lastTransitionTime"].clone(),
        );
    let mut condition = json!({ "type": kind, "status": status, "lastProbeTime": null, "lastTransitionTime": since });
    if !reason.is_empty() {
        condition["reason"] = json!(reason);
    }
    if !message.is_empty() {
        condition["message"] = json!(message);
    }
    condition
}

impl Container {
    fn begin(spec: &Value, old: Option<&Value>, sidecar: bool, waits_for_init: bool) -> Self {
        let reason = if waits_for_init {
            "PodInitializing"
        } else {
            "ContainerCreating"
        };
        let mut container = Self {
            name: text(spec, "name").to_owned(),
            image: text(spec, "image").to_owned(),
            state: State::waiting(reason),
            last: None,
            restarts: 0,
            id: String::new(),
            started: false,
            ready: false,
            sidecar,
        };
        let Some(old) = old else { return container };
        container.restarts = old["restartCount"]
            .as_u64()
            .and_then(|count| u32::try_from(count).ok())
            .unwrap_or(0);
        container.last = Terminated::read(&old["lastState"]["terminated"]);
        if let Some(ended) = Terminated::read(&old["state"]["terminated"]) {
            container.state = State::Terminated(ended);
        } else if let Some(running) = old["state"].get("running") {
            // The node went away under it, as in a restart of the machine.
            container.state = State::Terminated(Terminated {
                exit_code: 255,
                reason: "Unknown".to_owned(),
                message: String::new(),
                started: timestamp(&running["startedAt"]),
                finished: Timestamp::now(),
                container_id: text(old, "containerID").to_owned(),
            });
        }
        container
    }

    /// How it ended, if it did and does not run again yet.
    pub fn ended(&self) -> Option<&Terminated> {
        match &self.state {
            State::Terminated(ended) => Some(ended),
            State::Waiting { .. } => self.last.as_ref(),
            State::Running { .. } => None,
        }
    }

    fn status(&self, init: bool) -> Value {
        let ready = match &self.state {
            State::Running { .. } => self.ready,
            // An init container is ready once it has done its part.
            State::Terminated(ended) => init && !self.sidecar && ended.exit_code == 0,
            State::Waiting { .. } => false,
        };
        let mut status = json!({
            "name": self.name,
            "image": self.image,
            "imageID": "",
            "ready": ready,
            "started": self.started,
            "restartCount": self.restarts,
            "state": state(&self.state),
            "lastState": self.last.as_ref().map_or_else(|| json!({}), |last| json!({ "terminated": last.value() })),
        });
        if !self.id.is_empty() {
            status["containerID"] = json!(self.id);
        }
        status
    }
}

fn state(state: &State) -> Value {
    match state {
        State::Waiting { reason, message } if message.is_empty() => {
            json!({ "waiting": { "reason": reason } })
        }
        State::Waiting { reason, message } => {
            json!({ "waiting": { "reason": reason, "message": message } })
        }
        State::Running { started } => json!({ "running": { "startedAt": seconds(*started) } }),
        State::Terminated(ended) => json!({ "terminated": ended.value() }),
    }
}

impl Terminated {
    fn value(&self) -> Value {
        let mut value = json!({
            "exitCode": self.exit_code,
            "reason": self.reason,
            "startedAt": self.started.map(seconds),
            "finishedAt": seconds(self.finished),
        });
        if self.exit_code > 128 && self.reason != "StartError" && self.exit_code != 255 {
            value["signal"] = json!(self.exit_code - 128);
        }
        if !self.message.is_empty() {
            value["message"] = json!(self.message);
        }
        if !self.container_id.is_empty() {
            value["containerID"] = json!(self.container_id);
        }
        value
    }

    fn read(value: &Value) -> Option<Self> {
        Some(Self {
            exit_code: i32::try_from(value.get("exitCode")?.as_i64()?).ok()?,
            reason: text(value, "reason").to_owned(),
            message: text(value, "message").to_owned(),
            started: timestamp(&value["startedAt"]),
            finished: timestamp(&value["finishedAt"]).unwrap_or_default(),
            container_id: text(value, "containerID").to_owned(),
        })
    }
}

/// Kubernetes' `metav1.Time`: whole seconds.
pub(crate) fn seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

pub(crate) fn timestamp(value: &Value) -> Option<Timestamp> {
    value.as_str()?.parse().ok()
}

/// The quality-of-service class, by requests and limits.
fn quality(pod: &Value) -> &'static str {
    let containers: Vec<&Value> = list(&pod["spec"], "containers")
        .chain(list(&pod["spec"], "initContainers"))
        .collect();
    let given = |container: &Value, part: &str, name: &str| {
        super::quantity::nanos(&container["resources"][part][name]).filter(|amount| *amount > 0)
    };
    let both = ["cpu", "memory"];
    let none = containers.iter().all(|container| {
        both.iter().all(|name| {
            given(container, "requests", name).is_none()
                && given(container, "limits", name).is_none()
        })
    });
    let guaranteed = containers.iter().all(|container| {
        both.iter().all(|name| {
            let limit = given(container, "limits", name);
            let request = given(container, "requests", name);
            limit.is_some() && (request.is_none() || request == limit)
        })
    });
    match (none, guaranteed) {
        (true, _) => "BestEffort",
        (_, true) => "Guaranteed",
        _ => "Burstable",
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn pod(policy: &str) -> Value {
        json!({
            "metadata": { "name": "p" },
            "spec": {
                "restartPolicy": policy,
                "initContainers": [{ "name": "clone", "image": "alpine/git" }],
                "containers": [{ "name": "web", "image": "node:22" }],
            },
        })
    }

    fn ended(exit_code: i32) -> State {
        State::Terminated(Terminated {
            exit_code,
            reason: if exit_code == 0 { "Completed" } else { "Error" }.to_owned(),
            message: String::new(),
            started: None,
            finished: Timestamp::UNIX_EPOCH,
            container_id: String::new(),
        })
    }

    fn with(policy: &str, init: State, main: State) -> &'static str {
        let mut state = Pod::begin(&pod(policy), "127.0.0.1", Timestamp::UNIX_EPOCH);
        state.init[0].state = init;
        state.main[0].state = main;
        state.phase(RestartPolicy::of(&pod(policy)))
    }

    #[test]
    fn the_phase_follows_kubelet() {
        let running = || State::Running {
            started: Timestamp::UNIX_EPOCH,
        };
        let creating = || State::waiting("PodInitializing");
        for (policy, init, main, phase) in [
            ("Always", running(), creating(), "Pending"),
            ("Always", ended(1), creating(), "Pending"),
            ("Never", ended(1), creating(), "Failed"),
            ("Always", ended(0), creating(), "Pending"),
            ("Always", ended(0), running(), "Running"),
            ("Always", ended(0), ended(0), "Running"),
            ("OnFailure", ended(0), ended(0), "Succeeded"),
            ("OnFailure", ended(0), ended(1), "Running"),
            ("Never", ended(0), ended(1), "Failed"),
            ("Never", ended(0), ended(0), "Succeeded"),
        ] {
            assert_eq!(with(policy, init, main), phase, "{policy}");
        }
    }

    #[test]
    fn a_new_pod_waits_and_says_for_what() {
        let state = Pod::begin(&pod("Always"), "127.0.0.1", Timestamp::UNIX_EPOCH);
        let status = state.status(&pod("Always"), &Value::Null, Timestamp::UNIX_EPOCH);
        assert_eq!(
            status["containerStatuses"][0]["state"]["waiting"]["reason"],
            "PodInitializing"
        );
        let initialized = &status["conditions"][1];
        assert_eq!(initialized["reason"], "ContainersNotInitialized");
        assert_eq!(
            initialized["message"],
            "containers with incomplete status: [clone]"
        );
    }

    #[test]
    fn a_condition_that_stays_keeps_its_time() {
        let state = Pod::begin(&pod("Always"), "127.0.0.1", Timestamp::UNIX_EPOCH);
        let first = state.status(&pod("Always"), &Value::Null, Timestamp::UNIX_EPOCH);
        let later = Timestamp::from_second(1000).unwrap();
        let second = state.status(&pod("Always"), &first, later);
        assert_eq!(first["conditions"], second["conditions"]);
    }

    #[test]
    fn a_container_that_ran_when_the_node_went_counts_as_ended() {
        let mut pod = pod("Always");
        pod["status"] = json!({ "containerStatuses": [{ "name": "web", "restartCount": 2, "state": { "running": { "startedAt": "2026-01-01T00:00:00Z" } } }] });
        let state = Pod::begin(&pod, "127.0.0.1", Timestamp::UNIX_EPOCH);
        assert_eq!(state.main[0].restarts, 2);
        assert_eq!(state.main[0].ended().unwrap().exit_code, 255);
    }
}
