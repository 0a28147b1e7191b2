//! Pod Security: what the labels of a namespace let its pods do.
//!
//! The standards are those of the newest version, whatever version a label names; audit labels are checked and
//! there is no audit log to write to.

mod baseline;
mod restricted;

use serde_json::Value;

use super::error::Cause;
use super::kinds::{Kind, resource};
use super::validate::items;

const PREFIX: &str = "pod-security.kubernetes.io/";
/// How many existing pods a stricter label is held against.
const EXISTING: usize = 3000;

/// How much pods may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "privileged" => Some(Self::Privileged),
            "baseline" => Some(Self::Baseline),
            "restricted" => Some(Self::Restricted),
            _ => None,
        }
    }
}

/// A violation: what it is called, and who does what.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Violation {
    reason: String,
    detail: String,
}

impl Violation {
    fn new(reason: impl Into<String>, detail: impl Into<String>) -> Self {
        Self {
            reason: reason.into(),
            detail: detail.into(),
        }
    }
}

/// A pod that is judged.
struct Pod<'a> {
    annotations: &'a Value,
    spec: &'a Value,
}

impl<'a> Pod<'a> {
    /// All containers, in the order in which Kubernetes looks at them.
    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let spec = self.spec;
        ["initContainers", "containers", "ephemeralContainers"]
            .into_iter()
            .flat_map(move |list| items(&spec[list]))
    }

    /// The names of the containers for which something holds.
    fn where_container(&self, holds: impl Fn(&Value) -> bool) -> Vec<String> {
        self.containers()
            .filter(|container| holds(container))
            .map(|container| text(&container["name"]))
            .collect()
    }

    fn is_windows(&self) -> bool {
        self.spec["os"]["name"] == "windows"
    }
}

/// What a mode's labels ask for, and as which version they name it; none where the mode asks for nothing.
fn policy(namespace: &Value, mode: &str) -> Option<(Level, String)> {
    let labels = &namespace["metadata"]["labels"];
    // A level that nobody knows is the strictest.
    let level = labels[format!("{PREFIX}{mode}")].as_str()?;
    let level = Level::parse(level).unwrap_or(Level::Restricted);
    if level == Level::Privileged {
        return None;
    }
    let version = labels[format!("{PREFIX}{mode}-version")]
        .as_str()
        .unwrap_or("latest");
    let name = if level == Level::Baseline {
        "baseline"
    } else {
        "restricted"
    };
    Some((level, format!("{name}:{version}")))
}

/// Everything that a pod does beyond a level, in the order of the checks' names.
fn violations(level: Level, annotations: &Value, spec: &Value) -> Vec<Violation> {
    let pod = Pod { annotations, spec };
    let checks: &[fn(&Pod<'_>) -> Option<Violation>] = match level {
        Level::Privileged => &[],
        Level::Baseline => &[
            baseline::app_armor,
            baseline::capabilities,
            baseline::host_namespaces,
            baseline::host_path,
            baseline::host_ports,
            baseline::host_probes,
            baseline::privileged,
            baseline::proc_mount,
            baseline::se_linux,
            baseline::seccomp,
            baseline::sysctls,
            baseline::windows_host_process,
        ],
        Level::Restricted => &[
            restricted::privilege_escalation,
            baseline::app_armor,
            restricted::capabilities,
            baseline::host_namespaces,
            baseline::host_ports,
            baseline::host_probes,
            baseline::privileged,
            baseline::proc_mount,
            restricted::volumes,
            restricted::run_as_non_root,
            restricted::run_as_user,
            baseline::se_linux,
            restricted::seccomp,
            baseline::sysctls,
            baseline::windows_host_process,
        ],
    };
    checks.iter().filter_map(|check| check(&pod)).collect()
}

fn told(policy: &str, violations: &[Violation], verb: &str) -> String {
    let list: Vec<String> = violations
        .iter()
        .map(|violation| format!("{} ({})", violation.reason, violation.detail))
        .collect();
    format!("{verb} PodSecurity {policy:?}: {}", list.join(", "))
}

/// What becomes of an object that holds a pod's spec: why it is refused, and the warnings otherwise. Only pods are
/// refused; what makes pods is warned about.
pub(crate) fn judge(kind: &Kind, namespace: &Value, object: &Value) -> Result<Vec<String>, String> {
    let template = match kind.resource().as_str() {
        resource::PODS => object,
        resource::DEPLOYMENTS
        | resource::REPLICA_SETS
        | resource::STATEFUL_SETS
        | resource::JOBS => &object["spec"]["template"],
        _ => return Ok(Vec::new()),
    };
    let found = |mode: &str| {
        let (level, policy) = policy(namespace, mode)?;
        let violations = violations(
            level,
            &template["metadata"]["annotations"],
            &template["spec"],
        );
        (!violations.is_empty()).then_some((policy, violations))
    };
    if kind.resource() == resource::PODS
        && let Some((policy, violations)) = found("enforce")
    {
        return Err(told(&policy, &violations, "violates"));
    }
    Ok(found("warn")
        .map(|(policy, violations)| told(&policy, &violations, "would violate"))
        .into_iter()
        .collect())
}

/// What is wrong with a namespace's labels.
pub(crate) fn validate_labels(namespace: &Value, causes: &mut Vec<Cause>) {
    let labels = &namespace["metadata"]["labels"];
    for mode in ["enforce", "warn", "audit"] {
        let field = |suffix: &str| format!("metadata.labels[{PREFIX}{mode}{suffix}]");
        if let Some(level) = labels[format!("{PREFIX}{mode}")].as_str()
            && Level::parse(level).is_none()
        {
            causes.push(Cause::invalid(
                field(""),
                format!("{level:?}: must be one of privileged, baseline, restricted"),
            ));
        }
        if let Some(version) = labels[format!("{PREFIX}{mode}-version")].as_str() {
            let minor = version.strip_prefix("v1.").unwrap_or_default();
            let plain = minor == "0" || !minor.starts_with('0');
            let numbered =
                !minor.is_empty() && plain && minor.bytes().all(|byte| byte.is_ascii_digit());
            if version != "latest" && !numbered {
                causes.push(Cause::invalid(
                    field("-version"),
                    format!("{version:?}: must be \"latest\" or \"v1.x\""),
                ));
            }
        }
    }
}

/// The warnings about pods that are there and that new labels would refuse.
pub(crate) fn existing<'a>(
    before: &Value,
    namespace: &Value,
    pods: impl Iterator<Item = &'a Value>,
) -> Vec<String> {
    let Some((level, policy)) = policy(namespace, "enforce") else {
        return Vec::new();
    };
    if self::policy(before, "enforce")
        .is_some_and(|(known, version)| known >= level && version == policy)
    {
        return Vec::new();
    }
    // Pods that do the same are named once.
    let mut found: Vec<(String, String, usize)> = Vec::new();
    for pod in pods.take(EXISTING) {
        let violations = violations(level, &pod["metadata"]["annotations"], &pod["spec"]);
        if violations.is_empty() {
            continue;
        }
        let reasons: Vec<&str> = violations
            .iter()
            .map(|violation| violation.reason.as_str())
            .collect();
        let reasons = reasons.join(", ");
        match found.iter_mut().find(|(known, _, _)| *known == reasons) {
            Some((_, _, count)) => *count += 1,
            None => found.push((reasons, text(&pod["metadata"]["name"]), 1)),
        }
    }
    if found.is_empty() {
        return Vec::new();
    }
    let mut lines: Vec<String> = found
        .into_iter()
        .map(|(reasons, pod, count)| match count {
            1 => format!("{pod}: {reasons}"),
            2 => format!("{pod} (and 1 other pod): {reasons}"),
            more => format!("{pod} (and {} other pods): {reasons}", more - 1),
        })
        .collect();
    lines.sort();
    let name = text(&namespace["metadata"]["name"]);
    lines.insert(
        0,
        format!("existing pods in namespace {name:?} violate the new PodSecurity enforce level {policy:?}"),
    );
    lines
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn plural<'a>(one: &'a str, many: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { many }
}

/// `"a", "b"`.
fn quoted<T: AsRef<str>>(names: impl IntoIterator<Item = T>) -> String {
    let names: Vec<String> = names
        .into_iter()
        .map(|name| format!("{:?}", name.as_ref()))
        .collect();
    names.join(", ")
}

/// `container "a"` or `containers "a", "b"`.
fn containers(names: &[String]) -> String {
    format!(
        "{} {}",
        plural("container", "containers", names.len()),
        quoted(names)
    )
}

/// `pod and containers "a", "b"`, of those that set something wrong; none where nobody did.
fn setters(pod: bool, names: &[String]) -> Option<String> {
    let mut setters = Vec::new();
    if pod {
        setters.push("pod".to_owned());
    }
    if !names.is_empty() {
        setters.push(containers(names));
    }
    (!setters.is_empty()).then(|| setters.join(" and "))
}

#[cfg(test)]
mod tests;
